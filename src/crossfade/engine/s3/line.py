"""
The line before a service, in the service's object: first come, first served, across machines.

Whoever waits says now and then that it is there; who is silent has left, and so has a process of
this machine that is gone.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from crossfade.engine import processes
from crossfade.engine.records import Place
from crossfade.engine.s3.document import Document, Waiting
from crossfade.engine.s3.shelf import Change, Shelf

SAYS: Final = timedelta(seconds=10)
"""How often who waits says so."""

SILENT: Final = timedelta(seconds=40)
"""After how long nobody is thought to be there."""


class S3Line:
    """All who wait in one store."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def join(self, service: str, revision: str, actor: str) -> int:
        pid, now = os.getpid(), _now()

        def joined(document: Document) -> Change[int]:
            number = document.numbers + 1
            place = Waiting(
                number=number,
                revision=revision,
                actor=actor,
                pid=pid,
                birth=processes.birth(pid),
                since=now,
                seen=now,
            )
            line = (*document.waiting, place)
            return Change(result=number, document=replace(document, waiting=line, numbers=number))

        return self._shelf.change(service, joined)

    def leave(self, service: str, number: int) -> None:
        self._without(service, {number})

    def ahead(self, service: str, number: int | None = None) -> tuple[Place, ...]:
        now = _now()
        line = self._shelf.look(service).waiting
        dead = {place.number for place in line if not _there(place, now)}
        if dead:
            self._without(service, dead)
        mine = next((place for place in line if place.number == number), None)
        if mine is not None and now - mine.seen > SAYS:
            self._said(service, mine.number, now)
        return tuple(
            Place(
                number=place.number,
                service=service,
                revision=place.revision,
                actor=place.actor,
                pid=place.pid,
                since=place.since,
            )
            for place in line
            if place.number not in dead and (number is None or place.number < number)
        )

    def _without(self, service: str, numbers: set[int]) -> None:
        def shorter(document: Document) -> Change[None]:
            line = tuple(place for place in document.waiting if place.number not in numbers)
            changed = replace(document, waiting=line) if line != document.waiting else None
            return Change(result=None, document=changed)

        self._shelf.change(service, shorter)

    def _said(self, service: str, number: int, now: datetime) -> None:
        def renewed(document: Document) -> Change[None]:
            line = tuple(
                replace(place, seen=now) if place.number == number else place for place in document.waiting
            )
            return Change(result=None, document=replace(document, waiting=line))

        self._shelf.change(service, renewed)


def _there(place: Waiting, now: datetime) -> bool:
    if processes.near(place.birth, ""):
        return processes.alive(place.pid, place.birth)
    return now - place.seen < SILENT


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
