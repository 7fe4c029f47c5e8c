"""
Why a release ended as it did, or what it waits for: in words and numbers, from its journal alone.

What happened, what was seen, what was not the cause, how long each part took, whether we
can go back, what to do next, the raw command that undoes it without us (R46), and how to
check this very text. A number that the journal does not hold is not said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from crossfade.cli.render import causes, fields, words
from crossfade.cli.render import story as tale
from crossfade.cli.render.story import Story
from crossfade.release.plan import Plan
from crossfade.release.state import Outcome
from crossfade.release.values import Cause, Event, EventType, Say

LABEL = 13
"""Width of the left column."""

TICK_S = 2.0
"""A look while baking comes every second: what lies beyond the data and is longer was more than a tick."""


def text(
    plan: Plan,
    entries: Sequence[fields.EntryLike],
    *,
    way_back_line: str,
    time_compression: float = 1.0,
) -> str:
    """
    The explanation, lines without a last line end.

    `way_back_line` is `WayBack.line()` as of now. `time_compression` is how many times faster
    than real the journal's clock ran (the demo's 5): waits are told at its pace, with what they took
    here beside it; what machines did took what it took here.
    """
    story = tale.read(plan, entries)
    lines = [*causes.headline(story), *_seen(story)]
    for label, said in facts(story, way_back_line, time_compression):
        lines.append(f"{label:<{LABEL}}{said}")
    return "\n".join(lines)


def record(plan: Plan, entries: Sequence[fields.EntryLike], *, way_back_line: str) -> dict[str, object]:
    """The explanation as JSON values: what is said, and every event it is said from."""
    story = tale.read(plan, entries)
    shown: dict[str, object] = {
        "v": fields.VERSION,
        "service": plan.service,
        "release": plan.release,
        "stable": plan.stable,
        "candidate": plan.candidate,
        "outcome": story.word,
        "cause": None if story.cause is None else story.cause.value,
        "step": tale.standing(story),
        "said": list(causes.headline(story)),
        "facts": [[label, said] for label, said in facts(story, way_back_line)],
        "way_back": way_back_line or None,
        "break_glass": plan.break_glass or None,
        "events": [fields.record(entry, plan) for entry in entries],
    }
    return {name: value for name, value in shown.items() if value is not None}


def _seen(story: Story) -> Iterator[str]:
    """The two sides of the gate that stopped it, over one window."""
    numbers = _blamed(story)
    counted = [words.number(numbers, f"n_{side}") for side in ("stable", "candidate")]
    if words.seen(numbers, "candidate") is None and all(n is None for n in counted):
        return
    window = words.number(numbers, "window_s")
    head = f"Seen, same {words.duration(window)} window" if window is not None else "Seen, same window"
    yield ""
    yield _row(head, f"stable {story.stable}", f"candidate {story.candidate}")
    yield from (
        _row(f"  {label}", *cells)
        for label, *cells in (
            ("requests", *("" if n is None else words.count(n) for n in counted)),
            (_what(story, numbers), _cell(numbers, "stable"), _cell(numbers, "candidate")),
            *_ratio(numbers),
        )
        if any(cells)
    )
    baseline = numbers.get("baseline")
    if baseline:
        yield f"  compared with {words.clean(baseline)}"


def _row(label: str, stable: str, candidate: str) -> str:
    return f"{label:<38}{stable[:18]:>18}{candidate[:20]:>20}".rstrip()


def _what(story: Story, numbers: Mapping[str, object]) -> str:
    cut, limit = words.number(numbers, "cut_ms"), words.number(numbers, "limit_ms")
    if limit is None:
        name = story.turned.gate if story.turned and story.turned.gate else "gate"
        return "failed" if words.number(numbers, "n_candidate") is not None else words.clean(name)
    if cut is None:
        return f"slower than {words.millis(limit)}"
    ratio = words.number(numbers, "limit")
    of = f" ({words.times(ratio)})" if ratio is not None else ""
    return f"slower than {words.millis(cut)} / {words.millis(limit)}{of}"


def _cell(numbers: Mapping[str, object], side: str) -> str:
    shown = words.observed(numbers, side)
    share, of = words.seen(numbers, side), words.number(numbers, f"n_{side}")
    if shown is None or share is None or of is None:
        return shown or ""
    return f"{words.count(round(share * of))} ({shown})"


def _ratio(numbers: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    ratio = words.number(numbers, "ratio")
    if ratio is None:
        return
    low, high = words.number(numbers, "low"), words.number(numbers, "high")
    between = f" ({low:.3g} to {high:.3g})" if low is not None and high is not None else ""
    at = words.quantile(numbers.get("at"))
    yield f"{at or 'rate'}, times stable's", "1x", f"{words.times(ratio)}{between}"


def _blamed(story: Story) -> Mapping[str, object]:
    """The numbers of the verdict that turned it; of a hook, a person or a clock there are none."""
    if story.turned is None or story.cause is not Cause.GATE:
        return {}
    return (story.fault.numbers if story.fault else None) or story.turned.numbers


def facts(story: Story, way_back: str, compression: float = 1.0) -> Iterator[tuple[str, str]]:
    """Label and line, in the order shown; a line that continues the one above has no label."""
    for label, said in (
        ("Why", _why(story)),
        ("Evidence", _evidence(story)),
        ("Waits for", tale.waits(story)),
        ("Not it", _not_it(story)),
        ("Gates", _gates(story)),
        ("Overrides", tuple(tale.told(event) for event in tale.overrides(story))),
        ("Asked", _asked(story)),
        ("Blind", _blind(story)),
        ("Took", _took(story, compression)),
        ("Can go back", (words.clean(way_back.removeprefix("can go back: ")),) if way_back else ()),
        ("Break glass", _break_glass(story)),
        ("Next", causes.next_steps(story)),
        ("Check me", _check(story)),
    ):
        for n, one in enumerate(said):
            yield ("" if n else label), one


def _why(story: Story) -> Iterator[str]:
    """The sentence of the verdict or the hook's own words, where the headline has not said it."""
    fault = story.fault if story.fault is not None else story.turned if story.cause is Cause.GATE else None
    if fault is not None and fault.message:
        yield words.clean(fault.message)
    instance = _blamed(story).get("instance")
    if instance:
        yield f"instance {words.clean(instance)} alone is sick"


def _evidence(story: Story) -> Iterator[str]:
    numbers = _blamed(story)
    evidence, bound = words.number(numbers, "evidence"), words.number(numbers, "bound")
    if evidence is None:
        return
    if bound is None:
        yield words.count(evidence)
        return
    stops = words.count(bound)
    yield f"{words.count(evidence)}; stops at {stops} (so at most 1 healthy release in {stops} is stopped)"


def _not_it(story: Story) -> Iterator[str]:
    """What the journal clears, and no more: a gate that it is silent about is called silent."""
    if story.turned is None:
        return
    step = next((step for step in story.plan.on if step.name == story.turned.step), None)
    asked = [] if step is None else [gate for gate in step.gates if gate != story.turned.gate]
    here, ever = tale.gates(story, story.turned.step), tale.gates(story)
    beside = _beside(story)
    spoken: list[str] = []
    silent: list[str] = []
    for gate in asked:
        if gate in beside:
            spoken.append(said(gate, beside[gate], str(beside[gate].get("verdict", ""))))
        elif gate in here and not _unseen(story, here[gate]):
            spoken.append(_said(gate, here[gate]))
        elif gate in ever and gate not in here:
            spoken.append(f"{_said(gate, ever[gate])} (at {words.clean(ever[gate].step or '?')})")
        elif gate not in here:
            silent.append(words.clean(gate))
    if story.cause is not Cause.GATE and not any(e.type is EventType.GATE_FAILED for e in story.events):
        # Gates are the first guard asked: had one failed at that look, it would have been the cause.
        spoken.insert(0, "no gate had failed")
    elif silent:
        spoken.append(f"no failure of {', '.join(silent)} in the journal")
    if spoken:
        yield "; ".join(spoken)


def _beside(story: Story) -> Mapping[str, Mapping[str, object]]:
    """The other gates at the same look, where the verdict stored them beside its own numbers."""
    stored = _blamed(story).get("gates")
    if not isinstance(stored, Mapping):
        return {}
    return {str(name): numbers for name, numbers in stored.items() if isinstance(numbers, Mapping)}


def _unseen(story: Story, event: Event) -> bool:
    """Whether not knowing was the cause and this gate is one that did not know."""
    return story.cause in (Cause.NO_DATA, Cause.INCONCLUSIVE) and fields.verdict(event) != Say.PASS


def _gates(story: Story) -> Iterator[str]:
    """The last word of each gate, of a release that did not turn back; else who did not know."""
    if story.refused is not None:
        return
    step = None if story.turned is None else story.turned.step
    for gate, event in tale.gates(story, step).items():
        if story.turned is None or _unseen(story, event):
            yield f"{_said(gate, event)} (at {words.clean(event.step or '?')})"


def _said(gate: str, event: Event) -> str:
    return said(gate, event.numbers, fields.verdict(event) or "extended")


def said(gate: str, numbers: Mapping[str, object], verdict: str) -> str:
    """A gate's word: `latency p99 1.01x of 1.25x, pass`, or its verdict alone where it has no numbers."""
    spoken, name = words.clean(verdict).replace("_", " "), words.clean(gate)
    ratio, limit = words.number(numbers, "ratio"), words.number(numbers, "limit")
    if ratio is not None and limit is not None:
        at = words.quantile(numbers.get("at"))
        shown = f"{name} {at} " if at else f"{name} "
        return f"{shown}{words.times(ratio)} of {words.times(limit)}, {spoken}"
    alone = words.observed(numbers, "candidate")
    return f"{name} {spoken}" if alone is None else f"{name} {alone}, {spoken}"


def _asked(story: Story) -> Iterator[str]:
    """What people asked besides overriding; a successful end without any says nothing."""
    overriding = tale.overrides(story)
    for event in tale.orders(story):
        if event not in overriding:
            yield f"{tale.told(event)} at {words.clock(event.ts)}"


def _blind(story: Story) -> Iterator[str]:
    gaps = [e.seconds for e in story.events if e.type is EventType.CONTROLLER_LOST and (e.seconds or 0) > 0]
    if gaps:
        blind = words.duration(sum(gap for gap in gaps if gap))
        yield f"nobody looked for {blind} in all: that time counted against no deadline (R33)"


def _took(story: Story, compression: float) -> Iterator[str]:
    if story.turned is None:
        if story.ended is not None and story.took is not None:
            yield f"{words.duration(story.took)} from opening to end"
        return
    back = tale.between(story.turned, _verified(story))
    parts = [*_waited(story, compression)]
    if back is not None:
        parts.append(f"{words.duration(back / compression)} back")
    if parts:
        yield " + ".join(parts)
    if story.outcome is not None and story.took is not None:
        yield f"{words.duration(story.took)} from opening to end"


def _waited(story: Story, compression: float) -> Iterator[str]:
    """From the step's world to the decision; split where the verdict says how much of it was settled data."""
    whole = tale.between(story.reached, story.turned)
    if whole is None:
        vain = tale.between(story.entered, story.turned)
        if vain is not None:
            yield f"{words.duration(vain)} waited in vain"
        return
    window = words.number(_blamed(story), "window_s")
    seconds = whole.total_seconds()

    def paced(part: float) -> str:
        fast = f" ({words.duration(part / compression)} here, clock x{compression:g})"
        here = fast if compression != 1.0 else ""
        return f"{words.duration(part)}{{}}{here}"

    if window is None or window > seconds:
        yield paced(seconds).format(" evidence and tick" if story.cause is Cause.GATE else " at that step")
        return
    warm = min(_muted(story), window)
    if warm:
        yield paced(warm).format(" warm-up")
    yield paced(window - warm).format(" evidence")
    # What lies between the data and the decision does not shrink with the traffic: it is not paced.
    rest = seconds - window
    yield f"{words.duration(rest / compression)} {'tick' if rest <= TICK_S else 'outside that window'}"


def _muted(story: Story) -> float:
    """Seconds at the step's begin in which the latency of new instances was not judged."""
    latency = story.turned is not None and story.turned.gate == "latency"
    return words.number(story.plan.judging, "warm_up_s") or 0.0 if latency else 0.0


def _verified(story: Story) -> Event | None:
    """The first proof of home after the turn: how long the way back took."""
    if story.turned is None:
        return None
    after = story.events[story.events.index(story.turned) :]
    return next((event for event in after if event.type is EventType.ROLLBACK_VERIFIED), None)


def _break_glass(story: Story) -> Iterator[str]:
    if story.plan.break_glass and story.state is not None and story.outcome is not Outcome.SUCCEEDED:
        yield words.clean(story.plan.break_glass, clip=2000)


def _check(story: Story) -> Iterator[str]:
    shown = words.short(story.plan.release)
    raw = f"raw: crossfade explain {shown} --json"
    judged = any(event.numbers for event in tale.gates(story).values())
    yield f"crossfade gate replay {shown}      {raw}" if judged else raw
