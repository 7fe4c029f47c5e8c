"""
Columns that get another type, tried with values at the edges of the one they had.

Each value is put into a row that is there, as long as the schema's own rules let it; the migration runs on it
and is taken back. It trips (`data_check`), or the value comes back as another one (`data_loss`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from crossfade.migrations.answers import Failure
from crossfade.migrations.catalog import Catalog, Column, Relation
from crossfade.migrations.odd import odd
from crossfade.migrations.pools import shape_of
from crossfade.migrations.script import Script
from crossfade.migrations.trace import refused
from crossfade.migrations.wire import Session, literal, name

OF_DATA: Final = frozenset({"21", "22", "23", "P0"})
"""Classes of errors that rows are to blame for."""
_NOT_SUPPORTED: Final = "0A"  # "cannot convert infinity to bigint"
_SHOWN: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Retyped:
    """A column as it was and as it is, and the tables that hold it."""

    table: Relation
    column: Column
    now: Relation
    column_now: Column
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tripped:
    """Where the migration trips over such a value, and which columns do not give it back."""

    failure: str = ""
    lost: tuple[str, ...] = ()


def retyped(before: Catalog, after: Catalog) -> tuple[Retyped, ...]:
    """The columns for which something is worth trying."""
    return tuple(_retyped(before, after))


def _retyped(before: Catalog, after: Catalog) -> Iterator[Retyped]:
    for table in before.tables():
        now = after.relations.get(table.oid)
        for column in table.columns if now is not None else ():
            other = now.column(column.attnum) if now is not None else None
            if now is None or other is None or (other.type, other.mod) == (column.type, column.mod):
                continue
            values = odd(shape_of(column, before.enums), shape_of(other, after.enums))
            if values and not column.generated and not table.is_bookkeeping:
                yield Retyped(table=table, column=column, now=now, column_now=other, values=values)


def trip(session: Session, script: Script, columns: Iterable[Retyped]) -> Tripped:
    """Every value by itself. A script of several transactions is run as one, as far as that goes."""
    session.ask("SET client_min_messages = error; SET statement_timeout = '5s'; SET lock_timeout = '2s'")
    session.ask("BEGIN")
    without = refused(session, script)
    session.ask("ROLLBACK")
    if without is not None:
        return Tripped()  # as one transaction it is refused whatever the values are
    failures: list[str] = []
    lost: dict[Retyped, str] = {}
    for one in columns:
        for value in one.values:
            said = _tried(session, script, one, value)
            where = f"{one.table.name}.{one.column.name} may hold {_short(value)}"
            if isinstance(said, Failure):
                failures.append(f"{said} ({where})")
            elif said:
                lost.setdefault(one, where)
    return Tripped(failure=next(iter(failures), ""), lost=tuple(lost.values()))


def _tried(session: Session, script: Script, one: Retyped, value: str) -> Failure | bool:
    """The failure, or whether the value is lost; it is not where that cannot be told."""
    table, column = name(*one.table.key), name(one.column.name)
    session.ask("BEGIN")
    put = session.attempt(
        f"UPDATE ONLY {table} SET {column} = {literal(value)} "
        f"WHERE ctid = (SELECT ctid FROM ONLY {table} LIMIT 1) RETURNING {column}::text"
    )
    if isinstance(put, Failure) or not put.rows:
        session.ask("ROLLBACK")
        return False
    said = refused(session, script)
    back = f"{name(one.column_now.name)}::{one.column.type_name}::text"
    found = session.attempt(f"SELECT FROM ONLY {name(*one.now.key)} WHERE {back} = $1 LIMIT 1", put.rows[0])
    session.ask("ROLLBACK")
    if said is not None:
        return said if said.sqlstate[:2] in OF_DATA | {_NOT_SUPPORTED} else False
    return not isinstance(found, Failure) and found.affected == 0


def _short(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")
