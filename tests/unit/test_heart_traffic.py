"""Rules of traffic and capacity: what may be written, given what is surely known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from heart_laws import enough, flows
from heart_run import Tick, a_run
from heart_world import OLD, STRATEGIES, THEM, US, a_plan, share
from hypothesis import given
from strategies import Moment, Op, examples, for_any_moment, play_new, schedules, worlds

from crossfade.release.decide import decide
from crossfade.release.reconcile import differences, reconcile
from crossfade.release.state import REACHES, Outcome, Road
from crossfade.release.values import (
    ALL,
    NOTHING,
    EnsureFleet,
    EnsurePrimary,
    EnsureTest,
    EnsureWeight,
    EventType,
    GoHome,
    Known,
    Say,
    Seat,
    Share,
    Side,
    Span,
    Truth,
    Unknown,
    sure,
)


def high(truth: Truth) -> Share:
    assert isinstance(truth.weights, Known)
    return truth.weights.value.high


def low(truth: Truth) -> Share:
    assert isinstance(truth.weights, Known)
    return truth.weights.value.low


@for_any_moment()
def test_R01_a_version_with_no_healthy_instance_is_given_no_traffic(moment: Moment) -> None:
    plan, state, truth, now = moment
    decision = decide(plan, state, truth, now)
    for effect in decision.effects:
        if isinstance(effect, EnsureWeight) and effect.weight > low(truth):
            assert sure(truth.candidate, lambda fleet: fleet.ready > NOTHING)
        if effect == EnsureTest(on=True):
            assert sure(truth.candidate, lambda fleet: fleet.ready > NOTHING)


@examples(40)
@given(worlds, schedules())
def test_R01_in_a_hostile_world_too_weight_rises_only_onto_healthy_instances(
    world: dict[str, Any], schedule: list[Op]
) -> None:
    def watch(tick: Tick) -> None:
        for effect in tick.decision.effects:
            if isinstance(effect, EnsureWeight) and effect.weight > low(tick.honest):
                assert isinstance(tick.honest.candidate, Known)
                assert tick.honest.candidate.value.ready >= enough(tick.plan, effect.weight)

    play_new(world, schedule, watch)


@for_any_moment()
def test_R02_a_step_is_reached_only_when_instances_are_healthy_and_the_weight_was_read_back(
    moment: Moment,
) -> None:
    plan, state, truth, now = moment
    decision = decide(plan, state, truth, now)
    if not any(event.type in REACHES.values() for event in decision.events):
        return
    world = state.step(plan).world
    assert sure(truth.weights, lambda span: span.at(world.weight))
    assert sure(truth.seen, lambda seen: seen.agrees(world.weight))
    assert sure(
        truth.stable,
        lambda fleet: fleet.ready >= world.stable if world.stable else fleet.exists == NOTHING,
    )
    if world.candidate:
        assert sure(truth.candidate, lambda fleet: fleet.ready >= (world.candidate or ALL))


@for_any_moment()
def test_R03_weight_moves_only_onto_a_side_that_surely_can_carry_it(moment: Moment) -> None:
    plan, state, truth, now = moment
    for effect in decide(plan, state, truth, now).effects:
        nobody = sure(truth.candidate, lambda fleet: fleet.ready == NOTHING)
        match effect:
            case EnsureWeight(weight=weight):
                if weight > low(truth):
                    assert sure(truth.candidate, lambda fleet: fleet.ready >= enough(plan, weight))
                if weight < high(truth):
                    assert nobody or sure(
                        truth.stable, lambda fleet: fleet.ready >= enough(plan, ALL - weight)
                    )
            case GoHome():
                # Blind is allowed; a home that is known to be too small is not.
                assert (
                    nobody
                    or isinstance(truth.stable, Unknown)
                    or sure(truth.stable, lambda fleet: fleet.ready >= plan.floor)
                )
            case EnsurePrimary(side=Side.CANDIDATE):
                assert sure(truth.candidate, lambda fleet: fleet.ready >= plan.floor)
            case _:
                pass


def test_R03_rolling_back_onto_a_thinned_stable_grows_it_first_and_follows_its_capacity() -> None:
    run = a_run(instances=10).at("keeping")
    run.world.stable.sick = 5
    run.world.hand("thin stable")
    run.world.stable.sick = 0
    run.world.says["errors"] = Say.FAIL

    run.tick()

    assert set(run.world.writes[-2:]) == {
        EnsureFleet(side=Side.STABLE, capacity=ALL, owner=US),
        EnsureWeight(weight=Share(500)),
    }
    assert run.to_the_end().state.outcome is Outcome.ROLLED_BACK


def test_R04_weight_left_by_an_ended_release_goes_home_before_anything_is_re_pointed() -> None:
    run = a_run(leftover=True)
    run.world.hand("raise")
    run.tick(2)
    writes = run.world.writes[:]
    run.to_the_end()

    assert writes == [EnsureWeight(weight=NOTHING)]
    kinds = [effect for effect in run.world.writes if isinstance(effect, EnsureFleet)]
    assert kinds[0] == EnsureFleet(side=Side.CANDIDATE, capacity=NOTHING, owner=OLD)
    assert kinds[1].owner == US
    assert run.state.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("kind", ["canary", "blue_green"])
def test_R04_an_empty_seat_that_still_has_weight_is_cleared_of_it_before_the_candidate_starts(
    kind: str,
) -> None:
    run = a_run(kind)
    run.world.hand("raise")

    run.tick(2)

    assert run.world.writes == [EnsureWeight(weight=NOTHING)]


@for_any_moment(20)
def test_R05_a_version_is_shrunk_only_to_what_its_configured_and_seen_share_need(moment: Moment) -> None:
    plan, _, truth, _ = moment
    for step in (*plan.on, *plan.back):
        for effect in reconcile(plan, step.world, truth):
            if not isinstance(effect, EnsureFleet):
                continue
            fleet = truth.stable if effect.side is Side.STABLE else truth.candidate
            assert isinstance(fleet, Known)
            if effect.capacity >= fleet.value.wanted:
                continue
            assert effect.capacity >= enough(plan, flows(truth, effect.side))


@examples(40)
@given(worlds, schedules())
def test_R05_nothing_is_deleted_while_any_rule_names_it_or_traffic_still_flows(
    world: dict[str, Any], schedule: list[Op]
) -> None:
    def watch(tick: Tick) -> None:
        for effect in tick.decision.effects:
            if isinstance(effect, EnsureFleet) and effect.capacity == NOTHING:
                weight = ALL if effect.side is Side.STABLE else NOTHING
                assert isinstance(tick.honest.weights, Known)
                assert isinstance(tick.honest.seen, Known)
                assert tick.honest.weights.value.at(weight)
                assert tick.honest.seen.value.agrees(weight)

    play_new(world, schedule, watch)


@for_any_moment(10, road=Road.ON)
def test_R06_what_could_not_be_read_is_not_right_and_stops_everything_after_it(moment: Moment) -> None:
    plan, state, truth, now = moment
    moves = {EventType.WEIGHT_REQUESTED, EventType.PROMOTE_REQUESTED, EventType.RETIRE_REQUESTED}
    for name in ("weights", "seen", "stable", "candidate", "primary", "test", "pair", "seat"):
        blind = replace(truth, **{name: Unknown("an error")})  # type: ignore[arg-type]  # a fact's name

        decision = decide(plan, state, blind, now)

        assert not {event.type for event in decision.events} & moves
        if name == "weights":
            assert not any(isinstance(effect, EnsureWeight) for effect in decision.effects)
            assert not any(
                isinstance(effect, EnsureFleet) and effect.capacity == NOTHING for effect in decision.effects
            )


@for_any_moment(5)
def test_R07_one_rule_that_differs_is_a_world_not_reached(moment: Moment) -> None:
    plan, _, truth, _ = moment
    for step in (*plan.on, *plan.back):
        other = ALL if step.world.weight < ALL else NOTHING
        for span in (
            Span(low=min(step.world.weight, other), high=max(step.world.weight, other)),
            Span(low=other, high=other),
        ):
            found = differences(plan, step.world, replace(truth, weights=Known(span)))
            assert any(difference.what == "weight" for difference in found)


@for_any_moment()
def test_R13_only_our_own_candidate_or_the_stable_it_replaced_is_ever_shrunk(moment: Moment) -> None:
    plan, state, truth, now = moment
    for effect in decide(plan, state, truth, now).effects:
        if not isinstance(effect, EnsureFleet):
            continue
        fleet = truth.stable if effect.side is Side.STABLE else truth.candidate
        assert isinstance(fleet, Known)
        if effect.capacity < fleet.value.wanted:
            assert isinstance(truth.seat, Known)
            assert truth.seat.value.holder == effect.owner
            assert effect.owner == US or effect.owner in plan.inherits
        assert truth.seat != Known(Seat(holder=THEM))


@pytest.mark.parametrize("instances", [1, 2, 3, 10])
@pytest.mark.parametrize("kind", ["canary", "blue_green", "first"])
def test_R19_a_good_release_of_any_size_ends_with_the_candidate_alone(kind: str, instances: int) -> None:
    run = a_run(kind, instances=instances).to_the_end()
    truth = run.world.honest()

    assert run.state.outcome is Outcome.SUCCEEDED
    assert truth.weights == Known(Span(low=ALL, high=ALL))
    assert sure(truth.stable, lambda fleet: fleet.exists == NOTHING)
    assert sure(truth.candidate, lambda fleet: fleet.ready == ALL)


@pytest.mark.parametrize("instances", [1, 2, 3, 10])
def test_R05_no_step_of_any_size_asks_for_less_than_its_weight_or_less_than_two(instances: int) -> None:
    for kind in {*STRATEGIES} - {"rolling", "thin_rolling"}:
        plan = a_plan(kind, instances=instances)
        for step in plan.on:
            assert step.world.candidate is not None
            assert step.world.candidate >= max(step.world.weight, share(min(2, instances), instances))
            assert step.point_of_no_return or step.world.stable == ALL


def test_R01_a_candidate_half_of_which_is_sick_is_given_no_more_weight() -> None:
    run = a_run(instances=2).at("10 %")
    run.world.candidate.sick = 1
    for _ in range(200):
        run.tick()
        if run.state.road is Road.BACK:
            break

    assert max(event.weight or 0 for event in run.journal if event.step != "provisioning") <= 100
