"""
What never changes: parts of the journal, and archives of what ended long ago.

Each is created once under a name that nobody else would give, and named afterwards by the object of its
service. What nobody names, because its writer died or came second, counts for nothing.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

from crossfade.engine import codec, journal
from crossfade.engine.moments import micros
from crossfade.engine.records import StoreAwayError, StoreError
from crossfade.engine.s3.document import LAYOUT, MANY, Archive, Document, Kept, Part
from crossfade.engine.s3.objects import Found, Objects, SecondError
from crossfade.release.plan import Plan
from crossfade.release.values import Event

AT_ONCE: Final = 8
"""Objects read side by side: boto3 keeps ten connections."""

REMEMBER: Final = 2048
"""Objects kept in memory."""

Rows = tuple[Mapping[str, Any], ...]
"""Entries of the journal as they are stored."""


class Fixed:
    """The unchanging objects of one store."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._known: dict[str, Mapping[str, Any]] = {}

    # Parts of the journal

    def write(
        self, service: str, head: journal.Head, release: str, events: Sequence[Event], plan: Plan | None
    ) -> tuple[Part, journal.Head]:
        """These events as entries behind `head`, in a part of their own; the head behind them."""
        first, rows = head.seq + 1, []
        for event in events:
            seq, ts, body = head.seq + 1, micros(event.ts), journal.body_of(event, plan)
            told = journal.digest(head.hash, seq, release, service, ts=ts, body=body)
            rows.append(
                {
                    "seq": seq,
                    "release": release,
                    "service": service,
                    "ts": ts,
                    "body": body,
                    "prev_hash": head.hash,
                    "hash": told,
                }
            )
            head, plan = journal.Head(seq=seq, hash=told), None
        return self._part(service, first, rows), head

    def _part(self, service: str, first: int, rows: Sequence[Mapping[str, Any]]) -> Part:
        part = Part(first=first, last=first + len(rows) - 1, key=secrets.token_hex(4))
        self._create(_part_of(service, part), {"layout": LAYOUT, "entries": list(rows)})
        return part

    def rows_of(self, service: str, parts: Iterable[Part]) -> Rows:
        """The entries of these parts in their order. Raises `StoreError` CF5009 where one is missing."""
        keys = [_part_of(service, part) for part in parts]
        read = self._read(keys)
        return tuple(row for key in keys for row in read[key]["entries"])

    def each(self, service: str, parts: Sequence[Part]) -> Iterator[Rows | StoreError]:
        """The entries of each part, or why they cannot be read. Raises `StoreAwayError`."""

        def entries(part: Part) -> Rows | StoreError:
            try:
                return self.rows_of(service, (part,))
            except StoreAwayError:
                raise
            except StoreError as error:
                return error

        with ThreadPoolExecutor(AT_ONCE) as readers:
            yield from readers.map(entries, parts)

    def with_fewer_parts(self, document: Document, release: str) -> Document:
        """Where a release names many parts, the small ones as one: entries and hashes stay as they are."""
        row = document.kept(release)
        small = row.small if row is not None else ()
        if row is None or len(small) < MANY // 2:
            return document
        one = self._part(document.service, small[0].first, self.rows_of(document.service, small))
        return document.with_row(replace(row, parts=(*row.parts[: -len(small)], one)))

    # Archives

    def archive(self, document: Document) -> Document:
        """With all that has ended, but the last, in an archive of its own."""
        before = self._names(document)
        moved = document.ended[:-1]
        name = f"{len(before) + 1:06d}-{secrets.token_hex(4)}"
        made = Archive(before=before, rows=moved, loose=document.loose)
        self._create(_archive_of(document.service, name), codec.encode(made))
        kept = tuple(row for row in document.rows if row not in moved)
        return replace(document, rows=kept, loose=(), archive=name)

    def _names(self, document: Document) -> tuple[str, ...]:
        """Of all archives, oldest first."""
        if not document.archive:
            return ()
        key = _archive_of(document.service, document.archive)
        return (*_archive(self._read([key])[key]).before, document.archive)

    def _archives(self, document: Document) -> tuple[Archive, ...]:
        """Newest first."""
        keys = [_archive_of(document.service, name) for name in reversed(self._names(document))]
        read = self._read(keys)
        return tuple(_archive(read[key]) for key in keys)

    def archived(self, document: Document) -> tuple[Kept, ...]:
        """Releases that only an archive has, newest first, each as it was last."""
        known = {row.id for row in document.rows}
        found: dict[str, Kept] = {}
        for archive in self._archives(document):
            for row in reversed(archive.rows):
                if row.id not in known:
                    found.setdefault(row.id, row)
        return tuple(found.values())

    def parts(self, document: Document) -> tuple[Part, ...]:
        """All parts of a service, by their numbers."""
        rows = [part for row in self.archived(document) for part in row.parts]
        loose = [part for archive in self._archives(document) for part in archive.loose]
        return tuple(sorted((*document.parts, *rows, *loose), key=lambda part: part.first))

    def strays(self, document: Document) -> tuple[str, ...]:
        """Parts and archives that nobody names."""
        service = document.service
        named = {_part_of(service, part) for part in self.parts(document)}
        named |= {_archive_of(service, name) for name in self._names(document)}
        there = [
            *self._objects.keys(f"service/{service}/journal/"),
            *self._objects.keys(f"service/{service}/archive/"),
        ]
        return tuple(key for key in there if key not in named)

    # Objects

    def _create(self, key: str, said: Mapping[str, Any]) -> None:
        # Its name is nobody else's: where it is there already, a first try that had no answer has made it.
        with contextlib.suppress(SecondError):
            self._objects.put(key, codec.dump(said).encode())
        self._remember(key, said)

    def _read(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        read = {key: self._known[key] for key in keys if key in self._known}
        for key, one in side_by_side(self._objects, [key for key in keys if key not in read]):
            read[key] = parsed(one, key)
            self._remember(key, read[key])
        return read

    def _remember(self, key: str, said: Mapping[str, Any]) -> None:
        self._known[key] = said
        while len(self._known) > REMEMBER:
            self._known.pop(next(iter(self._known)))


def side_by_side(objects: Objects, keys: Sequence[str]) -> Iterator[tuple[str, Found]]:
    """These objects, several read at once. Raises `StoreError` CF5009 where one is missing."""
    if len(keys) > 1:
        with ThreadPoolExecutor(min(AT_ONCE, len(keys))) as readers:
            found = list(readers.map(objects.get, keys))
    else:
        found = [objects.get(key) for key in keys]
    for key, one in zip(keys, found, strict=True):
        if one is None:
            raise StoreError(
                "CF5009",
                f"{objects.name}/{key} is missing",
                "it was named or listed a moment ago",
                "restore it from a version or a backup",
            )
        yield key, one


def parsed(found: Found, key: str) -> dict[str, Any]:
    """An object's JSON. Raises `StoreError`: CF5009 where it is none, CF5006 of a newer program's."""
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


def _archive(said: Mapping[str, Any]) -> Archive:
    archive: Archive = codec.decode(Archive, said)
    return archive


def _part_of(service: str, part: Part) -> str:
    return f"service/{service}/journal/{part.name}.json"


def _archive_of(service: str, name: str) -> str:
    return f"service/{service}/archive/{name}.json"
