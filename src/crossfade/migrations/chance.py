"""
Whether a difference is one that chance makes: of a statement that is not the same twice on its own shape.

It is asked again on both shapes. What stays away mostly on the new one, or is met on the old one too, is
chance. A sequence is none: a number that stood there already, from one that the migration has moved, is a
difference even where the next number is a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from crossfade.migrations.answers import Failure
from crossfade.migrations.compare import Context, Outcome, compare
from crossfade.migrations.runs import Key, Runner, Vector
from crossfade.migrations.sandbox.server import Database
from crossfade.migrations.subject import Bench, Tried, outcome_of
from crossfade.migrations.wire import Session

_RUNS: Final = 24
"""Of something as likely on both shapes, never there and at least every other time here: one in 100,000."""
_MOSTLY: Final = _RUNS // 2
_SEQUENCES: Final = """
SELECT seqrelid::int8, pg_catalog.concat_ws('|', seqincrement, seqmax, seqmin, seqcycle),
  pg_catalog.pg_sequence_last_value(seqrelid)
FROM pg_catalog.pg_sequence
"""

Sequences = dict[str, tuple[str | None, ...]]


def sequences(session: Session) -> Sequences:
    """How each counts, and where it is; by oid."""
    return {row[0] or "": row[1:] for row in session.ask(_SEQUENCES)}


def moved(database: Database, migrate: Callable[[], object]) -> frozenset[str]:
    """The sequences that stand elsewhere or count otherwise after a migration."""
    with database.connect() as session:
        before = sequences(session)
    migrate()
    with database.connect() as session:
        after = sequences(session)
    return frozenset(oid for oid, one in before.items() if after.get(oid) != one)


class Chance:
    """Asks both shapes again. `touched`: the sequences that the migration has moved."""

    def __init__(self, before: Bench, after: Bench, context: Context, touched: frozenset[str]) -> None:
        self._before = before
        self._after = after
        self._context = context
        self._touched = touched

    def makes(self, tried: Tried, vectors: Sequence[Vector], now: Outcome) -> bool:
        """Whether chance makes the difference of this run, which gave `now`; its mask hides something."""
        if self._is_numbered_otherwise(tried, vectors, now):
            return False
        after = self._differing(self._after.of(tried), tried, vectors)
        return after < _MOSTLY or self._differing(self._before.of(tried), tried, vectors) > 0

    def _differing(self, runner: Runner, tried: Tried, vectors: Sequence[Vector]) -> int:
        """How many of several runs are not what the statement gave on its own shape."""
        prepared = runner.prepare(tried.statement.text, tried.types(), tried.hints)
        if isinstance(prepared, Failure):
            return _RUNS
        before = outcome_of(tried, vectors)
        told = runner.run(prepared, [vectors] * _RUNS, tried.writes)
        return sum(bool(compare(before, now, tried.mask, self._context).wrong) for now in told)

    def _is_numbered_otherwise(self, tried: Tried, vectors: Sequence[Vector], now: Outcome) -> bool:
        """Whether it differs in the numbers of a sequence that was moved, all other columns left aside."""
        numbered = self._numbered(tried, vectors) if self._touched else frozenset()
        if not numbered:
            return False
        before = outcome_of(tried, vectors)
        every = {(key, column) for key, effect in before.effects.items() for column in effect.columns}
        context = replace(self._context, incidental_names=frozenset(every - numbered))
        return compare(before, now, tried.mask, context).wrong == "effect"

    def _numbered(self, tried: Tried, vectors: Sequence[Vector]) -> frozenset[tuple[Key, str]]:
        """Columns that get what a moved sequence gives, as one run shows."""
        runner, session = self._after.of(tried), self._after.owner.session
        prepared = runner.prepare(tried.statement.text, tried.types(), tried.hints)
        if isinstance(prepared, Failure):
            return frozenset()
        was = sequences(session)
        told = runner.run(prepared, [vectors], tried.writes)[0]
        now = sequences(session)
        given = [(was[oid][-1], now[oid][-1]) for oid in self._touched if was.get(oid) != now.get(oid)]
        return frozenset(
            (key, column)
            for key, effect in told.effects.items()
            for at, column in enumerate(effect.columns)
            if (key, column) in tried.mask.effects
            and any(_is_of(row[at], *span) for row in effect.added for span in given)
        )


def _is_of(value: str | None, was: str | None, now: str | None) -> bool:
    """Whether a value is a number that a sequence gave between these two, whichever way it counts."""
    ends = [int(one) for one in (was, now) if one is not None]
    return value is not None and value.lstrip("-").isdigit() and min(ends) <= int(value) <= max(ends)
