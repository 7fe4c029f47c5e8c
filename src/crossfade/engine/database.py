"""
The SQLite file itself: opened with the promises the engine needs, one short transaction at a time.

WAL with `synchronous=FULL`: a commit that returned survives a power cut. Every error of
SQLite's leaves here as one of ours.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crossfade.engine.records import StoreAwayError, StoreError
from crossfade.engine.statements import queries, text

BUSY = 3.0
"""Seconds to wait for another process's write: well below a lease (10 s)."""

LAYOUT = 2
"""The number of the tables' layout, in SQLite's `user_version`."""

_BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_AWAY = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file is read-only",
    sqlite3.SQLITE_IOERR: "the disk answers with errors",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_PERM: "the file may not be opened",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
}


class Database:
    """One connection, shared by the threads of this process under a lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.statements = queries()
        with self.errors():
            self.link = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
            self.link.row_factory = sqlite3.Row
            try:
                self._begin()
            except BaseException:
                self.link.close()
                raise

    def _begin(self) -> None:
        self.link.execute("pragma journal_mode = wal").fetchone()
        self.link.execute("pragma synchronous = full")
        self.link.execute("pragma foreign_keys = on")
        layout = int(self.link.execute("pragma user_version").fetchone()[0])
        if layout > LAYOUT:
            raise StoreError(
                "CF5006",
                f"{self.path} has layout {layout}, this program knows up to {LAYOUT}",
                "a newer Crossfade wrote it",
                "use the newer version",
            )
        if layout < LAYOUT:
            self.link.executescript(
                f"begin immediate;\n{text('schema.sql')}\npragma user_version = {LAYOUT};\ncommit;"
            )

    def close(self) -> None:
        with self.lock:
            self.link.close()

    def one(self, name: str, **values: object) -> sqlite3.Row | None:
        """The first row of a named statement."""
        with self.lock, self.errors():
            row: sqlite3.Row | None = self.link.execute(self.statements[name], values).fetchone()
            return row

    def all(self, name: str, **values: object) -> list[sqlite3.Row]:
        """All rows of a named statement."""
        with self.lock, self.errors():
            return self.link.execute(self.statements[name], values).fetchall()

    def run(self, name: str, **values: object) -> int:
        """A named statement that writes; how many rows it touched."""
        with self.lock, self.errors():
            return self.link.execute(self.statements[name], values).rowcount

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction: all of it or nothing."""
        with self.lock, self.errors():
            self.link.execute("begin immediate")
            try:
                yield
                self.link.execute("commit")
            except BaseException:
                # A full disk may have rolled the transaction back already.
                if self.link.in_transaction:
                    self.link.execute("rollback")
                raise

    @contextmanager
    def errors(self) -> Iterator[None]:
        """SQLite's errors as ours, told apart by their codes."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise self._ours(error) from error

    def _ours(self, error: sqlite3.Error) -> StoreError:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code in _BUSY_CODES:
            return StoreAwayError(
                "CF5004",
                f"{self.path} is held by another process",
                f"no write within {BUSY:g} s; a frozen controller may hold it",
                "look for a stopped crossfade process on this machine",
                busy=True,
            )
        if code in _AWAY:
            return StoreAwayError(
                "CF5003",
                f"{self.path} cannot be used: {_AWAY[code]}",
                "no effect is performed that was not written first (R34)",
                "free space or mend the permissions; meanwhile a release with traffic goes back to stable",
            )
        return StoreError(
            "CF5009", f"{self.path}: {error}", "the file is damaged or not a journal", "restore it"
        )


def plain(row: sqlite3.Row) -> Mapping[str, Any]:
    """A row by column name."""
    return {name: row[name] for name in row.keys()}  # noqa: SIM118  # a Row iterates its values
