"""
A PostgreSQL that hears everything, and the commands that talk to it.

It is a throw-away one of ours, or a server of the user's (`places.py` has both). The schema is made first, by
a file or by the framework's own command; then the version's tests run. Both find the server in
`DATABASE_URL` and in the variables of libpq. Nothing stays.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from crossfade.errors import RefusedError
from crossfade.migrations.load import load
from crossfade.migrations.reach import stay_inside
from crossfade.migrations.record.checked import checked
from crossfade.migrations.record.gather import gather
from crossfade.migrations.record.log import Heard, heard
from crossfade.migrations.record.masked import masked
from crossfade.migrations.record.places import OURS, OwnPlace, Place
from crossfade.migrations.record.yours import YourPlace
from crossfade.migrations.running.dump import schema_of
from crossfade.migrations.script import read_statements
from crossfade.migrations.shape import Shape
from crossfade.migrations.wire import Session


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
                statements = read_statements(file.read_text("utf-8-sig"), str(file))
                if recorder.yours:
                    stay_inside(statements, str(file))
                load(session, statements, str(file))


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

    def __init__(
        self, major: int | None = None, *, variables: Sequence[str] = (), dsn: str | None = None
    ) -> None:
        """
        `variables` are names by which programs find their database, beside `DATABASE_URL`.

        `dsn` is a server of the user's to hear on; else one of our own, of the `major` version.
        """
        self._variables = variables
        self._place: Place = OwnPlace(major) if dsn is None else YourPlace(dsn)
        self._kept: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._place.close()

    @property
    def version(self) -> str:
        """As people call it: PostgreSQL 18.4."""
        whole = self._place.version
        return f"PostgreSQL {whole // 10000}.{whole % 10000}"

    @property
    def yours(self) -> bool:
        """Whether others live on the server too."""
        return self._place.yours

    @property
    def scratch(self) -> Path:
        """A folder that goes with the server."""
        return self._place.scratch

    def connect(self) -> Session:
        """A connection that is not recorded."""
        return Session(f"{self._place.conninfo} application_name='{OURS}'")

    def environment(self) -> Mapping[str, str]:
        """What a command finds the server by."""
        told = self._place.environment()
        return {**told, **dict.fromkeys(self._variables, told["DATABASE_URL"])}

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

    def keep_schema(self) -> None:
        """What is there now is the recorded schema, whatever tests make of it and drop."""
        with self.connect() as session:
            made = bool(_names(session))
        try:
            self._kept = self._place.copy() if made else None
        except RefusedError as error:
            raise RefusedError(
                "CF9225", "the schema cannot be kept as it is now", error.why,
                "the command of --schema-from ends what it started before it ends itself",
            ) from None  # fmt: skip

    def listen(self) -> None:
        """From here on what comes is the version's."""
        self._place.listen()

    def shape(self, *, source: str, told: tuple[Heard, ...] | None = None) -> Shape:
        """
        What was heard since, or what is `told` from elsewhere, as a shape.

        Its schema is the one that was kept, or where none was, what is there now.
        """
        came = self.heard() if told is None else told
        with self._grounded() as session:
            gathered = gather(came, _names(session))
            found = checked(session, gathered)
        schema = schema_of(self._ground, self._place.version)  # pg_dump would be heard too
        return Shape(
            statements=found.statements,
            transactions=found.transactions,
            replays=found.replays,
            not_taken=found.not_taken,
            source=masked(source),
            recorded=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            server=self.version,
            schema=schema,
        )

    def _grounded(self) -> Session:
        try:
            return Session(f"{self._ground} application_name='{OURS}'")
        except RefusedError as error:
            raise RefusedError(
                "CF9232", "no statement of the version was heard", f"its database is gone: {error.why}",
                "where tests drop their database, the schema is given: --schema-from, --schema, --migrations",
            ) from None  # fmt: skip

    @property
    def _ground(self) -> str:
        """The database that has the recorded schema."""
        return self._kept or self._place.conninfo

    def heard(self) -> tuple[Heard, ...]:
        """Everything that came since `listen`, in its order."""
        return heard(self._place.entries(), ours=OURS, others=self._place.others)


_NAMES: Final = """
SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION SELECT p.proname FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


def _names(session: Session) -> frozenset[str]:
    return frozenset(row[0] or "" for row in session.ask(_NAMES))
