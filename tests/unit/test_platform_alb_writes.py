"""Which calls an effect on a load balancer becomes, and what it refuses to become."""

from __future__ import annotations

from dataclasses import replace

import pytest
from alb_cloud import GROUPS, LISTENER, RULE, TEST, addresses, forward
from alb_looks import (
    HASH,
    LEFT,
    NEW,
    NOW,
    OLD,
    PLAN,
    STRANGER,
    book,
    fleet,
    look,
    made,
    refused,
    scene,
    there,
)
from alb_release import revision

from crossfade.errors import PlatformError
from crossfade.platforms.alb import actions as routes
from crossfade.platforms.alb import tags
from crossfade.platforms.alb.facts import (
    facts,
)
from crossfade.platforms.alb.model import (
    Deregister,
    Register,
    Registered,
    Route,
    Tag,
    listed,
)
from crossfade.platforms.alb.writes import home
from crossfade.release.values import (
    NOTHING,
    EnsurePrimary,
    EnsureTest,
    EnsureWeight,
    Fact,
    Known,
    Share,
    Side,
    Unknown,
    sure,
)


class TestWeights:
    def test_R34_what_is_asked_is_noted_before_any_rule_is_written(self) -> None:
        first, *rest = made(look(0), EnsureWeight(weight=Share(100)))

        assert first == Tag(colour="blue", tags=((tags.WEIGHT, f"green 100@{NOW:.3f}"),))
        assert [write.arn for write in rest if isinstance(write, Route)] == [RULE, LISTENER]
        assert all(
            routes.share(write.actions, GROUPS["green"]).at(Share(100))
            for write in rest
            if isinstance(write, Route)
        )

    def test_R07_a_rule_that_is_right_already_is_not_written_again(self) -> None:
        right = (forward(blue=900, green=100),)

        found = made(look(0, rules={RULE: right}), EnsureWeight(weight=Share(100)))

        assert [write.arn for write in found if isinstance(write, Route)] == [LISTENER]

    def test_R01_nobody_is_sent_to_a_group_without_targets(self) -> None:
        assert refused(look(0, green=there()), EnsureWeight(weight=Share(1))) == "CF4202"
        assert (
            refused(look(0, green=there(*NEW, state="draining")), EnsureWeight(weight=Share(1))) == "CF4202"
        )
        assert refused(look(500, blue=there()), EnsureWeight(weight=Share(400))) == "CF4202"

    def test_R06_a_group_that_could_not_be_read_gets_no_more_and_gives_back(self) -> None:
        dark = look(500, green=Unknown("throttled"), blue=Unknown("throttled"))

        assert refused(dark, EnsureWeight(weight=Share(600))) == "CF4203"
        assert len(made(dark, EnsureWeight(weight=NOTHING))) == 3

    def test_R49_where_one_rule_names_a_third_group_none_is_written(self) -> None:
        third = (forward(blue=1, green=1, **{f"{GROUPS['blue']}x": 1}),)

        assert refused(look(0, rules={RULE: third}), EnsureWeight(weight=Share(100))) == "CF4201"

    def test_the_test_route_follows_whoever_has_most_unless_it_is_open(self) -> None:
        def routed(ledger: dict[str, str], weight: int) -> list[str]:
            found = made(look(0, ledger=ledger), EnsureWeight(weight=Share(weight)))
            return [write.arn for write in found if isinstance(write, Route)]

        assert TEST in routed(book(), 1000)
        assert TEST not in routed(book(), 500)
        assert TEST not in routed(book(test=True), 1000)


class TestHome:
    def test_users_first_the_note_after_them_and_then_what_reads_home_already(self) -> None:
        found = home(scene(look(500, rules={LISTENER: (forward(blue=999, green=0),)})), NOW)

        assert [getattr(write, "arn", "note") for write in found] == [RULE, "note", LISTENER]

    def test_R48_a_rule_that_reads_home_is_written_all_the_same_while_another_weight_was_asked_for(
        self,
    ) -> None:
        """The answer may be an old one."""
        found = home(scene(look(0, ledger=book(weight=500))), NOW)

        assert [write.arn for write in found if isinstance(write, Route)] == [RULE, LISTENER]

    def test_who_is_home_writes_nothing(self) -> None:
        assert home(scene(look(0)), NOW) == ()

    def test_R20_a_test_route_that_reaches_the_candidate_comes_home_too(self) -> None:
        found = home(scene(look(500, test="green", ledger=book(weight=500, test=True))), NOW)

        assert [write.arn for write in found if isinstance(write, Route)] == [RULE, LISTENER, TEST]

    def test_R49_a_rule_with_a_third_group_is_left_alone_and_the_others_come_home(self) -> None:
        third = (forward(blue=1, green=1, **{f"{GROUPS['blue']}x": 1}),)

        found = home(scene(look(500, rules={RULE: third})), NOW)

        assert [write.arn for write in found if isinstance(write, Route)] == [LISTENER]

    def test_R48_without_tags_everybody_comes_home(self) -> None:
        blind = replace(look(500), tags=Unknown("throttled"))

        assert [type(write) for write in home(scene(blind), NOW)] == [Route, Route, Tag]

    def test_R13_the_traffic_of_another_release_is_not_ours_to_move(self) -> None:
        with pytest.raises(PlatformError, match="seat"):
            home(scene(look(500, ledger=book(release="r9"))), NOW)
        assert home(scene(look(0, ledger=book(release="r9"))), NOW) == ()


class TestTargets:
    def test_the_first_of_the_list_are_registered_and_the_rest_goes(self) -> None:
        assert made(look(green=there()), fleet(Side.CANDIDATE, 334)) == (
            Register(colour="green", targets=listed({"targets": NEW[:2]})),
        )
        assert made(look(), fleet(Side.CANDIDATE, 333)) == (
            Deregister(colour="green", targets=listed({"targets": NEW[1:]})),
        )
        assert made(look(), fleet(Side.CANDIDATE, 1000)) == ()

    def test_large_lists_go_in_batches(self) -> None:
        many = addresses(0, 200) + [f"10.0.1.{one}:80" for one in range(250)]
        plan = replace(PLAN, artifact={**PLAN.artifact, "candidate": revision("v2", "green", many).artifact})

        found = made(look(green=there()), fleet(Side.CANDIDATE, 1000), plan)

        assert [len(write.targets) for write in found if isinstance(write, Register)] == [200, 200, 50]

    def test_R13_only_our_own_leave_the_candidates_group(self) -> None:
        found = made(look(green=there(*NEW, STRANGER)), fleet(Side.CANDIDATE, 0))

        assert found == (Deregister(colour="green", targets=listed({"targets": NEW})),)

    def test_R13_of_what_an_ended_release_left_only_what_it_listed(self) -> None:
        seen = look(green=there(*LEFT, STRANGER), ledger=book(release="r1"))

        assert made(seen, fleet(Side.CANDIDATE, 0, "r1")) == (
            Deregister(colour="green", targets=listed({"targets": LEFT})),
        )
        assert refused(seen, fleet(Side.CANDIDATE, 0, "r2")) == "CF4201"
        assert refused(look(ledger=book(release="r9")), fleet(Side.CANDIDATE, 0, "r9")) == "CF4201"

    def test_R05_nobody_goes_while_a_rule_or_the_test_route_may_reach_them(self) -> None:
        assert refused(look(1), fleet(Side.CANDIDATE, 0)) == "CF4202"
        led_away = made(look(0, test="green"), fleet(Side.CANDIDATE, 0))
        assert [type(write) for write in led_away] == [Route]
        promoted = book(primary="green", weight=1000)
        assert refused(look(999, ledger=promoted), fleet(Side.STABLE, 0)) == "CF4202"
        led_away = made(look(1000, test="blue", ledger=promoted), fleet(Side.STABLE, 0))
        assert [type(write) for write in led_away] == [Route]
        assert made(look(1000, test="green", ledger=promoted), fleet(Side.STABLE, 0)) == (
            Deregister(colour="blue", targets=listed({"targets": OLD})),
        )

    def test_the_trusted_side_is_neither_cleared_nor_retired(self) -> None:
        assert refused(look(0, ledger=book(primary="green")), fleet(Side.CANDIDATE, 0)) == "CF4201"
        assert refused(look(1000, test="green"), fleet(Side.STABLE, 0)) == "CF4201"

    def test_R45_a_stable_that_is_another_build_does_not_grow(self) -> None:
        other = tags.build("blue", tags.Build(identity=HASH, revision="v0"))

        assert refused(look(ledger={**book(), **other}), fleet(Side.STABLE, 1000)) == "CF4202"

    def test_R06_targets_that_could_not_be_read_are_left_alone(self) -> None:
        for effect in (fleet(Side.CANDIDATE, 1000), fleet(Side.CANDIDATE, 0)):
            assert refused(look(green=Unknown("throttled")), effect) == "CF4203"


class TestSeat:
    def test_a_claim_is_one_call_and_says_all_of_it(self) -> None:
        seen = look(green=there(), ledger={tags.SERVICE: "shop"})
        plan = replace(PLAN, stable="found-" + _found())

        [claim] = made(seen, fleet(Side.CANDIDATE, 1000), plan)

        assert isinstance(claim, Tag)
        now = replace(seen, tags=Known({"blue": {tags.SERVICE: "shop", **dict(claim.tags)}, "green": {}}))
        found = scene(now, plan)
        assert found.ours
        assert found.book is not None
        assert found.book.primary == "blue"
        assert {colour: build.revision for colour, build in found.book.builds.items()} == {
            "blue": plan.stable,
            "green": "v2",
        }
        assert sure(facts(plan, now).pair, bool)

    @pytest.mark.parametrize("green", [there(STRANGER), Unknown("throttled")])
    def test_R13_a_seat_that_is_not_surely_free_is_not_taken(
        self, green: Fact[tuple[Registered, ...]]
    ) -> None:
        assert refused(look(green=green, ledger=book(release=None)), fleet(Side.CANDIDATE, 1000)) == "CF4201"

    def test_primary_is_a_tag_and_of_a_first_release_trust_goes_back_to_the_empty_side(self) -> None:
        assert made(look(), EnsurePrimary(side=Side.CANDIDATE)) == (
            Tag(colour="blue", tags=((tags.PRIMARY, "green"),)),
        )
        assert made(look(), EnsurePrimary(side=Side.STABLE)) == ()
        first = replace(PLAN, stable=None)
        assert made(look(ledger=book(primary="green")), EnsurePrimary(side=Side.STABLE), first) == (
            Tag(colour="blue", tags=((tags.PRIMARY, "blue"),)),
        )

    def test_the_test_route_is_noted_then_written(self) -> None:
        assert [type(write) for write in made(look(), EnsureTest(on=True))] == [Tag, Route]
        assert made(look(test="green", ledger=book(test=True)), EnsureTest(on=True)) == ()
        assert refused(look(green=there()), EnsureTest(on=True)) == "CF4202"

    def test_R49_a_test_route_that_names_a_third_group_is_not_ours_to_write(self) -> None:
        third = (forward(blue=1, **{f"{GROUPS['blue']}x": 1}),)

        assert refused(look(rules={TEST: third}), EnsureTest(on=True)) == "CF4201"


def _found() -> str:
    from crossfade.platforms.alb.targets import identity

    return identity(one.address for one in listed({"targets": OLD}))[:7]
