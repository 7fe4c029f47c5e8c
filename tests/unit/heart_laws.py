"""
The rules of safety as laws of one look: each holds of any state, any truth and whatever came before.

They are said in the words of the rules, from the look and the journal alone, and call nothing of the
heart's own to judge it but what names its states. `test_heart_machine.py` holds them up to every look.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from heart_run import Run, Tick
from heart_world import FACTS, THEM, US

from crossfade.release.plan import SETTLE, Kind, Late, Plan, Proof, Step
from crossfade.release.policy import Record, Waivers, objections
from crossfade.release.state import ENTERS, REACHES, Outcome, Road, State
from crossfade.release.values import (
    ALL,
    NOTHING,
    Cause,
    EnsureFleet,
    EnsurePrimary,
    EnsureTest,
    EnsureWeight,
    EventType,
    Fleet,
    GoHome,
    Known,
    RunHook,
    Say,
    Seat,
    Share,
    Side,
    Truth,
    sure,
)
from crossfade.release.way_back import Can, way_back


def known(truth: Truth) -> bool:
    return all(isinstance(getattr(truth, name), Known) for name in FACTS)


def sized(fleet: Fleet, capacity: Share) -> bool:
    return fleet.ready >= capacity if capacity else fleet.exists == NOTHING


def whole(plan: Plan, step: Step, truth: Truth) -> bool:
    """Whether every part of the step's world is surely there: R02 in the words of the rule."""
    world = step.world
    return (
        sure(truth.pair, bool)
        and (world.home or sure(truth.seat, lambda seat: seat.holder == plan.release))
        and traffic(world.weight, truth)
        and sure(truth.stable, lambda fleet: sized(fleet, world.stable))
        and (world.candidate is None or sure(truth.candidate, lambda fleet: sized(fleet, world.candidate)))  # type: ignore[arg-type]  # not None here
        and sure(truth.primary, lambda side: side is world.primary)
        and sure(truth.test, lambda on: on is world.test)
    )


def traffic(weight: Share, truth: Truth) -> bool:
    """All rules agree on it, and so does what flows."""
    return sure(truth.weights, lambda span: span.low == span.high == weight) and sure(
        truth.seen, lambda seen: seen.agrees(weight)
    )


def flows(truth: Truth, side: Side) -> Share:
    """The share of traffic that a side may have: as configured, or as seen where that contradicts."""
    assert isinstance(truth.weights, Known)
    assert isinstance(truth.seen, Known)
    span, seen = truth.weights.value, truth.seen.value
    configured = Share(ALL - span.low) if side is Side.STABLE else span.high
    band = seen.stable if side is Side.STABLE else seen.candidate
    agrees = span.low == span.high and seen.agrees(span.low)
    return configured if agrees else max(configured, band.high)


def enough(plan: Plan, share: int) -> float:
    """The floor's part of a share, to the thousandth in which both are whole numbers; all of all."""
    return share * plan.floor / ALL if share == ALL else max(0.0, share * plan.floor / ALL - 2)


def gates_of(tick: Tick) -> set[str]:
    """The gates in force at the step on which this look stood."""
    return {
        gate.name
        for gate in tick.plan.gates
        if not gate.observe and gate.name in tick.before.step(tick.plan).gates
    }


def moved_on(tick: Tick) -> bool:
    """Whether this look left its step towards the candidate."""
    further = tick.after.index > tick.before.index or tick.after.outcome is Outcome.SUCCEEDED
    return tick.before.outcome is None and tick.after.road is Road.ON and further


def one_serves(plan: Plan, state: State, truth: Truth) -> None:
    """R19: all rules and all that flows on one version that carries it; R20: and the platform trusts it."""
    if state.outcome is Outcome.CLOSED:
        return
    on = state.outcome is Outcome.SUCCEEDED
    fleet, trusted = (truth.candidate, Side.CANDIDATE) if on else (truth.stable, Side.STABLE)
    assert traffic(ALL if on else NOTHING, truth)
    assert plan.stable is None or sure(fleet, lambda serving: serving.ready >= plan.floor)
    assert not sure(truth.primary, lambda side: side is not trusted)


def R01_R03_traffic_only_where_it_can_be_carried(run: Run, tick: Tick) -> None:
    """R01, R03: no write, nor several together, puts traffic where nobody surely carries it; R34."""
    effects = tick.decision.effects
    assert len(set(effects)) == len(effects), "R34: an ensure is said once"
    if {EnsureTest(on=True), EnsurePrimary(side=Side.CANDIDATE)} & set(effects):
        assert sure(tick.truth.candidate, lambda fleet: fleet.ready > NOTHING)
    if any(isinstance(effect, EnsureWeight) for effect in effects):
        assert isinstance(tick.truth.weights, Known), "R06: a weight upon a weight not read"
        assert isinstance(tick.truth.seat, Known), "R13: a weight upon a seat not read"


def R02_R06_R07_R20_nothing_is_left_or_called_reached_that_is_not_surely_so(run: Run, tick: Tick) -> None:
    """R02: read back; R06: unknown is not right; R07: on all rules; R20: home whole before clearing."""
    said = {event.type for event in tick.decision.events}
    if said & {*REACHES.values(), *ENTERS}:
        assert whole(tick.plan, tick.before.step(tick.plan), tick.truth)
    if any(isinstance(effect, RunHook) for effect in tick.decision.effects):
        assert whole(tick.plan, tick.after.step(tick.plan), tick.truth)


def R05_R13_only_what_is_ours_is_shrunk_and_only_to_what_it_needs(run: Run, tick: Tick) -> None:
    """R05: by what is configured and seen; R13: and its owner is sure."""
    truth = tick.truth
    for effect in tick.decision.effects:
        if not isinstance(effect, EnsureFleet):
            continue
        fleet = truth.stable if effect.side is Side.STABLE else truth.candidate
        assert isinstance(fleet, Known)
        if effect.capacity < fleet.value.wanted:
            assert isinstance(truth.weights, Known)
            assert isinstance(truth.seen, Known)
            assert effect.capacity >= enough(tick.plan, flows(truth, effect.side))
            assert truth.seat == Known(Seat(holder=effect.owner))
            assert effect.owner in (US, *tick.plan.inherits)


def R11_R14_R15_once_back_never_on_again_and_never_up(run: Run, tick: Tick) -> None:
    """R11: after turning back weight only falls; R14, R15: that direction is never left."""
    if tick.before.road is Road.BACK:
        assert tick.after.road is Road.BACK
        assert tick.after.outcome is not Outcome.SUCCEEDED
    if tick.after.road is Road.ON:
        assert GoHome() not in tick.decision.effects
        return
    rises = [effect.weight for effect in tick.decision.effects if isinstance(effect, EnsureWeight)]
    assert not rises or sure(tick.truth.weights, lambda span: max(rises) <= span.low)


def R12_R48_nothing_but_truth_delays_the_way_back(run: Run, tick: Tick) -> None:
    """R12: as fast as home carries, growing it meanwhile; R48: no gate, pause or approval is asked."""
    truth, effects = tick.truth, tick.decision.effects
    ours = (None, US, *tick.plan.inherits)
    others = truth.pair == Known(value=False) or sure(truth.seat, lambda seat: seat.holder not in ours)
    if tick.after.road is Road.ON or tick.after.outcome is not None or others:
        return
    back = sure(truth.weights, lambda span: span.high == NOTHING)
    carries = not sure(truth.stable, lambda fleet: fleet.ready < tick.plan.floor)
    if not back and (carries or sure(truth.candidate, lambda fleet: fleet.ready == NOTHING)):
        assert GoHome() in effects
    thin = tick.plan.stable is not None and sure(truth.stable, lambda fleet: fleet.wanted < ALL)
    if known(truth) and thin:
        assert EnsureFleet(side=Side.STABLE, capacity=ALL, owner=US) in effects


def R16_R49_a_pause_stops_the_advance_and_nothing_else(run: Run, tick: Tick) -> None:
    """R16: a gate that fails turns back, paused or not; R49: so does a hand that lowers."""
    before, step = tick.before, tick.before.step(tick.plan)
    if before.outcome is not None or before.road is Road.BACK or step.point_of_no_return:
        return
    fails = {said.gate for said in tick.truth.verdicts if (said.say, said.step) == (Say.FAIL, step.name)}
    verified = [event for event in run.journal if event.type is EventType.WEIGHT_VERIFIED]
    had = max((event.weight or NOTHING for event in verified if event.ts < tick.now), default=NOTHING)
    lowered = sure(tick.truth.weights, lambda span: span.low < had)
    aborted = before.asked is not None and before.asked.cause is Cause.PERSON
    if fails & gates_of(tick) or lowered or aborted:
        assert tick.after.road is Road.BACK
    assert not (before.paused and moved_on(tick))


def R17_no_wait_is_endless_in_silence(run: Run, tick: Tick) -> None:
    """R17: past its deadline a wait turns back, goes on, or pages and tries on."""
    if tick.before.outcome is None and tick.before.overdue(tick.plan, tick.now):
        assert tick.decision.events or tick.before.stuck
        assert tick.before.step(tick.plan).late is not Late.BACK or tick.after.road is Road.BACK


def R19_R20_R23_an_end_leaves_one_version_with_all_traffic_and_is_the_end(run: Run, tick: Tick) -> None:
    """R19, R20: see `one_serves`; R23: what has ended writes no more."""
    if tick.before.outcome is not None:
        assert (tick.decision.events, tick.decision.effects) == ((), ())
    elif tick.after.outcome is not None:
        one_serves(tick.plan, tick.after, tick.truth)


def R24_R25_R28_R30_R32_only_proof_of_this_window_moves_a_release_on(run: Run, tick: Tick) -> None:
    """R24, R25, R32: only a pass; R28: of settled data; R30: stored; R14: retired no sooner; R41, R44."""
    before, step = tick.before, tick.before.step(tick.plan)
    if not moved_on(tick) or step.point_of_no_return:
        return
    assert before.reached is not None
    assert all(run is not None and run.settled for run in map(before.hook, step.hooks))
    if step.kind is Kind.KEEPING:
        ended = before.asked is not None and before.asked.cause is Cause.SUPERSEDED
        assert ended or tick.now - before.reached >= step.bake
        assert tick.now - before.reached >= SETTLE
    if before.override:
        return
    here = [said for said in tick.truth.verdicts if (said.step, said.since) == (step.name, before.reached)]
    seen = {said.gate for said in here if said.say is not Say.NO_DATA}
    passed = {said.gate for said in here if said.say is Say.PASS and said.covers >= step.bake}
    told = {event.gate for event in tick.decision.events if event.numbers}
    superseded = step.kind is Kind.KEEPING and before.asked is not None
    assert step.proof is Proof.NONE or superseded or gates_of(tick) <= seen
    assert step.proof is not Proof.PASSED or gates_of(tick) <= passed & told
    eyes = {name for name in before.approvers if not tick.plan.limits.approvals or name != tick.plan.releaser}
    enough = len(eyes) >= max(1, tick.plan.limits.approvals)
    assert not step.approval or (before.approved == step.name and enough)


def R45_the_way_back_is_never_promised_where_truth_shows_none(run: Run, tick: Tick) -> None:
    """R45: wrong is worse than unknown."""
    back, truth = way_back(tick.plan, tick.after, tick.truth), tick.truth
    if back.can is Can.YES and back.how_fast == "in seconds":
        assert sure(truth.pair, bool)
        assert sure(truth.stable, lambda fleet: fleet.ready >= tick.plan.floor)
    stopped = tick.after.road is Road.ON and tick.after.step(tick.plan).point_of_no_return
    if back.can is Can.YES and tick.after.outcome is None and not stopped:
        assert truth.pair != Known(value=False)
        assert not sure(truth.stable, lambda fleet: fleet.ready == NOTHING)


def R22_R49_what_is_another_s_is_not_written_to(run: Run, tick: Tick) -> None:
    """R49: rules that surely name other sides; R22: and a seat that is held refuses the next release."""
    if tick.truth.pair == Known(value=False):
        assert tick.decision.effects == ()
    if tick.truth.seat in (Known(Seat(holder=US)), Known(Seat(holder=THEM))):
        other = replace(tick.plan, release="r-other", inherits=())
        refused = objections(other, tick.truth, {}, Record(endings={}), Waivers(), no_gates="x")
        assert "CF3013" in {objection.id for objection in refused}


LAWS: tuple[Callable[[Run, Tick], None], ...] = (
    R01_R03_traffic_only_where_it_can_be_carried,
    R02_R06_R07_R20_nothing_is_left_or_called_reached_that_is_not_surely_so,
    R05_R13_only_what_is_ours_is_shrunk_and_only_to_what_it_needs,
    R11_R14_R15_once_back_never_on_again_and_never_up,
    R12_R48_nothing_but_truth_delays_the_way_back,
    R16_R49_a_pause_stops_the_advance_and_nothing_else,
    R17_no_wait_is_endless_in_silence,
    R19_R20_R23_an_end_leaves_one_version_with_all_traffic_and_is_the_end,
    R24_R25_R28_R30_R32_only_proof_of_this_window_moves_a_release_on,
    R45_the_way_back_is_never_promised_where_truth_shows_none,
    R22_R49_what_is_another_s_is_not_written_to,
)
