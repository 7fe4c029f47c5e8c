"""
What one service's object says: its releases, the journal's head and parts, who drives, who waits.

All that must change together stands in one object, because S3 compares and sets one object at a
time. It stays small: the journal lies beside it in parts, and so do releases that ended long ago.
A value; `shelf.py` reads and writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from crossfade.engine import codec
from crossfade.engine.records import Claim, CommandResult, Driver, HookRow
from crossfade.release.state import Outcome
from crossfade.release.values import Command, Instant

LAYOUT: Final = 1
"""The number of this layout; a newer one is left alone."""

KEEP: Final = 16
"""Ended releases that stay in the object; opening one more moves them to an archive, together."""

LOOSE: Final = 64
"""Parts of releases that were refused, likewise."""

HEARD: Final = 64
"""Answered commands that one release remembers: for so many the same id is heard only once."""

MANY: Final = 64
"""Parts that one release names; one more, and the small ones become one."""

WRITES: Final = 64
"""Writes that the object remembers, so that a writer whose answer was lost finds its own."""

DRIVERS: Final = 16
"""Controllers that are remembered; the latest, since a runner that was thrown away does not say goodbye."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some entries of the journal, in an object that is never changed."""

    first: int
    last: int
    key: str
    """Makes its name unlike that of a part that another writer meant for the same numbers."""

    @property
    def entries(self) -> int:
        return self.last - self.first + 1

    @property
    def name(self) -> str:
        return f"{self.first:010d}-{self.last:010d}-{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A command, and what became of it."""

    command: Command
    sent_at: Instant
    heard_at: Instant | None = None
    why: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A release; its plan lies in its first part."""

    id: str
    opened_at: Instant
    plan_schema: int
    state: Mapping[str, Any]
    """With its schema number, as `codec` reads it."""
    wake_at: Instant
    rev: int = 0
    outcome: Outcome | None = None
    lease_owner: str | None = None
    lease_until: Instant | None = None
    parts: tuple[Part, ...] = ()
    inbox: tuple[Sent, ...] = ()
    hooks: tuple[HookRow, ...] = ()
    note: Mapping[str, Any] | None = None

    @property
    def readable(self) -> bool:
        """Whether this program may drive it: a newer one's state is half understood."""
        return max(self.plan_schema, int(self.state["schema"])) <= codec.SCHEMA

    @property
    def unheard(self) -> tuple[Sent, ...]:
        return tuple(one for one in self.inbox if one.heard_at is None)

    def free_at(self, margin: timedelta) -> Instant | None:
        """When another may claim it; None where it has ended, or is a newer program's."""
        if self.outcome is not None or not self.readable:
            return None
        if self.lease_until is None:
            return self.wake_at
        return max(self.wake_at, self.lease_until + margin)

    def held(self, now: Instant, margin: timedelta) -> bool:
        return self.lease_until is not None and now < self.lease_until + margin

    @property
    def small(self) -> tuple[Part, ...]:
        """Its newest parts, where there are too many: all have few entries."""
        if len(self.parts) <= MANY:
            return ()
        whole = [number for number, part in enumerate(self.parts) if part.entries >= MANY // 2]
        return self.parts[whole[-1] + 1 if whole else 0 :]

    def good(self, claim: Claim, now: Instant) -> bool:
        """Whether this claim may still write (R23)."""
        mine = self.rev == claim.rev and self.lease_owner == claim.owner
        return mine and self.lease_until is not None and now < self.lease_until

    def heard(self, command: str, at: Instant, why: str, fix: str) -> Kept:
        """With the answer to a command; an answer that was given stands."""
        answered = tuple(
            replace(one, heard_at=at, why=why, fix=fix)
            if one.command.id == command and one.heard_at is None
            else one
            for one in self.inbox
        )
        done = [one for one in answered if one.heard_at is not None][:-HEARD]
        return replace(self, inbox=tuple(one for one in answered if one not in done))

    def result(self, command: str) -> CommandResult | None:
        found = next((one for one in self.inbox if one.command.id == command), None)
        if found is None:
            return None
        return CommandResult(
            id=command,
            release=self.id,
            verb=found.command.verb,
            sent_at=found.sent_at,
            heard_at=found.heard_at,
            accepted=found.heard_at is not None and not found.why,
            why=found.why,
            fix=found.fix,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One deploy in line. It says now and then that it is there."""

    number: int
    revision: str
    actor: str
    pid: int
    birth: str
    since: Instant
    seen: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Releases that ended long ago, in an object that is never changed."""

    layout: int = LAYOUT
    before: tuple[str, ...] = ()
    """The archives before this one, oldest first."""
    rows: tuple[Kept, ...] = ()
    loose: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The whole object of one service."""

    service: str
    layout: int = LAYOUT
    head: str = ""
    """Number and hash of the journal's last entry."""
    rows: tuple[Kept, ...] = ()
    """Oldest first; one at most has no outcome (R22)."""
    loose: tuple[Part, ...] = ()
    """Parts of releases that were refused: they have no row."""
    archive: str = ""
    """The last archive; it names those before it."""
    drivers: tuple[Driver, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    numbers: int = 0
    """The last place in line that was given."""
    writes: tuple[str, ...] = ()

    @property
    def active(self) -> Kept | None:
        return next((row for row in self.rows if row.outcome is None), None)

    @property
    def ended(self) -> tuple[Kept, ...]:
        return tuple(row for row in self.rows if row.outcome is not None)

    @property
    def crowded(self) -> bool:
        """Whether it is time to move what has ended to an archive."""
        return len(self.ended) > KEEP or len(self.loose) > LOOSE

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts that it names itself, by their numbers."""
        mine = [part for row in self.rows for part in row.parts]
        return tuple(sorted((*mine, *self.loose), key=lambda part: part.first))

    def kept(self, release: str) -> Kept | None:
        return next((row for row in self.rows if row.id == release), None)

    def with_row(self, row: Kept) -> Document:
        """With this row in the place of the one of the same id, else as the newest."""
        known = any(old.id == row.id for old in self.rows)
        rows = tuple(row if old.id == row.id else old for old in self.rows)
        return replace(self, rows=rows if known else (*rows, row))

    def with_part(self, part: Part, head: str, release: str) -> Document:
        """With one more part of this release's entries, and the head behind it."""
        row = self.kept(release)
        said = replace(self, head=head)
        if row is None:
            return replace(said, loose=(*self.loose, part))
        return said.with_row(replace(row, parts=(*row.parts, part)))

    def with_driver(self, driver: Driver) -> Document:
        others = [one for one in self.drivers if one.id != driver.id]
        latest = sorted((*others, driver), key=lambda one: one.heartbeat)[-DRIVERS:]
        return replace(self, drivers=tuple(latest))

    def without_driver(self, driver: str) -> Document:
        return replace(self, drivers=tuple(one for one in self.drivers if one.id != driver))

    def written(self, write: str) -> Document:
        return replace(self, writes=(*self.writes, write)[-WRITES:])

    def slim(self) -> Document:
        """What only a running release needs is dropped from those that have ended."""
        return replace(
            self,
            rows=tuple(
                replace(row, note=None, hooks=()) if row.outcome is not None else row for row in self.rows
            ),
        )
