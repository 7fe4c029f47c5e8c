"""What every platform must do, whatever it is made of: one suite over all implementations of the port."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alb_world import Twin, twin, world
from grounds import AlbGround, Ground, LocalGround, names

from crossfade.dataplane import down
from crossfade.errors import PlatformError
from crossfade.release.plan import Kind
from crossfade.release.values import (
    ALL,
    NOTHING,
    EnsureFleet,
    EnsurePrimary,
    EnsureTest,
    EnsureWeight,
    GoHome,
    Known,
    Seat,
    Share,
    Side,
    Span,
    Truth,
    Unknown,
)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("platform")
    yield folder
    down(folder / ".crossfade")


@pytest.fixture(scope="module")
def cloud() -> Iterator[Twin]:
    with twin() as made:
        yield made


@pytest.fixture(params=["memory", pytest.param("envoy", marks=pytest.mark.real), "alb"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Ground:
    match request.param:
        case "envoy":
            return LocalGround(request.getfixturevalue("real"), memory=False)
        case "memory":
            return LocalGround(tmp_path, memory=True)
        case _:
            return AlbGround(tmp_path, world(request.getfixturevalue("cloud"), next(names)))


class TestFacts:
    def test_a_service_that_was_never_created_is_surely_nothing(self, ground: Ground) -> None:
        truth = ground.platform.observe(ground.plan("r1", "v1")).truth

        assert truth.weights == Known(Span(low=NOTHING, high=NOTHING))
        assert truth.seat == Known(Seat(holder=None))
        assert truth.pair == Known(value=True)

    def test_R06_what_cannot_be_read_is_unknown_in_every_fact_and_no_exception(self, ground: Ground) -> None:
        plan = ground.plan("r1", "v1")
        look = ground.unreadable().observe(plan)

        facts = [
            getattr(look.truth, name)
            for name in Truth.__dataclass_fields__
            if name not in ("verdicts", "hooks", "remarks")
        ]
        assert all(isinstance(fact, Unknown) and "nobody answers" in fact.why for fact in facts)
        with pytest.raises(PlatformError, match="nothing was written"):
            ground.platform.perform(plan, EnsureWeight(weight=ALL), look.fence)


class TestRelease:
    def test_a_first_release_ends_with_its_revision_serving(self, ground: Ground) -> None:
        ground.settle().serving("v1")

        serving = ground.platform.serving(ground.service)
        assert serving is not None
        assert serving.text == "v1"
        assert serving.identity == ground.platform.prepare(ground.spec, "v1").identity

    def test_R08_a_release_swaps_the_groups_and_leaves_one_version(self, ground: Ground) -> None:
        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")

        for step in plan.on:
            ground.reach(plan, step.world)

        serving = ground.platform.serving(ground.service)
        assert serving is not None
        assert serving.text == "v2"
        after = ground.plan("r3", "v3")
        truth = ground.settled(after, lambda truth: truth.seat == Known(Seat(holder=None)))
        assert truth.weights == Known(Span(low=NOTHING, high=NOTHING))
        assert truth.primary == Known(Side.STABLE)

    def test_R20_the_road_back_restores_what_was(self, ground: Ground) -> None:
        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")
        before = ground.ours()
        ground.through(plan, Kind.SHIFTING)
        assert ground.ours() != before

        for step in plan.back:
            ground.reach(plan, step.world)

        assert ground.ours() == before
        after = ground.plan("r3", "v3")
        ground.settled(after, lambda truth: truth.seat == Known(Seat(holder=None)))

    def test_the_seat_is_taken_by_the_first_growth_and_moves_no_weight(self, ground: Ground) -> None:
        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")
        assert ground.platform.observe(plan).truth.seat == Known(Seat(holder=None))

        step = ground.through(plan, Kind.PROVISIONING)

        truth = ground.settled(plan, lambda truth: isinstance(truth.weights, Known))
        assert truth.seat == Known(Seat(holder="r2"))
        assert truth.weights == Known(Span(low=NOTHING, high=NOTHING))
        assert isinstance(truth.candidate, Known)
        assert truth.candidate.value.ready >= (step.world.candidate or 0)


class TestWrites:
    def test_R10_a_weight_keeps_everything_it_does_not_own(self, ground: Ground) -> None:
        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")
        ground.through(plan, Kind.VERIFYING)
        ground.add_theirs()
        before = ground.theirs()

        for _ in range(2):
            look = ground.platform.observe(plan)
            ground.platform.perform(plan, EnsureWeight(weight=Share(250)), look.fence)

        assert ground.shares() == [250, 750]
        assert ground.theirs() == before

    def test_R34_doing_it_twice_is_doing_it_once(self, ground: Ground) -> None:
        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")
        ground.through(plan, Kind.VERIFYING)
        effects = (
            EnsureFleet(side=Side.CANDIDATE, capacity=Share(500), owner="r2"),
            EnsureFleet(side=Side.STABLE, capacity=ALL, owner="r2"),
            EnsureWeight(weight=Share(100)),
            EnsureTest(on=True),
            EnsurePrimary(side=Side.STABLE),
        )

        def do_all() -> Any:
            fence = ground.platform.observe(plan).fence
            for effect in effects:
                ground.platform.perform(plan, effect, fence)
            return ground.everything()

        once = do_all()

        assert do_all() == once

    def test_R23_a_write_on_an_old_look_writes_nothing(self, ground: Ground) -> None:
        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")
        ground.through(plan, Kind.VERIFYING)
        old = ground.platform.observe(plan)
        ground.another_hand("new")
        before = ground.everything()

        with pytest.raises(PlatformError, match="changed in between"):
            ground.platform.perform(plan, EnsureWeight(weight=Share(100)), old.fence)

        assert ground.everything() == before

    def test_R13_a_release_deletes_and_takes_nothing_of_another(self, ground: Ground) -> None:
        ground.settle().serving("v1")
        ground.through(ground.plan("r2", "v2"), Kind.PROVISIONING)
        stranger = replace(ground.plan("r3", "v3"), inherits=())
        before = ground.everything()
        look = ground.platform.observe(stranger)

        assert look.truth.seat == Known(Seat(holder="r2"))
        for effect in (
            EnsureFleet(side=Side.CANDIDATE, capacity=NOTHING, owner="r3"),
            EnsureFleet(side=Side.CANDIDATE, capacity=NOTHING, owner="r2"),
            EnsureFleet(side=Side.CANDIDATE, capacity=ALL, owner="r3"),
            EnsureFleet(side=Side.STABLE, capacity=NOTHING, owner="r3"),
            EnsureWeight(weight=Share(100)),
            EnsurePrimary(side=Side.CANDIDATE),
            EnsureTest(on=True),
        ):
            with pytest.raises(PlatformError, match=r"seat|delete|trusted") as refused:
                ground.platform.perform(stranger, effect, look.fence)
            assert refused.value.id == "CF4201"
        assert ground.everything() == before

    def test_R04_what_an_ended_release_left_is_brought_home_and_cleared(self, ground: Ground) -> None:
        ground.settle().serving("v1")
        ground.through(ground.plan("r2", "v2"), Kind.SHIFTING)
        heir = ground.plan("r3", "v3")

        ground.reach(heir, heir.on[0].world)

        assert ground.platform.observe(heir).truth.seat == Known(Seat(holder="r3"))

    def test_going_home_needs_no_look_may_be_repeated_and_deletes_nothing(self, ground: Ground) -> None:
        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")
        ground.through(plan, Kind.SHIFTING)
        targets = ground.targets()

        for _ in range(2):
            ground.platform.perform(plan, GoHome(), None)

        truth = ground.settled(plan, lambda truth: truth.weights == Known(Span(low=NOTHING, high=NOTHING)))
        assert truth.seat == Known(Seat(holder="r2"))
        assert ground.targets() == targets

    def test_the_test_route_opens_and_closes(self, ground: Ground) -> None:
        ground.settle().serving("v1")
        plan = ground.plan("r2", "v2")
        ground.through(plan, Kind.VERIFYING)
        assert ground.platform.observe(plan).truth.test == Known(value=True)

        ground.platform.perform(plan, EnsureTest(on=False), ground.platform.observe(plan).fence)

        ground.settled(plan, lambda truth: truth.test == Known(value=False))
