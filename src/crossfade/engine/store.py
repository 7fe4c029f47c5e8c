"""
The durable side: one SQLite file per state folder, on one machine.

The row is the truth: plan, state, `rev`, `wake_at`. A tick claims it for a lease, and saves
state, journal and consumed commands in one transaction that `rev`, owner and lease fence (R23).
`tick.py` is the only writer of states; readers may look at any time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

from crossfade.engine import codec, journal, place, refusals
from crossfade.engine.database import Database, plain
from crossfade.engine.drawer import FolderDrawer
from crossfade.engine.moments import instant, micros
from crossfade.engine.records import (
    Claim,
    CommandResult,
    Consumed,
    Entry,
    Row,
)
from crossfade.engine.sides import SideTables
from crossfade.engine.waiting import WaitingLine
from crossfade.release.hear import hear
from crossfade.release.plan import Plan
from crossfade.release.state import Outcome, State
from crossfade.release.values import Command, Declined, Event, EventType, Instant, Verb

FILE = "journal.db"


@lru_cache(maxsize=256)
def _plan(text: str) -> Plan:
    """Plans never change, and a release looks at its own every second."""
    return codec.load("plan", Plan, text)


class SqliteStore(SideTables):
    """Implements `ports.Store`, where each promise stands; what lies beside releases is in `SideTables`."""

    elsewhere = False
    pace = 0.0
    margin = timedelta(0)
    """All who share the file share a clock."""

    def __init__(self, folder: Path) -> None:
        """
        Opens or creates `folder/journal.db`.

        Raises `RefusedError` CF5001 on a network file system, CF5002 where nothing can be
        written, `StoreError` CF5006 where a newer program wrote it.
        """
        place.prepare(folder)
        self.folder = folder
        super().__init__(Database(folder / FILE))
        self.line = WaitingLine(self._db)
        self.drawer = FolderDrawer(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; whatever was committed stays."""
        self._db.close()

    @property
    def name(self) -> str:
        return str(self.folder.resolve())

    def prove_writable(self) -> None:
        """Raises `RefusedError` CF5002 where not a byte can be written."""
        place.prove_writable(self.folder)

    # Releases and the journal

    def open_release(self, plan: Plan, events: Sequence[Event], now: Instant) -> Row:
        """
        The row and its first journal entries in one transaction; the plan lies in the first entry.

        `events` begins with `release.opened`. Raises `HeldError` (exit 8) naming the holder
        where the service has an active release (R22).
        """
        state = journal.refolded(plan, events)
        if state is None or events[0].type is not EventType.RELEASE_OPENED:
            raise ValueError("a release begins with release.opened")
        with self._db.writing():
            holder = self._db.one("active", service=plan.service)
            if holder is not None:
                raise refusals.held(plan.service, holder["id"], instant(holder["opened_at"]))
            self._db.run(
                "insert_release",
                id=plan.release,
                service=plan.service,
                plan=codec.store("plan", plan),
                state=codec.store("state", state),
                schema=codec.SCHEMA,
                wake_at=micros(now),
                opened_at=micros(now),
            )
            self._append(plan.release, plan.service, events, plan)
        return self.row(plan.release)

    def record_refused(self, plan: Plan, event: Event) -> None:
        with self._db.writing():
            self._append(plan.release, plan.service, (event,), plan)

    def _append(self, release: str, service: str, events: Sequence[Event], plan: Plan | None = None) -> None:
        if not events:
            return
        head = journal.Head.read(self._head())
        for event in events:
            seq, ts, body = head.seq + 1, micros(event.ts), journal.body_of(event, plan)
            told = journal.digest(head.hash, seq, release, service, ts=ts, body=body)
            self._db.run(
                "append",
                seq=seq,
                release=release,
                service=service,
                ts=ts,
                body=body,
                prev_hash=head.hash,
                hash=told,
            )
            head, plan = journal.Head(seq=seq, hash=told), None
        self._db.run("set_head", value=head.text())

    def _head(self) -> str | None:
        found = self._db.one("head")
        return None if found is None else str(found["value"])

    def services(self) -> tuple[str, ...]:
        return tuple(found["service"] for found in self._db.all("services"))

    def active(self, service: str) -> Row | None:
        found = self._db.one("active", service=service)
        return None if found is None else _row(found)

    def row(self, release: str) -> Row:
        found = self._db.one("row", id=release)
        if found is not None:
            return _row(found)
        like = self._db.all("rows_with_prefix", low=release, high=release + "~") if release else []
        if len(like) == 1:
            return _row(like[0])
        raise refusals.unknown(release, self.name, several=bool(like))

    def releases(self, service: str | None = None, limit: int = 50) -> tuple[Row, ...]:
        return tuple(_row(found) for found in self._db.all("releases", service=service, limit=limit))

    def entries(
        self, release: str | None = None, service: str | None = None, after: int = 0, limit: int = 1000
    ) -> tuple[Entry, ...]:
        """Oldest first, those with `seq > after`."""
        if release is not None:
            found = self._db.all("entries_of_release", release=release, after=after, limit=limit)
        elif service is not None:
            found = self._db.all("entries_of_service", service=service, after=after, limit=limit)
        else:
            found = self._db.all("entries", after=after, limit=limit)
        return tuple(journal.entry_of(plain(row), json.loads(row["body"])) for row in found)

    def last_seq(self, service: str | None = None) -> int:
        """The number of the journal's last entry, which is one for all services; 0 where there is none."""
        del service
        found = self._db.one("last_seq")
        return int(found[0] or 0) if found is not None else 0

    def head(self, service: str | None = None) -> str:
        del service
        return journal.Head.read(self._head()).hash

    # Commands

    def send(self, release: str, command: Command, now: Instant) -> bool:
        row = self.row(release)
        with self._db.writing():
            new = self._db.run(
                "insert_command",
                id=command.id,
                release=row.id,
                verb=command.verb.value,
                body=codec.dump(command),
                sent_at=micros(now),
            )
            if new and not self._db.run("wake", id=row.id, now=micros(now)):
                self._decline_rest(row.id, now)
            return bool(new)

    def _decline_rest(self, release: str, now: Instant) -> None:
        """What came too late for a release that has ended is answered, not left waiting."""
        found = self._db.one("row", id=release)
        if found is None:
            return
        row = _row(found)
        for command in self.inbox(release):
            heard = hear(row.plan, row.state, command, now)
            why, fix = (heard.why, heard.fix) if isinstance(heard, Declined) else ("", "")
            events = (heard.event,) if isinstance(heard, Declined) else heard.events
            self._append(release, row.service, events)
            self._db.run("heard", id=command.id, heard_at=micros(now), why=why, fix=fix)

    def inbox(self, release: str) -> tuple[Command, ...]:
        found = self._db.all("inbox", release=release)
        return tuple(codec.decode(Command, json.loads(row["body"])) for row in found)

    def command_result(self, command: str) -> CommandResult | None:
        found = self._db.one("command", id=command)
        if found is None:
            return None
        return CommandResult(
            id=command,
            release=found["release"],
            verb=Verb(found["verb"]),
            sent_at=instant(found["sent_at"]),
            heard_at=None if found["heard_at"] is None else instant(found["heard_at"]),
            accepted=found["heard_at"] is not None and not found["why"],
            why=found["why"],
            fix=found["fix"],
        )

    # One tick

    def next_wake(self, service: str | None = None) -> Instant | None:
        times = [
            found[0]
            for name in ("next_free", "next_leased")
            if (found := self._db.one(name, service=service, schema=codec.SCHEMA)) and found[0] is not None
        ]
        return instant(min(times)) if times else None

    def claim_due(
        self, now: Instant, owner: str, lease: timedelta, service: str | None = None
    ) -> Claim | None:
        with self._db.writing():
            found = self._db.one("due", now=micros(now), service=service, schema=codec.SCHEMA)
            if found is None or found[0] is None:
                return None
            return self._claim(str(found[0]), now, owner, lease)

    def claim(self, release: str, now: Instant, owner: str, lease: timedelta) -> Claim | None:
        with self._db.writing():
            return self._claim(release, now, owner, lease)

    def _claim(self, release: str, now: Instant, owner: str, lease: timedelta) -> Claim | None:
        until = now + lease
        found = self._db.one(
            "claim", id=release, now=micros(now), owner=owner, until=micros(until), schema=codec.SCHEMA
        )
        if found is None:
            return None
        row = _row(found)
        return Claim(
            release=row.id,
            plan=row.plan,
            state=row.state,
            rev=row.rev,
            owner=owner,
            until=until,
            due=row.wake_at,
        )

    def check(self, claim: Claim, now: Instant) -> None:
        good = self._db.one("check", id=claim.release, rev=claim.rev, owner=claim.owner, now=micros(now))
        if good is None:
            raise refusals.lost(claim)

    def extend(self, claim: Claim, now: Instant, lease: timedelta) -> Claim:
        until = now + lease
        if not self._db.run(
            "extend",
            id=claim.release,
            rev=claim.rev,
            owner=claim.owner,
            now=micros(now),
            until=micros(until),
        ):
            raise refusals.lost(claim)
        return replace(claim, until=until)

    def save(
        self,
        claim: Claim,
        state: State,
        events: Sequence[Event],
        consumed: Sequence[Consumed],
        wake_at: Instant | None,
        *,
        now: Instant,
        note: Mapping[str, object] | None = None,
        done: bool = False,
    ) -> Claim:
        """
        State, journal, consumed commands and the live note in one transaction; `done` gives the lease back.

        A command that landed meanwhile makes the next look due now; one that finds the
        release ended is answered here. Raises `LostLeaseError`: then nothing was written.
        """
        with self._db.writing():
            for heard in consumed:
                self._db.run("heard", id=heard.id, heard_at=micros(now), why=heard.why, fix=heard.fix)
            unheard = self._db.one("unheard", release=claim.release)
            waiting = unheard is not None and bool(unheard[0])
            saved = self._db.run(
                "save",
                id=claim.release,
                rev=claim.rev,
                owner=claim.owner,
                now=micros(now),
                state=codec.store("state", state),
                schema=codec.SCHEMA,
                wake_at=micros(now if waiting or wake_at is None else wake_at),
                outcome=None if state.outcome is None else state.outcome.value,
                done=done or state.outcome is not None,
            )
            if not saved:
                raise refusals.lost(claim)
            self._append(claim.release, claim.plan.service, events)
            if note is not None:
                self._db.run("put_note", release=claim.release, body=codec.dump(note))
            if state.outcome is not None and waiting:
                self._decline_rest(claim.release, now)
        return replace(claim, state=state, rev=claim.rev + 1)

    def release_claim(self, claim: Claim) -> None:
        self._db.run("release_claim", id=claim.release, rev=claim.rev, owner=claim.owner)

    # Proof

    def verify(self) -> tuple[str, ...]:
        """
        What is wrong, in words; empty where the chain and its head hold and each state is its journal's fold.

        Reads one snapshot; a tick may go on meanwhile.
        """
        with self._db.lock, self._db.errors():
            self._db.link.execute("begin")
            try:
                rows = [plain(row) for row in self._db.all("entries", after=0, limit=-1)]
                said = list(journal.breaks(rows, journal.Head.read(self._head())))
                kept = self._db.all("releases", service=None, limit=-1)
            finally:
                self._db.link.execute("rollback")
        return (*said, *journal.unlike(rows, [_row(found) for found in kept]))

    def strays(self) -> tuple[str, ...]:
        """None: a transaction is written whole or not at all."""
        return ()


def _row(found: sqlite3.Row) -> Row:
    return Row(
        id=found["id"],
        service=found["service"],
        plan=_plan(found["plan"]),
        state=codec.load("state", State, found["state"]),
        rev=found["rev"],
        wake_at=instant(found["wake_at"]),
        opened_at=instant(found["opened_at"]),
        outcome=None if found["outcome"] is None else Outcome(found["outcome"]),
        lease_owner=found["lease_owner"],
        lease_until=None if found["lease_until"] is None else instant(found["lease_until"]),
    )
