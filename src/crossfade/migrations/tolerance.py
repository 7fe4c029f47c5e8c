"""
What the new version may write that the old one has never met: NULLs, labels, wider values.

Asked of values, not of words: a value that the column takes after the migration and did not take before. A
CHECK that went because NOT NULL stands for it allows nothing new. Counts only for columns that a statement of
the old version READS: PostgreSQL refuses it to a role that may read all columns but that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from crossfade.migrations.answers import Failure, Prepared
from crossfade.migrations.catalog import Catalog, Column, Relation
from crossfade.migrations.legal import Judge, Literals, Value, candidates
from crossfade.migrations.pools import WIDE, shape_of
from crossfade.migrations.wire import Session, literal, name

_DENIED: Final = "42501"
_PROBE: Final = "crossfade_probe"
_READING: Final = ("SELECT",)
_READING_AND_WRITING: Final = ("SELECT", "INSERT", "UPDATE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loosened:
    """A column that takes more than it did; `need` says what kind of more."""

    table: int
    column: Column
    need: str


def changed_columns(before: Catalog, after: Catalog) -> Iterator[tuple[Relation, Relation, Column, Column]]:
    """Columns whose type or rules are others now."""
    for table in before.relations.values():
        now = after.relations.get(table.oid)
        if now is None or table.kind not in "rp":
            continue
        for column in table.columns:
            other = now.column(column.attnum)
            if other is not None and _rules(before, table, column) != _rules(after, now, other):
                yield table, now, column, other


def _rules(catalog: Catalog, table: Relation, column: Column) -> object:
    checks = sorted(one.definition for one in table.rules if one.kind == "c" and column.attnum in one.columns)
    keys = sorted(
        str(_reference(one)) for one in table.rules if one.kind == "f" and column.attnum in one.columns
    )
    labels = catalog.enums.get(column.base, ())
    return (column.type, column.mod, column.not_null, labels, catalog.domains.get(column.type), checks, keys)


def _reference(rule: object) -> tuple[object, object]:
    return (getattr(rule, "columns", ()), getattr(rule, "target", 0))


def loosened(
    old: Session, new: Session, before: Catalog, after: Catalog, literals: Literals
) -> Iterator[Loosened]:
    """Columns that take a value which they did not take before, and what kind of value."""
    yield from _uncoupled(before, after)
    pairs = list(changed_columns(before, after))
    if not pairs:
        return
    was, now = Judge(old, before), Judge(new, after)
    for table, table_now, column, column_now in pairs:
        added = set(after.enums.get(column_now.base, ())) - set(before.enums.get(column.base, ()))
        if added and column.base == column_now.base:
            yield Loosened(table=table.oid, column=column, need="old_tolerates_new_enum")
        tried = _tried(column, column_now, before, after, literals)
        newly = _newly(was, now, (table, column), (table_now, column_now), tried)
        if None in newly:
            yield Loosened(table=table.oid, column=column, need="old_tolerates_null")
        lost_key = _keys(table, column) - _keys(table_now, column)
        wider = any(one is not None and one not in added for one in newly)
        wider = wider or _finer(new, column, column_now, now.taken(table_now, column_now, tried))
        if wider or any(target in after.relations for _, target in lost_key):
            yield Loosened(table=table.oid, column=column, need="old_tolerates_wider_values")


def _uncoupled(before: Catalog, after: Catalog) -> Iterator[Loosened]:
    """Columns that a CHECK over several of them kept in step, and none does any more."""
    for table in before.relations.values():
        now = after.relations.get(table.oid)
        for rule in table.rules if now is not None else ():
            if rule.kind != "c" or len(rule.columns) < 2 or now is None:
                continue
            kept = {frozenset(one.columns) for one in now.rules if one.kind == "c"}
            if frozenset(rule.columns) in kept:
                continue
            for attnum in rule.columns:
                column = table.column(attnum)
                if column is not None and now.column(attnum) is not None:
                    yield Loosened(table=table.oid, column=column, need="old_tolerates_wider_values")


def _keys(table: Relation, column: Column) -> set[tuple[tuple[int, ...], int]]:
    return {
        (one.columns, one.target) for one in table.rules if one.kind == "f" and column.attnum in one.columns
    }


def _tried(column: Column, now: Column, before: Catalog, after: Catalog, literals: Literals) -> list[Value]:
    tried = dict.fromkeys([*candidates(column, before, literals), *candidates(now, after, literals), None])
    lengths = [shape_of(column, before.enums).length, shape_of(now, after.enums).length]
    for length in [one for one in lengths if one is not None]:
        tried |= dict.fromkeys(["x" * length, "x" * (length + 1)])
    tried |= dict.fromkeys(["x" * WIDE] if now.category == "S" else [])
    return list(tried)


def _newly(
    was: Judge, now: Judge, old: tuple[Relation, Column], new: tuple[Relation, Column], tried: Sequence[Value]
) -> list[Value]:
    taken_before = set(was.taken(*old, tried))
    return [one for one in now.taken(*new, tried) if one not in taken_before]


def _finer(session: Session, was: Column, now: Column, values: Sequence[Value]) -> bool:
    """Whether a column of the same type holds some value that it would have rounded before."""
    if was.base != now.base or was.mod == now.mod:
        return False
    held = [f"{literal(one)}::{now.type_name}" for one in values if one is not None]
    rounded = " OR ".join(f"{one}::{was.type_name} <> {one}" for one in held)
    said = session.attempt(f"SELECT {rounded or 'false'}")
    return not isinstance(said, Failure) and said.rows[0][0] == "t"


class Readers:
    """Tells which statements read a column, by taking it away from a role made for that."""

    def __init__(self, session: Session, catalog: Catalog) -> None:
        self._session = session
        self._catalog = catalog

    def reads(self, prepared: Sequence[Prepared], column: Column) -> bool:
        """Whether any of the statements, prepared in this session, reads the column, through a view too."""
        with self._without(column, _READING) as there:
            return there and any(self._refused(one) for one in prepared)

    def names(self, prepared: Sequence[Prepared], column: Column) -> bool:
        """Whether any of the statements reads or sets the column; so too where nobody can tell."""
        with self._without(column, _READING_AND_WRITING) as there:
            return not there or any(self._refused(one) for one in prepared)

    @contextmanager
    def _without(self, column: Column, rights: Sequence[str]) -> Iterator[bool]:
        """In a transaction that is rolled back: a role that may do anything but that with this column."""
        self._session.attempt("BEGIN")
        try:
            yield self._set_up(column, rights)
        finally:
            self._session.attempt("ROLLBACK")

    def _set_up(self, column: Column, rights: Sequence[str]) -> bool:
        schemas = {one.schema for one in self._catalog.relations.values()}
        orders = ["RESET ROLE", f"CREATE ROLE {_PROBE}"]
        orders += [f"GRANT ALL ON SCHEMA {name(one)} TO {_PROBE}" for one in schemas]
        for schema in schemas:
            orders += [
                f"GRANT ALL ON ALL TABLES IN SCHEMA {name(schema)} TO {_PROBE}",
                f"GRANT ALL ON ALL SEQUENCES IN SCHEMA {name(schema)} TO {_PROBE}",
            ]
        for table in self._with_views(column):
            others = [name(one.name) for one in table.columns if one.name != column.name]
            for right in rights:
                orders.append(f"REVOKE {right} ON {name(*table.key)} FROM {_PROBE}, PUBLIC")
                if others:
                    orders.append(f"GRANT {right} ({', '.join(others)}) ON {name(*table.key)} TO {_PROBE}")
        orders.append(f"SET LOCAL ROLE {_PROBE}")
        return all(not isinstance(self._session.attempt(one), Failure) for one in orders)

    def _with_views(self, column: Column) -> list[Relation]:
        """The column's table, and views that show a column of its name from it."""
        table = self._catalog.relations[column.relation]
        rows = self._session.ask(
            "SELECT DISTINCT r.ev_class::int8 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r "
            "ON r.oid = d.objid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass "
            "WHERE d.refobjid = $1::oid AND d.refobjsubid = $2::int",
            [str(table.oid), str(column.attnum)],
        )
        views = [self._catalog.relations.get(int(row[0] or 0)) for row in rows]
        return [table, *(one for one in views if one is not None and one.named(column.name))]

    def _refused(self, prepared: Prepared) -> bool:
        nulls = ", ".join(["NULL"] * len(prepared.params))
        self._session.attempt("SAVEPOINT crossfade_reads")
        said = self._session.attempt(f"EXPLAIN EXECUTE {prepared.name}" + (f" ({nulls})" if nulls else ""))
        self._session.attempt("ROLLBACK TO crossfade_reads")
        return isinstance(said, Failure) and said.sqlstate == _DENIED


def needs_of(found: Sequence[Loosened], read: Mapping[tuple[int, int], bool]) -> set[str]:
    """The needs that stand for columns which are read."""
    return {one.need for one in found if read.get((one.table, one.column.attnum))}
