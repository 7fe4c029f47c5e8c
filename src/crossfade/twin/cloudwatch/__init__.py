"""
CloudWatch as it behaves: metrics that show late, statistics of real distributions, metric math, alarms.

In place of moto's, which answers math with nothing, mixes namespaces and never looks at an alarm.
`install(clock, publish_delay=...)` puts it into moto; `CloudWatch` alone is the same without moto.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crossfade.twin.clock import TwinClock
from crossfade.twin.cloudwatch.api import ApiError, Caller
from crossfade.twin.cloudwatch.service import MAX_BYTES, CloudWatch

__all__ = ["NOT_MODELLED", "ApiError", "Caller", "CloudWatch", "install"]

NOT_MODELLED: Final[tuple[str, ...]] = (
    "CloudWatch: alarm actions (SNS, Auto Scaling, EC2, Lambda) are not performed; history is kept",
    "CloudWatch: SEARCH, ANOMALY_DETECTION_BAND, STDDEV, Metrics Insights (SELECT), math over mixed periods",
    "CloudWatch: PromQL, log and anomaly alarms, warm-up, wall clock windows, mute rules, action suppressors",
    "CloudWatch: the lag of ListMetrics, dynamic labels (${...}), metric streams, linked accounts",
    "CloudWatch: accounts and regions share one set of metrics and alarms",
    "CloudWatch: how far an alarm reaches back for missing data is known for long periods, else guessed",
    "CloudWatch: a metric put in several units needs Unit in GetMetricData; an alarm without takes the first",
    "CloudWatch: metrics put with old timestamps show as soon as new ones (AWS: up to two days later)",
    "CloudWatch: after a jump of the clock of more than three hours, alarms are not looked at for the rest",
    "CloudWatch: beyond 64 distinct values a minute, values are rounded by at most 0.05 %",
)


def install(
    clock: TwinClock,
    *,
    publish_delay: Callable[[], float],
    custom_delay: Callable[[], float] = lambda: 2.0,
    late_fraction: float = 0.0,
    late_by: Callable[[], float] = lambda: 60.0,
    max_bytes: int = MAX_BYTES,
    seed: int = 0,
) -> CloudWatch:
    """
    From now on CloudWatch's operations in moto are ours, in the whole process; see `CloudWatch`.

    `hook.unhook()` gives moto's back. `start()` what is returned, or alarms move only when somebody asks.
    """
    from crossfade.twin.cloudwatch.hook import hook  # noqa: PLC0415  (moto is an extra, a second to import)

    cloudwatch = CloudWatch(
        clock,
        publish_delay=publish_delay,
        custom_delay=custom_delay,
        late_fraction=late_fraction,
        late_by=late_by,
        max_bytes=max_bytes,
        seed=seed,
    )
    hook(cloudwatch)
    return cloudwatch
