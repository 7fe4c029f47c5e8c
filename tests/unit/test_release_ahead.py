"""What a plan will do, told before: instances, times and the way back of each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from crossfade.engine.opening import compile_plan
from crossfade.release.ahead import Ahead, Extra, Times, look_ahead
from crossfade.release.plan import Kind, Plan
from crossfade.release.ports import Revision
from crossfade.release.reconcile import carries
from crossfade.release.values import ALL, Fleet, Known, Share
from crossfade.release.way_back import Can
from crossfade.spec import (
    ApprovalStep,
    BlueGreen,
    Canary,
    CommandHook,
    Deadlines,
    ErrorsGate,
    Hooks,
    Hybrid,
    Linear,
    LocalPlatform,
    Rolling,
    Spec,
    Strategy,
    UnhealthyGate,
    WarmUp,
    WeightStep,
)

MIN = timedelta(minutes=1)
ZERO = timedelta()
OLD = Revision(text="v1", identity="1", artifact={}, instances=4)
NEW = Revision(text="v2", identity="2", artifact={}, instances=4)
CANARY = Canary(
    steps=(
        WeightStep(weight=100, bake=5 * MIN, max_bake=30 * MIN),
        ApprovalStep(),
        WeightStep(weight=500, bake=5 * MIN, max_bake=30 * MIN),
    ),
    keep_old=10 * MIN,
)
ROLLING = Rolling(surge=1, unavailable=0, bake=3 * MIN, max_bake=18 * MIN, keep_old=ZERO)


def compiled(
    strategy: Strategy, instances: int = 4, *, stable: Revision | None = OLD, hooks: Hooks | None = None
) -> Plan:
    spec = Spec(
        service="shop",
        folder=Path("/srv/shop"),
        state=Path("/srv/shop/.crossfade"),
        platform=LocalPlatform(command="./serve {port}", port=8000, instances=instances),
        strategy=strategy,
        gates=(ErrorsGate(), UnhealthyGate()),
        deadlines=Deadlines(),
        hooks=hooks or Hooks(),
    )
    return compile_plan(spec, release="r", stable=stable, candidate=replace(NEW, instances=instances))


def seen(strategy: Strategy, instances: int = 4, *, stable: Revision | None = OLD) -> Ahead:
    return look_ahead(compiled(strategy, instances, stable=stable), instances)


def table(ahead: Ahead) -> list[tuple[str, int, int, int]]:
    return [(stop.step.name, stop.old, stop.new, stop.moving) for stop in ahead.stops]


class TestTable:
    def test_a_canary_grows_with_its_share_beside_a_whole_old_side(self) -> None:
        assert table(seen(CANARY, 10)) == [
            ("provisioning", 10, 2, 12),
            ("verifying", 10, 2, 12),
            ("10 %", 10, 2, 12),
            ("50 %", 10, 5, 15),
            ("promoting", 10, 10, 20),
            ("keeping", 10, 10, 20),
            ("retiring", 0, 10, 20),
        ]

    def test_a_hybrid_is_whole_from_the_first_step_on(self) -> None:
        ahead = seen(Hybrid(steps=CANARY.steps, keep_old=10 * MIN), 10)

        assert {(stop.old, stop.new) for stop in ahead.stops[:-1]} == {(10, 10)}

    def test_rolling_goes_by_whole_instances_and_its_way_back_needs_more_room(self) -> None:
        ahead = seen(ROLLING)

        assert table(ahead) == [
            ("provisioning", 4, 1, 5),
            ("verifying", 4, 1, 5),
            ("25 %", 3, 1, 5),
            ("50 %", 2, 2, 5),
            ("75 %", 1, 3, 5),
            ("100 %", 1, 4, 5),
            ("promoting", 1, 4, 5),
            ("keeping", 1, 4, 5),
            ("retiring", 0, 4, 5),
        ]
        assert [stop.returning for stop in ahead.stops[2:6]] == [5, 6, 7, 8]

    def test_a_first_release_has_nobody_beside_it_and_costs_nothing_more(self) -> None:
        ahead = seen(CANARY, stable=None)

        assert table(ahead) == [("provisioning", 0, 4, 4), ("verifying", 0, 4, 4), ("promoting", 0, 4, 4)]
        assert ahead.extra == Extra()


class TestTimes:
    def test_the_earliest_is_the_bakes_and_the_longest_uses_up_every_limit(self) -> None:
        ahead = seen(CANARY)
        ready, route, hook = 10 * MIN, 5 * MIN, 5 * MIN
        provisioning, verifying, promoting, retiring = ready, route + hook, ready, 5 * MIN

        assert ahead.lasts.earliest == (5 + 5 + 10) * MIN
        assert ahead.lasts.longest == (
            provisioning + verifying + 2 * (ready + 30 * MIN) + promoting + 10 * MIN + retiring
        )

    def test_what_is_known_of_a_bake_lengthens_the_earliest_and_never_beyond_its_longest(self) -> None:
        plan = compiled(CANARY)
        longer = look_ahead(plan, 4, least={"10 %": 7 * MIN, "50 %": 90 * MIN})

        assert longer.lasts.earliest == (7 + 30 + 10) * MIN
        assert longer.lasts.longest == look_ahead(plan, 4).lasts.longest

    def test_a_warm_up_takes_its_time(self) -> None:
        hooks = Hooks(before_traffic=(WarmUp(paths=("/",)), CommandHook(command="./smoke.sh")))
        ahead = look_ahead(compiled(CANARY, hooks=hooks), 4)

        assert ahead.lasts.earliest == 21 * MIN


class TestWayBack:
    def test_a_canary_goes_back_in_seconds_until_the_old_side_is_stopped(self) -> None:
        phases = [
            (first.step.name, last.step.name, way.how_fast) for first, last, way in seen(CANARY).phases()
        ]

        assert phases == [("provisioning", "keeping", "in seconds"), ("retiring", "retiring", "in minutes")]

    def test_rolling_goes_back_in_minutes_from_its_first_batch_on(self) -> None:
        ahead = seen(ROLLING)
        phases = [(first.step.name, last.step.name, way.how_fast) for first, last, way in ahead.phases()]

        assert phases[0] == ("provisioning", "verifying", "in seconds")
        assert phases[1:] == [("25 %", "keeping", "in minutes"), ("retiring", "retiring", "in minutes")]
        assert "25 % of v1's capacity" in ahead.phases()[1][2].why

    def test_after_the_end_it_takes_minutes(self) -> None:
        assert seen(CANARY).afterwards.how_fast == "in minutes"

    def test_a_first_release_has_none(self) -> None:
        assert {way.can for _, _, way in seen(CANARY, stable=None).phases()} == {Can.NO}


durations = st.integers(1, 1000).map(lambda seconds: timedelta(seconds=seconds))


def _stepped(kind: Callable[..., Strategy]) -> st.SearchStrategy[Strategy]:
    weights = st.sets(st.integers(1, 999), min_size=1, max_size=5).map(sorted)
    steps = st.builds(
        lambda weights, bake, asked: tuple(
            one
            for weight in weights
            for one in (
                WeightStep(weight=weight, bake=bake, max_bake=2 * bake),
                *((ApprovalStep(),) if asked else ()),
            )
        ),
        weights,
        durations,
        st.booleans(),
    )
    return st.builds(kind, steps=steps, keep_old=durations, hold_back=st.sampled_from((0, 50)))


@st.composite
def releases(draw: st.DrawFn) -> tuple[Strategy, int]:
    """A strategy as `crossfade.yaml` may say it, and how many instances the service needs."""
    instances = draw(st.integers(1, 20))
    rolling = st.builds(
        Rolling,
        surge=st.integers(1, instances),
        unavailable=st.integers(0, instances - 1),
        bake=durations,
        max_bake=durations,
        keep_old=durations,
    )
    linear = st.builds(
        Linear,
        step=st.integers(20, 500),
        every=durations,
        max_bake=durations,
        keep_old=durations,
        hold_back=st.sampled_from((0, 50)),
    )
    flip = st.builds(
        BlueGreen,
        bake=durations,
        max_bake=durations,
        keep_old=durations,
        hold_back=st.sampled_from((0, 50)),
    )
    return draw(st.one_of(_stepped(Canary), _stepped(Hybrid), linear, flip, rolling)), instances


@examples(150)
@given(releases())
def test_R03_each_side_has_what_its_weight_needs_at_every_step(release: tuple[Strategy, int]) -> None:
    strategy, instances = release
    plan = compiled(strategy, instances)
    for stop in look_ahead(plan, instances).stops:
        weight = stop.step.world.weight
        for count, share in ((stop.new, weight), (stop.old, Share(ALL - weight))):
            ready = Share(count * ALL // instances)
            assert carries(plan, Known(Fleet(wanted=ready, ready=ready, exists=ready)), share), stop


@examples(150)
@given(releases())
def test_a_rolling_release_never_runs_more_than_its_surge_and_no_side_more_than_is_needed(
    release: tuple[Strategy, int],
) -> None:
    strategy, instances = release
    ahead = seen(strategy, instances)
    for stop in ahead.stops:
        assert 0 <= stop.old <= instances
        assert 0 <= stop.new <= instances
        assert stop.old + stop.new <= stop.moving <= stop.returning <= 2 * instances
        if isinstance(strategy, Rolling):
            assert stop.moving <= instances + strategy.surge
            assert stop.old + stop.new >= instances - strategy.unavailable


@examples(150)
@given(releases(), st.integers(0, 2000))
def test_times_and_instance_minutes_add_up(release: tuple[Strategy, int], least: int) -> None:
    strategy, instances = release
    plan = compiled(strategy, instances)
    names = [step.name for step in plan.on]
    ahead = look_ahead(plan, instances, least=dict.fromkeys(names, timedelta(seconds=least)))
    at = Times()
    for stop in ahead.stops:
        assert stop.begins == at
        assert stop.step.bake <= stop.lasts.earliest <= stop.lasts.longest
        at = stop.ends

    assert at == ahead.lasts
    assert ahead.extra.earliest == pytest.approx(sum(stop.extra.earliest for stop in ahead.stops))
    assert ahead.extra.longest == pytest.approx(sum(stop.extra.longest for stop in ahead.stops))
    assert ahead.extra.earliest == pytest.approx(
        sum((stop.old + stop.new - instances) * (stop.lasts.earliest / MIN) for stop in ahead.stops)
    )


@examples(100)
@given(releases())
def test_R45_the_way_back_is_told_for_every_step_and_is_fast_only_beside_a_warm_old_side(
    release: tuple[Strategy, int],
) -> None:
    strategy, instances = release
    plan = compiled(strategy, instances)
    ahead = look_ahead(plan, instances)
    covered = [
        index
        for first, last, _ in ahead.phases()
        for index in range(ahead.stops.index(first), ahead.stops.index(last) + 1)
    ]

    assert covered == list(range(len(plan.on)))
    for stop in ahead.stops:
        if stop.way_back.how_fast == "in seconds":
            assert stop.step.kind is not Kind.RETIRING
            assert stop.step.world.stable >= plan.floor
