"""What gates can and cannot do, and what a release may open with."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from heart_run import a_run
from heart_world import GATES, LIMITS, OLD, THEM, US, World, a_plan
from hypothesis import given
from strategies import Moment, Op, examples, for_any_moment, play_new, schedules, worlds

from crossfade.release.decide import decide
from crossfade.release.plan import Kind, Plan, PlannedGate, Proof
from crossfade.release.policy import Record, Waivers, objections
from crossfade.release.state import Hold, Outcome, Road
from crossfade.release.values import (
    NOTHING,
    Cause,
    EventType,
    Known,
    Say,
    Seat,
    Unknown,
    Verb,
)

IN_FORCE = {gate.name for gate in GATES if not gate.observe}
LEAVES = {EventType.WEIGHT_REQUESTED, EventType.PROMOTE_REQUESTED}


@for_any_moment(80)
def test_R24_only_a_real_sufficient_passing_verdict_of_this_window_leaves_a_watched_weight(
    moment: Moment,
) -> None:
    plan, state, truth, now = moment
    step = state.step(plan)
    types = {event.type for event in decide(plan, state, truth, now).events}
    if step.proof is not Proof.PASSED or state.override or not types & LEAVES:
        return
    for gate in IN_FORCE & {gate.name for gate in plan.gates}:
        first = next(
            found
            for found in truth.verdicts
            if (found.gate, found.step, found.since) == (gate, step.name, state.reached)
        )
        assert first.say is Say.PASS
        assert first.covers >= step.bake


@pytest.mark.parametrize("say", [Say.NO_DATA, Say.NOT_YET, Say.INCONCLUSIVE, Say.FAIL])
@pytest.mark.parametrize("gate", sorted(IN_FORCE))
def test_R24_R25_R32_no_answer_but_pass_ever_promotes(say: Say, gate: str) -> None:
    run = a_run().at("10 %")
    run.world.says[gate] = say
    run.to_the_end()

    assert run.state.outcome is Outcome.ROLLED_BACK
    assert EventType.PROMOTE_REQUESTED not in run.types()


def test_R25_no_data_holds_then_rolls_back_or_holds_longer_as_configured() -> None:
    run = a_run().at("10 %")
    run.world.says["errors"] = Say.NO_DATA
    began = run.world.now
    run.until(lambda run: run.state.road is Road.BACK)
    assert run.state.cause is Cause.NO_DATA
    assert timedelta(seconds=55) < run.world.now - began < timedelta(seconds=70)

    held = a_run(limits=replace(LIMITS, no_data_holds=True)).at("10 %")
    held.world.says["errors"] = Say.NO_DATA
    for _ in range(120):
        held.tick()
    assert held.state.road is Road.ON
    held.world.says.clear()
    assert held.to_the_end().state.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("say", [Say.NO_DATA, Say.INCONCLUSIVE])
def test_R25_keeping_is_not_left_blind_but_needs_no_pass(say: Say) -> None:
    run = a_run().at("keeping")
    run.world.says["errors"] = say
    run.to_the_end()

    blind = say is Say.NO_DATA
    assert run.state.outcome is (Outcome.ROLLED_BACK if blind else Outcome.SUCCEEDED)


def test_R25_a_gate_that_blinks_between_no_data_and_not_yet_is_bounded_too() -> None:
    run = a_run().at("10 %")
    for look in range(20_000):
        if run.state.road is Road.BACK:
            break
        run.world.says["errors"] = (Say.NO_DATA, Say.NOT_YET, Say.INCONCLUSIVE)[look % 3]
        run.tick(5)

    assert run.state.road is Road.BACK


def test_R27_what_was_learned_survives_a_restart_and_a_gap_takes_no_settled_data_away() -> None:
    """Counts are the engine's; the heart owes that the window moves by the gap and by nothing else."""
    run = a_run().at("10 %")
    for _ in range(10):
        run.tick()
    began = run.state.reached
    run.crash_at = {run.points + 1}
    run.tick()
    run.tick()

    assert began is not None
    assert run.state.reached is not None
    assert run.down <= run.state.reached - began <= run.down + timedelta(seconds=1.5)


def test_R28_a_bake_is_proved_by_settled_data_not_by_the_clock() -> None:
    run = a_run().at("10 %")
    bake = run.state.step(run.plan).bake
    reached = run.state.reached
    run.at("50 %", reached=False)

    assert reached is not None
    assert run.journal[-1].ts - reached >= bake + timedelta(seconds=2)


@examples(40)
@given(worlds, schedules(lies=True))
def test_R30_every_advance_and_every_gate_s_turn_carries_the_verdicts_that_moved_it(
    world: dict[str, Any], schedule: list[Op]
) -> None:
    run = play_new(world, schedule)
    for index, event in enumerate(run.journal):
        if event.type is EventType.ROLLBACK_STARTED and event.cause is Cause.GATE:
            assert run.journal[index - 1].type is EventType.GATE_FAILED
            assert run.journal[index - 1].numbers
    if run.state.override:
        return
    for before, after in zip(run.plan.on, run.plan.on[1:], strict=False):
        entered = [event for event in run.journal if event.type in LEAVES and event.step == after.name]
        if before.proof is Proof.PASSED and entered:
            passed = {
                event.gate
                for event in run.journal
                if event.type is EventType.GATE_PASSED and event.step == before.name
            }
            assert passed >= IN_FORCE & set(before.gates)
    asking = {step.name for step in run.plan.on if step.proof is Proof.PASSED}
    assert {event.step for event in run.journal if event.type is EventType.GATE_PASSED} <= asking


def test_R33_a_step_that_asks_no_gate_says_none_passed_however_many_had_the_time_to() -> None:
    run = a_run().at("keeping")
    assert "promoting" not in {event.step for event in run.journal if event.type is EventType.GATE_PASSED}


@pytest.mark.parametrize("verdict", [Say.PASS, Say.FAIL])
def test_an_observed_gate_is_reported_and_stops_nothing(verdict: Say) -> None:
    run = a_run()
    run.world.says["rumour"] = verdict

    assert run.to_the_end().state.outcome is Outcome.SUCCEEDED


def test_promote_full_skips_bakes_is_recorded_and_is_still_stopped_by_a_failing_gate() -> None:
    run = a_run().at("10 %")
    run.say(Verb.PROMOTE_FULL)
    run.at("keeping")
    assert any(event.verb == "promote_full" and event.actor == "ada" for event in run.journal)
    run.world.says["errors"] = Say.FAIL
    run.to_the_end()

    assert run.state.cause is Cause.GATE


def test_promote_full_ends_what_was_waited_for() -> None:
    run = a_run().at("keeping")
    run.world.says["errors"] = Say.NO_DATA
    run.tick()
    run.tick()
    run.say(Verb.PROMOTE_FULL)
    run.to_the_end()

    assert run.state.outcome is Outcome.SUCCEEDED


def test_a_hold_for_approval_keeps_its_limit_while_a_gate_blinks() -> None:
    run = a_run("approvals").at("10 %")
    run.until(lambda run: run.state.hold is Hold.APPROVAL)
    since = run.state.hold_since
    for say in (Say.NO_DATA, Say.PASS) * 3:
        run.world.says["errors"] = say
        run.tick()

    assert (run.state.hold, run.state.hold_since) == (Hold.APPROVAL, since)


def test_an_approval_without_a_step_is_for_the_step_where_it_arrives() -> None:
    run = a_run("approvals").at("10 %")
    run.say(Verb.APPROVE)

    run.at("50 %", reached=False)


def test_without_gates_a_bake_is_held_by_the_clock() -> None:
    run = a_run(gates=()).at("10 %")
    began = run.state.reached
    run.at("50 %", reached=False)

    assert began is not None
    assert run.journal[-1].ts - began >= run.plan.on[2].bake


# -- what may open


def asks(
    plan: Plan,
    *,
    alarms: dict[str, Say] | None = None,
    ended: dict[str, str] | None = None,
    waivers: Waivers | None = None,
    no_gates: str | None = None,
    **facts: Any,
) -> set[str]:
    truth = replace(World(plan).honest(), **facts)
    found = objections(
        plan, truth, alarms or {}, Record(endings=ended or {}), waivers or Waivers(), no_gates=no_gates
    )
    return {objection.id for objection in found}


def test_R18_a_gate_that_fails_or_cannot_be_read_before_the_start_refuses_it() -> None:
    plan = a_plan()
    despite = Waivers(reason="known", despite=("errors",))

    assert asks(plan, alarms={"errors": Say.PASS, "unhealthy": Say.NOT_YET}) == set()
    assert asks(plan, alarms={"errors": Say.FAIL}) == {"CF3018"}
    assert asks(plan, alarms={"errors": Say.NO_DATA}) == {"CF3018"}
    assert asks(plan, alarms={"errors": Say.FAIL}, waivers=despite) == set()
    assert asks(plan, alarms={"errors": Say.FAIL}, waivers=Waivers(despite=("errors",))) == {"CF3018"}
    assert asks(plan, alarms={"rumour": Say.FAIL}) == set()


def test_R21_a_revision_that_was_rolled_back_needs_retry_and_a_reason() -> None:
    plan = a_plan()
    ended = {"v2": "rolled_back"}

    assert asks(plan, ended=ended) == {"CF3021"}
    assert asks(plan, ended=ended, waivers=Waivers(retry=True)) == {"CF3021"}
    assert asks(plan, ended=ended, waivers=Waivers(retry=True, reason="  ")) == {"CF3021"}
    assert asks(plan, ended=ended, waivers=Waivers(retry=True, reason="fixed a flag")) == set()
    assert asks(plan, ended={"v2": "succeeded"}) == set()


def test_R26_a_release_without_a_gate_in_force_is_refused_unless_that_is_written_out() -> None:
    observing = a_plan(gates=(PlannedGate(name="rumour", observe=True, traffic=True),))

    assert "CF3026" in asks(observing)
    assert asks(observing, no_gates="a toy") == set()
    assert asks(a_plan()) == set()


def test_R41_where_the_first_traffic_is_everything_a_gate_in_force_stands_before_it() -> None:
    plan = a_plan("first", gates=GATES[:1])
    unhooked = replace(plan, on=tuple(replace(step, hooks=()) for step in plan.on))
    rumour = PlannedGate(name="rumour", observe=True, traffic=False)
    watched = a_plan("first", gates=(GATES[0], rumour))
    watched = replace(watched, on=tuple(replace(step, hooks=()) for step in watched.on))

    assert asks(plan, stable=Known(World(plan).stable.fleet(World(plan).now))) == set()
    assert asks(unhooked) == {"CF3041"}
    assert asks(watched) == {"CF3041"}


def test_R41_no_release_passes_its_first_traffic_step_without_a_pass_or_a_person() -> None:
    for kind in ("canary", "approvals", "blue_green"):
        run = a_run(kind)
        run.world.says["errors"] = Say.NOT_YET
        run.to_the_end()
        assert EventType.PROMOTE_REQUESTED not in run.types()


def test_R06_R13_R49_nothing_opens_on_a_platform_that_is_not_known_to_be_ours() -> None:
    plan = a_plan()

    assert asks(plan, pair=Unknown("x")) == {"CF3006"}
    assert asks(plan, pair=Known(value=False)) == {"CF3049"}
    assert asks(plan, seat=Unknown("x")) == {"CF3006"}
    assert asks(plan, seat=Known(Seat(holder=THEM))) == {"CF3013"}
    assert asks(plan, seat=Known(Seat(holder=OLD))) == set()
    assert asks(plan, seat=Known(Seat(holder=US))) == set()


def test_R03_nothing_opens_without_a_stable_that_could_take_everything_back() -> None:
    plan = a_plan()
    world = World(plan)
    world.stable.sick = 2

    assert asks(plan, stable=Known(world.stable.fleet(world.now))) == {"CF3003"}


def test_R35_the_plan_never_changes_under_a_release() -> None:
    """The immutable identity is the adapter's; the plan is the first entry, nothing replaces it."""
    run = a_run()
    before = run.plan
    run.to_the_end()

    assert run.plan == before
    assert {step.kind for step in before.on} >= {Kind.PROVISIONING, Kind.RETIRING}
    assert before.on[0].world.weight == NOTHING
