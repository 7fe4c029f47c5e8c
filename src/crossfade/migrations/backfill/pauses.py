"""
Reasons to step back for others, looked for between batches.

What was asked for and cannot be looked at is a reason too: nobody is spared by a question without an answer.

A replica's lag is taken twice, and the worse one counts: as the server says it (`replay_lag`), and from where
the server itself was when (`Trail`). The server's own figure stands still while a replica applies nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from crossfade.migrations.backfill.live import Live, RefusedStatementError
from crossfade.migrations.backfill.standbys import Standby
from crossfade.migrations.wire import literal
from crossfade.spec.change_models import PauseOn

_LAG: Final = """
SELECT application_name, coalesce(extract(epoch FROM replay_lag), 0)::float8,
       pg_catalog.pg_wal_lsn_diff(replay_lsn, '0/0'), pg_catalog.pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'),
       state IS NULL
FROM pg_catalog.pg_stat_replication WHERE state IS NULL OR state <> 'backup'"""
_HERE: Final = """
SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), '0/0'),
  (SELECT system_identifier FROM pg_catalog.pg_control_system())"""
_WORK: Final = """
SELECT l.pid, coalesce(a.backend_type = 'autovacuum worker', false)
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a USING (pid)
WHERE l.mode = 'ShareUpdateExclusiveLock' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND l.relation::bigint = ANY ($1::bigint[])"""
_LONGEST_QUERY: Final = "5s"
_NO: Final = frozenset({None, "f", "false", "0", "off", "no", ""})
_KEPT: Final = 4096


@dataclass(slots=True)
class Trail:
    """Where the server was in its log, and when: how old is what a replica has applied?"""

    _seen: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def note(self, now: float, position: float) -> None:
        if not self._seen or position > self._seen[-1][1]:
            self._seen.append((now, position))

    def age(self, now: float, applied: float) -> float:
        """Seconds since the server first was beyond what is applied; at least, for it may be longer."""
        return next((now - when for when, position in self._seen if position > applied), 0.0)


@dataclass(slots=True)
class Pauses:
    """Whether to wait before the next batch, and why."""

    live: Live
    wanted: PauseOn
    parts: tuple[int, ...]
    trail: Trail = field(default_factory=Trail)
    standbys: tuple[Standby, ...] = ()

    def reason(self, now: float) -> str | None:
        """The first reason there is, in words; None to go on."""
        return (
            self._lag(now)
            or self._lag_of_standbys(now)
            or self._work_on_the_table()
            or self._said_by("flag", self.wanted.flag)
            or self._said_by("load", self.wanted.load)
        )

    def _lag(self, now: float) -> str | None:
        if self.wanted.lag is None:
            return None
        limit = self.wanted.lag.total_seconds()
        for called, said, applied, here, hidden in self.live.ask(_LAG):
            if hidden == "t":
                return "the lag of replicas is hidden from this role: GRANT pg_monitor, or leave out `lag`"
            if applied is None:
                continue  # keeps the log and applies nothing: an archive
            self.trail.note(now, float(here or 0))
            lag = max(float(said or 0), self.trail.age(now, float(applied)))
            if lag > limit:
                return f"replica {called or 'without a name'} is {lag:.1f} s behind, more than {limit:g} s"
        return None

    def _lag_of_standbys(self, now: float) -> str | None:
        if self.wanted.lag is None or not self.standbys:
            return None
        limit = self.wanted.lag.total_seconds()
        here, system = self.live.ask(_HERE)[0]
        position = float(here or 0)
        self.trail.note(now, position)
        for one in self.standbys:
            seen = one.look(system)
            if isinstance(seen, str):
                return f"the standby of {one.variable} is not known to keep up: {seen}"
            lag = max(seen.behind_s(position), self.trail.age(now, seen.applied))
            if lag > limit:
                return f"the standby of {one.variable} is {lag:.1f} s behind, more than {limit:g} s"
        return None

    def _work_on_the_table(self) -> str | None:
        if not self.wanted.autovacuum:
            return None
        for pid, automatic in self.live.ask(_WORK, [f"{{{','.join(map(str, self.parts))}}}"]):
            what = "autovacuum is" if automatic == "t" else "a VACUUM, ANALYZE or index build is"
            return f"{what} at the table (pid {pid})"
        return None

    def _said_by(self, called: str, query: str | None) -> str | None:
        if query is None:
            return None
        try:
            with self.live.transaction("READ ONLY"):
                self.live.ask(f"SET LOCAL statement_timeout = {literal(_LONGEST_QUERY)}")
                rows = self.live.ask(query)
        except RefusedStatementError as error:
            return f"the {called} query fails: {error.said}"
        if not rows or not rows[0] or (rows[0][0] or "").lower() in _NO or rows[0][0] is None:
            return None
        return f"the {called} query says so"
