"""Whole releases on a load balancer in virtual time: whatever AWS does, nobody is lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from alb_cloud import GROUPS, SITE, TEST, Cloud, Weather, addresses
from alb_release import Release, standing, weight_of
from alb_weather import (
    BAD,
    FLIP,
    INSTANT,
    NEW,
    OLD,
    ROLLING,
    TYPICAL,
    at_half,
    begun,
    ended_home,
    ended_well,
)

from crossfade.errors import AccessError, PlatformError
from crossfade.platforms.alb import actions as alb_actions
from crossfade.platforms.alb.model import Route, Tag, Write
from crossfade.release.state import Road
from crossfade.release.values import Cause, EventType, GoHome, Unknown, Verb
from crossfade.spec import Strategy


class TestWeather:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("weather", [INSTANT, TYPICAL, BAD], ids=["instant", "typical", "bad"])
    def test_a_release_ends_well_and_loses_nobody(self, weather: Weather, seed: int) -> None:
        ended_well(begun(weather, seed=seed).run(120))

    @pytest.mark.parametrize("strategy", [ROLLING, FLIP], ids=["rolling", "blue-green"])
    @pytest.mark.parametrize("weather", [TYPICAL, BAD], ids=["typical", "bad"])
    def test_so_does_any_other_strategy(self, weather: Weather, strategy: Strategy) -> None:
        ended_well(begun(weather, seed=7, strategy=strategy).run(180))

    @pytest.mark.parametrize("weather", [INSTANT, TYPICAL, BAD], ids=["instant", "typical", "bad"])
    @pytest.mark.parametrize("strategy", [None, ROLLING], ids=["canary", "rolling"])
    def test_an_abort_brings_everybody_home(self, weather: Weather, strategy: Strategy | None) -> None:
        release = begun(weather, seed=3, strategy=strategy).run(until=lambda one: one.state.index == 3)
        release.say(Verb.ABORT)

        ended_home(release.run(120), Cause.PERSON)
        assert standing(release.cloud, "green") == set()

    def test_R05_weights_that_reach_the_nodes_after_minutes_are_waited_for(self) -> None:
        """The old side is there as long as anybody is sent to it: read-back alone loses a quarter of them."""
        release = begun(Weather(propagation=200, publish=60), strategy=FLIP).run(120)

        ended_well(release)

    def test_a_service_of_a_request_a_minute_is_released_too(self) -> None:
        ended_well(begun(TYPICAL, per_s=1 / 60).run(120))

    def test_a_service_that_nobody_asks_is_released_too(self) -> None:
        ended_well(begun(TYPICAL, per_s=0).run(120))


class TestBlind:
    def test_R06_throttled_reads_never_lead_to_promotion_or_retirement(self) -> None:
        """argo-rollouts#3333: every verification was throttled, and the old side was scaled to nothing."""
        release = begun().run(until=at_half)
        release.cloud.weather.throttles = 1.0
        writes = len(release.cloud.writes)

        release.run(30)

        assert len(release.cloud.writes) == writes
        assert not release.has(EventType.PROMOTE_VERIFIED)
        assert standing(release.cloud, "blue") == set(OLD)
        release.cloud.weather.throttles = 0.0
        ended_well(release.run(60)) if release.state.road is Road.ON else None
        assert not release.cloud.lost

    def test_R06_metrics_that_stop_prove_no_silence(self) -> None:
        release = begun().run(until=at_half)
        release.cloud.weather.publishes_until = release.cloud.at

        release.run(40)

        assert not release.has(EventType.PROMOTE_VERIFIED)
        assert standing(release.cloud, "blue") == set(OLD)

    @pytest.mark.parametrize("part", ["routes", "tags", "targets"])
    def test_R06_a_part_that_cannot_be_read_leaves_the_others_known(self, part: str) -> None:
        release = begun().run(until=at_half)

        def nobody(*_: Any) -> Any:
            release.cloud.weather.throttles = 1.0
            try:
                return getattr(Cloud, part)(release.cloud, *_)
            finally:
                release.cloud.weather.throttles = 0.0

        setattr(release.cloud, part, nobody)
        truth = release.platform.observe(release.plan).truth

        unknown = {
            name
            for name in ("pair", "seat", "weights", "stable", "primary")
            if isinstance(getattr(truth, name), Unknown)
        }
        assert (
            unknown
            == {
                "routes": {"pair", "weights"},
                "tags": {"pair", "seat", "primary"},
                "targets": {"stable"},
            }[part]
        )

    def test_R48_home_is_reached_while_nothing_but_rules_can_be_read(self) -> None:
        release = begun().run(until=at_half)
        release.cloud.tags = release.cloud.targets = _throttled  # type: ignore[assignment]

        release.platform.perform(release.plan, GoHome(), None)

        assert weight_of(release.cloud) == (999, 0)

    @pytest.mark.parametrize("unread", ["listener-rule/", "listener/"])
    def test_R48_what_can_be_read_goes_home_though_the_rest_cannot(self, unread: str) -> None:
        release = begun().run(until=at_half)
        cloud, routes = release.cloud, release.cloud.routes

        def denied(arns: Sequence[str]) -> Any:
            if any(f":{unread}" in arn for arn in arns):
                raise AccessError("CF4305", "it was denied", "not authorized")
            return routes(arns)

        cloud.routes = denied  # type: ignore[method-assign]  # a permission that was taken away
        with pytest.raises(AccessError):
            release.platform.perform(release.plan, GoHome(), None)
        home = [arn for arn in SITE.rules if f":{unread}" not in arn]

        assert len(home) == 1
        assert alb_actions.forwards(cloud.now.routes[home[0]]) == {GROUPS["blue"]: 999, GROUPS["green"]: 0}

    def test_a_throttled_way_home_does_not_ask_for_more(self) -> None:
        release = begun().run(until=at_half)
        asked: list[Sequence[str]] = []

        def throttled(arns: Sequence[str]) -> Any:
            asked.append(arns)
            _throttled()

        release.cloud.routes = throttled  # type: ignore[method-assign]  # as AWS does in a storm
        with pytest.raises(PlatformError):
            release.platform.perform(release.plan, GoHome(), None)

        assert len(asked) == 1


def _throttled(*_: Any) -> Any:
    raise PlatformError("CF4306", "it was throttled", "Rate exceeded")


class TestOrder:
    def test_R08_no_weight_before_every_target_it_needs_is_healthy(self) -> None:
        release = begun()
        cloud = release.cloud

        def before(write: Write) -> None:
            if isinstance(write, Route) and write.arn in SITE.rules:
                assert len(standing(cloud, "green")) >= 2
                assert all(cloud.at - target.since >= 20 for target in cloud.now.targets["green"].values())

        cloud.before_write = before
        release.run(until=at_half)

        assert at_half(release)

    def test_the_seat_is_claimed_a_look_before_anything_is_registered(self) -> None:
        release = begun()

        release.tick()

        assert [type(write) for _, write in release.cloud.writes] == [Tag]
        assert standing(release.cloud, "green") == set()

    def test_R13_of_two_that_claim_the_seat_at_once_one_registers(self) -> None:
        """Between our last look and our write another claims it too; the later write holds the seat."""
        one = begun()
        cloud = one.cloud
        two = Release.open(cloud, release="r3", candidate="v3", targets=addresses(30))

        def before(write: Write) -> None:
            cloud.before_write = None
            two.tick()

        cloud.before_write = before
        one.tick()
        assert [type(write) for _, write in cloud.writes] == [Tag, Tag]
        for _ in range(10):
            cloud.passes(3)
            two.tick()
            one.tick()

        assert standing(cloud, "green") <= set(NEW)
        assert standing(cloud, "green")

    def test_the_test_route_reaches_the_candidate_on_trial_and_after_it_who_serves(self) -> None:
        release = begun()
        reached = []

        def second(cloud: Cloud) -> None:
            [(group, _)] = [
                (g, w) for g, w in (alb_actions.forwards(cloud.now.routes[TEST]) or {}).items() if w
            ]
            reached.append(SITE.colour(group))
            cloud.test_request()

        release.cloud.on_second = second
        ended_well(release.run(120))

        assert reached[0] == "blue"
        assert reached[-1] == "green"
        assert not release.cloud.lost
