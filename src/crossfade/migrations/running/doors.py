"""
Connections to the real database, and whether it is one that a migration may run on.

A migration needs a session of its own: its time-outs, its advisory lock, its transactions. A pooler that
hands out another server connection for each transaction loses all three in silence, so it is found out and
refused. A standby, a server that only reads, one too old to know what we ask of it: refused as well.
NO MESSAGE OF OURS HOLDS A DSN: it may have a password in it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from psycopg import ProgrammingError
from psycopg import conninfo as dsn

from crossfade.errors import AccessError, CrossfadeError, PlatformError, RefusedError, UsageError
from crossfade.migrations.wire import Session

WORKER: Final = "crossfade migrate"
"""Name of the session that runs the statements, as pg_stat_activity shows it."""
_OLDEST: Final = 140000
_ASKED: Final = 3
_OURS: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "client_encoding": "UTF8",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
_SETTINGS: Final = (
    "SET idle_in_transaction_session_timeout = '10s'",  # who idles there is dead, and holds locks
    "SET client_connection_check_interval = '2s'",  # a statement whose runner was killed ends with it
    "SET deadlock_timeout = '100ms'",  # then an autovacuum in the way gives up; some roles may not
    "SET idle_session_timeout = 0",
    "SET statement_timeout = 0",
    "SET lock_timeout = 0",
)
_ABOUT: Final = """
SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only') = 'on',
  pg_catalog.current_database(), current_user
"""


@dataclass(frozen=True, slots=True)
class Door:
    """A database that may be migrated. `dsn` is never shown, nor is the representation of this."""

    dsn: str
    database: str
    user: str
    version: int

    def __repr__(self) -> str:
        return f"Door({self.database!r})"

    def connect(self, application: str = WORKER) -> Session:
        """A session of its own, without time-outs but for one: dead in a transaction."""
        return _connect(self.dsn, application)

    @property
    def where(self) -> str:
        """What people call it."""
        return f"database {self.database}, as {self.user}"


class Sessions(NamedTuple):
    """One that works, and one that looks on."""

    work: Session
    look: Session


def open_door(text: str, variable: str) -> Door:
    """The database that a DSN names; `variable` is where it stands, for messages."""
    try:
        dsn.conninfo_to_dict(text)
    except ProgrammingError:
        raise UsageError(
            "CF9279",
            f"the DSN in {variable} cannot be read",
            "it is neither a URL nor keywords and values",
            "postgresql://user:password@host:5432/database",
        ) from None
    with _connect(text, WORKER, variable) as first, _connect(text, WORKER, variable) as second:
        _refuse_pooler(first, second, variable)
        recovering, read_only, database, user = first.ask(_ABOUT)[0]
        version = first.version
    said = f"database {database}, as {user}"
    if recovering == "t" or read_only == "t":
        what = "a standby" if recovering == "t" else "read-only"
        raise RefusedError(
            "CF9268",
            f"{said}: this server is {what}",
            "a migration has to be written",
            f"let {variable} name the primary",
        )
    if version < _OLDEST:
        raise RefusedError(
            "CF9268",
            f"{said}: PostgreSQL {version // 10000} is too old",
            "what a killed runner leaves behind ends by itself only since 14",
            "PostgreSQL 14 or newer",
        )
    return Door(text, database or "", user or "", version)


def _connect(text: str, application: str, variable: str = "the DSN") -> Session:
    try:
        info = dsn.make_conninfo(text, application_name=application[:63], **_OURS)
        session = Session(info, of_a_proof=False)
    except RefusedError as error:
        raise AccessError(
            "CF9265",
            "no connection to the database",
            _last_said(error.why),
            f"check {variable}: host, port, database, user and password",
        ) from None
    for setting in _SETTINGS:
        session.attempt(setting)
    return session


def _last_said(why: str) -> str:
    """What the last address said; lines that are set in are libpq's hints to the one before."""
    lines = [one for one in why.strip().splitlines() if one.strip() and not one.startswith("\t")]
    return lines[-1] if lines else "it gave no reason"


def _refuse_pooler(first: Session, second: Session, variable: str) -> None:
    """
    Two clients: whoever shares server connections cannot keep them apart.

    One that hands them out in turn moves a client on with each transaction; one that takes the last one given
    back, or has a single one, gives the second client what the first one had.
    """
    had = {_backend(first) for _ in range(_ASKED)}
    second.attempt("BEGIN")
    shared = _backend(second) in had
    # Where it is shared, a third question might wait for the second client's transaction to end.
    moved = len(had) > 1 or (not shared and _backend(first) not in had)
    second.attempt("ROLLBACK")
    if shared or moved:
        raise RefusedError(
            "CF9266",
            f"a pooler stands between us and the database of {variable}",
            "each transaction may get another server connection: time-outs and the runner's lock are lost",
            "name the database itself in `database.direct_url`; the application may keep its pooler",
        )


def _backend(session: Session) -> str | None:
    return session.ask("SELECT pg_catalog.pg_backend_pid()")[0][0]


@contextlib.contextmanager
def saying_what_was_lost(what: str) -> Iterator[None]:
    """A connection that breaks is told in the words of a migration, not of a proof."""
    try:
        yield
    except CrossfadeError as error:
        if error.id != "CF9205":
            raise
        raise PlatformError(
            "CF9274",
            f"the connection broke during {what}",
            error.why.strip().splitlines()[0] if error.why.strip() else "the server closed it",
            "run the same command again: what is done is in the ledger and not done twice",
        ) from None
