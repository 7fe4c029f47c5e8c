"""The reading half of the store: rows, the journal, and whether it is whole."""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.engine import codec, journal, refusals
from crossfade.engine.records import Entry, Row
from crossfade.engine.s3.document import Kept, Part
from crossfade.engine.s3.proof import problems
from crossfade.engine.s3.sides import SideObjects
from crossfade.release.plan import Plan
from crossfade.release.state import State


class RowObjects(SideObjects):
    """Releases and their entries, wherever they lie."""

    @property
    def name(self) -> str:
        return self._shelf.objects.name

    def services(self) -> tuple[str, ...]:
        """Every service that has ever had a release here."""
        return self._shelf.services()

    def active(self, service: str) -> Row | None:
        """The release that holds the service, if one does."""
        kept = self._shelf.look(service).active
        return None if kept is None else self._row(service, kept)

    def row(self, release: str) -> Row:
        """By id, or by an id's beginning where only one begins so; else `UsageError` CF5007."""
        service = self._service_of(release)
        if service is not None:
            kept = self._shelf.look(service).kept(release)
            if kept is not None:
                return self._row(service, kept)
        like = [(name, kept) for name in self.services() for kept in self._all(name) if kept.id == release]
        if not like and release:
            every = ((name, kept) for name in self.services() for kept in self._all(name))
            like = [(name, kept) for name, kept in every if kept.id.startswith(release)]
        if len(like) != 1:
            raise refusals.unknown(release, self.name, several=bool(like))
        return self._row(*like[0])

    def releases(self, service: str | None = None, limit: int = 50) -> tuple[Row, ...]:
        """Newest first."""
        names = self.services() if service is None else (service,)
        found = [(name, kept) for name in names for kept in self._newest(name, limit)]
        found.sort(key=lambda one: (one[1].opened_at, one[1].id), reverse=True)
        chosen = found[:limit]
        for name in names:
            # Their plans, side by side: one after the other would take a second for each thirty.
            firsts = [kept.parts[0] for of, kept in chosen if of == name and kept.id not in self._plans]
            self._shelf.fixed.rows_of(name, firsts)
        return tuple(self._row(name, kept) for name, kept in chosen)

    def _newest(self, service: str, limit: int) -> tuple[Kept, ...]:
        document = self._shelf.look(service)
        mine = tuple(reversed(document.rows))
        if len(mine) >= limit:
            return mine[:limit]
        return (*mine, *self._shelf.fixed.archived(document))[:limit]

    def _all(self, service: str) -> tuple[Kept, ...]:
        document = self._shelf.look(service)
        return (*document.rows, *self._shelf.fixed.archived(document))

    def entries(
        self, release: str | None = None, service: str | None = None, after: int = 0, limit: int = 1000
    ) -> tuple[Entry, ...]:
        """Oldest first, those with `seq > after`; of several services by their time."""
        owner = self._service_of(release) if release is not None else service
        if release is not None and owner is None:
            names: Sequence[str] = self.services()
        else:
            names = self.services() if owner is None else (owner,)
        found = [entry for name in names for entry in self._told(name, release, after)]
        if len(names) > 1:
            found.sort(key=lambda entry: (entry.event.ts, entry.service, entry.seq))
        return tuple(found[:limit])

    def _told(self, service: str, release: str | None, after: int) -> Sequence[Entry]:
        document = self._shelf.look(service)
        kept = document.kept(release) if release is not None else None
        parts = [part for part in (kept or document).parts if part.last > after]
        if kept is None and not _without_gap(parts, after, self._head(service).seq):
            parts = [part for part in self._shelf.fixed.parts(document) if part.last > after]
        rows = self._shelf.fixed.rows_of(service, parts)
        told = [row for row in rows if row["seq"] > after and release in (None, row["release"])]
        return [journal.entry_of(row, journal.document_of(row)) for row in told]

    def last_seq(self, service: str | None = None) -> int:
        """The number of the last entry of this service's journal; of all, the highest number."""
        return max((self._head(name).seq for name in self._named(service)), default=0)

    def head(self, service: str | None = None) -> str:
        """The hash of the last entry; of several services, each with its own."""
        names = self._named(service)
        if len(names) == 1:
            return self._head(names[0]).hash
        return " ".join(f"{name} {self._head(name).hash}" for name in names)

    def _named(self, service: str | None) -> tuple[str, ...]:
        return self.services() if service is None else (service,)

    def _head(self, service: str) -> journal.Head:
        return journal.Head.read(self._shelf.look(service).head or None)

    def verify(self) -> tuple[str, ...]:
        """What is wrong, in words, service by service; what nobody names is not asked about."""
        names = self.services()
        return tuple(
            f"{service}: {problem}" if len(names) > 1 else problem
            for service in names
            for problem in problems(self._shelf, service)
        )

    def strays(self) -> tuple[str, ...]:
        """Objects that nobody names: their writer died, or came second. They count for nothing."""
        return tuple(
            key
            for service in self.services()
            for key in self._shelf.fixed.strays(self._shelf.look(service, now=True))
        )

    def _row(self, service: str, kept: Kept) -> Row:
        self._services[kept.id] = service
        return Row(
            id=kept.id,
            service=service,
            plan=self._plan(service, kept),
            state=state_of(kept),
            rev=kept.rev,
            wake_at=kept.wake_at,
            opened_at=kept.opened_at,
            outcome=kept.outcome,
            lease_owner=kept.lease_owner,
            lease_until=kept.lease_until,
        )

    def _plan(self, service: str, kept: Kept) -> Plan:
        """Plans never change, and a release looks at its own every second."""
        if kept.id not in self._plans:
            first = self._shelf.fixed.rows_of(service, kept.parts[:1])[0]
            stored = {"schema": kept.plan_schema, "plan": journal.document_of(first)["plan"]}
            self._plans[kept.id] = codec.read("plan", Plan, stored)
        return self._plans[kept.id]


def state_of(kept: Kept) -> State:
    """Its state; raises `StoreError` CF5006 where a newer program wrote it."""
    state: State = codec.read("state", State, kept.state)
    return state


def _without_gap(parts: Sequence[Part], after: int, head: int) -> bool:
    """Whether these are all entries behind `after`: where one is missing an archive has it."""
    for part in parts:
        if part.first > after + 1:
            return False
        after = part.last
    return after >= head
