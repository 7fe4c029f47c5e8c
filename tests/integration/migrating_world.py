"""A real database to migrate, the verbs as they are typed, and people in the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from crossfade.cli.root import cli
from crossfade.errors import CrossfadeError
from crossfade.migrations.running.ledger import Done, read_ledger
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.wire import Session

VARIABLE = "MIGRATE_URL"
NOWHERE = "host=/nowhere dbname=none"
SCHEMA = """
CREATE TABLE customers (id bigserial PRIMARY KEY, name text NOT NULL, email text);
INSERT INTO customers (name, email) SELECT 'n' || i, 'e' || i FROM generate_series(1, 200) i;
"""


@dataclass(slots=True)
class World:
    """One database of a sandbox, a folder of changes, and the verbs."""

    sandbox: Sandbox
    folder: Path
    monkeypatch: Any
    name: str = ""
    dsn: str = ""
    sandbox_dsn: str = ""
    watched: bool = True
    """Statements are watched on a copy first; else judged by their words, which is quicker to test."""

    def __post_init__(self) -> None:
        database = self.sandbox.server.create()
        self.name = database.name
        self.dsn = f"host={self.sandbox.folder} port=5432 user=postgres dbname={database.name}"
        self.sandbox_dsn = f"host={self.sandbox.folder} port=5432 user=postgres dbname=postgres"
        self.monkeypatch.setenv(VARIABLE, self.dsn)
        self.ask(SCHEMA)

    def connect(self, application: str = "shop") -> Session:
        return Session(f"{self.dsn} application_name='{application}'")

    def ask(self, sql: str) -> list[tuple[str | None, ...]]:
        with self.connect() as session:
            return list(session.ask(sql))

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name.replace("__", ".")).write_text(text)

    def run(self, verb: str, *arguments: str, watched: bool = True) -> Result:
        told = ["migrate", verb, *arguments, "--folder", str(self.folder), "--dsn-env", VARIABLE]
        if verb in {"expand", "contract", "abort"}:
            told += ["--sandbox-dsn", self.sandbox_dsn if self.watched and watched else NOWHERE]
        return CliRunner().invoke(cli, told, standalone_mode=False)

    def done(self, verb: str, *arguments: str, watched: bool = True) -> str:
        result = self.run(verb, *arguments, watched=watched)
        assert result.exception is None, (
            result.exception,
            getattr(result.exception, "why", ""),
            result.output,
        )
        assert result.return_value == 0
        return result.stdout

    def refused(self, verb: str, *arguments: str, watched: bool = True) -> CrossfadeError:
        result = self.run(verb, *arguments, watched=watched)
        assert isinstance(result.exception, CrossfadeError), (result.exception, result.output)
        return result.exception

    def ledger(self, part: str = "expand") -> list[Done]:
        return [row for row in read_ledger(self.dsn) if row.part == part]

    @contextmanager
    def holding(self, sql: str, application: str = "nightly-report") -> Iterator[Session]:
        """Somebody's transaction that has done `sql` and stays open."""
        with self.connect(application) as session:
            session.ask("BEGIN")
            session.ask(sql)
            yield session


@contextmanager
def beside(work: Callable[[], None]) -> Iterator[threading.Event]:
    """Do `work` again and again in a thread, until the event is set or the block ends."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            work()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(20)


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)
