"""
Does the invariant hold of every row? Counted in short statements by the key, each with a snapshot of its own.

ONE LONG SNAPSHOT WOULD KEEP VACUUM FROM EVERY TABLE of the database for as long as it is open; here it lasts
as long as a batch, and between two batches it rests as long as one took. The price: it is no picture of one
moment. A row that is written behind it is not looked at again; that such rows are right is what the trigger,
or the application, is for. So it is done again right before the contract.

An invariant that is NULL for a row does not hold. An invariant written as a SELECT of offending rows is one
statement with one snapshot; it is given `LONGEST_QUERY_S`, and no more than that.

Which rows offend is told by their keys, and only by keys that say nothing of a person: numbers, uuids, times.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from crossfade.errors import RefusedError
from crossfade.migrations.backfill.clock import Pulse
from crossfade.migrations.backfill.counting import Count
from crossfade.migrations.backfill.cursor import prepare
from crossfade.migrations.backfill.live import Live
from crossfade.migrations.backfill.pace import Pace
from crossfade.migrations.backfill.pauses import Pauses
from crossfade.migrations.backfill.records import Record
from crossfade.migrations.backfill.sql import Key, Way
from crossfade.migrations.backfill.table import read_table
from crossfade.migrations.backfill.telling import Told
from crossfade.migrations.backfill.waits import Waits
from crossfade.migrations.wire import literal
from crossfade.spec.change_models import ROWS, TARGET, PauseOn, SchemaChange

LONGEST_QUERY_S: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was counted. `find` is the query that finds the rows that offend."""

    offending: int
    seen: int | None
    """Rows looked at; None where the invariant is a query of its own."""
    sample: tuple[Key, ...] = ()
    keys: tuple[str, ...] = ()
    find: str = ""
    seconds: float = 0.0
    stopped: bool = False

    @property
    def holds(self) -> bool:
        return not self.offending and not self.stopped


def verify(
    live: Live, change: SchemaChange, *, who: str, tell: Callable[[Told], None], pulse: Pulse | None = None
) -> Verified:
    """
    Count the rows that offend, and keep the count in the ledger; a count that was stopped is not kept.

    Raises RefusedError (CF9292) where there is nothing to verify, and what `Live` and `read_table` raise.
    """
    text = change.invariant
    if text is None:
        raise RefusedError(
            "CF9292",
            f"{change.name} has no invariant",
            "without one nobody can tell whether old and new say the same",
            'invariant: "full_name IS NOT DISTINCT FROM name" in its .yaml',
        )
    pulse = pulse or Pulse()
    prepare(live)
    began = pulse.now()
    digest = hashlib.sha256(text.encode()).hexdigest()
    record = Record.begun(live, change.name, part="verify", sha256=digest, text=change.table or "", who=who)
    if change.table is not None and change.checks_rows:
        found = _walked(live, change, change.table, text, Waits(_pauses(live, change), pulse, tell))
    else:
        found = _asked(live, text)
    if not found.stopped:
        said = f"{found.seen} rows looked at" if found.seen is not None else "by its query"
        record.ended("done" if found.holds else "failed", found.offending, said)
    return replace(found, seconds=pulse.now() - began)


def _pauses(live: Live, change: SchemaChange) -> Pauses:
    """It writes nothing that a replica or a vacuum would have to follow: flag and load remain."""
    wanted = change.backfill.pause_on if change.backfill else PauseOn()
    return Pauses(live, PauseOn(autovacuum=False, flag=wanted.flag, load=wanted.load), ())


def _walked(live: Live, change: SchemaChange, said: str, text: str, waits: Waits) -> Verified:
    order = change.backfill
    table = read_table(live.session, said)
    way = Way(table=table, key=table.way(order.key if order and order.table == said else ()))
    target = (order.target if order else TARGET).total_seconds()
    live.ask(f"SET statement_timeout = {literal(f'{max(30.0, 20 * target):.0f}s')}")
    count = Count(
        live=live,
        way=way,
        offends=f"(\n{text}\n) IS NOT TRUE",
        waits=waits,
        pace=Pace.of(order.rows if order else ROWS, target),
        began=waits.pulse.now(),
    )
    stopped = count.through()
    return Verified(
        offending=count.offending,
        seen=count.seen,
        sample=tuple(count.sample),
        keys=tuple(one.name for one in way.key),
        find=f"SELECT * FROM {table.sql} WHERE ({text.strip()}) IS NOT TRUE",
        stopped=stopped,
    )


def _asked(live: Live, text: str) -> Verified:
    query = text.strip().rstrip(";")
    with live.transaction("READ ONLY"):
        live.ask(f"SET LOCAL statement_timeout = '{LONGEST_QUERY_S}s'")
        rows = live.ask(f"SELECT pg_catalog.count(*) FROM (\n{query}\n) AS crossfade_offending")
    return Verified(offending=int(rows[0][0] or 0), seen=None, find=query)
