"""
Users, bounded: each visits the shop again and again, and checks that what it wrote is what it reads.

A request is *lost* when it gets no answer, an answer of 400 or more, or one that has forgotten what this
user wrote before, whichever release took it down and whichever gave the answer.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

USERS: Final = 4
PAUSE: Final = 0.08
"""Seconds a user thinks before each request: some 40 requests a second, all users together."""
MOST_SECONDS: Final = 300.0
MOST_WHYS: Final = 5


class LostError(Exception):
    """A request that a user did not get a right answer to."""


class Door:
    """One user's way into the shop; counts the answers."""

    def __init__(self, port: int, counted: Callable[[str], None]) -> None:
        self._port = port
        self._counted = counted
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON."""
        time.sleep(PAUSE)
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            text = None if body is None else json.dumps(body)
            self._connection.request(method, path, text, {"content-type": "application/json"})
            answer = self._connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.leave()
            raise LostError(f"{method} {path}: {error!r}") from None
        if answer.status >= 400:
            raise LostError(f"{method} {path}: {answer.status} from {answer.getheader('x-revision')}")
        self._counted(answer.getheader("x-revision") or "nobody")
        return json.loads(said)

    def leave(self) -> None:
        """The next request comes over a fresh connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


Visit = Callable[[Door, int], None]
"""What a user does in the shop, the how manieth visit it is; raises `LostError`."""


@dataclass(slots=True)
class Users:
    """They come when the block begins, and have gone when it has ended."""

    port: int
    visit: Visit
    answered: Counter[str] = field(default_factory=Counter)
    """By the release that answered."""
    lost: int = 0
    whys: list[str] = field(default_factory=list)
    _gone: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._come, args=(number,)) for number in range(USERS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gone.set()
        for thread in self._threads:
            thread.join()

    def __str__(self) -> str:
        by = ", ".join(f"{count:,} by {revision}" for revision, count in sorted(self.answered.items()))
        total = sum(self.answered.values()) + self.lost
        return "\n".join([f"{total:,} requests, {self.lost} lost; answered: {by}", *self.whys])

    def _come(self, number: int) -> None:
        door, end = Door(self.port, self._count), time.monotonic() + MOST_SECONDS
        visits = number
        while not self._gone.is_set() and time.monotonic() < end:
            try:
                self.visit(door, visits)
            except LostError as why:
                self._lose(str(why))
            door.leave()
            visits += USERS

    def _count(self, revision: str) -> None:
        with self._lock:
            self.answered[revision] += 1

    def _lose(self, why: str) -> None:
        with self._lock:
            self.lost += 1
            if len(self.whys) < MOST_WHYS:
                self.whys.append(why)


def expect(seen: object, wanted: object, of: str) -> None:
    """What was written is what is read."""
    if seen != wanted:
        raise LostError(f"{of} is {seen!r}, and {wanted!r} was written")
