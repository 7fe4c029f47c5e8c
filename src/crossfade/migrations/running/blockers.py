"""
Who stands in the way of a lock: pid, application, how long, doing what, without a literal of theirs.

Nobody is ever ended by us.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from crossfade.migrations.lexer import Kind, UnreadableError, words
from crossfade.migrations.wire import Session

_LONGEST: Final = 80
_MODES: Final = (
    "AccessShareLock", "RowShareLock", "RowExclusiveLock", "ShareUpdateExclusiveLock", "ShareLock",
    "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
)  # fmt: skip
# By mode, the modes it cannot stand beside, as in PostgreSQL's own table ("Conflicting Lock Modes").
_CONFLICTS: Final = {
    "AccessShareLock": _MODES[7:],
    "RowShareLock": _MODES[6:],
    "RowExclusiveLock": _MODES[4:],
    "ShareUpdateExclusiveLock": _MODES[3:],
    "ShareLock": (*_MODES[2:4], *_MODES[5:]),
    "ShareRowExclusiveLock": _MODES[2:],
    "ExclusiveLock": _MODES[1:],
    "AccessExclusiveLock": _MODES,
}
_WAITS: Final = """
SELECT l.relation::int8, l.mode, pg_catalog.pg_blocking_pids(l.pid)::text FROM pg_catalog.pg_locks l
WHERE l.pid = $1::int AND NOT l.granted
"""
_WHO: Final = """
SELECT pid, application_name, usename, state,
  pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - xact_start), query
FROM pg_catalog.pg_stat_activity WHERE pid = ANY ($1::int[]) ORDER BY xact_start NULLS LAST, pid
"""
_HOLDING: Final = """
SELECT DISTINCT l.pid FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid)
WHERE l.granted AND l.locktype = 'relation' AND l.relation = $1::int8::oid AND l.mode = ANY ($2::text[])
  AND l.pid <> $3::int AND a.xact_start < pg_catalog.clock_timestamp() - $4::interval
  AND l.database IN (
    0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A session that holds what we wait for."""

    pid: int
    application: str = ""
    user: str = ""
    state: str = ""
    age: timedelta | None = None
    """Of its transaction."""
    query: str = ""

    def __str__(self) -> str:
        if self.pid == 0:
            return "a prepared transaction (see pg_prepared_xacts)"
        named = " of ".join(one for one in (self.application or "no application name", self.user) if one)
        age = "" if self.age is None else f", its transaction {_span(self.age)} old"
        return f"pid {self.pid} ({named}){age}, {self.state or 'at work'}: {self.query or 'nothing shown'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A lock that was not had."""

    relation: int
    mode: str

    @property
    def conflicts(self) -> tuple[str, ...]:
        return _CONFLICTS.get(self.mode, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What a session waited for at one moment, and for whom."""

    wanted: Wanted | None = None
    blockers: tuple[Blocker, ...] = ()


NOBODY: Final = Waiting()


def waiting(observer: Session, pid: int) -> Waiting:
    """What this backend waits for now; nothing where it does not wait."""
    found = observer.ask(_WAITS, [str(pid)])
    if not found:
        return NOBODY
    relation, mode, pids = found[0]
    wanted = Wanted(relation=int(relation), mode=mode or "") if relation is not None else None
    return Waiting(wanted=wanted, blockers=who(observer, _numbers(pids)))


def in_the_way(observer: Session, wanted: Wanted, older: timedelta, pid: int) -> tuple[Blocker, ...]:
    """Who holds a lock that conflicts with this one, in a transaction older than that."""
    modes = "{" + ",".join(wanted.conflicts) + "}"
    rows = observer.ask(_HOLDING, [str(wanted.relation), modes, str(pid), f"{older.total_seconds()} seconds"])
    return who(observer, [int(row[0] or 0) for row in rows])


def who(observer: Session, pids: Iterable[int]) -> tuple[Blocker, ...]:
    """Those sessions as a person may read of them."""
    asked = sorted(set(pids))
    rows = observer.ask(_WHO, ["{" + ",".join(map(str, asked)) + "}"]) if asked else ()
    prepared = [Blocker(pid=0)] if 0 in asked else []
    return (
        *(
            Blocker(
                pid=int(pid or 0),
                application=name or "",
                user=user or "",
                state=state or "",
                age=timedelta(seconds=float(age)) if age is not None else None,
                query=without_literals(query or ""),
            )
            for pid, name, user, state, age, query in rows
        ),
        *prepared,
    )


def without_literals(sql: str, longest: int = _LONGEST) -> str:
    """The first words of a statement; strings and numbers are somebody's data and left out."""
    try:
        read = [token for token in words(sql) if token.kind is not Kind.COMMENT]
    except UnreadableError:
        return f"{sql.split(None, 1)[0][:longest]} …" if sql.strip() else ""
    said, end = "", None
    for token in read:
        gap = " " if end is not None and token.start > end else ""
        said += gap + ("…" if token.kind in {Kind.STRING, Kind.NUMBER} else token.text)
        end = token.end
        if len(said) > longest:
            return said[: longest - 2].rstrip() + " …"
    return said


def _numbers(listed: str | None) -> list[int]:
    return [int(one) for one in (listed or "{}").strip("{}").split(",") if one]


def _span(age: timedelta) -> str:
    seconds = age.total_seconds()
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"
