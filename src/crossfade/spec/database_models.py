"""
The `database:` section, resolved: what a release has to know of the schema it runs on.

The address is never written in the file: it holds a password. The file names the variable that has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

SHAPE_FILE: Final = "shape.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackWindow:
    """Which old versions a person may want back."""

    releases: int = 2
    """How many versions before the live one."""
    hold_for: timedelta = timedelta(days=14)
    """How long after a version was replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The database of one service."""

    url: str
    """The environment variable that holds the address."""
    direct_url: str | None = None
    """The variable of an address without a pooler in front, for migrations; None = `url`."""
    standbys: tuple[str, ...] = ()
    """Variables of the addresses of standbys that a backfill waits for."""
    migrations: str | None = None
    """Folder of schema changes, relative to the file; None = there are none."""
    app_role: str | None = None
    """The role that the application connects as."""
    shape: str = SHAPE_FILE
    """The statements of the version in this folder, as the recorder wrote them."""
    boot: str | None = None
    """How an instance is started for a trial against a new schema; shell words, with `{port}`."""
    rollback_window: RollbackWindow = field(default_factory=RollbackWindow)

    @property
    def direct(self) -> str:
        """The variable whose address migrations use."""
        return self.direct_url or self.url
