"""
The heart as a state machine: any order of everything that may happen to a release, and the rules in every state.

Each rule of the machine is one thing that happens; each invariant is a rule of safety, checked at every
look. Unlike a walk, trouble here stays until another rule ends it, so that troubles meet.
At the end the world becomes quiet, and the release must end by itself with one version serving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from heart_world import FACTS, GATES, LIMITS, THEM, US, Run, Tick, World, a_plan, share
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from strategies import examples, worlds

from crossfade.release.plan import SETTLE, Kind, Late, Plan, Proof, Step
from crossfade.release.policy import Record, Waivers, objections
from crossfade.release.state import ENTERS, REACHES, Outcome, Road, State, fold
from crossfade.release.values import (
    ALL,
    NOTHING,
    Cause,
    Effect,
    EnsureFleet,
    EnsurePrimary,
    EnsureTest,
    EnsureWeight,
    EventType,
    Fleet,
    Gap,
    GoHome,
    HookSay,
    Known,
    RunHook,
    Say,
    Seat,
    Share,
    Side,
    Truth,
    Verb,
    sure,
)
from crossfade.release.way_back import Can, way_back

LAWS: list[Callable[[Any], None]] = []
BEGINS = {*ENTERS, *REACHES.values(), EventType.ROLLBACK_STARTED, EventType.WORLD_CHANGED}
LIMITED = (LIMITS, LIMITS, replace(LIMITS, no_data_holds=True, inconclusive_holds=False, drifts=0))


class Ground(World):
    """A world that keeps the harm each write does at the instant of its arrival, several of one look too."""

    harm: tuple[str, ...] = ()
    deceived = False
    """A look that lied, or a write that arrives late: no heart can answer for these, only fences can."""

    def perform(self, effect: Effect) -> None:
        rules, wanted = tuple(self.rules), (self.stable.wanted, self.candidate.wanted)
        foreign = not self.pair or (self.holder == THEM and "seat" not in self.blind)
        super().perform(effect)
        if not self.deceived:
            self.harm += tuple(f"{effect}: {what}" for what in self._harms(effect, rules, wanted, foreign))

    def _harms(
        self, effect: Effect, rules: tuple[Share, ...], wanted: tuple[int, int], foreign: bool
    ) -> Iterator[str]:
        blindly = effect == GoHome() and bool(self.blind & {"pair", "stable"})
        home, candidate = self.stable.fleet(self.now).ready, self.candidate.fleet(self.now).ready
        for before, after in zip(rules, self.rules, strict=True):
            if after > before and candidate < after:
                yield "R01, R03: more than the candidate can carry"
            if after < before and candidate and home < ALL - after and not blindly:
                yield "R03: more than home can carry"
        high, low = max(*self.rules, *self.flow), min(*self.rules, *self.flow)
        if self.candidate.wanted < wanted[1] and share(self.candidate.wanted, self.candidate.of) < high:
            yield "R05: the candidate is shrunk under its traffic"
        if self.stable.wanted < wanted[0] and share(self.stable.wanted, self.stable.of) < ALL - low:
            yield "R05: stable is shrunk under its traffic"
        if foreign and not isinstance(effect, RunHook) and not blindly:
            yield "R13, R49: what is another's is written to"


class Played(Run):
    world: Ground

    def _perform_late(self, now: Any) -> None:
        self.world.deceived = True
        super()._perform_late(now)
        self.world.deceived = bool(self.world.stale)


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


def event(**given: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule of the machine: it happens, then a few looks pass; with none, two things happen at once."""

    def made(happens: Callable[..., None]) -> Any:
        def happened(self: Heart, looks: int, **drawn: Any) -> None:
            happens(self, **drawn)
            self.look(looks)

        happened.__name__ = happens.__name__
        return rule(**given, looks=st.integers(0, 4))(happened)

    return made


def said(verb: Verb, *steps: str) -> Any:
    """The event that a person says this, about the present step or about one that they name."""

    def command(self: Heart, step: str | None) -> None:
        self.run.say(verb, step=step)

    command.__name__ = verb.value
    return event(step=st.sampled_from([None, *steps]))(command)


def law(holds: Callable[[Heart, Tick], None]) -> Any:
    """An invariant of the machine that holds at every look since the last event."""

    def always(self: Heart) -> None:
        for tick in self.looks:
            holds(self, tick)
        self.judged = True

    always.__name__ = holds.__name__
    LAWS.append(always)
    return invariant()(always)


class Heart(RuleBasedStateMachine):
    run: Played

    # -- a release opens

    @initialize(world=worlds, limits=st.sampled_from(LIMITED), gated=st.sampled_from([True, True, False]))
    def opens(self, world: dict[str, Any], limits: Any, gated: bool) -> None:
        gates = GATES if gated else ()
        plan = a_plan(world["kind"], instances=world["instances"], limits=limits, gates=gates)
        size = {name: world[name] for name in ("instances", "rules", "leftover")}
        self.run = Played(plan, Ground(plan, **size), self.saw)
        self.looks: list[Tick] = []
        self.waited, self.looked, self.read, self.judged = timedelta(0), self.run.world.now, 0, False
        while self.run.state.index < min(world["start"], len(plan.on) - 1):
            if self.run.state.hold is not None:
                self.run.say(Verb.APPROVE)
            self.run.tick()

    @precondition(lambda self: self.run.ended)
    @rule(world=worlds, limits=st.sampled_from(LIMITED))
    def the_next_release_opens(self, world: dict[str, Any], limits: Any) -> None:
        self.opens(world, limits, gated=True)

    def saw(self, tick: Tick) -> None:
        """Counts the time of the present wait in which somebody looked, from nothing but the journal."""
        fresh, self.read = self.run.journal[self.read :], len(self.run.journal)
        unseen = sum(event.seconds or 0 for event in fresh if event.type is EventType.CONTROLLER_LOST)
        self.waited += max(tick.now - self.looked - timedelta(seconds=unseen), timedelta(0))
        self.looked = tick.now
        least = min(tick.before.step(tick.plan).within, tick.plan.limits.hold)
        for event in fresh:
            if event.type is EventType.ROLLBACK_STARTED and event.cause is Cause.LATE:
                assert self.waited > least, "R33: late, though nobody looked"
        if any(event.type in BEGINS for event in fresh):
            self.waited = timedelta(0)
        if self.judged:
            self.looks, self.judged = [], False
        self.looks.append(tick)

    def look(self, number: int = 1, seconds: float | None = None) -> None:
        for _ in range(number):
            self.run.tick(seconds)

    # -- time, the controller, its writes

    @rule(number=st.integers(1, 40), seconds=st.sampled_from([None, None, 0, 5, 30]))
    def time_passes(self, number: int, seconds: float | None) -> None:
        self.look(number, seconds)

    @event(seconds=st.sampled_from([5, 130, 900]))
    def nobody_looks(self, seconds: int) -> None:
        self.run.world.now += timedelta(seconds=seconds)
        self.run.inbox.insert(0, Gap(seconds=seconds))

    @event(seconds=st.sampled_from([-3600, -30, -1, 1, 30, 3600]))
    def the_clock_jumps(self, seconds: int) -> None:
        self.run.world.jump(seconds)

    @event(point=st.integers(1, 5))
    def the_controller_dies_between_journal_and_effect(self, point: int) -> None:
        """1 is before the journal, 2 right behind it, 3 and more behind that many writes."""
        self.run.crash_at = {self.run.points + point}

    @event(number=st.integers(1, 3))
    def writes_are_lost(self, number: int) -> None:
        self.run.lose = number

    @event(number=st.integers(1, 3))
    def writes_are_done_twice(self, number: int) -> None:
        self.run.double = number

    @event(seconds=st.integers(1, 8))
    def a_write_is_late(self, seconds: int) -> None:
        self.run.delay = timedelta(seconds=seconds)

    @precondition(lambda self: self.run.late)
    @rule()
    def what_was_late_arrives(self) -> None:
        self.run.world.now = max(self.run.world.now, *(at for at, _ in self.run.late))
        self.look()

    @event(seconds=st.sampled_from([0, 1, 12]))
    def traffic_follows_the_rules_later(self, seconds: int) -> None:
        self.run.world.lag = timedelta(seconds=seconds)

    # -- what can be read

    @event(facts=st.sets(st.sampled_from(FACTS), min_size=1, max_size=3))
    def facts_become_unknown(self, facts: set[str]) -> None:
        self.run.world.blind |= facts

    @event()
    def everything_is_known_again(self) -> None:
        self.run.world.blind, self.run.world.stale, self.run.world.deceived = set(), set(), False

    @event(fact=st.sampled_from(FACTS))
    def a_fact_is_read_as_it_was(self, fact: str) -> None:
        world = self.run.world
        world.frozen, world.stale, world.deceived = world.honest(), {fact}, True

    # -- other hands, and instances

    @event(what=st.sampled_from(["raise", "lower one", "lower all"]))
    def a_hand_changes_the_weight(self, what: str) -> None:
        self.run.world.hand(what)

    @event(what=st.sampled_from(["thin stable", "thin candidate"]))
    def a_hand_changes_capacity(self, what: str) -> None:
        self.run.world.hand(what)

    @event(what=st.sampled_from(["primary", "test", "re-point", "take the seat", "free the seat"]))
    def a_hand_changes_whose_it_is(self, what: str) -> None:
        self.run.world.hand(what)

    @event(side=st.sampled_from(["stable", "candidate"]), number=st.integers(0, 3))
    def instances_fall_ill_or_recover(self, side: str, number: int) -> None:
        getattr(self.run.world, side).sick = number

    # -- verdicts and people

    @event(gate=st.sampled_from([gate.name for gate in GATES]), say=st.sampled_from(Say))
    def a_gate_says(self, gate: str, say: Say) -> None:
        self.run.world.says[gate] = say

    @event(stale=st.booleans())
    def gates_speak_of_this_window_or_an_earlier_one(self, stale: bool) -> None:
        self.run.world.says, self.run.world.stale_verdicts = {}, stale

    @event(say=st.sampled_from(HookSay))
    def hooks_say(self, say: HookSay) -> None:
        self.run.world.hook_says = say

    pause, resume, promote_full = said(Verb.PAUSE), said(Verb.RESUME), said(Verb.PROMOTE_FULL)
    abort, supersede, close = said(Verb.ABORT), said(Verb.SUPERSEDE), said(Verb.CLOSE)
    approve = said(Verb.APPROVE, "10 %", "50 %")

    # -- the laws

    @law
    def R01_R03_traffic_only_where_it_can_be_carried(self, tick: Tick) -> None:
        """R01, R03: no write, nor several together, puts traffic where nobody surely carries it; R34."""
        assert self.run.world.harm == ()
        effects = tick.decision.effects
        assert len(set(effects)) == len(effects), "R34: an ensure is said once"
        if {EnsureTest(on=True), EnsurePrimary(side=Side.CANDIDATE)} & set(effects):
            assert sure(tick.truth.candidate, lambda fleet: fleet.ready > NOTHING)
        if any(isinstance(effect, EnsureWeight) for effect in effects):
            assert isinstance(tick.truth.weights, Known), "R06: a weight upon a weight not read"
            assert isinstance(tick.truth.seat, Known), "R13: a weight upon a seat not read"

    @law
    def R02_R06_R07_R20_nothing_is_left_or_called_reached_that_is_not_surely_so(self, tick: Tick) -> None:
        """R02: read back; R06: unknown is not right; R07: on all rules; R20: home whole before clearing."""
        said = {event.type for event in tick.decision.events}
        if said & {*REACHES.values(), *ENTERS}:
            assert whole(tick.plan, tick.before.step(tick.plan), tick.truth)
        if any(isinstance(effect, RunHook) for effect in tick.decision.effects):
            assert whole(tick.plan, tick.after.step(tick.plan), tick.truth)

    @law
    def R05_R13_only_what_is_ours_is_shrunk_and_only_to_what_it_needs(self, tick: Tick) -> None:
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
                span, seen = truth.weights.value, truth.seen.value
                stable = Share(max(ALL - span.low, seen.stable.high))
                needs = stable if effect.side is Side.STABLE else max(span.high, seen.candidate.high)
                assert effect.capacity >= needs
                assert truth.seat == Known(Seat(holder=effect.owner))
                assert effect.owner in (US, *tick.plan.inherits)

    @law
    def R11_R14_R15_once_back_never_on_again_and_never_up(self, tick: Tick) -> None:
        """R11: after turning back weight only falls; R14, R15: that direction is never left."""
        if tick.before.road is Road.BACK:
            assert tick.after.road is Road.BACK
            assert tick.after.outcome is not Outcome.SUCCEEDED
        if tick.after.road is Road.ON:
            assert GoHome() not in tick.decision.effects
            return
        rises = [effect.weight for effect in tick.decision.effects if isinstance(effect, EnsureWeight)]
        assert not rises or sure(tick.truth.weights, lambda span: max(rises) <= span.low)

    @law
    def R12_R48_nothing_but_truth_delays_the_way_back(self, tick: Tick) -> None:
        """R12: as fast as home carries, growing it meanwhile; R48: no gate, pause or approval is asked."""
        truth, effects = tick.truth, tick.decision.effects
        ours = (None, US, *tick.plan.inherits)
        others = truth.pair == Known(value=False) or sure(truth.seat, lambda seat: seat.holder not in ours)
        if tick.after.road is Road.ON or tick.after.outcome is not None or others:
            return
        back = sure(truth.weights, lambda span: span.high == NOTHING)
        carries = not sure(truth.stable, lambda fleet: fleet.ready < ALL)
        if not back and (carries or sure(truth.candidate, lambda fleet: fleet.ready == NOTHING)):
            assert GoHome() in effects
        thin = tick.plan.stable is not None and sure(truth.stable, lambda fleet: fleet.wanted < ALL)
        if known(truth) and thin:
            assert EnsureFleet(side=Side.STABLE, capacity=ALL, owner=US) in effects

    @law
    def R16_R49_a_pause_stops_the_advance_and_nothing_else(self, tick: Tick) -> None:
        """R16: a gate that fails turns back, paused or not; R49: so does a hand that lowers."""
        before, step = tick.before, tick.before.step(tick.plan)
        if before.outcome is not None or before.road is Road.BACK or step.point_of_no_return:
            return
        fails = {said.gate for said in tick.truth.verdicts if (said.say, said.step) == (Say.FAIL, step.name)}
        verified = [event for event in self.run.journal if event.type is EventType.WEIGHT_VERIFIED]
        had = max((event.weight or NOTHING for event in verified if event.ts < tick.now), default=NOTHING)
        lowered = sure(tick.truth.weights, lambda span: span.low < had)
        aborted = before.asked is not None and before.asked.cause is Cause.PERSON
        if fails & gates_of(tick) or lowered or aborted:
            assert tick.after.road is Road.BACK
        assert not (before.paused and moved_on(tick))

    @law
    def R17_no_wait_is_endless_in_silence(self, tick: Tick) -> None:
        """R17: past its deadline a wait turns back, goes on, or pages and tries on."""
        if tick.before.outcome is None and tick.before.overdue(tick.plan, tick.now):
            assert tick.decision.events or tick.before.stuck
            assert tick.before.step(tick.plan).late is not Late.BACK or tick.after.road is Road.BACK

    @law
    def R19_R20_R23_an_end_leaves_one_version_with_all_traffic_and_is_the_end(self, tick: Tick) -> None:
        """R19, R20: see `one_serves`; R23: what has ended writes no more."""
        if tick.before.outcome is not None:
            assert (tick.decision.events, tick.decision.effects) == ((), ())
        elif tick.after.outcome is not None:
            self.one_serves(tick.after, tick.truth)

    @law
    def R24_R25_R28_R30_R32_only_proof_of_this_window_moves_a_release_on(self, tick: Tick) -> None:
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
        here = [
            said for said in tick.truth.verdicts if (said.step, said.since) == (step.name, before.reached)
        ]
        seen = {said.gate for said in here if said.say is not Say.NO_DATA}
        passed = {said.gate for said in here if said.say is Say.PASS and said.covers >= step.bake}
        told = {event.gate for event in tick.decision.events if event.numbers}
        superseded = step.kind is Kind.KEEPING and before.asked is not None
        assert step.proof is Proof.NONE or superseded or gates_of(tick) <= seen
        assert step.proof is not Proof.PASSED or gates_of(tick) <= passed & told
        assert not step.approval or before.approved == step.name

    @law
    def R45_the_way_back_is_never_promised_where_truth_shows_none(self, tick: Tick) -> None:
        """R45: wrong is worse than unknown."""
        back, truth = way_back(tick.plan, tick.after, tick.truth), tick.truth
        if back.can is Can.YES and back.how_fast == "in seconds":
            assert sure(truth.pair, bool)
            assert sure(truth.stable, lambda fleet: fleet.ready >= ALL)
        onward = tick.after.road is Road.ON and not tick.after.step(tick.plan).point_of_no_return
        if back.can is Can.YES and tick.after.outcome is None and onward:
            assert truth.pair != Known(value=False)
            assert not sure(truth.stable, lambda fleet: fleet.ready == NOTHING)

    @law
    def R22_R49_what_is_another_s_is_not_written_to(self, tick: Tick) -> None:
        """R49: rules that surely name other sides; R22: and a seat that is held refuses the next release."""
        if tick.truth.pair == Known(value=False):
            assert tick.decision.effects == ()
        if tick.truth.seat in (Known(Seat(holder=US)), Known(Seat(holder=THEM))):
            other = replace(tick.plan, release="r-other", inherits=())
            refused = objections(other, tick.truth, {}, Record(endings={}), Waivers(), no_gates="x")
            assert "CF3013" in {objection.id for objection in refused}

    @invariant()
    def R27_R33_the_journal_alone_is_the_release(self) -> None:
        """R27, R33: folded anew it is the same state; R44: whoever spoke stands in it with a reason."""
        run = self.run
        assert fold(run.plan, run.opening, run.journal) == run.state
        assert all(event.actor and event.reason for event in run.journal if event.verb)

    # -- and always an end

    def teardown(self) -> None:
        """R17, R19: once all is known and well, it ends without a person, and one version serves."""
        if not hasattr(self, "run") or self.run.ended:
            return
        run, world = self.run, self.run.world
        world.calm()
        world.deceived, world.lag = False, timedelta(seconds=1)
        run.lose, run.double, run.delay, run.crash_at = 0, 0, None, set()
        for number in range(1200):
            if run.ended:
                break
            if run.plan.stable is None and run.state.stuck:
                # A first release that was given traffic has nobody at home: it pages, and a person closes it.
                run.say(Verb.CLOSE)
            self.look(1, 0 if number < 100 else 4)
        for always in LAWS:
            always(self)
        assert run.ended, (run.state, world.honest())
        self.one_serves(run.state, world.honest())

    def one_serves(self, state: State, truth: Truth) -> None:
        """R19: all rules and all that flows on one version that carries it; R20: and the platform trusts it."""
        if state.outcome is Outcome.CLOSED:
            return
        on = state.outcome is Outcome.SUCCEEDED
        fleet, trusted = (truth.candidate, Side.CANDIDATE) if on else (truth.stable, Side.STABLE)
        assert traffic(ALL if on else NOTHING, truth)
        assert self.run.plan.stable is None or sure(fleet, lambda serving: serving.ready >= ALL)
        assert not sure(truth.primary, lambda side: side is not trusted)


def test_R01_R02_R03_R05_R06_R07_R11_R12_R13_R14_R15_R16_R17_R19_R20_R22_in_any_order_of_events() -> None:
    """And R23 to R25, R27, R28, R30, R32 to R34, R41, R44, R45, R48, R49: the laws above name theirs."""
    run_state_machine_as_test(Heart, settings=settings(examples(60), stateful_step_count=40))
