"""
One runner a database: a session advisory lock, on a connection of its own.

The lock goes with its connection, so a runner that was killed leaves none behind; what its statements still
do is waited for (`outside.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from crossfade.errors import HeldError, PlatformError
from crossfade.migrations.running.doors import Door
from crossfade.migrations.wire import Session

_KEY: Final = (0x43524653, 1)  # "CRFS"; one number of ours beside the many that applications use
_HOLDER: Final = """
SELECT a.pid, a.application_name, pg_catalog.date_trunc('second', pg_catalog.now() - a.backend_start)
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1::int8::oid AND l.objid = $2::int8::oid
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
"""


class Lock:
    """Held for as long as this lives."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def still(self) -> None:
        """Raises CF9274 where the connection that holds the lock is gone: another runner may be at work."""
        with contextlib.suppress(Exception):
            if self._session.ask("SELECT 1"):
                return
        raise PlatformError(
            "CF9274",
            "the connection that holds the runner's lock broke",
            "another runner may have begun",
            "run the same command again: what is done is in the ledger and not done twice",
        )


@contextlib.contextmanager
def alone(door: Door, who: str, what: str) -> Iterator[Lock]:
    """Be the only runner on this database, or raise HeldError naming the other one."""
    with door.connect(f"crossfade lock: {who}: {what}") as session:
        held = session.ask(
            "SELECT pg_catalog.pg_try_advisory_lock($1::int, $2::int)", [str(one) for one in _KEY]
        )
        if held[0][0] != "t":
            raise _held(session)
        yield Lock(session)


def _held(session: Session) -> HeldError:
    found = session.ask(_HOLDER, [str(one) for one in _KEY])
    pid, name, since = found[0] if found else ("?", "", "a moment")
    by = (name or "").removeprefix("crossfade lock: ") or "somebody"
    return HeldError(
        "CF9267",
        f"another runner is at work on this database: {by}",
        f"its session is pid {pid}, for {since} now",
        "wait for it; a runner that died holds nothing",
    )
