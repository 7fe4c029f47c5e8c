"""
The table a backfill walks, as its server describes it: columns, usable keys, triggers that would fire.

A usable key is a way through all rows: valid, unique, without NULLs, in the order that its index has. A key
that only nearly is one would lose rows in silence, so it is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.errors import PlatformError, RefusedError
from crossfade.migrations.answers import Failure
from crossfade.migrations.wire import Session, name

_ONE: Final = """
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.row_security_active(c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = pg_catalog.to_regclass($1)
"""
_DEFAULTS: Final = """
SELECT d.adnum, pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE d.adrelid = $1::oid AND a.attgenerated = ''
"""
_COLUMNS: Final = """
SELECT a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typcategory, a.attnotnull,
       a.attidentity <> '' OR EXISTS (
           SELECT 1
           FROM pg_catalog.regexp_matches(d.adbin::text, ':(?:funcid|opfuncid) (\\d+)', 'g') AS called
           JOIN pg_catalog.pg_proc p ON p.oid = called[1]::oid WHERE p.provolatile = 'v'),
       a.attgenerated <> '', a.attcollation
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_KEYS: Final = """
SELECT i.indexrelid, k.attnum, i.indoption[k.at - 1] & 1, o.opcdefault, i.indcollation[k.at - 1]
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = ic.relam
CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, at)
JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[k.at - 1]
WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indisready AND m.amname = 'btree'
  AND i.indpred IS NULL AND i.indexprs IS NULL AND k.at <= i.indnkeyatts
ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid, k.at
"""
_MAYBE_NULL: Final = """
SELECT a.attname FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
WHERE c.conrelid = $1::oid AND c.contype = 'n' AND NOT c.convalidated
"""
_TRIGGERS: Final = """
SELECT t.tgname, (SELECT pg_catalog.string_agg(a.attname, ',') FROM pg_catalog.pg_attribute a
                  WHERE a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr::int2[]))
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 16 <> 0
  AND n.nspname <> 'crossfade' ORDER BY t.tgname
"""
_ROWS: Final = """
WITH RECURSIVE parts AS (
    SELECT $1::oid AS oid
    UNION ALL SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN parts ON parts.oid = i.inhparent)
SELECT pg_catalog.sum(greatest(c.reltuples, 0)) FILTER (WHERE c.relkind = 'r')::bigint,
       pg_catalog.bool_or(c.relkind = 'r' AND c.reltuples <= 0 AND pg_catalog.pg_relation_size(c.oid) > 0),
       pg_catalog.string_agg(c.oid::text, ',')
FROM pg_catalog.pg_class c JOIN parts USING (oid)
"""
_NUMBERS_AND_TIMES: Final = frozenset("ND")
_WALKABLE: Final = {"r": "table", "p": "partitioned table"}
_OTHERS: Final = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "c": "a type",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: `type` as SQL, `kind` as PostgreSQL's category of it, its default as SQL."""

    name: str
    type: str
    kind: str
    not_null: bool
    number: int = 0
    default: str | None = None
    default_varies: bool = False
    generated: bool = False

    @property
    def may_be_shown(self) -> bool:
        """Numbers, times and uuids: as a key they lead to a row and say nothing of a person."""
        return self.kind in _NUMBERS_AND_TIMES or self.type == "uuid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A trigger of the user's own that an UPDATE fires; of all columns where `columns` is empty."""

    name: str
    columns: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that can be walked. `parts`: itself and its partitions, by oid."""

    oid: int
    schema: str
    name: str
    columns: Mapping[str, Column]
    keys: tuple[tuple[str, ...], ...]
    unique: frozenset[str]
    triggers: tuple[Trigger, ...]
    rows: int | None
    parts: tuple[int, ...]

    @property
    def sql(self) -> str:
        return name(self.schema, self.name)

    @property
    def called(self) -> str:
        """As a person says it."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    def column(self, said: str) -> Column:
        """The column of that name. Raises RefusedError (CF9283)."""
        found = self.columns.get(said) or self.columns.get(said.strip('"'))
        if found is None:
            raise RefusedError(
                "CF9283",
                f"{self.called} has no column {said}",
                f"it has {', '.join(self.columns)}",
                "has `migrate expand` run? Names are written as they are, without quotes",
            )
        return found

    def way(self, wanted: Sequence[str]) -> tuple[Column, ...]:
        """The key to walk by. Raises RefusedError (CF9284)."""
        if wanted:
            asked = tuple(self.column(one).name for one in wanted)
            found: tuple[str, ...] | None = asked if asked in self.keys else None
        else:
            found = self.keys[0] if self.keys else None
        if found is None:
            there = "; ".join(f"({', '.join(one)})" for one in self.keys)
            raise RefusedError(
                "CF9284",
                f"{self.called} cannot be walked by {'(' + ', '.join(wanted) + ')' if wanted else 'any key'}",
                "a key is unique, valid and not NULL, with nothing left out by a WHERE; "
                + (f"there is {there}" if there else "the table has none"),
                f"key: [{', '.join(self.keys[0])}]"
                if self.keys
                else "CREATE UNIQUE INDEX CONCURRENTLY on columns that are NOT NULL, or a primary key",
            )
        return tuple(self.columns[one] for one in found)


def read_table(session: Session, said: str, *, with_defaults: bool = False) -> Table:
    """
    The table of that name. Raises RefusedError (CF9282).

    Only its defaults need a lock, which may not come in the session's lock_timeout: PlatformError (CF9290).
    """
    oid, schema, called, kind, hidden = _found(session, said)
    if kind not in _WALKABLE:
        raise RefusedError(
            "CF9282",
            f"{said} is {_OTHERS.get(kind, 'no table')}",
            "a backfill changes rows of a table, in their own place",
            "name the table itself",
        )
    if hidden:
        raise RefusedError(
            "CF9282",
            f"row security hides rows of {said} from this role",
            "rows that are not seen would not be filled",
            "connect as the table's owner, or as a role with BYPASSRLS",
        )
    defaults = _defaults(session, oid, said) if with_defaults else {}
    columns, doubtful = _columns(session, oid, defaults)
    keys, unique = _keys(session, oid, columns, doubtful)
    rows, uncounted, parts = session.ask(_ROWS, [oid])[0]
    return Table(
        oid=int(oid),
        schema=schema,
        name=called,
        columns={one.name: one for one, _ in columns.values()},
        keys=keys,
        unique=unique,
        triggers=tuple(_triggers(session, oid)),
        rows=None if uncounted == "t" else int(rows or 0),
        parts=tuple(int(one) for one in (parts or oid).split(",")),
    )


def _found(session: Session, said: str) -> tuple[str, str, str, str, bool]:
    for spelling in (said, name(*said.split("."))):
        answer = session.attempt(_ONE, [spelling])
        rows = getattr(answer, "rows", ())
        if rows:
            oid, schema, called, kind, hidden = rows[0]
            return str(oid), str(schema), str(called), str(kind), hidden == "t"
    raise RefusedError(
        "CF9282",
        f"there is no table {said} in this database",
        "neither in the schemas of the search_path, nor as it is written",
        "schema.table; and look at the database's name",
    )


_Columns = dict[int, tuple[Column, str]]


def _defaults(session: Session, oid: str, said: str) -> dict[str, str]:
    """SQL of the columns' defaults, by the columns' numbers."""
    answer = session.attempt(_DEFAULTS, [oid])
    if isinstance(answer, Failure):
        raise PlatformError(
            "CF9290", f"{said} is locked by somebody else", str(answer), "run it again when it is free"
        )
    return {str(number): str(sql) for number, sql in answer.rows}


def _columns(session: Session, oid: str, defaults: Mapping[str, str]) -> tuple[_Columns, frozenset[str]]:
    """Columns by their number with their collation, and the names that may hold NULL all the same."""
    found: _Columns = {}
    for number, called, kind, category, filled, varies, generated, collation in session.ask(_COLUMNS, [oid]):
        column = Column(
            name=str(called),
            type=str(kind),
            kind=str(category),
            not_null=filled == "t",
            number=int(str(number)),
            default=defaults.get(str(number)),
            default_varies=varies == "t",
            generated=generated == "t",
        )
        found[int(str(number))] = (column, str(collation))
    doubtful = session.ask(_MAYBE_NULL, [oid]) if session.version >= 180000 else ()
    return found, frozenset(str(one) for (one,) in doubtful)


def _keys(
    session: Session, oid: str, columns: _Columns, doubtful: frozenset[str]
) -> tuple[tuple[tuple[str, ...], ...], frozenset[str]]:
    """Keys to walk by, the best first, and every column that a unique index is over."""
    indexes: dict[str, list[tuple[Column, str, bool]]] = {}
    for index, number, down, usual, collation in session.ask(_KEYS, [oid]):
        column, its = columns[int(str(number))]
        fine = usual == "t" and collation == its and column.not_null and column.name not in doubtful
        indexes.setdefault(str(index), []).append((column, str(down), fine))
    usable = [
        tuple(column.name for column, _, _ in parts)
        for parts in indexes.values()
        if all(fine for _, _, fine in parts) and len({down for _, down, _ in parts}) == 1
    ]
    unique = frozenset(column.name for parts in indexes.values() for column, _, _ in parts)
    return tuple(dict.fromkeys(usable)), unique


def _triggers(session: Session, oid: str) -> list[Trigger]:
    return [
        Trigger(name=str(called), columns=frozenset(columns.split(",")) if columns else frozenset())
        for called, columns in session.ask(_TRIGGERS, [oid])
    ]
