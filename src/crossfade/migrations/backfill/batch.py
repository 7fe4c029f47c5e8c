"""
One batch, one transaction: look at the next rows, write those that are due, keep the place.

Whatever fails, it is rolled back as a whole, and the place with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crossfade.errors import RefusedError
from crossfade.migrations.backfill import cursor as places
from crossfade.migrations.backfill.cursor import Cursor
from crossfade.migrations.backfill.live import Live
from crossfade.migrations.backfill.sql import Key, Values, Way, bounds

_WAITING: Final = """
SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks
WHERE NOT granted AND locktype = 'transactionid'
  AND transactionid::text = (pg_catalog.txid_current() & 4294967295)::text"""
_HOLDERS: Final = """
SELECT DISTINCT a.pid, coalesce(nullif(a.application_name, ''), 'without a name'),
       coalesce(extract(epoch FROM clock_timestamp() - a.xact_start)::int, 0)
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid)
WHERE l.relation::bigint = ANY ($1::bigint[]) AND l.granted AND a.pid <> pg_catalog.pg_backend_pid()
  AND l.mode NOT IN ('AccessShareLock', 'ShareUpdateExclusiveLock')
ORDER BY 3 DESC LIMIT 3"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrote:
    """A batch that went through: the place behind it, and what was met."""

    at: Cursor
    seen: int
    due: int
    last: bool
    """There was no row behind it."""
    waiting: int
    """Sessions that waited for one of its rows when it ended."""
    paused_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The most rows to look at, and the most of those to write."""

    look: int
    write: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """Batches of one change's table."""

    live: Live
    change: str
    way: Way
    values: Values

    def write(self, cursor: Cursor, reach: Reach) -> Wrote:
        """The next batch. Raises RefusedStatementError, RefusedError (CF9288)."""
        with self.live.transaction():
            asked, seen, due, last = self._looked_at(cursor.after, reach)
            skipped, changed = self._changed(cursor.after, last) if due else (0, 0)
            at = cursor.past(last, seen=seen, changed=changed, skipped=skipped) if seen else cursor
            paused = places.save(self.live, self.change, at)
            waiting = int(self.live.ask(_WAITING)[0][0] or 0) if changed else 0
        return Wrote(at=at, seen=seen, due=due, last=seen < asked, waiting=waiting, paused_by=paused)

    def holders(self) -> str:
        """Who has written to the table and not committed, the oldest first."""
        found = self.live.ask(_HOLDERS, [f"{{{','.join(map(str, self.way.table.parts))}}}"])
        named = (f"pid {pid}, {called}, in a transaction for {age} s" for pid, called, age in found)
        return "; ".join(named) or "nobody is seen in the way now"

    def _looked_at(self, after: Key | None, reach: Reach) -> tuple[int, int, int, Key]:
        """The next rows: how many were asked for, are there, are due; the last one's key."""
        found = self._slice(after, reach.look)
        if found[2] > reach.write:
            # Far-sighted where nothing was due: as many as may be written, and no more, are taken now.
            found = self._slice(after, reach.write)
        return found

    def _slice(self, after: Key | None, rows: int) -> tuple[int, int, int, Key]:
        said = self.live.ask(self.way.slice(after, rows, self.values.due), bounds(after))[0]
        seen, due, *last = said
        return rows, int(seen or 0), int(due or 0), tuple(str(one) for one in last)

    def _changed(self, after: Key | None, last: Key) -> tuple[int, int]:
        """How many rows were left to others, and how many were filled."""
        said = self.live.ask(self.way.change(after, last, self.values), bounds(after, last))[0]
        due, held, changed, still = (int(one or 0) for one in said)
        if still:
            raise RefusedError(
                "CF9288",
                f"{still} of {changed} rows would be due again as soon as they are filled",
                "`set` gives another value each time, and `where` stays true: it would never end; "
                "the batch was rolled back",
                "where: a condition that a filled row does not meet, as `column IS NULL`",
            )
        return due - held, changed
