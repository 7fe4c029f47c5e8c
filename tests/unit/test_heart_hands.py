"""What people may ask and other hands may do, what is answered, and what a person is told of the way back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from heart_run import Run, a_run
from heart_world import THEM, a_plan
from hypothesis import given
from strategies import Moment, Op, examples, for_any_moment, play_new, schedules, worlds

from crossfade.release.decide import decide
from crossfade.release.hear import hear
from crossfade.release.plan import SETTLE, Kind
from crossfade.release.state import Outcome, Road
from crossfade.release.values import (
    Cause,
    Command,
    Declined,
    EnsureFleet,
    EnsurePrimary,
    EnsureTest,
    EnsureWeight,
    EventType,
    GoHome,
    Known,
    Seat,
    Verb,
    sure,
)
from crossfade.release.way_back import Can, way_back

ON_THE_WAY = ("provisioning", "verifying", "10 %", "50 %", "promoting", "keeping")


def looks(run: Run, number: int) -> Run:
    for _ in range(number):
        run.tick()
    return run


@pytest.mark.parametrize("verb", Verb)
def test_R44_who_asked_and_why_is_in_the_journal_whether_welcome_or_not(verb: Verb) -> None:
    run = a_run().at("10 %")
    run.say(verb, step="10 %", reason="my reason")
    run.tick()
    said = [event for event in run.journal if event.type is EventType.COMMAND_RECEIVED]

    assert [(event.verb, event.actor, event.reason) for event in said] == [(verb.value, "ada", "my reason")]


def test_R44_a_command_without_a_reason_is_declined_with_the_way_to_ask() -> None:
    run = a_run()
    command = Command(id="1", verb=Verb.ABORT, actor="ada", reason=" ")
    answer = hear(run.plan, run.state, command, run.world.now)

    assert isinstance(answer, Declined)
    assert "--reason" in answer.fix


@for_any_moment(40)
def test_R45_the_way_back_is_never_a_yes_on_what_is_not_known(moment: Moment) -> None:
    plan, state, truth, _ = moment
    found = way_back(plan, state, truth)
    if found.can is Can.YES and found.how_fast == "in seconds":
        assert sure(truth.stable, lambda fleet: fleet.ready >= plan.floor)
        assert sure(truth.pair, bool)
    if plan.stable is None:
        assert found.can is not Can.YES


def test_R45_the_way_back_tells_each_phase_apart() -> None:
    run = a_run().at("10 %")
    assert "yes, to v1, in seconds" in way_back(run.plan, run.state, run.world.honest()).line()
    run.world.stable.sick = 1
    assert "in minutes" in way_back(run.plan, run.state, run.world.honest()).line()
    run.world.stable.sick = 2
    assert "no, because" in way_back(run.plan, run.state, run.world.honest()).line()
    run.world.stable.sick = 0
    run.at("retiring", reached=False)
    assert "in minutes" in way_back(run.plan, run.state, run.world.honest()).line()


def test_R46_R47_the_plan_carries_what_must_be_shown_before_the_first_write() -> None:
    """Printing and pinning are the CLI's and the adapter's; the heart's first entry keeps both."""
    plan = a_plan()

    assert {"break_glass", "artifact"} <= set(plan.__slots__)


@pytest.mark.parametrize("hand", ["lower one", "lower all"])
@pytest.mark.parametrize("step", ["10 %", "50 %", "keeping"])
def test_R49_a_hand_that_lowers_is_respected_and_never_raised_again(hand: str, step: str) -> None:
    run = a_run().at(step)
    run.world.hand(hand)
    before = len(run.world.writes)
    run.to_the_end()

    assert run.state.cause is Cause.TAKEN
    assert not any(isinstance(effect, EnsureWeight) for effect in run.world.writes[before:])


def test_R49_a_hand_that_raises_is_lowered_and_reported_a_few_times_then_we_turn_back() -> None:
    run = a_run().at("10 %")
    for _ in range(20):
        if run.state.road is Road.ON:
            run.world.hand("raise")
            looks(run, 12)
    run.to_the_end()

    assert run.types().count(EventType.WORLD_CHANGED) == run.plan.limits.drifts + 1
    assert run.state.cause is Cause.FOREIGN


@for_any_moment(40)
def test_R49_rules_that_no_longer_name_our_pair_get_not_one_write(moment: Moment) -> None:
    plan, state, truth, now = moment
    if sure(truth.pair, lambda named: not named):
        writes = (EnsureWeight, EnsureFleet, EnsurePrimary, EnsureTest, GoHome)
        assert not any(isinstance(effect, writes) for effect in decide(plan, state, truth, now).effects)


@for_any_moment(40)
def test_R49_a_seat_held_by_another_gets_not_one_write(moment: Moment) -> None:
    plan, state, truth, now = moment
    if truth.seat == Known(Seat(holder=THEM)):
        writes = (EnsureWeight, EnsureFleet, EnsurePrimary, EnsureTest, GoHome)
        assert not any(isinstance(effect, writes) for effect in decide(plan, state, truth, now).effects)


@examples(40)
@given(worlds, schedules())
def test_R14_R16_whatever_happened_an_abort_turns_back_within_one_look_unless_too_late(
    world: dict[str, Any], schedule: list[Op]
) -> None:
    run = play_new(world, schedule)
    if run.ended or run.state.road is Road.BACK or run.state.step(run.plan).point_of_no_return:
        return
    run.inbox.clear()
    run.crash_at.clear()
    run.say(Verb.ABORT)
    run.tick()

    assert run.ended or run.state.cause is not None


def test_superseding_in_keeping_still_lets_writes_settle_and_never_takes_an_abort_s_place() -> None:
    run = a_run().at("keeping")
    run.say(Verb.SUPERSEDE)
    run.tick()
    assert run.state.step(run.plan).kind is Kind.KEEPING
    began = run.state.reached
    run.at("retiring", reached=False)
    assert began is not None
    assert run.journal[-1].ts - began >= SETTLE

    other = a_run().at("keeping")
    other.say(Verb.ABORT)
    other.say(Verb.SUPERSEDE)
    other.tick()
    assert other.state.cause is Cause.PERSON


def test_superseding_a_paused_release_ends_the_pause() -> None:
    for step in ("10 %", "keeping"):
        run = a_run().at(step)
        run.say(Verb.PAUSE)
        looks(run, 3)
        run.say(Verb.SUPERSEDE)
        run.to_the_end(limit=600)

        assert run.state.outcome is (Outcome.SUCCEEDED if step == "keeping" else Outcome.ROLLED_BACK)


def test_R33_a_word_that_is_heard_after_the_clock_went_back_begins_its_wait_anew() -> None:
    run = a_run().at("10 %", reached=False)
    run.world.now -= timedelta(hours=1)
    run.say(Verb.PAUSE)
    run.say(Verb.PROMOTE_FULL)
    run.tick()
    heard = [event.type for event in run.journal if event.verb is not None or event.seconds is not None]

    assert heard == [EventType.CONTROLLER_LOST, EventType.COMMAND_RECEIVED, EventType.COMMAND_RECEIVED]
    run.tick()
    assert run.state.cause is not Cause.LATE
