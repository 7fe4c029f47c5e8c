"""
Recorded transactions run again as a whole, before and after the migration.

A statement may rest on those before it: a setting that row security reads, a temp table, a cursor. The
sequences of a version run in the order in which they were recorded, each in a session of its own, and what
they committed stays: twice on the shape they were written for, since what is not the same twice says
nothing, then on the other. A statement that goes well there each time is proved there. Where there is one
shape only, they run on that, and what its structure refuses is what fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.migrations.answers import Failure, Rows
from crossfade.migrations.compare import Compared, Context, Outcome, compare, mask_of, said
from crossfade.migrations.runs import Runner
from crossfade.migrations.sandbox.server import Database
from crossfade.migrations.script import Asked
from crossfade.migrations.verdict import Counterexample, Unproved
from crossfade.migrations.wire import Session

_ENDS: Final = frozenset({"commit", "end", "rollback", "abort"})
_CONTROL: Final = frozenset({"savepoint", "release", "rollback"})
_UNDETERMINED: Final = frozenset({"42P18", "42P08"})
_REFUSED: Final = frozenset({"42", "0A", "3F"})
"""Classes of errors that no row is to blame for: names, types, rights; what is not supported; a schema."""
_SETS: Final = frozenset({"set", "reset"})
_TEXT: Final = 25
_MARK: Final = "crossfade_step"

Steps = tuple[Asked, ...]
RunnerOn = Callable[[Session], Runner]


@dataclass(frozen=True, slots=True)
class Together:
    """What came of it: counterexamples, and the statements that went well in their transactions."""

    wrong: tuple[Counterexample, ...] = ()
    proved: frozenset[str] = frozenset()
    unset: tuple[Unproved, ...] = ()
    """Roles and settings that could not be had: what rests on them was tried without, which says nothing."""


def run_on_one(sequences: Sequence[Steps], source: str, database: Database, runner_on: RunnerOn) -> Together:
    """
    On one shape, with nothing to compare: of what went well when it was recorded, what is refused now.

    A value that meets no row here, or a rule that rows break, says nothing against the shape.
    """
    wrong: dict[str, Counterexample] = {}
    good: set[str] = set()
    for steps, outcomes in zip(sequences, _run(database, sequences, runner_on), strict=True):
        for step, now in zip(steps, outcomes, strict=True):
            if now.failure is None:
                good.add(step.said or step.text)
            elif now.failure.sqlstate[:2] in _REFUSED:
                wrong.setdefault(step.said or step.text, _refused(step, source, now.failure))
                break
    return Together(tuple(wrong.values()), frozenset(good - wrong.keys()))


def _refused(step: Asked, source: str, failure: Failure) -> Counterexample:
    return Counterexample(
        statement=step.said or step.text,
        source=source,
        values=step.values,
        before="in its transaction: it went well when it was recorded",
        after=str(failure),
        kind="observed",
        wrong="error",
        sent=True,
    )


def telling(
    sequences: Iterable[Steps], alone: frozenset[str], untouched: frozenset[str] = frozenset()
) -> tuple[Steps, ...]:
    """
    The sequences that show more than their statements did by themselves.

    `alone` went well by themselves, `untouched` is what uses nothing that changed. Behind a role or a setting
    a statement finds other rows than alone, where it may have found none and been content.
    """
    return tuple(steps for steps in sequences if _tells(steps, alone, untouched))


def _tells(steps: Steps, alone: frozenset[str], untouched: frozenset[str]) -> bool:
    known = untouched if any(map(_sets_the_stage, steps)) else alone
    return any(
        one.said not in known
        for one in steps
        if not (_ends(one) or _sets_the_stage(one) or _lead(one) in _CONTROL)
    )


def run_together(
    sequences: Sequence[Steps],
    source: str,
    databases: Iterable[Database],
    runner_on: RunnerOn,
    context: Context,
) -> Together:
    """`databases`: twice the shape that they were written for, and the other; each is met when it is due."""
    first, again, after = (list(_run(one, sequences, runner_on)) for one in databases)
    wrong: list[Counterexample] = []
    good: set[str] = set()
    unset: dict[str, Unproved] = {}
    for steps, one, two, now in zip(sequences, first, again, after, strict=True):
        for step, before, repeated, outcome in zip(steps, one, two, now, strict=True):
            if before.failure is not None and _sets_the_stage(step):
                unset.setdefault(step.text, _without(step, source, before.failure))
            if before.failure is not None or repeated.failure is not None or _ends(step):
                continue
            compared = compare(before, outcome, mask_of(before, repeated), context)
            if _is_wrong(compared, before, outcome):
                wrong.append(_example(step, source, before, compared))
                break
            good.add(step.said)
    failing = {one.statement for one in wrong}
    firsts = {one.statement: one for one in reversed(wrong)}
    return Together(tuple(firsts.values()), frozenset(good - failing), tuple(unset.values()))


def _without(step: Asked, source: str, failure: Failure) -> Unproved:
    why = f"not executed on the schema it was written for: {failure}; what rests on it was tried without"
    return Unproved(statement=step.text, source=source, why=why)


def _is_wrong(compared: Compared, before: Outcome, now: Outcome) -> bool:
    """Errors, columns that go; of rows only that there are fewer: others may follow from what ran before."""
    return compared.wrong in {"error", "columns"} or (
        compared.wrong == "rows" and now.affected < before.affected
    )


def _example(step: Asked, source: str, before: Outcome, compared: Compared) -> Counterexample:
    return Counterexample(
        statement=step.said,
        source=source,
        values=step.values,
        before=f"in its transaction: {said(before)}",
        after=compared.after,
        kind="observed",
        wrong=compared.wrong,
        sent=True,
    )


def _run(database: Database, sequences: Sequence[Steps], runner_on: RunnerOn) -> Iterator[list[Outcome]]:
    for steps in sequences:
        with database.connect() as session:
            runner = runner_on(session)
            runner.log_in()
            session.attempt("BEGIN")
            yield [_step(runner, session, one) for one in steps]
            session.attempt("COMMIT")


def _step(runner: Runner, session: Session, one: Asked) -> Outcome:
    """A step that fails is taken back alone: those behind it may still tell something."""
    if _ends(one) or _lead(one) in _CONTROL:
        return _outcome(session.attempt(one.text))
    session.attempt(f"SAVEPOINT {_MARK}")
    answer = session.attempt(one.text, one.values)
    if isinstance(answer, Failure) and answer.sqlstate in _UNDETERMINED:
        session.attempt(f"ROLLBACK TO SAVEPOINT {_MARK}")
        prepared = runner.prepare(one.text, [_TEXT] * len(one.values))
        answer = prepared if isinstance(prepared, Failure) else session.execute(prepared.name, one.values)
    if isinstance(answer, Failure):
        session.attempt(f"ROLLBACK TO SAVEPOINT {_MARK}")
    session.attempt(f"RELEASE SAVEPOINT {_MARK}")
    return _outcome(answer)


def _outcome(answer: Rows | Failure) -> Outcome:
    if isinstance(answer, Failure):
        return Outcome(failure=answer)
    return Outcome(fields=answer.fields, rows=answer.rows, affected=answer.affected)


def _sets_the_stage(one: Asked) -> bool:
    """A role, or a setting that a policy reads."""
    return _lead(one) in _SETS or (_lead(one) == "select" and "set_config" in one.text.lower())


def _lead(one: Asked) -> str:
    return one.text.split(None, 1)[0].rstrip(";").lower() if one.text.strip() else ""


def _ends(one: Asked) -> bool:
    return _lead(one) in _ENDS and " to " not in f" {one.text.lower()} "
