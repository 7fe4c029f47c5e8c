"""What a release's instances count themselves, as requests of the two groups. Pure."""

from __future__ import annotations

from collections.abc import Callable

from crossfade.platforms.alb.model import Flowed, Minute, sides_of
from crossfade.release.plan import Plan
from crossfade.signals.source import Arm, Slots


def near(plan: Plan, slots: Slots, clock: Callable[[float], float]) -> Flowed:
    """
    The slots after the last one in which a side could not be read.

    `clock` gives the clock's epoch of a real one.

    A slot without requests is a slot of none: it counts, as long as its source closes them.
    """
    if slots.problem:
        return Flowed(problem=slots.problem)
    who = sides_of(plan)
    found: list[Minute] = []
    for slot in slots.intervals:
        if slot.stable is None or slot.candidate is None:
            found = []
            continue
        counts = {who.stable: _requests(slot.stable), who.candidate: _requests(slot.candidate)}
        found.append(Minute(start=clock(slot.start), end=clock(slot.start + slots.slot_s), requests=counts))
    return Flowed(minutes=tuple(found))


def _requests(arm: Arm) -> int:
    found = arm["requests"]
    return round(found) if isinstance(found, int | float) else 0
