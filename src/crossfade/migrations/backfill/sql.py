"""
The statements of a batch, as text. Pure.

A batch is a range of the key: behind the cursor, up to the last of the next N rows. Looking (`slice`) and
writing (`change`) are two statements of one transaction; the range, not a list of rows, joins them.

WHY `SKIP LOCKED`: a batch holds the locks of all its rows. If it waited for one more, everybody who wants one
of those would wait with it, and two that wait crosswise are a deadlock. So it never waits for a row: it
leaves the row out, counts it, and another pass comes for it. Left out is what was due and not held, both
counted in one snapshot: between two, a row that came could hide a row that was left out.

A row is due where `where` is true AND the values would be others than they are, compared byte by byte: what
is right already is not written again, and what a batch has filled is due no more. Whether that holds is
looked at in the row as it was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from crossfade.migrations.backfill.table import Column, Table
from crossfade.migrations.wire import name
from crossfade.spec.change_models import Backfill

_TIMES: Final = "D"  # dates and times: as text they depend on settings, as JSON they do not
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A table and the key it is walked by."""

    table: Table
    key: tuple[Column, ...]

    def slice(self, after: Key | None, rows: int, condition: str) -> str:
        """How many of the next rows there are, of how many the condition is true, and the last one's key."""
        keys = ", ".join(f"{self._at(one)} AS {_alias(at)}" for at, one in enumerate(self.key))
        order = ", ".join(self._at(one) for one in self.key)
        last = ", ".join(_alias(at) for at in range(len(self.key)))
        back = ", ".join(f"{_alias(at)} DESC" for at in range(len(self.key)))
        texts = ", ".join(_text(one, _alias(at)) for at, one in enumerate(self.key))
        return (
            f"WITH crossfade_slice AS MATERIALIZED (\n"
            f"SELECT {keys}, ({condition}) AS crossfade_due\nFROM {self.table.sql}\n"
            f"{self._where(after, None)}ORDER BY {order} LIMIT {rows:d})\n"
            f"SELECT counted.*, {texts}\n"
            f"FROM (SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE crossfade_due)"
            f" FROM crossfade_slice) AS counted\n"
            f"LEFT JOIN (SELECT {last} FROM crossfade_slice ORDER BY {back} LIMIT 1) AS last_one ON true"
        )

    def keys_of(self, after: Key | None, last: Key, condition: str, most: int) -> str:
        """Keys of rows in the range of which the condition is true."""
        keys = ", ".join(_text(one, self._at(one)) for one in self.key)
        order = ", ".join(self._at(one) for one in self.key)
        return (
            f"SELECT {keys} FROM {self.table.sql}\n{self._where(after, last, condition)}"
            f"ORDER BY {order} LIMIT {most:d}"
        )

    def change(self, after: Key | None, last: Key, values: Values) -> str:
        """Fill what is due in the range and not locked: how many were due, held, changed, due after it."""
        keys = ", ".join(f"{self._at(one)} AS {_alias(at)}" for at, one in enumerate(self.key))
        same = " AND ".join(f"{self._at(one)} = {_alias(at)}" for at, one in enumerate(self.key))
        strength = "UPDATE" if values.names & self.table.unique else "NO KEY UPDATE"
        due = values.due
        return (
            f"WITH crossfade_held AS MATERIALIZED (\n"
            f"SELECT {keys} FROM {self.table.sql}\n{self._where(after, last, due)}"
            f"FOR {strength} OF {name(self.table.name)} SKIP LOCKED),\n"
            f"crossfade_changed AS (\n"
            f"UPDATE {self.table.sql} SET {values.assignments}\nFROM crossfade_held\n"
            f"{self._where(after, last, due)}AND {same}\n"
            f"RETURNING ({due}) AS crossfade_due)\n"
            f"SELECT (SELECT pg_catalog.count(*) FROM {self.table.sql} {self._where(after, last, due)}),"
            f" (SELECT pg_catalog.count(*) FROM crossfade_held), pg_catalog.count(*),"
            f" pg_catalog.count(*) FILTER (WHERE crossfade_due) FROM crossfade_changed"
        )

    def _at(self, column: Column) -> str:
        return name(self.table.name, column.name)

    def _where(self, after: Key | None, last: Key | None, condition: str = "") -> str:
        """
        The range, and the condition.

        Columns that both ends have in common are compared one by one: of a comparison of rows the planner
        takes the first column for all, and would scan the table where that one hardly differs.
        """
        same = _common(after, last)
        parts, number = [], 1
        for sign, bound in ((">", after), ("<=", last)):
            if bound is not None:
                given = [f"${number + at}::{one.type}" for at, one in enumerate(self.key)]
                equal = [f"{self._at(one)} = {value}" for one, value in zip(self.key, given, strict=True)]
                columns = ", ".join(self._at(one) for one in self.key[same:])
                parts += [*equal[:same], f"({columns}) {sign} ({', '.join(given[same:])})"]
                number += len(self.key)
        if condition:
            parts.append(f"({condition})")
        return f"WHERE {' AND '.join(parts)}\n" if parts else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What rows get, and which rows are due."""

    names: frozenset[str]
    assignments: str
    due: str

    @classmethod
    def of(cls, table: Table, order: Backfill) -> Values:
        """Raises RefusedError (CF9283) for a column that is not there."""
        pairs = [(table.column(said), expression) for said, expression in order.set]
        now = ", ".join(name(table.name, column.name) for column, _ in pairs)
        then = ", ".join(f"(\n{expression}\n)::{column.type}" for column, expression in pairs)
        differs = f"ROW({now})::record OPERATOR(pg_catalog.*<>) ROW({then})::record"
        return cls(
            names=frozenset(column.name for column, _ in pairs),
            assignments=", ".join(
                f"{name(column.name)} = (\n{expression}\n)" for column, expression in pairs
            ),
            due=f"(\n{order.where}\n) IS TRUE AND {differs}" if order.where else differs,
        )


def bounds(*keys: Sequence[str] | None) -> list[str]:
    """The parameters of a statement about a range, in their order."""
    return [part for key in keys if key is not None for part in key]


def _common(after: Key | None, last: Key | None) -> int:
    """How many columns both ends begin with in common; never all of them."""
    if after is None or last is None:
        return 0
    equal = takewhile(lambda pair: pair[0] == pair[1], zip(after[:-1], last[:-1], strict=True))
    return sum(1 for _ in equal)


def _alias(at: int) -> str:
    return f"crossfade_key_{at}"


def _text(column: Column, sql: str) -> str:
    return f"pg_catalog.to_jsonb({sql}) #>> '{{}}'" if column.kind == _TIMES else f"{sql}::text"
