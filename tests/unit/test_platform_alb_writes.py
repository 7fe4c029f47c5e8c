"""An effect becomes calls that are its own business alone, whatever the look behind it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from alb_cloud import BEGIN, GROUPS, LISTENER, RULE, SITE, TEST, addresses, forward
from alb_release import CANARY, revision, spec
from hypothesis import given
from hypothesis import strategies as st

from crossfade.engine.opening import compile_plan
from crossfade.errors import PlatformError
from crossfade.platforms.alb import actions as routes
from crossfade.platforms.alb import tags
from crossfade.platforms.alb.facts import (
    facts,
)
from crossfade.platforms.alb.model import (
    Address,
    Deregister,
    Flowed,
    Looked,
    Register,
    Registered,
    Route,
    Routes,
    Tag,
    Write,
    listed,
)
from crossfade.platforms.alb.platform import _after
from crossfade.platforms.alb.scene import Scene, scene_of
from crossfade.platforms.alb.writes import home, writes
from crossfade.release.plan import Plan
from crossfade.release.reconcile import reconcile
from crossfade.release.values import (
    ALL,
    NOTHING,
    EnsureFleet,
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

OLD, NEW, LEFT = addresses(10), addresses(20), addresses(30)
STRANGER = "10.9.9.9:80"
HASH = "0" * 64
NOW = BEGIN + 100


def _plan() -> Plan:
    plan = compile_plan(
        spec(CANARY),
        release="r2",
        stable=revision("v1", "blue", OLD),
        candidate=revision("v2", "green", NEW),
        inherits=["r1"],
    )
    return replace(plan, artifact={**plan.artifact, "left": {"targets": LEFT}})


PLAN = _plan()


def book(
    release: str | None = "r2", primary: str | None = "blue", weight: int = 0, test: bool = False
) -> dict[str, str]:
    said = {
        tags.SERVICE: "shop",
        **tags.build("blue", tags.Build(identity=HASH, revision="v1")),
        **tags.build("green", tags.Build(identity=HASH, revision="v2")),
        **tags.weight("green", weight, BEGIN - 1000),
        **tags.test(BEGIN - 1000, is_open=test),
    }
    if release is not None:
        said |= tags.seat(release, "green", BEGIN - 2000)
    if primary is not None:
        said[tags.PRIMARY] = primary
    return said


def there(*texts: str, state: str = "healthy") -> Fact[tuple[Registered, ...]]:
    return Known(
        tuple(
            Registered(address=one.address, zone="", state=state) for one in listed({"targets": list(texts)})
        )
    )


def look(
    weight: int = 0,
    *,
    test: str = "blue",
    ledger: dict[str, str] | None = None,
    blue: Fact[tuple[Registered, ...]] | None = None,
    green: Fact[tuple[Registered, ...]] | None = None,
    rules: dict[str, Any] | None = None,
) -> Looked:
    part, rest = routes.weights(weight)
    wanted = {arn: (forward(blue=rest, green=part),) for arn in SITE.rules}
    reached = {"blue": 0, "green": 0, test: 999}
    wanted[TEST] = (forward(**reached),)
    return Looked(
        at=NOW,
        routes=Known(Routes(first={**wanted, **(rules or {})})),
        tags=Known(
            {"blue": book(weight=weight) if ledger is None else ledger, "green": {tags.SERVICE: "shop"}}
        ),
        targets={"blue": blue or there(*OLD), "green": green or there(*NEW)},
        flow=Flowed(),
    )


def scene(seen: Looked, plan: Plan = PLAN) -> Scene:
    return scene_of(plan, seen)


def made(seen: Looked, effect: Any, plan: Plan = PLAN) -> tuple[Write, ...]:
    return writes(scene(seen, plan), effect, NOW)


def refused(seen: Looked, effect: Any) -> str:
    with pytest.raises(PlatformError) as error:
        made(seen, effect)
    assert "nothing was written" in error.value.fix
    return error.value.id


def fleet(side: Side, capacity: int, owner: str = "r2") -> EnsureFleet:
    return EnsureFleet(side=side, capacity=Share(capacity), owner=owner)


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


WEIGHTS = st.integers(0, 1000).map(Share)
STATES = st.sampled_from(["healthy", "initial", "unhealthy", "draining"])


@st.composite
def groups(draw: st.DrawFn) -> Fact[tuple[Registered, ...]]:
    if draw(st.integers(0, 9)) == 0:
        return Unknown("throttled")
    texts = draw(st.sets(st.sampled_from([*OLD, *NEW, *LEFT, STRANGER])))
    found = [
        Registered(address=one.address, zone="", state=draw(STATES))
        for one in listed({"targets": sorted(texts)})
    ]
    return Known(tuple(found))


@st.composite
def lists(draw: st.DrawFn) -> Any:
    weight = draw(WEIGHTS)
    part, rest = routes.weights(weight)
    third = {f"{GROUPS['blue']}x": 1} if draw(st.integers(0, 9)) == 0 else {}
    sticky = draw(st.sampled_from([0, 0, 60]))
    kinds = [{"blue": rest, "green": part}, {"blue": 1}, {"green": 1}]
    return (forward(sticky, **draw(st.sampled_from(kinds)), **third),)


@st.composite
def looks(draw: st.DrawFn) -> Looked:
    """Any look at all: whatever other hands may have made of it."""
    made_ = draw(st.lists(lists(), min_size=3, max_size=3))
    return Looked(
        at=NOW,
        routes=Known(Routes(first=dict(zip((RULE, LISTENER, TEST), made_, strict=True)))),
        tags=Known(
            {
                "blue": book(
                    draw(st.sampled_from(["r1", "r2", "r2", "r9", None])),
                    draw(st.sampled_from(["blue", "blue", "green", None])),
                    draw(WEIGHTS),
                    draw(st.booleans()),
                ),
                "green": {},
            }
        ),
        targets={"blue": draw(groups()), "green": draw(groups())},
        flow=Flowed(),
    )


EFFECTS = st.one_of(
    st.builds(EnsureWeight, weight=WEIGHTS),
    st.builds(
        EnsureFleet,
        side=st.sampled_from(Side),
        capacity=WEIGHTS,
        owner=st.sampled_from(["r1", "r2", "r9"]),
    ),
    st.builds(EnsurePrimary, side=st.sampled_from(Side)),
    st.builds(EnsureTest, on=st.booleans()),
)


class TestAnyLook:
    @given(seen=looks(), effect=EFFECTS)
    def test_R13_nobody_elses_targets_ever_go_nor_are_registered(self, seen: Looked, effect: Any) -> None:
        for write in self.of(seen, effect):
            own = {str(one) for one in (OLD if getattr(write, "colour", "") == "blue" else [*NEW, *LEFT])}
            if isinstance(write, Register | Deregister):
                assert {str(one.address) for one in write.targets} <= own

    @given(seen=looks(), effect=EFFECTS)
    def test_R49_no_route_that_names_a_third_group_is_ever_written(self, seen: Looked, effect: Any) -> None:
        assert isinstance(seen.routes, Known)
        for write in (*self.of(seen, effect), *self.of(seen, None)):
            if isinstance(write, Route):
                assert routes.names_only(
                    seen.routes.value.first[write.arn], (GROUPS["blue"], GROUPS["green"])
                )

    @given(seen=looks(), effect=EFFECTS)
    def test_R34_done_once_it_is_done(self, seen: Looked, effect: Any) -> None:
        """What is left to write afterwards are at most the same notes."""
        found = self.of(seen, effect)
        after = seen
        for write in found:
            after = _with_targets(_after(after, write), write)

        again = self.of(after, effect)

        assert all(isinstance(write, Tag) and write in found for write in again)

    @given(seen=looks())
    def test_R11_the_road_back_never_raises_the_candidate(self, seen: Looked) -> None:
        assert isinstance(seen.routes, Known)
        truth = facts(PLAN, seen)
        for effect in reconcile(PLAN, PLAN.back[0].world, truth):
            if isinstance(effect, EnsureWeight | EnsureFleet | EnsurePrimary | EnsureTest):
                for write in self.of(seen, effect):
                    if isinstance(write, Route) and write.arn in SITE.rules:
                        before = routes.share(seen.routes.value.first[write.arn] or (), GROUPS["green"])
                        assert routes.share(write.actions, GROUPS["green"]).high <= before.high

    @given(seen=looks())
    def test_R12_going_home_leaves_no_share_on_any_rule_that_is_ours(self, seen: Looked) -> None:
        assert isinstance(seen.routes, Known)
        after = seen
        for write in self.of(seen, None):
            after = _after(after, write)
        assert isinstance(after.routes, Known)
        if scene(seen).ours:
            for arn in SITE.rules:
                actions = after.routes.value.first[arn] or ()
                if routes.names_only(actions, (GROUPS["blue"], GROUPS["green"])):
                    assert routes.share(actions, GROUPS["green"]).at(NOTHING)

    def of(self, seen: Looked, effect: Any) -> tuple[Write, ...]:
        """What is written for it, nothing where it is refused; None goes home."""
        try:
            return home(scene(seen), NOW) if effect is None else made(seen, effect)
        except PlatformError:
            return ()


def _with_targets(seen: Looked, write: Write) -> Looked:
    """Registrations as the next look shows them."""
    if not isinstance(write, Register | Deregister):
        return seen
    targets = seen.targets[write.colour]
    assert isinstance(targets, Known)
    found: dict[Address, Registered] = {one.address: one for one in targets.value}
    for one in write.targets:
        if isinstance(write, Register):
            found[one.address] = Registered(address=one.address, zone="", state="initial")
        else:
            found[one.address] = replace(found[one.address], state="draining")
    return replace(seen, targets={**seen.targets, write.colour: Known(tuple(found.values()))})


def test_all_shares_are_written_as_weights_of_999_at_most() -> None:
    assert routes.weights(ALL) == (999, 0)
    assert routes.weights(NOTHING) == (0, 999)
    assert routes.weights(1) == (1, 999)
