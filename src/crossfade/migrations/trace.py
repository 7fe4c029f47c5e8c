"""
Runs a migration for real and watches it: which locks each statement takes and keeps, which work it does.

Locks are read by a second session between the statements of a transaction; work from what the server says of
itself (rewriting, verifying, building, validating), from changed files and counted scans. A statement that
PostgreSQL refuses inside a transaction is watched from outside (`concurrently.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from crossfade.migrations.answers import Failure, Rows
from crossfade.migrations.catalog import BOOKKEEPING, Catalog, Index
from crossfade.migrations.concurrently import watch
from crossfade.migrations.locks import Step, Work
from crossfade.migrations.plans import unbounded
from crossfade.migrations.sandbox.server import Database
from crossfade.migrations.script import Script, Statement
from crossfade.migrations.wire import Session

NOT_IN_A_TRANSACTION: Final = frozenset({"25001", "2D000"})
NOT_IN_THE_SAME: Final = frozenset({"55P04"})  # a new enum value, used before it is committed
_WRITING: Final = frozenset({"update", "delete", "insert", "merge", "with"})
_LOCKING: Final = frozenset({"update", "delete", "merge"})
_SAID: Final = re.compile(
    r'(rewriting|verifying) table "(?P<table>[^"]+)"|building index "[^"]*" on table "(?P<built>[^"]+)"'
    r'|validating foreign key constraint "(?P<key>[^"]+)"'
)
_HEAVY: Final = ("rewrite", "update", "delete", "merge", "insert", "index build", "validation", "scan")
_WATCHING: Final = "SET client_min_messages = debug1; SET enable_seqscan = off"
_STATE: Final = """
SELECT c.relname, c.oid::int8, c.relfilenode::int8, c.reltablespace::int8, pg_catalog.pg_relation_size(c.oid),
  pg_catalog.pg_stat_get_xact_numscans(c.oid), pg_catalog.pg_stat_get_xact_tuples_updated(c.oid),
  pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)
FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1::oid[])
"""
_INDEXES_NOW: Final = """
SELECT c.relname, t.relname, c.oid::int8, t.oid::int8, i.indisunique, i.indnkeyatts, i.indpred IS NOT NULL
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
WHERE i.indrelid = ANY ($1::oid[])
"""
_HELD: Final = """
SELECT relation::int8, mode FROM pg_catalog.pg_locks
WHERE pid = $1::int AND locktype = 'relation' AND granted
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What was seen. `failure` and `failed` where it did not get to its end."""

    steps: tuple[Step, ...] = ()
    failure: Failure | None = None
    failed: Statement | None = None
    outside: tuple[Statement, ...] = ()  # statements that had to run outside a transaction
    concurrent: bool = False  # an index was built concurrently
    wrote: bool = False


@dataclass(slots=True)
class _File:
    """A relation's file and counters at one moment."""

    node: int
    space: int
    size: int
    scans: int
    changed: int


@dataclass(slots=True)
class _Progress:
    steps: list[Step] = field(default_factory=list)
    outside: list[Statement] = field(default_factory=list)
    concurrent: bool = False
    wrote: bool = False

    def done(self, failure: Failure | None = None, failed: Statement | None = None) -> Traced:
        return Traced(
            steps=tuple(self.steps),
            failure=failure,
            failed=failed,
            outside=tuple(self.outside),
            concurrent=self.concurrent,
            wrote=self.wrote,
        )


def run_plain(database: Database, script: Script) -> Failure | None:
    """Run a migration without watching; the first failure, or None."""
    with database.connect() as session:
        for unit in script.units:
            if unit.transaction:
                session.attempt("BEGIN")
            for one in unit.statements:
                said = session.attempt(one.text)
                if isinstance(said, Failure):
                    session.attempt("ROLLBACK")
                    return said
            if unit.transaction:
                said = session.attempt("COMMIT")
                if isinstance(said, Failure):
                    return said
    return None


def refused(session: Session, script: Script) -> Failure | None:
    """What the server says against a script in the transaction that is open, rules checked at once."""
    texts = (*(one.text for one in script.statements), "SET CONSTRAINTS ALL IMMEDIATE")
    return next((said for said in map(session.attempt, texts) if isinstance(said, Failure)), None)


def trace(database: Database, observer: Session, script: Script, catalog: Catalog) -> Traced:
    """Run a migration on a database that `catalog` describes, every step watched by another session there."""
    with database.connect() as session:
        return _Tracer(database, session, observer, catalog).run(script)


class _Tracer:
    def __init__(self, database: Database, session: Session, observer: Session, catalog: Catalog) -> None:
        self._database = database
        self._session = session
        self._observer = observer
        self._catalog = catalog
        self._files = [
            one.oid for one in catalog.relations.values() if one.kind in "rpm" and not one.is_bookkeeping
        ]
        self._names = {
            one.name: one.oid
            for one in catalog.relations.values()
            if one.kind in "rpm" and not one.is_bookkeeping
        }
        self._before: Mapping[int, frozenset[str]] = {}

    def run(self, script: Script) -> Traced:
        progress = _Progress()
        for unit in script.units:
            self._before = {}
            alone = not unit.transaction
            self._session.attempt("BEGIN")
            for one in unit.statements:
                failure = self._step(one, progress, transaction=unit.transaction)
                if failure is not None and alone and failure.sqlstate in NOT_IN_A_TRANSACTION:
                    self._session.attempt("ROLLBACK")
                    failure = self._outside(one, progress)
                if failure is not None:
                    self._session.attempt("ROLLBACK")
                    return progress.done(failure, one)
            said = self._session.attempt("COMMIT")
            if isinstance(said, Failure):
                return progress.done(said, unit.statements[-1])
        return progress.done()

    def _step(self, statement: Statement, progress: _Progress, *, transaction: bool) -> Failure | None:
        self._session.attempt(_WATCHING)
        timeout = self._lock_timeout()
        before = self._state(self._session)
        self._session.notices.clear()
        whole = self._whole(statement)
        self._session.notices.clear()
        said = self._session.attempt(statement.text)
        if isinstance(said, Failure):
            return said
        notices = list(self._session.notices)
        self._session.attempt(_WATCHING)  # the statement may have been a RESET ALL
        after = self._state(self._session)
        held = self._held()
        taken = {oid: modes - self._before.get(oid, frozenset()) for oid, modes in held.items()}
        self._before = held
        work = _foremost(self._work(statement, notices, before, after, whole))
        told = bool(_WRITING & set(statement.lead[:1])) and not BOOKKEEPING & set(statement.lead)
        progress.wrote = progress.wrote or told or self._changed(before, after)
        progress.steps.append(
            Step(
                line=statement.line,
                statement=statement.text,
                held=held,
                taken=taken,
                work=work,
                lock_timeout=timeout,
                transaction=transaction,
            )
        )
        return None

    def _outside(self, statement: Statement, progress: _Progress) -> Failure | None:
        timeout = self._lock_timeout()
        before = self._state(self._observer)
        self._session.attempt(_WATCHING)
        self._session.notices.clear()
        seen = watch(self._database, self._session, self._observer, statement, self._catalog)
        after = self._state(self._observer)
        progress.outside.append(statement)
        words = {token.value for token in statement.tokens}
        builds = "concurrently" in words and statement.lead[0] in {"create", "reindex"}
        progress.concurrent = progress.concurrent or builds
        work = _foremost(self._work(statement, list(self._session.notices), before, after, []))
        progress.steps.append(
            Step(
                line=statement.line,
                statement=statement.text,
                held=seen.modes,
                taken=seen.modes,
                work=work,
                lock_timeout=timeout,
                transaction=False,
            )
        )
        self._session.attempt("BEGIN")
        return seen.failure

    def _lock_timeout(self) -> bool:
        rows = self._session.ask("SELECT pg_catalog.current_setting('lock_timeout')")
        return rows[0][0] != "0"

    def _state(self, session: Session) -> dict[int, _File]:
        listed = "{" + ",".join(map(str, self._files)) + "}"
        found = {}
        for called, *row in session.ask(_STATE, [listed]):
            oid, node, space, size, scans, updated, deleted = (int(one or 0) for one in row)
            self._names[called or ""] = oid  # renamed ones are known by both names
            found[oid] = _File(node, space, size, scans, updated + deleted)
        return found

    def _held(self) -> dict[int, frozenset[str]]:
        found: dict[int, set[str]] = {}
        for relation, mode in self._observer.ask(_HELD, [str(self._session.pid)]):
            found.setdefault(int(relation or 0), set()).add(mode or "")
        return {oid: frozenset(modes) for oid, modes in found.items()}

    def _whole(self, statement: Statement) -> list[str]:
        """Tables that a data statement walks through as a whole, by its plan."""
        if not _WRITING & set(statement.lead[:1]):
            return []
        self._session.attempt("SAVEPOINT crossfade_plan")
        said = self._session.attempt(f"EXPLAIN (FORMAT JSON) {statement.text}")
        self._session.attempt("ROLLBACK TO crossfade_plan; RELEASE crossfade_plan")
        if isinstance(said, Failure) or not said.rows:
            return []
        plan = _plan(said)
        indexes = self._indexes_now()
        tables = {name: called for name, (called, _) in indexes.items()}
        known = {name: index for name, (_, index) in indexes.items()}
        found = unbounded(plan, self._names.keys(), known, tables)
        changes = _operations(plan)
        return [f"{'+' if changes & _LOCKING else ''}{one}" for one in found]

    def _indexes_now(self) -> dict[str, tuple[str, Index]]:
        """Indexes on the tables that were there before, with the table's name now."""
        listed = "{" + ",".join(map(str, self._files)) + "}"
        found = {}
        for called, table, oid, relation, unique, keys, partial in self._session.ask(_INDEXES_NOW, [listed]):
            found[called or ""] = (
                table or "",
                Index(
                    oid=int(oid or 0),
                    relation=int(relation or 0),
                    name=called or "",
                    unique=unique == "t",
                    valid=True,
                    columns=(0,) * int(keys or 0),
                    partial=partial == "t",
                    definition="",
                    node=0,
                ),
            )
        return found

    def _work(
        self,
        statement: Statement,
        notices: Sequence[str],
        before: Mapping[int, _File],
        after: Mapping[int, _File],
        whole: Sequence[str],
    ) -> Iterator[Work]:
        lead = statement.lead[:1]
        if lead == ("truncate",):
            return
        yield from self._told(notices)
        data = bool(_WRITING & set(lead))
        for oid, file in after.items():
            old, table = before.get(oid), self._catalog.relations[oid].name
            if old is None:
                continue
            if (file.node != old.node or file.space != old.space) and file.size > 0:
                yield Work(table=table, kind="rewrite")
            if file.scans > old.scans and not data:
                yield Work(table=table, kind="scan")
            changed = file.changed - old.changed
            if not data and (changed > 2 or (changed > 0 and file.scans > old.scans)):
                yield Work(table=table, kind="update", rows_locked=True)
        verb = next(iter(lead), "")
        for table in whole:
            kind = verb if verb != "with" else "update"
            yield Work(table=table.lstrip("+"), kind=kind, rows_locked=table.startswith("+"))

    def _told(self, notices: Sequence[str]) -> Iterator[Work]:
        for notice in notices:
            found = _SAID.match(notice)
            if not found:
                continue
            table = found["table"] or found["built"]
            checked = self._table_of(found["key"]) if found["key"] else None
            if checked is not None:
                yield Work(table=checked, kind="validation")
            elif table in self._names:
                kind = {"r": "rewrite", "v": "scan"}.get(notice[0], "index build")
                yield Work(table=table, kind=kind)

    def _table_of(self, constraint: str) -> str | None:
        """The table of a constraint, where it was there before; asked in the session, which alone sees it."""
        told = self._session.ask(
            "SELECT conrelid::int8 FROM pg_catalog.pg_constraint WHERE conname = $1", [constraint]
        )
        tables = [self._catalog.relations.get(int(row[0] or 0)) for row in told]
        return next((one.name for one in tables if one is not None), None)

    @staticmethod
    def _changed(before: Mapping[int, _File], after: Mapping[int, _File]) -> bool:
        return any(file.changed > before[oid].changed for oid, file in after.items() if oid in before)


def _foremost(found: Iterable[Work]) -> tuple[Work, ...]:
    """By table the heaviest work: a rewrite scans and builds indexes too, and need not say so."""
    best: dict[str, Work] = {}
    for one in sorted(found, key=lambda one: (_HEAVY.index(one.kind), not one.rows_locked)):
        best.setdefault(one.table, one)
    return tuple(best.values())


def _plan(said: Rows) -> dict[str, Any]:
    read: list[dict[str, Any]] = json.loads(said.rows[0][0] or "[{}]")
    plan: dict[str, Any] = read[0].get("Plan", {})
    return plan


def _operations(plan: Mapping[str, Any]) -> set[str]:
    found = {str(plan.get("Operation", "")).lower()} if plan.get("Node Type") == "ModifyTable" else set()
    for child in plan.get("Plans", ()):
        found |= _operations(child)
    return found
