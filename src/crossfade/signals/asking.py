"""
Two sides asked alike: the same path at the same time, in an open loop, by threads that are bounded.

A request is sent when its time has come, whether or not earlier ones were answered, so that a slow
candidate cannot slow the schedule and so hide. What is not answered in `PATIENCE_S` has failed.
`warming.py` says when what is asked, and `trial.py` what the answers mean.

LIMITS: `MOST_OPEN` requests in flight to a side; a pair for which a side has no room is left out for
both. Answers are read and thrown away, `MOST_BYTES` of each at most. No proxy of the environment
stands between.
"""

from __future__ import annotations

import contextlib
import http.client
import queue
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from crossfade.release.values import Side

PATIENCE_S: Final = 10.0
"""Real seconds in which a request has to be answered to its last byte."""

MOST_OPEN: Final = 48
"""Requests in flight to one side: at 20 a second more than two seconds' worth."""

OPENS_S: Final = 5.0
"""Real seconds for which a refused connection is tried again before the first request."""

MOST_BYTES: Final = 4 * 1024 * 1024

_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request; `status` 0: nothing that is HTTP, or not in time."""

    status: int
    ms: float

    @property
    def good(self) -> bool:
        """Whether a configured path was answered as one configures it: neither by an error nor by 404."""
        return 200 <= self.status < 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One path, asked of every side there is at the same time; `number` is its place in the schedule."""

    number: int
    path: str
    answers: Mapping[Side, Answer]

    @property
    def good(self) -> bool:
        """Whether every side answered well: only then do the times compare."""
        return all(answer.good for answer in self.answers.values())


@dataclass(slots=True)
class _Open:
    """A pair on its way."""

    path: str
    sent: float
    answers: dict[Side, Answer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How one side is reached: an address, and what a request there has to carry."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Asker:
    """The sides of a service, for as long as the `with` lasts. For one thread."""

    def __init__(self, ways: Mapping[Side, Way]) -> None:
        self.sides = tuple(ways)
        self._came: queue.SimpleQueue[tuple[int, Side, Answer]] = queue.SimpleQueue()
        self._doors = {side: _Door(way.url, side, way.headers, self._came) for side, way in ways.items()}
        self._open: dict[int, _Open] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for door in self._doors.values():
            door.close()

    @property
    def waiting(self) -> bool:
        """Whether an answer may still come that is not late already."""
        return any(time.monotonic() < one.sent + PATIENCE_S + 1.0 for one in self._open.values())

    def send(self, number: int, path: str, *, stable_first: bool) -> bool:
        """Asks every side for a path; False where one has no room, then none is asked."""
        if any(door.asked >= MOST_OPEN for door in self._doors.values()):
            return False
        self._open[number] = _Open(path, time.monotonic())
        for side in reversed(self.sides) if stable_first else self.sides:
            self._doors[side].ask(number, path)
        return True

    def take(self, seconds: float) -> list[Pair]:
        """The pairs that are complete, after at most so long a wait for the next answer."""
        done: list[Pair] = []
        with contextlib.suppress(queue.Empty):
            while True:
                number, side, answer = self._came.get(timeout=max(seconds, 0.0))
                seconds = 0.0
                self._doors[side].asked -= 1
                one = self._open.get(number)
                if one is None:  # given up before
                    continue
                one.answers[side] = answer
                if len(one.answers) == len(self.sides):
                    done.append(self._end(number))
        now = time.monotonic()
        late = [number for number, one in self._open.items() if now > one.sent + PATIENCE_S + 0.5]
        return done + [self._end(number) for number in late]

    def _end(self, number: int) -> Pair:
        one = self._open.pop(number)
        answers = {side: one.answers.get(side, Answer(0, PATIENCE_S * 1000.0)) for side in self.sides}
        return Pair(number=number, path=one.path, answers=answers)


def refused(url: str, stop: threading.Event) -> str:
    """Why nobody answers at this address; empty where somebody does. A listener opens within milliseconds."""
    base = urlsplit(url)
    if not base.hostname:
        return "there is no test route"
    end = time.monotonic() + OPENS_S
    while True:
        try:
            usual = 443 if base.scheme == "https" else 80
            socket.create_connection((base.hostname, base.port or usual), timeout=OPENS_S).close()
        except OSError as error:
            if time.monotonic() >= end or stop.wait(0.1):
                return error.strerror or str(error)
        else:
            return ""


class _Door:
    """One side: as many threads as requests were ever in flight, each with a connection that it keeps."""

    def __init__(
        self,
        url: str,
        side: Side,
        headers: Mapping[str, str],
        came: queue.SimpleQueue[tuple[int, Side, Answer]],
    ) -> None:
        self._base = urlsplit(url)
        self._side = side
        self._headers = dict(headers)
        self._came = came
        self._asks: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._links: list[http.client.HTTPConnection] = []
        self.asked = 0
        """Requests whose answer was not taken yet; kept by the thread that owns the `Asker`."""

    def ask(self, number: int, path: str) -> None:
        self.asked += 1
        if self.asked > len(self._threads):
            link = self._link()
            self._links.append(link)
            thread = threading.Thread(
                target=self._serve, args=(link,), name=f"warm-up {self._side}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        self._asks.put((number, path))

    def close(self) -> None:
        """Whoever still waits for an answer is woken by the end of its connection."""
        for _ in self._threads:
            self._asks.put(None)
        for link in self._links:
            if link.sock is not None:
                with contextlib.suppress(OSError):
                    link.sock.shutdown(socket.SHUT_RDWR)
        end = time.monotonic() + 2.0
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _link(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._base.scheme == "https" else http.client.HTTPConnection
        return kind(self._base.hostname or "127.0.0.1", self._base.port, timeout=PATIENCE_S)

    def _serve(self, link: http.client.HTTPConnection) -> None:
        while (ask := self._asks.get()) is not None:
            number, path = ask
            began = time.monotonic()
            status = self._status(link, path, began + PATIENCE_S)
            self._came.put((number, self._side, Answer(status, (time.monotonic() - began) * 1000.0)))
        link.close()

    def _status(self, link: http.client.HTTPConnection, path: str, end: float) -> int:
        """A kept connection that was closed in between is no answer of the application: once again."""
        for kept in (link.sock is not None, False):
            try:
                link.request("GET", self._base.path.rstrip("/") + path, headers=self._headers)
                answer = link.getresponse()
                _read(link, answer, end)
            except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected):
                link.close()
                if not kept:
                    return 0
            except (OSError, http.client.HTTPException):
                link.close()
                return 0
            else:
                return answer.status
        return 0


def _read(link: http.client.HTTPConnection, answer: http.client.HTTPResponse, end: float) -> None:
    """To the last byte; one that is too long has been answered, and its connection is not used again."""
    left = MOST_BYTES
    while left > 0 and (chunk := answer.read(_CHUNK)):
        left -= len(chunk)
        if time.monotonic() > end:
            raise TimeoutError
    if left <= 0:
        link.close()
