"""What may stand in a table: legal values by column, and combinations where rules tie columns together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossfade.migrations.catalog import Catalog, Column, Relation, Rule
from crossfade.migrations.legal import Judge, Literals, Value, candidates
from crossfade.migrations.lexer import Kind, meaningful
from crossfade.migrations.pools import FORMS, fresh, shape_of
from crossfade.migrations.wire import Session

Joint = Sequence[Sequence[Mapping[int, Value]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A table to be filled. `joint`: per group of columns that rules tie together, what they may be."""

    table: Relation
    columns: tuple[Column, ...]
    pools: Mapping[int, Sequence[Value]]
    joint: Joint
    checked: frozenset[int]  # columns that not just any value of their type may stand in
    forms: Mapping[int, int]  # of fresh values, where rules want another than the first

    def values(self, column: Column) -> list[str]:
        """The legal values of a column but NULL."""
        return [one for one in self.pools[column.attnum] if one is not None]


class Plots:
    """Measures tables, in one session."""

    def __init__(self, session: Session, catalog: Catalog, literals: Literals) -> None:
        self._catalog = catalog
        self._literals = literals
        self._judge = Judge(session, catalog)

    def measure(self, table: Relation) -> Plot:
        columns = tuple(one for one in table.columns if not one.generated)
        wanted = {one: self._wanted(table, one) for one in columns}
        pools = {one.attnum: values for one, values in self._judge.all_taken(table, wanted).items()}
        checked = {at for rule in table.rules if rule.kind == "c" for at in rule.columns}
        return Plot(
            table=table,
            columns=columns,
            pools=pools,
            joint=self._joint(table, pools),
            checked=frozenset(checked | set(table.partition_columns)),
            forms=self._forms(table, checked),
        )

    def _forms(self, table: Relation, checked: set[int]) -> dict[int, int]:
        """Which form of fresh values a column with rules takes."""
        found = {}
        for column in table.columns:
            if column.attnum not in table.unique_columns() or not (
                column.attnum in checked or column.kind == "d"
            ):
                continue
            kind = shape_of(column, self._catalog.enums)
            tried = {form: [fresh(kind, number, form) for number in (0, 7, 77)] for form in range(FORMS)}
            for form, values in tried.items():
                if None not in values and len(self._judge.taken(table, column, values)) == len(values):
                    found[column.attnum] = form
                    break
        return found

    def _wanted(self, table: Relation, column: Column) -> list[Value]:
        wanted = candidates(column, self._catalog, self._literals)
        if column.attnum in table.unique_columns():
            reserved = self._literals.reserved(table)
            wanted = [one for one in wanted if one not in reserved]
        if column.name in self._routing(table):
            wanted = self._routed(table, wanted)
        return wanted

    def _routing(self, table: Relation) -> set[str]:
        """Names of the columns by which rows find their partition, at any depth."""
        below = [table, *(one for one in self._parts(table) if one.kind == "p")]
        found = [one.column(at) for one in below for at in one.partition_columns]
        return {one.name for one in found if one is not None}

    def _parts(self, table: Relation) -> list[Relation]:
        if table.kind != "p":
            return []
        every = self._catalog.relations.values()
        return [one for one in every if one.is_partition and self._catalog.root(one.oid) == table.oid]

    def _routed(self, table: Relation, wanted: list[Value]) -> list[Value]:
        """Values for which there is a partition: the lower bounds that partitions are declared with."""
        bounds = [one.bound or "" for one in self._parts(table)]
        if not bounds or any("WITH (" in one for one in bounds):
            return wanted
        listed: dict[Value, None] = {}
        for bound in bounds:
            for token in meaningful(bound.split(" TO ")[0]):
                if token.kind in {Kind.STRING, Kind.NUMBER}:
                    listed[token.value] = None
        return [*listed, *wanted] if "DEFAULT" in bounds else list(listed) or wanted

    def _joint(self, table: Relation, pools: Mapping[int, list[Value]]) -> Joint:
        rules = [one for one in table.rules if one.kind == "c" and len(one.columns) > 1]
        found = []
        for attnums, grouped in _grouped(rules):
            columns = [one for one in table.columns if one.attnum in attnums and one.attnum in pools]
            found.append(self._judge.combinations(columns, grouped, pools))
        return [one for one in found if one]


def _grouped(rules: Sequence[Rule]) -> list[tuple[set[int], list[Rule]]]:
    """Rules that share columns belong together."""
    groups: list[tuple[set[int], list[Rule]]] = []
    for rule in rules:
        mine: tuple[set[int], list[Rule]] = (set(rule.columns), [rule])
        apart = []
        for group in groups:
            if group[0] & mine[0]:
                mine = (mine[0] | group[0], [*mine[1], *group[1]])
            else:
                apart.append(group)
        groups = [*apart, mine]
    return groups
