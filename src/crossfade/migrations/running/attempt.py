"""
Runs one statement and looks on: whom it waits for, how far it is.

The statement runs in a thread of its own; this one looks through a second session, and cancels the statement
when it is interrupted itself. Nothing is left running behind a Ctrl-C.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from crossfade.migrations.answers import Failure, Rows
from crossfade.migrations.running.blockers import NOBODY, Waiting, waiting
from crossfade.migrations.running.doors import Sessions
from crossfade.migrations.wire import Session

_LOOK_S: Final = 0.05
_PROGRESS_S: Final = 2.0
_PROGRESS: Final = """
SELECT phase, blocks_done, blocks_total, tuples_done, tuples_total
FROM pg_catalog.pg_stat_progress_create_index WHERE pid = $1::int
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a statement ended, and what it last waited for."""

    said: Rows | Failure
    waited: Waiting = NOBODY
    cut_short: bool = False
    """It waited longer than it may, and we cancelled it; what it says may be true and no longer counts."""

    @property
    def failure(self) -> Failure | None:
        return self.said if isinstance(self.said, Failure) else None


def run(
    sessions: Sessions,
    sql: str,
    tell: Callable[[str], None] | None = None,
    longest_wait: timedelta | None = None,
) -> Ran:
    """
    Run `sql` in the one session and look on from the other.

    `tell` hears how far a long statement is. `longest_wait`: a lock_timeout is for each lock that a statement
    takes, and all that it has are held while it waits for the next; this is for all of them together. An
    error of the connection is raised.
    """
    session, observer = sessions
    ended: list[Rows | Failure | BaseException] = []

    def work() -> None:
        try:
            ended.append(session.attempt(sql))
        except BaseException as error:  # noqa: BLE001  carried over to the thread that asked
            ended.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    seen, looks, began, cut_short = NOBODY, 0, time.monotonic(), False
    try:
        while True:
            thread.join(_LOOK_S)
            if not thread.is_alive():
                break
            now = waiting(observer, session.pid)
            seen = now if now.blockers else seen
            looks += 1
            waits_too_long = (
                longest_wait is not None and time.monotonic() - began > longest_wait.total_seconds()
            )
            if now.blockers and waits_too_long and not cut_short:
                observer.attempt(f"SELECT pg_catalog.pg_cancel_backend({session.pid})")
                cut_short = True
            if tell is not None and looks % round(_PROGRESS_S / _LOOK_S) == 0:
                _tell(observer, session.pid, now, tell)
    except BaseException:
        observer.attempt(f"SELECT pg_catalog.pg_cancel_backend({session.pid})")
        thread.join()
        raise
    result = ended[0]
    if isinstance(result, BaseException):
        raise result
    return Ran(said=result, waited=seen, cut_short=cut_short)


def _tell(observer: Session, pid: int, now: Waiting, tell: Callable[[str], None]) -> None:
    if now.blockers:
        tell(f"waits for {now.blockers[0]}")
    for phase, blocks, all_blocks, tuples, all_tuples in observer.ask(_PROGRESS, [str(pid)]):
        done, whole = (blocks, all_blocks) if int(all_blocks or 0) else (tuples, all_tuples)
        share = f" {100 * int(done or 0) // int(whole or 1)} %" if int(whole or 0) else ""
        tell(f"{phase}{share}")
