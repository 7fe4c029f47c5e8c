"""How far this machine's clock is from AWS's, by the Date of an answer, which is whole seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from crossfade.doctor.check import Check, State, ok, unknown

HARMFUL_S: Final = 240.0
"""AWS refuses what was signed five minutes away from its own time, and a clock drifts on."""

NOTICED_S: Final = 5.0
"""Leases between machines, and which minute a metric belongs to, are told by the clock."""


def clock(headers: Mapping[str, str], before: float, after: float) -> Iterator[Check]:
    """`headers` of an answer that was asked for at `before` and read at `after`, in seconds of the epoch."""
    try:
        theirs = parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError):
        yield unknown("clock", "the answer bears no date")
        return
    # It was made somewhere in between, and its second was cut off.
    early, late = before - (theirs + 1.0), after - theirs
    off = early if early > 0.0 else min(late, 0.0)
    if abs(off) <= NOTICED_S:
        yield ok("clock", "agrees with AWS's" if off == 0.0 else f"{abs(off):.0f} s {_way(off)} AWS's")
        return
    yield Check(
        name="clock",
        state=State.FAIL if abs(off) > HARMFUL_S else State.WARN,
        said=f"this machine's clock is {abs(off):.0f} s {_way(off)} AWS's",
        id="CF3063",
        why="signatures, leases between machines and the minutes of metrics depend on it",
        fix="let the machine keep time by itself: timedatectl set-ntp true",
    )


def _way(off: float) -> str:
    return "ahead of" if off > 0.0 else "behind"
