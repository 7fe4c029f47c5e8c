"""
What `crossfade.yaml` says about figures, as frozen values: who counts requests, and gates on one's own.

`models.py` takes them in; standard library only, for the same reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Mode(StrEnum):
    """What a failed gate does: stop the release, or only be reported."""

    STOP = "stop"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessLog:
    """Each request as our own proxy wrote it down; on `local` only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudWatchSignals:
    """What the load balancer reports, by the minute."""

    settle: timedelta = timedelta(minutes=2)
    """After its end a minute is waited for so long before it is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterNames:
    """Where a program's counters of requests are; empty is left to what programs mostly do."""

    requests: str = ""
    """A counter."""
    errors: str = ""
    """Conditions on its labels: which of its requests have failed."""
    latency: str = ""
    """A histogram."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeSignals:
    """The counters that each instance shows."""

    path: str = "/metrics"
    every: timedelta = timedelta(seconds=5)
    port: int | None = None
    """None: the one that serves."""
    names: CounterNames = CounterNames()


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusSignals:
    """The same counters, as a Prometheus has scraped them."""

    url: str
    stable: str
    """Conditions on labels that are stable's alone; `{revision}` and `{target_group}` are filled in."""
    candidate: str
    every: timedelta = timedelta(seconds=15)
    names: CounterNames = CounterNames()


Signals = AccessLog | CloudWatchSignals | ScrapeSignals | PrometheusSignals

Dimensions = tuple[tuple[str, str], ...]
"""Name and value, in order of names."""

PER_GROUP: Dimensions = (("TargetGroup", "{target_group}"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class KpiGate:
    """A figure of the user's own, in two counts: failure odds of the candidate against stable."""

    name: str
    total: str
    part: str
    """What of the total went well, or what of it failed."""
    part_is_failure: bool = False
    dimensions: Dimensions = PER_GROUP
    """In CloudWatch; what of them differs tells the sides apart."""
    at_most: float = 1.25
    ignore_below: float = 0.0
    must_see: float = 0.05
    mode: Mode = Mode.STOP


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricGate:
    """One metric of CloudWatch that has to stay inside a limit, whatever stable does."""

    name: str
    metric: str
    """`Namespace/Name`."""
    stat: str = "Average"
    max: float | None = None
    min: float | None = None
    hold_for: timedelta = timedelta(minutes=2)
    dimensions: Dimensions = ()
    mode: Mode = Mode.STOP
