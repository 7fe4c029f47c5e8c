"""
Which metrics of CloudWatch tell what a release's two target groups did. Pure.

Latency is asked for as one trimmed count a bucket, `TC(a:b)`: how many samples lie above a and not
above b. That is a histogram, where a percentile would only be one number.

PRICE: every metric asked for costs, so a release's list is kept short: `len(Asked.metrics)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from crossfade.release.values import Side
from crossfade.signals.arms import Arms

PERIOD_S: Final = 60
"""Load balancers' metrics come by the minute and no faster."""

ELB: Final = "AWS/ApplicationELB"
TIME: Final = "TargetResponseTime"
ANSWERS: Final = tuple(f"HTTPCode_Target_{kind}XX_Count" for kind in "2345")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One series, exactly: CloudWatch adds nothing up over dimensions that were not published."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str
    period_s: int = PERIOD_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A figure of the user's own, on one side: what is counted, and what of it went well or wrong."""

    total: Metric
    part: Metric
    part_is_failure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAsked:
    """Everything about one target group."""

    requests: Metric
    """Requests for which a target was chosen, answered or not."""
    answers: tuple[Metric, ...]
    """What targets answered, 2xx to 5xx."""
    refused: Metric
    """Connections to a target that failed."""
    healthy: Metric
    unhealthy: Metric
    samples: Metric
    """How many response times there are: what the buckets have to add up to."""
    buckets: tuple[Metric, ...]
    kpi: Mapping[str, Pair] = field(default_factory=dict)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        own = [metric for pair in self.kpi.values() for metric in (pair.total, pair.part)]
        latency = (self.samples, *self.buckets) if self.buckets else ()
        fixed = (self.requests, *self.answers, self.refused, self.healthy, self.unhealthy)
        return (*fixed, *latency, *own)

    @property
    def signs(self) -> tuple[Metric, ...]:
        """Series that have a point in every minute in which the group lives or serves."""
        return self.requests, self.healthy, self.unhealthy


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Everything about one release."""

    stable: GroupAsked
    candidate: GroupAsked
    own_5xx: Metric
    """What the load balancer itself answered 5xx, for all its target groups together."""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return tuple(dict.fromkeys((*self.stable.metrics, *self.candidate.metrics, self.own_5xx)))


def asked(
    arms: Arms, edges_ms: Sequence[float], kpi: Mapping[Side, Mapping[str, Pair]] | None = None
) -> Asked:
    """What to ask for a release; without edges no latency."""
    own = kpi or {}
    balancer = (("LoadBalancer", arms.load_balancer),)
    return Asked(
        stable=_group(arms, Side.STABLE, edges_ms, own.get(Side.STABLE, {})),
        candidate=_group(arms, Side.CANDIDATE, edges_ms, own.get(Side.CANDIDATE, {})),
        own_5xx=Metric(namespace=ELB, name="HTTPCode_ELB_5XX_Count", dimensions=balancer, stat="Sum"),
    )


def quantiles(arms: Arms, at: Sequence[float], period_s: int) -> tuple[Metric, ...]:
    """Stable's response times at these quantiles, over long periods, and how many there are."""
    stats = ["SampleCount", *(f"p{100 * one:.6g}" for one in at)]
    return tuple(_of(arms, arms.stable, TIME, stat, period_s) for stat in stats)


def _group(arms: Arms, side: Side, edges_ms: Sequence[float], kpi: Mapping[str, Pair]) -> GroupAsked:
    group = arms.group(side)

    def of(name: str, stat: str = "Sum") -> Metric:
        return _of(arms, group, name, stat)

    return GroupAsked(
        requests=of("RequestCount"),
        answers=tuple(of(name) for name in ANSWERS),
        refused=of("TargetConnectionErrorCount"),
        healthy=of("HealthyHostCount", "Minimum"),
        unhealthy=of("UnHealthyHostCount", "Maximum"),
        samples=of(TIME, "SampleCount"),
        buckets=tuple(of(TIME, stat) for stat in bins(edges_ms)),
        kpi=kpi,
    )


def _of(arms: Arms, group: str, name: str, stat: str, period_s: int = PERIOD_S) -> Metric:
    where = (("LoadBalancer", arms.load_balancer), ("TargetGroup", group))
    return Metric(namespace=ELB, name=name, dimensions=where, stat=stat, period_s=period_s)


def bins(edges_ms: Sequence[float]) -> tuple[str, ...]:
    """One statistic a bucket, the two open ones included: bounds in seconds, the upper one inside."""
    if not edges_ms:
        return ()
    borders = ["", *(_seconds(edge) for edge in edges_ms), ""]
    return tuple(f"TC({low}:{high})" for low, high in pairwise(borders))


def _seconds(edge_ms: float) -> str:
    return f"{edge_ms / 1000:.9f}".rstrip("0").rstrip(".")
