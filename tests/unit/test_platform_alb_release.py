"""Whole releases on a load balancer in virtual time: whatever AWS does, nobody is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from alb_cloud import GROUPS, LISTENER, RULE, SITE, TEST, Cloud, Weather, addresses, forward
from alb_release import CANARY, MIN, Release, serving, standing, weight_of
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.errors import AccessError, PlatformError
from crossfade.platforms.alb import actions as alb_actions
from crossfade.platforms.alb.model import Register, Route, Tag, Write, listed
from crossfade.release.state import Outcome, Road
from crossfade.release.values import ALL, NOTHING, Cause, EventType, GoHome, Unknown, Verb
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


class TestOtherHands:
    def test_R49_a_hand_that_lowers_is_respected(self) -> None:
        release = begun().run(until=at_half)
        release.cloud.passes(60)
        release.cloud.force(Route(arn=RULE, actions=(forward(blue=999, green=0),)))
        raised = len(release.cloud.writes)

        ended_home(release.run(60), Cause.TAKEN)

        written = [write for _, write in release.cloud.writes[raised:] if isinstance(write, Route)]
        assert all(alb_actions.share(write.actions, GROUPS["green"]).at(NOTHING) for write in written)

    def test_R49_a_hand_that_raises_is_lowered_and_the_release_goes_on(self) -> None:
        release = begun().run(until=at_half)
        release.cloud.passes(60)
        release.cloud.force(Route(arn=RULE, actions=(forward(blue=100, green=900),)))

        release.run(1)

        [changed] = [one for one in release.events if one.type is EventType.WORLD_CHANGED]
        assert f"{RULE} gives the candidate 90 %, and 50 % was asked for" in (changed.message or "")
        assert weight_of(release.cloud) == (500, 500)
        ended_well(release.run(90))

    @pytest.mark.parametrize("arn", [RULE, LISTENER])
    def test_R49_a_rule_that_names_a_third_group_is_not_written_nor_is_any_other(self, arn: str) -> None:
        release = begun().run(until=at_half)
        release.cloud.passes(60)
        release.cloud.force(Route(arn=arn, actions=(forward(blue=1, green=1, **{THIRD: 1}),)))
        written = len(release.cloud.writes)

        release.run(10)

        assert len(release.cloud.writes) == written
        assert release.state.cause in (Cause.FOREIGN, Cause.TAKEN)  # it lowered our share as well
        [turned] = [one for one in release.events if one.type is EventType.ROLLBACK_STARTED]
        assert f"{arn} forwards to blue (1), green (1), other (1)" in (turned.message or "")

    def test_R13_a_strangers_target_stops_the_release_and_stays_where_it_is(self) -> None:
        release = begun().run(until=at_half)
        release.cloud.force(Register(colour="green", targets=listed({"targets": [STRANGER]})))

        release.run(10)
        assert release.truth is not None
        assert isinstance(release.truth.candidate, Unknown)
        assert STRANGER in release.truth.candidate.why
        assert not release.has(EventType.PROMOTE_REQUESTED)
        release.say(Verb.ABORT)

        ended_home(release.run(120), Cause.PERSON)
        assert STRANGER in standing(release.cloud, "green")

    def test_R13_a_group_with_a_strangers_target_is_no_free_seat(self) -> None:
        release = begun()
        release.cloud.force(Register(colour="green", targets=listed({"targets": [STRANGER]})))

        release.run(1)

        assert release.truth is not None
        assert STRANGER in str(release.truth.seat)
        assert release.cloud.writes == []

    def test_tags_that_are_taken_away_lose_the_seat_and_nobody(self) -> None:
        release = begun().run(until=at_half)
        release.cloud.now = replace(release.cloud.now, tags={"blue": {}, "green": {}})

        release.run(60)

        assert release.state.cause in (Cause.FOREIGN, Cause.TAKEN)
        assert not release.cloud.lost
        assert standing(release.cloud, "blue") == set(OLD)

    def test_R10_R20_stickiness_and_other_actions_are_there_at_the_end_and_nobody_is_kept(self) -> None:
        login = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {"ClientId": "shop"}}
        sticky = {**forward(3600, blue=999, green=0), "Order": 2}
        release = begun()
        release.cloud.force(Route(arn=RULE, actions=(login, sticky)))
        release.cloud.passes(60)
        release = Release.open(release.cloud).run(until=at_half)
        assert alb_actions.forwards(release.cloud.now.routes[RULE]) == {
            GROUPS["blue"]: 500,
            GROUPS["green"]: 500,
        }
        release.say(Verb.ABORT)

        release.run(60)

        now = release.cloud.now.routes[RULE]
        assert release.state.outcome is Outcome.ROLLED_BACK
        assert alb_actions.forwards(now) == {GROUPS["blue"]: 999}
        assert (now[0], now[1]["Order"]) == (login, 2)
        stickiness = "TargetGroupStickinessConfig"
        assert now[1]["ForwardConfig"][stickiness] == sticky["ForwardConfig"][stickiness]


class TestCrashes:
    @settings(max_examples=10, deadline=None)
    @given(data=st.data())
    def test_R33_a_controller_that_dies_at_any_write_is_followed_by_one_that_ends_it(
        self, data: st.DataObject
    ) -> None:
        self.dies(data)

    @pytest.mark.long
    @pytest.mark.timeout(900)
    @settings(max_examples=300, deadline=None)
    @given(data=st.data())
    def test_R33_so_it_is_300_times(self, data: st.DataObject) -> None:
        self.dies(data)

    def dies(self, data: st.DataObject) -> None:
        aborts = data.draw(st.booleans(), label="aborts")
        deaths = data.draw(st.lists(st.tuples(st.integers(0, 16), st.booleans()), max_size=3), label="deaths")
        away = data.draw(st.sampled_from([3, 40, 400]), label="seconds away")
        release = begun(TYPICAL, seed=data.draw(st.integers(0, 9), label="seed"))
        plan = {(number, after) for number, after in deaths}
        count = [0]

        def before(_: Write) -> None:
            if (count[0], False) in plan:
                plan.discard((count[0], False))
                raise DiedError

        def after(_: Write) -> None:
            count[0] += 1
            if (count[0] - 1, True) in plan:
                plan.discard((count[0] - 1, True))
                raise DiedError

        release.cloud.before_write, release.cloud.after_write = before, after
        asked: list[bool] = []
        end = release.cloud.at + 3 * 3600
        while release.state.outcome is None and release.cloud.at < end:
            try:
                release.run(until=lambda one: aborts and not asked and one.state.index >= 3)
                if aborts and not asked and release.state.outcome is None:
                    release.say(Verb.ABORT)
                    asked.append(True)
            except DiedError:
                release.cloud.passes(away)
                release = release.restarted()

        if aborts:
            ended_home(release, Cause.PERSON)
            assert standing(release.cloud, "green") == set()
        else:
            ended_well(release)


class DiedError(Exception):
    """The controller is gone."""


class TestNextRelease:
    def test_R08_the_next_release_takes_the_other_group(self) -> None:
        first = begun(TYPICAL).run(120)
        second = Release.open(
            first.cloud, release="r3", candidate="v3", targets=addresses(30), inherits=(first.plan,)
        )

        assert (second.plan.stable, second.plan.artifact["candidate"]["group"]) == ("v2", "blue")  # type: ignore[index]
        second.run(120)

        assert second.state.outcome is Outcome.SUCCEEDED
        assert weight_of(second.cloud) == (999, 0)
        assert (standing(second.cloud, "blue"), standing(second.cloud, "green")) == (
            set(addresses(30)),
            set(),
        )
        assert not second.cloud.lost

    def test_R04_what_an_ended_release_left_is_brought_home_and_cleared_before_the_seat_is_taken(
        self,
    ) -> None:
        left = begun().run(until=at_half)
        heir = Release.open(
            left.cloud, release="r3", candidate="v3", targets=addresses(30), inherits=(left.plan,)
        ).run(120)

        assert heir.state.outcome is Outcome.SUCCEEDED
        assert standing(heir.cloud, "green") == set(addresses(30))
        assert not heir.cloud.lost

    def test_R45_the_first_release_adopts_what_serves_and_can_go_back_to_it(self) -> None:
        release = begun()

        assert release.plan.stable is not None
        assert release.plan.stable.startswith("found-")
        release.run(until=at_half).say(Verb.ABORT)
        ended_home(release.run(60), Cause.PERSON)

    def test_where_nobody_serves_the_first_release_is_all_there_is(self) -> None:
        cloud = Cloud(weather=INSTANT, per_s=0)
        release = Release.open(cloud)

        assert release.plan.stable is None
        release.run(60)

        assert release.state.outcome is Outcome.SUCCEEDED
        assert alb_actions.share(cloud.now.routes[RULE], GROUPS["green"]).at(ALL)
        assert standing(cloud, "green") == set(NEW)
