"""What is SQLite's own: a file that shows tampering, and the place where it may lie."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossfade.engine import SqliteStore, StoreError
from crossfade.engine.place import prepare, prove_writable
from crossfade.errors import RefusedError
from crossfade.testing import NOON, opening, small_plan

PLAN = small_plan()
COPIED = """
insert into journal select 5, release, service, ts, body, prev_hash, hash from journal where seq = 4
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path) as made:
        made.open_release(PLAN, opening(PLAN), NOON)
        yield made


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
