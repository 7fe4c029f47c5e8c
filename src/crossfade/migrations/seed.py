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

from crossfade.migrations.answers import Failure, Order, Rows
from crossfade.migrations.catalog import Catalog, Column, Relation, Rule
from crossfade.migrations.legal import Literals, Value
from crossfade.migrations.plots import Plot, Plots
from crossfade.migrations.pools import fresh, shape_of
from crossfade.migrations.wire import Session, literal, name

_SPREAD: Final = 26  # kinds that go through the values of a column
_ROWS: Final = _SPREAD + 4
_TRIES: Final = 8
_DEFAULTS_IN: Final = 1  # the row that leaves out every column with a default
_NULLS_IN: Final = (2, 3, 26)  # several rows, so that NULLs repeat
_ODD_IN: Final = 13  # values that no other column holds: orphans, where nothing forbids them
_BY_HAND_IN: Final = 15  # the row whose number was given by hand, beyond the next smaller type
_BY_HAND: Final = {"bigint": "3000000000", "integer": "40000", "smallint": "300"}
_GAPS_IN: Final = ((20, 21, 22), (23, 24, 25))  # every other column NULL, beside values of its neighbours
_GAPS: Final = frozenset(itertools.chain(*_GAPS_IN))
_REPEAT_IN: Final = 4  # the first row again, wherever nothing forbids it
_GAPS_AGAIN_IN: Final = 26  # the first row of NULLs again, under the same parents
_WRITTEN_OTHERWISE_IN: Final = 27  # the first row again, in other letters where rules want another value
_UNUSUAL_IN: Final = 28  # the first row again, but not NULL where sentences ask for NULL
_SIBLING_IN: Final = 29  # another row under the first one's parents, which an UPDATE may make too like it
_PARENTS_OF: Final = {
    _REPEAT_IN: 0,
    _GAPS_AGAIN_IN: 2,
    _WRITTEN_OTHERWISE_IN: 0,
    _UNUSUAL_IN: 0,
    _SIBLING_IN: 0,
}
_LIKE: Final = {_REPEAT_IN: 0, _GAPS_AGAIN_IN: 2, _UNUSUAL_IN: 0}
_FAMILY: Final = (0, _SIBLING_IN)
_TWINS: Final = (_UNUSUAL_IN, _WRITTEN_OTHERWISE_IN, _GAPS_AGAIN_IN, _REPEAT_IN)
KINDS: Final = (*_FAMILY, *(one for one in range(_ROWS) if one not in {*_FAMILY, *_TWINS}), *_TWINS)
"""In the order in which they are worth keeping: rows that a rule would refuse for another one come last."""
_SOWN: Final = (*_FAMILY, _UNUSUAL_IN, *(one for one in range(_ROWS) if one not in {*_FAMILY, _UNUSUAL_IN}))


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
    forms: dict[tuple[int, int], int] = field(default_factory=dict)  # of fresh values, by column
    empty: list[str] = field(default_factory=list)


def sow(session: Session, catalog: Catalog, literals: Literals) -> Seeds:
    """Fill every table."""
    session.ask("SET client_min_messages = error; SET statement_timeout = '5s'")
    sower = _Sower(session, catalog, literals)
    for table in _parents_first(catalog):
        if not table.is_bookkeeping:
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
        self._plots = Plots(session, catalog, literals)
        self.seeds = Seeds()
        self._fresh = itertools.count()

    def fill(self, table: Relation) -> None:
        plot = self._plots.measure(table)
        self.seeds.legal |= {(table.oid, attnum): list(pool) for attnum, pool in plot.pools.items()}
        self.seeds.forms |= {(table.oid, attnum): form for attnum, form in plot.forms.items()}
        self.seeds.rows.setdefault(table.oid, [])
        if self._literals.reserved(table):
            self._make_room(table)
        itself = any(rule.kind == "f" and rule.target == table.oid for rule in table.rules)
        for kinds in [[kind] for kind in _SOWN] if itself else [list(_SOWN)]:
            self._sow(plot, kinds)
        if not self.seeds.rows[table.oid]:
            self.seeds.empty.append(".".join(table.key))

    def _make_room(self, table: Relation) -> None:
        """Numbers of a sequence begin above those that the migration gives by hand."""
        for column in table.columns:
            if _by_itself(column):
                self._session.attempt(
                    "SELECT setval(pg_get_serial_sequence($1, $2), 5000)", [name(*table.key), column.name]
                )

    def _sow(self, plot: Plot, kinds: Sequence[int]) -> None:
        """Rows in one flight; those that are refused are mended one by one."""
        rows = [self._row(plot, kind) for kind in kinds]
        answers = self._session.batch([[Order(_insert(plot.table, row))] for row in rows])
        for kind, row, answer in zip(kinds, rows, answers, strict=True):
            said = _put(answer[0])
            if isinstance(said, Failure):
                self._mend(plot, kind, row, said)
            else:
                self._note(plot.table, kind, said)

    def _mend(self, plot: Plot, kind: int, row: Mapping[int, Value], said: Failure) -> None:
        for attempt in range(1, _TRIES):
            row = self._mended(plot, row, said, kind + attempt)
            answer = _put(self._session.attempt(_insert(plot.table, row)))
            if not isinstance(answer, Failure):
                self._note(plot.table, kind, answer)
                return
            said = answer

    def _row(self, plot: Plot, kind: int) -> dict[int, Value]:
        row: dict[int, Value] = {}
        for place, column in enumerate(plot.columns):
            if _by_itself(column):
                if kind == _BY_HAND_IN and column.base_name in _BY_HAND:
                    row[column.attnum] = _BY_HAND[column.base_name]
            elif plot.pools[column.attnum] and (kind != _DEFAULTS_IN or column.default is None):
                row[column.attnum] = self._value(plot, column, kind, place)
        for group in plot.joint:
            row |= {key: value for key, value in group[kind % len(group)].items() if key in row}
        return row | self._references(plot.table, kind)

    def _value(self, plot: Plot, column: Column, kind: int, place: int) -> Value:
        values, nullable = plot.values(column), None in plot.pools[column.attnum]
        if not values or (nullable and (kind in _NULLS_IN or kind in _GAPS_IN[place % 2])):
            return None
        if (
            self._literals.often_null(column)
            and kind != _UNUSUAL_IN
            and _PARENTS_OF.get(kind, kind) // 2 % 2 == 0
        ):
            return None
        if kind == _WRITTEN_OTHERWISE_IN:
            return _otherwise(values) if column.attnum in plot.table.unique_columns() else values[0]
        if column.attnum in plot.table.unique_columns():
            another = values[kind] if kind < len(values) else self._another(plot, column)
            return another or values[kind % len(values)]
        if kind == _SIBLING_IN:
            return values[1 % len(values)]
        kind = _LIKE.get(kind, kind)
        if kind == 0:
            return values[0]
        if kind == _ODD_IN and column.kind == "b" and column.attnum not in plot.checked:
            return fresh(shape_of(column, self._catalog.enums), 5000 + 10 * place) or values[0]
        if kind in _GAPS:
            return values[_left_out(len(values), column, place, nullable=nullable)[kind] % len(values)]
        return values[_shifted(kind, place) % len(values)]

    def _another(self, plot: Plot, column: Column) -> Value:
        kind = shape_of(column, self._catalog.enums)
        return fresh(kind, next(self._fresh), plot.forms.get(column.attnum, 0))

    def _references(self, table: Relation, kind: int) -> dict[int, Value]:
        found: dict[int, Value] = {}
        for rule in table.rules:
            if rule.kind != "f":
                continue
            loose = [one for one in rule.columns if not _named(table, one).not_null]
            parent = self._parent(rule, kind)
            if parent is None or (loose and kind in _NULLS_IN):
                found |= dict.fromkeys(loose, None)
                continue
            for mine, theirs in zip(rule.columns, rule.target_columns, strict=True):
                found[mine] = parent.get(theirs)
        return found

    def _parent(self, rule: Rule, kind: int) -> Mapping[int, Value] | None:
        rows = self.seeds.rows.get(rule.target, [])
        kind = _PARENTS_OF.get(kind, kind)
        same = next((values for number, values in rows if number == kind), None)
        return same or (rows[kind % len(rows)][1] if rows else None)

    def _note(self, table: Relation, kind: int, said: Sequence[str | None]) -> None:
        self.seeds.placed.append(Placed(kind, int(said[0] or 0), said[1] or ""))
        values = {one.attnum: text for one, text in zip(table.columns, said[2:], strict=True)}
        self.seeds.rows[table.oid].append((kind, values))

    def _mended(self, plot: Plot, row: Mapping[int, Value], said: Failure, shift: int) -> dict[int, Value]:
        """The row again, changed where the server pointed."""
        touched, changed = _pointed(plot.table, said), dict(row)
        together = [one for one in plot.joint if touched & one[0].keys()]
        if said.sqlstate == "23514" and together:
            for group in together:
                changed |= group[shift % len(group)]
            return changed
        references = {at for rule in plot.table.rules if rule.kind == "f" for at in rule.columns}
        for column in plot.columns:
            if (touched and column.attnum not in touched) or _by_itself(column):
                continue
            values, another = plot.values(column), self._another(plot, column)
            if column.attnum in references:
                changed |= self._references(plot.table, shift)
            elif said.sqlstate in {"23505", "23P01"} and another is not None:
                changed[column.attnum] = another
            elif values:
                changed[column.attnum] = values[shift % len(values)]
        return changed


def _insert(table: Relation, row: Mapping[int, Value]) -> str:
    listed = ", ".join(name(_named(table, one).name) for one in row)
    values = ", ".join(literal(one) for one in row.values())
    back = ", ".join(f"{name(one.name)}::text" for one in table.columns)
    by_hand = any(_named(table, one).identity for one in row)
    overriding = "OVERRIDING SYSTEM VALUE " if by_hand else ""
    what = f"({listed}) {overriding}VALUES ({values})" if row else "DEFAULT VALUES"
    return f"INSERT INTO {name(*table.key)} {what} RETURNING tableoid::int8, ctid, {back}"


def _put(said: Rows | Failure) -> tuple[str | None, ...] | Failure:
    if isinstance(said, Failure):
        return said
    nothing = Failure(sqlstate="P0001", message="a trigger or rule took the row away")
    return said.rows[0] if said.rows else nothing


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


def _shifted(kind: int, place: int) -> int:
    """Odd rows shift by column: equal values meet in even rows, different ones in odd rows."""
    return (kind + 2 * place) % _SPREAD if kind % 2 else kind


def _left_out(count: int, column: Column, place: int, *, nullable: bool) -> dict[int, int]:
    """For each row among those with gaps a value's place: first the places that no other row comes to."""
    special = {0, _REPEAT_IN, _ODD_IN, *_GAPS}
    special |= {_DEFAULTS_IN} if column.default is not None else set()
    special |= set(_NULLS_IN) if nullable else set()
    taken = {_shifted(kind, place) % count for kind in range(_SPREAD) if kind not in special}
    room = sorted(_GAPS - set(_GAPS_IN[place % 2] if nullable else ()))
    missing = [at for at in range(1, count) if at not in taken]
    return dict(zip(room, [*missing, *room], strict=False))


def _otherwise(values: Sequence[str]) -> str:
    """The first of some values in other letters, where one of them is that; else the first."""
    first = values[0]
    return next((one for one in values if one != first and one.lower() == first.lower()), first)


def _by_itself(column: Column) -> bool:
    """Whether the column is numbered by a sequence."""
    return bool(column.identity) or (column.default or "").startswith("nextval(")
