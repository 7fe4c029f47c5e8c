"""What every store owes the engine. A second store joins by a second parameter."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crossfade.engine import Consumed, Interval, LostLeaseError, SqliteStore, StoreError, processes
from crossfade.engine.place import prepare, prove_writable
from crossfade.engine.records import Driver
from crossfade.errors import HeldError, RefusedError, UsageError
from crossfade.release.state import Outcome, fold
from crossfade.release.values import Command, Event, EventType, Verb
from crossfade.testing import NOON, opening, small_plan

LEASE = timedelta(seconds=10)
SECOND = timedelta(seconds=1)
PLAN = small_plan()
COPIED = """
insert into journal select 5, release, service, ts, body, prev_hash, hash from journal where seq = 4
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path) as made:
        made.open_release(PLAN, opening(PLAN), NOON)
        yield made


def asks(number: str = "c1", verb: Verb = Verb.ABORT) -> Command:
    return Command(id=number, verb=verb, actor="ada", reason="because")


def ends(store: SqliteStore, release: str = "R1") -> None:
    claim = store.claim(release, NOON, "me", LEASE)
    assert claim is not None
    end = Event(type=EventType.RELEASE_SUCCEEDED, ts=NOON)
    store.save(claim, fold(claim.plan, claim.state, (end,)), (end,), (), None, now=NOON)


class TestReleases:
    def test_what_was_opened_is_read_back_as_it_was(self, store: SqliteStore) -> None:
        row = store.row("R1")

        assert row.plan == PLAN
        assert (row.service, row.rev, row.outcome, row.wake_at) == ("shop", 0, None, NOON)
        assert [entry.event for entry in store.entries()] == list(opening(PLAN))
        assert store.active("shop") == row

    def test_R22_a_second_release_of_the_service_is_told_who_holds_it(self, store: SqliteStore) -> None:
        second = small_plan("R2")

        with pytest.raises(HeldError, match="release R1 holds shop") as refused:
            store.open_release(second, opening(second), NOON)

        assert refused.value.exit_code == 8
        assert len(store.entries()) == 2

    def test_R22_another_service_and_the_next_release_are_welcome(self, store: SqliteStore) -> None:
        other, second = small_plan("R2", "till"), small_plan("R3")
        store.open_release(other, opening(other), NOON)
        ends(store)
        store.open_release(second, opening(second), NOON)

        assert store.row("R1").outcome is Outcome.SUCCEEDED
        assert [row.id for row in store.releases("shop")] == ["R3", "R1"]

    def test_a_release_is_found_by_its_beginning_and_an_unknown_one_is_named(
        self, store: SqliteStore
    ) -> None:
        assert store.row("R").id == "R1"
        with pytest.raises(UsageError, match="no release X"):
            store.row("X")

    def test_a_refused_release_leaves_an_entry_and_no_row(self, store: SqliteStore) -> None:
        refused = small_plan("R2")
        store.record_refused(refused, Event(type=EventType.RELEASE_REFUSED, ts=NOON, actor="ada"))

        assert store.entries(release="R2")[0].event.type is EventType.RELEASE_REFUSED
        assert [row.id for row in store.releases()] == ["R1"]
        assert store.verify() == ()

    def test_everything_survives_a_reopening(self, tmp_path: Path) -> None:
        with SqliteStore(tmp_path) as first:
            first.open_release(PLAN, opening(PLAN), NOON)
            first.add_intervals("R1", "live", [Interval(start=NOON, end=NOON + SECOND, payload={"n": 7})])
            before = (first.row("R1"), first.entries(), first.head())
        with SqliteStore(tmp_path) as second:
            assert (second.row("R1"), second.entries(), second.head()) == before
            assert second.intervals("R1")[0].payload == {"n": 7}


class TestClaims:
    def test_only_what_is_due_is_claimed_and_only_once(self, store: SqliteStore) -> None:
        assert store.claim_due(NOON - SECOND, "a", LEASE) is None

        claim = store.claim_due(NOON, "a", LEASE)

        assert claim is not None
        assert (claim.release, claim.due, claim.until) == ("R1", NOON, NOON + LEASE)
        assert store.claim_due(NOON, "b", LEASE) is None
        assert store.next_wake() == NOON + LEASE

    def test_a_lease_that_ran_out_is_taken_over(self, store: SqliteStore) -> None:
        store.claim_due(NOON, "a", LEASE)

        taken = store.claim_due(NOON + LEASE, "b", LEASE)

        assert taken is not None
        assert taken.owner == "b"

    def test_R23_a_lost_lease_writes_nothing(self, store: SqliteStore) -> None:
        old = store.claim_due(NOON, "a", LEASE)
        new = store.claim_due(NOON + LEASE, "b", LEASE)
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
        store.check(new, NOON + LEASE)

    def test_R23_a_lease_that_ran_out_writes_nothing_even_where_nobody_took_it(
        self, store: SqliteStore
    ) -> None:
        claim = store.claim_due(NOON, "a", LEASE)
        assert claim is not None

        with pytest.raises(LostLeaseError):
            store.save(claim, claim.state, (), (), NOON, now=NOON + LEASE)

    def test_R23_a_save_makes_the_claim_before_it_worthless(self, store: SqliteStore) -> None:
        first = store.claim_due(NOON, "a", LEASE)
        assert first is not None
        second = store.save(first, first.state, (), (), NOON + SECOND, now=NOON)

        with pytest.raises(LostLeaseError):
            store.check(first, NOON)
        store.check(second, NOON)

    def test_an_extended_lease_lasts_longer(self, store: SqliteStore) -> None:
        claim = store.claim_due(NOON, "a", LEASE)
        assert claim is not None
        store.extend(claim, NOON + 9 * SECOND, LEASE)

        store.check(claim, NOON + 15 * SECOND)

    def test_a_row_of_a_newer_program_is_not_claimed(self, store: SqliteStore) -> None:
        store._db.link.execute("update releases set schema = 99")

        assert store.claim_due(NOON, "a", LEASE) is None
        assert store.next_wake() is None

    def test_a_plan_of_a_newer_program_is_refused_with_words(self, store: SqliteStore) -> None:
        store._db.link.execute("""update releases set plan = '{"schema": 99, "plan": {}}'""")

        with pytest.raises(StoreError, match="schema 99"):
            store.row("R1")


class TestCommands:
    def test_a_command_is_kept_once_and_wakes_the_release(self, store: SqliteStore) -> None:
        claim = store.claim_due(NOON, "a", LEASE)
        assert claim is not None
        store.save(claim, claim.state, (), (), NOON + 60 * SECOND, now=NOON, done=True)
        store.send("R1", asks(), NOON + SECOND)
        store.send("R1", asks(), NOON + 2 * SECOND)

        assert store.inbox("R1") == (asks(),)
        assert store.row("R1").wake_at == NOON + SECOND
        assert store.claim_due(NOON + SECOND, "a", LEASE) is not None

    def test_a_command_never_hides_how_long_nobody_looked(self, store: SqliteStore) -> None:
        store.send("R1", asks(), NOON + 600 * SECOND)

        assert store.row("R1").wake_at == NOON

    def test_a_command_that_lands_during_a_tick_wakes_the_next_one(self, store: SqliteStore) -> None:
        claim = store.claim_due(NOON, "a", LEASE)
        assert claim is not None
        store.send("R1", asks(), NOON)
        store.save(claim, claim.state, (), (), NOON + 60 * SECOND, now=NOON, done=True)

        assert store.row("R1").wake_at == NOON

    def test_what_became_of_a_command_is_told(self, store: SqliteStore) -> None:
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
        self, store: SqliteStore
    ) -> None:
        ends(store)
        store.send("R1", asks(), NOON)
        answer, last = store.command_result("c1"), store.entries()[-1].event

        assert answer is not None
        assert not answer.accepted
        assert "ended" in answer.why
        assert (last.type, last.actor) == (EventType.COMMAND_RECEIVED, "ada")
        assert store.verify() == ()

    def test_R44_a_command_that_lands_during_the_last_tick_is_answered(self, store: SqliteStore) -> None:
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
    def test_R27_counts_are_kept_by_kind_and_an_interval_told_again_replaces(
        self, store: SqliteStore
    ) -> None:
        def counted(number: int, at: int) -> Interval:
            begin = NOON + at * SECOND
            return Interval(start=begin, end=begin + SECOND, payload={"n": number, "b": [0.5, None]})

        store.add_intervals("R1", "history", [counted(1, 0)])
        store.add_intervals("R1", "live", [counted(2, 1), counted(3, 2)])
        store.add_intervals("R1", "live", [counted(4, 2)])

        assert store.intervals("R1", "history") == (counted(1, 0),)
        assert store.intervals("R1", "live") == (counted(2, 1), counted(4, 2))
        assert store.intervals("R1", after=NOON + 2 * SECOND) == (counted(4, 2),)

    def test_a_note_overwrites_the_one_before_and_is_no_entry(self, store: SqliteStore) -> None:
        store.note("R1", {"phase": "baking", "ratio": float("inf")})
        store.note("R1", {"phase": "stuck"})

        assert store.notes("R1") == {"phase": "stuck"}
        assert store.notes("R9") == {}
        assert len(store.entries()) == 2

    def test_a_result_of_a_replaced_hook_run_is_left_aside(self, store: SqliteStore) -> None:
        store.hook_started("R1", "k", runner="one", pid=1, birth="", now=NOON)
        store.hook_started("R1", "k", runner="two", pid=1, birth="", now=NOON)
        store.hook_finished("k", "one", passed=False, text="late")
        store.hook_finished("k", "two", passed=True, text="fine")
        store.hook_started("R1", "k", runner="three", pid=1, birth="", now=NOON)
        (row,) = store.hook_results("R1")

        assert (row.runner, row.passed, row.text) == ("two", True, "fine")


class TestR44:
    """The journal shows tampering."""

    @pytest.mark.parametrize(
        ("deed", "said"),
        [
            ("update journal set body = replace(body, 'ada', 'eve') where seq = 1", "entry 1 was changed"),
            ("update journal set ts = ts + 1 where seq = 2", "entry 2 was changed"),
            ("delete from journal where seq = 1", "entries 1 to 1 are missing"),
            ("delete from journal where seq = 4", "it ends at entry 3, its head is entry 4"),
            ("delete from journal", "it ends at entry 0, its head is entry 4"),
            (
                COPIED,
                "entry 5 does not follow entry 4",
            ),
            (
                "update releases set state = replace(state, '\"index\":0', '\"index\":3')",
                "the state of release R1",
            ),
            ("update releases set plan = replace(plan, '\"v2\"', '\"v3\"')", "the plan of release R1"),
            ("delete from releases where id = 'R1'", "journal entries and no row"),
        ],
    )
    def test_R44_what_was_changed_is_found(self, store: SqliteStore, deed: str, said: str) -> None:
        other = small_plan("R2", "till")
        store.open_release(other, opening(other), NOON)
        assert store.verify() == ()
        link = store._db.link
        link.execute("drop trigger journal_is_never_changed")
        link.execute("drop trigger journal_is_never_shortened")
        link.execute(deed)

        assert any(said in problem for problem in store.verify()), store.verify()

    @pytest.mark.parametrize("deed", ["update journal set ts = 0", "delete from journal"])
    def test_R44_the_file_itself_refuses_to_change_the_past(self, store: SqliteStore, deed: str) -> None:
        with pytest.raises(sqlite3.IntegrityError, match="append only"):
            store._db.link.execute(deed)


class TestDrivers:
    @pytest.mark.parametrize(("ago", "there"), [(12, True), (20, False)])
    def test_a_living_process_that_was_long_not_heard_of_drives_nothing(
        self, store: SqliteStore, ago: int, there: bool
    ) -> None:
        heard = datetime.fromtimestamp(time.time() - ago, UTC)
        pid, here = os.getpid(), processes.host()
        born = processes.birth(pid)
        store.heartbeat(Driver(id="d", pid=pid, host=here, service=None, heartbeat=heard, birth=born))

        assert bool(store.drivers("shop")) is there


class TestPlace:
    def test_a_full_disk_is_no_reason_not_to_look_but_one_not_to_begin(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_path: Path, _data: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        (tmp_path / "journal.db").touch()
        (tmp_path / "new").mkdir()
        monkeypatch.setattr(Path, "write_bytes", full)
        prepare(tmp_path)

        for folder, refuses in ((tmp_path, prove_writable), (tmp_path / "new", prepare)):
            with pytest.raises(RefusedError, match="cannot be written") as refused:
                refuses(folder)
            assert refused.value.id == "CF5002"

    @pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
    def test_a_network_file_system_is_refused_by_name(self, tmp_path: Path, kind: str) -> None:
        mounts = tmp_path / "mounts"
        mounts.write_text(f"/dev/a / ext4 rw 0 0\nserver:/x {tmp_path}/my\\040share {kind} rw 0 0\n")

        with pytest.raises(RefusedError, match=kind) as refused:
            prepare(tmp_path / "my share" / "state", mounts=mounts)

        assert refused.value.id == "CF5001"
        prepare(tmp_path / "mine", mounts=mounts)

    def test_a_folder_that_cannot_be_written_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")

        with pytest.raises(RefusedError) as refused:
            SqliteStore(tmp_path / "file" / "state")

        assert refused.value.id == "CF5002"

    def test_a_file_that_is_no_journal_is_said_so(self, tmp_path: Path) -> None:
        (tmp_path / "journal.db").write_bytes(b"something else altogether" * 100)

        with pytest.raises(StoreError) as refused:
            SqliteStore(tmp_path)

        assert refused.value.id == "CF5009"

    def test_a_layout_of_a_newer_program_is_left_alone(self, tmp_path: Path) -> None:
        SqliteStore(tmp_path).close()
        link = sqlite3.connect(tmp_path / "journal.db")
        link.execute("pragma user_version = 99")
        link.close()

        with pytest.raises(StoreError) as refused:
            SqliteStore(tmp_path)

        assert refused.value.id == "CF5006"


def test_a_plan_is_not_changed_by_a_round_through_the_store(tmp_path: Path) -> None:
    odd = replace(PLAN, artifact={"deep": {"list": [1, 2.5, None, "ü"]}}, judging={"weight": 0.1})
    with SqliteStore(tmp_path) as made:
        made.open_release(odd, opening(odd), NOON)

        assert made.row("R1").plan == odd
        assert made.verify() == ()
