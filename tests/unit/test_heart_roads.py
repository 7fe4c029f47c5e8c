"""Abort, rollback, supersede, pause, ends: the road on, the road back, and what leads from one to another."""

from __future__ import annotations

from typing import Any

import pytest
from heart_run import Run, Tick, a_run
from heart_world import HANDS, US, a_plan
from hypothesis import given
from strategies import Moment, Op, examples, for_any_moment, play_new, schedules, worlds

from crossfade.release.decide import decide, waits_for
from crossfade.release.hear import hear
from crossfade.release.plan import SETTLE
from crossfade.release.state import Outcome, Road, phase
from crossfade.release.values import (
    ALL,
    NOTHING,
    Cause,
    Command,
    Declined,
    EnsureWeight,
    EventType,
    GoHome,
    HookSay,
    Known,
    Say,
    Seat,
    Side,
    Verb,
    sure,
)
from crossfade.release.way_back import Can, way_back

ON_THE_WAY = ("provisioning", "verifying", "10 %", "50 %", "promoting", "keeping")


def looks(run: Run, number: int) -> Run:
    for _ in range(number):
        run.tick()
    return run


@for_any_moment(road=Road.BACK)
def test_R11_on_the_road_back_no_rule_s_weight_ever_rises(moment: Moment) -> None:
    plan, state, truth, now = moment
    for effect in decide(plan, state, truth, now).effects:
        if isinstance(effect, EnsureWeight):
            assert isinstance(truth.weights, Known)
            assert effect.weight <= truth.weights.value.low


@for_any_moment(road=Road.BACK)
def test_R12_a_candidate_with_nobody_healthy_loses_all_traffic_at_once(moment: Moment) -> None:
    plan, state, truth, now = moment
    nobody = sure(truth.candidate, lambda fleet: fleet.ready == NOTHING)
    weighted = sure(truth.weights, lambda span: span.high > NOTHING)
    if nobody and weighted and sure(truth.pair, bool) and truth.seat == Known(Seat(holder=US)):
        assert GoHome() in decide(plan, state, truth, now).effects


@pytest.mark.parametrize("step", ["10 %", "50 %", "promoting", "keeping"])
def test_R12_a_lost_candidate_turns_back_and_goes_home_in_one_look(step: str) -> None:
    run = a_run().at(step)
    run.world.candidate.sick = 2

    run.tick()

    assert run.state.cause is Cause.LOST
    assert GoHome() in run.world.writes
    assert run.world.rules == [NOTHING, NOTHING]


@pytest.mark.parametrize("step", ON_THE_WAY)
def test_R14_a_supersede_turns_back_and_clears_the_seat_but_in_keeping_goes_on(step: str) -> None:
    run = a_run().at(step)
    run.say(Verb.SUPERSEDE)
    run.to_the_end()

    assert run.state.outcome is (Outcome.SUCCEEDED if step == "keeping" else Outcome.ROLLED_BACK)
    if step != "keeping":
        assert run.state.cause is Cause.SUPERSEDED
        assert run.world.holder is None


@pytest.mark.parametrize("step", [*ON_THE_WAY, "retiring"])
def test_R15_a_gate_that_fails_has_a_direction_at_every_step(step: str) -> None:
    run = a_run().at(step, reached=step != "retiring")
    run.world.says = {"errors": Say.FAIL, "unhealthy": Say.FAIL}
    run.to_the_end()

    past_return = step == "retiring"
    assert run.state.outcome is (Outcome.SUCCEEDED if past_return else Outcome.ROLLED_BACK)


def test_R15_the_road_back_has_its_own_failure_state() -> None:
    run = a_run().at("50 %")
    run.say(Verb.ABORT)
    run.world.stable.sick = 2
    run.until(lambda run: run.state.stuck)

    assert phase(run.plan, run.state) == "stuck"
    run.world.stable.sick = 0
    assert run.to_the_end().state.outcome is Outcome.ROLLED_BACK


@pytest.mark.parametrize("cause", ["fail", "abort", "lost", "no data", "lowered"])
def test_R16_a_pause_hides_no_reason_to_turn_back(cause: str) -> None:
    run = a_run().at("10 %")
    run.say(Verb.PAUSE)
    run.tick()
    match cause:
        case "fail":
            run.world.says["errors"] = Say.FAIL
        case "abort":
            run.say(Verb.ABORT)
        case "lost":
            run.world.candidate.sick = 2
        case "no data":
            run.world.says["errors"] = Say.NO_DATA
        case _:
            run.world.hand("lower one")
    looks(run, 90)

    assert run.state.road is Road.BACK


def test_R16_a_pause_stops_the_next_advance_only_and_has_its_own_limit() -> None:
    run = a_run().at("10 %")
    run.say(Verb.PAUSE)
    looks(run, 200)
    assert run.state.step(run.plan).name == "10 %"
    assert run.state.road is Road.ON

    run.to_the_end()
    assert run.state.cause is Cause.PAUSE


def test_R17_past_its_deadline_a_rollback_pages_goes_on_trying_and_ends_when_truth_shows_stable_alone() -> (
    None
):
    run = a_run().at("50 %")
    run.say(Verb.ABORT)
    run.lose = 10**6
    run.until(lambda run: run.state.stuck)
    assert run.types().count(EventType.RELEASE_STUCK) == 1
    looks(run, 300)
    assert run.types().count(EventType.RELEASE_STUCK) == 1

    run.lose = 0
    assert run.to_the_end().state.outcome is Outcome.ROLLED_BACK


@pytest.mark.parametrize("fact", ["weights", "stable", "seen", "candidate", "primary", "test", "pair"])
@pytest.mark.parametrize("step", ["rolling back", "clearing"])
def test_R17_a_rollback_that_was_verified_once_and_then_cannot_be_shown_any_more_pages_too(
    step: str, fact: str
) -> None:
    run = a_run().at("10 %")
    run.say(Verb.ABORT)
    run.at(step)
    run.world.blind = {fact}
    run.until(lambda run: run.ended or run.state.stuck, limit=2000)

    # The candidate's fleet is not part of that world; what it costs to leave it is only money (clearing).
    if step == "rolling back" and fact != "candidate":
        assert run.state.stuck
    run.world.blind = set()
    assert run.to_the_end(limit=2000).state.outcome is Outcome.ROLLED_BACK


@pytest.mark.parametrize("step", [*ON_THE_WAY, "retiring"])
@pytest.mark.parametrize("fact", ["weights", "candidate", "primary"])
def test_R17_no_step_waits_for_ever_for_a_platform_that_cannot_be_read(step: str, fact: str) -> None:
    run = a_run().at(step, reached=step != "retiring")
    run.world.blind = {fact}

    run.until(lambda run: run.ended or run.state.stuck, limit=4000)


def test_R17_only_a_stuck_release_is_closed_by_a_person_and_says_so() -> None:
    run = a_run().at("10 %")
    command = Command(id="1", verb=Verb.CLOSE, actor="ada", reason="because")
    assert isinstance(hear(run.plan, run.state, command, run.world.now), Declined)
    run.say(Verb.ABORT)
    run.world.hand("re-point")
    run.until(lambda run: run.state.stuck)

    run.say(Verb.CLOSE)
    run.tick()

    assert run.state.outcome is Outcome.CLOSED
    assert "not proved" in (run.journal[-1].message or "")
    assert way_back(run.plan, run.state, run.world.honest()).can is Can.UNKNOWN


@for_any_moment(60)
def test_R19_an_end_is_said_only_where_traffic_surely_has_one_healthy_receiver(moment: Moment) -> None:
    plan, state, truth, now = moment
    types = {event.type for event in decide(plan, state, truth, now).events}
    if EventType.RELEASE_SUCCEEDED in types:
        assert sure(truth.weights, lambda span: span.at(ALL))
        assert sure(truth.candidate, lambda fleet: fleet.ready >= plan.floor)
    if EventType.RELEASE_ROLLED_BACK in types:
        assert sure(truth.weights, lambda span: span.at(NOTHING))
        assert plan.stable is None or sure(truth.stable, lambda fleet: fleet.ready >= plan.floor)


@pytest.mark.parametrize("hand", HANDS)
@pytest.mark.parametrize("step", ["verifying", "10 %", "keeping"])
def test_R20_a_rollback_puts_back_everything_the_release_changed(step: str, hand: str) -> None:
    run = a_run().at(step)
    run.world.hand(hand)
    run.say(Verb.ABORT)
    looks(run, 5)
    run.world.calm()
    run.to_the_end()

    truth = run.world.honest()
    assert run.state.outcome is Outcome.ROLLED_BACK
    assert (run.world.primary, run.world.test, set(run.world.rules)) == (Side.STABLE, False, {NOTHING})
    assert sure(truth.stable, lambda fleet: fleet.ready == ALL)
    assert sure(truth.candidate, lambda fleet: fleet.exists == NOTHING)


def test_R22_a_seat_taken_by_another_release_is_left_alone_and_ours_turns_back() -> None:
    """Refusing a second release is the store's and the policy's; the heart owes that it never fights."""
    run = a_run().at("10 %")
    run.world.hand("take the seat")
    run.world.writes.clear()
    looks(run, 50)

    assert run.state.cause is Cause.FOREIGN
    assert run.world.writes == []
    assert run.until(lambda run: run.state.stuck)


@for_any_moment(10)
def test_R23_a_decision_depends_on_this_look_alone_so_a_fence_can_prove_it(moment: Moment) -> None:
    """Fencing is the engine's; the heart owes that it decides anew, and equally, from one look."""
    plan, state, truth, now = moment

    assert decide(plan, state, truth, now) == decide(plan, state, truth, now)


@pytest.mark.parametrize("step", ON_THE_WAY)
def test_R48_no_gate_hold_pause_or_missing_data_ever_stops_a_way_back(step: str) -> None:
    run = a_run("canary", limits=a_plan().limits).at(step)
    run.world.says = {"errors": Say.NO_DATA, "unhealthy": Say.INCONCLUSIVE}
    run.world.hook_says = HookSay.RUNNING
    run.say(Verb.PAUSE)
    looks(run, 5)
    run.say(Verb.ABORT)

    run.tick()

    assert run.state.road is Road.BACK


def test_a_leftover_with_weight_is_sent_home_by_a_release_that_is_aborted_at_once() -> None:
    run = a_run(leftover=True)
    run.world.hand("raise")
    run.say(Verb.ABORT)
    run.to_the_end(limit=600)

    assert run.state.outcome is Outcome.ROLLED_BACK
    assert run.world.rules == [NOTHING, NOTHING]
    assert EventType.RELEASE_STUCK not in run.types()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_first_release_whose_candidate_dies_is_cleared_before_traffic_and_paged_after(when: str) -> None:
    run = a_run("first")
    if when == "before":
        run.at("verifying")
        run.world.candidate.sick = 2
        run.to_the_end()
        assert (run.state.outcome, run.state.cause) == (Outcome.ROLLED_BACK, Cause.LOST)
        return
    run.at("promoting", reached=False)
    run.world.candidate.sick = 2
    run.until(lambda run: run.state.stuck)
    run.world.candidate.sick = 0
    assert run.to_the_end().state.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("answer", [HookSay.FAILED, HookSay.RUNNING])
def test_R15_a_hook_that_fails_past_return_pages_at_once_and_only_a_person_ends_it(answer: HookSay) -> None:
    run = a_run("first").at("promoting")
    run.world.hook_says = answer
    run.until(lambda run: run.state.stuck)
    run.world.hook_says = HookSay.PASSED
    looks(run, 2000)

    assert run.types()[-2:] == [EventType.HOOK_FAILED, EventType.RELEASE_STUCK]
    assert run.state.only_closed(run.plan)
    assert waits_for(run.plan, run.state, run.world.honest()) == (
        "hook r-us:after:0 failed: a person's word",
    )
    assert run.world.rules == [ALL, ALL]
    for verb in (Verb.ABORT, Verb.SUPERSEDE, Verb.RESUME, Verb.PROMOTE_FULL):
        said = hear(run.plan, run.state, Command(id="x", verb=verb, actor="ada", reason="so"), run.world.now)
        assert isinstance(said, Declined)
        assert said.fix == "crossfade close --reason TEXT"
    run.say(Verb.CLOSE)
    assert run.to_the_end().state.outcome is Outcome.CLOSED
    assert run.journal[-1].message == "closed by a person: hook r-us:after:0 failed"


def test_R48_a_hook_that_fails_on_the_road_back_holds_nobody_up() -> None:
    run = a_run().at("10 %")
    run.say(Verb.ABORT)
    run.world.hook_says = HookSay.FAILED
    run.to_the_end()

    assert run.state.outcome is Outcome.ROLLED_BACK
    assert EventType.HOOK_FAILED in run.types()
    assert EventType.RELEASE_STUCK not in run.types()


def test_a_late_retiring_ends_only_where_the_candidate_is_healthy() -> None:
    run = a_run().at("retiring", reached=False)
    run.world.candidate.sick = 1
    run.until(lambda run: run.ended or run.state.stuck)

    assert run.state.stuck
    run.world.candidate.sick = 0
    assert run.to_the_end().state.outcome is Outcome.SUCCEEDED


def test_no_road_back_counts_on_what_the_seat_s_absence_hides() -> None:
    run = a_run().at("keeping")
    run.world.hand("free the seat")
    run.to_the_end()

    assert (run.state.outcome, run.state.cause) == (Outcome.ROLLED_BACK, Cause.LOST) or (
        run.state.cause is Cause.FOREIGN
    )
    assert run.world.rules == [NOTHING, NOTHING]
    assert run.world.primary is Side.STABLE


@examples(60)
@given(worlds, schedules(lies=True))
def test_the_point_of_no_return_is_passed_only_with_traffic_settled_on_the_candidate(
    world: dict[str, Any], schedule: list[Op]
) -> None:
    def watch(tick: Tick) -> None:
        if any(event.type is EventType.RETIRE_REQUESTED for event in tick.decision.events):
            reached = tick.before.reached
            assert reached is not None
            assert tick.now - reached >= SETTLE
            assert sure(tick.truth.weights, lambda span: span.at(ALL))
            assert sure(tick.truth.seen, lambda seen: seen.agrees(ALL))

    play_new(world, schedule, watch)
