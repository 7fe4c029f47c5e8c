"""What every store owes the engine: asked of SQLite, of S3 (moto behind HTTP), and of the fake bucket."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from stores import KINDS, Kind, kind_of

from crossfade.engine import Consumed, Interval, LostLeaseError, StoreError, processes
from crossfade.engine.ports import Store
from crossfade.engine.records import Driver
from crossfade.errors import HeldError, UsageError
from crossfade.release.state import Outcome, fold
from crossfade.release.values import Command, Event, EventType, Verb
from crossfade.testing import NOON, opening, small_plan

LEASE = timedelta(seconds=10)
SECOND = timedelta(seconds=1)
PLAN = small_plan()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    return kind_of(request.param, tmp_path / "state")


@pytest.fixture
def store(kind: Kind) -> Iterator[Store]:
    made = kind.open()
    made.open_release(PLAN, opening(PLAN), NOON)
    yield made
    made.close()


def asks(number: str = "c1", verb: Verb = Verb.ABORT) -> Command:
    return Command(id=number, verb=verb, actor="ada", reason="because")


def ends(store: Store, release: str = "R1") -> None:
    claim = store.claim(release, NOON, "me", LEASE)
    assert claim is not None
    end = Event(type=EventType.RELEASE_SUCCEEDED, ts=NOON)
    store.save(claim, fold(claim.plan, claim.state, (end,)), (end,), (), None, now=NOON)


class TestReleases:
    def test_what_was_opened_is_read_back_as_it_was(self, store: Store) -> None:
        row = store.row("R1")

        assert row.plan == PLAN
        assert (row.service, row.rev, row.outcome, row.wake_at) == ("shop", 0, None, NOON)
        assert [entry.event for entry in store.entries()] == list(opening(PLAN))
        assert store.active("shop") == row

    def test_R22_a_second_release_of_the_service_is_told_who_holds_it(self, store: Store) -> None:
        second = small_plan("R2")

        with pytest.raises(HeldError, match="release R1 holds shop") as refused:
            store.open_release(second, opening(second), NOON)

        assert refused.value.exit_code == 8
        assert len(store.entries()) == 2

    def test_R22_another_service_and_the_next_release_are_welcome(self, store: Store) -> None:
        other, second = small_plan("R2", "till"), small_plan("R3")
        store.open_release(other, opening(other), NOON)
        ends(store)
        store.open_release(second, opening(second), NOON)

        assert store.row("R1").outcome is Outcome.SUCCEEDED
        assert [row.id for row in store.releases("shop")] == ["R3", "R1"]

    def test_a_release_is_found_by_its_beginning_and_an_unknown_one_is_named(self, store: Store) -> None:
        assert store.row("R").id == "R1"
        with pytest.raises(UsageError, match="no release X"):
            store.row("X")

    def test_a_refused_release_leaves_an_entry_and_no_row(self, store: Store) -> None:
        refused = small_plan("R2")
        store.record_refused(refused, Event(type=EventType.RELEASE_REFUSED, ts=NOON, actor="ada"))

        assert store.entries(release="R2")[0].event.type is EventType.RELEASE_REFUSED
        assert [row.id for row in store.releases()] == ["R1"]
        assert store.verify() == ()

    def test_everything_survives_a_reopening(self, kind: Kind, store: Store) -> None:
        store.add_intervals("R1", "live", [Interval(start=NOON, end=NOON + SECOND, payload={"n": 7})])
        before = (store.row("R1"), store.entries(), store.head())
        store.close()
        again = kind.open()

        assert (again.row("R1"), again.entries(), again.head()) == before
        assert again.intervals("R1")[0].payload == {"n": 7}
        again.close()


class TestClaims:
    def test_only_what_is_due_is_claimed_and_only_once(self, store: Store) -> None:
        assert store.claim_due(NOON - SECOND, "a", LEASE) is None

        claim = store.claim_due(NOON, "a", LEASE)

        assert claim is not None
        assert (claim.release, claim.due, claim.until) == ("R1", NOON, NOON + LEASE)
        assert store.claim_due(NOON, "b", LEASE) is None
        assert store.next_wake() == NOON + LEASE + store.margin

    def test_a_lease_that_ran_out_is_taken_over(self, store: Store) -> None:
        store.claim_due(NOON, "a", LEASE)

        taken = store.claim_due(NOON + LEASE + store.margin, "b", LEASE)

        assert taken is not None
        assert taken.owner == "b"

    def test_R23_a_lost_lease_writes_nothing(self, store: Store) -> None:
        old = store.claim_due(NOON, "a", LEASE)
        new = store.claim_due(NOON + LEASE + store.margin, "b", LEASE)
        assert old is not None
        assert new is not None
        said = Event(type=EventType.RELEASE_STUCK, ts=NOON)

        with pytest.raises(LostLeaseError):
            store.save(old, old.state, (said,), (), NOON, now=NOON + LEASE)
        with pytest.raises(LostLeaseError):
            store.check(old, NOON + LEASE)
        with pytest.raises(LostLeaseError):
            store.extend(old, NOON + LEASE, LEASE)
        store.release_claim(old)

        assert len(store.entries()) == 2
        store.check(new, NOON + LEASE + store.margin)

    def test_R23_a_lease_that_ran_out_writes_nothing_even_where_nobody_took_it(self, store: Store) -> None:
        claim = store.claim_due(NOON, "a", LEASE)
        assert claim is not None

        with pytest.raises(LostLeaseError):
            store.save(claim, claim.state, (), (), NOON, now=NOON + LEASE)

    def test_R23_a_save_makes_the_claim_before_it_worthless(self, store: Store) -> None:
        first = store.claim_due(NOON, "a", LEASE)
        assert first is not None
        second = store.save(first, first.state, (), (), NOON + SECOND, now=NOON)

        with pytest.raises(LostLeaseError):
            store.check(first, NOON)
        store.check(second, NOON)

    def test_an_extended_lease_lasts_longer(self, store: Store) -> None:
        claim = store.claim_due(NOON, "a", LEASE)
        assert claim is not None
        store.extend(claim, NOON + 9 * SECOND, LEASE)

        store.check(claim, NOON + 15 * SECOND)

    def test_a_row_of_a_newer_program_is_not_claimed(self, kind: Kind, store: Store) -> None:
        kind.raise_schema("state")

        assert store.claim_due(NOON, "a", LEASE) is None
        assert store.next_wake() is None

    def test_a_plan_of_a_newer_program_is_refused_with_words(self, kind: Kind, store: Store) -> None:
        kind.raise_schema("plan")
        again = kind.open()

        with pytest.raises(StoreError, match="schema 99"):
            again.row("R1")
        again.close()


class TestCommands:
    def test_a_command_is_kept_once_and_wakes_the_release(self, store: Store) -> None:
        claim = store.claim_due(NOON, "a", LEASE)
        assert claim is not None
        store.save(claim, claim.state, (), (), NOON + 60 * SECOND, now=NOON, done=True)
        store.send("R1", asks(), NOON + SECOND)
        store.send("R1", asks(), NOON + 2 * SECOND)

        assert store.inbox("R1") == (asks(),)
        assert store.row("R1").wake_at == NOON + SECOND
        assert store.claim_due(NOON + SECOND, "a", LEASE) is not None

    def test_a_command_never_hides_how_long_nobody_looked(self, store: Store) -> None:
        store.send("R1", asks(), NOON + 600 * SECOND)

        assert store.row("R1").wake_at == NOON

    def test_a_command_that_lands_during_a_tick_wakes_the_next_one(self, store: Store) -> None:
        claim = store.claim_due(NOON, "a", LEASE)
        assert claim is not None
        store.send("R1", asks(), NOON)
        store.save(claim, claim.state, (), (), NOON + 60 * SECOND, now=NOON, done=True)

        assert store.row("R1").wake_at == NOON

    def test_what_became_of_a_command_is_told(self, store: Store) -> None:
        assert store.command_result("c1") is None
        store.send("R1", asks(), NOON)
        store.send("R1", asks("c2", Verb.CLOSE), NOON)
        waiting = store.command_result("c1")
        claim = store.claim_due(NOON, "a", LEASE)
        assert claim is not None
        heard = (Consumed(id="c1"), Consumed(id="c2", why="not stuck", fix="abort"))
        store.save(claim, claim.state, (), heard, NOON, now=NOON + SECOND)
        first, second = store.command_result("c1"), store.command_result("c2")

        assert waiting is not None
        assert waiting.heard_at is None
        assert not waiting.accepted
        assert first is not None
        assert (first.accepted, first.heard_at) == (True, NOON + SECOND)
        assert second is not None
        assert (second.accepted, second.why, second.fix) == (False, "not stuck", "abort")
        assert store.inbox("R1") == ()

    def test_R44_a_command_to_an_ended_release_is_declined_and_stays_in_the_journal(
        self, store: Store
    ) -> None:
        ends(store)
        store.send("R1", asks(), NOON)
        answer, last = store.command_result("c1"), store.entries()[-1].event

        assert answer is not None
        assert not answer.accepted
        assert "ended" in answer.why
        assert (last.type, last.actor) == (EventType.COMMAND_RECEIVED, "ada")
        assert store.verify() == ()

    def test_R44_a_command_that_lands_during_the_last_tick_is_answered(self, store: Store) -> None:
        claim = store.claim_due(NOON, "a", LEASE)
        assert claim is not None
        store.send("R1", asks(), NOON)
        end = Event(type=EventType.RELEASE_SUCCEEDED, ts=NOON)
        store.save(claim, fold(claim.plan, claim.state, (end,)), (end,), (), None, now=NOON)
        answer = store.command_result("c1")

        assert answer is not None
        assert answer.heard_at is not None
        assert not answer.accepted
        assert store.verify() == ()


class TestBeside:
    def test_R27_counts_are_kept_by_kind_and_an_interval_told_again_replaces(self, store: Store) -> None:
        def counted(number: int, at: int) -> Interval:
            begin = NOON + at * SECOND
            return Interval(start=begin, end=begin + SECOND, payload={"n": number, "b": [0.5, None]})

        store.add_intervals("R1", "history", [counted(1, 0)])
        store.add_intervals("R1", "live", [counted(2, 1), counted(3, 2)])
        store.add_intervals("R1", "live", [counted(4, 2)])

        assert store.intervals("R1", "history") == (counted(1, 0),)
        assert store.intervals("R1", "live") == (counted(2, 1), counted(4, 2))
        assert store.intervals("R1", after=NOON + 2 * SECOND) == (counted(4, 2),)

    def test_a_note_overwrites_the_one_before_and_is_no_entry(self, store: Store) -> None:
        store.note("R1", {"phase": "baking", "ratio": float("inf")})
        store.note("R1", {"phase": "stuck"})

        assert store.notes("R1") == {"phase": "stuck"}
        assert store.notes("R9") == {}
        assert len(store.entries()) == 2

    def test_a_result_of_a_replaced_hook_run_is_left_aside(self, store: Store) -> None:
        store.hook_started("R1", "k", runner="one", pid=1, birth="", now=NOON)
        store.hook_started("R1", "k", runner="two", pid=1, birth="", now=NOON)
        store.hook_finished("k", "one", passed=False, text="late")
        store.hook_finished("k", "two", passed=True, text="fine")
        store.hook_started("R1", "k", runner="three", pid=1, birth="", now=NOON)
        (row,) = store.hook_results("R1")

        assert (row.runner, row.passed, row.text) == ("two", True, "fine")


class TestDrivers:
    @pytest.mark.parametrize(("ago", "there"), [(12, True), (20, False)])
    def test_a_living_process_that_was_long_not_heard_of_drives_nothing(
        self, store: Store, ago: int, there: bool
    ) -> None:
        heard = datetime.fromtimestamp(time.time() - ago, UTC)
        pid, here = os.getpid(), processes.host()
        born = processes.birth(pid)
        store.heartbeat(Driver(id="d", pid=pid, host=here, service=None, heartbeat=heard, birth=born))

        assert bool(store.drivers("shop")) is there


def test_a_plan_is_not_changed_by_a_round_through_the_store(kind: Kind) -> None:
    odd = replace(PLAN, artifact={"deep": {"list": [1, 2.5, None, "ü"]}}, judging={"weight": 0.1})
    made = kind.open()
    made.open_release(odd, opening(odd), NOON)
    again = kind.open()

    assert again.row("R1").plan == odd
    assert again.verify() == ()
    made.close()
    again.close()


class TestDrawer:
    """Texts beside the journal: whole or not at all, the same after the store is opened again."""

    def test_what_is_kept_is_read_by_whoever_opens_the_store_next(self, kind: Kind, store: Store) -> None:
        assert store.drawer.kept("shapes/v41.json") is None
        store.drawer.keep("shapes/v41.json", "ü" * 10_000)
        store.drawer.keep("shapes/v41.json", "the later one")
        store.drawer.keep("proofs/0042.json", "{}")
        again = kind.open()
        assert again.drawer.kept("shapes/v41.json") == "the later one"
        assert again.drawer.names() == ("proofs/0042.json", "shapes/v41.json")
        assert again.drawer.names("shapes/") == ("shapes/v41.json",)
        again.close()
