"""
Where a version is heard: a server, a database of ours on it, and the log that it writes.

`OwnPlace` is a throw-away PostgreSQL that dies with us; `yours.py` is a server of the user's, where
extensions are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

from crossfade.errors import RefusedError
from crossfade.migrations.record.log import Entry, entries
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.wire import Session

OURS: Final = "crossfade recorder"
_DATABASE: Final = "recorded"
_FOLDER: Final = "heard"
_WRITTEN_S: Final = 10.0
_MARK: Final = "SELECT 'the end of the recording'"

HEARS: Final = {
    "logging_collector": "on",
    "log_destination": "jsonlog",
    "log_directory": _FOLDER,
    "log_filename": "statements",
    "log_rotation_size": "0",
    "log_rotation_age": "0",
    "log_statement": "all",
    "log_min_messages": "error",
    "log_min_error_statement": "error",
    "log_parameter_max_length": "-1",
}


class Place(Protocol):
    """A server that hears. Its log holds more than ours: `others` are databases that were there before."""

    yours: bool
    conninfo: str
    """Of the database that is recorded."""
    version: int
    """As PostgreSQL counts: 180004."""
    scratch: Path
    others: frozenset[str]

    def environment(self) -> Mapping[str, str]:
        """The variables of libpq; `DATABASE_URL` among them."""
        ...

    def copy(self) -> str:
        """The recorded database as it is now, as another one: its conninfo. Raises RefusedError (CF9209)."""
        ...

    def listen(self) -> None:
        """From here on."""
        ...

    def entries(self) -> tuple[Entry, ...]:
        """The log since `listen`. Raises RefusedError (CF9226, CF9228)."""
        ...

    def close(self) -> None: ...


class OwnPlace:
    """A server of our own, with a log of its own."""

    yours = False
    others: frozenset[str] = frozenset()

    def __init__(self, major: int | None) -> None:
        self._sandbox = Sandbox(major, settings=HEARS)
        self.scratch = self._sandbox.folder
        self.conninfo = self._of(_DATABASE)
        self.version = self._sandbox.server.version
        self._begin = 0
        try:
            self._sandbox.server.admin.ask(f"SET application_name = '{OURS}'")
            self._sandbox.server.admin.ask(f"CREATE DATABASE {_DATABASE}")
        except BaseException:
            self._sandbox.stop()
            raise

    def environment(self) -> Mapping[str, str]:
        url = f"postgresql://postgres@/{_DATABASE}?host={quote(str(self.scratch), safe='')}&port=5432"
        return {
            "DATABASE_URL": url,
            "PGHOST": str(self.scratch),
            "PGPORT": "5432",
            "PGUSER": "postgres",
            "PGDATABASE": _DATABASE,
            "PGPASSWORD": "",
        }

    def copy(self) -> str:
        return self._of(self._sandbox.server.create(_DATABASE).name)

    def listen(self) -> None:
        self._begin = len(self._lines())

    def entries(self) -> tuple[Entry, ...]:
        return tuple(entries(self._lines()[self._begin :]))

    def close(self) -> None:
        self._sandbox.stop()

    def _lines(self) -> list[str]:
        log = self.scratch / "data" / _FOLDER / "statements.json"
        return to_the_end(self._of("postgres"), lambda: list(_written(log)))

    def _of(self, database: str) -> str:
        return f"host='{self.scratch}' port=5432 user=postgres dbname={database}"


def to_the_end(conninfo: str, read: Callable[[], list[str]]) -> list[str]:
    """
    The lines of a log as it is now: the collector writes a little later than the server says.

    `conninfo` is not of the recorded database: tests may have dropped that.
    """
    mark = f"{_MARK} -- {time.monotonic_ns()}"
    try:
        with Session(f"{conninfo} application_name='{OURS}'") as session:
            session.ask(mark)
    except RefusedError as error:
        raise RefusedError(
            "CF9228", "the recording is not whole", f"the server went away meanwhile: {error.why}",
            "run it again; what the tests did to the server stands above, where they said so",
        ) from None  # fmt: skip
    end = time.monotonic() + _WRITTEN_S
    while time.monotonic() < end:
        lines = read()
        at = next((at for at, line in enumerate(lines) if mark in line), None)
        if at is not None:
            return lines[: at + 1]
        time.sleep(0.02)
    raise RefusedError(
        "CF9226", "the recording has no end", f"the server's log was not written within {_WRITTEN_S:g} s",
        "run it again; a full disk is the usual reason",
    )  # fmt: skip


def _written(log: Path) -> Iterator[str]:
    if log.exists():
        with log.open(encoding="utf-8", errors="replace") as lines:
            yield from lines
