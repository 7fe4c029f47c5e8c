"""
Closed real seconds as the judge's intervals of about five seconds of clock. Pure.

A frame is made only of seconds that are known on both sides: one that is missing in one
arm is dropped for both (R29), and one that is not closed yet is waited for (R28).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from crossfade.signals.source import Arm, Slot, Slots

INTERVAL_S: Final = 5.0
"""Length of a judge's interval in seconds of clock, as near as whole real seconds allow."""

SETTLE_S: Final = 0.25
"""Real seconds after a step was reached that are dropped, up to the next whole second."""

MOST: Final = 1e15
"""More than this in a second is no count."""

Named = tuple[tuple[str, Arm], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Both sides over whole real seconds [start, end); an arm of None could not be read."""

    start: int
    end: int
    stable: Arm | None
    candidate: Arm | None
    stable_instances: Named = ()
    candidate_instances: Named = ()
    bad: str = ""
    """Why it could not be read; empty where it could."""


def width(factor: float) -> int:
    """Real seconds of one frame."""
    return max(1, round(INTERVAL_S / factor))


def begins(reached: float) -> int:
    """The first second that belongs to a step whose world was reached at this real epoch (R28)."""
    return math.ceil(reached + SETTLE_S)


def frames(slots: Slots, begin: int, wide: int, buckets: int) -> Iterator[Frame]:
    """
    All complete frames from `begin` on up to the watermark.

    Seconds before `known_from` are lost; the first frame begins behind them.
    """
    found = {math.floor(slot.start): slot for slot in slots.intervals}
    at = max(begin, math.ceil(slots.known_from))
    while at + wide <= slots.watermark:
        yield _frame(at, [found.get(second) for second in range(at, at + wide)], buckets)
        at += wide


def _frame(start: int, seconds: Sequence[Slot | None], buckets: int) -> Frame:
    there = [slot for slot in seconds if slot is not None]
    end = start + len(seconds)
    unread = Frame(start=start, end=end, stable=None, candidate=None)
    if any(slot.stable is None or slot.candidate is None for slot in there):
        return replace(unread, bad="the counts of one side are missing, so both are left out")
    try:
        return replace(
            unread,
            stable=_total([slot.stable for slot in there], buckets),
            candidate=_total([slot.candidate for slot in there], buckets),
            stable_instances=_named([pair for slot in there for pair in slot.stable_instances], buckets),
            candidate_instances=_named(
                [pair for slot in there for pair in slot.candidate_instances], buckets
            ),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return replace(unread, bad=f"the counts are garbled: {error!r}")


def _named(pairs: Sequence[tuple[str, Arm]], buckets: int) -> Named:
    names = sorted({name for name, _ in pairs})
    return tuple((name, _total([arm for other, arm in pairs if other == name], buckets)) for name in names)


def _total(arms: Sequence[Any], buckets: int) -> Arm:
    """
    The sum. Each second is looked at before: a sum would hide one that is below zero.

    A counter that began anew shows as such a second, in one instance or in a whole side.
    """
    rows = [_row(arm["latency"], buckets) for arm in arms if arm.get("latency")]
    return {
        "requests": sum(_count(arm["requests"]) for arm in arms),
        "errors": sum(_count(arm["errors"]) for arm in arms),
        "latency": [sum(column) for column in zip(*rows, strict=True)] if rows else [0] * buckets,
    }


def _row(row: Sequence[Any], buckets: int) -> Sequence[Any]:
    if len(row) != buckets:
        raise ValueError(f"{len(row)} latency buckets, {buckets} are expected")
    return [_count(count) for count in row]


def _count(count: Any) -> Any:
    if not 0 <= count <= MOST:
        raise ValueError(f"{count!r:.40} is no count")
    return count
