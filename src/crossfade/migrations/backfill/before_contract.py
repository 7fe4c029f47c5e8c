"""Once more right before the contract: what the old version wrote since the last count, counts."""

from __future__ import annotations

from crossfade.errors import RefusedError
from crossfade.migrations.backfill.live import Live
from crossfade.migrations.backfill.verify import verify
from crossfade.migrations.wire import Session
from crossfade.spec.change_models import SchemaChange


def confirm(session: Session, change: SchemaChange, who: str) -> None:
    """Count the rows that break the invariant, if there is one. Raises RefusedError (CF9293) for any."""
    if change.invariant is None:
        return
    found = verify(Live(session), change, who=who, tell=lambda _: None)
    session.ask("SET statement_timeout = 0")
    if not found.holds:
        raise RefusedError(
            "CF9293",
            f"{change.name}: {found.offending} rows break its invariant now",
            "they were written since it was verified, by a version that knows only one of the columns",
            f"crossfade migrate backfill {change.name}, and verify it again",
        )
