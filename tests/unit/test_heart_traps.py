"""The traps that a heart of a release tool falls into, each seen in practice, each by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from heart_run import Run, a_run
from heart_world import GATES, OLD, T0, THEM, US, World, a_plan

from crossfade.release.decide import decide
from crossfade.release.plan import Plan, Step
from crossfade.release.reconcile import reconcile
from crossfade.release.state import Outcome, Road, State, fold
from crossfade.release.values import (
    ALL,
    NOTHING,
    Cause,
    EnsureFleet,
    EnsureWeight,
    EventType,
    Fleet,
    Gap,
    GoHome,
    Known,
    RunHook,
    Say,
    Seat,
    Seen,
    Share,
    Side,
    Span,
    Truth,
    Unknown,
    Verb,
    Verdict,
)


def looks(run: Run, number: int) -> Run:
    for _ in range(number):
        run.tick()
    return run


def step_of(plan: Plan, name: str) -> Step:
    return next(step for step in (*plan.on, *plan.back) if step.name == name)


def spanned(low: int, high: int) -> Known[Span]:
    return Known(Span(low=Share(low), high=Share(high)))


def flowing(weight: int) -> Known[Seen]:
    home = 1000 - weight
    return Known(Seen(candidate=spanned(weight, weight).value, stable=spanned(home, home).value))


FULL = Known(Fleet(wanted=ALL, ready=ALL, exists=ALL))
GONE = Known(Fleet(wanted=NOTHING, ready=NOTHING, exists=NOTHING))


def outside(weight: int, **facts: object) -> Truth:
    truth = Truth(
        pair=Known(value=True),
        seat=Known(Seat(holder=US)),
        weights=spanned(weight, weight),
        seen=flowing(weight),
        stable=FULL,
        candidate=FULL,
        primary=Known(Side.STABLE),
        test=Known(value=True),
    )
    return replace(truth, **facts)  # type: ignore[arg-type]  # facts by name


def test_trap_the_verdict_of_the_previous_step_is_not_counted_for_this_one() -> None:
    run = a_run().at("50 %")
    old = tuple(
        Verdict(gate=gate.name, say=Say.PASS, step="10 %", since=T0, covers=timedelta(hours=1))
        for gate in GATES
    )
    truth = replace(run.world.honest(), verdicts=old)
    events = decide(run.plan, run.state, truth, run.world.now + timedelta(minutes=1)).events

    assert [event.type for event in events] == [EventType.GATE_NO_DATA]


def test_trap_a_verdict_about_an_earlier_window_of_this_step_proves_nothing() -> None:
    run = a_run().at("10 %")
    run.world.stale_verdicts = True
    looks(run, 40)

    assert run.state.step(run.plan).name == "10 %"


def test_trap_two_rules_disagree_and_neither_is_the_weight() -> None:
    run = a_run(rules=3).at("10 %")
    run.world.rules[1] = Share(700)
    run.tick()

    assert run.types()[-1] is EventType.WORLD_CHANGED
    assert run.world.rules == [100, 100, 100]


def test_trap_an_unknown_weight_is_not_zero_on_the_way_up() -> None:
    plan = a_plan()
    truth = outside(0, weights=Unknown("throttled"))

    assert reconcile(plan, step_of(plan, "10 %").world, truth) == ()


def test_trap_capacity_is_not_shrunk_on_configured_weight_while_traffic_lags() -> None:
    plan = a_plan()
    lagging = outside(1000, seen=flowing(500), primary=Known(Side.CANDIDATE), test=Known(value=False))
    retiring = step_of(plan, "retiring").world

    shrunk = [effect for effect in reconcile(plan, retiring, lagging) if isinstance(effect, EnsureFleet)]
    assert shrunk == [EnsureFleet(side=Side.STABLE, capacity=Share(499), owner=US)], "half, as instances"


def test_trap_a_rise_repeated_after_an_abort_by_a_delayed_effect_is_lowered_before_the_end() -> None:
    run = a_run().at("10 %", reached=False)
    run.delay = timedelta(seconds=8)
    looks(run, 2)
    run.say(Verb.ABORT)
    run.to_the_end()

    assert run.state.outcome is Outcome.ROLLED_BACK
    assert run.late == []
    assert run.world.rules == [NOTHING, NOTHING]


def test_trap_the_seat_still_held_by_an_earlier_candidate_with_weight() -> None:
    run = a_run(leftover=True)
    run.world.hand("raise")
    run.to_the_end()
    first = [type(effect) for effect in run.world.writes[:2]]

    assert first == [EnsureWeight, EnsureFleet]
    assert run.world.writes[1] == EnsureFleet(side=Side.CANDIDATE, capacity=NOTHING, owner=OLD)


def test_trap_an_approval_of_an_earlier_step_is_not_valid_here() -> None:
    run = a_run("approvals").at("10 %")
    run.say(Verb.APPROVE, step="verifying")
    looks(run, 60)
    assert run.state.step(run.plan).name == "10 %"
    run.say(Verb.APPROVE, step="10 %")
    run.at("50 %", reached=False)

    assert run.state.approved is None


def test_trap_a_pause_does_not_hide_a_failed_gate() -> None:
    run = a_run().at("10 %")
    run.say(Verb.PAUSE)
    run.tick()
    run.world.says["errors"] = Say.FAIL
    run.tick()

    assert run.state.cause is Cause.GATE


def test_trap_no_deadline_is_measured_from_before_a_pause() -> None:
    run = a_run(gates=()).at("promoting")
    run.say(Verb.PAUSE)
    for _ in range(9):
        run.tick(60)
    run.say(Verb.RESUME)
    run.tick()

    assert run.state.road is Road.ON
    assert run.to_the_end().state.outcome is not None


def test_trap_a_clock_that_jumps_back_or_a_gap_moves_no_deadline_and_ends_no_bake() -> None:
    for jump in (-86_400, -61, -1):
        run = a_run().at("10 %")
        run.world.jump(jump)
        looks(run, 3)
        assert run.state.latest <= run.world.now
        assert run.to_the_end().state.outcome is Outcome.SUCCEEDED
    run = a_run().at("10 %", reached=False)
    run.world.jump(7200)
    run.inbox.append(Gap(seconds=7200))

    assert run.to_the_end().state.outcome is Outcome.SUCCEEDED


def test_trap_a_gap_longer_than_the_wait_itself_moves_nothing_into_the_future() -> None:
    run = a_run().at("10 %")
    run.inbox.append(Gap(seconds=3600))
    run.tick()

    assert run.state.latest <= run.world.now


def test_trap_retiring_is_not_started_on_a_read_that_failed() -> None:
    run = a_run().at("keeping")
    for fact in ("weights", "seen", "stable", "candidate", "primary", "pair", "seat"):
        run.world.blind = {fact}
        looks(run, 8)
    run.world.blind = {"seen"}
    looks(run, 60)

    assert EventType.RETIRE_REQUESTED not in run.types()


def test_trap_rolling_back_onto_a_stable_that_was_thinned_waits_for_it() -> None:
    plan = a_plan()
    thin = Known(Fleet(wanted=Share(200), ready=Share(200), exists=Share(200)))
    effects = reconcile(plan, step_of(plan, "rolling back").world, outside(500, stable=thin))

    assert GoHome() not in effects
    assert EnsureFleet(side=Side.STABLE, capacity=ALL, owner=US) in effects


def test_trap_a_release_does_not_end_while_a_foreign_edit_fights_it_and_pages_after_a_few() -> None:
    run = a_run().at("10 %")
    run.say(Verb.ABORT)
    run.at("rolling back")
    for _ in range(40):
        run.world.hand("raise")
        looks(run, 10)

    assert EventType.RELEASE_STUCK in run.types()
    assert not run.ended
    assert run.to_the_end().state.outcome is Outcome.ROLLED_BACK


def test_trap_unknown_ownership_is_not_ours() -> None:
    plan = a_plan()
    for step in plan.on:
        assert reconcile(plan, step.world, outside(500, pair=Unknown("no rules"))) == ()
        effects = reconcile(plan, step.world, outside(500, seat=Unknown("no tags")))
        assert not any(isinstance(effect, EnsureWeight | EnsureFleet) for effect in effects)


def test_trap_a_rollback_s_deadline_does_not_pass_while_the_controller_is_dead() -> None:
    run = a_run().at("50 %")
    run.say(Verb.ABORT)
    run.crash_at = {run.points + 2}
    run.down = timedelta(hours=5)
    looks(run, 3)

    assert EventType.RELEASE_STUCK not in run.types()
    assert run.to_the_end().state.outcome is Outcome.ROLLED_BACK


def test_trap_the_lost_candidate_is_ours_not_an_earlier_one() -> None:
    run = a_run(leftover=True)
    run.world.candidate.sick = 1
    run.world.hand("raise")
    looks(run, 4)

    assert run.state.road is Road.ON


def test_trap_reached_is_checked_again_right_before_a_hook_runs() -> None:
    run = a_run().at("verifying")
    for fact in ("weights", "candidate", "test", "pair"):
        run.world.blind = {fact}
        run.tick()
    run.world.blind = set()
    state = fold(run.plan, run.state, decide(run.plan, run.state, run.world.honest(), run.world.now).events)
    blind = replace(run.world.honest(), candidate=Unknown("throttled"))

    assert EventType.HOOK_STARTED not in run.types()
    assert state.hook("r-us:before:0") is not None
    effects = decide(run.plan, state, blind, run.world.now).effects
    assert not any(isinstance(effect, RunHook) for effect in effects)


def test_trap_a_shrink_with_the_seat_unknown_deletes_nobody_s_instances() -> None:
    plan = a_plan()
    for seat in (Unknown("no tags"), Known(Seat(holder=THEM)), Known(Seat(holder=None))):
        for step in (*plan.on, *plan.back):
            for effect in reconcile(plan, step.world, outside(step.world.weight, seat=seat)):
                assert not (isinstance(effect, EnsureFleet) and effect.capacity < ALL)


def test_trap_rules_that_disagree_after_retirement_do_not_agree_on_nobody() -> None:
    plan = a_plan()
    torn = outside(0, weights=spanned(0, 1000), stable=GONE, primary=Known(Side.CANDIDATE))
    retiring = step_of(plan, "retiring").world

    weights = [effect for effect in reconcile(plan, retiring, torn) if not isinstance(effect, EnsureFleet)]
    assert EnsureWeight(weight=ALL) in weights
    assert GoHome() not in weights


def test_trap_decide_is_total_in_the_very_state_that_pages() -> None:
    plan, world = a_plan(), World(a_plan())
    for road, steps in ((Road.ON, plan.on), (Road.BACK, plan.back)):
        for index in range(len(steps)):
            for reached in (None, T0):
                state = State(since=T0, road=road, index=index, reached=reached, drifts=9, stuck=True)
                decision = decide(plan, state, world.honest(), T0 + timedelta(days=9))
                fold(plan, state, decision.events)


def test_trap_turning_back_works_from_every_step_and_is_verified_not_assumed() -> None:
    for index in range(6):
        run = a_run()
        run.until(lambda run, index=index: run.state.index == index and run.state.reached is not None)  # type: ignore[misc]  # bound early
        run.say(Verb.ABORT)
        run.tick()
        assert (run.state.road, run.state.reached) == (Road.BACK, None)


def test_trap_one_rule_of_two_lowered_by_a_person_is_not_raised_again() -> None:
    run = a_run().at("50 %")
    run.world.hand("lower one")
    looks(run, 5)

    assert run.state.cause is Cause.TAKEN


def test_trap_an_upward_drift_does_not_make_a_later_hand_that_lowers_be_overruled() -> None:
    run = a_run().at("10 %")
    run.lose = 10
    run.world.hand("raise")
    run.tick()
    assert run.state.reached is None
    run.world.hand("lower all")
    run.tick()

    assert run.state.cause is Cause.TAKEN


def test_trap_going_home_is_its_own_effect_and_only_the_road_back_s() -> None:
    plan = a_plan()
    for step in plan.on:
        for truth in (outside(500), outside(0), outside(1000), outside(500, weights=Unknown("x"))):
            assert GoHome() not in reconcile(plan, step.world, truth)
    assert GoHome() in reconcile(plan, plan.back[0].world, outside(500))


def test_trap_nobody_goes_home_blind_when_home_is_surely_down() -> None:
    plan = a_plan()
    home = plan.back[0].world
    down = Known(Fleet(wanted=ALL, ready=NOTHING, exists=ALL))

    assert GoHome() not in reconcile(plan, home, outside(500, weights=Unknown("x"), stable=down))
    assert GoHome() not in reconcile(plan, home, outside(500, pair=Unknown("x"), stable=down))
    assert GoHome() in reconcile(plan, home, outside(500, stable=Unknown("x")))
    assert GoHome() in reconcile(plan, home, outside(500, pair=Unknown("x")))
