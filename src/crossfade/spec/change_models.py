"""
A schema change as it lies in the folder `database.migrations`, as frozen values.

One change is up to three things in time: an *expand* that every version can live with, rows made to fit
(dual write, backfill, invariant), and a *contract* for when nobody can go back to the old version any more.
Standard library only: the rooms that act on a database read these. `changes.py` makes them from files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

Phase = Literal["expand", "contract", "abort"]

ROWS: Final = 1000
"""Rows of the first batch, where the change names none; later ones follow `TARGET`."""
TARGET: Final = timedelta(milliseconds=200)
"""How long a batch may take: as long as a writer of one of its rows may have to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlPart:
    """A part written as SQL."""

    file: Path
    text: str

    @property
    def sha256(self) -> str:
        """Of the text: a part that has run may not become another one."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPart:
    """A part that another program runs: `alembic upgrade 0042`."""

    file: Path
    """Where the command is written."""
    command: str
    """Shell words; started without a shell."""

    @property
    def sha256(self) -> str:
        """Of the command."""
        return hashlib.sha256(self.command.encode()).hexdigest()


Part = SqlPart | CommandPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two columns that hold the same thing, and how one follows from the other."""

    old: str
    new: str
    up: str
    """SQL of `new` from the row NEW that an old version wrote."""
    down: str
    """SQL of `old` from the row NEW that a new version wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DualWrite:
    """A trigger writes the other column; without one the application writes both."""

    table: str
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseOn:
    """What makes a backfill wait."""

    lag: timedelta | None = None
    """A replica that is further behind."""
    autovacuum: bool = True
    """The table is being vacuumed."""
    flag: str | None = None
    """A query whose first value is true."""
    load: str | None = None
    """A query whose first value is true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """Rows that are brought into the new shape, batch by batch."""

    table: str
    set: tuple[tuple[str, str], ...]
    """Column and SQL of its value."""
    key: tuple[str, ...]
    """Columns of a unique key, in whose order the batches go; empty = the primary key."""
    where: str | None = None
    """Rows that still need it; None = all."""
    rows: int = ROWS
    target: timedelta = TARGET
    pause_on: PauseOn = PauseOn()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """A person's word on one counterexample that is only possible."""

    statement: str
    """Its id in the shape."""
    counterexample: str
    """Its digest, as the proof said it."""
    who: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaChange:
    """One change of the folder, whole."""

    name: str
    """The files' stem up to the first dot: `0042_full_name`."""
    expand: Part | None = None
    contract: Part | None = None
    abort: SqlPart | None = None
    """Takes away what the expand added."""
    dual_write: DualWrite | None = None
    backfill: Backfill | None = None
    invariant: str | None = None
    """A condition on each row of the table, or a SELECT that finds offending rows."""
    not_before: timedelta = timedelta()
    """The contract opens this long after no version that needs the old shape can be returned to."""
    accept: tuple[Accept, ...] = ()
    """Counterexamples with values that nobody was seen sending, and who answers for that."""

    @property
    def table(self) -> str | None:
        """The table whose rows a condition is about."""
        holder = self.backfill or self.dual_write
        return holder.table if holder else None

    @property
    def checks_rows(self) -> bool:
        """Whether the invariant is a condition on rows, and no query of its own."""
        lead = (self.invariant or "").split(None, 1)[:1]
        return bool(lead) and lead[0].lower() not in {"select", "with", "table", "values"}
