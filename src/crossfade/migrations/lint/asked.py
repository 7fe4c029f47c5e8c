"""What a rule is asked: an action, and what is known when its turn comes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from crossfade.migrations.lint.actions import Action
from crossfade.migrations.lint.known import Known, Table
from crossfade.migrations.lint.rules import Found

NEWEST: Final = 18
OLDEST: Final = 14
PROVE: Final = "crossfade migrate prove runs it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One action; `pg`: the server's major version; `utc`: the migration set its zone to UTC."""

    action: Action
    known: Known
    pg: int = NEWEST
    utc: bool = False

    @property
    def table(self) -> Table:
        """What is known of the table that it is about."""
        return self.known.table(self.action.table)

    def since(self, version: int, what: str) -> Iterator[Found]:
        """Something that an older server refuses."""
        if self.pg < version:
            yield Found(rule="newer-server", what=f"{what} needs PostgreSQL {version}, this is for {self.pg}")


def later(sql: str) -> str:
    """For the contract."""
    return f"-- in NAME.contract.sql, for when no version that needs it can come back:\n{sql}"
