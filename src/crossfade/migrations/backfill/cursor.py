"""
Where a backfill stands: one row of `crossfade.backfill` in the database itself, written with each batch.

The row and the batch are one transaction. So whatever ends us, and whenever: rows behind the cursor are
done, rows in front of it are not, and the next run begins there (R40).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final

from crossfade.migrations.answers import Failure
from crossfade.migrations.backfill.live import Live
from crossfade.migrations.backfill.sql import Key
from crossfade.migrations.running.ledger import TABLES
from crossfade.migrations.wire import Session

_THERE: Final = "SELECT pg_catalog.to_regclass('crossfade.backfill')"
_MADE: Final = f"""
{TABLES}
CREATE TABLE IF NOT EXISTS crossfade.backfill (
    change text PRIMARY KEY,
    digest text NOT NULL,            -- of what is asked for: another one begins at the first row
    state text NOT NULL,             -- running, done
    pass integer NOT NULL,           -- times through the table
    after_key text,                  -- JSON: the last key that is behind us; NULL at the start of a pass
    seen bigint NOT NULL,            -- rows looked at in this pass
    changed bigint NOT NULL,         -- rows changed in this pass
    skipped bigint NOT NULL,         -- rows of this pass that somebody else held, to be visited again
    changed_in_all bigint NOT NULL,  -- rows changed since it began
    batches bigint NOT NULL,
    began timestamptz NOT NULL DEFAULT now(),
    moved timestamptz NOT NULL DEFAULT now(),
    paused_by text                   -- who asked for a pause, while there is one
)"""
_COLUMNS: Final = "digest, state, pass, after_key, seen, changed, skipped, changed_in_all, batches, paused_by"
_READ: Final = f"SELECT {_COLUMNS} FROM crossfade.backfill WHERE change = $1"
_BEGIN: Final = """
INSERT INTO crossfade.backfill (change, digest, state, pass, seen, changed, skipped, changed_in_all, batches)
VALUES ($1, $2, 'running', 1, 0, 0, 0, 0, 0)
ON CONFLICT (change) DO UPDATE SET digest = $2, state = 'running', pass = 1, after_key = NULL, seen = 0,
    changed = 0, skipped = 0, changed_in_all = 0, batches = 0, began = now(), moved = now()"""
_SAVE: Final = """
UPDATE crossfade.backfill SET state = $2, pass = $3, after_key = $4, seen = $5, changed = $6, skipped = $7,
    changed_in_all = $8, batches = $9, moved = now()
WHERE change = $1 RETURNING paused_by"""
_PAUSE: Final = "UPDATE crossfade.backfill SET paused_by = $2 WHERE change = $1 RETURNING change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in a table, and what happened on the way to it."""

    digest: str
    state: str = "running"
    turn: int = 1
    after: Key | None = None
    seen: int = 0
    changed: int = 0
    skipped: int = 0
    changed_in_all: int = 0
    batches: int = 0
    paused_by: str | None = None

    def past(self, last: Key, *, seen: int, changed: int, skipped: int) -> Cursor:
        """Behind one more batch."""
        return replace(
            self,
            after=last,
            seen=self.seen + seen,
            changed=self.changed + changed,
            skipped=self.skipped + skipped,
            changed_in_all=self.changed_in_all + changed,
            batches=self.batches + 1,
        )

    def again(self) -> Cursor:
        """At the first row, for another pass."""
        return replace(self, turn=self.turn + 1, after=None, seen=0, changed=0, skipped=0)


def prepare(live: Live) -> None:
    """Make the place where cursors are kept, if it is not there. Raises AccessError (CF9280)."""
    if live.ask(_THERE) != ((None,),):
        return
    with live.transaction():
        live.ask("SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('crossfade schema'))")
        live.ask(_MADE)


def read(live: Live, change: str) -> Cursor | None:
    """Where this change's backfill stands; None where none has begun."""
    if live.ask(_THERE) == ((None,),):
        return None
    for digest, state, turn, after, seen, changed, skipped, in_all, batches, paused in live.ask(
        _READ, [change]
    ):
        return Cursor(
            digest=str(digest),
            state=str(state),
            turn=_whole(turn),
            after=None if after is None else tuple(json.loads(after)),
            seen=_whole(seen),
            changed=_whole(changed),
            skipped=_whole(skipped),
            changed_in_all=_whole(in_all),
            batches=_whole(batches),
            paused_by=paused,
        )
    return None


def begin(live: Live, change: str, digest: str) -> Cursor:
    """At the first row of the first pass."""
    live.ask(_BEGIN, [change, digest])
    return Cursor(digest=digest)


def save(live: Live, change: str, cursor: Cursor) -> str | None:
    """Keep the place; who asked for a pause, if somebody has."""
    after = None if cursor.after is None else json.dumps(cursor.after)
    numbers = (cursor.seen, cursor.changed, cursor.skipped, cursor.changed_in_all, cursor.batches)
    said = live.ask(_SAVE, [change, cursor.state, str(cursor.turn), after, *map(str, numbers)])
    return said[0][0] if said else None


def ask_to_pause(live: Live, change: str, who: str | None) -> bool:
    """Ask whoever runs it to pause, or with None to go on; whether there is one to ask."""
    return bool(live.ask(_PAUSE, [change, who]))


def forget(session: Session, change: str) -> Failure | None:
    """After an abort, in the transaction that is open: a column that is made anew is empty in every row."""
    if session.ask(_THERE) == ((None,),):
        return None
    said = session.attempt("DELETE FROM crossfade.backfill WHERE change = $1", [change])
    return said if isinstance(said, Failure) else None


def _whole(value: str | None) -> int:
    return int(value or 0)
