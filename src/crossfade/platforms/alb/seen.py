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
from dataclasses import dataclass
from typing import Final

from crossfade.platforms.alb.model import Flowed, Minute, Sides
from crossfade.platforms.shares import ANY, NOBODY, interval
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

NEAR_SETTLED_S: Final = 10.0
NEAR_LEAST_S: Final = 20.0
NEAR_MOST_S: Final = 60.0
"""Of what instances count themselves: so long after a write it begins, so much of it is a proof."""

QUIET_S: Final = 30.0
QUIET_MINUTES: Final = 2
"""Silence is at least so long, and at least so many periods."""

CHANCE: Final = 1e-4
"""That a side which still gets what it got after the write is quiet for so long by chance."""


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
    ends = _Shares(span=span.value, sides=sides, idle=idle, staff=staff, sticky=sticky)
    stable, candidate = (_side(ends, colour, band, quiet) for colour in (sides.stable, sides.candidate))
    if isinstance(stable, Unknown):
        return stable
    if isinstance(candidate, Unknown):
        return candidate
    return Known(Seen(stable=stable.value, candidate=candidate.value))


def sooner(
    near: Flowed,
    span: Fact[Span],
    *,
    now: float,
    sides: Sides,
    weighted_at: float | None,
    staff: bool,
    sticky: bool,
) -> Seen | None:
    """
    A share between nothing and all as the instances' own counters show it, minutes before the load balancer.

    None where they do not agree with it, or say too little. They never prove silence: health checks may
    be counted among the requests, and they go on for as long as a target is registered.
    """
    if near.problem or weighted_at is None or sticky or not isinstance(span, Known):
        return None
    share = span.value.low
    if span.value.high != share or share in (NOTHING, ALL):
        return None
    settled = _after(near.minutes, min(weighted_at, now) + NEAR_SETTLED_S)
    band = _after(settled, settled[-1].end - NEAR_MOST_S) if settled else ()
    if not band or band[-1].end - band[0].start < NEAR_LEAST_S:
        return None
    if not sum(_total(band, one) for one in (sides.stable, sides.candidate)):
        return None
    shares = _Shares(span=span.value, sides=sides, idle=False, staff=staff, sticky=False)
    stable, candidate = (_side(shares, one, band, ()) for one in (sides.stable, sides.candidate))
    if isinstance(stable, Unknown) or isinstance(candidate, Unknown):
        return None
    found = Seen(stable=stable.value, candidate=candidate.value)
    return found if found.agrees(share) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shares:
    """What is configured, and what stands between it and what can be counted."""

    span: Span
    sides: Sides
    idle: bool
    """All of the candidate's requests are the test route's."""
    staff: bool
    """Some of them may be."""
    sticky: bool

    def of(self, colour: str) -> Span:
        """A side's share as configured."""
        if colour == self.sides.candidate:
            return self.span
        return Span(low=Share(ALL - self.span.high), high=Share(ALL - self.span.low))

    def none(self) -> str | None:
        """The side that shall get nothing; None while both get something."""
        return next(
            (one for one in (self.sides.candidate, self.sides.stable) if self.of(one).at(NOTHING)), None
        )


def _side(shares: _Shares, colour: str, band: Sequence[Minute], quiet: Sequence[Minute]) -> Fact[Span]:
    none = shares.none()
    if colour == none:
        if shares.idle or _silence(quiet, colour):
            return Known(NOBODY)
        if not _total(quiet, colour):
            return Unknown(f"{colour} is not silent for long enough to be known so")
    minutes = (_silence(quiet, none) if none is not None else ()) or band
    part = _total(minutes, colour)
    whole = (
        part
        if shares.idle
        else sum(_total(minutes, one) for one in (shares.sides.stable, shares.sides.candidate))
    )
    found = _band(part, whole)
    if none is not None or shares.span.low != shares.span.high:
        return Known(found)
    if shares.sticky:
        # Users who stay where they are say nothing of where new ones go; only that a side is reached.
        return Known(ANY if part else _band(0, whole))
    return Known(_with_staff(found, candidate=colour == shares.sides.candidate) if shares.staff else found)


def _with_staff(found: Span, *, candidate: bool) -> Span:
    """A band where some of the candidate's requests may be the test route's."""
    if candidate:
        return Span(low=min(found.low, Share(1)), high=found.high)
    return Span(low=found.low, high=max(found.high, Share(ALL - 1)))


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
    """The shares that this agrees with, and some slack."""
    if not whole:
        return ANY
    least, most = interval(part, whole)
    low, high = math.floor(least * ALL) - SLACK, math.ceil(most * ALL) + SLACK
    return Span(low=Share(max(low, 1 if part else 0)), high=Share(min(high, ALL)))
