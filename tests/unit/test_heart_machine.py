"""
The heart as a state machine: all that may happen to a release, in any order, and the rules in every state.

Each rule of the machine is one thing that happens; each invariant is a rule of safety, checked at every
look. Unlike a walk, trouble here stays until another rule ends it, so that troubles meet.
At the end the world becomes quiet, and the release must end by itself with one version serving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from heart_laws import LAWS, enough, one_serves
from heart_run import Run, Tick
from heart_world import FACTS, GATES, LIMITS, THEM, World, a_plan, share
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

from crossfade.release.plan import Limits
from crossfade.release.state import ENTERS, REACHES, fold
from crossfade.release.values import (
    ALL,
    Cause,
    Effect,
    EventType,
    Gap,
    GoHome,
    HookSay,
    RunHook,
    Say,
    Share,
    Verb,
)

BEGINS = {*ENTERS, *REACHES.values(), EventType.ROLLBACK_STARTED, EventType.WORLD_CHANGED}
UNGATED = replace(LIMITS, drifts=1)
LIMITED = (LIMITS, LIMITS, replace(LIMITS, no_data_holds=True, inconclusive_holds=False, drifts=0), UNGATED)


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
            if after > before and candidate < enough(self.plan, after):
                yield "R01, R03: more than the candidate can carry"
            if after < before and candidate and home < enough(self.plan, ALL - after) and not blindly:
                yield "R03: more than home can carry"
        high, low = max(*self.rules, *self.flow), min(*self.rules, *self.flow)
        if self.candidate.wanted < wanted[1] and share(self.candidate.wanted, self.candidate.of) < enough(
            self.plan, high
        ):
            yield "R05: the candidate is shrunk under its traffic"
        if self.stable.wanted < wanted[0] and share(self.stable.wanted, self.stable.of) < enough(
            self.plan, ALL - low
        ):
            yield "R05: stable is shrunk under its traffic"
        if foreign and not isinstance(effect, RunHook) and not blindly:
            yield "R13, R49: what is another's is written to"


class Played(Run):
    world: Ground

    def _perform_late(self, now: datetime) -> None:
        self.world.deceived = True
        super()._perform_late(now)
        self.world.deceived = bool(self.world.stale)


def event(**given: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule of the machine: it happens, then a few looks pass; with none, two things happen at once."""

    def made(happens: Callable[..., None]) -> Any:
        def happened(self: Heart, looks: int, **drawn: Any) -> None:
            happens(self, **drawn)
            self.look(looks)

        happened.__name__ = happens.__name__
        return rule(**given, looks=st.integers(0, 4))(happened)  # type: ignore[no-untyped-call]  # of hypothesis

    return made


def said(verb: Verb, *steps: str) -> Any:
    """The event that a person says this, about the present step or about one that they name."""

    def command(self: Heart, step: str | None) -> None:
        self.run.say(verb, step=step)

    command.__name__ = verb.value
    return event(step=st.sampled_from([None, *steps]))(command)


def law(holds: Callable[[Run, Tick], None]) -> Any:
    """An invariant of the machine: this law holds at every look since the last event."""

    def always(self: Heart) -> None:
        for tick in self.looks:
            holds(self.run, tick)
        self.judged = True

    always.__name__ = holds.__name__
    return invariant()(always)


class Heart(RuleBasedStateMachine):
    run: Played

    # -- a release opens

    @initialize(
        world=worlds,
        limits=st.sampled_from(LIMITED),
        start=st.sampled_from([0, 1, 2, 2, 2, 3, 3, 4, 5]),
        lag=st.sampled_from([0, 1, 12]),
        says=st.dictionaries(st.sampled_from([gate.name for gate in GATES]), st.sampled_from(Say)),
    )
    def opens(
        self, world: dict[str, Any], limits: Limits, start: int, lag: int, says: dict[str, Say]
    ) -> None:
        gates = GATES if limits is not UNGATED else ()
        plan = a_plan(world["kind"], instances=world["instances"], limits=limits, gates=gates)
        size = {name: world[name] for name in ("instances", "rules", "leftover")}
        self.run = Played(plan, Ground(plan, **size), self.saw)
        self.looks: list[Tick] = []
        self.waited, self.looked, self.read, self.judged = timedelta(0), self.run.world.now, 0, False
        while self.run.state.index < min(start, len(plan.on) - 1):
            if self.run.state.hold is not None:
                self.run.say(Verb.APPROVE)
            self.run.tick()
        self.run.world.lag, self.run.world.says = timedelta(seconds=lag), says

    @precondition(lambda self: self.run.ended)
    @rule(world=worlds, limits=st.sampled_from(LIMITED))
    def the_next_release_opens(self, world: dict[str, Any], limits: Limits) -> None:
        self.opens(world, limits, world["start"], 1, {})

    def saw(self, tick: Tick) -> None:
        """Counts the time of the present wait in which somebody looked, from nothing but the journal."""
        fresh, self.read = self.run.journal[self.read :], len(self.run.journal)
        unseen = sum(event.seconds or 0 for event in fresh if event.type is EventType.CONTROLLER_LOST)
        self.waited += max(tick.now - self.looked - timedelta(seconds=unseen), timedelta(0))
        self.looked = tick.now
        least = min(tick.before.step(tick.plan).within, tick.plan.limits.hold)
        for event in fresh:
            if (event.type, event.cause) == (EventType.ROLLBACK_STARTED, Cause.LATE) and not tick.before.hold:
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

    @event(what=st.sampled_from(["raise", "raise one", "lower one", "lower all"]))
    def a_hand_changes_the_weight(self, what: str) -> None:
        if what == "raise one":
            self.run.world.rules = [ALL, *self.run.world.rules[1:]]
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

    @event(
        gates=st.sets(st.sampled_from([gate.name for gate in GATES]), min_size=1), say=st.sampled_from(Say)
    )
    def gates_say(self, gates: set[str], say: Say) -> None:
        self.run.world.says |= dict.fromkeys(sorted(gates), say)

    @event(stale=st.booleans())
    def gates_speak_of_this_window_or_an_earlier_one(self, stale: bool) -> None:
        self.run.world.says, self.run.world.stale_verdicts = {}, stale

    @event(say=st.sampled_from(HookSay), forgotten=st.booleans())
    def hooks_say(self, say: HookSay, forgotten: bool) -> None:
        self.run.world.hook_says = say
        if forgotten:
            self.run.world.hooks.clear()

    pause, resume, promote_full = said(Verb.PAUSE), said(Verb.RESUME), said(Verb.PROMOTE_FULL)
    abort, supersede, close = said(Verb.ABORT), said(Verb.SUPERSEDE), said(Verb.CLOSE)
    approve = said(Verb.APPROVE, "10 %", "50 %")

    # -- the laws: those of a look from `heart_laws.py`, and those of the whole

    @invariant()
    def R01_R03_R05_R13_R49_no_write_does_harm(self) -> None:
        """As it arrives, after the others of its look: over what a side carries, under what it needs."""
        assert self.run.world.harm == ()

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
            if run.plan.stable is None and run.state.stuck and any(world.rules):
                # A first release that was given traffic has nobody at home: it pages, and a person closes it.
                run.say(Verb.CLOSE)
            self.look(1, 0 if number < 100 else 4)
        for holds, tick in product(LAWS, self.looks):
            holds(run, tick)
        assert run.ended, (run.state, world.honest())
        one_serves(run.plan, run.state, world.honest())


for each in LAWS:
    setattr(Heart, each.__name__, law(each))


def test_R01_R02_R03_R05_R06_R07_R11_R12_R13_R14_R15_R16_R17_R19_R20_R22_in_any_order_of_events() -> None:
    """And R23 to R25, R27, R28, R30, R32 to R34, R41, R44, R45, R48, R49: the laws above name theirs."""
    run_state_machine_as_test(Heart, settings=settings(examples(40), stateful_step_count=40))
