"""
What lies beside releases: counts in objects of their own; notes, hook runs and controllers with the service.

Counts are many and never change, so they go into objects of five minutes each, which only the
controller of their release writes. None of it moves a release by itself.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from crossfade.engine import codec
from crossfade.engine.moments import instant, micros
from crossfade.engine.records import Driver, HookRow, Interval, StoreError
from crossfade.engine.s3.document import Document, Kept
from crossfade.engine.s3.fixed import side_by_side
from crossfade.engine.s3.objects import Found, SecondError
from crossfade.engine.s3.shelf import ROUNDS, Change, Shelf
from crossfade.engine.sides import drives
from crossfade.release.plan import Plan
from crossfade.release.values import Instant

CHUNK: Final = timedelta(minutes=5)
"""What one object of counts spans: at the closest one interval a second."""

BEAT: Final = timedelta(seconds=4)
"""How old a written heartbeat may be where no other write takes a newer one along."""

PRESENT: Final = timedelta(seconds=16)
"""How old that of a living controller elsewhere may be: a tick of a whole lease, `BEAT`, and 2 s."""

_OPEN: Final = 8
"""Objects of counts kept in memory to be added to."""


class SideObjects:
    """The part of the store that is no release; each promise stands in `ports.py`."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        shelf.along = self._along
        self._plans: dict[str, Plan] = {}
        self._services: dict[str, str] = {}
        """By release."""
        self._asked: dict[str, str] = {}
        """Services by command."""
        self._hooked: dict[str, str] = {}
        """Releases by hook."""
        self._beats: dict[str, Driver] = {}
        """Our controllers, as they were heard of last."""
        self._chunks: dict[str, tuple[Found | None, dict[int, dict[str, Any]]]] = {}

    def _service_of(self, release: str) -> str | None:
        """The service of a release that is not in an archive; None where nobody knows it."""
        if release not in self._services:
            for service in self._shelf.services():
                for kept in self._shelf.look(service).rows:
                    self._services[kept.id] = service
        return self._services.get(release)

    def _kept(self, release: str) -> Kept | None:
        service = self._service_of(release)
        return None if service is None else self._shelf.look(service).kept(release)

    def _change_row(self, release: str, changed: Any) -> None:
        """The release's row by `changed`, a function that may answer None: then nothing is written."""
        service = self._service_of(release)
        if service is None:
            return

        def row_changed(document: Document) -> Change[None]:
            kept = document.kept(release)
            new = changed(kept) if kept is not None else None
            return Change(result=None, document=None if new is None else document.with_row(new))

        self._shelf.change(service, row_changed)

    # Counts

    def add_intervals(self, release: str, kind: str, intervals: Sequence[Interval]) -> None:
        """Closed intervals of counts, of kind `history`, `live` or `health`; the same start replaces."""
        by_chunk: dict[str, dict[int, dict[str, Any]]] = {}
        for interval in intervals:
            start = micros(interval.start)
            key = f"intervals/{release}/{kind}/{start // micros_of(CHUNK)}.json.gz"
            said = {"end": micros(interval.end), "payload": codec.encode(interval.payload)}
            by_chunk.setdefault(key, {})[start] = said
        for key, told in by_chunk.items():
            with self._shelf.lock:
                self._add(key, told)

    def _add(self, key: str, told: Mapping[int, dict[str, Any]]) -> None:
        if key not in self._chunks:
            self._chunks[key] = self._chunk(key)
        for _ in range(ROUNDS):
            found, known = self._chunks[key]
            both = {**known, **told}
            body = zlib.compress(codec.dump({str(start): both[start] for start in sorted(both)}).encode())
            try:
                etag = self._shelf.objects.put(key, body, found.etag if found is not None else None)
            except SecondError:
                # Another controller of this release, or a try of ours whose answer was lost.
                self._chunks[key] = self._chunk(key)
                if all(self._chunks[key][1].get(start) == said for start, said in told.items()):
                    return
                continue
            self._chunks[key] = (Found(body=b"", etag=etag), both)
            while len(self._chunks) > _OPEN:
                self._chunks.pop(next(iter(self._chunks)))
            return
        raise StoreError(
            "CF5042", f"{key} cannot be written", "others come first each time", "look who writes"
        )

    def _chunk(self, key: str) -> tuple[Found | None, dict[int, dict[str, Any]]]:
        found = self._shelf.objects.get(key)
        return found, {} if found is None else _unpacked(found.body, key)

    def intervals(
        self, release: str, kind: str | None = None, after: Instant | None = None
    ) -> tuple[Interval, ...]:
        begin = -(2**62) if after is None else micros(after)
        prefix = f"intervals/{release}/" + (f"{kind}/" if kind is not None else "")
        told: dict[tuple[int, str], dict[str, Any]] = {}
        keys = [
            key for key in self._shelf.objects.keys(prefix) if (_number(key) + 1) * micros_of(CHUNK) > begin
        ]
        for key, found in side_by_side(self._shelf.objects, keys):
            for start, said in _unpacked(found.body, key).items():
                told[start, key.split("/")[2]] = said
        return tuple(
            Interval(start=instant(start), end=instant(said["end"]), payload=said["payload"])
            for (start, _), said in sorted(told.items(), key=lambda one: one[0])
            if start >= begin
        )

    # Notes and hooks

    def note(self, release: str, payload: Mapping[str, object]) -> None:
        self._change_row(release, lambda kept: replace(kept, note=codec.encode(payload)))

    def notes(self, release: str) -> Mapping[str, object]:
        """The latest note, until the next release opens; empty where there is none."""
        kept = self._kept(release)
        return {} if kept is None or kept.note is None else kept.note

    def hook_started(
        self, release: str, key: str, *, runner: str, pid: int, birth: str, now: Instant
    ) -> None:
        run = HookRow(
            key=key,
            release=release,
            runner=runner,
            pid=pid,
            birth=birth,
            started_at=now,
            passed=None,
            text="",
        )

        def started(kept: Kept) -> Kept | None:
            if any(old.key == key and old.passed is not None for old in kept.hooks):
                return None
            others = tuple(old for old in kept.hooks if old.key != key)
            return replace(kept, hooks=(*others, run))

        self._hooked[key] = release
        self._change_row(release, started)

    def hook_finished(self, key: str, runner: str, *, passed: bool, text: str) -> None:

        def finished(kept: Kept) -> Kept | None:
            hooks = tuple(
                replace(run, passed=passed, text=text)
                if (run.key, run.runner, run.passed) == (key, runner, None)
                else run
                for run in kept.hooks
            )
            return None if hooks == kept.hooks else replace(kept, hooks=hooks)

        release = self._hooked.get(key) or self._release_with(key)
        if release is not None:
            self._change_row(release, finished)

    def _release_with(self, hook: str) -> str | None:
        rows = (kept for service in self._shelf.services() for kept in self._shelf.look(service).rows)
        return next((kept.id for kept in rows if any(run.key == hook for run in kept.hooks)), None)

    def hook_results(self, release: str) -> tuple[HookRow, ...]:
        kept = self._kept(release)
        return () if kept is None else tuple(sorted(kept.hooks, key=lambda run: (run.started_at, run.key)))

    # Controllers

    def heartbeat(self, driver: Driver) -> None:
        """A controller lives; written with the next write, or by itself where that is long in coming."""
        self._beats[driver.id] = driver
        for service in self._of(driver.service):
            known = next((one for one in self._shelf.look(service).drivers if one.id == driver.id), None)
            if known is None or driver.heartbeat - known.heartbeat >= BEAT:
                self._shelf.change(service, lambda document: Change(result=None, document=document))

    def _along(self, service: str, document: Document) -> Document:
        """With our controllers as they were heard of last."""
        for driver in self._beats.values():
            if driver.service in (None, service):
                document = document.with_driver(driver)
        return document

    def forget(self, driver: str) -> None:
        known = self._beats.pop(driver, None)

        def forgotten(document: Document) -> Change[None]:
            left = document.without_driver(driver)
            return Change(result=None, document=None if left == document else left)

        for service in self._of(known.service if known is not None else None):
            self._shelf.change(service, forgotten)

    def drivers(self, service: str | None = None) -> tuple[Driver, ...]:
        """Controllers that live and look, latest heartbeat first; of another machine the heartbeat counts."""
        known = {one.id: one for name in self._of(service) for one in self._shelf.look(name).drivers}
        return _latest_first(driver for driver in known.values() if drives(driver, PRESENT))

    def last_beat(self, service: str) -> Driver | None:
        return next(iter(_latest_first(self._shelf.look(service).drivers)), None)

    def _of(self, service: str | None) -> tuple[str, ...]:
        return self._shelf.services() if service is None else (service,)


def _latest_first(drivers: Iterable[Driver]) -> tuple[Driver, ...]:
    return tuple(sorted(drivers, key=lambda one: (-one.heartbeat.timestamp(), one.id)))


def micros_of(span: timedelta) -> int:
    """A span as a number of the store's."""
    return span // timedelta(microseconds=1)


def _number(key: str) -> int:
    return int(key.rpartition("/")[2].partition(".")[0])


def _unpacked(body: bytes, key: str) -> dict[int, dict[str, Any]]:
    try:
        return {int(start): said for start, said in json.loads(zlib.decompress(body)).items()}
    except (ValueError, zlib.error) as error:
        raise StoreError("CF5009", f"{key} is damaged", str(error), "restore it from a version") from error
