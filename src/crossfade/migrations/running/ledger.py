"""
What has run, kept in the target database itself: one row per statement, and one (number 0) per part.

A row of a statement is written in the statement's own transaction, so that neither is there without the
other; where there is no transaction it is written before (`started`) and after (`done`). Texts are kept
without their literals: a password of a CREATE ROLE is nobody's to read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from crossfade.errors import AccessError, CrossfadeError, PlatformError
from crossfade.migrations.answers import Failure
from crossfade.migrations.wire import Session, literal
from crossfade.spec.change_models import SchemaChange

SCHEMA: Final = "crossfade"
WHOLE: Final = 0
"""Number of the row that stands for a part as a whole."""

Chapter = Literal["expand", "dual_write", "backfill", "verify", "contract", "abort"]
State = Literal["started", "done", "failed", "undone"]
Standing = Literal[
    "planned", "expanding", "expanded", "backfilling", "backfilled", "verified", "contracting", "contracted",
    "aborted",
]  # fmt: skip

TABLES: Final = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {SCHEMA}.ledger (
  change text NOT NULL,
  part text NOT NULL CHECK (part IN ('expand', 'dual_write', 'backfill', 'verify', 'contract', 'abort')),
  number int NOT NULL CHECK (number >= 0),
  sha256 text NOT NULL,
  text text NOT NULL,
  state text NOT NULL CHECK (state IN ('started', 'done', 'failed', 'undone')),
  started timestamptz NOT NULL,
  finished timestamptz,
  ms bigint NOT NULL DEFAULT 0,
  tries int NOT NULL DEFAULT 1,
  locks text NOT NULL DEFAULT '',
  rows bigint,
  who text NOT NULL,
  note text NOT NULL DEFAULT '',
  PRIMARY KEY (change, part, number)
);
"""
_THERE: Final = f"SELECT pg_catalog.to_regclass('{SCHEMA}.ledger') IS NOT NULL"
_COLUMNS: Final = (
    "change", "part", "number", "sha256", "text", "state", "started", "finished", "ms", "tries", "locks",
    "rows", "who", "note",
)  # fmt: skip
_UTC: Final = "pg_catalog.to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"')"
_READ: Final = (
    f"SELECT {', '.join(_UTC.format(one) if one in {'started', 'finished'} else one for one in _COLUMNS)} "
    f"FROM {SCHEMA}.ledger ORDER BY started, change, part, number"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One row: a statement of a part, or the part as a whole (`number` 0)."""

    change: str
    part: Chapter
    number: int
    sha256: str
    """Of the statement's text as it ran; of the whole part where the number is 0."""
    text: str
    state: State
    started: datetime
    finished: datetime | None = None
    ms: int = 0
    tries: int = 1
    locks: str = ""
    rows: int | None = None
    who: str = ""
    note: str = ""

    @property
    def done(self) -> bool:
        return self.state == "done"


def ledger_is_there(session: Session) -> bool:
    """Whether anything ever ran here by us."""
    return session.ask(_THERE)[0][0] == "t"


def rows_of(session: Session) -> tuple[Done, ...]:
    """All rows, the oldest first; none where there is no ledger yet. Raises AccessError (CF9273)."""
    there = session.attempt(_THERE)
    if not isinstance(there, Failure) and there.rows[0][0] != "t":
        return ()
    said = there if isinstance(there, Failure) else session.attempt(_READ)
    if isinstance(said, Failure):
        raise _unreadable(said)
    return tuple(_row(row) for row in said.rows)


def _unreadable(said: Failure) -> CrossfadeError:
    if said.sqlstate == "42501":
        return AccessError(
            "CF9273",
            "the ledger cannot be read",
            str(said),
            f"GRANT USAGE ON SCHEMA {SCHEMA} TO …; GRANT SELECT ON {SCHEMA}.ledger TO …",
        )
    return PlatformError("CF9273", "the ledger cannot be read", str(said), "see the server's log")


def read_ledger(dsn: str) -> tuple[Done, ...]:
    """The rows of the database that a DSN names."""
    with Session(dsn) as session:
        return rows_of(session)


def write(session: Session, row: Done) -> Failure | None:
    """Write or replace one row, in the transaction that is open, if one is."""
    values = ", ".join(
        literal(None if value is None else str(value))
        for value in (getattr(row, column) for column in _COLUMNS)
    )
    others = [column for column in _COLUMNS if column not in {"change", "part", "number"}]
    changed = ", ".join(f"{column} = EXCLUDED.{column}" for column in others)
    said = session.attempt(
        f"INSERT INTO {SCHEMA}.ledger ({', '.join(_COLUMNS)}) VALUES ({values}) "
        f"ON CONFLICT (change, part, number) DO UPDATE SET {changed}"
    )
    return said if isinstance(said, Failure) else None


def undo(session: Session, change: str) -> Failure | None:
    """After an abort: what ran before no longer counts, and a later expand begins anew."""
    said = session.attempt(
        f"UPDATE {SCHEMA}.ledger SET state = 'undone' WHERE change = {literal(change)} AND part <> 'abort'"
    )
    return said if isinstance(said, Failure) else None


def undo_abort(session: Session, change: str) -> Failure | None:
    """Before an expand that follows an abort: the abort no longer counts."""
    said = session.attempt(
        f"UPDATE {SCHEMA}.ledger SET state = 'undone' WHERE change = {literal(change)} AND part = 'abort'"
    )
    return said if isinstance(said, Failure) else None


def of_part(rows: Iterable[Done], change: str, part: Chapter) -> dict[int, Done]:
    """The rows of one part that still count, by number."""
    return {
        one.number: one for one in rows if one.change == change and one.part == part and one.state != "undone"
    }


def standing(change: SchemaChange, ledger: Sequence[Done]) -> Standing:
    """How far a change has come. Pure."""
    expand, contract, abort = (of_part(ledger, change.name, part) for part in ("expand", "contract", "abort"))
    if contract:
        return "contracted" if _whole(contract) else "contracting"
    if not expand:
        return "aborted" if _whole(abort) else "planned"
    dual = of_part(ledger, change.name, "dual_write")
    if not _whole(expand) or (change.dual_write is not None and not _whole(dual)):
        return "expanding"
    return _of_rows(of_part(ledger, change.name, "backfill"), of_part(ledger, change.name, "verify"))


def _of_rows(backfill: dict[int, Done], verify: dict[int, Done]) -> Standing:
    """Rows written after a verification have not been verified."""
    filled, verified = backfill.get(WHOLE), verify.get(WHOLE)
    if backfill and not _whole(backfill):
        return "backfilling"
    if verified is not None and verified.done and (filled is None or _end(verified) >= _end(filled)):
        return "verified"
    return "backfilled" if filled else "expanded"


def _whole(rows: dict[int, Done]) -> bool:
    return WHOLE in rows and rows[WHOLE].done


def _end(row: Done) -> datetime:
    return row.finished or row.started


def ended(row: Done, at: datetime, state: State, note: str = "") -> Done:
    """The same row, over."""
    return replace(
        row,
        state=state,
        finished=at,
        ms=round((at - row.started).total_seconds() * 1000),
        note=note or row.note,
    )


def _row(row: tuple[str | None, ...]) -> Done:
    said = dict(zip(_COLUMNS, row, strict=True))
    finished, rows = said["finished"], said["rows"]
    return Done(
        change=said["change"] or "",
        part=said["part"] or "",  # type: ignore[arg-type]  # the table's own CHECK says so
        number=int(said["number"] or 0),
        sha256=said["sha256"] or "",
        text=said["text"] or "",
        state=said["state"] or "",  # type: ignore[arg-type]  # as above
        started=datetime.fromisoformat(said["started"] or ""),
        finished=datetime.fromisoformat(finished) if finished else None,
        ms=int(said["ms"] or 0),
        tries=int(said["tries"] or 0),
        locks=said["locks"] or "",
        rows=int(rows) if rows else None,
        who=said["who"] or "",
        note=said["note"] or "",
    )
