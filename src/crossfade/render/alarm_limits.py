"""
Limits of alarms, from what was normal: how high the very expression of an alarm stood in the past.

A limit is the level that the alarm's M of N periods stood above for no more than a small part of that
time, and a margin. So an outage in the past does not raise it, and a spike shorter than M periods does
not count. LIMITS: a fault that was there the whole time is what is normal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil, floor, log10
from typing import Final

ALLOWED: Final = 0.005
"""Part of the past in which an alarm may have fired before the margin: 100 minutes of 14 days."""

MARGIN: Final = 1.25
"""Above what was normal, since what comes is a little different."""

ENOUGH: Final = 200
"""Periods with enough requests before the past is believed: M-of-N levels below that are anecdotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """An alarm fires when `needed` of the last `looked_at` periods are above its limit."""

    period_s: int
    needed: int
    looked_at: int

    @property
    def said(self) -> str:
        minutes = self.period_s // 60
        each = "minutes" if minutes == 1 else f"periods of {minutes} min"
        return f"{self.needed} of the last {self.looked_at} {each}"


WINDOWS: Final = (
    Window(period_s=60, needed=3, looked_at=5),
    Window(period_s=300, needed=2, looked_at=3),
    Window(period_s=900, needed=1, looked_at=2),
    Window(period_s=3600, needed=1, looked_at=2),
)
"""
Always fewer needed than looked at: FILL makes a zero of the newest period while its figures are still
under way, and an alarm that needs every period would then never fire.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What an alarm would have seen, by the beginning of each period in seconds of the epoch."""

    since: float
    until: float
    value: Mapping[int, float]
    """Of the alarm's expression; absent where it had no value."""
    requests: Mapping[int, float]
    """Of both groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Where an alarm fires, and the sentence that says why there."""

    value: float
    because: str
    from_history: bool


def limit(past: Past | None, window: Window, *, least: float, usual: float, requests: int) -> Limit:
    """
    The limit for an expression; `usual` where there is too little of the past, and never below `least`.

    `requests` a period must have to be believed.
    """
    if past is None:
        return Limit(value=usual, because="a default: the past was not asked for", from_history=False)
    days = timedelta(seconds=past.until - past.since).total_seconds() / 86_400
    busy = sum(1 for count in past.requests.values() if count >= requests)
    if busy < ENOUGH:
        had = f"in the last {days:g} d only {busy} periods had {requests} requests, of {ENOUGH} needed"
        return Limit(value=usual, because=f"a default: {had}", from_history=False)
    seen = levels(past, window)
    normal = stood_above(seen, ALLOWED)
    value = max(rounded_up(MARGIN * normal), least)
    fired = [level > value for level in seen]
    times = sum(1 for before, now in zip([False, *fired], fired, strict=False) if now and not before)
    minutes = sum(fired) * window.period_s // 60
    often = {0: "not have fired", 1: "have fired once"}.get(times, f"have fired {times} times")
    would = f"it would {often}" + (f", {minutes} min in all" if times else "")
    return Limit(value=value, because=f"from the last {days:g} d, in which {would}", from_history=True)


def levels(past: Past, window: Window) -> list[float]:
    """At the end of each period the highest limit at which the alarm would fire; no value is 0."""
    first, last = (int(at) // window.period_s * window.period_s for at in (past.since, past.until))
    values = [past.value.get(at, 0.0) for at in range(first, last, window.period_s)]
    starts = range(max(len(values) - window.looked_at + 1, 0))
    return [sorted(values[at : at + window.looked_at])[-window.needed] for at in starts]


def stood_above(seen: Sequence[float], part: float) -> float:
    """The lowest of these levels that at most this part of them is above."""
    ordered = sorted(seen)
    return ordered[len(ordered) - 1 - floor(part * len(ordered))] if ordered else 0.0


def rounded_up(value: float) -> float:
    """To two figures, so that a limit reads as one."""
    if value <= 0.0:
        return 0.0
    place = floor(log10(value)) - 1
    # Over a whole power of ten: a factor of 10**-place is not exact, and 0.5 would become 0.51.
    scaled = value / 10**place if place >= 0 else value * 10**-place
    whole = ceil(round(scaled, 9))
    return float(whole * 10**place if place >= 0 else whole / 10**-place)


def window_for(requests: Mapping[int, float], floor_of: int, part: float = 0.9) -> tuple[Window, float]:
    """
    The shortest window whose periods nearly all have enough requests, and the part that has.

    `requests` by the minute, of the busier group; minutes without any are nobody's and not counted.
    """
    best = (WINDOWS[0], 0.0)
    for window in WINDOWS:
        sums: dict[int, float] = {}
        for at, count in requests.items():
            start = at // window.period_s * window.period_s
            sums[start] = sums.get(start, 0.0) + count
        served = [count for count in sums.values() if count > 0.0]
        enough = sum(1 for count in served if count >= floor_of) / len(served) if served else 0.0
        best = (window, enough)
        if enough >= part:
            return best
    return best if requests else (WINDOWS[1], 0.0)
