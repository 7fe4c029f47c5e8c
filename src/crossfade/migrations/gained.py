"""
Rows that a migration added to a table and took from none: a version that reads the table finds them too.

They are rows as anybody could have written them before, so that finding them is no fault. What is not the
same even without them, is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from crossfade.migrations.answers import Failure
from crossfade.migrations.catalog import Catalog, Relation
from crossfade.migrations.data import Content
from crossfade.migrations.sandbox.server import Database
from crossfade.migrations.wire import Session, name

Value = str | None


def gained(before: Catalog, after: Catalog, old: Content, new: Content) -> frozenset[int]:
    """Tables that have rows more, and those that became a partition with the rows they had."""
    found = set()
    for oid, table in before.relations.items():
        now = after.relations.get(oid)
        if now is None or table.kind != "r" or table.is_bookkeeping:
            continue
        attached = now.is_partition and not table.is_partition and bool(new.rows.get(oid))
        shared = [one.attnum for one in table.columns if now.column(one.attnum) is not None]
        mine, theirs = (
            Counter(tuple(row.get(at) for at in shared) for row in content.rows.get(oid, ()))
            for content in (old, new)
        )
        if attached or (mine < theirs):
            found.add(oid)
    return frozenset(found)


def without_gained(
    database: Database, before: Catalog, after: Catalog, old: Content, tables: frozenset[int]
) -> None:
    """Take the rows that came away again, whatever refers to them."""
    with database.connect() as session:
        session.ask("SET session_replication_role = replica; SET client_min_messages = error")
        for oid in tables:
            table, now = before.relations[oid], after.relations[oid]
            attached = now.is_partition and not table.is_partition
            kept: Counter[tuple[Value, ...]] = Counter()
            shared = [(one, other) for one in table.columns if (other := now.column(one.attnum)) is not None]
            if not attached:
                kept = Counter(tuple(row.get(one.attnum) for one, _ in shared) for row in old.rows[oid])
            for place in _surplus(session, now, [other.name for _, other in shared], kept):
                session.ask(f"DELETE FROM ONLY {name(*now.key)} WHERE ctid = $1::tid", [place])


def _surplus(
    session: Session, table: Relation, names: Sequence[str], kept: Counter[tuple[Value, ...]]
) -> Iterator[str]:
    listed = ", ".join(f"{name(one)}::text" for one in names)
    said = session.attempt(f"SELECT ctid, {listed} FROM ONLY {name(*table.key)} ORDER BY ctid")
    for place, *values in () if isinstance(said, Failure) else said.rows:
        row = tuple(values)
        if kept[row]:
            kept[row] -= 1
        else:
            yield place or ""
