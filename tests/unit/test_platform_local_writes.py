"""An effect becomes the next document, keeps what is not its own, and is refused where it would harm."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from crossfade.dataplane import Applied, Conflict, Fault, Group, Preview, Rule, Service, Silent
from crossfade.dataplane.store import Store
from crossfade.errors import PlatformError, UsageError
from crossfade.platforms import LocalPlatform
from crossfade.platforms.local_writes import after
from crossfade.release.plan import Plan
from crossfade.release.values import (
    NOTHING,
    EnsureFleet,
    EnsurePrimary,
    EnsureWeight,
    GoHome,
    Known,
    RunHook,
    Seat,
    Share,
    Side,
    Unknown,
)
from crossfade.spec import Canary, NoGates, Spec
from crossfade.spec import LocalPlatform as LocalSettings

FREE = Known(Seat(holder=None))
PLAN = Plan(
    release="r2",
    service="shop",
    stable="v1",
    candidate="v2",
    on=(),
    back=(),
    gates=(),
    inherits=("r1",),
    artifact={
        "candidate": {
            "command": ["serve", "{port}"],
            "folder": "/srv",
            "instances": 3,
            "health": "/healthz",
            "stop_grace_s": 5.0,
            "drain_s": 7.0,
        },
        "identity": "abc",
    },
)


def group(revision: str, instances: int = 3) -> Group:
    return Group(revision=revision, command=("serve",), folder="/", instances=instances, env={"A": "b"})


def service(candidate: bool = True, **tags: str) -> Service:
    return Service(
        name="shop",
        listener_port=8000,
        test_port=8001,
        groups={"green": group("v1"), "blue": group("v2", 2) if candidate else None},
        weights={"green": 1000, "blue": 0},
        fault={"blue": Fault(errors=0.5)},
        tags={"primary": "green", "release": "r2", "candidate": "blue", **tags},
    )


def fleet(side: Side, capacity: int, owner: str = "r2") -> EnsureFleet:
    return EnsureFleet(side=side, capacity=Share(capacity), owner=owner)


class TestDocuments:
    def test_the_seat_is_claimed_by_the_write_that_first_grows_the_candidate(self) -> None:
        before = service(candidate=False, release="r1")
        now = after(PLAN, before, FREE, fleet(Side.CANDIDATE, 334), 5.0)

        assert now.groups["blue"] == Group(
            revision="v2",
            command=("serve", "{port}"),
            folder="/srv",
            instances=2,
            health="/healthz",
            stop_grace_s=5.0,
            drain_s=7.0,
        )
        assert now.tags == {**before.tags, "release": "r2", "candidate": "blue", "identity.blue": "abc"}
        assert (now.weights, now.fault) == (before.weights, before.fault)

    @pytest.mark.parametrize("seat", [Unknown("blind"), Known(Seat(holder="r9"))])
    def test_R13_a_seat_that_is_not_surely_free_is_not_taken(self, seat: Known[Seat] | Unknown) -> None:
        with pytest.raises(PlatformError) as refused:
            after(PLAN, service(candidate=False, release="r9"), seat, fleet(Side.CANDIDATE, 500), 5.0)
        assert refused.value.id == "CF4201"

    def test_stable_grows_and_shrinks_by_count_alone(self) -> None:
        now = after(PLAN, service(), FREE, fleet(Side.STABLE, 334), 5.0)
        assert now.groups["green"] == group("v1", 2)

    def test_R45_a_stable_that_was_stopped_cannot_grow_again(self) -> None:
        gone = replace(service(), groups={"green": None, "blue": group("v2")})
        with pytest.raises(PlatformError) as refused:
            after(PLAN, gone, FREE, fleet(Side.STABLE, 1000), 5.0)
        assert refused.value.id == "CF4202"

    def test_R13_stable_is_retired_only_after_the_candidate_is_trusted(self) -> None:
        with pytest.raises(PlatformError):
            after(PLAN, service(), FREE, fleet(Side.STABLE, 0), 5.0)
        trusted = service(primary="blue")
        assert after(PLAN, trusted, FREE, fleet(Side.STABLE, 0), 5.0).groups["green"] is None

    def test_R13_the_trusted_side_is_never_cleared(self) -> None:
        with pytest.raises(PlatformError):
            after(PLAN, service(primary="blue"), FREE, fleet(Side.CANDIDATE, 0), 5.0)

    def test_R13_what_an_ended_release_left_is_cleared_under_its_own_name_only(self) -> None:
        left = service(release="r1")
        assert after(PLAN, left, FREE, fleet(Side.CANDIDATE, 0, "r1"), 5.0).groups["blue"] is None
        with pytest.raises(PlatformError):
            after(PLAN, left, FREE, fleet(Side.CANDIDATE, 0, "r2"), 5.0)

    def test_a_weight_write_is_dated_and_one_that_changes_nothing_is_none(self) -> None:
        now = after(PLAN, service(), FREE, EnsureWeight(weight=Share(100)), 5.0)

        assert now.weights == {"green": 900, "blue": 100}
        assert now.tags["weighted_at"] == "5.000"
        assert after(PLAN, now, FREE, EnsureWeight(weight=Share(100)), 9.0) is now

    def test_R19_everybody_is_never_sent_to_nobody(self) -> None:
        retired = replace(
            service(primary="blue"),
            groups={"green": None, "blue": group("v2")},
            weights={"green": 0, "blue": 1000},
        )
        with pytest.raises(PlatformError) as refused:
            after(PLAN, retired, FREE, EnsureWeight(weight=NOTHING), 5.0)
        assert refused.value.id == "CF4202"

    def test_the_first_release_goes_home_to_nothing(self) -> None:
        first = replace(PLAN, stable=None)
        alone = replace(
            service(), groups={"green": None, "blue": group("v2")}, weights={"green": 0, "blue": 1000}
        )
        now = after(first, alone, FREE, EnsureWeight(weight=NOTHING), 5.0)
        assert now.weights == {"green": 0, "blue": 0}

    def test_R20_trust_goes_back_to_the_group_that_had_it(self) -> None:
        now = after(PLAN, service(primary="blue"), FREE, EnsurePrimary(side=Side.STABLE), 5.0)
        assert now.tags["primary"] == "green"


class TestSingleUsers:
    ASKED = replace(
        PLAN,
        release="01JD7QZX3W8V5N2K9M4P6R1T0S",
        artifact={
            **PLAN.artifact,
            "candidate": {
                **PLAN.artifact["candidate"],  # type: ignore[dict-item]  # our own
                "sticky": True,
                "preview": {"kind": "cookie", "name": "staff", "value": "1"},
            },
        },
    )
    LOOK = Preview(kind="cookie", name="staff", value="1")

    def claimed(self, plan: Plan) -> Service:
        return after(
            plan, service(candidate=False, release="r1"), FREE, fleet(Side.CANDIDATE, 500, plan.release), 5.0
        )

    def test_numbers_and_preview_come_with_the_seat_and_the_numbers_are_this_releases(self) -> None:
        now = self.claimed(self.ASKED)
        assert (now.sticky, now.preview) == ("4p6r1t0s", self.LOOK)

    def test_a_release_that_asks_for_neither_takes_away_what_the_last_one_left(self) -> None:
        left = replace(service(candidate=False, release="r1"), sticky="old", preview=self.LOOK)
        now = after(PLAN, left, FREE, fleet(Side.CANDIDATE, 500), 5.0)
        assert (now.sticky, now.preview) == ("", None)

    def test_R10_weights_test_route_and_sizes_keep_them(self) -> None:
        now = replace(self.claimed(self.ASKED), rules=(Rule(path="/api"),), mirror=0.5)
        kept = now.sticky, now.preview, now.rules, now.mirror
        for effect in (
            EnsureWeight(weight=Share(100)),
            fleet(Side.CANDIDATE, 1000, self.ASKED.release),
            EnsurePrimary(side=Side.CANDIDATE),
            EnsureWeight(weight=NOTHING),
        ):
            now = after(self.ASKED, now, FREE, effect, 5.0)
            assert (now.sticky, now.preview, now.rules, now.mirror) == kept

    @pytest.mark.parametrize(
        ("primary", "effect"), [("blue", fleet(Side.STABLE, 0)), ("green", fleet(Side.CANDIDATE, 0))]
    )
    def test_with_one_side_left_nobody_needs_a_number(self, primary: str, effect: EnsureFleet) -> None:
        busy = replace(service(primary=primary), sticky="old", preview=self.LOOK, rules=(Rule(path="/a"),))
        now = after(PLAN, busy, FREE, effect, 5.0)

        assert (now.sticky, now.preview, now.mirror) == ("", None, 0.0)
        assert now.rules == busy.rules


class Line:
    """A supervisor that conflicts so often, or is dead."""

    def __init__(self, store: Store, conflicts: int = 0, dead: bool = False) -> None:
        self.store, self.conflicts, self.dead = store, conflicts, dead
        self.written: list[Service] = []

    def apply(self, service: Service, expect_generation: int) -> Applied:
        if self.dead:
            raise Silent("CF4104", "dead")
        if self.conflicts:
            self.conflicts -= 1
            raise Conflict("CF4102", "changed in between")
        self.written.append(service)
        return Applied(generation=expect_generation + 1, applied=True, reason="")

    observe = counts = None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = Store(tmp_path)
    store.create()
    serving = replace(service(), weights={"green": 900, "blue": 100})
    store.save_service(7, serving)
    return tmp_path


def platform(folder: Path, **how: int) -> tuple[LocalPlatform, Line]:
    line = Line(Store(folder), **how)  # type: ignore[arg-type]
    return LocalPlatform(folder, line=lambda: line, now=lambda: 5.0), line  # type: ignore[arg-type,return-value]


class TestGoingHome:
    def test_it_reads_for_itself_and_is_repeated_against_other_writers(self, folder: Path) -> None:
        local, line = platform(folder, conflicts=3)
        local.perform(PLAN, GoHome(), None)

        assert [written.weights for written in line.written] == [{"green": 1000, "blue": 0}]
        assert line.written[0].groups == service().groups

    def test_it_gives_up_after_a_bounded_number_of_conflicts_and_says_so(self, folder: Path) -> None:
        local, _ = platform(folder, conflicts=50)
        with pytest.raises(Conflict):
            local.perform(PLAN, GoHome(), None)

    def test_R48_it_needs_no_supervisor(self, folder: Path) -> None:
        local, _ = platform(folder, dead=True)
        local.perform(PLAN, GoHome(), None)

        generation, now = Store(folder).services()["shop"]
        assert (generation, now.weights) == (8, {"green": 1000, "blue": 0})
        assert now.groups["blue"] is not None

    def test_another_releases_traffic_is_not_brought_home(self, folder: Path) -> None:
        local, line = platform(folder)
        with pytest.raises(PlatformError):
            local.perform(replace(PLAN, release="r3"), GoHome(), None)
        assert not line.written

    def test_R46_the_glass_can_be_broken_without_us(self, folder: Path) -> None:
        local, _ = platform(folder, dead=True)
        said = local.break_glass(PLAN)
        subprocess.run(said, shell=True, check=True, cwd="/", stdout=subprocess.DEVNULL)

        assert said.startswith(sys.executable)
        assert Store(folder).services()["shop"][1].weights == {"green": 1000, "blue": 0}
        assert not local.break_glass(replace(PLAN, stable=None))

    def test_a_hook_is_not_the_platforms(self, folder: Path) -> None:
        with pytest.raises(PlatformError, match="hook h1"):
            platform(folder)[0].perform(PLAN, RunHook(key="h1"), None)


class TestPrepare:
    @pytest.fixture
    def spec(self, tmp_path: Path) -> Callable[[str], Spec]:
        (tmp_path / "serve.py").write_text("print(1)")

        def made(command: str) -> Spec:
            return Spec(
                service="shop",
                folder=tmp_path,
                state=tmp_path / ".crossfade",
                platform=LocalSettings(command=command, port=0, drain=timedelta(seconds=3)),
                strategy=Canary(steps=(), keep_old=timedelta(0)),
                gates=NoGates(reason="a test"),
            )

        return made

    def test_R35_a_revision_is_its_words_and_the_files_they_name(
        self, spec: Callable[[str], Spec], tmp_path: Path
    ) -> None:
        asked, local = (
            spec(f"{sys.executable} serve.py --port {{port}} 'as {{revision}}'"),
            LocalPlatform(tmp_path),
        )
        one = local.prepare(asked, "v1")

        assert one.artifact["command"] == [sys.executable, "serve.py", "--port", "{port}", "as v1"]
        assert one.artifact["drain_s"] == 3.0
        assert local.prepare(asked, "v1").identity == one.identity
        assert local.prepare(asked, "v2").identity != one.identity
        (tmp_path / "serve.py").write_text("print(2)")
        assert local.prepare(asked, "v1").identity != one.identity

    @pytest.mark.parametrize("command", ["", "'open", "no-such-program --port {port}", "./absent"])
    def test_a_command_that_cannot_run_is_refused_before_anything_moves(
        self, spec: Callable[[str], Spec], tmp_path: Path, command: str
    ) -> None:
        local = LocalPlatform(tmp_path)
        with pytest.raises(UsageError) as refused:
            local.prepare(spec(command), "v1")

        assert refused.value.id == "CF4206"
        assert "CF4206" in {found.id for found in local.preflight(spec(command))}


def test_a_fault_is_set_on_a_side_and_taken_away_again(folder: Path) -> None:
    local, line = platform(folder)
    local.set_fault("shop", Side.STABLE, Fault(delay_ms=5.0, delay_share=1.0))
    local.set_fault("shop", Side.CANDIDATE, None)

    assert set(line.written[0].fault) == {"blue", "green"}
    assert line.written[1].fault == {}


def test_what_serves_is_read_from_the_document(folder: Path) -> None:
    found = LocalPlatform(folder).serving("shop")

    assert found is not None
    assert (found.text, found.artifact["instances"]) == ("v1", 3)
    assert LocalPlatform(folder).serving("other") is None
