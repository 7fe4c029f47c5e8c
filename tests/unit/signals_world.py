"""A world for tests of signals: virtual time, simulated counts, a memory that is JSON like a store's."""

from __future__ import annotations

import json
import random
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from crossfade.release.plan import Kind, Plan, PlannedGate, Proof, Step, World
from crossfade.release.state import State
from crossfade.release.values import ALL, NOTHING, Instant, Share, Side, Verdict
from crossfade.signals import Alarms, ReleaseSignals

START = 1_800_000_000.0
EDGES = tuple(0.5 * 1.25 ** (k / 2) for k in range(100))
GATES = (
    PlannedGate(name="errors", observe=False, traffic=True),
    PlannedGate(name="latency", observe=False, traffic=True),
    PlannedGate(name="unhealthy", observe=False, traffic=False),
    PlannedGate(name="paging", observe=False, traffic=False),
)
NAMES = tuple(gate.name for gate in GATES)


@dataclass(frozen=True)
class Paced:
    factor: float = 1.0

    def real(self, instant: Instant) -> float:
        return START + (instant.timestamp() - START) / self.factor

    def instant(self, epoch: float) -> Instant:
        return datetime.fromtimestamp(START + (epoch - START) * self.factor, UTC)


@dataclass(frozen=True)
class Second:
    start: float
    stable: Mapping[str, object] | None
    candidate: Mapping[str, object] | None
    stable_instances: Sequence[tuple[str, Mapping[str, object]]] = ()
    candidate_instances: Sequence[tuple[str, Mapping[str, object]]] = ()
    aside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Read:
    intervals: Sequence[Second]
    known_from: float
    watermark: float
    problem: str
    slot_s: float = 1.0
    closes_s: float = 2.0


@dataclass
class Memory:
    """Text inside: what does not survive JSON does not survive a restart."""

    entries: dict[str, list[str]] = field(default_factory=dict)

    def intervals(self, release: str) -> Sequence[Mapping[str, Any]]:
        return [json.loads(entry) for entry in self.entries.get(release, [])]

    def add(self, release: str, interval: Mapping[str, object]) -> None:
        self.entries.setdefault(release, []).append(json.dumps(interval, allow_nan=False))


def arm(rng: random.Random, requests: int, errors: float, slower: float) -> dict[str, Any]:
    row = [0] * (len(EDGES) + 1)
    for _ in range(requests):
        row[bisect_left(EDGES, rng.lognormvariate(2.5, 0.7) * slower)] += 1
    return {
        "requests": requests,
        "errors": sum(rng.random() < errors for _ in range(requests)),
        "latency": row,
    }


@dataclass
class Counts:
    """Traffic of both sides, a pure function of the second; `lag` seconds behind `now`."""

    now: float = START
    rate: int = 300
    errors: float = 0.002
    candidate_errors: float = 0.002
    slower: float = 1.0
    weight: Callable[[int], float] = lambda _second: 0.1
    problem: str = ""
    stopped_at: float | None = None
    garble: Callable[[Second], Second] = lambda second: second
    known_from: float = START - 2_000
    asked: list[float] = field(default_factory=list)

    def name(self, plan: Plan) -> str:
        return "simulated"

    def watch(self, plan: Plan) -> None:
        pass

    def edges_ms(self, plan: Plan) -> Sequence[float]:
        return EDGES

    def slots(self, plan: Plan, since: float, edges_ms: Sequence[float]) -> Read:
        self.asked.append(since)
        if self.problem:
            return Read((), since, since, self.problem)
        end = int(min(self.now - 0.3, self.stopped_at or self.now))
        first = int(max(since, self.known_from))
        there = [self.second(at) for at in range(first, end)] if self.rate else []
        return Read(there, self.known_from, float(end), "")

    def second(self, at: int) -> Second:
        rng, part = random.Random(at), self.weight(at)
        candidate = round(self.rate * part)
        a = arm(rng, self.rate - candidate, self.errors, 1.0)
        b = [arm(rng, candidate // 2, self.candidate_errors, self.slower) for _ in range(2)]
        named = (("c1", b[0]), ("c2", b[1])) if candidate else ()
        whole = {
            "requests": sum(one["requests"] for one in b),
            "errors": sum(one["errors"] for one in b),
            "latency": [x + y for x, y in zip(b[0]["latency"], b[1]["latency"], strict=True)],
        }
        return self.garble(Second(float(at), a, whole, (("s1", a),), named))


@dataclass
class Health:
    candidate: list[tuple[str, str, int]] = field(
        default_factory=lambda: [("c1", "ready", 0), ("c2", "ready", 0)]
    )
    stable: list[tuple[str, str, int]] = field(default_factory=lambda: [("s1", "ready", 0)])
    problem: Exception | None = None
    bytes: dict[str, int] = field(default_factory=dict)
    """Resident bytes by id; of others nothing is known."""

    def instances(self, plan: Plan) -> Mapping[Side, Sequence[tuple[str, str, int, int]]]:
        if self.problem:
            raise self.problem
        return {
            side: [(*one, self.bytes.get(one[0], 0)) for one in listed]
            for side, listed in ((Side.STABLE, self.stable), (Side.CANDIDATE, self.candidate))
        }


def step(name: str, weight: int, bake: float, kind: Kind = Kind.SHIFTING) -> Step:
    world = World(weight=Share(weight), stable=ALL, candidate=ALL, primary=Side.STABLE, test=False)
    gates = NAMES if weight else NAMES[2:]
    return Step(
        name=name, kind=kind, world=world, gates=gates, proof=Proof.PASSED, bake=timedelta(seconds=bake)
    )


PLAN = Plan(
    release="r1",
    service="shop",
    stable="v41",
    candidate="v42",
    on=(
        step("verifying", NOTHING, 0, Kind.VERIFYING),
        step("10 %", 100, 60),
        step("100 %", 1000, 60),
        step("keeping", 1000, 60, Kind.KEEPING),
    ),
    back=(),
    gates=GATES,
    judging={
        "alpha": 0.01,
        "warm_up_s": 10.0,
        "bake_s": 120.0,
        "weight": 0.1,
        "gates": {"errors": {"must_see": 0.05}, "latency": {"must_see": 4.0}},
        "unhealthy": {"unhealthy": {"max": 0, "hold_for_s": 30.0}},
        "alarms": {"paging": ["http://alarms/a"]},
    },
)


@dataclass
class Desk:
    """One controller's life; `again` is the next one's, on the same memory."""

    counts: Counts = field(default_factory=Counts)
    health: Health = field(default_factory=Health)
    memory: Memory = field(default_factory=Memory)
    pace: Paced = field(default_factory=Paced)
    alarm: str = "OK"

    def __post_init__(self) -> None:
        self.signals = ReleaseSignals(
            counts=self.counts,
            health=self.health,
            memory=self.memory,
            pace=self.pace,
            alarms=Alarms(fetch=self._fetch, monotonic=lambda: 0.0),
        )

    def _fetch(self, _url: str, _patience_s: float) -> str:
        return self.alarm

    def again(self) -> Desk:
        return Desk(self.counts, self.health, self.memory, self.pace, self.alarm)

    def at(self, seconds: float) -> Instant:
        """An instant of the clock, `seconds` of clock after the start."""
        return datetime.fromtimestamp(START + seconds, UTC)

    def look(self, seconds: float, state: State, plan: Plan = PLAN) -> dict[str, Verdict]:
        now = self.at(seconds)
        self.counts.now = self.pace.real(now)
        return {verdict.gate: verdict for verdict in self.signals.verdicts(plan, state, now)}

    def baking(self, index: int = 1, reached: float = 0.5, since: float = 0.0) -> State:
        return State(since=self.at(since), index=index, reached=self.at(reached))
