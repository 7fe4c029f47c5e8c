"""
Versions that still have sessions on the database, whatever the history of releases says of them.

A worker that was forgotten, a shell, a machine that no platform knows: they meet the schema as a version that
serves does. Only those that carry a version's name are seen; behind a pooler, those whose name it passes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from crossfade.migrations.wire import Session
from crossfade.preconditions.reach import Reachable
from crossfade.sessions import beginning, session_name

_OPEN: Final = """
SELECT application_name, pg_catalog.count(*), pg_catalog.min(pg_catalog.date_part('epoch', backend_start)),
  pg_catalog.string_agg(DISTINCT
    CASE WHEN backend_start IS NOT NULL THEN coalesce(pg_catalog.host(client_addr), 'this machine') END, ', ')
FROM pg_catalog.pg_stat_activity
WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
  AND pg_catalog.starts_with(application_name, $1)
GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Sessions of one name."""

    name: str
    count: int
    since: datetime | None = None
    """None where this role may not see it."""
    addresses: str = ""

    @property
    def words(self) -> str:
        """How many, since when, from where."""
        many = "1 session of it is open" if self.count == 1 else f"{self.count} sessions of it are open"
        if self.since is None:
            return f"{many} (GRANT pg_read_all_stats shows since when and from where)"
        return f"{many} since {self.since:%Y-%m-%d %H:%M:%S} UTC from {self.addresses}"


def open_sessions(session: Session, service: str) -> tuple[Open, ...]:
    """Of this service on this database, by the names that they go by."""
    return tuple(
        Open(
            name=called or "",
            count=int(count or 0),
            since=None if since is None else datetime.fromtimestamp(float(since), UTC),
            addresses=addresses or "",
        )
        for called, count, since, addresses in session.ask(_OPEN, [beginning(service)])
    )


def with_sessions(
    found: Sequence[Reachable], opened: Sequence[Open], service: str, revisions: Iterable[str]
) -> tuple[Reachable, ...]:
    """The versions that may come back, and those that are there by a session; a name nobody knows too."""
    known = {session_name(service, one): one for one in revisions}
    by_name = {known.get(one.name) or one.name.partition("/")[2] or one.name: one for one in opened}
    listed = [
        one if one.revision not in by_name or one.until is None
        else replace(one, why=f"{one.why}; {by_name[one.revision].words}")
        for one in found
    ]  # fmt: skip
    there = {one.revision for one in found}
    listed += [
        Reachable(revision=revision, why=one.words, ends="when they are closed")
        for revision, one in by_name.items()
        if revision not in there
    ]
    return tuple(listed)
