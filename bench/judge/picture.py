"""
The picture of the judge at work, as SVG text: `python -m bench.judge.picture docs` writes `docs/judge.svg`.

Two releases are simulated request by request from fixed seeds and judged by a real stream; what is drawn
is what the stream said, interval by interval. Standard library only.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

from crossfade.judge import Arm, Verdict, open_stream

STEP_S, BAKE_S, HISTORY_S = 5, 300, 900
STABLE_RPS, INSTANCE_RPS, INSTANCES = 180, 10, ("a", "b")
"""200 requests/s, a tenth of them to two instances of the candidate."""
STABLE_SHARE, SICK_SHARE, SICK_FROM_S = 0.003, 0.012, 120
"""Failed requests of the healthy and of the bad; the bad one turns bad in mid-bake."""
LIMIT = 1.5

WIDE, HIGH = 820, 600
LEFT, RIGHT = 64, 620
TOP_PANEL, LOW_PANEL = (70, 320), (390, 550)
EVIDENCE, RATIO = (0.1, 1000.0), (0.25, 16.0)

LIGHT = {
    "card": "#ffffff",
    "ink": "#24292f",
    "soft": "#57606a",
    "edge": "#d0d7de",
    "good": "#0a6c9f",
    "bad": "#b3400f",
}
DARK = {
    "card": "#161b22",
    "ink": "#e6edf3",
    "soft": "#9da7b1",
    "edge": "#3d444d",
    "good": "#6cb6ee",
    "bad": "#f0905a",
}
SHAPES = """
  text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif }
  .title { font-size: 15px; font-weight: 600 }
  text.good, text.bad { font-weight: 600; stroke: none }
  .stop { stroke-width: 1.5; stroke-dasharray: 7 4 }
  .line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
  .band { stroke: none; fill-opacity: .16 }
  .dot { stroke-width: 2 }
"""


def paint(colours: Mapping[str, str]) -> str:
    """The rules that differ between a light and a dark page. No CSS variables: few viewers know them."""
    card, ink, soft, edge = (colours[name] for name in ("card", "ink", "soft", "edge"))
    rules = [
        f"text {{ fill: {ink} }} text.soft {{ fill: {soft} }}",
        f".card {{ fill: {card}; stroke: {edge} }} .grid {{ stroke: {edge} }} .stop {{ stroke: {ink} }}",
        f".dot {{ fill: {colours['bad']}; stroke: {card} }}",
        *(
            f".line.{name} {{ stroke: {tone} }} .band.{name}, text.{name} {{ fill: {tone} }}"
            for name, tone in colours.items()
            if name in {"good", "bad"}
        ),
    ]
    return "\n".join(f"  {rule}" for rule in rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was said at one moment."""

    at_s: int
    said: Verdict


def looks(seed: int, share: Callable[[int], float]) -> list[Look]:
    """A whole bake, or up to the stop; `share` of the candidate's requests fail at each second."""
    rng = random.Random(seed)
    quiet = [
        {"start": at - HISTORY_S, "end": at - HISTORY_S + STEP_S, "stable": _stable(rng)}
        for at in range(0, HISTORY_S, STEP_S)
    ]
    stream = open_stream(
        {"alpha": 0.01, "bake_s": BAKE_S, "weight": 0.1, "gates": {"errors": {}}, "history": quiet}
    )
    found = []
    for at in range(0, BAKE_S, STEP_S):
        interval: dict[str, Any] = {
            "start": at,
            "end": at + STEP_S,
            "stable": _stable(rng),
            "candidate_instances": [
                (name, _arm(rng, INSTANCE_RPS * STEP_S, share(at))) for name in INSTANCES
            ],
        }
        found.append(Look(at_s=at + STEP_S, said=stream.push(interval)))
        if found[-1].said["verdict"] == "fail":
            break
    return found


def _stable(rng: random.Random) -> Arm:
    return _arm(rng, STABLE_RPS * STEP_S, STABLE_SHARE)


def _arm(rng: random.Random, requests: int, share: float) -> Arm:
    return {"requests": requests, "errors": sum(rng.random() < share for _ in range(requests))}


def draw(good: Sequence[Look], bad: Sequence[Look]) -> str:
    """The SVG: evidence above, the shown ratio with its interval below."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" role="img">',
            f"<title>{_alt(bad)}</title>",
            f"<style>{SHAPES}{paint(LIGHT)}",
            f"  @media (prefers-color-scheme: dark) {{\n{paint(DARK)}\n  }}\n</style>",
            f'<rect class="card" x="0.5" y="0.5" width="{WIDE - 1}" height="{HIGH - 1}" rx="8"/>',
            *_evidence(good, bad),
            *_ratio(good, bad),
            "</svg>\n",
        ]
    )


def _alt(bad: Sequence[Look]) -> str:
    return (
        "Evidence over time: a healthy candidate stays near 1, one that turns bad at "
        f"{_clock(SICK_FROM_S)} reaches the stop line of 100 at {_clock(bad[-1].at_s)}."
    )


def _evidence(good: Sequence[Look], bad: Sequence[Look]) -> Iterator[str]:
    top, bottom = TOP_PANEL

    def y(value: float) -> float:
        return _log_place(value, EVIDENCE, top, bottom)

    yield _text(LEFT, 32, "Evidence that the candidate is worse, times the stake", "title")
    yield _text(
        LEFT, 52, "errors gate, 200 requests/s, a tenth to the candidate, looked at every 5 s", "soft"
    )
    yield from _frame(top, bottom, [(y(v), f"{v:g}") for v in (0.1, 1, 10, 100, 1000)])
    yield f'<path class="stop" d="M{LEFT} {y(100):.1f}H{RIGHT}"/>'
    yield _text(RIGHT + 8, y(100) + 4, "stop line: 100")
    yield from _turns(top, bottom)
    for name, run in (("good", good), ("bad", bad)):
        points = [(0, 1.0), *((look.at_s, look.said["evidence"]) for look in run)]
        yield f'<path class="line {name}" d="{_path([(_x(at), y(value)) for at, value in points])}"/>'
    last = bad[-1]
    x, at = _x(last.at_s), y(last.said["evidence"])
    yield f'<circle class="dot" cx="{x:.1f}" cy="{at:.1f}" r="6"/>'
    yield _text(x - 12, at - 6, f"bad candidate: stopped at {_clock(last.at_s)}", "bad", anchor="end")
    yield _text(RIGHT + 8, y(good[-1].said["evidence"]) + 4, "healthy candidate", "good")


def _ratio(good: Sequence[Look], bad: Sequence[Look]) -> Iterator[str]:
    top, bottom = LOW_PANEL

    def y(value: float) -> float:
        return _log_place(value, RATIO, top, bottom)

    yield _text(LEFT, top - 30, "Failed requests, candidate over stable", "title")
    yield _text(
        LEFT,
        top - 10,
        "line: as counted, from where it seems to have gone wrong; band: its interval",
        "soft",
    )
    yield from _frame(top, bottom, [(y(v), f"{v:g}x") for v in (0.25, 1, 4, 16)])
    for at in range(0, BAKE_S + 1, 60):
        yield _text(_x(at), bottom + 20, _clock(at), "soft", anchor="middle")
    yield f'<path class="stop" d="M{LEFT} {y(LIMIT):.1f}H{RIGHT}"/>'
    yield from _turns(top, bottom)
    yield _text(RIGHT + 8, y(LIMIT) + 4 - 8, "at_most: 1.5x")
    for name, run in (("good", good), ("bad", bad)):
        low = [(_x(look.at_s), y(look.said["gates"]["errors"]["low"] or RATIO[0])) for look in run]
        high = [(_x(look.at_s), y(look.said["gates"]["errors"]["high"] or RATIO[1])) for look in run]
        yield f'<path class="band {name}" d="{_path([*low, *reversed(high)])}Z"/>'
        shown = [(_x(look.at_s), look.said["gates"]["errors"]["ratio"]) for look in run]
        yield (f'<path class="line {name}" d="{_path([(x, y(ratio)) for x, ratio in shown if ratio])}"/>')
    chance = max(
        (look for look in good if look.at_s > SICK_FROM_S),
        key=lambda look: look.said["gates"]["errors"]["ratio"] or 0.0,
    )
    most = chance.said["gates"]["errors"]["ratio"] or 1.0
    yield _text(RIGHT + 8, y(most) + 4, f"{most:.1f}x at {_clock(chance.at_s)}, by chance;", "good")
    yield _text(RIGHT + 8, y(most) + 21, f"evidence {chance.said['evidence']:.2f}", "soft")
    end, last = good[-1].said["gates"]["errors"], bad[-1].said["gates"]["errors"]
    yield _text(RIGHT + 8, y(end["ratio"] or 1.0) + 12, f"healthy: {end['ratio'] or 0.0:.2f}x", "good")
    yield _text(
        _x(bad[-1].at_s) + 10, y(last["ratio"] or 1.0) + 4, f"bad: {last['ratio'] or 0.0:.1f}x", "bad"
    )


def _turns(top: float, bottom: float) -> Iterator[str]:
    x = _x(SICK_FROM_S)
    yield f'<path class="grid" d="M{x:.1f} {top}V{bottom}"/>'
    if top == TOP_PANEL[0]:
        yield _text(x - 6, top + 18, "turns bad here", "soft", anchor="end")


def _frame(top: float, bottom: float, marks: Sequence[tuple[float, str]]) -> Iterator[str]:
    for place, label in marks:
        yield f'<path class="grid" d="M{LEFT} {place:.1f}H{RIGHT}"/>'
        yield _text(LEFT - 8, place + 4, label, "soft", anchor="end")
    yield f'<path class="grid" d="M{LEFT} {top}V{bottom}"/>'


def _text(x: float, y: float, words: str, kind: str = "", *, anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _x(at_s: float) -> float:
    return LEFT + (RIGHT - LEFT) * at_s / BAKE_S


def _log_place(value: float, scale: tuple[float, float], top: float, bottom: float) -> float:
    low, high = scale
    kept = min(max(value, low), high)
    return bottom - (bottom - top) * log(kept / low) / log(high / low)


def _clock(at_s: int) -> str:
    return f"{at_s // 60}:{at_s % 60:02d}"


def main() -> None:
    """Write `judge.svg` into the folder named, and say what it shows."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    good = looks(1, lambda _: STABLE_SHARE)
    bad = looks(2, lambda at: SICK_SHARE if at >= SICK_FROM_S else STABLE_SHARE)
    place = folder / "judge.svg"
    place.write_text(draw(good, bad), encoding="utf-8")
    for name, run in (("healthy", good), ("bad", bad)):
        print(f"{name}: {_clock(run[-1].at_s)}: {run[-1].said['text']}")
    print(f"wrote {place}")


if __name__ == "__main__":
    main()
