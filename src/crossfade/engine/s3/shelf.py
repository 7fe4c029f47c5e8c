"""
Reads and writes the objects of all services: one compare-and-set a write, parts and archives before it.

    part of the journal  →  archive, where one is due  →  the service's object, which names both

So a writer that dies leaves at most an object that nobody names: it counts for nothing, and
`strays` finds it. A write whose answer was lost is looked for by the mark it carries, and made
once more where it is not there; it can never take effect later, since the object is another by then.
"""

from __future__ import annotations

import contextlib
import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeVar

from crossfade.engine import codec, journal
from crossfade.engine.moments import micros
from crossfade.engine.records import StoreAwayError, StoreError
from crossfade.engine.s3.document import LAYOUT, Archive, Document, Kept, Part
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

AT_ONCE: Final = 8
"""Objects read side by side."""

REMEMBER: Final = 2048
"""Parts and archives kept in memory: they never change."""

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
        self._fixed: dict[str, Mapping[str, Any]] = {}
        """Parts and archives, by key."""
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
                names = tuple(_parsed(found, SERVICES)["services"]) if found is not None else ()
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
            document = codec.decode(Document, _parsed(found, key))
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
        if change.plan is not None and document.crowded:
            document = self._archived(service, document)
        document = self.along(service, document).written(attempt.mark)
        body = codec.dump(document).encode()
        etag = self.objects.put(
            _object_of(service), body, seen.found.etag if seen.found is not None else None
        )
        found = Found(body=b"", etag=etag)
        self._seen[service] = _Seen(document=document, found=found, at=time.monotonic())

    # The journal

    def _append(self, service: str, before: str, change: Change[Any], attempt: _Attempt) -> None:
        """The part with these entries; one that was written for the same head is the same still."""
        if attempt.part is not None and attempt.before == before:
            return
        head, plan = journal.Head.read(before or None), change.plan
        rows = []
        for event in change.events:
            seq, ts, body = head.seq + 1, micros(event.ts), journal.body_of(event, plan)
            told = journal.digest(head.hash, seq, change.release, service, ts=ts, body=body)
            rows.append(
                {
                    "seq": seq,
                    "release": change.release,
                    "service": service,
                    "ts": ts,
                    "body": body,
                    "prev_hash": head.hash,
                    "hash": told,
                }
            )
            head, plan = journal.Head(seq=seq, hash=told), None
        part = Part(first=rows[0]["seq"], last=head.seq, key=secrets.token_hex(4))  # type: ignore[arg-type]
        self._create(_part_of(service, part), {"layout": LAYOUT, "entries": rows})
        attempt.before, attempt.part, attempt.head = before, part, head.text()

    def rows_of(self, service: str, parts: Iterable[Part]) -> tuple[Mapping[str, Any], ...]:
        """The entries of these parts in their order. Raises `StoreError` CF5009 where one is missing."""
        keys = [_part_of(service, part) for part in parts]
        read = self._fixed_ones(keys)
        return tuple(row for key in keys for row in read[key]["entries"])

    # What never changes

    def _archived(self, service: str, document: Document) -> Document:
        """All that has ended, but the last, in an archive of its own."""
        before = (*self._archives_before(service, document), document.archive) if document.archive else ()
        moved = document.ended[:-1]
        kept = tuple(row for row in document.rows if row not in moved)
        name = f"{len(before) + 1:06d}-{secrets.token_hex(4)}"
        archive = Archive(before=before, rows=moved, loose=document.loose)
        self._create(_archive_of(service, name), codec.encode(archive))
        return replace(document, rows=kept, loose=(), archive=name)

    def _archives_before(self, service: str, document: Document) -> tuple[str, ...]:
        return self._archive(service, document.archive).before

    def archives(self, service: str, document: Document) -> tuple[Archive, ...]:
        """Newest first."""
        if not document.archive:
            return ()
        last = self._archive(service, document.archive)
        self._fixed_ones([_archive_of(service, name) for name in last.before])
        return (last, *(self._archive(service, name) for name in reversed(last.before)))

    def _archive(self, service: str, name: str) -> Archive:
        key = _archive_of(service, name)
        archive: Archive = codec.decode(Archive, self._fixed_ones([key])[key])
        return archive

    def archived(self, service: str, document: Document) -> tuple[Kept, ...]:
        """Releases that only an archive has, newest first, each as it was last."""
        known = {row.id for row in document.rows}
        found: dict[str, Kept] = {}
        for archive in self.archives(service, document):
            for row in reversed(archive.rows):
                if row.id not in known:
                    found.setdefault(row.id, row)
        return tuple(found.values())

    def strays(self, service: str) -> tuple[str, ...]:
        """Parts and archives that nobody names: their writer died, or came second. They count for nothing."""
        document = self.look(service, now=True)
        archives = self.archives(service, document)
        named = {_part_of(service, part) for part in all_parts(document, archives)}
        if document.archive:
            names = (*self._archives_before(service, document), document.archive)
            named |= {_archive_of(service, name) for name in names}
        there = (
            *self.objects.keys(f"service/{service}/journal/"),
            *self.objects.keys(f"service/{service}/archive/"),
        )
        return tuple(key for key in there if key not in named)

    def _create(self, key: str, said: Mapping[str, Any]) -> None:
        """An object under a name of its own."""
        with contextlib.suppress(
            SecondError
        ):  # its name is nobody else's: a first try, unanswered, has made it
            self.objects.put(key, codec.dump(said).encode())
        self._remember(key, said)

    def _fixed_ones(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        missing = [key for key in keys if key not in self._fixed]
        read = {key: self._fixed[key] for key in keys if key in self._fixed}
        for key, one in self.side_by_side(missing):
            read[key] = _parsed(one, key)
            self._remember(key, read[key])
        return read

    def side_by_side(self, keys: Sequence[str]) -> Iterator[tuple[str, Found]]:
        """These objects, several read at once. Raises `StoreError` CF5009 where one is missing."""
        if len(keys) > 1:
            with ThreadPoolExecutor(min(AT_ONCE, len(keys))) as readers:
                found = list(readers.map(self.objects.get, keys))
        else:
            found = [self.objects.get(key) for key in keys]
        for key, one in zip(keys, found, strict=True):
            if one is None:
                raise StoreError(
                    "CF5009",
                    f"{self.objects.name}/{key} is missing",
                    "it was named or listed a moment ago",
                    "restore it from a version or a backup",
                )
            yield key, one

    def _remember(self, key: str, said: Mapping[str, Any]) -> None:
        self._fixed[key] = said
        while len(self._fixed) > REMEMBER:
            self._fixed.pop(next(iter(self._fixed)))


def all_parts(document: Document, archives: Iterable[Archive]) -> tuple[Part, ...]:
    """Each part that is named anywhere, once, by its numbers."""
    named = {part.name: part for part in document.parts}
    for archive in archives:
        for part in (*archive.loose, *(part for row in archive.rows for part in row.parts)):
            named.setdefault(part.name, part)
    return tuple(sorted(named.values(), key=lambda part: part.first))


def _object_of(service: str) -> str:
    return f"service/{service}/state.json"


def _part_of(service: str, part: Part) -> str:
    return f"service/{service}/journal/{part.name}.json"


def _archive_of(service: str, name: str) -> str:
    return f"service/{service}/archive/{name}.json"


def _parsed(found: Found, key: str) -> dict[str, Any]:
    try:
        said = json.loads(found.body)
        layout = int(said.get("layout", LAYOUT))
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError("CF5009", f"{key} is damaged", str(error), "restore it from a version") from error
    if layout > LAYOUT:
        raise StoreError(
            "CF5006",
            f"{key} has layout {layout}, this program knows up to {LAYOUT}",
            "a newer Crossfade wrote it",
            "use the newer version",
        )
    return dict(said)


def _outrun(name: str) -> StoreAwayError:
    return StoreAwayError(
        "CF5042",
        f"{name} cannot be written now: others come first each time",
        f"{ROUNDS} writes by others while this one was tried",
        "look who writes there all the time",
        busy=True,
    )
