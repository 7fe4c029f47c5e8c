"""The fleet on virtual time, with processes that exist on paper only."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crossfade.dataplane import Group, Instance, Service
from crossfade.dataplane import fleet as room
from crossfade.dataplane.fleet import Fleet
from crossfade.dataplane.process import Process

GROUP = Group(revision="v1", command=("serve", "{port}"), folder="/", instances=2, stop_grace_s=3, drain_s=10)


class Paper:
    """A fleet without processes: what was spawned, what was signalled."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.spawned: list[list[str]] = []
        self.signals: list[tuple[int, signal.Signals]] = []
        self.fails = False

        def spawn(command: list[str], **_: object) -> Process:
            if self.fails:
                raise OSError("no such program")
            self.spawned.append(command)
            return Process(pid=len(self.spawned), started="boot:1")

        class StillProber:
            def __init__(self, *_: object) -> None: ...
            def start(self) -> None: ...
            def stop(self) -> None: ...

        ports = iter(range(9000, 9999))
        monkeypatch.setattr("crossfade.dataplane.process.spawn", spawn)
        monkeypatch.setattr("crossfade.dataplane.process.open_pidfd", lambda _: None)
        monkeypatch.setattr("crossfade.dataplane.process.reap", lambda *_: "exit 1")
        monkeypatch.setattr(
            "crossfade.dataplane.process.end", lambda p, sig: self.signals.append((p.pid, sig))
        )
        monkeypatch.setattr(room, "Prober", StillProber)
        monkeypatch.setattr(room, "free_port", lambda _: next(ports))
        self.fleet = Fleet(tmp_path, "mark", lambda *_: None)
        self.group: Group | None = GROUP

    def tick(self, now: float, in_flight: Callable[[int], int] = lambda _: 0) -> None:
        shop = Service(name="shop", groups={"blue": self.group, "green": None})
        self.fleet.reconcile({"shop": shop}, now)
        self.fleet.deregistered(self.ports(), now)
        self.fleet.leave(in_flight, now)

    def probe(self, number: int, why: str, now: float) -> None:
        self.fleet.probed(f"shop/blue-{number}", why, now)

    def die(self, number: int, now: float) -> None:
        member = self.fleet.ended(f"shop/blue-{number}", now)
        assert member is not None
        self.fleet.buried(member)

    def ports(self) -> list[int]:
        return [e.port for e in self.fleet.endpoints().get("shop", {}).get("blue", ())]

    def ids(self) -> list[str]:
        return [e.id for e in self.fleet.endpoints().get("shop", {}).get("blue", ())]

    def seen(self) -> dict[str, Instance]:
        return {i.id: i for i in self.fleet.instances("shop")}


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    made = Paper(tmp_path, monkeypatch)
    made.tick(0)
    return made


class TestEndpoints:
    def test_R08_nobody_is_listed_before_a_passed_health_check(self, paper: Paper) -> None:
        assert paper.ids() == []
        paper.probe(1, "", 1)
        assert paper.ids() == ["blue-1"]

    def test_three_misses_take_an_instance_out_and_one_pass_brings_it_back(self, paper: Paper) -> None:
        paper.probe(1, "", 1)
        paper.probe(2, "", 1)
        for _ in range(2):
            paper.probe(1, "refused", 2)
        assert paper.ids() == ["blue-1", "blue-2"]
        paper.probe(1, "refused", 3)
        assert paper.ids() == ["blue-2"]
        paper.probe(1, "", 4)
        assert paper.ids() == ["blue-1", "blue-2"]

    def test_when_all_are_unhealthy_all_are_kept_but_not_one_that_never_passed(self, paper: Paper) -> None:
        paper.probe(1, "", 1)
        for _ in range(3):
            paper.probe(1, "500", 2)
            paper.probe(2, "refused", 2)

        assert paper.ids() == ["blue-1"]


class TestRestarts:
    def test_a_failing_program_is_tried_again_after_02_s_doubling_to_5_s(self, paper: Paper) -> None:
        paper.group = replace(GROUP, instances=1)
        paper.tick(0)
        now, waits = 0.0, []
        for number in (1, 3, 4, 5, 6, 7, 8, 9):
            paper.die(number, now)
            before = len(paper.spawned)
            wait = 0.0
            while len(paper.spawned) == before:
                wait = round(wait + 0.1, 3)
                paper.tick(now + wait + 1e-6)
            waits.append(wait)
            now += wait + 1e-6

        assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]

    def test_a_program_that_cannot_be_started_is_visible(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paper = Paper(tmp_path, monkeypatch)
        paper.fails = True
        paper.tick(0)
        seen = list(paper.seen().values())

        assert [i.state for i in seen] == ["starting"] * 2
        assert {i.last_exit for i in seen} == {"cannot be started: no such program"}
        assert all(i.pid is None for i in seen)

    def test_an_id_dies_with_its_process(self, paper: Paper) -> None:
        paper.probe(1, "", 1)
        paper.die(1, 2)
        paper.tick(3)
        fresh = paper.seen()["blue-3"]

        assert "blue-1" not in paper.seen()
        assert (fresh.restarts, fresh.last_exit) == (1, "exit 1")

    def test_a_start_that_takes_too_long_is_ended_and_tried_again(self, paper: Paper) -> None:
        paper.probe(1, "", 1)
        paper.probe(2, "/ answers 503", 1)
        paper.tick(GROUP.ready_timeout_s + 1)
        assert paper.signals == [(2, signal.SIGTERM)]
        paper.die(2, 62)
        paper.tick(63)

        assert "not healthy within 60 s: / answers 503" in paper.seen()["blue-3"].last_exit


class TestLeaving:
    def test_R09_sigterm_waits_for_deregistration_and_for_the_last_request(self, paper: Paper) -> None:
        paper.probe(1, "", 1)
        paper.probe(2, "", 1)
        assert paper.ids() == ["blue-1", "blue-2"]
        paper.group = None
        busy = {9000: 1, 9001: 0}
        # Envoy has not confirmed: nothing is deregistered, nobody is told.
        paper.fleet.reconcile({"shop": Service(name="shop")}, 2)
        paper.fleet.leave(lambda port: busy[port], 5)
        assert paper.signals == []
        paper.tick(6, lambda port: busy[port])
        assert paper.signals == []
        paper.tick(6.2, lambda port: busy[port])
        assert paper.signals == [(2, signal.SIGTERM)]
        busy[9000] = 0
        paper.tick(7, lambda port: busy[port])

        assert paper.signals == [(2, signal.SIGTERM), (1, signal.SIGTERM)]

    def test_the_drain_and_the_grace_have_their_ends(self, paper: Paper) -> None:
        paper.probe(1, "", 1)
        assert paper.ids() == ["blue-1"]
        paper.group = replace(GROUP, instances=0)
        paper.tick(2, lambda _: 1)
        assert paper.signals == [(2, signal.SIGTERM)], "never listed: nothing to drain"
        paper.tick(11.9, lambda _: 1)
        paper.tick(12.1, lambda _: 1)
        paper.tick(15.2, lambda _: 1)

        assert paper.signals[1:] == [
            (2, signal.SIGKILL),
            (1, signal.SIGTERM),
            (1, signal.SIGKILL),
        ]

    def test_scaling_down_takes_the_unready_first_and_then_the_youngest(self, paper: Paper) -> None:
        paper.group = replace(GROUP, instances=4)
        paper.tick(1)
        for number in (1, 3, 4):
            paper.probe(number, "", 2)
        paper.group = replace(GROUP, instances=2)
        paper.tick(3)

        assert paper.ids() == ["blue-1", "blue-3"]

    def test_another_revision_replaces_the_whole_crew(self, paper: Paper) -> None:
        paper.probe(1, "", 1)
        assert paper.ids() == ["blue-1"]
        paper.group = replace(GROUP, revision="v2")
        paper.tick(2)
        states = {i.id: (i.revision, i.state) for i in paper.seen().values()}

        assert states["blue-1"] == ("v1", "draining")
        assert states["blue-3"] == states["blue-4"] == ("v2", "starting")


class TestWhatLasts:
    def leaving(self, paper: Paper) -> None:
        for number in (1, 2):
            paper.probe(number, "", 1)
        paper.tick(1)
        paper.group = None
        paper.tick(2, lambda _: 3)

    def test_R09_what_is_still_open_at_the_end_of_the_drain_is_counted_once(self, paper: Paper) -> None:
        self.leaving(paper)
        paper.tick(11.9, lambda _: 3)
        before = paper.fleet.cut("shop")
        for now in (12.1, 12.2, 13.0):
            paper.tick(now, lambda _: 3)

        assert before == {"blue": 0, "green": 0}
        assert paper.fleet.cut("shop") == {"blue": 6, "green": 0}
        assert [sig for _, sig in paper.signals] == [signal.SIGTERM] * 2

    def test_R09_what_ends_by_itself_is_not_counted(self, paper: Paper) -> None:
        self.leaving(paper)
        paper.tick(5)

        assert paper.fleet.cut("shop") == {"blue": 0, "green": 0}
        assert len(paper.signals) == 2

    def test_R33_the_next_supervisor_goes_on_counting(self, paper: Paper, tmp_path: Path) -> None:
        self.leaving(paper)
        paper.tick(13, lambda _: 1)
        after = Fleet(tmp_path, "mark", lambda *_: None)
        after.adopt({**paper.fleet.record(), "members": []})

        assert after.cut("shop") == {"blue": 2, "green": 0}


def test_R38_an_instance_s_sessions_carry_the_name_of_its_version(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, str]] = []
    monkeypatch.setenv("PGAPPNAME", "a shell")

    def spawn(*_: object, env: dict[str, str], **__: object) -> Process:
        told.append(env)
        return Process(pid=90 + len(told), started="boot:1")

    monkeypatch.setattr("crossfade.dataplane.process.spawn", spawn)
    paper.group = replace(GROUP, revision="v7", instances=1)
    paper.tick(1)
    paper.group = replace(GROUP, revision="v8", instances=1, env={"PGAPPNAME": "of its own"})
    paper.tick(2)
    assert [one["PGAPPNAME"] for one in told] == ["shop/v7", "of its own"]
