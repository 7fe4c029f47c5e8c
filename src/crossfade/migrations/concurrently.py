"""
Watches from outside a statement that cannot run in a transaction: CREATE INDEX CONCURRENTLY, DETACH, VACUUM.

One small reader per table stands in its way and lets it pass one after the other, with an old snapshot last;
whenever the statement waits, what it holds and asks for is written down.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crossfade.migrations.answers import Failure, Rows
from crossfade.migrations.catalog import Catalog, Relation
from crossfade.migrations.sandbox.server import Database
from crossfade.migrations.script import Statement
from crossfade.migrations.wire import Session, name

_READERS: Final = 24
_PAUSE_S: Final = 0.002
_LONGEST_S: Final = 30.0
_SEEN: Final = """
SELECT relation::int8, mode, pg_catalog.pg_blocking_pids(pid)::text FROM pg_catalog.pg_locks
WHERE pid = $1::int AND (locktype = 'relation' OR NOT granted)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Locks held or asked for at any time, by relation, and how the statement ended."""

    modes: Mapping[int, frozenset[str]]
    failure: Failure | None


def watch(
    database: Database, session: Session, observer: Session, statement: Statement, catalog: Catalog
) -> Seen:
    """Run the statement in `session`, watched by `observer`."""
    readers = _readers(database, statement, catalog)
    ended: list[Rows | Failure] = []
    thread = threading.Thread(target=lambda: ended.append(session.attempt(statement.text)))
    modes: dict[int, set[str]] = {}
    try:
        thread.start()
        until = time.monotonic() + _LONGEST_S
        while thread.is_alive():
            for pid in _look(observer, session.pid, modes):
                reader = readers.pop(pid, None)
                if reader is not None:
                    reader.close()
            if time.monotonic() > until:
                observer.attempt(f"SELECT pg_catalog.pg_cancel_backend({session.pid})")
            thread.join(_PAUSE_S)
    finally:
        for reader in readers.values():
            reader.close()
        thread.join()
    indexes = catalog.index_table() if "concurrently" in {one.value for one in statement.tokens} else {}
    said = ended[0] if ended else Failure(sqlstate="XX000", message="it did not end")
    return Seen(
        modes={oid: frozenset(found) for oid, found in modes.items() if oid not in indexes},
        failure=said if isinstance(said, Failure) else None,
    )


def _look(observer: Session, pid: int, modes: dict[int, set[str]]) -> list[int]:
    """Write down what is held and asked for; whom it waits for."""
    waits: list[int] = []
    for relation, mode, blocking in observer.ask(_SEEN, [str(pid)]):
        if relation is not None:
            modes.setdefault(int(relation), set()).add(mode or "")
        waits += [int(one) for one in (blocking or "{}").strip("{}").split(",") if one]
    return waits[:1]


def _readers(database: Database, statement: Statement, catalog: Catalog) -> dict[int, Session]:
    found = {}
    for table in _concerned(statement, catalog):
        reader = database.connect()
        reader.attempt("BEGIN")
        reader.attempt(f"SELECT 1 FROM ONLY {name(*table.key)} LIMIT 0")
        found[reader.pid] = reader
    old = database.connect()
    old.attempt("BEGIN ISOLATION LEVEL REPEATABLE READ")
    old.attempt("SELECT 1")
    found[old.pid] = old
    return found


def _concerned(statement: Statement, catalog: Catalog) -> list[Relation]:
    """Tables that the statement names, by an index too, with their partitions; all where it names none."""
    words = {token.value for token in statement.tokens}
    tables = [one for one in catalog.relations.values() if one.kind in "rpm"]
    named = [one for one in tables if one.name in words or any(index.name in words for index in one.indexes)]
    below = [one for one in tables if one.parent in {found.oid for found in named} and one not in named]
    return [*named, *below][:_READERS] if named else tables[:_READERS]
