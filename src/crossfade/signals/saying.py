"""
From the judge's one answer to a verdict a gate, in the heart's words. Pure.

`pass` is the judge's own, about each gate, and only while the whole is no worse. What the
judge calls no data although the source was read is no traffic: that is `not_yet`, then
`inconclusive` with what it would take, and never a pass (R24, R32).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from crossfade.judge import GateVerdict
from crossfade.judge import Verdict as Judged
from crossfade.release.plan import PlannedGate, Step
from crossfade.release.state import State
from crossfade.release.values import Say, Verdict

LANES: Final = ("outage", "traffic")
"""Parts of the judge that are no gate of the user's; their failure is told by the errors gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What the verdicts are about."""

    state: State
    step: Step
    gates: Sequence[PlannedGate]
    stable: str
    """Revision of stable, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How what was judged was come by."""

    source: str = ""
    """Who counted."""
    past_s: float | None = None
    """Stable's past of so many seconds was the baseline."""
    aside: Mapping[str, float] = field(default_factory=dict)
    """Counts of this step that belong to neither side."""


def same(window: Window, say: Say, text: str) -> tuple[Verdict, ...]:
    """One answer for all gates: nothing was judged."""
    return tuple(_verdict(window, gate.name, say, text) for gate in window.gates)


def judged(window: Window, said: Judged, covers: timedelta, seen: Seen) -> tuple[Verdict, ...]:
    """The judge's answer, gate by gate."""
    stops = [gate.name for gate in window.gates if not gate.observe]
    blamed = _blamed(said, stops)
    own = {gate.name: _own(said, gate.name, covers, window.step.bake) for gate in window.gates}
    if blamed is not None:
        own[blamed] = Say.FAIL
    whole = _read(said["verdict"], covers, window.step.bake)
    if stops and all(own[name] is Say.PASS for name in stops) and whole is not Say.PASS:
        own[stops[0]] = whole  # one sick instance, or silence just now: no gate's own fault
    return tuple(
        _told(window, said, gate.name, own[gate.name], covers=covers, seen=seen, blamed=blamed)
        for gate in window.gates
    )


def _blamed(said: Judged, stops: Sequence[str]) -> str | None:
    """The gate that carries a failure; one of all gates together still needs a name."""
    if said["verdict"] != "fail" or not stops:
        return None
    if said["blame"] in stops:
        return said["blame"]
    return "errors" if "errors" in stops else stops[0]


def _own(said: Judged, gate: str, covers: timedelta, bake: timedelta) -> Say:
    found = said["gates"].get(gate)
    return Say.NO_DATA if found is None else _read(found["verdict"], covers, bake)


def _read(say: str, covers: timedelta, bake: timedelta) -> Say:
    """A source that was read and brought no request is not blind."""
    if say != Say.NO_DATA:
        return Say(say)
    return Say.INCONCLUSIVE if covers >= bake else Say.NOT_YET


def _told(
    window: Window,
    said: Judged,
    gate: str,
    say: Say,
    *,
    covers: timedelta,
    seen: Seen,
    blamed: str | None,
) -> Verdict:
    found = said["gates"].get(gate)
    if found is None:
        return _verdict(window, gate, say, f"the judge knows no gate {gate}", covers=covers)
    lane = said["blame"] if gate == blamed and said["blame"] in LANES else None
    shown = said["gates"][lane] if lane else found
    numbers: dict[str, object] = {
        "stable": shown["observed_stable"],
        "candidate": shown["observed_candidate"],
        "ratio": shown["ratio"],
        "limit": shown["limit"],
        "n_stable": shown["n_stable"],
        "n_candidate": shown["n_candidate"],
        "evidence": said["evidence"] if gate == blamed else shown["evidence"],
        "bound": said["bound"],
        "at": shown["at"],
        "cut_ms": shown["cut_ms"],
        "limit_ms": shown["limit_ms"],
        "low": shown["low"],
        "high": shown["high"],
        "needs_s": said["needs_s"],
        "instance": said["instance"],
    }
    if lane:
        numbers["lane"] = lane
    told = say in (Say.FAIL, Say.INCONCLUSIVE) and (gate == blamed or blamed is None)
    text = said["text"] if told else _short(gate, shown)
    if not found["n_candidate"] and not found["n_stable"] and say is Say.NOT_YET:
        text = f"no request on either side yet; {said['text']}"
    if seen.source:
        numbers["source"] = seen.source
    if seen.past_s is not None:
        numbers["baseline"] = "past"
        text = f"{text}; against {window.stable}'s last {seen.past_s:g} s, which is weaker"
    if gate == "errors" and seen.aside:
        numbers["aside"] = dict(seen.aside)
        text += "".join(f"; {count:g} {name} of neither side" for name, count in seen.aside.items() if count)
    return _verdict(window, gate, say, text, covers=covers, numbers=numbers)


def _short(gate: str, shown: GateVerdict) -> str:
    at = f" at p{shown['at'] * 100:g}" if shown["at"] is not None else ""
    seen = f"{shown['n_candidate']:.0f} requests of {shown['n_candidate'] + shown['n_stable']:.0f}"
    if shown["ratio"] is None or shown["limit"] is None:
        return f"{gate}{at}: {seen}"
    return f"{gate} {shown['ratio']:.2f}x of {shown['limit']:g}x{at}, {seen}"


def _verdict(
    window: Window,
    gate: str,
    say: Say,
    text: str,
    *,
    covers: timedelta = timedelta(0),
    numbers: dict[str, object] | None = None,
) -> Verdict:
    state = window.state
    return Verdict(
        gate=gate,
        say=say,
        step=window.step.name,
        since=state.reached or state.since,
        covers=covers,
        text=text,
        numbers=numbers or {},
    )
