"""
The shares that traffic shows, from the requests that each group got in closed minutes. Pure.

A band is read from the newest minutes that began after the last weight was written: while it is still
on its way to some nodes, what traffic shows is neither the old share nor the new one.
Silence of a side, the only proof of 0 %, takes longer: no request in any minute that began after the
write and the time that it may take to reach every node, at least two of them and half a minute. Where
some came all the same, a node was late: then the silence since has to be longer than chance makes it.
What cannot be told yet is unknown: nothing is shrunk, retired or promoted on it (R05, R06).

A group's requests are those of users and those of the test route together. While the test route
reaches the candidate, more requests than its share are no contradiction, fewer are; and all that comes
to a candidate that was silent when it came and never had a weight is the test's.
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

BAND_MINUTES: Final = 3
"""A band is of so many minutes: what was on its way when the weight was written must not stay in it."""

SLACK: Final = 5
"""Thousandths that a band reaches beyond chance: minutes of two groups are not cut at the same instant."""

QUIET_S: Final = 30.0
QUIET_MINUTES: Final = 2
"""Silence is at least so long, and at least so many periods."""

CHANCE: Final = 1e-4
"""That a side which still gets what it got after the write is quiet for so long by chance."""

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
    staff: bool,
    untouched: bool,
    sticky: bool,
) -> Fact[Seen]:
    """
    The bands of both sides.

    `span` is the candidate's share as configured; `weighted_at` and `tested_at` are the epochs of the
    last writes to production and test routes, None where they are not known; `staff` tells whether the test
    route may reach the candidate, `untouched` that it never had a weight, `sticky` that users are kept on
    a group.
    """
    if flow.problem:
        return Unknown(f"the requests of the groups cannot be read: {flow.problem}")
    if isinstance(span, Unknown):
        return span
    if weighted_at is None or tested_at is None:
        return Unknown("nobody knows when the weights were last written: the tags could not be read")
    since_weight, since_all = min(weighted_at, now), min(max(weighted_at, tested_at), now)
    quiet = _after(flow.minutes, since_all + REACHES_ALL_S)
    if _silence(quiet, sides.stable) and _silence(quiet, sides.candidate):
        return Known(Seen(stable=NOBODY, candidate=NOBODY))
    band = _after(flow.minutes, since_weight)[-BAND_MINUTES:]
    if not band:
        return Unknown("no minute since the last weight is counted yet")
    idle = untouched and staff and span.value.at(NOTHING)
    return _bands(band, quiet, span.value, sides, idle=idle, staff=staff, sticky=sticky)


def _bands(
    band: Sequence[Minute],
    quiet: Sequence[Minute],
    span: Span,
    sides: Sides,
    *,
    idle: bool,
    staff: bool,
    sticky: bool,
) -> Fact[Seen]:
    gone = sides.candidate if span.at(NOTHING) else sides.stable if span.at(ALL) else None
    if gone is not None and (alone := _silence(quiet, gone)):
        band = alone
    counts = {colour: _total(band, colour) for colour in (sides.stable, sides.candidate)}
    if idle:
        counts[sides.candidate] = 0  # nobody but the test route reaches it
    whole = sum(counts.values())

    def of(colour: str, low: Share, high: Share) -> Fact[Span]:
        if idle and colour == sides.candidate:
            return Known(NOBODY)
        if low == high == NOTHING:
            if _silence(quiet, colour):
                return Known(NOBODY)
            if not _total(quiet, colour):
                return Unknown(f"{colour} is not silent for long enough to be known so")
        if sticky and low == high and NOTHING < low < ALL:
            # Users who stay where they are say nothing about where new ones go; only that it is reached.
            return Known(ANY if counts[colour] else _band(0, whole))
        found = _band(counts[colour], whole)
        if staff and low > NOTHING and high < ALL and colour == sides.candidate:
            return Known(Span(low=min(found.low, Share(1)), high=found.high))
        if staff and low > NOTHING and high < ALL:
            return Known(Span(low=found.low, high=max(found.high, Share(ALL - 1))))
        return Known(found)

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


def _silence(minutes: Sequence[Minute], colour: str) -> tuple[Minute, ...]:
    """The minutes at the end in which a side got nothing, where they prove its silence; else none."""
    busy = [number for number, minute in enumerate(minutes) if minute.requests.get(colour, 0)]
    since = busy[-1] + 1 if busy else 0
    run = tuple(minutes[since:])
    if len(run) < QUIET_MINUTES or run[-1].end - run[0].start < QUIET_S:
        return ()
    pace = _total(minutes, colour) / since if since else math.inf
    return run if len(run) * pace >= -math.log(CHANCE) else ()


def _band(part: int, whole: int) -> Span:
    """Wilson's score interval in thousandths, and some slack (E. B. Wilson, JASA 22, 1927)."""
    if not whole:
        return ANY
    share, square = part / whole, Z * Z
    middle = (share + square / (2 * whole)) / (1 + square / whole)
    reach = Z / (1 + square / whole) * math.sqrt(share * (1 - share) / whole + square / (4 * whole**2))
    low, high = math.floor((middle - reach) * ALL) - SLACK, math.ceil((middle + reach) * ALL) + SLACK
    return Span(low=Share(max(low, 1 if part else 0)), high=Share(min(high, ALL)))
