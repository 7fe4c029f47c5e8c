"""
A throw-away PostgreSQL that hears everything, and the commands that talk to it.

The schema is made first, by a file or by the framework's own command; then the version's tests run. Both
find the server in `DATABASE_URL` and in the variables of libpq. It dies with us, and leaves nothing.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self
from urllib.parse import quote

from crossfade.errors import RefusedError
from crossfade.migrations.load import load
from crossfade.migrations.record.checked import checked
from crossfade.migrations.record.gather import gather
from crossfade.migrations.record.log import Heard, heard
from crossfade.migrations.record.masked import masked
from crossfade.migrations.running.dump import schema_of
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.script import read_statements
from crossfade.migrations.shape import Shape
from crossfade.migrations.wire import Session

OURS: Final = "crossfade recorder"
DATABASE: Final = "recorded"
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


class Schema(Protocol):
    """How the schema comes to be."""

    def make(self, recorder: Recorder) -> None: ...


@dataclass(frozen=True, slots=True)
class SqlFiles:
    """DDL in files, in this order."""

    files: tuple[Path, ...]

    def make(self, recorder: Recorder) -> None:
        """Raises RefusedError where a file cannot be read or run."""
        with recorder.connect() as session:
            for file in self.files:
                load(session, read_statements(file.read_text("utf-8-sig"), str(file)), str(file))


@dataclass(frozen=True, slots=True)
class SchemaCommand:
    """A command of the framework's: `alembic upgrade head`."""

    words: tuple[str, ...]

    def make(self, recorder: Recorder) -> None:
        """Raises RefusedError where it fails."""
        code = recorder.run(self.words)
        if code:
            raise RefusedError(
                "CF9225",
                f"the schema was not made: {masked(' '.join(self.words))} ended with {code}",
                "what it printed stands above; nothing was recorded",
                "it finds the server in DATABASE_URL and in PGHOST, PGPORT, PGUSER and PGDATABASE",
            )


class Recorder:
    """The server, for as long as the context lasts."""

    def __init__(self, major: int | None = None, *, variables: Sequence[str] = ()) -> None:
        """`variables` are names by which programs find their database, beside `DATABASE_URL`."""
        self._variables = ("DATABASE_URL", *variables)
        self._sandbox = Sandbox(major, settings=HEARS)
        self._conninfo = f"host='{self._sandbox.folder}' port=5432 user=postgres dbname={DATABASE}"
        self._begin = 0
        try:
            self._sandbox.server.admin.ask(f"SET application_name = '{OURS}'")
            self._sandbox.server.admin.ask(f"CREATE DATABASE {DATABASE}")
        except BaseException:
            self._sandbox.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sandbox.stop()

    @property
    def version(self) -> str:
        """As people call it: PostgreSQL 18.4."""
        whole = self._sandbox.server.version
        return f"PostgreSQL {whole // 10000}.{whole % 10000}"

    @property
    def url(self) -> str:
        """The address, as `DATABASE_URL` has it."""
        return f"postgresql://postgres@/{DATABASE}?host={quote(str(self._sandbox.folder), safe='')}&port=5432"

    @property
    def scratch(self) -> Path:
        """A folder that goes with the server."""
        return self._sandbox.folder

    def connect(self) -> Session:
        """A connection that is not recorded."""
        return Session(f"{self._conninfo} application_name='{OURS}'")

    def environment(self) -> Mapping[str, str]:
        """What a command finds the server by."""
        return {
            **dict.fromkeys(self._variables, self.url),
            "PGHOST": str(self._sandbox.folder),
            "PGPORT": "5432",
            "PGUSER": "postgres",
            "PGDATABASE": DATABASE,
            "PGPASSWORD": "",
        }

    def run(self, words: Sequence[str], *, folder: str | None = None) -> int:
        """A command beside the server, its output ours; its exit code. Raises RefusedError (CF9224)."""
        try:
            done = subprocess.run(words, cwd=folder, env={**os.environ, **self.environment()}, check=False)
        except OSError as error:
            raise RefusedError(
                "CF9224", f"{words[0]} cannot be started", error.strerror or str(error),
                "behind -- stands a command as a shell would find it: crossfade migrate record -- pytest -q",
            ) from None  # fmt: skip
        return done.returncode

    def listen(self) -> None:
        """From here on what comes is the version's."""
        self._begin = len(self._lines())

    def shape(self, *, source: str, schema: str, told: tuple[Heard, ...] | None = None) -> Shape:
        """What was heard since, or what is `told` from elsewhere, as a shape."""
        with self.connect() as session:
            gathered = gather(self.heard() if told is None else told, _names(session))
            statements, transactions, left = checked(session, gathered)
        return Shape(
            statements=statements,
            transactions=transactions,
            not_taken=left,
            source=masked(source),
            recorded=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            server=self.version,
            schema=schema,
        )

    def schema(self) -> str:
        """The DDL of what is there now."""
        return schema_of(self._conninfo, self._sandbox.server.version)

    def heard(self) -> tuple[Heard, ...]:
        """Everything that came since `listen`, in its order."""
        return heard(self._lines()[self._begin :], ours=OURS)

    def _lines(self) -> list[str]:
        """The log as it is now: the collector writes a little later than the server says."""
        log = self._sandbox.folder / "data" / _FOLDER / "statements.json"
        mark = f"{_MARK} -- {time.monotonic_ns()}"
        with self.connect() as session:
            session.ask(mark)
        end = time.monotonic() + _WRITTEN_S
        while time.monotonic() < end:
            lines = list(_written(log))
            if any(mark in line for line in lines[-50:]):
                return lines
            time.sleep(0.02)
        raise RefusedError(
            "CF9226", "the recording has no end", f"the server's log was not written within {_WRITTEN_S:g} s",
            "run it again; a full disk is the usual reason",
        )  # fmt: skip


def _written(log: Path) -> Iterator[str]:
    if log.exists():
        with log.open(encoding="utf-8", errors="replace") as lines:
            yield from lines


_NAMES: Final = """
SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION SELECT p.proname FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


def _names(session: Session) -> frozenset[str]:
    return frozenset(row[0] or "" for row in session.ask(_NAMES))
