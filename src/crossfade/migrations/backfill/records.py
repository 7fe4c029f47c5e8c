"""What the ledger keeps of a backfill and of a verification: one row each, by the server's own clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

from crossfade.migrations.backfill.live import Live
from crossfade.migrations.running.ledger import WHOLE, Done, ended

_NOW: Final = "SELECT extract(epoch FROM clock_timestamp())"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A row that was written when it began."""

    live: Live
    row: Done

    @classmethod
    def begun(
        cls, live: Live, change: str, *, part: Literal["backfill", "verify"], sha256: str, text: str, who: str
    ) -> Record:
        """Write that it has begun."""
        row = Done(
            change=change, part=part, number=WHOLE, sha256=sha256, text=text, state="started",
            started=_now(live), who=who,
        )  # fmt: skip
        live.keep(row)
        return cls(live=live, row=row)

    def ended(self, state: Literal["done", "failed"], rows: int, note: str = "") -> None:
        """Write how it ended."""
        self.live.keep(replace(ended(self.row, _now(self.live), state, note), rows=rows))


def _now(live: Live) -> datetime:
    return datetime.fromtimestamp(float(live.ask(_NOW)[0][0] or 0), UTC)
