"""
What a migration did to the rows that were there: lost, filled, or left as they were.

Lost: a row, a column, a table is gone, or a value is another one and cannot be turned back. A NULL that got
a value is a gap filled. A view or index holds no data; a generated column is computed again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.migrations.answers import Failure
from crossfade.migrations.catalog import Catalog, Column, Relation
from crossfade.migrations.wire import Session, name

Value = str | None
_MOST: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The rows of every table and partition (by oid), each row by attnum; views only for their values."""

    rows: Mapping[int, Sequence[Mapping[int, Value]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of the data: what was lost, whether gaps were filled, which tables hold something else."""

    lost: tuple[str, ...] = ()
    filled: bool = False
    tables: frozenset[int] = frozenset()
    incidental: frozenset[tuple[int, int]] = frozenset()  # columns that a trigger changed on the way


def read_content(session: Session, catalog: Catalog, *, limit: int = _MOST) -> Content:
    """All rows, as text."""
    found: dict[int, Sequence[Mapping[int, Value]]] = {}
    for one in catalog.relations.values():
        if one.columns and one.kind != "f":
            found[one.oid] = _read(session, one, {}, limit)
    return Content(rows=found)


def read_again(session: Session, before: Catalog, after: Catalog, *, limit: int = _MOST) -> Content:
    """All rows after the migration, values turned back into the type they had where that is possible."""
    found: dict[int, Sequence[Mapping[int, Value]]] = {}
    for one in after.relations.values():
        if not one.columns or one.kind == "f":
            continue
        was = before.relations.get(one.oid)
        casts = {}
        for column in one.columns:
            old = was.column(column.attnum) if was else None
            if old is not None and (old.type, old.mod) != (column.type, column.mod):
                casts[column.attnum] = old.type_name
        found[one.oid] = _read(session, one, casts, limit)
    return Content(rows=found)


def _read(session: Session, table: Relation, casts: Mapping[int, str], limit: int) -> list[dict[int, Value]]:
    only = "ONLY " if table.kind == "r" else ""
    for tried in (casts, {}):
        listed = ", ".join(_column(one, tried.get(one.attnum)) for one in table.columns)
        said = session.attempt(f"SELECT {listed} FROM {only}{name(*table.key)} LIMIT {limit}")
        if not isinstance(said, Failure):
            attnums = [one.attnum for one in table.columns]
            return [dict(zip(attnums, row, strict=True)) for row in said.rows]
    return []


def _column(column: Column, cast: str | None) -> str:
    called = name(column.name)
    return f"{called}::{cast}::text" if cast else f"{called}::text"


def changes(before: Catalog, after: Catalog, old: Content, new: Content, named: frozenset[str]) -> Change:
    """Compare table by table; a table that was replaced by another of its name is compared with that.

    `named` is what the migration speaks of: a column that it does not name was changed by a trigger of the
    schema's own, as any write changes it.
    """
    lost: list[str] = []
    filled, tables, incidental = False, set(), set()
    labels = _renamed_labels(before, after)
    for table in before.relations.values():
        if table.kind != "r" or table.is_bookkeeping:
            continue
        now = after.relations.get(table.oid) or after.by_name.get(table.key)
        if now is None or now.kind not in "rpvm":
            lost.append(f"table {table.name}")
            tables.add(table.oid)
            continue
        pairs, gone = _columns(table, now)
        lost += [f"column {table.name}.{one.name}" for one in gone if not one.generated]
        pairs = [(one, other) for one, other in pairs if not _only_zoned(one, other)]
        mine = [
            tuple(_value(row[one.attnum], one, labels) for one, _ in pairs)
            for row in old.rows.get(table.oid, ())  # none where a table has no columns
        ]
        theirs = [tuple(row[one.attnum] for _, one in pairs) for row in new.rows.get(now.oid, ())]
        if Counter(mine) == Counter(theirs):
            continue
        tables.add(table.oid)
        firm = [at for at, (one, _) in enumerate(pairs) if not named or one.name in named]
        loose = [at for at in range(len(pairs)) if at not in firm]
        for at in loose:
            if Counter(row[at] for row in mine) != Counter(row[at] for row in theirs):
                incidental.add((table.oid, pairs[at][0].attnum))
        every = firm if firm and any((table.oid, pairs[at][0].attnum) in incidental for at in loose) else None
        kept, with_gaps = _kept(_some(mine, every), _some(theirs, every))
        filled = filled or with_gaps
        if not kept:
            lost.append(f"rows or values of {table.name}")
    return Change(lost=tuple(lost), filled=filled, tables=frozenset(tables), incidental=frozenset(incidental))


def _some(rows: Sequence[tuple[Value, ...]], places: Sequence[int] | None) -> Sequence[tuple[Value, ...]]:
    return rows if places is None else [tuple(row[at] for at in places) for row in rows]


def _columns(table: Relation, now: Relation) -> tuple[list[tuple[Column, Column]], list[Column]]:
    pairs, gone = [], []
    for one in table.columns:
        other = now.column(one.attnum) if now.oid == table.oid else now.named(one.name)
        if other is None:
            gone.append(one)
        elif not one.generated:
            pairs.append((one, other))
    return pairs, gone


def _only_zoned(old: Column, new: Column) -> bool:
    """A timestamp that got a zone, or lost it: which zone the migration took is not known afterwards."""
    return old.base != new.base and {old.base_name, new.base_name} == {
        "timestamp with time zone",
        "timestamp without time zone",
    }


def _renamed_labels(before: Catalog, after: Catalog) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for type_, labels in before.enum_oids.items():
        now = after.enum_oids.get(type_, {})
        renamed = {label: now[oid] for oid, label in labels.items() if now.get(oid, label) != label}
        if renamed:
            found[type_] = renamed
    return found


def _value(value: Value, column: Column, labels: Mapping[int, Mapping[str, str]]) -> Value:
    return labels[column.type].get(value, value) if value is not None and column.type in labels else value


def _kept(before: Sequence[tuple[Value, ...]], after: Sequence[tuple[Value, ...]]) -> tuple[bool, bool]:
    """Whether every row is still there, gaps filled or not; whether any gap was filled."""
    left = Counter(after)
    missing = []
    for row in before:
        if left[row]:
            left[row] -= 1
        else:
            missing.append(row)
    rest = list(left.elements())
    for row in missing:
        match = next((one for one in rest if _fills(row, one)), None)
        if match is None:
            return False, False
        rest.remove(match)
    return True, bool(missing)


def _fills(before: tuple[Value, ...], after: tuple[Value, ...]) -> bool:
    return all(mine is None or mine == theirs for mine, theirs in zip(before, after, strict=True))
