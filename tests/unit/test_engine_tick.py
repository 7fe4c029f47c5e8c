"""One leased tick: the order of things, who may write, and what happens when the journal is away."""

from __future__ import annotations

import itertools
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from engine_world import Life, folder

from crossfade.engine import Controller, Ports, StoreAwayError
from crossfade.engine.emergency import NAME
from crossfade.engine.records import Claim
from crossfade.errors import PlatformError
from crossfade.release.plan import Plan
from crossfade.release.state import Outcome, Road
from crossfade.release.values import (
    ALL,
    NOTHING,
    Cause,
    Command,
    Effect,
    EnsureWeight,
    EventType,
    GoHome,
    Share,
    Side,
    Verb,
)
from crossfade.testing import opening, small_plan


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    with folder() as where:
        monkeypatch.setattr("crossfade.engine.emergency.temporary", lambda: where)
        made = Life(where)
        yield made
        made.store.close()


def types(life: Life) -> list[EventType]:
    return [entry.event.type for entry in life.store.entries(release="R1", limit=9999)]


def at(life: Life, step: str) -> Life:
    for _ in range(500):
        state = life.store.row("R1").state
        if state.step(life.plan).name == step and state.reached is not None:
            return life
        life.look()
    raise AssertionError(f"never at {step}")


def asks(verb: Verb, number: str = "c1") -> Command:
    return Command(id=number, verb=verb, actor="ada", reason="because")


class TestTick:
    def test_a_good_release_succeeds_and_a_bad_one_goes_home(self, life: Life) -> None:
        life.to_the_end()

        assert life.store.row("R1").outcome is Outcome.SUCCEEDED
        assert life.world.weight == ALL
        assert life.store.verify() == ()
        with folder() as where:
            bad = Life(where, bad_at=500).to_the_end()
            state = bad.store.row("R1").state

            assert (state.outcome, state.cause) == (Outcome.ROLLED_BACK, Cause.GATE)
            assert bad.world.weight == NOTHING
            bad.store.close()

    def test_R34_the_journal_is_written_before_each_effect(self, life: Life) -> None:
        perform = life.world.perform

        def watched(plan: object, effect: Effect, fence: object) -> None:
            if isinstance(effect, EnsureWeight):
                asked = [entry.event for entry in life.store.entries(release="R1")]
                assert any(
                    event.type is EventType.WEIGHT_REQUESTED and event.weight == effect.weight
                    for event in asked
                    if effect.weight < ALL
                ) or (effect.weight == ALL and EventType.PROMOTE_REQUESTED in [e.type for e in asked])
            perform(life.plan, effect, fence)

        life.world.perform = watched  # type: ignore[method-assign]  # watched from outside
        life.to_the_end()

        assert any(isinstance(effect, EnsureWeight) for effect in life.world.writes)

    def test_a_command_is_heard_once_and_turns_the_release_back(self, life: Life) -> None:
        at(life, "10 %")
        life.store.send("R1", asks(Verb.ABORT), life.clock.now())
        life.store.send("R1", asks(Verb.CLOSE, "c2"), life.clock.now())
        life.to_the_end()
        accepted, declined = life.store.command_result("c1"), life.store.command_result("c2")

        assert accepted is not None
        assert accepted.accepted
        assert declined is not None
        assert "only a stuck release" in declined.why
        assert types(life).count(EventType.COMMAND_RECEIVED) == 2
        assert life.store.row("R1").state.cause is Cause.PERSON

    def test_a_write_that_failed_is_noted_and_tried_again(self, life: Life) -> None:
        fails = [2]
        perform = life.world.perform

        def flaky(plan: object, effect: Effect, fence: object) -> None:
            if isinstance(effect, EnsureWeight) and fails[0]:
                fails[0] -= 1
                raise PlatformError("CF6001", "the proxy did not take it")
            perform(life.plan, effect, fence)

        life.world.perform = flaky  # type: ignore[method-assign]  # a platform that fails twice
        noted = []
        while fails[0]:
            life.look()
            noted.append(life.note().get("failed"))
        life.to_the_end()

        assert ["EnsureWeight: the proxy did not take it"] in noted
        assert life.store.row("R1").outcome is Outcome.SUCCEEDED

    def test_R33_a_late_look_is_a_gap_and_an_ordinary_one_is_not(self) -> None:
        with folder() as where:
            life = at(Life(where, plan=small_plan(bake=60)), "10 %")
            before = life.store.row("R1").state.reached
            due = life.store.row("R1").wake_at
            life.clock.jump(due)
            life.clock.advance(11)
            life.look()
            ordinary = types(life)
            life.clock.advance(3600)
            due = life.store.row("R1").wake_at
            life.look()
            lost = [
                entry.event.seconds
                for entry in life.store.entries(release="R1")
                if entry.event.type is EventType.CONTROLLER_LOST
            ]
            after = life.store.row("R1").state.reached
            life.store.close()

        assert EventType.CONTROLLER_LOST not in ordinary
        assert lost == [(life.clock.now() - due).total_seconds()]
        assert before is not None
        assert after is not None
        assert (after - before).total_seconds() == lost[0]

    def test_a_tick_that_breaks_stops_no_other_release(self, life: Life) -> None:
        other = small_plan("R2", "till")
        life.store.open_release(other, opening(other), life.clock.now())

        def wiring(plan: Plan) -> Ports:
            if plan.release == "R1":
                raise ZeroDivisionError
            return life.wiring(plan)

        life.controller = Controller(life.store, wiring, life.clock, "picky")
        life.controller.round()

        assert life.store.row("R1").rev == 0
        assert life.store.row("R2").rev > 0


class TestR23:
    def test_R23_a_controller_frozen_in_its_look_writes_nothing(self, life: Life) -> None:
        at(life, "10 %")
        second = life.born()
        observe, frozen = life.world.observe, [True]

        def freezing(plan: object) -> object:
            look = observe(life.plan)
            if frozen[0]:
                # SIGSTOP longer than the lease; a person aborts and another controller brings traffic home.
                frozen[0] = False
                life.clock.advance(10)
                life.store.send("R1", asks(Verb.ABORT), life.clock.now())
                for _ in range(5):
                    second.round()
                    life.clock.advance(1)
                life.world.writes.clear()
            return look

        life.world.observe = freezing  # type: ignore[assignment]  # a look in which time passes
        life.clock.jump(life.store.row("R1").wake_at)
        seen = len(types(life))
        life.controller.round()

        assert life.world.weight == NOTHING
        assert not [effect for effect in life.world.writes if isinstance(effect, EnsureWeight)]
        assert len(types(life)) >= seen
        assert life.store.verify() == ()

    def test_R23_a_controller_frozen_before_its_write_does_not_write(self, life: Life) -> None:
        second, save, frozen = life.born(), life.store.save, [True]

        def freezing(*given: object, **named: object) -> object:
            saved = save(*given, **named)  # type: ignore[arg-type]  # passed on as it came
            requested = any(event.type is EventType.WEIGHT_REQUESTED for event in given[2])  # type: ignore[attr-defined]  # the events
            if requested and frozen[0]:
                frozen[0] = False
                life.clock.advance(10)
                life.store.send("R1", asks(Verb.ABORT), life.clock.now())
                for _ in range(5):
                    second.round()
                    life.clock.advance(1)
                life.world.writes.clear()
            return saved

        life.store.save = freezing  # type: ignore[method-assign,assignment]  # SIGSTOP between journal and effect
        while frozen[0]:
            life.look()
        life.store.save = save  # type: ignore[method-assign]  # thawed
        raised = [effect for effect in life.world.writes if isinstance(effect, EnsureWeight)]

        assert raised == []
        assert life.to_the_end().store.row("R1").outcome is Outcome.ROLLED_BACK
        assert life.world.weight == NOTHING


class TestR34:
    """The journal cannot be written."""

    @staticmethod
    @contextmanager
    def away(life: Life, how: str) -> Iterator[None]:
        """A journal that refuses, or a disk that takes no more than the first block of a file."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        if how == "full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        else:
            life.store._db.link.execute("pragma query_only = 1")
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            life.store._db.link.execute("pragma query_only = 0")

    @pytest.mark.parametrize("how", ["read-only", "full"])
    def test_R34_traffic_goes_home_and_the_release_turns_back_when_the_store_returns(
        self, life: Life, how: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        at(life, "50 %")
        with self.away(life, how):
            for _ in range(60):
                life.clock.advance(1)
                life.controller.round()
            other = small_plan("R2", "till")
            with pytest.raises(StoreAwayError):
                life.store.open_release(other, opening(other), life.clock.now())
        said, log = capsys.readouterr().err, (life.store.folder / NAME).read_text()

        assert life.world.weight == NOTHING
        assert life.world.writes[-1] == GoHome()
        assert life.world.sizes == {Side.STABLE: ALL, Side.CANDIDATE: Share(500)}
        assert "EMERGENCY release R1" in said
        assert life.plan.break_glass in said
        assert log.count("\n") == 1
        assert life.controller.blind_for() > 0
        life.controller = life.born()
        life.to_the_end()
        heard = [
            entry.event
            for entry in life.store.entries(release="R1")
            if entry.event.type in (EventType.COMMAND_RECEIVED, EventType.ROLLBACK_STARTED)
        ]

        assert [event.actor for event in heard] == ["crossfade (emergency)"] * 2
        assert all("the journal could not be written" in (event.reason or "") for event in heard)
        assert life.store.row("R1").outcome is Outcome.ROLLED_BACK
        assert not (life.store.folder / NAME).exists()
        assert life.store.verify() == ()

    def test_R34_before_the_first_weight_nothing_is_done_blind(self, life: Life) -> None:
        start = life.world.start
        life.world.start = lambda *_: None  # type: ignore[method-assign]  # a hook that takes its time
        at(life, "verifying")
        life.store._db.link.execute("pragma query_only = 1")
        before = list(life.world.writes)
        for _ in range(20):
            life.clock.advance(1)
            life.controller.round()

        assert life.world.writes == before
        life.world.start = start  # type: ignore[method-assign]  # and ends
        life.store._db.link.execute("pragma query_only = 0")
        assert life.to_the_end().store.row("R1").outcome is Outcome.SUCCEEDED

    def test_R34_past_the_point_of_no_return_nothing_is_done_blind(self, life: Life) -> None:
        while life.store.row("R1").state.step(life.plan).name != "retiring":
            life.look()
        life.store._db.link.execute("pragma query_only = 1")
        for _ in range(20):
            life.clock.advance(1)
            life.controller.round()

        assert life.world.weight == ALL

    def test_R34_a_held_file_is_waited_for_before_anything_is_done_blind(
        self, life: Life, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at(life, "50 %")

        def held(*_: object, **__: object) -> None:
            raise StoreAwayError("CF5004", "held", busy=True)

        monkeypatch.setattr(life.store, "claim_due", held)
        for _ in range(5):
            life.clock.advance(1)
            life.controller.round()

        assert life.world.weight == 500
        assert life.store.row("R1").state.road is Road.ON

    def test_R34_where_the_folder_is_full_too_the_log_lies_with_the_temporary_files(
        self, life: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("crossfade.engine.emergency.temporary", lambda: tmp_path)
        at(life, "50 %")
        life.store._db.link.execute("pragma query_only = 1")
        # Root may write anywhere, so a folder in its place stands for a file that cannot be opened.
        (life.store.folder / NAME).mkdir()
        for _ in range(3):
            life.clock.advance(1)
            life.controller.round()
        (life.store.folder / NAME).rmdir()
        (log,) = tmp_path.iterdir()
        mode = log.stat().st_mode & 0o777
        life.store._db.link.execute("pragma query_only = 0")
        life.to_the_end()

        assert mode == 0o600
        assert not log.exists()
        assert life.store.row("R1").outcome is Outcome.ROLLED_BACK


def test_a_controller_whose_slow_ticks_are_always_due_is_heard_of_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed, beats = [0.0], list[float]()

    def slow(*given: Any, **named: Any) -> Claim:
        saved = save(*given, **named)
        passed[0] += 3.0
        life.clock.advance(3.0)
        return saved

    with folder() as where:
        life = at(Life(where, plan=small_plan(bake=600)), "10 %")
        save = life.store.save
        monkeypatch.setattr(life.store, "save", slow)
        monkeypatch.setattr(life.store, "heartbeat", lambda _driver: beats.append(passed[0]))
        monkeypatch.setattr(time, "monotonic", lambda: passed[0])
        life.controller = life.born()
        while passed[0] < 60:
            life.look()
        life.store.close()

    assert len(beats) > 5
    assert all(later - sooner <= 6.0 for sooner, later in itertools.pairwise([*beats, passed[0]]))


def test_a_tick_costs_little(life: Life) -> None:
    began = time.perf_counter()
    life.to_the_end()
    each = (time.perf_counter() - began) / life.looks * 1000
    print(f"\none round with its ticks, without a disk: {each:.2f} ms")

    assert each < 20
