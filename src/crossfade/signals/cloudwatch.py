"""
`CloudWatch`: counts of two target groups of a load balancer, minute by minute, as the judge takes them.

`cloudwatch_asked.py` says what is asked, `cloudwatch_metrics.py` asks it for all releases at once,
`cloudwatch_reading.py` says what the answers mean. Here they meet a release, its buckets and its clock.

LIMITS: a fault is seen minutes late (`reach.py`): a minute long sum, published late, waited for. There
are no counts per instance: one sick target looks like a sick build.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import floor
from typing import Any, Final

from crossfade.errors import CrossfadeError
from crossfade.release.plan import Plan
from crossfade.release.values import Instant
from crossfade.signals.arms import ArmsOf
from crossfade.signals.cloudwatch_asked import PERIOD_S, asked, quantiles
from crossfade.signals.cloudwatch_metrics import EVERY_S, Clients, Metrics
from crossfade.signals.cloudwatch_own import own_metric, own_pairs
from crossfade.signals.cloudwatch_reading import Closed, Minute, Point, Settle, closed, first_period
from crossfade.signals.edges import Wish, edges
from crossfade.signals.measured import Measured
from crossfade.signals.source import Arm, Pace

LOOK_BACK_S: Final = 1200.0
"""Seconds of the clock before what is asked for that are read with it: stable's past is asked for next."""

LONG_S: Final = 900
"""Period over which stable's quantiles are asked for."""

DEEP: Final = 0.997
"""The judge cuts here too; an edge has to stand there."""

LEAST_SAMPLES: Final = 100.0
"""Fewer response times say nothing of their quantiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudWatchSlot:
    """One settled minute."""

    start: float
    stable: Arm
    candidate: Arm
    stable_instances: Sequence[tuple[str, Arm]] = ()
    candidate_instances: Sequence[tuple[str, Arm]] = ()
    aside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudWatchSlots:
    """Settled minutes of the clock, at their real times."""

    intervals: Sequence[CloudWatchSlot]
    known_from: float
    watermark: float
    problem: str
    slot_s: float
    closes_s: float


class CloudWatch:
    """Implements `CountsSource` of `crossfade.signals`; one object for all releases of a process."""

    def __init__(
        self,
        door: Clients,
        arms: ArmsOf,
        pace: Pace,
        *,
        settle: Settle | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._arms = arms
        self._pace = pace
        self._settle = settle or Settle()
        self._now = now
        self.metrics = Metrics(door, self.clock)

    def name(self, plan: Plan) -> str:  # noqa: ARG002 - the port's
        return "cloudwatch"

    def clock(self) -> float:
        """The clock's epoch: CloudWatch, real or a twin's, has its time."""
        return self._pace.instant(self._now()).timestamp()

    def watch(self, plan: Plan) -> None:
        """Nothing to begin: CloudWatch keeps what was before."""

    def edges_ms(self, plan: Plan) -> Sequence[float]:
        """Where stable's own quantiles of the last quarter of an hour lie. Raises `CrossfadeError`."""
        gate = _latency(plan)
        if gate is None:
            return ()
        at = sorted({*(float(one) for one in gate.get("at") or ()), DEEP})
        wanted = quantiles(self._arms(plan), at, LONG_S)
        now = self.clock()
        since = floor(now / LONG_S) * LONG_S - LONG_S
        found = self.metrics.once(wanted, since, now)
        samples, *times = (found[metric] for metric in wanted)
        return edges(_newest(samples, times), _wish(gate))

    def measured(self, plan: Plan, gate: str, since: Instant) -> Measured:
        """The settled points of a gate's metric, whole periods since an instant. Raises `CrossfadeError`."""
        wanted = own_metric(plan, gate, self._arms)
        first = first_period(since.timestamp())
        read = self.metrics.read(f"{plan.release}/{gate}", (wanted,), first)
        until = first_period(read.at - self._settle.lag_s - PERIOD_S)
        steady = sorted(
            (start, point.value)
            for start, point in read.points(wanted).items()
            if first <= start < until and self._is_steady(start, point, read.at)
        )
        return Measured(
            points=tuple((datetime.fromtimestamp(start, UTC), value) for start, value in steady),
            until=datetime.fromtimestamp(until, UTC),
            period=timedelta(seconds=PERIOD_S),
        )

    def _is_steady(self, start: int, point: Point, at: float) -> bool:
        old = at - start - PERIOD_S >= self._settle.old_s
        return old or at - point.since >= self._settle.steady_s

    def slots(self, plan: Plan, since: float, edges_ms: Sequence[float]) -> CloudWatchSlots:
        """Settled minutes that start at or after `since` (real epoch). Never raises."""
        first = first_period(self._pace.instant(since).timestamp())
        wanted_edges = edges_ms if _latency(plan) is not None else ()
        try:
            arms = self._arms(plan)
            wanted = asked(arms, wanted_edges, own_pairs(plan, arms))
            read = self.metrics.read(plan.release, wanted.metrics, first - LOOK_BACK_S)
        except CrossfadeError as error:
            return self._slots((), first, first, f"{error.what}: {error.why}")
        found: Closed = closed(read, wanted, first, self._settled(plan))
        return self._slots(found.minutes, first, found.until, found.problem)

    def _settled(self, plan: Plan) -> Settle:
        asked_for: Any = plan.judging.get("source") or {}
        lag_s = float(asked_for.get("settle_s") or self._settle.lag_s)
        return replace(self._settle, lag_s=lag_s, old_s=max(self._settle.old_s, lag_s))

    def _slots(self, minutes: Sequence[Minute], first: float, until: float, problem: str) -> CloudWatchSlots:
        factor = self._pace.factor
        return CloudWatchSlots(
            intervals=tuple(
                CloudWatchSlot(
                    start=self._real(minute.start),
                    stable=minute.stable,
                    candidate=minute.candidate,
                    aside=minute.aside,
                )
                for minute in minutes
            ),
            known_from=self._real(first),
            watermark=self._real(until),
            problem=problem,
            slot_s=PERIOD_S / factor,
            closes_s=(self._settle.old_s + EVERY_S) / factor,
        )

    def _real(self, epoch: float) -> float:
        return self._pace.real(datetime.fromtimestamp(epoch, UTC))


def _latency(plan: Plan) -> Mapping[str, Any] | None:
    gates = plan.judging.get("gates")
    found = gates.get("latency") if isinstance(gates, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _wish(gate: Mapping[str, Any]) -> Wish:
    return Wish(
        at_most=float(gate.get("at_most") or 1.25),
        must_see=float(gate.get("must_see") or 2.0),
        limits_ms=tuple(float(limit) for _, limit in gate.get("max") or ()),
    )


def _newest(samples: Mapping[int, Point], times: Sequence[Mapping[int, Point]]) -> Sequence[float]:
    """Stable's times in ms in the newest period that has enough of them; nothing where none has."""
    for start in sorted(samples, reverse=True):
        if samples[start].value >= LEAST_SAMPLES:
            return [one[start].value * 1000.0 for one in times if start in one]
    return ()
