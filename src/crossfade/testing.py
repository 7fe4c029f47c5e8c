"""
Public fakes: what a test of Crossfade, or of an adapter to it, needs beside pytest.

A clock that stands still, a small plan, a world in which every write comes true at once (the
platform, the signals and the hooks of one service, in memory), and a bucket in memory. `Twin` is a
laptop AWS in a process of its own.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from crossfade.engine.s3.objects import Found, SecondError
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
    Event,
    EventType,
    Fleet,
    GoHome,
    HookResult,
    HookSay,
    Instant,
    Known,
    RunHook,
    Say,
    Seat,
    Seen,
    Share,
    Side,
    Span,
    Truth,
    Verdict,
)
from crossfade.spec import Canary, Deadlines, WeightStep
from crossfade.twin.child import Twin

__all__ = [
    "NOON",
    "Glance",
    "ManualClock",
    "MemoryObjects",
    "PerfectWorld",
    "Twin",
    "opening",
    "small_plan",
]

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class ManualClock:
    """Virtual time: stands still until it is told to go on."""

    factor = 1.0

    def __init__(self, start: Instant = NOON) -> None:
        self._now = start

    def now(self) -> Instant:
        return self._now

    def advance(self, by: timedelta | float) -> Instant:
        """Goes on by a span or by seconds; a negative one is a clock that is set back."""
        self._now += by if isinstance(by, timedelta) else timedelta(seconds=by)
        return self._now

    def jump(self, to: Instant) -> None:
        """Shows this instant from now on."""
        self._now = to

    def real(self, instant: Instant) -> float:
        return instant.timestamp()

    def instant(self, epoch: float) -> Instant:
        return datetime.fromtimestamp(epoch, UTC)

    def sleep_seconds(self, until: Instant) -> float:
        return max(0.0, (until - self._now).total_seconds())


def small_plan(
    release: str = "R1", service: str = "shop", *, candidate: str = "v2", bake: float = 3.0
) -> Plan:
    """A canary of 10 % and 50 %, one traffic gate, one hook on either road; `bake` in seconds."""
    span = timedelta(seconds=bake)
    gates = (PlannedGate(name="errors", observe=False, traffic=True),)
    before, back = f"{release}:before:0", f"{release}:back:0"
    on_road, back_road = compile_roads(
        shape_of(
            Canary(
                steps=tuple(WeightStep(weight=weight, bake=span, max_bake=3 * span) for weight in (100, 500)),
                keep_old=span,
            ),
            instances=4,
        ),
        gates=gates,
        deadlines=Deadlines(),
        before=(before,),
        on_rollback=(back,),
    )
    return Plan(
        release=release,
        service=service,
        stable="v1",
        candidate=candidate,
        on=on_road,
        back=back_road,
        gates=gates,
        limits=Limits(),
        hooks={before: {"http": "/healthz"}, back: {"command": "true"}},
        strategy="canary",
        break_glass=f"crossfade local weight {service} 0",
    )


def opening(plan: Plan, at: Instant = NOON) -> tuple[Event, ...]:
    """The events that open a release of this plan."""
    first = plan.on[0]
    return (
        Event(
            type=EventType.RELEASE_OPENED, ts=at, actor="ada", message=f"{plan.stable} -> {plan.candidate}"
        ),
        Event(type=EventType.CANDIDATE_REQUESTED, ts=at, step=first.name, weight=first.world.weight),
    )


@dataclass(frozen=True, slots=True)
class Glance:
    """One look at a `PerfectWorld`; its fence is the number of writes so far."""

    truth: Truth
    fence: int


@dataclass
class PerfectWorld:
    """
    One service outside, where each write comes true at once and everything can be read.

    It is its own `Platform`, `Signals` and `Hooks`. `bad_at` is the weight from which on
    the gate fails; a bake passes once its time is covered.
    """

    clock: ManualClock
    bad_at: int = ALL + 1
    weight: Share = NOTHING
    holder: str | None = None
    primary: Side = Side.STABLE
    test: bool = False
    sizes: dict[Side, Share] = field(default_factory=lambda: {Side.STABLE: ALL, Side.CANDIDATE: NOTHING})
    writes: list[Effect] = field(default_factory=list)
    """Every effect that was performed, repeats included."""
    done: dict[str, HookResult] = field(default_factory=dict)

    def observe(self, plan: Plan) -> Glance:
        del plan
        at = self.weight
        stable, candidate = (
            Fleet(wanted=size, ready=size, exists=size)
            for size in (self.sizes[Side.STABLE], self.sizes[Side.CANDIDATE])
        )
        seen = Seen(stable=Span(low=Share(ALL - at), high=Share(ALL - at)), candidate=Span(low=at, high=at))
        truth = Truth(
            pair=Known(True),
            seat=Known(Seat(holder=self.holder)),
            weights=Known(Span(low=at, high=at)),
            seen=Known(seen),
            stable=Known(stable),
            candidate=Known(candidate),
            primary=Known(self.primary),
            test=Known(self.test),
        )
        return Glance(truth=truth, fence=len(self.writes))

    def perform(self, plan: Plan, effect: Effect, fence: object) -> None:
        del plan, fence
        self.writes.append(effect)
        match effect:
            case EnsureWeight(weight=weight):
                self.weight = weight
            case GoHome():
                self.weight = NOTHING
            case EnsureFleet(side=side, capacity=capacity, owner=owner):
                self.sizes = {**self.sizes, side: capacity}
                if side is Side.CANDIDATE:
                    self.holder = owner if capacity > NOTHING else None
            case EnsurePrimary(side=side):
                self.primary = side
            case EnsureTest(on=on):
                self.test = on
            case RunHook():
                raise TypeError("hooks are started, not performed")

    def verdicts(self, plan: Plan, state: State, now: Instant) -> Sequence[Verdict]:
        step = state.step(plan)
        if state.reached is None or not step.gates:
            return ()
        covers = max(now - state.reached, timedelta(0))
        say = Say.PASS if covers >= step.bake else Say.NOT_YET
        if step.world.weight >= self.bad_at and covers >= timedelta(seconds=1):
            say = Say.FAIL
        common = Verdict(gate="", say=say, step=step.name, since=state.reached, covers=covers, text=say.value)
        return tuple(replace(common, gate=gate) for gate in step.gates)

    def start(self, plan: Plan, key: str) -> None:
        del plan
        self.writes.append(RunHook(key=key))
        self.done[key] = HookResult(say=HookSay.PASSED, text="200")

    def results(self, release: str) -> Mapping[str, HookResult]:
        return {key: result for key, result in self.done.items() if key.startswith(f"{release}:")}


@dataclass
class MemoryObjects:
    """
    A bucket in memory: what `crossfade.engine.s3` asks of S3, with S3's compare-and-set.

    Several stores may share one, as machines share a bucket. `asked` counts calls by operation.
    """

    name: str = "s3://memory/state"
    skew: timedelta = timedelta(0)
    kept: dict[str, Found] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: str, known: Found | None = None) -> Found | None:
        self._count("get")
        with self.lock:
            found = self.kept.get(key)
        return known if found and known and found.etag == known.etag else found

    def put(self, key: str, body: bytes, replaces: str | None = None) -> str:
        self._count("put")
        with self.lock:
            there = self.kept.get(key)
            if (there.etag if there is not None else None) != replaces:
                raise SecondError(key)
            etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
            self.kept[key] = Found(body=body, etag=etag)
        return etag

    def keys(self, prefix: str) -> tuple[str, ...]:
        self._count("list")
        with self.lock:
            return tuple(sorted(key for key in self.kept if key.startswith(prefix)))

    def _count(self, operation: str) -> None:
        self.asked[operation] = self.asked.get(operation, 0) + 1
