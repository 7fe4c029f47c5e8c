"""
The shares that traffic shows, from the requests that each group got in closed minutes. Pure.

A band is read from the minutes that began after the last weight was written. Silence of a side, the
only proof of 0 %, takes longer: all minutes that began after the write and the time that it may take
to reach every node, at least two of them and half a minute. What cannot be told yet is unknown, so
that nothing is shrunk, retired or promoted on it (R05, R06).

A group's requests are those of users and those of the test route together. While the test route
reaches a candidate that was silent when it came and never had a weight, its requests are the test's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from crossfade.platforms.alb_model import Flowed, Minute, Sides
from crossfade.release.values import (
    ALL,
    NOTHING,
    Fact,
    Known,
    Seen,
    Share,
    Span,
    Unknown,
)

REACHES_ALL_S: Final = 30.0
"""Seconds after a write in which some node of the load balancer may still deal out the old weights."""

QUIET_S: Final = 30.0
QUIET_MINUTES: Final = 2
"""Silence is at least so long, and at least so many periods."""

Z: Final = 4.0
"""Width of the band of shares that the traffic agrees with: wrong once in 16,000 looks."""

NOBODY: Final = Span(low=NOTHING, high=NOTHING)
ANY: Final = Span(low=NOTHING, high=ALL)


def seen(
    flow: Flowed,
    span: Fact[Span],
    *,
    now: float,
    sides: Sides,
    weighted_at: float | None,
    tested_at: float | None,
    tested: bool,
    sticky: bool,
) -> Fact[Seen]:
    """
    The bands of both sides.

    `span` is the candidate's share as configured; `weighted_at` and `tested_at` are the epochs of the
    last writes to production and test routes, None where they are not known; `tested` tells that the
    candidate never had a weight and the test route reaches it; `sticky` whether users are kept on a group.
    """
    if flow.problem:
        return Unknown(f"the requests of the groups cannot be read: {flow.problem}")
    if isinstance(span, Unknown):
        return span
    if weighted_at is None or tested_at is None:
        return Unknown("nobody knows when the weights were last written: the tags could not be read")
    since_weight, since_all = min(weighted_at, now), min(max(weighted_at, tested_at), now)
    quiet = _after(flow.minutes, since_all + REACHES_ALL_S)
    if _quiet(quiet, sides.stable) and _quiet(quiet, sides.candidate):
        return Known(Seen(stable=NOBODY, candidate=NOBODY))
    band = _after(flow.minutes, since_weight)
    if not band:
        return Unknown("no minute since the last weight is counted yet")
    return _bands(band, quiet, span.value, sides, tested=tested, sticky=sticky)


def _bands(
    band: Sequence[Minute],
    quiet: Sequence[Minute],
    span: Span,
    sides: Sides,
    *,
    tested: bool,
    sticky: bool,
) -> Fact[Seen]:
    counts = {colour: _total(band, colour) for colour in (sides.stable, sides.candidate)}
    idle = span.at(NOTHING) and tested
    if idle:
        counts[sides.candidate] = 0  # nobody but the test route reaches it
    whole = sum(counts.values())

    def of(colour: str, low: Share, high: Share) -> Fact[Span]:
        if idle and colour == sides.candidate:
            return Known(NOBODY)
        if low == high == NOTHING:
            if _quiet(quiet, colour):
                return Known(NOBODY)
            if not _total(quiet, colour) and not _long(quiet):
                return Unknown(f"{colour} is not silent for long enough to be known so")
        if sticky and low == high and NOTHING < low < ALL:
            # Users who stay where they are say nothing about where new ones go; only that it is reached.
            return Known(ANY if counts[colour] else _band(0, whole))
        return Known(_band(counts[colour], whole))

    stable = of(sides.stable, Share(ALL - span.high), Share(ALL - span.low))
    candidate = of(sides.candidate, span.low, span.high)
    if isinstance(stable, Unknown):
        return stable
    if isinstance(candidate, Unknown):
        return candidate
    return Known(Seen(stable=stable.value, candidate=candidate.value))


def _after(minutes: Sequence[Minute], since: float) -> tuple[Minute, ...]:
    return tuple(minute for minute in minutes if minute.start >= since)


def _total(minutes: Sequence[Minute], colour: str) -> int:
    return sum(minute.requests.get(colour, 0) for minute in minutes)


def _long(minutes: Sequence[Minute]) -> bool:
    return len(minutes) >= QUIET_MINUTES and minutes[-1].end - minutes[0].start >= QUIET_S


def _quiet(minutes: Sequence[Minute], colour: str) -> bool:
    return _long(minutes) and not _total(minutes, colour)


def _band(part: int, whole: int) -> Span:
    """Wilson's score interval in thousandths, rounded outwards (E. B. Wilson, JASA 22, 1927)."""
    if not whole:
        return ANY
    share, square = part / whole, Z * Z
    middle = (share + square / (2 * whole)) / (1 + square / whole)
    reach = Z / (1 + square / whole) * math.sqrt(share * (1 - share) / whole + square / (4 * whole**2))
    low, high = max(0.0, middle - reach), min(1.0, middle + reach)
    return Span(low=Share(math.floor(low * ALL)), high=Share(math.ceil(high * ALL)))
