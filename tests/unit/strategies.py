"""Hypothesis strategies for the heart: any truth, any state, and schedules for the simulated world."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from heart_run import Run, a_run
from heart_world import FACTS, GATES, HANDS, KINDS, OLD, T0, THEM, US, a_plan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossfade.release.plan import Limits, Plan, Step
from crossfade.release.state import Asked, Hold, HookRun, Outcome, Road, State
from crossfade.release.values import (
    ALL,
    NOTHING,
    Cause,
    Fleet,
    Gap,
    HookResult,
    HookSay,
    Known,
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

LONG = int(os.environ.get("CROSSFADE_LONG", "1"))
"""Factor on the number of examples; `pytest -m long` has its own tests, this one deepens all others."""


def examples(number: int) -> settings:
    return settings(
        max_examples=number * LONG,
        deadline=None,
        derandomize=False,
        database=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ],
    )


# -- any moment: a plan, a state, a truth and a time, all by chance

SHARES = tuple(Share(number) for number in (0, 0, 1, 100, 333, 500, 667, 900, 999, 1000, 1000, 1000))
KEYS = ("r-us:before:0", "r-us:after:0", "r-us:back:0")
PLANS: tuple[Plan, ...] = (
    *(a_plan(kind) for kind in KINDS),
    a_plan("canary", limits=Limits(no_data_holds=True, inconclusive_holds=False, drifts=0)),
    a_plan("canary", instances=3, gates=()),
    a_plan("blue_green", gates=(GATES[2],)),
)
STEPS = sorted({step.name for plan in PLANS for step in (*plan.on, *plan.back)})

Moment = tuple[Plan, State, Truth, datetime]


class Chance:
    """Any value of the heart's, drawn fast; half of all truths are near the step's world: else few act."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def often(self, likely: float = 0.5) -> bool:
        return self.random.random() < likely

    def at(self) -> datetime:
        return T0 + timedelta(seconds=self.random.choice((-600, -1, 0, 1, 29, 30, 31, 90, 200, 1000, 4000)))

    def maybe_at(self) -> datetime | None:
        return self.at() if self.often() else None

    def span(self) -> Span:
        one, two = self.random.choice(SHARES), self.random.choice(SHARES)
        return Span(low=min(one, two), high=max(one, two)) if self.often() else Span(low=one, high=one)

    def fleet(self) -> Fleet:
        wanted, ready, exists = (self.random.choice(SHARES) for _ in range(3))
        return Fleet(wanted=wanted, ready=ready, exists=exists)

    def fact(self, value: Any) -> Any:
        return Known(value) if self.often(0.85) else Unknown("blind")

    def truth(self, plan: Plan, step: Step, state: State) -> Truth:
        near = self.often()
        weight = Span(low=step.world.weight, high=step.world.weight)
        home = Share(ALL - step.world.weight)
        full = Fleet(wanted=ALL, ready=ALL, exists=ALL)
        right = Seen(candidate=weight, stable=Span(low=home, high=home))

        def value(close: Any, far: Callable[[], Any]) -> Any:
            return self.fact(close if near and self.often(0.7) else far())

        verdicts = tuple(
            Verdict(
                gate=self.random.choice(GATES).name,
                say=self.random.choice(tuple(Say)),
                step=step.name if self.often(0.8) else self.random.choice(STEPS),
                since=state.reached if state.reached is not None and self.often(0.8) else self.at(),
                covers=timedelta(seconds=self.random.choice((0, 29, 30, 31, 100))),
            )
            for _ in range(self.random.randrange(4))
        )
        keys = [key for key in KEYS if self.often(0.4)]
        return Truth(
            pair=self.fact(self.often(0.9)),
            seat=self.fact(Seat(holder=self.random.choice((US, US, US, US, THEM, OLD, None)))),
            weights=value(weight, self.span),
            seen=value(right, lambda: Seen(stable=self.span(), candidate=self.span())),
            stable=value(full, self.fleet),
            candidate=value(full, self.fleet),
            primary=value(step.world.primary, lambda: self.random.choice(tuple(Side))),
            test=value(step.world.test, self.often),
            verdicts=verdicts,
            hooks={key: HookResult(say=self.random.choice(tuple(HookSay))) for key in keys},
        )

    def state(self, plan: Plan, road: Road | None, *, live: bool) -> State:
        on = self.random.choice(tuple(Road)) if road is None else road
        pick = self.random.choice
        person = Asked(cause=pick((Cause.PERSON, Cause.SUPERSEDED)), actor="ada", reason="because")
        runs = tuple(
            HookRun(key=pick(KEYS), since=self.at(), settled=self.often(), failed=self.often(0.2))
            for _ in range(self.random.randrange(3))
        )
        return State(
            since=self.at(),
            road=on,
            index=self.random.randrange(len(plan.on if on is Road.ON else plan.back)),
            reached=self.maybe_at(),
            had=pick(SHARES) if self.often() else NOTHING,
            drifts=self.random.randrange(5),
            cause=pick(tuple(Cause)) if on is Road.BACK else None,
            asked=person if self.often(0.15) else None,
            paused=self.at() if self.often(0.2) else None,
            override=self.often(0.2),
            approved=pick(STEPS) if self.often(0.3) else None,
            hold=pick(tuple(Hold)) if self.often(0.3) else None,
            hold_since=self.maybe_at(),
            blind_since=self.at() if self.often(0.2) else None,
            extended=self.often(),
            hooks=runs,
            stuck=self.often(0.2),
            outcome=None if live or self.often(0.8) else pick(tuple(Outcome)),
        )

    def moment(self, road: Road | None, *, live: bool) -> Moment:
        plan = self.random.choice(PLANS)
        state = self.state(plan, road, live=live)
        return plan, state, self.truth(plan, state.step(plan), state), self.at()


def for_any_moment(
    number: int = 20, *, road: Road | None = None, live: bool = True
) -> Callable[[Callable[[Moment], None]], Callable[[], None]]:
    """The test holds for `number` times 100 moments; where it does not, its seed is printed."""

    def decorate(test: Callable[[Moment], None]) -> Callable[[], None]:
        @examples(number)
        @given(seed=st.integers(0, 2**48))
        def wrapped(seed: int) -> None:
            chance = Chance(seed)
            for _ in range(100):
                test(chance.moment(road, live=live))

        wrapped.__name__, wrapped.__doc__ = test.__name__, test.__doc__
        return wrapped

    return decorate


# -- schedules: what the adversary does, as data

Op = tuple[Any, ...]

_ops = st.one_of(
    st.tuples(st.just("tick"), st.integers(1, 60)),
    st.tuples(st.just("tick"), st.integers(1, 60)),
    st.tuples(st.just("wait"), st.sampled_from([1, 5, 40, 200, 700])),
    st.tuples(st.just("gap"), st.sampled_from([5, 60, 900])),
    st.tuples(st.just("blind"), st.sampled_from(FACTS), st.integers(1, 20)),
    st.tuples(st.just("lose"), st.integers(1, 3)),
    st.tuples(st.just("double"), st.integers(1, 3)),
    st.tuples(st.just("sick"), st.sampled_from(["stable", "candidate"]), st.integers(0, 3)),
    st.tuples(st.just("hand"), st.sampled_from(HANDS)),
    st.tuples(st.just("say"), st.sampled_from(["errors", "unhealthy", "rumour"]), st.sampled_from(Say)),
    st.tuples(st.just("hook"), st.sampled_from(HookSay)),
    st.tuples(st.just("crash"), st.integers(1, 5)),
    st.tuples(st.just("clock"), st.sampled_from([-3600, -30, -1, 1, 30, 3600])),
    st.tuples(st.just("command"), st.sampled_from(Verb), st.booleans()),
    st.tuples(st.just("approve")),
)
_lies = st.one_of(
    st.tuples(st.just("stale"), st.sampled_from(FACTS), st.integers(1, 10)),
    st.tuples(st.just("delay"), st.integers(1, 8)),
    st.tuples(st.just("old verdicts"), st.integers(1, 20)),
)

worlds = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(KINDS),
        "instances": st.sampled_from([1, 2, 3, 10]),
        "rules": st.integers(1, 3),
        "leftover": st.sampled_from([False, False, True]),
        "start": st.integers(0, 7),
    }
)
"""Strategy, size, rules, an earlier candidate on the seat, how far the release comes before trouble."""


def schedules(*, lies: bool = False, size: int = 14) -> st.SearchStrategy[list[Op]]:
    """`lies` adds what only fences and settling can bear: stale reads and delayed effects."""
    return st.lists(st.one_of(_ops, _lies) if lies else _ops, max_size=size)


def play(run: Run, schedule: list[Op]) -> Run:
    """Every op, each followed by at least one look."""
    for op in schedule:
        _act(run, op)
    return run


def play_new(world: dict[str, Any], schedule: list[Op], watch: Callable[[Any], None] | None = None) -> Run:
    """A release brought honestly to its starting step, then the schedule."""
    made = {key: value for key, value in world.items() if key != "start"}
    run = a_run(watch=watch, **made)
    start = min(world["start"], len(run.plan.on) - 1)
    while run.state.index < start:
        if run.state.hold is not None:
            run.say(Verb.APPROVE, step=run.state.step(run.plan).name)
        run.tick()
    return play(run, schedule)


def _act(run: Run, op: Op) -> None:
    world, looks = run.world, 1
    match op:
        case ("tick", number):
            looks = number
        case ("wait", length):
            for _ in range(40):
                run.tick(length / 40)
        case ("gap", length):
            world.now += timedelta(seconds=length)
            run.inbox.insert(0, Gap(seconds=length))
        case ("blind", fact, looks):
            world.blind = {fact}
        case ("stale", fact, looks):
            world.frozen, world.stale = world.honest(), {fact}
        case ("old verdicts", looks):
            world.stale_verdicts = True
        case ("lose", number):
            run.lose = number
        case ("double", number):
            run.double = number
        case ("delay", number):
            run.delay = timedelta(seconds=number)
        case ("sick", side, number):
            getattr(world, side).sick = number
        case ("hand", what):
            world.hand(what)
        case ("say", gate, say):
            world.says[gate] = say
        case ("hook", say):
            world.hook_says = say
        case ("crash", ahead):
            run.crash_at.add(run.points + ahead)
        case ("clock", jump):
            world.jump(jump)
        case ("approve",):
            run.say(Verb.APPROVE, step=run.state.step(run.plan).name)
        case ("command", verb, right):
            run.say(verb, step=run.state.step(run.plan).name if right else "another step")
    for _ in range(looks):
        run.tick()
    world.blind, world.stale, world.frozen, world.stale_verdicts = set(), set(), None, False
