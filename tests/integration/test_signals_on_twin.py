"""Our source of counts, through boto3 and HTTP, against the twin's CloudWatch: what went in comes back."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from moto.server import ThreadedMotoServer

from crossfade.aws import Door, Where
from crossfade.release.plan import Kind, Plan, PlannedGate, Proof, Step, World
from crossfade.release.state import State
from crossfade.release.values import ALL, Say, Share, Side, Verdict
from crossfade.signals import Alarms, ReleaseSignals
from crossfade.signals.arms import Arms
from crossfade.signals.cloudwatch import CloudWatch
from crossfade.signals.cloudwatch_asked import ELB
from crossfade.twin.clock import TwinClock
from crossfade.twin.cloudwatch import CloudWatch as TwinCloudWatch
from crossfade.twin.cloudwatch import install
from crossfade.twin.cloudwatch.hook import unhook

pytestmark = pytest.mark.real

NOON: Final = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
ARMS: Final = Arms(load_balancer="app/shop/1", stable="targetgroup/blue/2", candidate="targetgroup/green/3")
TIMES: Final = (0.008, 0.012, 0.019, 0.033, 0.048, 0.071, 0.13, 0.29)
SHARES: Final = (10, 20, 30, 20, 10, 6, 3, 1)

PLAN: Final = Plan(
    release="r1",
    service="shop",
    stable="v1",
    candidate="v2",
    on=(
        Step(
            name="10 %",
            kind=Kind.SHIFTING,
            world=World(weight=Share(100), stable=ALL, candidate=ALL, primary=Side.STABLE, test=False),
            gates=("errors", "latency"),
            proof=Proof.PASSED,
            bake=timedelta(minutes=10),
        ),
    ),
    back=(),
    gates=(
        PlannedGate(name="errors", observe=False, traffic=True),
        PlannedGate(name="latency", observe=False, traffic=True),
    ),
    judging={
        "alpha": 0.01,
        "warm_up_s": 10.0,
        "bake_s": 600.0,
        "weight": 0.1,
        "gates": {"errors": {}, "latency": {"at_most": 1.25, "must_see": 2.0, "at": [0.5, 0.95, 0.99]}},
    },
)


@dataclass
class Traffic:
    """What two groups did, written into the twin and kept."""

    sink: TwinCloudWatch
    slower: float = 1.0
    refused: float = 0.0
    rows: dict[tuple[str, int], Counter[float]] = field(default_factory=dict)
    errors: Counter[tuple[str, int]] = field(default_factory=Counter)
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)

    def minutes(self, first: int, last: int) -> None:
        for minute in range(first, last):
            rng = random.Random(minute)
            self._group(rng, ARMS.stable, minute, 2700, slower=1.0, refused=0.0)
            if minute >= 0:
                self._group(rng, ARMS.candidate, minute, 300, slower=self.slower, refused=self.refused)

    def _group(
        self, rng: random.Random, group: str, minute: int, requests: int, *, slower: float, refused: float
    ) -> None:
        at = NOON.timestamp() + 60 * minute + 1
        here, of = (group, int(at) - 1), {"LoadBalancer": ARMS.load_balancer, "TargetGroup": group}
        lost = sum(rng.random() < refused for _ in range(requests))
        bad = sum(rng.random() < 0.002 for _ in range(requests - lost))
        times = Counter(rng.choices([one * slower for one in TIMES], SHARES, k=requests - lost))

        def put(name: str, count: float, where: Mapping[str, str] = of, value: float = 1.0) -> None:
            if count:
                self.sink.record(ELB, name, where, at=at, value=value, count=count)

        put("RequestCount", requests)
        put("HTTPCode_Target_2XX_Count", requests - lost - bad)
        put("HTTPCode_Target_5XX_Count", bad)
        put("TargetConnectionErrorCount", lost)
        put("HTTPCode_ELB_5XX_Count", lost, {"LoadBalancer": ARMS.load_balancer})
        put("HealthyHostCount", 1, value=2.0)
        put("UnHealthyHostCount", 1, value=0.0)
        for took, count in times.items():
            put("TargetResponseTime", count, value=took)
        self.rows[here], self.errors[here], self.requests[here] = times, lost + bad, requests


class Pace:
    """Real time; the twin's clock jumps with it."""

    factor = 1.0

    def real(self, instant: datetime) -> float:
        return instant.timestamp()

    def instant(self, epoch: float) -> datetime:
        return datetime.fromtimestamp(epoch, UTC)


class Rig:
    """A twin's CloudWatch behind HTTP on a clock that jumps, our source before it, and a release to judge."""

    def __init__(self, endpoint: str) -> None:
        self.now = NOON.timestamp()
        clock = TwinClock(wall=lambda: self.now)
        self.twin = install(clock, publish_delay=lambda: 90.0)
        where = Where(account="123456789012", region="eu-central-1", endpoint=endpoint)
        self.source = CloudWatch(Door(where), lambda _plan: ARMS, Pace(), now=lambda: self.now)
        self.kept: list[Mapping[str, object]] = []

    def at(self, seconds: float) -> datetime:
        self.now = NOON.timestamp() + seconds
        return datetime.fromtimestamp(self.now, UTC)

    def intervals(self, _release: str) -> Sequence[Mapping[str, object]]:
        return self.kept

    def add(self, _release: str, interval: Mapping[str, object]) -> None:
        self.kept.append(interval)

    def instances(self, _plan: Plan) -> Mapping[Side, Sequence[tuple[str, str, int, int]]]:
        return {Side.STABLE: (), Side.CANDIDATE: ()}

    def until_said(self, gate: str, say: Say) -> tuple[float, Verdict]:
        signals = ReleaseSignals(
            counts=self.source, health=self, memory=self, pace=Pace(), alarms=Alarms(fetch=lambda *_: "OK")
        )
        state = State(since=NOON, index=0, reached=NOON + timedelta(seconds=4))
        for seconds in range(10, 1500, 20):
            now = self.at(seconds)
            found = {one.gate: one for one in signals.verdicts(PLAN, state, now)}[gate]
            if found.say is say:
                return seconds, found
        raise AssertionError(f"never {say}: {found.say} {found.text}")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def rig(endpoint: str) -> Iterator[Rig]:
    yield Rig(endpoint)
    unhook()


def test_counts_and_histogram_come_back_as_they_went_in(rig: Rig) -> None:
    traffic = Traffic(rig.twin, refused=0.05)
    traffic.minutes(-30, 12)
    rig.at(300)
    edges = rig.source.edges_ms(PLAN)
    for seconds in (900, 940):
        rig.at(seconds)
        found = rig.source.slots(PLAN, NOON.timestamp(), edges)

    assert len(found.intervals) == 12
    for slot in found.intervals:
        for arm, group in ((slot.stable, ARMS.stable), (slot.candidate, ARMS.candidate)):
            here = (group, int(slot.start))
            row = [0.0] * (len(edges) + 1)
            for took, count in traffic.rows[here].items():
                row[bisect_left(edges, took * 1000)] += count
            assert arm["requests"] == traffic.requests[here]
            assert arm["errors"] == traffic.errors[here]
            assert arm["latency"] == row


def test_a_good_release_passes(rig: Rig) -> None:
    Traffic(rig.twin).minutes(-30, 25)
    seconds, found = rig.until_said("latency", Say.PASS)

    assert 720 <= seconds <= 840
    assert found.numbers["source"] == "cloudwatch"


def test_p99_times_three_is_stopped_by_what_load_balancers_measure_alone(rig: Rig) -> None:
    Traffic(rig.twin, slower=3.0).minutes(-30, 25)
    seconds, found = rig.until_said("latency", Say.FAIL)

    assert seconds <= 500
    assert "slower than" in found.text
