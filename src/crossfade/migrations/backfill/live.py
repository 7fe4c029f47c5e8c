"""
A session on a database that people use: a few promises about it, and failures as errors with a way on.

It gives up a lock it cannot have soon, sees all rows or says that it may not, and its writes pass a
dual-write trigger by. A connection that breaks raises CF9205, which `doors.saying_what_was_lost` says better.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, Self

from crossfade.errors import AccessError, CrossfadeError, HeldError, RefusedError
from crossfade.migrations.answers import Failure
from crossfade.migrations.backfill.clock import Pulse
from crossfade.migrations.running.doors import Door
from crossfade.migrations.running.ledger import Done, write
from crossfade.migrations.wire import Session

Rows = tuple[tuple[str | None, ...], ...]

_AGAIN: Final = {
    "55P03": "a lock did not come in time",
    "40P01": "a deadlock",
    "40001": "a row was changed meanwhile",
    "57014": "it took too long",
}
_LOOKS: Final = 12
_BETWEEN_LOOKS_S: Final = 0.25
_QUOTED: Final = re.compile(r'"[^"]*"')
_DENIED: Final = frozenset({"42501", "28000", "28P01"})
_SETTINGS: Final = (
    "SET row_security = off; SET lock_timeout = '500ms'; SET jit = off; SET crossfade.backfilling = 'on'"
)


def _without_values(failure: Failure) -> str:
    """Errors about a value quote it; what a function raises may hold anything."""
    if failure.sqlstate.startswith("P0"):
        return "a function or trigger raised an error; its words may hold values, and are not shown"
    if failure.sqlstate.startswith("22"):
        return _QUOTED.sub('"…"', failure.message)
    return failure.message


class RefusedStatementError(CrossfadeError):
    """The server refused a statement of ours; `again`: it may take it the next time."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(
            "CF9286",
            f"the database refused: {_without_values(failure)}",
            f"SQLSTATE {failure.sqlstate}",
            "mend the expression, or the row that it cannot take; what is done stays done",
        )
        self.failure = failure

    @property
    def said(self) -> str:
        """The server's words, without values of rows."""
        return _without_values(self.failure)

    def at(self, place: str) -> Self:
        """The same, with where it happened."""
        self.why = f"{self.why}, {place}"
        return self

    @property
    def again(self) -> str | None:
        """Why it is worth another try."""
        return _AGAIN.get(self.failure.sqlstate)


class Live:
    """The database of a change. Statements go through one session, never through two at once."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def ask(self, sql: str, values: Sequence[str | None] = ()) -> Rows:
        """The rows of a statement. Raises RefusedStatementError, AccessError (CF9280)."""
        said = self.session.attempt(sql, values)
        if isinstance(said, Failure):
            raise _refusal(said)
        return said.rows

    def keep(self, row: Done) -> None:
        """Write a row of the ledger, in the transaction that is open, if one is."""
        failure = write(self.session, row)
        if failure is not None:
            raise _refusal(failure)

    @contextmanager
    def transaction(self, kind: str = "READ WRITE") -> Iterator[None]:
        """One transaction: committed as a whole, or never happened."""
        self.ask(f"BEGIN ISOLATION LEVEL READ COMMITTED {kind}")
        try:
            yield
        except BaseException:
            self.forget()
            raise
        self.ask("COMMIT")

    def forget(self) -> None:
        """Roll back whatever is open; a server that is gone has done so itself."""
        with suppress(RefusedError):
            self.session.attempt("ROLLBACK")

    def hold(self, change: str, pulse: Pulse) -> None:
        """
        Be the only one at this change for as long as the session lives. Raises HeldError (CF9285).

        The session of a runner that was killed goes as soon as its server looks after it: it is waited for.
        """
        words = "pg_catalog.hashtext('crossfade backfill'), pg_catalog.hashtext($1)"
        for _ in range(_LOOKS):
            if self.ask(f"SELECT pg_catalog.pg_try_advisory_lock({words})", [change]) == (("t",),):
                return
            pulse.rest(_BETWEEN_LOOKS_S)
        holder = self.ask(
            "SELECT a.pid, a.application_name, coalesce(host(a.client_addr), 'this machine') "
            "FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid) "
            "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 "
            f"AND l.classid::bigint = {_unsigned('crossfade backfill', literal=True)} "
            f"AND l.objid::bigint = {_unsigned('$1', literal=False)} "
            "AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())",
            [change],
        )
        who = ", ".join(
            f"pid {pid}, {called or 'without a name'}, from {host}" for pid, called, host in holder
        )
        raise HeldError(
            "CF9285",
            f"somebody else is at {change}",
            who or "whoever it was has just gone",
            "wait for it, or end it: a backfill that is interrupted goes on where it stopped",
        )


def _refusal(failure: Failure) -> CrossfadeError:
    if failure.sqlstate not in _DENIED:
        return RefusedStatementError(failure)
    return AccessError(
        "CF9280",
        f"this role may not: {failure.message}",
        "it needs SELECT and UPDATE on the table, and a schema `crossfade` to keep its place in",
        "GRANT CREATE ON DATABASE … TO …, or CREATE SCHEMA crossfade AUTHORIZATION …",
    )


def _unsigned(what: str, *, literal: bool) -> str:
    told = f"'{what}'" if literal else what
    return f"(pg_catalog.hashtext({told})::bigint & 4294967295)"


@contextmanager
def live(door: Door, called: str) -> Iterator[Live]:
    """A session of its own on this database, closed at the end."""
    with door.connect(f"crossfade {called}") as session:
        one = Live(session)
        one.ask(_SETTINGS)
        yield one
