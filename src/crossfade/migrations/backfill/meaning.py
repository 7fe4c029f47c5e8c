"""What an order means beside its rows: when a kept place is its own, and whose triggers it sets off. Pure."""

from __future__ import annotations

import hashlib
import json

from crossfade.migrations.backfill.table import Table
from crossfade.spec.change_models import Backfill


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
