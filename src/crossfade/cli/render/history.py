"""The releases of a service or of all, newest first as given: a table, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from crossfade.cli.render import fields, words
from crossfade.cli.render import story as tale
from crossfade.release.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One release, told shortly."""

    release: str
    service: str
    stable: str | None
    candidate: str
    outcome: str
    """How it ended, or the phase it is in."""
    cause: str | None
    """Why it turned back; with the gate or hook where one did it."""
    opened: datetime | None
    took: timedelta | None
    """From opening to end; None while it runs."""
    by: str | None
    """Who opened it."""


COLUMNS = ("id", "service", "old -> new", "outcome", "cause", "opened", "took", "by")


def row(plan: Plan, entries: Sequence[fields.EntryLike]) -> Row:
    """The row of this journal."""
    story = tale.read(plan, entries)
    cause = None if story.cause is None else story.cause.value
    if story.turned is not None and story.turned.gate is not None:
        named = story.turned.gate if story.cause is None or story.cause.value != "hook" else "hook"
        detail = fields.hook_name(plan, story.turned.gate) if named == "hook" else named
        cause = f"{cause} {detail}"
    return Row(
        release=plan.release,
        service=plan.service,
        stable=plan.stable,
        candidate=plan.candidate,
        outcome=story.word,
        cause=cause,
        opened=None if story.opened is None else story.opened.ts,
        took=story.took if story.ended is not None else None,
        by=None if story.opened is None else story.opened.actor,
    )


def text(releases: Sequence[Row]) -> str:
    """The table, columns as wide as their longest value; lines without a last line end."""
    if not releases:
        return "no release yet; next: crossfade deploy REVISION"
    lines = [COLUMNS, *(_cells(one) for one in releases)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def record(release: Row) -> dict[str, object]:
    """The row as JSON values; absent ones left out."""
    said: dict[str, object] = {
        "v": fields.VERSION,
        "release": release.release,
        "service": release.service,
        "stable": release.stable,
        "candidate": release.candidate,
        "outcome": release.outcome,
        "cause": release.cause,
        "opened": None if release.opened is None else words.stamp(release.opened, millis=True),
        "took_s": None if release.took is None else release.took.total_seconds(),
        "by": release.by,
    }
    return {name: value for name, value in said.items() if value is not None}


def _cells(one: Row) -> tuple[str, ...]:
    return (
        words.short(one.release),
        words.clean(one.service, 30),
        words.clean(f"{one.stable or 'nothing'} -> {one.candidate}", 40),
        words.clean(one.outcome).replace("_", " "),
        words.clean(one.cause or "-", 40),
        "-" if one.opened is None else words.stamp(one.opened),
        "-" if one.took is None else words.duration(one.took),
        words.clean(one.by or "-", 24),
    )
