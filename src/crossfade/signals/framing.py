"""
Closed slots as the judge's intervals: about five seconds of clock, or one slot where slots are longer. Pure.

A frame is made only of slots that are known on both sides: one that is missing in one
arm is dropped for both (R29), and one that is not closed yet is waited for (R28).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from crossfade.signals.source import Arm, Slot, Slots

INTERVAL_S: Final = 5.0
"""Length of a judge's interval in seconds of clock, as near as whole slots allow."""

SETTLE_S: Final = 0.25
"""Real seconds after a step was reached that are dropped, up to the next whole second."""

MOST: Final = 1e15
"""More than this in a slot is no count."""

NEAR: Final = 0.01
"""Part of a slot by which a time may miss a border and is still on it: floats of an epoch are that coarse."""

Named = tuple[tuple[str, Arm], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Both sides over whole slots [start, end) in real seconds; an arm of None could not be read."""

    start: float
    end: float
    stable: Arm | None
    candidate: Arm | None
    stable_instances: Named = ()
    candidate_instances: Named = ()
    aside: Mapping[str, float] = field(default_factory=dict)
    """Counts of neither side."""
    bad: str = ""
    """Why it could not be read; empty where it could."""


def size(factor: float, slot_s: float) -> int:
    """Slots of one frame."""
    return max(1, round(INTERVAL_S / factor / slot_s))


def width(factor: float, slot_s: float) -> float:
    """Real seconds of one frame."""
    return slot_s * size(factor, slot_s)


def begins(reached: float) -> int:
    """The first second that belongs to a step whose world was reached at this real epoch (R28)."""
    return math.ceil(reached + SETTLE_S)


def frames(slots: Slots, begin: float, factor: float, buckets: int) -> Iterator[Frame]:
    """
    All complete frames from the first border at or after `begin` up to the watermark.

    Slots before `known_from` are lost; the first frame begins behind them.
    """
    many, end, slot_s = size(factor, slots.slot_s), slots.watermark, slots.slot_s
    found = {round((slot.start - end) / slot_s): slot for slot in slots.intervals}
    place = math.ceil((max(begin, slots.known_from) - end) / slot_s - NEAR)
    while place + many <= 0:
        there = [found.get(one) for one in range(place, place + many)]
        blank = Frame(
            start=_plain(end + place * slot_s),
            end=_plain(end + (place + many) * slot_s),
            stable=None,
            candidate=None,
        )
        yield _filled(blank, [slot for slot in there if slot is not None], buckets)
        place += many


def _plain(at: float) -> float:
    """Whole seconds as whole numbers: they are stored."""
    return int(at) if at == int(at) else at


def _filled(blank: Frame, there: Sequence[Slot], buckets: int) -> Frame:
    if any(slot.stable is None or slot.candidate is None for slot in there):
        return replace(blank, bad="the counts of one side are missing, so both are left out")
    names = sorted({name for slot in there for name in slot.aside})
    try:
        return replace(
            blank,
            stable=_total([slot.stable for slot in there], buckets),
            candidate=_total([slot.candidate for slot in there], buckets),
            stable_instances=_named([pair for slot in there for pair in slot.stable_instances], buckets),
            candidate_instances=_named(
                [pair for slot in there for pair in slot.candidate_instances], buckets
            ),
            aside={name: sum(slot.aside.get(name, 0.0) for slot in there) for name in names},
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return replace(blank, bad=f"the counts are garbled: {error!r}")


def _named(pairs: Sequence[tuple[str, Arm]], buckets: int) -> Named:
    names = sorted({name for name, _ in pairs})
    return tuple((name, _total([arm for other, arm in pairs if other == name], buckets)) for name in names)


def _total(arms: Sequence[Any], buckets: int) -> Arm:
    """
    The sum. Each slot is looked at before: a sum would hide one that is below zero.

    A counter that began anew shows as such a slot, in one instance or in a whole side.
    """
    rows = [_row(arm["latency"], buckets) for arm in arms if arm.get("latency")]
    own = [arm["kpi"] for arm in arms if arm.get("kpi")]
    kpi = {name: _pair([pairs[name] for pairs in own if name in pairs]) for pairs in own for name in pairs}
    return {
        "requests": sum(_count(arm["requests"]) for arm in arms),
        "errors": sum(_count(arm["errors"]) for arm in arms),
        "latency": [sum(column) for column in zip(*rows, strict=True)] if rows else [0] * buckets,
        **({"kpi": kpi} if kpi else {}),
    }


def _pair(pairs: Sequence[Any]) -> Mapping[str, Any]:
    return {key: sum(_count(pair[key]) for pair in pairs) for key in ("total", "failed")}


def _row(row: Sequence[Any], buckets: int) -> Sequence[Any]:
    if len(row) != buckets:
        raise ValueError(f"{len(row)} latency buckets, {buckets} are expected")
    return [_count(count) for count in row]


def _count(count: Any) -> Any:
    if not 0 <= count <= MOST:
        raise ValueError(f"{count!r:.40} is no count")
    return count
