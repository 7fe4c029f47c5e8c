"""
A statement of a version as it is tried: what it was on the shape it was written for.

`Tried` keeps the vectors that went well there, with their outcomes; they are what is run again on the other
shape. A statement of which no vector went well was planned, not executed, and proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Final

from crossfade.migrations.answers import Failure, Prepared
from crossfade.migrations.binding import bind
from crossfade.migrations.compare import Mask, Outcome, mask_of
from crossfade.migrations.runs import Key, Runner, Vector
from crossfade.migrations.script import Statement
from crossfade.migrations.vectors import Choices, Supply
from crossfade.migrations.verdict import Unproved

_VARIATIONS: Final = 160
_MIXED: Final = 24
_DENIED: Final = "42501"
_NOT_RUN: Final = frozenset({("copy",), ("vacuum",)})


@dataclass(slots=True)
class Tried:
    """A statement on its own shape. `pairs`: two vectors that went well one after the other."""

    statement: Statement
    source: str
    prepared: Prepared | None = None
    as_owner: bool = False
    refused: Failure | None = None  # it cannot even be prepared or planned
    rejected: list[Failure] = field(default_factory=list)
    accepted: list[tuple[Vector, Outcome]] = field(default_factory=list)
    pairs: list[tuple[Vector, Vector, Outcome]] = field(default_factory=list)
    mask: Mask = field(default_factory=Mask)
    writes: tuple[Key, ...] = ()
    hints: Mapping[int, int] = field(
        default_factory=dict
    )  # by number, the type of the column it stands beside
    untouched: bool = False  # nothing that it uses is changed by the migration: not run, and proved by that

    @property
    def executed(self) -> bool:
        return bool(self.accepted)

    def bare(self) -> tuple[int, ...]:
        """Only the types that must be named: a driver that sends text leaves the rest to PostgreSQL."""
        declared = self.prepared.declared if self.prepared else ()
        return tuple(0 if one >= _FIRST_USER_TYPE else one for one in declared)

    def types(self) -> tuple[int, ...]:
        """Parameter types as a driver would name them, where they are PostgreSQL's own and no strings."""
        known = self.prepared.params if self.prepared else ()
        named = (*self.bare(), *(0 for _ in known))
        return tuple(
            named[at] if one in _STRINGS or one >= _FIRST_USER_TYPE else one for at, one in enumerate(known)
        )


_FIRST_USER_TYPE: Final = 16384
_STRINGS: Final = frozenset({0, 19, 25, 705, 1042, 1043})


class Bench:
    """Where statements are tried: as the application's role, or as the owner where that role may not."""

    def __init__(self, runner: Runner, owner: Runner, supply: Supply) -> None:
        self.runner = runner
        self.owner = owner
        self.supply = supply
        self.variations = _VARIATIONS
        self.stands_in: Callable[[Statement], bool] = lambda _: True

    def of(self, tried: Tried) -> Runner:
        return self.owner if tried.as_owner else self.runner

    def is_denied(self, statement: Statement) -> bool:
        """Whether the application's role may not run a statement that can be run here."""
        prepared = self.runner.prepare(statement.text)
        planned = None if isinstance(prepared, Failure) else self.runner.plan(prepared)
        return planned is not None and planned.sqlstate == _DENIED

    def try_one(self, statement: Statement, source: str) -> Tried:
        tried = self._try(statement, source, self.runner, as_owner=False)
        if denied(tried) and self.stands_in(statement):
            again = self._try(statement, source, self.owner, as_owner=True)
            again.rejected += tried.rejected
            return again
        return tried

    def _try(self, statement: Statement, source: str, runner: Runner, *, as_owner: bool) -> Tried:
        tried = Tried(statement, source, as_owner=as_owner)
        if statement.lead[:1] in _NOT_RUN:
            tried.refused = Failure(sqlstate="0A000", message="not run in a proof")
            return tried
        bound = bind(statement.tokens, self.supply.catalog)
        tried.hints = {at: one.columns[0].type for at, one in bound.params.items() if one.columns}
        prepared = runner.prepare(statement.text, (), tried.hints)
        if isinstance(prepared, Failure):
            tried.refused = prepared
            return tried
        tried.prepared = prepared
        tried.refused = runner.plan(prepared)
        choices = Choices(bound, prepared.params, self.supply)
        recorded = [one for one in statement.samples if len(one) == len(prepared.params)]
        bases = list(dict.fromkeys((*recorded, *choices.bases())))
        self._begin(runner, tried, prepared, bases)
        if not tried.executed:
            self._begin(runner, tried, prepared, list(islice(choices.mixed(), _MIXED)))
        if not tried.executed and bases:
            self._begin(runner, tried, prepared, list(islice(choices.varied(bases[0]), _VARIATIONS)))
        if tried.executed:
            tried.refused = None
            good = _productive(tried)
            varied = islice(choices.varied(good), self.variations)
            self._add(runner, tried, prepared, [*varied, *choices.met()])
            self._twice(runner, tried, prepared, choices)
        return tried

    def _begin(self, runner: Runner, tried: Tried, prepared: Prepared, vectors: Sequence[Vector]) -> None:
        """The first vectors that go well: they tell what is written, and what is not the same twice."""
        first = runner.run(prepared, [[one] for one in vectors])
        tried.rejected += [one.failure for one in first if one.failure is not None]
        good = [vector for vector, outcome in zip(vectors, first, strict=True) if outcome.failure is None]
        if not good:
            return
        tried.writes = runner.written(prepared, good[0], self.supply.catalog)
        again = runner.run(prepared, [[one] for one in good], tried.writes)
        third = runner.run(prepared, [[one] for one in good[:3]], tried.writes) if tried.writes else []
        same = [outcome for outcome in first if outcome.failure is None]
        for one, two in (*zip(same, again, strict=True), *zip(again, third, strict=False)):
            tried.mask |= mask_of(one, two) if two.failure is None else Mask()
        tried.accepted += [pair for pair in zip(good, again, strict=True) if pair[1].failure is None]

    def _add(self, runner: Runner, tried: Tried, prepared: Prepared, vectors: Sequence[Vector]) -> None:
        known = {vector for vector, _ in tried.accepted}
        fresh = [one for one in dict.fromkeys(vectors) if one not in known]
        for vector, outcome in zip(
            fresh, runner.run(prepared, [[one] for one in fresh], tried.writes), strict=True
        ):
            if outcome.failure is None:
                tried.accepted.append((vector, outcome))

    def _twice(self, runner: Runner, tried: Tried, prepared: Prepared, choices: Choices) -> None:
        """Writes that may be repeated: the second of two must not fail later either."""
        if not tried.writes:
            return
        seconds = [(vector, choices.again(vector)) for vector, _ in tried.accepted[:3]]
        pairs = [(one, two) for one, two in seconds if two is not None]
        for pair, outcome in zip(pairs, runner.run(prepared, pairs, tried.writes), strict=True):
            if outcome.failure is None:
                tried.pairs.append((*pair, outcome))


def denied(tried: Tried) -> bool:
    """Whether the role may not run it."""
    said = tried.refused or next(iter(tried.rejected), None)
    return not tried.executed and said is not None and said.sqlstate == _DENIED


def _productive(tried: Tried) -> Vector:
    """A vector that finds or changes something, the first if none does."""
    found = (vector for vector, outcome in tried.accepted if outcome.affected)
    return next(found, tried.accepted[0][0])


def vectors_of(tried: Tried) -> Iterator[tuple[Sequence[Vector], Outcome]]:
    """Everything that went well, as runs: productive ones first."""
    ordered = sorted(tried.accepted, key=lambda one: not one[1].affected)
    singles = (((vector,), outcome) for vector, outcome in ordered)
    pairs = (((one, two), outcome) for one, two, outcome in tried.pairs)
    return chain(singles, pairs)


def outcome_of(tried: Tried, vectors: Sequence[Vector]) -> Outcome:
    """What a run that went well gave."""
    return next(outcome for run, outcome in vectors_of(tried) if list(run) == list(vectors))


def unproved(
    every: Iterable[Tried],
    late: Collection[str] = (),
    elsewhere: Collection[str] = (),
    source: str = "",
) -> Iterator[Unproved]:
    """What was not executed, `elsewhere` either, or was not over in time; `source` where all have one."""
    for tried in every:
        is_late = tried.statement.text in late
        executed = tried.executed or tried.untouched or tried.statement.said in elsewhere
        if executed and not is_late:
            continue
        said = tried.refused or next(iter(tried.rejected), None)
        why = f"not executed on the schema it was written for: {said}" if said else "no values were found"
        yield Unproved(
            statement=tried.statement.said,
            source=source or tried.source,
            by_new=bool(source),
            why="after the migration it was not over in time" if is_late else why,
        )
