"""
Who counts and who is asked beside, for the releases of one platform and one account.

Part of the wiring, called by `sites.py` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from crossfade.errors import PlatformError
from crossfade.platforms.alb import arms as alb_arms
from crossfade.platforms.local_counts import LocalCounts, addresses
from crossfade.release.plan import Plan
from crossfade.release.values import Side
from crossfade.signals import Alarms, ReleaseSignals
from crossfade.signals.arms import Address, Arms
from crossfade.signals.chosen import ChosenCounts
from crossfade.signals.cloudwatch import CloudWatch
from crossfade.signals.named_alarms import NamedAlarms
from crossfade.signals.prometheus import Prometheus
from crossfade.signals.scrape import Scrape
from crossfade.signals.source import InstanceHealth, Memory, Pace

if TYPE_CHECKING:
    from crossfade.aws import Door
    from crossfade.platforms.alb import AlbPlatform
    from crossfade.platforms.local import LocalPlatform


def on_this_machine(platform: LocalPlatform, door: Door | None, memory: Memory, pace: Pace) -> ReleaseSignals:
    """Signals of releases on this machine; `door`: to the account whose alarms and metrics gates name."""
    counts = LocalCounts(platform)
    chosen = ChosenCounts(
        {
            "access_log": counts,
            "scrape": Scrape(lambda plan: addresses(platform, plan), pace),
            "prometheus": Prometheus(pace),
        }
    )
    return ReleaseSignals(
        counts=chosen,
        health=counts,
        memory=memory,
        pace=pace,
        alarms=Alarms(named=None if door is None else NamedAlarms(door)),
        measures=None if door is None else CloudWatch(door, _no_arms, pace),
    )


def behind_a_load_balancer(
    platform_of: Callable[[Plan], AlbPlatform],
    health: InstanceHealth,
    door: Door,
    memory: Memory,
    pace: Pace,
) -> ReleaseSignals:
    """Signals of releases behind a load balancer of AWS."""

    def targets(plan: Plan) -> Mapping[Side, Sequence[Address]]:
        return alb_arms.addresses(plan, platform_of(plan).lately(plan))

    cloudwatch = CloudWatch(door, alb_arms.arms, pace)
    chosen = ChosenCounts(
        {
            "cloudwatch": cloudwatch,
            "scrape": Scrape(targets, pace),
            "prometheus": Prometheus(pace, arms=alb_arms.arms),
        }
    )
    return ReleaseSignals(
        counts=chosen,
        health=health,
        memory=memory,
        pace=pace,
        alarms=Alarms(named=NamedAlarms(door)),
        measures=cloudwatch,
    )


def _no_arms(plan: Plan) -> Arms:
    raise PlatformError(
        "CF4404",
        f"{plan.service} has no target groups",
        "it runs on this machine",
        "correct its `dimensions`",
    )
