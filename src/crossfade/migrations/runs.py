"""
Runs a version's statements on one shape of the database, each in a transaction that is rolled back.

Deferred constraints are forced, then what was written is read back as the owner. A statement runs as the
application's role where there is one. NOTHING IS KEPT but what sequences gave out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from crossfade.migrations.answers import Failure, Order, Prepared, Rows
from crossfade.migrations.catalog import TABLES, Catalog
from crossfade.migrations.compare import Effect, Outcome, Row
from crossfade.migrations.wire import Session, name

Vector = tuple[str | None, ...]
Key = tuple[str, str]
Readings = Mapping[Key, Mapping[str, str]]
_LARGEST_TABLE: Final = 2000  # rows; what a bigger one gets is not read back
_WRITTEN: Final = """
SELECT relation::int8 FROM pg_catalog.pg_locks
WHERE pid = pg_backend_pid() AND locktype = 'relation' AND mode = 'RowExclusiveLock'
"""
_OPENED: Final = """
SELECT relation::int8 FROM pg_catalog.pg_locks WHERE pid = pg_backend_pid() AND relation IS NOT NULL
"""
_AS_SET: Final = """
SELECT pg_catalog.set_config(split_part(s, '=', 1), substr(s, strpos(s, '=') + 1), false)
FROM pg_catalog.pg_db_role_setting d JOIN pg_catalog.pg_roles r ON r.oid = d.setrole AND r.rolname = $1,
  LATERAL pg_catalog.unnest(d.setconfig) s WHERE d.setdatabase = 0
"""
"""What a session of the role would begin with."""
_UNDETERMINED: Final = frozenset({"42P18", "42P08"})
_TEXT: Final = 25
_FIRST: Final = 4  # runs
_MOST_PARAMS: Final = 64


@dataclass(frozen=True, slots=True)
class _Table:
    """A table as it is when nothing runs: its rows, each one text, and the values of each column."""

    columns: tuple[str, ...]
    rows: Counter[Row]
    held: Mapping[str, frozenset[str | None]]

    @classmethod
    def of(cls, columns: tuple[str, ...], rows: Counter[Row]) -> Self:
        cut = [parts(row[0]) for row in rows]
        held = {one: frozenset(row[at] for row in cut) for at, one in enumerate(columns)}
        return cls(columns, rows, held)


class Runner:
    """One session on one database. `columns`: those of the old shape, by which writes are compared."""

    def __init__(
        self,
        session: Session,
        columns: Mapping[Key, Sequence[str]],
        *,
        role: str | None = None,
        settings: Iterable[str] = (),
        deferred: bool = True,
        readings: Readings | None = None,
    ) -> None:
        self.session = self._session = session
        self._columns = columns
        self._readings = readings or {}  # columns of another name or type here, as what they were
        self._tables: dict[Key, _Table | None] = {}
        self._reads: dict[Key, Order] = {}
        self._count = 0
        self._deferred = deferred  # whether some constraint may wait until the end of a transaction
        session.ask("SET statement_timeout = '5s'; SET lock_timeout = '2s'; SET client_min_messages = error")
        if role is not None:
            session.attempt(_AS_SET, [role])
        for one in settings:
            session.attempt(one)
        self._role = role
        if role is not None:
            session.attempt(f"SET ROLE {name(role)}")

    def log_in(self) -> None:
        """
        As if the role itself had opened the session: a role that it is no member of is refused to it.

        For a session that need not come back from it. Where the server does not let us, SET ROLE stays.
        """
        if self._role is not None:
            self._session.attempt(f"SET SESSION AUTHORIZATION {name(self._role)}")

    def prepare(
        self, sql: str, types: Sequence[int] = (), hints: Mapping[int, int] | None = None
    ) -> Prepared | Failure:
        """Prepared as a driver would: types as given, else as found, else by hint, else text."""
        self._count += 1
        called = f"crossfade_{self._count}"
        said = self._session.prepare(called, sql, types)
        known = list(types)
        while isinstance(said, Failure) and said.sqlstate in _UNDETERMINED and len(known) <= _MOST_PARAMS:
            at = _number_of(said)
            if at is None or (at <= len(known) and known[at - 1]):
                break
            known += [0] * (at - len(known))
            known[at - 1] = (hints or {}).get(at, _TEXT)
            said = self._session.prepare(called, sql, known)
        if isinstance(said, Prepared):
            return replace(said, declared=tuple(known))
        return said

    def plan(self, prepared: Prepared) -> Failure | None:
        """Whether the planner takes it: some errors show only here, before any value does."""
        answers = self._explained(prepared)
        return next((one for one in answers if isinstance(one, Failure)), None)

    def used(self, prepared: Prepared) -> set[int] | None:
        """The relations that a statement opens when it is planned; None where it cannot be."""
        *_, last = self._explained(prepared, Order(_OPENED))
        return None if isinstance(last, Failure) else {int(row[0] or 0) for row in last.rows}

    def _explained(self, prepared: Prepared, *more: Order) -> list[Rows | Failure]:
        nulls = ", ".join(["NULL"] * len(prepared.params))
        explain = Order(f"EXPLAIN EXECUTE {prepared.name}" + (f" ({nulls})" if nulls else ""))
        return self._session.batch([[Order("BEGIN"), explain, *more], [Order("ROLLBACK")]])[0]

    def run(
        self, prepared: Prepared, runs: Sequence[Sequence[Vector]], tables: Collection[Key] = ()
    ) -> list[Outcome]:
        """
        Each run is vectors in one transaction: the outcome of its last, or its failure.

        Where none of the first is over in time, the others are not waited for.
        """
        first, others = self._run(prepared, runs[:_FIRST], tables), runs[_FIRST:]
        if others and all(one.late for one in first):
            return [*first, *[first[-1]] * len(others)]
        return [*first, *self._run(prepared, others, tables)] if others else first

    def _run(
        self, prepared: Prepared, runs: Sequence[Sequence[Vector]], tables: Collection[Key]
    ) -> list[Outcome]:
        wanted = [(one, known) for one in tables if (known := self._known(one)) is not None]
        reads = [self._read_of(key, known.columns) for key, known in wanted]
        groups = [self._group(prepared, vectors, reads) for vectors in runs]
        answers = self._session.batch([*groups, [Order("ROLLBACK")]])
        return [
            _outcome(answer, group, prepared, wanted)
            for answer, group in zip(answers[:-1], groups, strict=True)
        ]

    def written(self, prepared: Prepared, vector: Vector, catalog: Catalog) -> tuple[Key, ...]:
        """The tables that a statement opens for writing, those of its triggers too."""
        group = self._group(prepared, [vector], [Order(_WRITTEN)])
        answer = self._session.batch([group, [Order("ROLLBACK")]])[0]
        last = answer[-1]
        if len(answer) < len(group) or isinstance(last, Failure):
            return ()
        found = [catalog.relations.get(catalog.root(int(row[0] or 0))) for row in last.rows]
        return tuple(dict.fromkeys(one.key for one in found if one is not None and one.kind in TABLES))

    def _group(self, prepared: Prepared, vectors: Sequence[Vector], reads: Sequence[Order]) -> list[Order]:
        group = [Order("ROLLBACK"), Order("BEGIN")]
        for vector in vectors:
            group.append(Order(prepared=prepared.name, values=vector))
            if self._deferred:
                group.append(Order("SET CONSTRAINTS ALL IMMEDIATE"))
        if self._role is not None and reads:
            group.append(Order("RESET ROLE"))
        return [*group, *reads]

    def commit(self, prepared: Prepared, vector: Vector) -> Failure | None:
        """Run it for good, as the new version does."""
        self._session.attempt("BEGIN")
        said = self._session.execute(prepared.name, vector)
        ended = self._session.attempt("ROLLBACK" if isinstance(said, Failure) else "COMMIT")
        return next((one for one in (said, ended) if isinstance(one, Failure)), None)

    def _known(self, key: Key) -> _Table | None:
        """A table as it is when nothing runs; None where it is gone or too big."""
        if key not in self._tables:
            self._session.attempt("BEGIN")
            self._session.attempt("RESET ROLE")
            columns = self._there(key)
            rows = self._read(key, columns) if columns else None
            self._session.attempt("ROLLBACK")
            small = rows is not None and rows.total() <= _LARGEST_TABLE
            self._tables[key] = _Table.of(columns, rows) if rows is not None and small else None
        return self._tables[key]

    def _read_of(self, key: Key, columns: Sequence[str]) -> Order:
        """Reads a table; prepared, as it is asked after every run."""
        if key not in self._reads:
            sql = _reading(key, columns, self._readings.get(key, {}))
            said = self._session.prepare(f"crossfade_read_{len(self._reads)}", sql)
            self._reads[key] = Order(sql) if isinstance(said, Failure) else Order(prepared=said.name)
        return self._reads[key]

    def _there(self, key: Key) -> tuple[str, ...]:
        said = self._session.ask(
            "SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = pg_catalog.to_regclass($1) "
            "AND a.attnum > 0 AND NOT a.attisdropped",
            [name(*key)],
        )
        present = {row[0] for row in said} | self._readings.get(key, {}).keys()
        return tuple(one for one in self._columns.get(key, ()) if one in present)

    def _read(self, key: Key, columns: Sequence[str]) -> Counter[Row] | None:
        said = self._session.attempt(_reading(key, columns, self._readings.get(key, {})))
        return None if isinstance(said, Failure) else Counter(said.rows)


def _reading(key: Key, columns: Sequence[str], readings: Mapping[str, str]) -> str:
    """A table's rows, each as one text: most are the same as before and never looked into."""
    listed = ", ".join(f"{readings.get(one, name(one))}::text" for one in columns)
    return f"SELECT ROW({listed})::text FROM {name(*key)} LIMIT {_LARGEST_TABLE + 1}"


def parts(row: str | None) -> Row:
    """The values of a row that came as one text; what stands empty between commas is NULL."""
    found: list[str | None] = []
    text, at = row or "()", 1
    while at < len(text):
        value, quoted, here = [], False, at
        while quoted or text[at] not in ",)":
            if text[at] == "\\" or (quoted and text.startswith('""', at)):
                value.append(text[at + 1])
                at += 2
                continue
            if text[at] == '"':
                quoted = not quoted
            else:
                value.append(text[at])
            at += 1
        found.append("".join(value) if at > here else None)
        at += 1
    return tuple(found)


def _outcome(
    answer: Sequence[Rows | Failure],
    group: Sequence[Order],
    prepared: Prepared,
    wanted: Sequence[tuple[Key, _Table]],
) -> Outcome:
    failure = next((one for one in answer if isinstance(one, Failure)), None)
    if failure is not None:
        return Outcome(failure=failure)
    last = max(at for at, order in enumerate(group) if order.prepared == prepared.name)
    said = answer[last]
    effects = {}
    for (key, known), now in zip(wanted, answer[len(answer) - len(wanted) :], strict=True):
        rows = Counter(now.rows) if isinstance(now, Rows) else known.rows
        added, removed = rows - known.rows, known.rows - rows
        came, went = (tuple(parts(one[0]) for one in some.elements()) for some in (added, removed))
        effects[key] = Effect(
            columns=known.columns, added=came, removed=len(went), held=known.held, taken=went
        )
    if isinstance(said, Failure):
        return Outcome(failure=said)
    return Outcome(fields=said.fields, rows=said.rows, affected=said.affected, effects=effects)


def _number_of(said: Failure) -> int | None:
    """Of "could not determine data type of parameter $3" the 3."""
    digits = said.message.rpartition("$")[2]
    return int(digits) if digits.isdigit() else None
