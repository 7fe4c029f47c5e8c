"""
Runs the statements of a part, each once, whatever dies and whenever.

A transaction of the file is one here: its statements and their rows in the ledger are committed together, or
neither. It asks for its locks with little patience and as a whole: who cannot have them in time lets go of
all, so that whoever queued behind goes on, and tries again later (R39). Where an old transaction is known
to stand in the way, it does not even try: a try costs everybody a wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Final, Protocol

from crossfade.migrations.answers import Failure
from crossfade.migrations.running import attempt, ledger
from crossfade.migrations.running.alone import Lock
from crossfade.migrations.running.backing_off import Backoff
from crossfade.migrations.running.blockers import (
    NOBODY,
    Blocker,
    Waiting,
    Wanted,
    in_the_way,
    without_literals,
)
from crossfade.migrations.running.doors import Door, Sessions
from crossfade.migrations.running.failures import drifted, failed, lock_not_had
from crossfade.migrations.running.ledger import Chapter, Done
from crossfade.migrations.running.manner import Judged, Limits, patience
from crossfade.migrations.running.outside import runs_outside
from crossfade.migrations.running.outsider import Outsider
from crossfade.migrations.script import Script, Statement

AGAIN: Final = frozenset({"55P03", "40P01", "40001"})
"""A lock not had in time, a deadlock, a conflict of transactions: asking again may help."""
_REFUSED_INSIDE: Final = "25001"
_WAITED: Final = Failure(sqlstate="55P03", message="all its locks together were not had in time")
_TEXT: Final = 500
_LOCKS: Final = """
SELECT c.relname, pg_catalog.string_agg(DISTINCT l.mode, '+' ORDER BY l.mode)
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation
WHERE l.pid = pg_catalog.pg_backend_pid() AND l.granted AND l.mode <> 'AccessShareLock'
  AND c.relkind IN ('r', 'p', 'm', 'v', 'S') AND c.relnamespace <> 'pg_catalog'::pg_catalog.regnamespace
GROUP BY c.relname ORDER BY c.relname
"""


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> datetime:
        """Aware."""
        ...

    def sleep(self, span: timedelta) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a run needs beside the statements."""

    door: Door
    lock: Lock
    who: str
    clock: Clock
    chance: Random
    tell: Callable[[str], None]
    limits: Limits
    backoff: Backoff
    sandbox_dsn: str | None = None
    """A server for the copy on which statements are watched first; None starts one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """A statement of a part."""

    number: int
    statement: Statement
    judged: Judged

    @property
    def sha256(self) -> str:
        return sha256(self.statement.text.encode()).hexdigest()

    @property
    def setting(self) -> bool:
        """SET and RESET last as long as a session: another session has to run them again."""
        lead = self.statement.lead
        return lead[:1] in {("set",), ("reset",)} and lead[1:2] not in {
            ("local",),
            ("constraints",),
            ("transaction",),
        }


@dataclass(slots=True)
class _Trying:
    """One transaction's tries so far."""

    began: datetime
    tries: int = 0
    wanted: Wanted | None = None
    blockers: tuple[Blocker, ...] = ()
    last: Failure | None = None

    def note(self, failure: Failure, waited: Waiting) -> None:
        self.last = failure
        if waited.blockers:
            self.blockers, self.wanted = waited.blockers, waited.wanted


class Executor:
    """Runs parts in one session; a second one looks on."""

    def __init__(self, means: Means, sessions: Sessions) -> None:
        self._means = means
        self._sessions = sessions
        self._session, self._observer = sessions
        self._outsider = Outsider(means.door, sessions, means.clock, means.tell, means.limits)

    def run(self, change: str, part: Chapter, script: Script, judged: Sequence[Judged]) -> None:
        """Run what has not run. `judged`: of every statement of the script, in order."""
        done = ledger.of_part(ledger.rows_of(self._session), change, part)
        self._run(_Rows(change=change, part=part, means=self._means), script, judged, 1, done)

    def run_again(
        self, change: str, part: Chapter, script: Script, judged: Sequence[Judged], *, first: int
    ) -> None:
        """
        Run all of it, whatever has run: for statements of our own, which done twice are done once.

        `first`: the number of the first one.
        """
        self._run(_Rows(change=change, part=part, means=self._means), script, judged, first, {})

    def _run(
        self,
        rows: _Rows,
        script: Script,
        judged: Sequence[Judged],
        first: int,
        done: Mapping[int, Done],
    ) -> None:
        numbered = [
            Numbered(number=at, statement=one, judged=how)
            for at, (one, how) in enumerate(zip(script.statements, judged, strict=True), first)
        ]
        for unit in _units(script, numbered):
            self._means.lock.still()
            self._unit(rows, unit, done)

    def settle(self) -> tuple[Done, ...]:
        """The ledger, once nothing of a runner that was killed is at work any more."""
        self._outsider.wait_for_orphans()
        return ledger.rows_of(self._session)

    def _unit(self, rows: _Rows, unit: Sequence[Numbered], done: Mapping[int, Done]) -> None:
        waiting = [one for one in unit if not (one.number in done and done[one.number].done)]
        if not waiting:
            for one in unit:
                if one.setting:
                    self._session.attempt(one.statement.text)
            return
        runnable = [one for one in unit if one in waiting or one.setting]
        if len(runnable) == 1 and runs_outside(runnable[0].statement):
            self._outside(rows, runnable[0], done.get(runnable[0].number))
        elif self._transaction(rows, runnable) == _REFUSED_INSIDE:
            if len(runnable) > 1:
                raise failed(
                    rows.change, rows.part, runnable[-1].statement, _needs_outside(), self._means.door.where
                )
            self._outside(rows, runnable[0], done.get(runnable[0].number))

    def _transaction(self, rows: _Rows, unit: Sequence[Numbered]) -> str:
        """Commit these statements with their rows. The SQLSTATE where they may not be in one."""
        limits = self._means.limits
        trying = _Trying(began=self._means.clock.now())
        while True:
            self._wait_for_the_way(trying, rows, unit)
            trying.tries += 1
            failure, at = self._try(rows, unit, trying)
            if failure is None:
                return ""
            if failure.sqlstate == _REFUSED_INSIDE:
                return failure.sqlstate
            if failure.sqlstate not in AGAIN:
                raise failed(rows.change, rows.part, at.statement, failure, self._means.door.where)
            if trying.tries >= limits.tries or self._over(trying):
                raise lock_not_had(
                    rows.change, at.statement, trying.blockers, trying.last,
                    tries=trying.tries, span=self._span(trying),
                )  # fmt: skip
            pause = self._means.backoff.pause(trying.tries, self._means.chance)
            self._means.tell(_again(at, trying, failure, pause))
            self._means.clock.sleep(pause)

    def _try(self, rows: _Rows, unit: Sequence[Numbered], trying: _Trying) -> tuple[Failure | None, Numbered]:
        began, made = self._means.clock.now(), []
        self._session.attempt("BEGIN")
        for one in unit:
            started = self._means.clock.now()
            ran = self._statement(one, started - began)
            failure = _WAITED if ran.cut_short else ran.failure
            if failure is not None:
                self._session.attempt("ROLLBACK")
                trying.note(failure, ran.waited)
                return failure, one
            affected = None if isinstance(ran.said, Failure) else ran.said.affected
            made.append(rows.done(one, started, tries=trying.tries, affected=affected))
        failure = self._commit(made)
        if failure is not None:
            trying.note(failure, NOBODY)
        return failure, unit[-1]

    def _statement(self, one: Numbered, waited: timedelta) -> attempt.Ran:
        patient = patience(one.judged.manner, self._means.limits, waited)
        lock, whole = _ms(patient.lock), _ms(patient.statement)
        said = self._session.attempt(
            f"SET LOCAL lock_timeout = {lock}; SET LOCAL statement_timeout = {whole}"
        )
        if isinstance(said, Failure):
            return attempt.Ran(said=said)
        tell = self._means.tell if one.judged.manner == "online" else None
        longest = patient.lock if one.judged.manner == "brief" else None
        return attempt.run(self._sessions, one.statement.text, tell, longest)

    def _commit(self, made: Sequence[Done]) -> Failure | None:
        """The rows beside what they speak of, then COMMIT; deferred rules may still say no."""
        self._session.attempt(
            "SET LOCAL ROLE NONE"
        )  # the script may have become somebody who may not write here
        locks = self._session.attempt(_LOCKS)
        held = "" if isinstance(locks, Failure) else ", ".join(f"{row[0]}: {row[1]}" for row in locks.rows)
        for row in made:
            failure = ledger.write(self._session, replace(row, locks=held))
            if failure is not None:
                self._session.attempt("ROLLBACK")
                return failure
        said = self._session.attempt("COMMIT")
        return said if isinstance(said, Failure) else None

    def _outside(self, rows: _Rows, one: Numbered, before: Done | None) -> None:
        row = rows.begun(one, self._means.clock.now())
        found_begun = before is not None and before.state == "started"
        self._outsider.run(rows.change, rows.part, one.statement, row, found_begun=found_begun)

    def _wait_for_the_way(self, trying: _Trying, rows: _Rows, unit: Sequence[Numbered]) -> None:
        """While a known transaction holds what we want, wait without asking: nobody queues behind us."""
        told: frozenset[int] = frozenset()
        looks = 0
        while trying.wanted is not None:
            found = in_the_way(self._observer, trying.wanted, self._means.limits.lock, self._session.pid)
            if not found:
                return
            trying.blockers = found
            if self._over(trying):
                raise lock_not_had(
                    rows.change, unit[0].statement, found, trying.last,
                    tries=trying.tries, span=self._span(trying),
                )  # fmt: skip
            pids = frozenset(one.pid for one in found)
            if pids != told:
                self._means.tell(f"waits, without queueing, for {found[0]}")
            told, looks = pids, looks + 1
            self._means.clock.sleep(self._means.backoff.pause(min(looks, 3), self._means.chance))

    def _span(self, trying: _Trying) -> timedelta:
        return self._means.clock.now() - trying.began

    def _over(self, trying: _Trying) -> bool:
        return self._span(trying) >= self._means.limits.budget


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Rows of one part."""

    change: str
    part: Chapter
    means: Means

    def begun(self, one: Numbered, at: datetime) -> Done:
        return Done(
            change=self.change,
            part=self.part,
            number=one.number,
            sha256=one.sha256,
            text=without_literals(one.statement.text, _TEXT),
            state="started",
            started=at,
            who=self.means.who,
            note=one.judged.manner,
        )

    def done(self, one: Numbered, started: datetime, *, tries: int, affected: int | None) -> Done:
        row = replace(self.begun(one, started), tries=tries, rows=affected)
        return ledger.ended(row, self.means.clock.now(), "done")


def refuse_drift(change: str, part: Chapter, script: Script, done: Mapping[int, Done]) -> None:
    """A statement that has run may not be another one in the file now."""
    now = dict(enumerate(script.statements, 1))
    for number, row in sorted(done.items()):
        if number == ledger.WHOLE or not row.done:
            continue
        statement = now.get(number)
        digest = sha256(statement.text.encode()).hexdigest() if statement else ""
        if digest != row.sha256:
            raise drifted(change, part, row, statement, digest)


def _units(script: Script, numbered: Sequence[Numbered]) -> Iterator[list[Numbered]]:
    at = 0
    for unit in script.units:
        yield list(numbered[at : at + len(unit.statements)])
        at += len(unit.statements)


def _ms(span: timedelta) -> int:
    return max(1, round(span.total_seconds() * 1000))


def _again(at: Numbered, trying: _Trying, failure: Failure, pause: timedelta) -> str:
    why = f"; in the way: {trying.blockers[0]}" if trying.blockers else ""
    said = {"55P03": "no lock in time", "40P01": "a deadlock"}.get(failure.sqlstate, "a conflict")
    return (
        f"line {at.statement.line}: {said} at try {trying.tries}, again in {pause.total_seconds():.1f} s{why}"
    )


def _needs_outside() -> Failure:
    return Failure(sqlstate=_REFUSED_INSIDE, message="a statement of this transaction cannot run inside one")
