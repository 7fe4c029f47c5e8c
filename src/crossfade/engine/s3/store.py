"""
The store off this machine: one object a service, the journal beside it, S3's compare-and-set between.

A CI runner that is thrown away leaves its release to whoever looks next, from any machine.
THE CHAIN OF THE JOURNAL IS ONE FOR EACH SERVICE, since nothing orders writes to two objects.
LEASES ARE BY THE CLOCKS OF THE MACHINES: each is held against S3's, one that is off more than
`CLOCK` claims nothing, and another's lease is left alone for `MARGIN` beyond its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from crossfade.engine import codec, journal, refusals
from crossfade.engine.records import Claim, CommandResult, Consumed, Row
from crossfade.engine.s3.document import Document, Kept, Sent
from crossfade.engine.s3.drawer import S3Drawer
from crossfade.engine.s3.line import S3Line
from crossfade.engine.s3.objects import Objects, SecondError, skewed
from crossfade.engine.s3.rows import RowObjects, state_of
from crossfade.engine.s3.shelf import GLANCE, Change, Shelf
from crossfade.release.hear import hear
from crossfade.release.plan import Plan
from crossfade.release.state import State
from crossfade.release.values import Command, Declined, Event, EventType, Instant

CLOCK: Final = timedelta(seconds=2)
"""How far a clock may be off S3's."""

MARGIN: Final = timedelta(seconds=5)
"""Twice that, and the second that S3's dates are cut to."""

PACE: Final = 0.5
"""Real seconds between two looks: a command is heard as late as that."""

PROBE: Final = "probe.json"


class S3Store(RowObjects):
    """
    Implements `ports.Store`, where each promise stands: opens, hears, claims and saves.

    What reads is in `RowObjects`, what lies beside in `SideObjects`.
    """

    elsewhere = True
    pace = PACE

    def __init__(
        self, objects: Objects, folder: Path, *, margin: timedelta = MARGIN, glance: float = GLANCE
    ) -> None:
        """
        `folder` is where this machine keeps what it logs; `margin` is in time of the releases' clock.

        Nothing is asked yet.
        """
        super().__init__(Shelf(objects, glance))
        self.folder = folder
        self.margin = margin
        self.line = S3Line(self._shelf)
        self.drawer = S3Drawer(objects)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is open."""

    def prove_writable(self) -> None:
        """Raises `StoreAwayError` where not even a word can be written, `StoreDeniedError` where none may."""
        objects = self._shelf.objects
        found = objects.get(PROBE)
        try:
            objects.put(PROBE, b"{}", found.etag if found is not None else None)
        except SecondError:
            return  # another proves it just now

    # Releases

    def open_release(self, plan: Plan, events: Sequence[Event], now: Instant) -> Row:
        """See `ports.Releases`."""
        state = journal.refolded(plan, events)
        if state is None or events[0].type is not EventType.RELEASE_OPENED:
            raise ValueError("a release begins with release.opened")
        kept = Kept(
            id=plan.release,
            opened_at=now,
            plan_schema=codec.SCHEMA,
            state=codec.document("state", state),
            wake_at=now,
        )

        def opened(document: Document) -> Change[None]:
            holder = document.active
            if holder is not None:
                raise refusals.held(plan.service, holder.id, holder.opened_at)
            with_it = document.slim().with_row(kept)
            return Change(result=None, document=with_it, release=plan.release, events=events, plan=plan)

        self._shelf.change(plan.service, opened)
        self._plans[plan.release] = plan
        return self.row(plan.release)

    def record_refused(self, plan: Plan, event: Event) -> None:

        def refused(document: Document) -> Change[None]:
            return Change(result=None, document=document, release=plan.release, events=(event,), plan=plan)

        self._shelf.change(plan.service, refused)

    # Commands

    def send(self, release: str, command: Command, now: Instant) -> bool:
        """See `ports.Commands`. A release of the archive comes back from it, with the answer."""
        row = self.row(release)
        archived = next((kept for kept in self._all(row.service) if kept.id == row.id), None)

        def sent(document: Document) -> Change[bool]:
            kept = document.kept(row.id) or archived
            if kept is None or kept.result(command.id) is not None:
                return Change(result=False)
            kept = replace(kept, inbox=(*kept.inbox, Sent(command=command, sent_at=now)))
            events: tuple[Event, ...] = ()
            if kept.outcome is None:
                # Never later than promised: how late a look is tells how long nobody looked.
                kept = replace(kept, wake_at=min(kept.wake_at, now))
            else:
                kept, events = _declined_rest(kept, row.plan, row.state, now)
            with_it = document.with_row(kept)
            return Change(result=True, document=with_it, release=row.id, events=events)

        new = self._shelf.change(row.service, sent)
        self._asked[command.id] = row.service
        return new

    def inbox(self, release: str) -> tuple[Command, ...]:
        kept = self._kept(release)
        return () if kept is None else tuple(one.command for one in kept.unheard)

    def command_result(self, command: str) -> CommandResult | None:
        """What became of a command; None where it was never sent, or its release is in an archive."""
        names = (self._asked[command],) if command in self._asked else self.services()
        results = (kept.result(command) for name in names for kept in self._shelf.look(name).rows)
        return next((result for result in results if result is not None), None)

    # One tick

    def next_wake(self, service: str | None = None) -> Instant | None:
        return min((at for at, _, _ in self._due(service)), default=None)

    def _due(self, service: str | None) -> list[tuple[Instant, str, str]]:
        """When, which service, which release."""
        found = []
        for name in self._named(service):
            kept = self._shelf.look(name).active
            at = kept.free_at(self.margin) if kept is not None else None
            if kept is not None and at is not None:
                found.append((at, name, kept.id))
        return found

    def claim_due(
        self, now: Instant, owner: str, lease: timedelta, service: str | None = None
    ) -> Claim | None:
        for at, _, release in sorted(self._due(service)):
            if at <= now:
                claim = self.claim(release, now, owner, lease)
                if claim is not None:
                    return claim
        return None

    def claim(self, release: str, now: Instant, owner: str, lease: timedelta) -> Claim | None:
        row = self.row(release)
        skew, until = self._shelf.objects.skew, now + lease
        if skew > CLOCK:
            raise skewed(
                self.name, f"it is {skew.total_seconds():.0f} s off at least, and leases are by clocks"
            )

        def claimed(document: Document) -> Change[Kept | None]:
            kept = document.kept(row.id)
            free = kept is not None and kept.outcome is None and kept.readable
            if kept is None or not free or kept.held(now, self.margin):
                return Change(result=None)
            kept = replace(kept, lease_owner=owner, lease_until=until)
            return Change(result=kept, document=document.with_row(kept))

        kept = self._shelf.change(row.service, claimed)
        if kept is None:
            return None
        return Claim(
            release=row.id,
            plan=row.plan,
            state=state_of(kept),
            rev=kept.rev,
            owner=owner,
            until=until,
            due=kept.wake_at,
        )

    def check(self, claim: Claim, now: Instant) -> None:
        """Raises `LostLeaseError` where the claim is no longer good; S3 itself is asked."""
        kept = self._shelf.look(claim.plan.service, now=True).kept(claim.release)
        if kept is None or not kept.good(claim, now):
            raise refusals.lost(claim)

    def extend(self, claim: Claim, now: Instant, lease: timedelta) -> Claim:
        until = now + lease

        def extended(document: Document) -> Change[None]:
            kept = _good(document, claim, now)
            return Change(result=None, document=document.with_row(replace(kept, lease_until=until)))

        self._shelf.change(claim.plan.service, extended)
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
        """See `ports.Claims`: one write, and before it one part where something became true."""
        free = done or state.outcome is not None

        def saved(document: Document) -> Change[None]:
            kept, rest = _good(document, claim, now), tuple[Event, ...]()
            for heard in consumed:
                kept = kept.heard(heard.id, now, heard.why, heard.fix)
            kept = replace(
                kept,
                state=codec.document("state", state),
                rev=kept.rev + 1,
                wake_at=now if kept.unheard or wake_at is None else wake_at,
                outcome=state.outcome,
                lease_owner=None if free else kept.lease_owner,
                lease_until=None if free else kept.lease_until,
                note=kept.note if note is None else codec.encode(note),
            )
            if state.outcome is not None:
                kept, rest = _declined_rest(kept, claim.plan, state, now)
            with_it = document.with_row(kept)
            return Change(result=None, document=with_it, release=claim.release, events=(*events, *rest))

        self._shelf.change(claim.plan.service, saved)
        return replace(claim, state=state, rev=claim.rev + 1)

    def release_claim(self, claim: Claim) -> None:

        def given(document: Document) -> Change[None]:
            kept = document.kept(claim.release)
            if kept is None or (kept.rev, kept.lease_owner) != (claim.rev, claim.owner):
                return Change(result=None)
            free = replace(kept, lease_owner=None, lease_until=None)
            return Change(result=None, document=document.with_row(free))

        self._shelf.change(claim.plan.service, given)


def _good(document: Document, claim: Claim, now: Instant) -> Kept:
    """The row that this claim may write; raises `LostLeaseError`."""
    kept = document.kept(claim.release)
    if kept is None or not kept.good(claim, now):
        raise refusals.lost(claim)
    return kept


def _declined_rest(kept: Kept, plan: Plan, state: State, now: Instant) -> tuple[Kept, tuple[Event, ...]]:
    """What came too late for a release that has ended is answered, not left waiting."""
    said: list[Event] = []
    for one in kept.unheard:
        heard = hear(plan, state, one.command, now)
        why, fix = (heard.why, heard.fix) if isinstance(heard, Declined) else ("", "")
        said += (heard.event,) if isinstance(heard, Declined) else heard.events
        kept = kept.heard(one.command.id, now, why, fix)
    return kept, tuple(said)
