"""Releases on a load balancer among other hands, deaths of controllers, and the releases after them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from alb_cloud import GROUPS, LISTENER, RULE, Cloud, addresses, forward
from alb_release import Release, standing, weight_of
from alb_weather import (
    INSTANT,
    NEW,
    OLD,
    STRANGER,
    THIRD,
    TYPICAL,
    at_half,
    begun,
    ended_home,
    ended_well,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.platforms.alb import actions as alb_actions
from crossfade.platforms.alb.model import Register, Route, Write, listed
from crossfade.release.state import Outcome
from crossfade.release.values import ALL, NOTHING, Cause, EventType, Unknown, Verb


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
