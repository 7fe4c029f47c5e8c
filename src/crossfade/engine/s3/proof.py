"""
Whether a service's journal is whole: chain, head, and each state what its entries make of it (R44).

Everything is read anew, not taken from memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from crossfade.engine import codec, journal
from crossfade.engine.records import Row, StoreAwayError, StoreError
from crossfade.engine.s3.document import Kept
from crossfade.engine.s3.shelf import Shelf
from crossfade.release.plan import Plan
from crossfade.release.state import State


def problems(shelf: Shelf, service: str) -> Iterator[str]:
    """What is wrong, in words."""
    fresh = Shelf(shelf.objects)
    try:
        document = fresh.look(service)
        kept, parts = (*document.rows, *fresh.fixed.archived(document)), fresh.fixed.parts(document)
    except StoreAwayError:
        raise
    except StoreError as error:
        yield f"{error.what}: {error.why}"
        return
    entries: list[Mapping[str, Any]] = []
    for found in fresh.fixed.each(service, parts):
        if isinstance(found, StoreError):
            yield f"{found.what}: {found.why}"
        else:
            entries += found
    entries.sort(key=lambda entry: int(entry["seq"]))
    yield from journal.breaks(entries, journal.Head.read(document.head or None))
    rows = []
    for one in kept:
        row = _row(service, one, entries)
        if row is None:
            yield f"release {one.id} has no plan in the journal"
        else:
            rows.append(row)
    known = {row.id for row in rows}
    lost = {one.id for one in kept} - known
    yield from journal.unlike([entry for entry in entries if entry["release"] not in lost], rows)


def _row(service: str, kept: Kept, entries: list[Mapping[str, Any]]) -> Row | None:
    first = next((entry for entry in entries if entry["release"] == kept.id), None)
    stored = json.loads(first["body"]) if first is not None else {}
    if "plan" not in stored:
        return None
    return Row(
        id=kept.id,
        service=service,
        plan=codec.read("plan", Plan, {"schema": kept.plan_schema, "plan": stored["plan"]}),
        state=codec.read("state", State, kept.state),
        rev=kept.rev,
        wake_at=kept.wake_at,
        opened_at=kept.opened_at,
        outcome=kept.outcome,
        lease_owner=kept.lease_owner,
        lease_until=kept.lease_until,
    )
