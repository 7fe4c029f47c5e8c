"""Weather at AWS and releases begun in it: what the tests of whole releases share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alb_cloud import GROUPS, Cloud, Weather, addresses
from alb_release import CANARY, MIN, Release, serving, standing, weight_of

from crossfade.release.state import Outcome
from crossfade.release.values import Cause, EventType
from crossfade.spec import BlueGreen, Rolling, Strategy

OLD, NEW = addresses(10), addresses(20)

STRANGER = "10.9.9.9:80"

THIRD = GROUPS["blue"].replace("shop-blue", "other")

INSTANT = Weather(propagation=0, publish=0)

TYPICAL = Weather(
    propagation=6, publish=90, stale=0.05, stale_s=2, fails_before=0.005, fails_after=0.005, throttles=0.01
)

BAD = Weather(
    propagation=90, publish=240, stale=0.3, stale_s=15, fails_before=0.05, fails_after=0.05, throttles=0.1
)

ROLLING = Rolling(surge=1, unavailable=0, bake=MIN, max_bake=MIN, keep_old=MIN)

FLIP = BlueGreen(bake=MIN, max_bake=MIN, keep_old=MIN, hold_back=50)


def begun(
    weather: Weather = INSTANT, *, seed: int = 0, strategy: Strategy | None = None, **more: Any
) -> Release:
    cloud = serving(Cloud(weather=Weather(propagation=0, publish=0), seed=seed, **more), OLD)
    cloud.weather = replace(weather)
    return Release.open(cloud, strategy=strategy or CANARY)


def ended_well(release: Release) -> None:
    cloud = release.cloud
    assert release.state.outcome is Outcome.SUCCEEDED, release.failed[-3:]
    assert not cloud.lost
    assert weight_of(cloud) == (0, 999)
    assert (standing(cloud, "blue"), standing(cloud, "green")) == (set(), set(NEW))


def ended_home(release: Release, cause: Cause) -> None:
    cloud = release.cloud
    assert (release.state.outcome, release.state.cause) == (Outcome.ROLLED_BACK, cause)
    assert not cloud.lost
    assert weight_of(cloud) == (999, 0)
    assert standing(cloud, "blue") == set(OLD)


def at_half(release: Release) -> bool:
    return release.has(EventType.WEIGHT_VERIFIED, "50 %")
