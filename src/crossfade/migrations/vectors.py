"""
Values for a statement's parameters: first those of rows that exist, then one parameter changed at a time.

A vector takes all its values from one row, so that conditions meet and rules over several columns hold;
what must not repeat gets a fresh value. Pure, given what the tables hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from crossfade.migrations.binding import Binding, Bound
from crossfade.migrations.catalog import Catalog, Column
from crossfade.migrations.pools import Shape, array_of, fresh, shape, shape_of, values_of

Value = str | None
Vector = tuple[Value, ...]
Rows = Sequence[Mapping[int, Value]]

_BASES: Final = 20
_POOL: Final = 26
_LARGE: Final = 1000
_ODD: Final = 12
_NUMBER: Final = re.compile(r"\d{1,30}(\.\d+)?")
_COUNTS: Final = ("10", "1", "0", "100")
_STEP: Final = 40  # fresh values apart between two vectors; no statement has as many unique columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What values are taken from: rows by relation, legal values by column; `salt` sets fresh ones apart."""

    catalog: Catalog
    rows: Mapping[int, Rows]
    legal: Mapping[tuple[int, int], Sequence[Value]]
    forms: Mapping[tuple[int, int], int] = field(default_factory=dict)
    salt: int = 0

    def shape(self, oid: int) -> Shape:
        _, called = self.catalog.categories.get(oid, ("X", "text"))
        return shape(called, -1, self.catalog.enums.get(oid, ()))

    def column(self, column: Column) -> list[Value]:
        """Different values that the column holds now."""
        rows = self.rows.get(column.relation, ())
        return list(dict.fromkeys(one.get(column.attnum) for one in rows))


class Choices:
    """The vectors of one statement."""

    def __init__(self, bound: Bound, params: Sequence[int], supply: Supply) -> None:
        self._bound = bound
        self._supply = supply
        self._shapes = [supply.shape(oid) for oid in params]
        self._bindings = [bound.params.get(at + 1, Binding()) for at in range(len(params))]
        self._loose = [self._by_type(one) for one in self._shapes]

    def bases(self) -> Iterator[Vector]:
        """One vector per row; without parameters a single empty one."""
        if not self._shapes:
            yield ()
            return
        seen = set()
        for row in range(_BASES):
            vector = tuple(self._from_row(at, row) for at in range(len(self._shapes)))
            if vector not in seen:
                seen.add(vector)
                yield vector

    def met(self) -> Iterator[Vector]:
        """Rows as they are, where what is written must not repeat: it meets them, or a rule lets it."""
        if any(self._is_fresh(one) for one in self._bindings):
            for row in range(_BASES):
                yield tuple(self._of_row(at, row) for at in range(len(self._shapes)))

    def varied(self, base: Vector) -> Iterator[Vector]:
        """The base with one parameter changed, all parameters in turn."""
        pools = [self._pool(at) for at in range(len(self._shapes))]
        for depth in range(max(map(len, pools), default=0)):
            for at, pool in enumerate(pools):
                if depth < len(pool) and pool[depth] != base[at]:
                    yield (*base[:at], pool[depth], *base[at + 1 :])

    def mixed(self) -> Iterator[Vector]:
        """Values of different rows together, for a statement that no single row satisfies."""
        for row in range(_BASES):
            for shift in (1, 3):
                yield tuple(self._from_row(at, row + shift * at) for at in range(len(self._shapes)))

    def again(self, vector: Vector) -> Vector | None:
        """A second run's vector, the same but for what must not repeat; None where nothing is written."""
        if not any(one.assigned for one in self._bindings):
            return None
        return tuple(
            self._fresh(at, 900 + at) if self._unique(one) and value is not None else value
            for at, (one, value) in enumerate(zip(self._bindings, vector, strict=True))
        )

    def _from_row(self, at: int, row: int) -> Value:
        made = self._fresh(at, row * _STEP + at) if self._is_fresh(self._bindings[at]) else None
        return self._of_row(at, row) if made is None else made

    def _is_fresh(self, binding: Binding) -> bool:
        return not binding.counts and bool(binding.assigned) and self._unique(binding)

    def _of_row(self, at: int, row: int) -> Value:
        binding, kind = self._bindings[at], self._shapes[at]
        if binding.counts:
            return _COUNTS[row % len(_COUNTS)] if row < len(_COUNTS) else _COUNTS[0]
        columns = binding.columns
        if not columns:
            loose = self._loose[at]
            return loose[row % len(loose)] if loose else None
        rows = self._supply.rows.get(columns[0].relation, ())
        if not rows:
            pool = self._legal(columns[0]) or self._loose[at]
            return pool[row % len(pool)] if pool else None
        value = rows[row % len(rows)].get(columns[0].attnum)
        if value is None and binding.compared:
            value = next((one for one in self._supply.column(columns[0]) if one is not None), None)
        if kind.element and not self._is_array(columns[0]):
            return array_of([value, rows[(row + 1) % len(rows)].get(columns[0].attnum)])
        return value

    def _is_array(self, column: Column) -> bool:
        return column.base_name.endswith("[]")

    def _pool(self, at: int) -> list[Value]:
        binding, kind = self._bindings[at], self._shapes[at]
        if binding.counts:
            return list(_COUNTS)
        found: list[Value] = []
        odd: list[Value] = []
        for column in binding.assigned.values():
            legal = [one for one in self._legal(column) or values_of(kind) if one is not None]
            held = self._supply.column(column)
            far = self._far(column) if binding.reckoned else ()
            found += [*legal[:2], None, *far, *held[:2], self._fresh(at, 700 + at), *legal[2:], *held[2:6]]
            if kind.is_string and self._unique(binding):
                odd += self._odd_and_new(legal)
        for column in binding.compared.values():
            met = [one for one in self._supply.column(column) if one is not None]
            if kind.element and not self._is_array(column):
                met = [*(array_of([one]) for one in met), array_of(met[:3])]
            found += [*met[:2], None, *met[2:10], *values_of(kind)[:4]]
        if not binding.columns:
            found += [*self._loose[at][:2], None, *self._loose[at][2:]]
        return [*list(dict.fromkeys(found))[:_POOL], *odd]

    def _odd_and_new(self, legal: Sequence[Value]) -> list[Value]:
        """Texts of many a form, where those of the rows are taken: they meet a rule on it all the same."""
        ends = f" {self._supply.salt}9"
        return [f"{one}{ends}" for one in legal[:_ODD] if one is not None]

    def _far(self, column: Column) -> list[Value]:
        """What is added may be large: half of the most that the column holds, beside what is there."""
        numbers = [Decimal(one) for one in self._legal(column) if one and _NUMBER.fullmatch(one)]
        most = max(numbers, default=Decimal(0))
        return [str(most // 2)] if most > _LARGE else []

    def _unique(self, binding: Binding) -> bool:
        for column in binding.assigned.values():
            table = self._supply.catalog.relations.get(column.relation)
            if table is None or column.attnum not in table.unique_columns():
                continue
            if not any(rule.kind == "f" and column.attnum in rule.columns for rule in table.rules):
                return True
        return False

    def _fresh(self, at: int, number: int) -> Value:
        column = next(iter(self._bindings[at].assigned.values()), None)
        if column is None:
            return fresh(self._shapes[at], self._supply.salt + number)
        form = self._supply.forms.get((column.relation, column.attnum), 0)
        return fresh(shape_of(column, self._supply.catalog.enums), self._supply.salt + number, form)

    def _legal(self, column: Column) -> Sequence[Value]:
        return self._supply.legal.get((column.relation, column.attnum), ())

    def _by_type(self, kind: Shape) -> list[Value]:
        """For a parameter beside no column: what columns of its type hold, and the type's own values."""
        if kind.name == "regclass":
            return [*self._named_relations()]
        tables = self._bound.tables or tuple(self._supply.catalog.relations.values())
        held: list[Value] = [
            value
            for table in tables
            for column in table.columns
            if column.base_name == kind.name
            for value in self._supply.column(column)[:3]
            if value is not None
        ]
        return list(dict.fromkeys([*held[:12], *values_of(kind)]))

    def _named_relations(self) -> Iterator[Value]:
        """What `nextval($1)` and `$1::regclass` may be asked for: sequences before all else."""
        every = self._supply.catalog.relations.values()
        for one in sorted(every, key=lambda relation: relation.kind != "S"):
            yield one.as_value
