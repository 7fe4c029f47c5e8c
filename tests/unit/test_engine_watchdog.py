"""The dead man's switch: who is gone, who takes a release back, and how that ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from engine_world import Life, folder
from s3_world import S3Life

from crossfade.cli.watchdog import Watch
from crossfade.engine import Controller, processes
from crossfade.engine.records import Driver, Entry
from crossfade.engine.watchdog import ACTOR, GONE, LEAST, Alone, left_alone, take
from crossfade.errors import PlatformError
from crossfade.release.plan import SETTLE, Kind, Plan
from crossfade.release.roads import compile_roads
from crossfade.release.shape import shape_of
from crossfade.release.state import Outcome
from crossfade.release.values import (
    ALL,
    NOTHING,
    Cause,
    Command,
    Effect,
    EnsureFleet,
    EventType,
    HookResult,
    HookSay,
    Say,
    Side,
    Verb,
)
from crossfade.spec import BlueGreen, Deadlines
from crossfade.testing import small_plan

SECOND = timedelta(seconds=1)


@pytest.fixture(params=[Life, S3Life])
def life(request: pytest.FixtureRequest) -> Iterator[Life]:
    """At 10 %, driven until now: heartbeats are real time, so the clock begins there."""
    with folder() as where:
        made: Life = request.param(where)
        made.clock.jump(datetime.now(UTC))
        made.look()
        for _ in range(100):
            state = made.store.row("R1").state
            if state.step(made.plan).name == "10 %" and state.reached is not None:
                break
            made.look()
        yield made
        made.store.close()


def alone(life: Life, gone: timedelta = GONE) -> Alone | None:
    return left_alone(life.store, life.store.row("R1"), life.clock, gone)


def silent_for(life: Life, span: timedelta) -> None:
    """The controller died so long ago, without a goodbye."""
    life.store.forget(life.controller.owner)
    beats(life, -0.0, host="gone.example", owner="dead")
    life.clock.advance(span)


def beats(life: Life, ago: float, *, host: str, owner: str) -> None:
    heard = datetime.now(UTC) - timedelta(seconds=ago)
    life.store.heartbeat(
        Driver(id=owner, pid=7, host=host, service="shop", heartbeat=heard, birth="elsewhere/1")
    )


def entries(life: Life) -> tuple[Entry, ...]:
    return life.store.entries(release="R1")


def drive(life: Life) -> None:
    """A controller of the watchdog's."""
    life.controller = Controller(life.store, life.wiring, life.clock, f"{ACTOR}:x", service="shop")
    life.to_the_end()


class TestAlone:
    def test_who_was_heard_of_a_moment_ago_is_not_gone(self, life: Life) -> None:
        assert alone(life) is None

    def test_a_release_is_alone_once_its_controller_was_silent_for_so_long(
        self, life: Life, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        silent_for(life, GONE - 5 * SECOND)
        monkeypatch.setattr("crossfade.engine.sides.PRESENT", timedelta(0))
        monkeypatch.setattr("crossfade.engine.s3.sides.PRESENT", timedelta(0))
        before = alone(life)
        life.clock.advance(10)
        found = alone(life)

        assert before is None
        assert found is not None
        assert found.last == "process 7 on gone.example"
        assert GONE < found.silent < GONE + 10 * SECOND

    def test_a_controller_that_lives_is_never_touched_however_long_nothing_happens(self, life: Life) -> None:
        life.store.send("R1", Command(id="c", verb=Verb.PAUSE, actor="ada", reason="lunch"), life.clock.now())
        life.look()
        life.clock.advance(3600)
        pid = os.getpid()
        mine = Driver(
            id="alive",
            pid=pid,
            host=processes.host(),
            service="shop",
            heartbeat=datetime.now(UTC),
            birth=processes.birth(pid),
        )
        life.store.heartbeat(mine)

        assert life.store.row("R1").state.paused is not None
        assert alone(life) is None

    def test_one_on_another_machine_lives_by_its_heartbeat(self, life: Life) -> None:
        life.store.forget(life.controller.owner)
        life.clock.advance(3600)
        beats(life, 2, host="other.example", owner="other")
        lives = alone(life)
        life.store.forget("other")

        assert lives is None
        assert alone(life) is not None

    def test_whoever_holds_the_lease_is_left_to_it(self, life: Life) -> None:
        silent_for(life, timedelta(hours=1))
        life.store.forget("dead")
        life.store.claim("R1", life.clock.now(), "quiet one", 10 * SECOND)
        held = alone(life)
        life.clock.advance(10 * SECOND + life.store.margin)

        assert held is None
        assert alone(life) is not None

    def test_less_silence_than_a_tick_may_take_is_none_whatever_is_asked(self, life: Life) -> None:
        silent_for(life, LEAST - 5 * SECOND)
        life.store.forget("dead")

        assert alone(life, timedelta(0)) is None
        life.clock.advance(10)
        assert alone(life, timedelta(0)) is not None

    def test_what_has_ended_is_nobody_s(self, life: Life) -> None:
        life.to_the_end()
        life.store.forget(life.controller.owner)
        life.clock.advance(3600)

        assert alone(life) is None


@pytest.fixture
def left(life: Life) -> Alone:
    silent_for(life, timedelta(minutes=5))
    life.store.forget("dead")
    found = alone(life)
    assert found is not None
    return found


def first_release() -> Plan:
    """Of a service that has no older version, with a hook behind its promotion."""
    made = small_plan()
    before = tuple(key for key in made.hooks if ":before:" in key)
    bake = timedelta(seconds=1)
    shape = shape_of(BlueGreen(bake=bake, max_bake=bake, keep_old=bake), instances=4)
    on, back = compile_roads(
        shape,
        gates=made.gates,
        deadlines=Deadlines(),
        before=before,
        after=("R1:after:0",),
        first=True,
    )
    return replace(made, stable=None, on=on, back=back)


def abandoned_in_keeping(life: Life, *, paused: bool = False) -> Alone:
    """Promoted, the old version kept, and nobody looks any more."""
    while life.store.row("R1").state.step(life.plan).kind is not Kind.KEEPING:
        life.look()
    if paused:
        life.store.send("R1", Command(id="c", verb=Verb.PAUSE, actor="ada", reason="lunch"), life.clock.now())
        life.look()
    life.store.forget(life.controller.owner)
    life.clock.advance(3600)
    found = alone(life)
    assert found is not None
    return found


class TestTaken:
    def test_of_two_who_see_the_same_silence_one_takes_it(self, life: Life, left: Alone) -> None:
        other = alone(life)
        assert other is not None

        assert take(life.store, left, life.clock)
        assert not take(life.store, other, life.clock)
        assert alone(life) is None

    def test_one_that_took_it_and_fell_silent_is_followed_by_the_next(self, life: Life, left: Alone) -> None:
        take(life.store, left, life.clock)
        life.clock.advance(GONE + SECOND)
        again = alone(life)

        assert again is not None
        assert "fell silent too" in again.last
        assert take(life.store, again, life.clock)
        assert not take(life.store, again, life.clock)

    def test_traffic_goes_home_and_the_journal_says_who_and_why(self, life: Life, left: Alone) -> None:
        assert life.world.weight == 100
        take(life.store, left, life.clock)
        drive(life)
        turned = next(
            entry.event for entry in entries(life) if entry.event.type is EventType.ROLLBACK_STARTED
        )
        row = life.store.row("R1")

        assert (row.outcome, row.state.cause) == (Outcome.ROLLED_BACK, Cause.PERSON)
        assert life.world.weight == NOTHING
        assert turned.actor == ACTOR
        assert "no controller for" in (turned.reason or "")
        assert life.store.verify() == ()

    def test_what_was_paused_and_left_goes_home_too(self, life: Life) -> None:
        life.store.send("R1", Command(id="c", verb=Verb.PAUSE, actor="ada", reason="lunch"), life.clock.now())
        life.look()
        life.store.forget(life.controller.owner)
        life.clock.advance(3600)
        found = alone(life)
        assert found is not None
        take(life.store, found, life.clock)
        drive(life)

        assert life.store.row("R1").outcome is Outcome.ROLLED_BACK

    def test_what_was_promoted_is_watched_on_and_succeeds(self, life: Life) -> None:
        found = abandoned_in_keeping(life)
        take(life.store, found, life.clock)
        before = life.clock.now()
        drive(life)
        [heard] = [entry.event for entry in entries(life) if entry.event.key == found.command]

        assert life.store.row("R1").outcome is Outcome.SUCCEEDED
        assert life.world.weight == ALL
        assert (heard.verb, heard.actor, heard.message) == ("resume", ACTOR, None)
        assert life.clock.now() - before > SETTLE - 2 * SECOND, "R33: silence keeps nothing"

    @pytest.mark.parametrize(("says", "cause"), [(Say.FAIL, Cause.GATE), (Say.NO_DATA, Cause.NO_DATA)])
    def test_R25_what_was_promoted_turns_back_where_its_gates_fail_or_are_blind(
        self, life: Life, says: Say, cause: Cause
    ) -> None:
        found = abandoned_in_keeping(life)
        take(life.store, found, life.clock)
        verdicts = life.world.verdicts
        life.world.verdicts = lambda *asked: [  # type: ignore[method-assign]  # a source that turned
            replace(one, say=says) for one in verdicts(*asked)
        ]
        drive(life)
        row = life.store.row("R1")

        assert (row.outcome, row.state.cause) == (Outcome.ROLLED_BACK, cause)
        assert life.world.weight == NOTHING

    def test_R16_what_was_promoted_and_paused_is_not_unpaused_but_goes_home(self, life: Life) -> None:
        found = abandoned_in_keeping(life, paused=True)
        take(life.store, found, life.clock)
        drive(life)

        assert life.store.row("R1").outcome is Outcome.ROLLED_BACK

    def test_one_that_stops_the_old_version_is_driven_on_and_its_refusal_is_kept(self, life: Life) -> None:
        perform = life.world.perform

        def stuck_stop(plan: Plan, effect: Effect, fence: object) -> None:
            if isinstance(effect, EnsureFleet) and effect.side is Side.STABLE:
                raise PlatformError("CF4205", "it does not stop")
            perform(plan, effect, fence)

        life.world.perform = stuck_stop  # type: ignore[method-assign]  # a platform that hangs
        while not life.store.row("R1").state.step(life.plan).point_of_no_return:
            life.look()
        life.world.perform = perform  # type: ignore[method-assign]
        life.store.forget(life.controller.owner)
        life.clock.advance(600)
        found = alone(life)
        assert found is not None
        take(life.store, found, life.clock)
        drive(life)
        answer = life.store.command_result(found.command)

        assert life.store.row("R1").outcome is Outcome.SUCCEEDED
        assert life.world.weight == ALL
        assert answer is not None
        assert "too late to turn back" in answer.why


def test_R15_what_only_a_person_ends_is_paged_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with folder() as where:
        plan = first_release()
        life = Life(where, plan=plan)
        life.world.sizes = dict.fromkeys(Side, NOTHING)

        def started(plan: Plan, key: str) -> None:
            del plan
            life.world.done[key] = HookResult(say=HookSay.FAILED if ":after:" in key else HookSay.PASSED)

        life.world.start = started  # type: ignore[method-assign]  # hooks that fail late
        for _ in range(100):
            life.look()
        assert life.store.row("R1").state.only_closed(plan)
        silent_for(life, timedelta(minutes=5))
        life.store.forget("dead")
        monkeypatch.setattr(Watch, "_follow", lambda *_: pytest.fail("it was taken"))
        house = SimpleNamespace(begun=True, store=life.store, clock=life.clock)
        code = Watch(house, GONE).once(timedelta(0))  # type: ignore[arg-type]  # what of a house is asked
        life.store.close()

    assert code == 6
    assert "STUCK: nothing turns back there" in capsys.readouterr().out


def test_a_pid_of_another_place_is_not_looked_for_here() -> None:
    mine = processes.birth(os.getpid())

    assert processes.near(mine, "whatever it is called")
    assert not processes.near("another-boot.1/123", processes.host())
    assert processes.near("", processes.host())
    assert not processes.near("", "other.example")
    assert not processes.alive(os.getpid(), "another-boot.1/" + mine.rpartition("/")[2])


def test_a_machine_that_does_not_say_where_it_is_has_processes_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(processes, "BOOT", tmp_path / "none")
    processes.place.cache_clear()
    try:
        assert processes.alive(os.getpid(), processes.birth(os.getpid()))
    finally:
        monkeypatch.undo()
        processes.place.cache_clear()
