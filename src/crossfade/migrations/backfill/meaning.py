"""What an order means beside its rows: when a kept place is its own, what it sets off, who else writes."""

from __future__ import annotations

import hashlib
import json

from crossfade.migrations.backfill.table import Table
from crossfade.migrations.backfill.trigger import in_place
from crossfade.migrations.wire import Session
from crossfade.spec.change_models import Backfill, SchemaChange


def digest_of(order: Backfill, table: Table) -> str:
    """
    What must be the same for a cursor to mean the same.

    The table and its columns count by their numbers, which are never given twice: a column that was dropped
    and made again is another one, and what was filled is gone.
    """
    columns = [table.column(said).number for said, _ in order.set]
    said = json.dumps([table.oid, columns, order.set, order.where, order.key])
    return hashlib.sha256(said.encode()).hexdigest()


def triggers_fired(table: Table, columns: frozenset[str]) -> tuple[str, ...]:
    """The user's own triggers that run for each row that is filled."""
    return tuple(one.name for one in table.triggers if not one.columns or one.columns & columns)


def kept_by_trigger(session: Session, change: SchemaChange) -> bool:
    """Whether a trigger that is in place keeps every column that the backfill sets."""
    order, dual = change.backfill, change.dual_write
    if order is None or dual is None or order.table != dual.table:
        return False
    kept = {pair.new for pair in dual.pairs}
    return {column for column, _ in order.set} <= kept and in_place(session, change.name, dual)
