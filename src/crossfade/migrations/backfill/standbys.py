"""
Standbys asked themselves how far behind they are: some are fed by a log archive or by another standby, and
stand in no view of the server.

A standby that has replayed all that the server had written is not behind, however long ago that was. One that
has not is as old as its last replayed transaction, by its own clock. Who cannot be asked is waited for.
NO MESSAGE HOLDS A DSN: a standby goes by the variable that holds its address.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import ProgrammingError
from psycopg import conninfo as dsn

from crossfade.errors import RefusedError
from crossfade.migrations.answers import Failure
from crossfade.migrations.wire import Session

_ABOUT: Final = """
SELECT pg_catalog.pg_is_in_recovery(), (SELECT system_identifier FROM pg_catalog.pg_control_system()),
  pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_replay_lsn(), '0/0'),
  greatest(0, pg_catalog.date_part('epoch',
    pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()))
"""
_OURS: Final[dict[str, Any]] = {
    "connect_timeout": 3, "client_encoding": "UTF8", "application_name": "crossfade looks on",
    "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 2,
}  # fmt: skip
_LONGEST: Final = "SET statement_timeout = '2s'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a standby says of itself: where it is in the log, and how old its last transaction is."""

    applied: float
    age_s: float = 0.0

    def behind_s(self, position: float) -> float:
        """By its own word, when the server was here before it was asked."""
        return 0.0 if self.applied >= position else self.age_s


@dataclass(slots=True)
class Standby:
    """One that has an address of its own; its session is kept from look to look."""

    variable: str
    address: str = field(repr=False)
    _session: Session | None = None

    def look(self, system: str | None) -> Seen | str:
        """What it says, or why nobody knows; `system` is the server that it has to follow."""
        try:
            said = self._connected().attempt(_ABOUT)
        except ProgrammingError:
            return "its address is neither a URL nor keywords and values"
        except RefusedError:
            self.close()
            return "it does not answer"
        if isinstance(said, Failure):
            self.close()
            return f"it cannot be asked (SQLSTATE {said.sqlstate})"
        recovering, follows, applied, age = said.rows[0]
        if recovering != "t":
            return "it is no standby"
        if system is not None and follows != system:
            return "it follows another server"
        if applied is None:
            return "it has replayed nothing yet"
        return Seen(applied=float(applied), age_s=float(age or 0))

    def close(self) -> None:
        """Until the next look."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _connected(self) -> Session:
        if self._session is None:
            self._session = Session(dsn.make_conninfo(self.address, **_OURS), of_a_proof=False)
            self._session.attempt(_LONGEST)
        return self._session
