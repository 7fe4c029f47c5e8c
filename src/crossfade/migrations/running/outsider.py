"""
Runs what cannot run in a transaction, looks whether it did what it should, and mends what it left.

An index that was built concurrently and failed stays behind invalid: it costs every write and, where it is
unique, refuses rows already. It is dropped, concurrently, and built again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from crossfade.errors import PlatformError
from crossfade.migrations.answers import Failure
from crossfade.migrations.running import attempt, ledger, outside
from crossfade.migrations.running.blockers import who
from crossfade.migrations.running.doors import WORKER, Door, Sessions
from crossfade.migrations.running.failures import failed, left_invalid, lock_not_had, unknowable
from crossfade.migrations.running.ledger import Chapter, Done
from crossfade.migrations.running.manner import Limits
from crossfade.migrations.running.outside import Effect
from crossfade.migrations.script import Statement

_AGAIN: Final = frozenset({"55P03", "40P01", "40001"})
_TRIES: Final = 5
_PAUSE: Final = timedelta(seconds=1)
_ORPHAN: Final = timedelta(minutes=2)
_LOOK: Final = timedelta(milliseconds=100)
_INVALID: Final = Failure(sqlstate="XX000", message="the index is invalid when it is built")
_THERE: Final = "42P07"
_BUILDING: Final = (
    "SELECT pid FROM pg_catalog.pg_stat_progress_create_index WHERE index_relid = $1::int8::oid"
)


class _Clock(Protocol):
    def now(self) -> datetime: ...
    def sleep(self, span: timedelta) -> None: ...


class Outsider:
    """For one session, with one that looks on."""

    def __init__(
        self,
        door: Door,
        sessions: Sessions,
        clock: _Clock,
        tell: Callable[[str], None],
        limits: Limits,
    ) -> None:
        self._door = door
        self._sessions = sessions
        self._session, self._observer = sessions
        self._clock = clock
        self._tell = tell
        self._limits = limits

    def wait_for_orphans(self) -> None:
        """
        Until no statement of a killed runner is at work any more.

        Its COMMIT may be on the way: before it is over, the ledger does not tell the whole truth.
        """
        began = self._clock.now()
        while found := outside.orphans(self._observer, WORKER, [self._session.pid]):
            if self._clock.now() - began > _ORPHAN:
                raise PlatformError(
                    "CF9274",
                    "a runner that is gone has left a statement at work",
                    "; ".join(str(one) for one in who(self._observer, found)),
                    "end it with pg_terminate_backend, then run this again",
                )
            self._clock.sleep(_LOOK)

    def run(self, change: str, part: Chapter, statement: Statement, row: Done, *, found_begun: bool) -> None:
        """Run it, unless it has run. `found_begun`: the ledger says that somebody began it."""
        effect = outside.effect_of(statement)
        if effect is None:
            raise unknowable(change, statement)
        if found_begun and self._has_run(effect):
            self._write(ledger.ended(row, self._clock.now(), "done", "had run before its row was written"))
            return
        self._clear(change, part, statement, effect)
        self._write(row)
        sql = self._sql(statement, effect)
        began = self._clock.now()
        for tries in range(1, _TRIES + 1):
            ran = self._attempt(sql)
            left = self._left(effect)
            if ran.failure is None and not left:
                self._write(replace(ledger.ended(row, self._clock.now(), "done"), tries=tries))
                return
            said = ran.failure or _INVALID
            self._mend(change, statement, said, left)
            if (ran.failure is not None and said.sqlstate not in _AGAIN) or tries == _TRIES:
                break
            in_the_way = "".join(f"; in the way: {one}" for one in ran.waited.blockers[:1])
            self._tell(f"line {statement.line}: {said}{in_the_way}; what it left is gone, again")
            self._clock.sleep(_PAUSE * tries)
        self._write(replace(ledger.ended(row, self._clock.now(), "failed", str(said)), tries=tries))
        if said.sqlstate == "55P03":
            span = self._clock.now() - began
            raise lock_not_had(change, statement, ran.waited.blockers, said, tries=tries, span=span)
        raise failed(change, part, statement, said, self._door.where)

    def _attempt(self, sql: str) -> attempt.Ran:
        lock, whole = (
            round(one.total_seconds() * 1000) for one in (self._limits.online_lock, self._limits.online)
        )
        self._session.attempt(f"SET lock_timeout = {lock}; SET statement_timeout = {whole}")
        try:
            return attempt.run(self._sessions, sql, self._tell)
        finally:
            self._session.attempt("SET lock_timeout = 0; SET statement_timeout = 0")

    def _has_run(self, effect: Effect) -> bool:
        match effect.sort:
            case "build":
                index = outside.index_of(self._session, effect)
                return index is not None and index.valid
            case "drop":
                return outside.is_gone(self._session, effect)
            case "detach":
                return outside.detaching(self._session, effect) == "detached"
            case "rebuild" | "again":
                return False  # done twice it is the same

    def _clear(self, change: str, part: Chapter, statement: Statement, effect: Effect) -> None:
        """Take away what an earlier failure left; refuse what is there already."""
        if effect.sort == "build":
            index = outside.index_of(self._session, effect)
            if index is not None and index.valid and not effect.if_not_exists:
                there = Failure(sqlstate=_THERE, message=f"the index {index.name} is there already")
                raise failed(change, part, statement, there, self._door.where)
            if index is not None and not index.valid:
                self._refuse_if_building(change, statement, index.oid)
        left = self._left(effect)
        if left:
            self._tell(f"an invalid index from before is dropped: {', '.join(left)}")
            self._mend(change, statement, None, left)

    def _refuse_if_building(self, change: str, statement: Statement, oid: int) -> None:
        pids = [int(row[0] or 0) for row in self._session.ask(_BUILDING, [str(oid)])]
        if pids:
            raise lock_not_had(change, statement, who(self._observer, pids), None, tries=0, span=timedelta())

    def _left(self, effect: Effect) -> tuple[str, ...]:
        """Invalid indexes that this statement is to blame for."""
        if effect.sort == "build":
            index = outside.index_of(self._session, effect)
            return (index.name,) if index is not None and not index.valid else ()
        return outside.left_by_rebuild(self._session, effect) if effect.sort == "rebuild" else ()

    def _mend(
        self, change: str, statement: Statement, failure: Failure | None, left: tuple[str, ...]
    ) -> None:
        for index in left:
            said = self._attempt(f"DROP INDEX CONCURRENTLY IF EXISTS {index}").failure
            if said is not None:
                raise left_invalid(change, statement, index, failure or said)

    def _sql(self, statement: Statement, effect: Effect) -> str:
        """The statement; for a DETACH that stopped half-way what finishes it."""
        if effect.sort == "detach" and outside.detaching(self._session, effect) == "pending":
            head, _, _ = statement.text.rpartition("CONCURRENTLY")
            return f"{head or statement.text.rpartition('concurrently')[0]} FINALIZE"
        return statement.text

    def _write(self, row: Done) -> None:
        failure = ledger.write(self._session, row)
        if failure is not None:
            raise PlatformError(
                "CF9273",
                f"{row.change}: the ledger cannot be written",
                str(failure),
                "see to the schema `crossfade`, then run this again",
            )
