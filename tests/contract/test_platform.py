"""What every platform must do, whatever it is made of: one suite over all implementations of the port."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from memory_dataplane import MemoryDataplane

from crossfade.dataplane import Service, down
from crossfade.dataplane.store import Store
from crossfade.errors import PlatformError
from crossfade.platforms import LocalPlatform
from crossfade.release.plan import Kind, Plan, Step, World
from crossfade.release.reconcile import differences, reconcile
from crossfade.release.roads import compile_roads
from crossfade.release.shape import shape_of
from crossfade.release.values import (
    ALL,
    NOTHING,
    EnsureFleet,
    EnsurePrimary,
    EnsureTest,
    EnsureWeight,
    GoHome,
    Known,
    Seat,
    Share,
    Side,
    Span,
    Truth,
    Unknown,
)
from crossfade.spec import Canary, Deadlines, NoGates, Spec, WeightStep
from crossfade.spec import LocalPlatform as LocalSettings

APP = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = sys.argv[2].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""
MINUTE = timedelta(minutes=1)
names = (f"shop-{number}" for number in itertools.count())


@dataclass
class Ground:
    """A platform with one fresh service, and the plans of releases on it."""

    platform: LocalPlatform
    folder: Path
    service: str
    memory: MemoryDataplane | None = None
    inherits: list[str] = field(default_factory=list)

    @property
    def spec(self) -> Spec:
        return Spec(
            service=self.service,
            folder=self.folder,
            state=self.folder / ".crossfade",
            platform=LocalSettings(
                command=f"{sys.executable} app.py {{port}} {{revision}}",
                port=0,
                instances=2,
                stop_grace=timedelta(seconds=2),
                drain=timedelta(seconds=2),
            ),
            strategy=Canary(steps=(WeightStep(weight=100, bake=MINUTE, max_bake=MINUTE),), keep_old=MINUTE),
            gates=NoGates(reason="a test"),
        )

    def plan(self, release: str, revision: str) -> Plan:
        stable, made = self.platform.serving(self.service), self.platform.prepare(self.spec, revision)
        on, back = compile_roads(
            shape_of(self.spec.strategy, made.instances),
            gates=(),
            deadlines=Deadlines(),
            first=stable is None,
        )
        plan = Plan(
            release=release,
            service=self.service,
            stable=stable.text if stable else None,
            candidate=revision,
            on=on,
            back=back,
            gates=(),
            inherits=tuple(self.inherits),
            artifact={"candidate": made.artifact, "identity": made.identity},
        )
        self.inherits.append(release)
        return plan

    def reach(self, plan: Plan, world: World, seconds: float = 20.0) -> Truth:
        """Does what the heart says until the world is as wanted."""
        until = time.monotonic() + seconds
        while True:
            look = self.platform.observe(plan)
            missing = differences(plan, world, look.truth)
            if not missing:
                return look.truth
            assert time.monotonic() < until, missing
            for effect in reconcile(plan, world, look.truth):
                self.platform.perform(plan, effect, look.fence)
            if self.memory is None:
                time.sleep(0.05)

    def through(self, plan: Plan, upto: Kind) -> Step:
        for step in plan.on:
            self.reach(plan, step.world)
            if step.kind is upto:
                return step
        raise AssertionError(upto)

    def serving(self, revision: str) -> None:
        plan = self.plan(f"first-{revision}", revision)
        for step in plan.on:
            self.reach(plan, step.world)

    def settled(self, plan: Plan, holds: Callable[[Truth], bool]) -> Truth:
        until = time.monotonic() + 10
        while not holds(truth := self.platform.observe(plan).truth):
            assert time.monotonic() < until, truth
            time.sleep(0.05)
        return truth


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("platform")
    (folder / "app.py").write_text(APP)
    yield folder
    down(folder / ".crossfade")


@pytest.fixture(params=["memory", pytest.param("envoy", marks=pytest.mark.real)])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Ground:
    if request.param == "envoy":
        folder = request.getfixturevalue("real")
        made = Ground(platform=LocalPlatform(folder / ".crossfade"), folder=folder, service=next(names))
    else:
        (tmp_path / "app.py").write_text(APP)
        memory = MemoryDataplane(Store(tmp_path / ".crossfade"))
        made = Ground(
            platform=LocalPlatform(tmp_path / ".crossfade", line=lambda: memory),
            folder=tmp_path,
            service=next(names),
            memory=memory,
        )
    return made


def settle(ground: Ground) -> Ground:
    ground.platform.settle_in(ground.spec)
    return ground


class TestFacts:
    def test_a_service_that_was_never_created_is_surely_nothing(self, ground: Ground) -> None:
        truth = ground.platform.observe(ground.plan("r1", "v1")).truth

        assert truth.weights == Known(Span(low=NOTHING, high=NOTHING))
        assert truth.seat == Known(Seat(holder=None))
        assert truth.pair == Known(value=True)

    def test_R06_what_cannot_be_read_is_unknown_in_every_fact_and_no_exception(self, ground: Ground) -> None:
        def nobody() -> MemoryDataplane:
            raise PlatformError("CF4104", "nobody answers")

        plan = ground.plan("r1", "v1")
        look = LocalPlatform(ground.platform.folder, line=nobody).observe(plan)

        facts = [
            getattr(look.truth, name)
            for name in Truth.__dataclass_fields__
            if name not in ("verdicts", "hooks")
        ]
        assert all(isinstance(fact, Unknown) and "nobody answers" in fact.why for fact in facts)
        with pytest.raises(PlatformError, match="nothing was written"):
            ground.platform.perform(plan, EnsureWeight(weight=ALL), look.fence)


class TestRelease:
    def test_a_first_release_ends_with_its_revision_serving(self, ground: Ground) -> None:
        settle(ground).serving("v1")

        serving = ground.platform.serving(ground.service)
        assert serving is not None
        assert serving.text == "v1"
        assert serving.identity == ground.platform.prepare(ground.spec, "v1").identity

    def test_R08_a_release_swaps_the_groups_and_leaves_one_version(self, ground: Ground) -> None:
        settle(ground).serving("v1")
        plan = ground.plan("r2", "v2")

        for step in plan.on:
            ground.reach(plan, step.world)

        serving = ground.platform.serving(ground.service)
        assert serving is not None
        assert serving.text == "v2"
        after = ground.plan("r3", "v3")
        truth = ground.settled(after, lambda truth: truth.seat == Known(Seat(holder=None)))
        assert truth.weights == Known(Span(low=NOTHING, high=NOTHING))
        assert truth.primary == Known(Side.STABLE)

    def test_R20_the_road_back_restores_what_was(self, ground: Ground) -> None:
        settle(ground).serving("v1")
        plan = ground.plan("r2", "v2")
        before = ground.platform.document(ground.service)
        ground.through(plan, Kind.SHIFTING)

        for step in plan.back:
            ground.reach(plan, step.world)

        now = ground.platform.document(ground.service)
        assert (now.groups, now.weights, now.test_group) == (before.groups, before.weights, None)
        after = ground.plan("r3", "v3")
        ground.settled(after, lambda truth: truth.seat == Known(Seat(holder=None)))

    def test_the_seat_is_taken_by_the_first_growth_and_moves_no_weight(self, ground: Ground) -> None:
        settle(ground).serving("v1")
        plan = ground.plan("r2", "v2")
        assert ground.platform.observe(plan).truth.seat == Known(Seat(holder=None))

        step = ground.through(plan, Kind.PROVISIONING)

        truth = ground.platform.observe(plan).truth
        assert truth.seat == Known(Seat(holder="r2"))
        assert truth.weights == Known(Span(low=NOTHING, high=NOTHING))
        assert isinstance(truth.candidate, Known)
        assert truth.candidate.value.ready >= (step.world.candidate or 0)


class TestWrites:
    def test_R10_a_weight_keeps_everything_it_does_not_own(self, ground: Ground) -> None:
        settle(ground).serving("v1")
        plan = ground.plan("r2", "v2")
        ground.through(plan, Kind.VERIFYING)
        ground.platform._change(
            ground.service, lambda service: replace(service, tags={**service.tags, "theirs": "kept"})
        )
        before = ground.platform.document(ground.service)

        for _ in range(2):
            look = ground.platform.observe(plan)
            ground.platform.perform(plan, EnsureWeight(weight=Share(250)), look.fence)

        now = ground.platform.document(ground.service)
        assert sorted(now.weights.values()) == [250, 750]
        assert now.tags["theirs"] == "kept"
        assert (now.groups, now.test_group, now.fault) == (before.groups, before.test_group, before.fault)

    def test_R34_doing_it_twice_is_doing_it_once(self, ground: Ground) -> None:
        settle(ground).serving("v1")
        plan = ground.plan("r2", "v2")
        ground.through(plan, Kind.VERIFYING)
        effects = (
            EnsureFleet(side=Side.CANDIDATE, capacity=Share(500), owner="r2"),
            EnsureFleet(side=Side.STABLE, capacity=ALL, owner="r2"),
            EnsureWeight(weight=Share(100)),
            EnsureTest(on=True),
            EnsurePrimary(side=Side.STABLE),
        )

        def do_all() -> Service:
            fence = ground.platform.observe(plan).fence
            for effect in effects:
                ground.platform.perform(plan, effect, fence)
            return ground.platform.document(ground.service)

        once = do_all()

        assert do_all() == once

    def test_R23_a_write_on_an_old_look_writes_nothing(self, ground: Ground) -> None:
        settle(ground).serving("v1")
        plan = ground.plan("r2", "v2")
        ground.through(plan, Kind.VERIFYING)
        old = ground.platform.observe(plan)
        ground.platform._change(
            ground.service, lambda service: replace(service, tags={**service.tags, "theirs": "new"})
        )
        before = ground.platform.document(ground.service)

        with pytest.raises(PlatformError, match="changed in between"):
            ground.platform.perform(plan, EnsureWeight(weight=Share(100)), old.fence)

        assert ground.platform.document(ground.service) == before

    def test_R13_a_release_deletes_and_takes_nothing_of_another(self, ground: Ground) -> None:
        settle(ground).serving("v1")
        ground.through(ground.plan("r2", "v2"), Kind.PROVISIONING)
        stranger = replace(ground.plan("r3", "v3"), inherits=())
        before = ground.platform.document(ground.service)
        look = ground.platform.observe(stranger)

        assert look.truth.seat == Known(Seat(holder="r2"))
        for effect in (
            EnsureFleet(side=Side.CANDIDATE, capacity=NOTHING, owner="r3"),
            EnsureFleet(side=Side.CANDIDATE, capacity=NOTHING, owner="r2"),
            EnsureFleet(side=Side.CANDIDATE, capacity=ALL, owner="r3"),
            EnsureFleet(side=Side.STABLE, capacity=NOTHING, owner="r3"),
            EnsureWeight(weight=Share(100)),
            EnsurePrimary(side=Side.CANDIDATE),
            EnsureTest(on=True),
        ):
            with pytest.raises(PlatformError, match=r"seat|delete|trusted") as refused:
                ground.platform.perform(stranger, effect, look.fence)
            assert refused.value.id == "CF4201"
        assert ground.platform.document(ground.service) == before

    def test_R04_what_an_ended_release_left_is_brought_home_and_cleared(self, ground: Ground) -> None:
        settle(ground).serving("v1")
        ground.through(ground.plan("r2", "v2"), Kind.SHIFTING)
        heir = ground.plan("r3", "v3")

        ground.reach(heir, heir.on[0].world)

        assert ground.platform.observe(heir).truth.seat == Known(Seat(holder="r3"))

    def test_going_home_needs_no_look_may_be_repeated_and_deletes_nothing(self, ground: Ground) -> None:
        settle(ground).serving("v1")
        plan = ground.plan("r2", "v2")
        ground.through(plan, Kind.SHIFTING)
        groups = ground.platform.document(ground.service).groups

        for _ in range(2):
            ground.platform.perform(plan, GoHome(), None)

        truth = ground.settled(plan, lambda truth: truth.weights == Known(Span(low=NOTHING, high=NOTHING)))
        assert truth.seat == Known(Seat(holder="r2"))
        assert ground.platform.document(ground.service).groups == groups

    def test_the_test_route_opens_and_closes(self, ground: Ground) -> None:
        settle(ground).serving("v1")
        plan = ground.plan("r2", "v2")
        ground.through(plan, Kind.VERIFYING)
        assert ground.platform.observe(plan).truth.test == Known(value=True)

        ground.platform.perform(plan, EnsureTest(on=False), ground.platform.observe(plan).fence)

        ground.settled(plan, lambda truth: truth.test == Known(value=False))
