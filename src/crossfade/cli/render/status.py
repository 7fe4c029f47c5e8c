"""
How each service stands, one block each; and the same as JSON.

A row is what the verb looked up: the release and its state, truth's own words for what it
waits for and for the way back. This module only says it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from crossfade.cli.render import causes, fields, words
from crossfade.cli.render import story as tale
from crossfade.cli.render.story import Story
from crossfade.release.plan import Plan

LABEL = 13
NEVER = "rollback: never rehearsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One service, as looked up."""

    service: str
    now: datetime
    serving: str | None = None
    """The revision the platform trusts; None: nothing was released yet, or nobody could tell."""
    plan: Plan | None = None
    """Of the running release, else of the last one; None before the first."""
    entries: Sequence[fields.EntryLike] = ()
    weight: int | None = None
    """The candidate's share in thousandths as truth shows it; None: not known."""
    gates: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Name to the numbers and `say` of this look."""
    waits_for: Sequence[str] = ()
    way_back: str = ""
    """`WayBack.line()`."""
    drill: str = NEVER
    """What is on record about the last rehearsal (R42)."""
    driven_by: str | None = None
    """Who drives it now, or that nobody does, in words; None: not looked up."""


def text(rows: Sequence[Row]) -> str:
    """A block per service, blank lines between; lines without a last line end."""
    if not rows:
        return "nothing is released from here yet; next: crossfade init && crossfade deploy REVISION"
    return "\n\n".join("\n".join(_block(row)) for row in rows)


def record(row: Row) -> dict[str, object]:
    """The row as JSON values; what is not known is null, what does not apply is left out."""
    said: dict[str, object] = {
        "v": fields.VERSION,
        "service": row.service,
        "serving": row.serving,
        "rehearsed": row.drill,
    }
    if row.plan is None:
        return said
    story = tale.read(row.plan, row.entries)
    since = tale.since(story)
    said |= {
        "release": row.plan.release,
        "stable": row.plan.stable,
        "candidate": row.plan.candidate,
        "strategy": row.plan.strategy,
        "phase": story.word,
        "step": tale.standing(story),
        "weight": None if row.weight is None else row.weight / 10,
        "since": None if since is None else words.stamp(since, millis=True),
        "gates": fields.plain_json(row.gates),
        "waits_for": list(row.waits_for),
        "way_back": row.way_back or None,
        "driven_by": row.driven_by,
        "break_glass": row.plan.break_glass or None,
        "over": story.outcome is not None or story.state is None,
        "next": [step.replace("`", "") for step in causes.next_steps(story)],
    }
    if story.cause is not None:
        said["cause"] = story.cause.value
    return said


def _block(row: Row) -> Iterator[str]:
    if row.plan is None:
        yield f"{words.clean(row.service)}  {words.clean(row.serving or 'nothing released yet')}"
        yield _line("drill", row.drill)
        yield _line("next", "crossfade deploy REVISION")
        return
    story = tale.read(row.plan, row.entries)
    yield f"{story.title}   {words.short(row.plan.release)}   {story.word.replace('_', ' ').upper()}"
    for label, said in _facts(row, story):
        yield _line(label, said)


def _facts(row: Row, story: Story) -> Iterator[tuple[str, str]]:
    over = story.outcome is not None or story.state is None
    yield from _standing(row, story, over=over)
    for name, numbers in row.gates.items():
        yield "gate", gate(name, numbers)
    if not over:
        if row.driven_by:
            yield "driven by", words.clean(row.driven_by)
        for wait in row.waits_for or tale.waits(story):
            yield "waits for", words.clean(wait)
    for event in tale.overrides(story):
        yield "override", tale.told(event)
    if row.way_back:
        yield "way back", words.clean(row.way_back)
    if row.drill not in row.way_back:
        yield "drill", words.clean(row.drill)
    if story.plan.break_glass and (not over or story.turned is not None):
        yield "break glass", words.clean(story.plan.break_glass, clip=2000)
    for step in causes.next_steps(story):
        yield "next", step


def _standing(row: Row, story: Story, *, over: bool) -> Iterator[tuple[str, str]]:
    """Who serves, at which step and weight, since when."""
    if row.serving is not None:
        yield "serving", words.clean(row.serving)
    if not over or story.turned is not None:
        turned = f"; turned back {causes.because(story)}" if story.turned is not None else ""
        at = fields.where(story.plan, tale.standing(story)).removeprefix("step ")
        yield "step", f"{at}{turned}"
    if not over or row.weight:
        known = "not known" if row.weight is None else f"{words.weight(row.weight)}  {words.bar(row.weight)}"
        yield "weight", known
    since = tale.since(story)
    if since is not None:
        ago = words.duration(max((row.now - since).total_seconds(), 0.0))
        yield "since", f"{words.stamp(since)}, {ago} ago"


def gate(name: str, numbers: Mapping[str, object]) -> str:
    """A gate of this look in one line: `latency p99 3.1x of 1.25x, n 5,940/660, evidence 38 %: not yet`."""
    at = words.quantile(numbers.get("at"))
    parts = [words.clean(name) + (f" {at}" if at else "")]
    ratio, limit = words.number(numbers, "ratio"), words.number(numbers, "limit")
    if ratio is not None:
        parts[0] += f" {words.times(ratio)}" + (f" of {words.times(limit)}" if limit is not None else "")
    counts = [words.number(numbers, f"n_{side}") for side in ("stable", "candidate")]
    if any(counts):
        parts.append("n " + "/".join("?" if n is None else words.count(n) for n in counts))
    done = words.progress(numbers)
    if done is not None:
        parts.append(f"evidence {done}")
    say = words.clean(numbers.get("say") or numbers.get("verdict") or "unknown").replace("_", " ")
    return f"{', '.join(parts)}: {say}"


def _line(label: str, said: str) -> str:
    return f"  {label:<{LABEL}}{said}"
