"""
Rows that are legal and unkind: edges, NULLs, repeats, empty and wide texts, values that sentences look for.

Every row went through the schema's own rules, so whatever trips over it trips over data that production may
hold. Rows are numbered: the same number in every table is of the same kind, and a child of a number refers to
the parent of that number, so that kinds can be taken away again (`keep`).
WHAT A TRIGGER REFUSES IS LEFT OUT; a table may stay empty, and the verdict says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crossfade.migrations.catalog import Catalog, Column, Relation, Rule
from crossfade.migrations.legal import Judge, Literals, Value, candidates
from crossfade.migrations.lexer import Kind, meaningful
from crossfade.migrations.pools import fresh, shape_of
from crossfade.migrations.wire import Failure, Session, literal, name

ROWS: Final = 20
_TRIES: Final = 8
_DEFAULTS_IN: Final = 1  # the row that leaves out every column with a default
_NULLS_IN: Final = (2, 3)  # two rows, so that NULLs repeat
_ODD_IN: Final = 13  # values that no other column holds: orphans, where nothing forbids them
_BY_HAND_IN: Final = 15  # the row whose number was given by hand, beyond the next smaller type
_BY_HAND: Final = {"bigint": "3000000000", "integer": "40000", "smallint": "300"}
_REPEAT_IN: Final = 4  # the first row again, wherever nothing forbids it


@dataclass(frozen=True, slots=True)
class Placed:
    """A row as it lies in its table: the kind it is of, and where."""

    kind: int
    table: int
    ctid: str


@dataclass(slots=True)
class Seeds:
    """What was put in, the rows of each table by attnum, the legal values of each column."""

    placed: list[Placed] = field(default_factory=list)
    rows: dict[int, list[tuple[int, dict[int, Value]]]] = field(default_factory=dict)
    legal: dict[tuple[int, int], list[Value]] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)


def sow(session: Session, catalog: Catalog, literals: Literals) -> Seeds:
    """Fill every table."""
    session.ask("SET client_min_messages = error; SET statement_timeout = '5s'")
    sower = _Sower(session, catalog, literals)
    for table in _parents_first(catalog):
        sower.fill(table)
    for view in catalog.relations.values():
        if view.kind == "m":
            session.attempt(f"REFRESH MATERIALIZED VIEW {name(*view.key)}")
    return sower.seeds


def keep(
    session: Session, catalog: Catalog, seeds: Seeds, kinds: Collection[int], tables: Collection[int]
) -> None:
    """Of some tables take away all rows but those of some kinds, and whatever then refers to nothing."""
    session.ask("SET session_replication_role = replica; SET client_min_messages = error")
    gone: dict[int, list[str]] = {}
    for one in seeds.placed:
        if one.kind not in kinds and catalog.root(one.table) in tables:
            gone.setdefault(one.table, []).append(one.ctid)
    for table, places in gone.items():
        where = catalog.relations[table]
        listed = ", ".join(f"'{one}'::tid" for one in places)
        session.ask(f"DELETE FROM ONLY {name(*where.key)} WHERE ctid IN ({listed})")
    _without_orphans(session, catalog)


def wipe(session: Session, catalog: Catalog, tables: Collection[int]) -> None:
    """Take away every row of some tables, those of the schema's own file too."""
    session.ask("SET session_replication_role = replica; SET client_min_messages = error")
    for table in tables:
        session.attempt(f"DELETE FROM {name(*catalog.relations[table].key)}")
    _without_orphans(session, catalog)


def _without_orphans(session: Session, catalog: Catalog) -> None:
    orphans = [_orphans(catalog, rule) for one in catalog.tables() for rule in one.rules if rule.kind == "f"]
    while any([_deleted(session, sql) for sql in orphans]):  # noqa: C419 every one of them is to run
        pass
    session.ask("RESET session_replication_role; RESET client_min_messages")


def _deleted(session: Session, sql: str) -> bool:
    said = session.attempt(sql)
    return not isinstance(said, Failure) and said.affected > 0


def _orphans(catalog: Catalog, rule: Rule) -> str:
    child, parent = catalog.relations[rule.relation], catalog.relations[rule.target]
    mine = [name("c", _named(child, one).name) for one in rule.columns]
    theirs = [name("p", _named(parent, one).name) for one in rule.target_columns]
    set_ = " AND ".join(f"{one} IS NOT NULL" for one in mine)
    same = " AND ".join(f"{one} = {other}" for one, other in zip(mine, theirs, strict=True))
    return (
        f"DELETE FROM {name(*child.key)} c WHERE {set_} "
        f"AND NOT EXISTS (SELECT FROM {name(*parent.key)} p WHERE {same})"
    )


def _named(table: Relation, attnum: int) -> Column:
    return next(one for one in table.columns if one.attnum == attnum)


def _parents_first(catalog: Catalog) -> Iterable[Relation]:
    """Tables after those they refer to; in a ring, the one that may leave its reference empty first."""
    waiting = {one.oid: one for one in catalog.tables()}
    while waiting:
        free = [one for one in waiting.values() if not _needs(one, catalog) & (waiting.keys() - {one.oid})]
        if not free:
            free = [
                one
                for one in waiting.values()
                if not _needs(one, catalog, firmly=True) & (waiting.keys() - {one.oid})
            ]
        for one in free or list(waiting.values())[:1]:
            yield one
            del waiting[one.oid]


def _needs(table: Relation, catalog: Catalog, *, firmly: bool = False) -> set[int]:
    found = set()
    for rule in table.rules:
        if rule.kind != "f" or rule.target not in catalog.relations:
            continue
        if not firmly or all(_named(table, one).not_null for one in rule.columns):
            found.add(rule.target)
    return found


class _Sower:
    def __init__(self, session: Session, catalog: Catalog, literals: Literals) -> None:
        self._session = session
        self._catalog = catalog
        self._literals = literals
        self._judge = Judge(session, catalog)
        self.seeds = Seeds()
        self._fresh = itertools.count()
        self._checked: set[int] = set()

    def fill(self, table: Relation) -> None:
        columns = [one for one in table.columns if not one.generated]
        pools = {one.attnum: self._pool(table, one) for one in columns}
        self.seeds.legal |= {(table.oid, attnum): pool for attnum, pool in pools.items()}
        joint = self._joint(table, pools)
        self._checked = {at for rule in table.rules if rule.kind == "c" for at in rule.columns}
        self._checked |= set(table.partition_columns)
        rows = self.seeds.rows.setdefault(table.oid, [])
        if self._literals.reserved(table):
            self._make_room(table)
        given = [one for one in columns if not _by_itself(one)]
        for kind in range(ROWS):
            self._insert(table, columns if kind == _BY_HAND_IN else given, pools, joint, kind)
        if not rows:
            self.seeds.empty.append(".".join(table.key))

    def _make_room(self, table: Relation) -> None:
        """Numbers of a sequence begin above those that the migration gives by hand."""
        for column in table.columns:
            if _by_itself(column):
                self._session.attempt(
                    "SELECT setval(pg_get_serial_sequence($1, $2), 5000)", [name(*table.key), column.name]
                )

    def _pool(self, table: Relation, column: Column) -> list[Value]:
        wanted = candidates(column, self._catalog, self._literals)
        if column.attnum in table.unique_columns():
            reserved = self._literals.reserved(table)
            wanted = [one for one in wanted if one not in reserved]
        if column.attnum in table.partition_columns or self._below_partitioned(table, column):
            wanted = self._routed(table, column, wanted)
        return self._judge.taken(table, column, wanted)

    def _below_partitioned(self, table: Relation, column: Column) -> bool:
        return any(
            one.is_partition and one.kind == "p" and self._catalog.root(one.oid) == table.oid
            and any((mine := one.column(at)) and mine.name == column.name for at in one.partition_columns)
            for one in self._catalog.relations.values()
        )  # fmt: skip

    def _routed(self, table: Relation, column: Column, wanted: list[Value]) -> list[Value]:
        """Values for which there is a partition: the bounds that partitions are declared with."""
        bounds = [
            one.bound or ""
            for one in self._catalog.relations.values()
            if one.is_partition and self._catalog.root(one.oid) == table.oid
        ]
        if not bounds or any("WITH (" in one for one in bounds):
            return wanted
        listed: dict[Value, None] = {}
        for bound in bounds:
            lower = bound.split(" TO ")[0]
            for token in meaningful(lower):
                if token.kind in {Kind.STRING, Kind.NUMBER}:
                    listed[token.value] = None
        if any(one == "DEFAULT" for one in bounds):
            return [*listed, *wanted]
        return list(listed) or wanted

    def _joint(self, table: Relation, pools: Mapping[int, list[Value]]) -> list[list[dict[int, Value]]]:
        """For rules over several columns: per group of rules that touch, what their columns may be together."""
        rules = [one for one in table.rules if one.kind == "c" and len(one.columns) > 1]
        groups: list[tuple[set[int], list[Rule]]] = []
        for rule in rules:
            mine = (set(rule.columns), [rule])
            apart = []
            for group in groups:
                if group[0] & mine[0]:
                    mine = (mine[0] | group[0], [*mine[1], *group[1]])
                else:
                    apart.append(group)
            groups = [*apart, mine]
        found = []
        for attnums, grouped in groups:
            columns = [_named(table, one) for one in sorted(attnums) if one in pools]
            found.append(self._judge.combinations(columns, grouped, pools))
        return found

    def _insert(
        self,
        table: Relation,
        columns: Sequence[Column],
        pools: Mapping[int, list[Value]],
        joint: Sequence[list[dict[int, Value]]],
        kind: int,
    ) -> None:
        row = self._row(table, columns, pools, joint, kind)
        for attempt in range(_TRIES):
            said = self._put(table, row)
            if not isinstance(said, Failure):
                self._note(table, kind, said)
                return
            row = self._mended(table, columns, pools, joint, row, said, kind + attempt + 1)

    def _row(
        self,
        table: Relation,
        columns: Sequence[Column],
        pools: Mapping[int, list[Value]],
        joint: Sequence[list[dict[int, Value]]],
        kind: int,
    ) -> dict[int, Value]:
        unique, row = table.unique_columns(), {}
        for place, column in enumerate(columns):
            pool = pools[column.attnum]
            if not pool or (kind == _DEFAULTS_IN and column.default is not None):
                continue
            row[column.attnum] = self._value(column, pool, kind, place, unique=column.attnum in unique)
            if _by_itself(column):
                row[column.attnum] = _BY_HAND.get(column.base_name, row[column.attnum])
        for group in joint:
            if group:
                row |= {key: value for key, value in group[kind % len(group)].items() if key in row}
        return row | self._references(table, row, kind)

    def _value(self, column: Column, pool: Sequence[Value], kind: int, place: int, *, unique: bool) -> Value:
        values = [one for one in pool if one is not None]
        if not values or (kind in _NULLS_IN and None in pool):
            return None if None in pool else pool[0]
        if unique:
            if kind < len(values):
                return values[kind]
            return (
                fresh(shape_of(column, self._catalog.enums), next(self._fresh)) or values[kind % len(values)]
            )
        if kind in {0, _REPEAT_IN}:
            return values[0]
        if kind == _ODD_IN and column.kind == "b" and column.attnum not in self._checked:
            return fresh(shape_of(column, self._catalog.enums), 5000 + 10 * place) or values[0]
        if kind in _NULLS_IN:
            return values[kind % len(values)]
        # Odd rows shift by column: equal values meet in even rows, different ones in odd rows.
        return values[(kind + 2 * place) % ROWS % len(values) if kind % 2 else kind % len(values)]

    def _references(self, table: Relation, row: Mapping[int, Value], kind: int) -> dict[int, Value]:
        found: dict[int, Value] = {}
        for rule in table.rules:
            if rule.kind != "f":
                continue
            optional = not all(_named(table, one).not_null for one in rule.columns)
            parent = self._parent(rule, kind)
            if parent is None or (optional and kind in _NULLS_IN):
                loose = [one for one in rule.columns if not _named(table, one).not_null]
                found |= dict.fromkeys(loose, None)
                continue
            for mine, theirs in zip(rule.columns, rule.target_columns, strict=True):
                found[mine] = parent.get(theirs)
        del row
        return found

    def _parent(self, rule: Rule, kind: int) -> Mapping[int, Value] | None:
        rows = self.seeds.rows.get(rule.target, [])
        kind = 0 if kind == _REPEAT_IN else kind
        same = next((values for number, values in rows if number == kind), None)
        return same or (rows[kind % len(rows)][1] if rows else None)

    def _put(self, table: Relation, row: Mapping[int, Value]) -> tuple[str | None, ...] | Failure:
        listed = ", ".join(name(_named(table, one).name) for one in row)
        values = ", ".join(literal(one) for one in row.values())
        back = ", ".join(f"{name(one.name)}::text" for one in table.columns)
        by_hand = any(_named(table, one).identity for one in row)
        overriding = "OVERRIDING SYSTEM VALUE " if by_hand else ""
        what = f"({listed}) {overriding}VALUES ({values})" if row else "DEFAULT VALUES"
        said = self._session.attempt(
            f"INSERT INTO {name(*table.key)} {what} RETURNING tableoid::int8, ctid, {back}"
        )
        if isinstance(said, Failure):
            return said
        nothing = Failure(sqlstate="P0001", message="a trigger or rule took the row away")
        return said.rows[0] if said.rows else nothing

    def _note(self, table: Relation, kind: int, said: Sequence[str | None]) -> None:
        self.seeds.placed.append(Placed(kind, int(said[0] or 0), said[1] or ""))
        values = {one.attnum: text for one, text in zip(table.columns, said[2:], strict=True)}
        self.seeds.rows[table.oid].append((kind, values))

    def _mended(
        self,
        table: Relation,
        columns: Sequence[Column],
        pools: Mapping[int, list[Value]],
        joint: Sequence[list[dict[int, Value]]],
        row: Mapping[int, Value],
        said: Failure,
        shift: int,
    ) -> dict[int, Value]:
        """The row again, changed where the server pointed."""
        touched = _pointed(table, said)
        changed = dict(row)
        together = [one for one in joint if one and touched & one[0].keys()]
        if said.sqlstate == "23514" and together:
            for group in together:
                changed |= group[shift % len(group)]
            return changed
        references = {at for rule in table.rules if rule.kind == "f" for at in rule.columns}
        for column in columns:
            if touched and column.attnum not in touched:
                continue
            values = [one for one in pools[column.attnum] if one is not None]
            another = fresh(shape_of(column, self._catalog.enums), next(self._fresh))
            if column.attnum in references:
                changed |= self._references(table, row, shift)
            elif said.sqlstate in {"23505", "23P01"} and another is not None:
                changed[column.attnum] = another
            elif values:
                changed[column.attnum] = values[shift % len(values)]
        return changed


def _pointed(table: Relation, said: Failure) -> set[int]:
    """The columns an error speaks of, where it does."""
    if said.column:
        return {one.attnum for one in table.columns if one.name == said.column}
    for rule in table.rules:
        if rule.name == said.constraint:
            return set(rule.columns)
    for index in table.indexes:
        if index.name == said.constraint:
            return {one for one in index.columns if one}
    return set(table.partition_columns) if said.sqlstate == "23514" else set()


def _by_itself(column: Column) -> bool:
    """Whether the column is numbered by a sequence."""
    return bool(column.identity) or (column.default or "").startswith("nextval(")
