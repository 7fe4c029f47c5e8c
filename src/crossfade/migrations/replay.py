"""
What went well on one shape, run again on the other: cold, warm, in another order of rows, after new writes.

At most one counterexample a statement: one is enough, and the first is the simplest. Where values were
recorded all runs are looked at, and the gravest is told: one that was sent, then one like those that were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from crossfade.migrations.answers import Failure, Prepared
from crossfade.migrations.beyond import beyond
from crossfade.migrations.compare import Compared, Context, Outcome, compare, mask_of, said
from crossfade.migrations.runs import Runner, Vector
from crossfade.migrations.subject import Bench, Tried, outcome_of, vectors_of
from crossfade.migrations.verdict import Counterexample
from crossfade.migrations.wire import Session, name

_CACHED_PLAN: Final = "0A000"
_DUPLICATE: Final = "23505"
_NEW_WRITES: Final = 4
_RUNS_LATER: Final = 48  # after the new version's writes: every row once is enough
_STRUCTURAL: Final = frozenset({"23502", "42501", "428C9"})
_NOT_SET: Final = "42704"  # of what could be prepared: a setting that another statement makes before it
_UNREADABLE: Final = frozenset({"42601", "42P18", "42P08", "42P02"})

Doubt = Callable[[Tried, Sequence[Vector], Outcome], bool]


@dataclass(slots=True)
class Told:
    """What came of running statements again."""

    wrong: list[Counterexample]
    more_columns: bool = False
    types_changed: bool = False
    default_changed: bool = False
    reconnect: bool = False
    late: set[str] = field(default_factory=set)
    """Texts of those that were not over in time: they neither fail nor fare the same."""
    good: int = 0


def replay(bench: Bench, all_tried: Iterable[Tried], context: Context, doubt: Doubt | None = None) -> Told:
    """Every statement on the other shape; at most one counterexample each."""
    told = Told([])
    for tried in all_tried:
        found = _one(bench.of(tried), tried, context, doubt, told)
        if found is not None:
            told.wrong.append(found)
        elif (tried.executed or tried.untouched) and tried.statement.text not in told.late:
            told.good += 1
    return told


def _one(
    runner: Runner, tried: Tried, context: Context, doubt: Doubt | None, told: Told
) -> Counterexample | None:
    if tried.prepared is None or (tried.refused is not None and not tried.executed):
        return None
    first = next(iter(vectors_of(tried)), None)
    prepared = runner.prepare(tried.statement.text, tried.types(), tried.hints)
    bare = runner.prepare(tried.statement.text, tried.bare(), tried.hints)
    refused = next((one for one in (prepared, bare) if isinstance(one, Failure)), None)
    if refused is not None or isinstance(prepared, Failure):
        return _example(tried, first, str(refused), "observed", "error")
    if not tried.executed:
        planned = runner.plan(prepared)
        return _example(tried, None, str(planned), "observed", "error") if planned else None
    found: list[Counterexample] = []
    failing: set[tuple[Vector, ...]] = set()
    runs = list(vectors_of(tried))
    after = runner.run(prepared, [vectors for vectors, _ in runs], tried.writes)
    for (vectors, before), now in zip(runs, after, strict=True):
        if now.late:
            told.late.add(tried.statement.text)
            failing.add(tuple(vectors))  # it did not go well either
            continue
        compared = compare(before, now, tried.mask, context)
        if not compared.wrong:
            told.more_columns |= compared.more_columns
            told.types_changed |= compared.types_changed
            told.default_changed |= compared.default_changed
            continue
        if compared.wrong != "columns" and doubt is not None and doubt(tried, vectors, now):
            continue
        found.append(_judged(runner, prepared, tried, vectors, compared))
        if found[-1].kind == "observed" or not found[-1].beyond:
            return found[-1]
        failing.add(tuple(vectors))
    return _gravest(found, tried, [one for one, _ in runs if tuple(one) not in failing])


def _gravest(
    found: Sequence[Counterexample], tried: Tried, well: Sequence[Sequence[Vector]]
) -> Counterexample | None:
    """
    The first, with all that is beyond in any of them.

    What a run that went well had too explains no failure: a failing run without anything else is one like
    those that were recorded. And where no recorded run went well, nobody knows that they do.
    """
    if not found:
        return None
    harmless = {word for one in well for word in _beyond(tried, one)}
    sent = any(all(vector in tried.statement.samples for vector in one) for one in well)
    causes = [tuple(word for word in one.beyond if word not in harmless) for one in found]
    told = dict.fromkeys(word for one in causes for word in one) if sent and all(causes) else ()
    return replace(found[0], beyond=tuple(told))


def _beyond(tried: Tried, vectors: Sequence[Vector]) -> tuple[str, ...]:
    return beyond(tried.statement.samples, vectors)


def _judged(
    runner: Runner, prepared: Prepared, tried: Tried, vectors: Sequence[Vector], compared: Compared
) -> Counterexample:
    kind: Literal["observed", "possible"] = "possible"
    really_sent = any(vectors) and all(vector in tried.statement.samples for vector in vectors)
    whatever = compared.wrong == "error" and runner.plan(prepared) is not None
    if really_sent or whatever or compared.wrong == "columns":
        kind = "observed"
    return Counterexample(
        statement=tried.statement.said,
        source=tried.source,
        values=vectors[-1],
        before=compared.before if len(vectors) == 1 else f"twice in a row: {compared.before}",
        after=compared.after,
        kind=kind,
        wrong=compared.wrong,
        beyond=_beyond(tried, vectors) if kind == "possible" else (),
        sent=really_sent and not whatever and compared.wrong != "columns",
    )


def _example(
    tried: Tried,
    run: tuple[Sequence[Vector], Outcome] | None,
    after: str,
    kind: Literal["observed", "possible"],
    wrong: str,
) -> Counterexample:
    return Counterexample(
        statement=tried.statement.said,
        source=tried.source,
        values=run[0][-1] if run else (),
        before=said(run[1]) if run else "planned, not executed",
        after=after,
        kind=kind,
        wrong=wrong,
    )


@dataclass(frozen=True, slots=True)
class Warm:
    """A session that knew its statements before the migration."""

    runner: Runner
    prepared: Sequence[tuple[Tried, Prepared]]

    def fails(self, sound: Callable[[Tried], bool]) -> bool:
        """Whether a statement that is sound when prepared anew fails here."""
        for tried, prepared in self.prepared:
            vectors, _ = next(iter(vectors_of(tried)))
            if sound(tried) and self.runner.run(prepared, [vectors])[0].failure is not None:
                return True
        return False


def warm_up(runner: Runner, all_tried: Iterable[Tried]) -> Warm:
    """Prepare and run each statement once, as a session that was there before."""
    known = []
    for tried in all_tried:
        if not tried.executed or tried.as_owner or tried.statement.anew:
            continue
        prepared = runner.prepare(tried.statement.text, tried.types(), tried.hints)
        if isinstance(prepared, Failure):
            continue
        vectors, _ = next(iter(vectors_of(tried)))
        runner.run(prepared, [vectors])
        known.append((tried, prepared))
    return Warm(runner, known)


def fails_on(bench: Bench, news: Iterable[Tried], context: Context) -> list[Counterexample]:
    """New statements that do not run on the old shape. A rule that some values break is no such thing."""
    found = []
    for tried in news:
        example = _one(bench.of(tried), tried, context, None, Told([]))
        if example is None or example.wrong not in {"error", "columns"}:
            continue
        prepared = bench.of(tried).prepare(tried.statement.text, tried.types(), tried.hints)
        if example.kind == "possible" and not isinstance(prepared, Failure):
            runs = [vectors for vectors, _ in vectors_of(tried)]
            failed = [one.failure for one in bench.of(tried).run(prepared, runs)]
            hard = [one for one in failed if one is not None and not _of_values(one)]
            if not hard and not all(failed):
                continue
        found.append(replace(example, before=example.after, after=example.before))  # it was made for the new
    return found


def _of_values(failure: Failure) -> bool:
    return failure.sqlstate[:2] == "23" or failure.sqlstate in {"22001", "22003"}


def fails_by_itself(tried: Tried) -> Counterexample | None:
    """Whether a version's statement cannot run on the very shape it was written for."""
    refused = tried.refused
    if tried.executed or tried.untouched or (refused is not None and refused.sqlstate in _UNREADABLE):
        return None
    if refused is not None:
        unset = tried.prepared is not None and refused.sqlstate == _NOT_SET
        return None if unset else _example(tried, None, str(refused), "observed", "error")
    states = {one.sqlstate for one in tried.rejected}
    structural = states <= _STRUCTURAL or all(one[:2] in {"42", "0A"} for one in states)
    if structural and len(states) == 1 and states != {_NOT_SET}:
        return _example(tried, None, str(tried.rejected[0]), "possible", "error")
    return None


def write_new(bench: Bench, news: Iterable[Tried]) -> int:
    """Let the new version write for good: what its statements add or change, never what they delete."""
    written = 0
    for tried in news:
        verb = tried.statement.lead[:1]
        if not tried.executed or not tried.writes or verb == ("delete",):
            continue
        runner = bench.of(tried)
        prepared = runner.prepare(tried.statement.text)
        if isinstance(prepared, Failure):
            continue
        chosen = [vector for vector, outcome in tried.accepted if outcome.affected][:_NEW_WRITES]
        written += sum(runner.commit(prepared, vector) is None for vector in chosen)
    return written


def after_writes(
    bench: Bench,
    olds: Iterable[Tried],
    sound: Callable[[Tried], bool],
    usual: Callable[[Tried], bool] = lambda _: False,
) -> list[Counterexample]:
    """
    Old statements that fail only once the new version has written; other rows are no fault then.

    `usual`: of these only runs like recorded ones are tried, the others are known to fail.
    """
    found = []
    for tried in olds:
        if not tried.executed or not sound(tried):
            continue
        runner = bench.of(tried)
        prepared = runner.prepare(tried.statement.text, tried.types(), tried.hints)
        if isinstance(prepared, Failure):
            continue
        runs = [one for one in vectors_of(tried) if not (usual(tried) and _beyond(tried, one[0]))]
        runs = runs[:_RUNS_LATER]
        for (vectors, before), now in zip(runs, runner.run(prepared, [one for one, _ in runs]), strict=True):
            if now.failure is None or now.late or now.failure.sqlstate == _DUPLICATE:
                continue
            after = f"after writes of the new version: {now.failure}"
            found.append(_example(tried, (vectors, before), after, "possible", "error"))
            break
    return found


def shuffle(session: Session, tables: Iterable[tuple[tuple[str, str], str]]) -> None:
    """Lay the rows of tables in another order: what a statement without ORDER BY may not rely on."""
    session.ask("SET session_replication_role = replica; SET client_min_messages = error")
    for key, column in tables:
        called, set_ = name(*key), name(column)
        session.attempt(
            "DO $$ DECLARE place tid; places tid[]; BEGIN "
            f"SELECT array_agg(ctid ORDER BY ctid DESC) INTO places FROM ONLY {called}; "
            "FOREACH place IN ARRAY COALESCE(places, '{}') LOOP "
            f"UPDATE ONLY {called} SET {set_} = {set_} WHERE ctid = place; END LOOP; END $$"
        )
    session.ask("RESET session_replication_role")


def differs(runner: Runner, tried: Tried, vectors: Sequence[Vector], *, failing: bool = False) -> bool:
    """Whether a run gives something else on the same shape, where rows lie otherwise, or a moment later."""
    prepared = runner.prepare(tried.statement.text, tried.types(), tried.hints)
    if isinstance(prepared, Failure):
        return False
    now = runner.run(prepared, [vectors], tried.writes)[0]
    before = outcome_of(tried, vectors)
    if now.failure is not None:
        return failing and not now.late
    mask = mask_of(before, now)
    return bool((mask.result | mask.effects) - (tried.mask.result | tried.mask.effects)) or mask.counts


def fails_alike(runner: Runner, tried: Tried, vectors: Sequence[Vector], failure: Failure) -> bool:
    """Whether by now it fails with the same error on the shape it was written for, where it went well."""
    prepared = runner.prepare(tried.statement.text, tried.types(), tried.hints)
    if isinstance(prepared, Failure):
        return False
    now = runner.run(prepared, [vectors])[0].failure
    return now is not None and (now.sqlstate, now.constraint) == (failure.sqlstate, failure.constraint)


def fares_the_same(runner: Runner, tried: Tried, vectors: Sequence[Vector], context: Context) -> bool:
    """Whether a run gives here what it gave on the shape it was written for."""
    prepared = runner.prepare(tried.statement.text, tried.types(), tried.hints)
    if isinstance(prepared, Failure):
        return False
    now = runner.run(prepared, [vectors], tried.writes)[0]
    before = outcome_of(tried, vectors)
    return not compare(before, now, tried.mask, context).wrong
