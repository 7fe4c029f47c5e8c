"""
What CloudWatch's points mean: which minutes are settled, and what each side did in them. Pure.

A load balancer's metrics come a minute at a time, minutes late, some of them later than others, and
a series that would be zero is not there at all. So a missing point has three meanings, told apart here:

    error series, requests of the same minute there and settled      none failed: 0
    requests, and the group shows a sign of life in that minute      no traffic: 0
    requests, and nobody shows one                                   not known yet: waited for (R28)

A minute is settled once it is `lag_s` old and was read twice alike; an old one is taken as it is.
Where nothing of the whole load balancer arrives any more, that is a `problem`, never silence (R24).

ERRORS OF A SIDE: what its targets answered 5xx; failed connections to them, whose requests never got
an answer; and of its other requests without an answer (time-outs, answers cut off) as many as the
load balancer itself answered 5xx. CloudWatch does not say to which group those belong: they are dealt
out by who has unanswered requests, and never more than there are. What is left then (503 where a
group is empty, other services of the same load balancer) is of NEITHER side and is shown beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, isfinite
from typing import Final

from crossfade.signals.cloudwatch_asked import PERIOD_S, Asked, GroupAsked, Metric, Pair
from crossfade.signals.source import Arm

NOBODYS: Final = "answers 5xx by the load balancer itself"

SAME_COUNT: Final = 0.5
"""Sums of samples that are nearer than this are the same number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """How long figures are waited for, in seconds of the clock."""

    lag_s: float = 2.0 * PERIOD_S
    """After its end, before a minute is believed: what AWS takes to publish, mostly."""
    steady_s: float = 30.0
    """How far apart two reads are that have to say the same."""
    old_s: float = 5.0 * PERIOD_S
    """After its end a minute is taken as it is: nobody waits for ever."""
    stale_s: float = 8.0 * PERIOD_S
    """The newest point of the load balancer may be so old; then nothing arrives any more."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value, and since which read it has been the same."""

    value: float
    since: float


Series = Mapping[int, Point]
"""By the beginning of its period, in seconds of the clock's epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Everything read so far, as of the newest read."""

    at: float
    """When that was, on the clock."""
    series: Mapping[Metric, Series]

    def points(self, metric: Metric) -> Series:
        return self.series.get(metric, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """Both sides in one settled period."""

    start: int
    stable: Arm
    candidate: Arm
    aside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Settled periods one after the other, from the one asked for on."""

    minutes: tuple[Minute, ...]
    until: int
    """Where the first one begins that is not settled."""
    problem: str = ""


def closed(read: Read, asked: Asked, first: int, settle: Settle) -> Closed:
    """Every settled period from `first` on, without a gap."""
    newest = max((start for metric in asked.metrics for start in read.points(metric)), default=None)
    if newest is None or read.at - (newest + PERIOD_S) > settle.stale_s:
        what = (
            "it has no point at all" if newest is None
            else f"the newest point ended {read.at - newest - PERIOD_S:.0f} s ago"
        )  # fmt: skip
        balancer = dict(asked.own_5xx.dimensions)["LoadBalancer"]
        return Closed(minutes=(), until=first, problem=f"CloudWatch says nothing of {balancer}: {what}")
    start, minutes = first, list[Minute]()
    while _settled(read, asked, start, newest, settle):
        minutes.append(_minute(read, asked, start))
        start += PERIOD_S
    return Closed(minutes=tuple(minutes), until=start)


def _settled(read: Read, asked: Asked, start: int, newest: int, settle: Settle) -> bool:
    age = read.at - (start + PERIOD_S)
    if start > newest or age < settle.lag_s:
        return False
    if age >= settle.old_s:
        return True
    there = [points[start] for metric in asked.metrics if start in (points := read.points(metric))]
    alive = all(_alive(read, group.signs, start) for group in (asked.stable, asked.candidate))
    return alive and all(read.at - point.since >= settle.steady_s for point in there)


def _alive(read: Read, signs: Iterable[Metric], start: int) -> bool:
    return any(start in read.points(metric) for metric in signs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """What is known of a side before the load balancer's own answers are dealt out."""

    requests: float
    failed: float
    """Answered 5xx by a target."""
    refused: float
    silent: float
    """Requests without an answer beyond those."""


def _minute(read: Read, asked: Asked, start: int) -> Minute:
    def value(metric: Metric) -> float:
        point = read.points(metric).get(start)
        return 0.0 if point is None else point.value

    sides = (asked.stable, asked.candidate)
    used = [metric for side in sides for metric in side.metrics] + [asked.own_5xx]
    if not all(isfinite(found := value(metric)) and found >= 0.0 for metric in used):
        garbled = {"requests": float("nan"), "errors": 0.0, "latency": []}
        return Minute(start=start, stable=garbled, candidate=garbled)
    groups = [_group(side, value) for side in sides]
    lost = dealt(value(asked.own_5xx), [(group.refused, group.silent) for group in groups])
    stable, candidate = (
        _arm(side, group, extra, value) for side, group, extra in zip(sides, groups, lost, strict=True)
    )
    rest = value(asked.own_5xx) - sum(lost)
    return Minute(
        start=start, stable=stable, candidate=candidate, aside={NOBODYS: rest} if rest > 0.0 else {}
    )


def _group(side: GroupAsked, value: Callable[[Metric], float]) -> _Group:
    answered = sum(value(metric) for metric in side.answers)
    refused = value(side.refused)
    # A request that no target took may or may not be among the requests; it is one of a user's anyhow.
    requests = max(value(side.requests), answered + refused)
    return _Group(
        requests=requests,
        failed=value(side.answers[-1]),
        refused=refused,
        silent=max(requests - answered - refused, 0.0),
    )


def dealt(own_5xx: float, groups: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """
    Of each group's (refused, silent) requests, how many failed: the refused ones, and of the silent
    ones a share, so that all together are no more than the load balancer's own answers.
    """
    silent = sum(quiet for _, quiet in groups)
    left = max(own_5xx - sum(refused for refused, _ in groups), 0.0)
    share = min(left / silent, 1.0) if silent > 0.0 else 0.0
    return tuple(refused + share * quiet for refused, quiet in groups)


def _arm(side: GroupAsked, group: _Group, lost: float, value: Callable[[Metric], float]) -> Arm:
    row = [value(metric) for metric in side.buckets]
    whole = abs(sum(row) - value(side.samples)) <= SAME_COUNT
    return {
        "requests": group.requests,
        "errors": group.failed + lost,
        # Buckets that do not add up are no histogram: latency is then not known in this minute.
        "latency": row if whole else [],
        "kpi": {name: _pair(pair, value) for name, pair in side.kpi.items()},
    }


def _pair(pair: Pair, value: Callable[[Metric], float]) -> Mapping[str, float]:
    total, part = value(pair.total), value(pair.part)
    failed = part if pair.part_is_failure else total - part
    return {"total": max(total, failed), "failed": max(failed, 0.0)}


def first_period(at: float) -> int:
    """The beginning of the first period at or after an instant; a hair before it counts as on it."""
    return floor((at - 1.0) / PERIOD_S) * PERIOD_S + PERIOD_S
