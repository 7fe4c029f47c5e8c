"""Random walks through a hostile world, and decisions about any state and any truth: the heart as a whole."""

from __future__ import annotations

import time
from typing import Any

import pytest
from heart_run import Run, Tick, a_run
from hypothesis import given
from strategies import Moment, Op, examples, for_any_moment, play_new, schedules, worlds

from crossfade.release.decide import decide, waits_for
from crossfade.release.hear import hear
from crossfade.release.state import Outcome, Road, fold, phase
from crossfade.release.values import (
    ALL,
    NOTHING,
    Command,
    EventType,
    Gap,
    GoHome,
    Truth,
    Unknown,
    Verb,
    sure,
)
from crossfade.release.way_back import way_back


@for_any_moment(live=False)
def test_decide_has_an_answer_to_every_state_and_every_truth(moment: Moment) -> None:
    plan, state, truth, now = moment

    decision = decide(plan, state, truth, now)

    after = fold(plan, state, decision.events)
    assert (decision.wake_at is None) == (after.outcome is not None)
    assert phase(plan, after)
    assert isinstance(waits_for(plan, after, truth), tuple)
    assert way_back(plan, after, truth).line()


@for_any_moment(6, live=False)
def test_hear_has_an_answer_to_every_message_in_every_state(moment: Moment) -> None:
    plan, state, _, now = moment
    for verb in Verb:
        for step in (None, state.step(plan).name, "10 %"):
            message = Command(id="1", verb=verb, actor="ada", reason="because", step=step)

            answer = hear(plan, state, message, now)

            event = getattr(answer, "event", None)
            fold(plan, state, answer.events if event is None else (event,))  # type: ignore[union-attr]  # Heard
    hear(plan, state, Gap(seconds=5), now)


@for_any_moment(road=Road.BACK)
def test_on_facts_that_are_not_known_nothing_is_done_but_going_home(moment: Moment) -> None:
    plan, state, truth, now = moment
    blind = Truth(
        pair=Unknown(""),
        seat=truth.seat,
        weights=truth.weights,
        seen=truth.seen,
        stable=truth.stable,
        candidate=truth.candidate,
        primary=truth.primary,
        test=truth.test,
    )

    assert set(decide(plan, state, blind, now).effects) <= {GoHome()}


@for_any_moment(10, live=False)
def test_an_ended_release_is_never_touched_again(moment: Moment) -> None:
    plan, state, truth, now = moment
    if state.outcome is None:
        return

    assert decide(plan, state, truth, now).effects == ()
    assert decide(plan, state, truth, now).events == ()


@examples(70)
@given(worlds, schedules(lies=True))
def test_when_the_adversary_stops_every_release_ends_without_a_person(
    world: dict[str, Any], schedule: list[Op]
) -> None:
    run = play_new(world, schedule)
    if not run.ended:
        run.world.calm()

        _ends(run)


def _ends(run: Run) -> None:
    """Within the limits of its own plan, in an honest world: reaching, hooks, bakes, and one long hold."""
    for look in range(1200):
        if run.ended:
            break
        if run.plan.stable is None and run.state.stuck:
            # A first release that has (been given) traffic has nobody at home to take it back: it pages.
            run.say(Verb.CLOSE)
        run.tick(0 if look < 300 else 4)
    assert run.ended, (run.state, run.world.honest())
    _ended_well(run)


def _ended_well(run: Run) -> None:
    if run.state.outcome is Outcome.CLOSED:
        return
    truth = run.world.honest()
    weight = ALL if run.state.outcome is Outcome.SUCCEEDED else NOTHING
    assert sure(truth.weights, lambda span: span.at(weight)), truth


@examples(30)
@given(worlds, schedules(size=8))
def test_the_journal_stands_still_while_nothing_changes_outside(
    world: dict[str, Any], schedule: list[Op]
) -> None:
    run = play_new(world, schedule)
    # Everything unreadable is the one world in which nothing can change; limits may still pass once each.
    run.world.blind = {"pair", "seat", "weights", "seen", "stable", "candidate", "primary", "test"}
    before = len(run.journal)
    for _ in range(200):
        run.tick(60)

    assert len(run.journal) - before <= 12, run.journal[before:]


@examples(60)
@given(worlds, schedules(lies=True))
def test_once_back_never_on_again(world: dict[str, Any], schedule: list[Op]) -> None:
    def watch(tick: Tick) -> None:
        if tick.before.road is Road.BACK:
            assert tick.after.road is Road.BACK
            assert tick.after.outcome is not Outcome.SUCCEEDED

    play_new(world, schedule, watch)


@examples(60)
@given(worlds, schedules(lies=True))
def test_a_look_says_at_most_one_thing_that_became_true(world: dict[str, Any], schedule: list[Op]) -> None:
    def watch(tick: Tick) -> None:
        moves = [
            event
            for event in tick.decision.events
            if event.type not in (EventType.GATE_PASSED, EventType.GATE_FAILED, EventType.GATE_INCONCLUSIVE)
        ]
        # A world reached begins its bake, and the one drift too many pages, in the same breath.
        followed = [event.type for event in moves][1:]
        assert followed in ([], [EventType.BAKE_STARTED], [EventType.RELEASE_STUCK]), moves

    play_new(world, schedule, watch)


def test_how_fast_a_decision_is() -> None:
    run = a_run().at("10 %")
    plan, state, truth, now = run.plan, run.state, run.world.observe(run.state), run.world.now
    rounds = 5000
    begun = time.perf_counter()
    for _ in range(rounds):
        decide(plan, state, truth, now)
    each = (time.perf_counter() - begun) / rounds * 1e6
    print(f"\n{each:.1f} µs a decision while baking")


@pytest.mark.long
@examples(3000)
@given(worlds, schedules(lies=True, size=30))
def test_long_walks_end_too(world: dict[str, Any], schedule: list[Op]) -> None:
    run = play_new(world, schedule)
    if not run.ended:
        run.world.calm()

        _ends(run)
