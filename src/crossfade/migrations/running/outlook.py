"""
How each change stands, what comes next, and whether there is a way back. Pure; for `migrate status`.

Said from the ledger and the files alone: whether a version may still come back is the release's to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from crossfade.errors import RefusedError
from crossfade.migrations.running.executor import refuse_drift
from crossfade.migrations.running.ledger import WHOLE, Done, Standing, of_part, standing
from crossfade.migrations.script import read_script
from crossfade.spec.change_models import SchemaChange, SqlPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """One change. `when` something of it last ran; `drift` where a file is not what ran any more."""

    change: str
    state: Standing
    when: datetime | None
    next: str
    way_back: str
    drift: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "change": self.change,
            "state": self.state,
            "when": self.when.isoformat() if self.when else None,
            "next": self.next,
            "way_back": self.way_back,
            "drift": self.drift,
        }


def outlook(changes: Sequence[SchemaChange], rows: Sequence[Done]) -> tuple[Outlook, ...]:
    """Every change of the folder, and what ran without being there any more."""
    known = {one.name for one in changes}
    gone = sorted({row.change for row in rows} - known)
    listed = [(one, "") for one in changes]
    listed += [(SchemaChange(name=one), "its files are gone from the folder") for one in gone]
    return tuple(_one(change, rows, lost) for change, lost in listed)


def _one(change: SchemaChange, rows: Sequence[Done], lost: str) -> Outlook:
    state = standing(change, rows)
    mine = [row for row in rows if row.change == change.name]
    return Outlook(
        change=change.name,
        state=state,
        when=max((row.finished or row.started for row in mine), default=None),
        next="put its files back" if lost else _next(change, state),
        way_back=_way_back(change, state),
        drift=lost or _drift(change, rows),
    )


def _next(change: SchemaChange, state: Standing) -> str:
    match state:
        case "planned" | "expanding" | "aborted":
            return f"expand {change.name}"
        case "expanded" | "backfilling":
            if change.backfill is not None:
                return f"backfill {change.name}"
            return _towards_contract(change, verified=change.invariant is None)
        case "backfilled":
            return _towards_contract(change, verified=change.invariant is None)
        case "verified" | "contracting":
            return _towards_contract(change, verified=True)
        case "contracted":
            return ""
        case _:
            assert_never(state)


def _towards_contract(change: SchemaChange, *, verified: bool) -> str:
    if not verified:
        return f"verify {change.name}"
    if change.contract is None and change.dual_write is None:
        return ""
    return f"release, then contract {change.name}"


def _way_back(change: SchemaChange, state: Standing) -> str:
    match state:
        case "planned" | "aborted":
            return "nothing to take back"
        case "contracting" | "contracted":
            return "none: what the contract took away is gone"
        case "expanding" | "expanded" | "backfilling" | "backfilled" | "verified":
            if change.abort is None and change.expand is not None:
                return f"no {change.name}.abort.sql: what it added would remain"
            return f"abort {change.name}"
        case _:
            assert_never(state)


def _drift(change: SchemaChange, rows: Sequence[Done]) -> str:
    """What is not as it ran; empty where all is."""
    for chapter, part in (("expand", change.expand), ("contract", change.contract)):
        done = of_part(rows, change.name, "expand" if chapter == "expand" else "contract")
        whole = done.get(WHOLE)
        if whole is not None and whole.done and whole.sha256 != (part.sha256 if part else ""):
            return f"its {chapter} is not what ran"
        if isinstance(part, SqlPart):
            try:
                script = read_script(part.text, part.file.name)
                refuse_drift(change.name, "expand" if chapter == "expand" else "contract", script, done)
            except RefusedError as error:
                return error.what
    return ""
