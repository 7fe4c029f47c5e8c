"""Whatever a look shows: no effect touches another's targets or sends users to nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alb_cloud import GROUPS, LISTENER, RULE, SITE, TEST, forward
from alb_looks import (
    LEFT,
    NEW,
    NOW,
    OLD,
    PLAN,
    STRANGER,
    book,
    made,
    scene,
)
from hypothesis import given
from hypothesis import strategies as st

from crossfade.errors import PlatformError
from crossfade.platforms.alb import actions as routes
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
from crossfade.platforms.alb.writes import home
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
)

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
