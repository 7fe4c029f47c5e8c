"""
A simulated world for the heart: a platform that starts slowly, lags, lies by silence, and meets other hands.

`heart_run.py` drives a release in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from crossfade.release.plan import Limits, Plan, PlannedGate
from crossfade.release.roads import compile_roads
from crossfade.release.shape import shape_of
from crossfade.release.state import State
from crossfade.release.values import (
    ALL,
    NOTHING,
    Effect,
    EnsureFleet,
    EnsurePrimary,
    EnsureTest,
    EnsureWeight,
    Fleet,
    GoHome,
    HookResult,
    HookSay,
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
    Verdict,
)
from crossfade.spec import (
    ApprovalStep,
    BlueGreen,
    Canary,
    Deadlines,
    Hybrid,
    Linear,
    Rolling,
    Strategy,
    WeightStep,
)

T0 = datetime(2026, 11, 24, 12, tzinfo=UTC)

US, THEM, OLD = "r-us", "r-them", "r-old"

FACTS = ("pair", "seat", "weights", "seen", "stable", "candidate", "primary", "test")

GATES = (
    PlannedGate(name="errors", observe=False, traffic=True),
    PlannedGate(name="unhealthy", observe=False, traffic=False),
    PlannedGate(name="rumour", observe=True, traffic=True),
)

DEADLINES = Deadlines(
    ready=timedelta(minutes=2),
    hook=timedelta(minutes=1),
    no_data=timedelta(minutes=1),
    hold=timedelta(minutes=10),
    rollback=timedelta(minutes=2),
)

LIMITS = Limits(hold=DEADLINES.hold, no_data=DEADLINES.no_data, hook=DEADLINES.hook)


def share(count: int, of: int) -> Share:
    """Instances as capacity: rounded down, as a platform that never promises more than there is."""
    return Share(count * 1000 // of)


def count(capacity: Share, of: int) -> int:
    """The fewest instances that are at least this."""
    return -(-capacity * of // 1000)


BLUR = 30
"""What is seen is a band of this reach around what flows: requests are counted, not weighed."""


def blurred(share: Share) -> Span:
    """The band around a share; the ends are exact, since silence is."""
    if share in (NOTHING, ALL):
        return Span(low=share, high=share)
    return Span(low=Share(max(share - BLUR, 0)), high=Share(min(share + BLUR, 1000)))


def weights(*shares: int, bake: int = 10) -> tuple[WeightStep, ...]:
    span, longest = timedelta(seconds=bake), timedelta(seconds=60)
    return tuple(WeightStep(weight=weight, bake=span, max_bake=longest) for weight in shares)


KEPT = timedelta(seconds=22)

_BAKE: dict[str, Any] = {"bake": timedelta(seconds=10), "max_bake": timedelta(seconds=60)}

STRATEGIES: dict[str, Strategy] = {
    "canary": Canary(steps=weights(100, 500), keep_old=KEPT),
    "approvals": Canary(steps=(*weights(100), ApprovalStep(), *weights(500, bake=3)), keep_old=KEPT),
    "blue_green": BlueGreen(**_BAKE, keep_old=KEPT),
    "held_back": BlueGreen(**_BAKE, keep_old=KEPT, hold_back=50),
    "linear": Linear(step=300, every=_BAKE["bake"], max_bake=_BAKE["max_bake"], keep_old=KEPT, hold_back=50),
    "hybrid": Hybrid(steps=weights(100, 500), keep_old=KEPT),
    "rolling": Rolling(surge=1, unavailable=0, **_BAKE, keep_old=KEPT),
    "thin_rolling": Rolling(surge=1, unavailable=1, **_BAKE, keep_old=KEPT),
}


def a_plan(
    kind: str = "canary",
    *,
    instances: int = 2,
    gates: tuple[PlannedGate, ...] = GATES,
    limits: Limits = LIMITS,
    inherits: tuple[str, ...] = (OLD,),
) -> Plan:
    """A release of one of the strategies; `first` is a service's first one."""
    first = kind == "first"
    shape = shape_of(STRATEGIES["canary" if first else kind], instances)
    on, back = compile_roads(
        shape,
        gates=gates,
        deadlines=DEADLINES,
        before=("r-us:before:0",),
        after=("r-us:after:0",),
        on_rollback=("r-us:back:0",),
        first=first,
    )
    return Plan(
        release=US,
        service="shop",
        stable=None if first else "v1",
        candidate="v2",
        on=on,
        back=back,
        floor=shape.floor,
        releaser="ada",
        gates=gates,
        limits=limits,
        inherits=inherits,
        strategy=kind,
    )


KINDS = (*STRATEGIES, "first")


@dataclass
class Machines:
    """Instances of one side: each is ready from its own instant on, unless it is sick."""

    of: int
    wanted: int = 0
    ready_at: list[datetime] = field(default_factory=list)
    gone_at: list[datetime] = field(default_factory=list)
    sick: int = 0

    def fleet(self, now: datetime) -> Fleet:
        ready = max(sum(at <= now for at in self.ready_at) - self.sick, 0)
        draining = sum(at > now for at in self.gone_at)
        return Fleet(
            wanted=share(self.wanted, self.of),
            ready=share(ready, self.of),
            exists=share(min(len(self.ready_at) + draining, self.of), self.of),
        )

    def scale(self, number: int, now: datetime, start_up: timedelta) -> None:
        self.wanted = number
        while len(self.ready_at) < number:
            self.ready_at.append(now + start_up)
        while len(self.ready_at) > number:
            self.ready_at.pop()
            self.gone_at.append(now + timedelta(seconds=2))


class World:
    """What is true outside, and how much of it may be read."""

    def __init__(self, plan: Plan, *, instances: int = 2, rules: int = 2, leftover: bool = False) -> None:
        self.plan, self.now = plan, T0
        self.rules = [NOTHING] * rules
        self.flow = [NOTHING] * rules
        self.lag = timedelta(seconds=1)
        self.flows_at = T0
        self.start_up = timedelta(seconds=3)
        self.stable, self.candidate = Machines(of=instances), Machines(of=instances)
        if plan.stable is not None:
            self.stable.scale(instances, T0 - timedelta(hours=1), timedelta(0))
        self.holder: str | None = None
        if leftover:
            self.holder = OLD
            self.candidate.scale(1, T0 - timedelta(hours=1), timedelta(0))
        self.primary, self.test, self.pair = Side.STABLE, False, True
        self.hooks: dict[str, HookResult] = {}
        self.hook_says = HookSay.PASSED
        self.says: dict[str, Say] = {}
        self.stale_verdicts = False
        self.blind: set[str] = set()
        self.frozen: Truth | None = None
        """Facts named in `stale` are read from this earlier look."""
        self.stale: set[str] = set()
        self.writes: list[Effect] = []

    # -- reading

    def honest(self) -> Truth:
        self._settle()
        low, high = min(self.rules), max(self.rules)
        stable, candidate = self.stable.fleet(self.now), self.candidate.fleet(self.now)
        if stable.ready or candidate.ready:
            least, most = blurred(min(self.flow)), blurred(max(self.flow))
            seen = Seen(
                candidate=Span(low=least.low, high=most.high),
                stable=Span(low=Share(ALL - most.high), high=Share(ALL - least.low)),
            )
        else:
            nothing = Span(low=NOTHING, high=NOTHING)
            seen = Seen(candidate=nothing, stable=nothing)
        if self.plan.stable is None and not any(self.flow):
            nothing = Span(low=NOTHING, high=NOTHING)
            seen = Seen(candidate=nothing, stable=nothing)
        return Truth(
            pair=Known(self.pair),
            seat=Known(Seat(holder=self.holder)),
            weights=Known(Span(low=low, high=high)),
            seen=Known(seen),
            stable=Known(stable),
            candidate=Known(candidate),
            primary=Known(self.primary),
            test=Known(self.test),
            hooks=dict(self.hooks),
        )

    def observe(self, state: State) -> Truth:
        truth = self.honest()
        changed: dict[str, Any] = {name: Unknown("blind") for name in self.blind}
        if self.frozen is not None:
            changed |= {name: getattr(self.frozen, name) for name in self.stale}
        return replace(truth, **changed, verdicts=tuple(self._verdicts(state)))

    def _verdicts(self, state: State) -> Iterable[Verdict]:
        step = state.step(self.plan)
        if state.reached is None and not self.stale_verdicts:
            return
        since = state.reached or T0
        name = step.name
        if self.stale_verdicts:
            since, name = since - timedelta(minutes=5), "another step"
        covers = max(self.now - since - timedelta(seconds=2), timedelta(0))
        for gate in step.gates:
            say = self.says.get(gate, Say.PASS if covers >= step.bake else Say.NOT_YET)
            yield Verdict(gate=gate, say=say, step=name, since=since, covers=covers, numbers={"n": 1})

    def _settle(self) -> None:
        if self.now >= self.flows_at:
            self.flow = list(self.rules)

    # -- writing

    def perform(self, effect: Effect) -> None:
        self._settle()
        self.writes.append(effect)
        match effect:
            case EnsureWeight(weight=weight):
                self._route([weight] * len(self.rules))
            case GoHome():
                self._route([NOTHING] * len(self.rules))
            case EnsureFleet(side=side, capacity=capacity, owner=owner):
                machines = self.stable if side is Side.STABLE else self.candidate
                machines.scale(count(capacity, machines.of), self.now, self.start_up)
                if side is Side.CANDIDATE:
                    self.holder = owner if capacity > NOTHING else None
            case EnsurePrimary(side=side):
                self.primary = side
            case EnsureTest(on=on):
                self.test = on
            case RunHook(key=key):
                self.hooks[key] = HookResult(say=self.hook_says)

    def jump(self, seconds: float) -> None:
        """The clock we read jumps; instances and traffic live on as if nothing had happened."""
        by = timedelta(seconds=seconds)
        self.now, self.flows_at = self.now + by, self.flows_at + by
        for machines in (self.stable, self.candidate):
            machines.ready_at = [at + by for at in machines.ready_at]
            machines.gone_at = [at + by for at in machines.gone_at]

    def _route(self, rules: list[Share]) -> None:
        if rules != self.rules:
            self.rules, self.flows_at = rules, self.now + self.lag

    def hand(self, what: str) -> None:
        """Another hand than ours changes something."""
        self._settle()
        match what:
            case "raise":
                self._route([ALL] * len(self.rules))
            case "lower one":
                self._route([NOTHING, *self.rules[1:]])
            case "lower all":
                self._route([NOTHING] * len(self.rules))
            case "re-point":
                self.pair = not self.pair
            case "take the seat":
                self.holder = THEM
            case "free the seat":
                self.holder = None
                self.candidate.scale(0, self.now, self.start_up)
            case "primary":
                self.primary = Side.CANDIDATE if self.primary is Side.STABLE else Side.STABLE
            case "test":
                self.test = not self.test
            case "thin stable":
                self.stable.scale(self.stable.wanted // 2, self.now, self.start_up)
            case "thin candidate":
                self.candidate.scale(0, self.now, self.start_up)

    def calm(self) -> None:
        """The adversary stops: everything can be read, everybody is well, no other hand is left."""
        self.blind, self.stale, self.frozen, self.stale_verdicts = set(), set(), None, False
        self.says = {}
        self.hook_says = HookSay.PASSED
        self.hooks = {
            key: HookResult(say=HookSay.PASSED) if result.say is HookSay.RUNNING else result
            for key, result in self.hooks.items()
        }
        self.stable.sick = self.candidate.sick = 0
        self.pair = True
        if self.holder == THEM:
            self.holder = US if self.candidate.ready_at else None


HANDS = (
    "raise",
    "lower one",
    "lower all",
    "re-point",
    "take the seat",
    "free the seat",
    "primary",
    "test",
    "thin stable",
    "thin candidate",
)
