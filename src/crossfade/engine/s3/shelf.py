"""
Reads and writes the objects of all services: one compare-and-set a write, parts and archives before it.

    part of the journal  →  archive, where one is due  →  the service's object, which names both

So a writer that dies leaves at most an object that nobody names: it counts for nothing, and
`Fixed.strays` finds it. A write whose answer was lost is looked for by the mark it carries, and made
once more where it is not there; it can never take effect later, since the object is another by then.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from crossfade.engine import codec, journal
from crossfade.engine.records import StoreAwayError, StoreError
from crossfade.engine.s3.document import LAYOUT, Document, Part
from crossfade.engine.s3.fixed import Fixed, parsed
from crossfade.engine.s3.objects import Found, Objects, SecondError
from crossfade.errors import CrossfadeError
from crossfade.release.plan import Plan
from crossfade.release.values import Event

GLANCE: Final = 0.25
"""Real seconds for which what was read is taken as it stands; every write is compared all the same."""

ROUNDS: Final = 200
"""Writers that may come first before it is said that nothing can be written."""

PAUSE: Final = 0.05
"""Longest real seconds between two such tries."""

PATIENCE: Final = 3.0
"""Real seconds within which a failed write is made once more: what hangs must not outlast a lease."""

SERVICES: Final = "services.json"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[T]):
    """What one write shall do; without a document nothing is written."""

    result: T
    document: Document | None = None
    release: str = ""
    """Whose entries the events become."""
    events: Sequence[Event] = ()
    plan: Plan | None = None
    """Lies in the first entry, where the events open or refuse a release."""


@dataclass(slots=True)
class _Seen:
    """A service's object as it was last seen."""

    document: Document
    found: Found | None
    at: float


@dataclass(slots=True)
class _Attempt:
    """One change over all its tries: its mark, and the part that was written for it."""

    mark: str = field(default_factory=lambda: secrets.token_hex(4))
    before: str = ""
    events: tuple[Event, ...] = ()
    part: Part | None = None
    head: str = ""


class Shelf:
    """All objects of one store; shared by the threads of this process under a lock."""

    def __init__(self, objects: Objects, glance: float = GLANCE) -> None:
        self.objects = objects
        self.lock = threading.RLock()
        self._glance = glance
        self._seen: dict[str, _Seen] = {}
        self._listed: tuple[tuple[str, ...], Found | None, float] = ((), None, -1e9)
        self.fixed = Fixed(objects)
        self.along: Callable[[str, Document], Document] = lambda _service, document: document
        """What every write of a service takes along."""

    # Services

    def services(self) -> tuple[str, ...]:
        """All that have an object, or were about to."""
        with self.lock:
            names, known, at = self._listed
            if time.monotonic() - at < self._glance:
                return names
            found = self.objects.get(SERVICES, known)
            if found is not known:
                names = tuple(parsed(found, SERVICES)["services"]) if found is not None else ()
            self._listed = (names, found, time.monotonic())
            return names

    def _enlist(self, service: str) -> None:
        for _ in range(ROUNDS):
            self._listed = (*self._listed[:2], -1e9)
            names = self.services()
            if service in names:
                return
            body = codec.dump({"layout": LAYOUT, "services": sorted({*names, service})}).encode()
            known = self._listed[1]
            try:
                self.objects.put(SERVICES, body, known.etag if known is not None else None)
            except SecondError:
                continue
        raise _outrun(self.objects.name)

    # One service's object

    def look(self, service: str, *, now: bool = False) -> Document:
        """The object as it is, or was a moment ago; `now`: asked for in any case."""
        with self.lock:
            seen = self._seen.get(service)
            if seen is None or now or time.monotonic() - seen.at >= self._glance:
                seen = self._read(service)
            return seen.document

    def _read(self, service: str) -> _Seen:
        key, before = _object_of(service), self._seen.get(service)
        known = before.found if before is not None else None
        found = self.objects.get(key, known)
        if found is None:
            self._prove_new(service)
            document = Document(service=service)
        elif before is not None and found is known:
            document = before.document
        else:
            document = codec.decode(Document, parsed(found, key))
        seen = _Seen(document=document, found=found, at=time.monotonic())
        self._seen[service] = seen
        return seen

    def _prove_new(self, service: str) -> None:
        """A missing object begins a service, but never one that has a journal."""
        parts = self.objects.keys(f"service/{service}/journal/")
        # The first entries may be those of a writer that died before it could make the object.
        if any(not key.rpartition("/")[2].startswith(f"{1:010d}-") for key in parts):
            raise StoreError(
                "CF5044",
                f"{self.objects.name}/{_object_of(service)} is gone, and its journal is not",
                f"{len(parts)} parts of {service}'s journal are there; begun anew, they would be forgotten",
                "restore the object from a version or a backup, and look what removed it",
            )

    def change(self, service: str, wanted: Callable[[Document], Change[T]]) -> T:
        """
        Compare and set: `wanted` is asked anew for each state of things that it meets.

        What it raises is raised, once it was asked about the object as it is now.
        """
        with self.lock:
            attempt, lost, began = _Attempt(), False, time.monotonic()
            before = self._seen.get(service)
            seen, sure = (self._read(service), True) if before is None else (before, False)
            for number in range(ROUNDS):
                change = self._asked(wanted, seen.document, sure=sure)
                if change is None:
                    seen, sure = self._read(service), True
                    continue
                if change.document is None:
                    return change.result
                try:
                    self._write(service, seen, change, attempt)
                except SecondError:
                    time.sleep(random.uniform(0, PAUSE * min(1.0, number / 10)))  # noqa: S311  # no secret
                except StoreAwayError:
                    if lost or time.monotonic() - began > PATIENCE:
                        raise
                    lost = True
                else:
                    return change.result
                seen, sure = self._read(service), True
                if attempt.mark in seen.document.writes:
                    return change.result
            raise _outrun(self.objects.name)

    def _asked(
        self, wanted: Callable[[Document], Change[T]], document: Document, *, sure: bool
    ) -> Change[T] | None:
        """What is wanted of this state of things; None where it has to be asked about the present one."""
        try:
            change = wanted(document)
        except CrossfadeError:
            if sure:
                raise
            return None
        return change if sure or change.document is not None else None

    def _write(self, service: str, seen: _Seen, change: Change[Any], attempt: _Attempt) -> None:
        document = change.document
        assert document is not None  # noqa: S101  # asked by the caller
        if seen.found is None:
            self._enlist(service)
        if change.events:
            self._append(service, document.head, change, attempt)
            assert attempt.part is not None  # noqa: S101  # just made
            document = document.with_part(attempt.part, attempt.head, change.release)
            document = self.fixed.with_fewer_parts(document, change.release)
        if change.plan is not None and document.crowded:
            document = self.fixed.archive(document)
        document = self.along(service, document).written(attempt.mark)
        body = codec.dump(document).encode()
        etag = self.objects.put(
            _object_of(service), body, seen.found.etag if seen.found is not None else None
        )
        found = Found(body=b"", etag=etag)
        self._seen[service] = _Seen(document=document, found=found, at=time.monotonic())

    def _append(self, service: str, before: str, change: Change[Any], attempt: _Attempt) -> None:
        """The part with these entries; one that was written for the same behind the same is it still."""
        events = tuple(change.events)
        if attempt.part is None or (attempt.before, attempt.events) != (before, events):
            head = journal.Head.read(before or None)
            part, head = self.fixed.write(service, head, change.release, events, change.plan)
            attempt.before, attempt.events = before, events
            attempt.part, attempt.head = part, head.text()


def _object_of(service: str) -> str:
    return f"service/{service}/state.json"


def _outrun(name: str) -> StoreAwayError:
    return StoreAwayError(
        "CF5042",
        f"{name} cannot be written now: others come first each time",
        f"{ROUNDS} writes by others while this one was tried",
        "look who writes there all the time",
        busy=True,
    )
