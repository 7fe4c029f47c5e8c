"""
Whether a difference says nothing against a migration: time, chance, rows more and their order make some too,
and some nobody sees. Each doubt is tried out, and only where a difference was found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from crossfade.migrations.catalog import Catalog
from crossfade.migrations.chance import Chance, moved
from crossfade.migrations.compare import Context, Outcome, compare
from crossfade.migrations.gained import without_gained
from crossfade.migrations.ground import Ground
from crossfade.migrations.replay import differs, fails_alike, fares_the_same, shuffle
from crossfade.migrations.runs import Vector
from crossfade.migrations.sandbox.server import Database
from crossfade.migrations.script import Script
from crossfade.migrations.subject import Bench, Tried, outcome_of
from crossfade.migrations.trace import run_plain
from crossfade.migrations.unseen import Unseen
from crossfade.migrations.vectors import Supply


@dataclass(kw_only=True)
class Doubts:
    """
    Of the old statements, tried on both shapes.

    `shape` is the catalogue after the migration, `gained` are the tables that have rows more since, and
    `bench` makes a place to try statements on another database.
    """

    before: Bench
    after: Bench
    ground: Ground
    shape: Catalog
    context: Context
    gained: frozenset[int]
    olds: Sequence[Tried]
    script: Script
    bench: Callable[[Database, Supply], Bench]

    def hold(self, tried: Tried, vectors: Sequence[Vector], now: Outcome) -> bool:
        """Whether the run that gave `now` differs for another reason than the migration."""
        if now.failure is not None:
            return fails_alike(self.before.of(tried), tried, vectors, now.failure)
        return (
            differs(self.before.of(tried), tried, vectors, failing=True)
            or self._by_chance(tried, vectors, now)
            or self._by_unseen(tried, vectors, now)
            or self._by_rows_more(tried, vectors)
            or differs(self._shuffled.of(tried), tried, vectors)
        )

    def _by_chance(self, tried: Tried, vectors: Sequence[Vector], now: Outcome) -> bool:
        return tried.mask.hides and self._chance.makes(tried, vectors, now)

    def _by_unseen(self, tried: Tried, vectors: Sequence[Vector], now: Outcome) -> bool:
        """Whether it writes otherwise only what no old statement reads or sets, and it left alone itself."""
        if not tried.writes:
            return False
        context = replace(self.context, unseen=self._unseen.of(tried.writes))
        return not compare(outcome_of(tried, vectors), now, tried.mask, context).wrong

    def _by_rows_more(self, tried: Tried, vectors: Sequence[Vector]) -> bool:
        return bool(self.gained) and fares_the_same(self._without.of(tried), tried, vectors, self.context)

    @cached_property
    def _chance(self) -> Chance:
        clone = self.ground.template.clone()
        sequences = moved(clone, lambda: run_plain(clone, self.script))
        return Chance(self.before, self.after, self.context, sequences)

    @cached_property
    def _unseen(self) -> Unseen:
        return Unseen(self.before.owner, self.ground.catalog, self.olds)

    @cached_property
    def _without(self) -> Bench:
        """The new shape without the rows that came with it."""
        clone = self.ground.template.clone()
        run_plain(clone, self.script)
        without_gained(clone, self.ground.catalog, self.shape, self.ground.content, self.gained)
        return self.bench(clone, self.after.supply)

    @cached_property
    def _shuffled(self) -> Bench:
        """The old shape, its rows in another order."""
        clone = self.ground.template.clone()
        tables = [
            (one.key, column.name)
            for one in self.ground.catalog.relations.values()
            if one.kind == "r"
            for column in one.columns[:1]
            if not column.generated
        ]
        with clone.connect() as session:
            shuffle(session, tables)
        return self.bench(clone, self.before.supply)
