"""A release whose state lies in a bucket in memory, where the n-th call may go wrong in each way there is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from engine_world import KilledError, Life

from crossfade.engine.records import StoreAwayError
from crossfade.engine.s3 import Found, S3Store
from crossfade.testing import MemoryObjects, small_plan


class Wrong(StrEnum):
    """What becomes of one call."""

    DIES_BEFORE = "the process dies before it"
    DIES_AFTER = "the process dies when it was done"
    AWAY_BEFORE = "no answer, and it was not done"
    AWAY_AFTER = "no answer, and it was done"


def away() -> StoreAwayError:
    return StoreAwayError("CF5042", "the bucket is away", busy=True)


@dataclass
class FaultyObjects(MemoryObjects):
    """Calls are counted from 1; those named in `wrong` go wrong."""

    wrong: dict[int, Wrong] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    down: StoreAwayError | None = None
    """Raised by every call."""

    def get(self, key: str, known: Found | None = None) -> Found | None:
        with self._call(f"get {key}"):
            return super().get(key, known)

    def put(self, key: str, body: bytes, replaces: str | None = None) -> str:
        with self._call(f"put {key}"):
            return super().put(key, body, replaces)

    def _call(self, what: str) -> _Call:
        self.calls.append(what)
        if self.down is not None:
            raise self.down
        return _Call(self.wrong.get(len(self.calls)))


class _Call:
    def __init__(self, wrong: Wrong | None) -> None:
        self._wrong = wrong

    def __enter__(self) -> None:
        if self._wrong is Wrong.DIES_BEFORE:
            raise KilledError
        if self._wrong is Wrong.AWAY_BEFORE:
            raise away()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._wrong is Wrong.DIES_AFTER:
            raise KilledError
        if self._wrong is Wrong.AWAY_AFTER:
            raise away()


class S3Life(Life):
    """The same life, in a bucket; a new controller is a new machine that has seen nothing."""

    store: S3Store  # type: ignore[assignment]  # a life of the same kind, whose store is another

    def __init__(
        self, where: Path, *, bad_at: int = 1001, wrong: dict[int, Wrong] | None = None, bake: float = 3.0
    ) -> None:
        self.objects = FaultyObjects()
        self._where = where
        super().__init__(where, bad_at=bad_at, plan=small_plan(bake=bake))
        # Calls count from the opened release on: before it there is nothing to lose.
        self.objects.calls.clear()
        self.objects.wrong = wrong or {}

    def opened(self, where: Path) -> S3Store:
        return S3Store(self.objects, where, glance=0.0)

    @property
    def seen(self) -> S3Store:
        """Another machine, on whose way nothing goes wrong."""
        return S3Store(MemoryObjects(kept=self.objects.kept), self._where, glance=0.0)

    def strays(self) -> tuple[str, ...]:
        return self.seen.strays()

    def look(self) -> None:
        """As before, and whoever died is followed by a machine that asks the bucket anew."""
        before = self.controllers
        super().look()
        if self.controllers != before:
            self.store = self.opened(self._where)
            self.controllers -= 1
            self.controller = self.born()
