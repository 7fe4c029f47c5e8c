"""Controllers over a perfect world in virtual time, and places at which they die."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from crossfade.engine import Controller, Ports, SqliteStore, trace
from crossfade.engine.ports import Store
from crossfade.engine.records import Claim
from crossfade.release.plan import Plan
from crossfade.release.values import Effect
from crossfade.testing import ManualClock, PerfectWorld, opening, small_plan


class KilledError(BaseException):
    """kill -9: nothing catches it, nothing is tidied up."""


class Deaths:
    """Numbers the places at which a controller may die, and dies at the chosen ones."""

    def __init__(self, at: Sequence[int] = ()) -> None:
        self.count = 0
        self.at = set(at)
        self.places: list[str] = []

    def here(self, place: str) -> None:
        self.count += 1
        self.places.append(place)
        if self.count in self.at:
            raise KilledError(place)


class MortalStore(SqliteStore):
    def __init__(self, folder: Path, deaths: Deaths) -> None:
        super().__init__(folder)
        self.deaths = deaths

    def save(self, claim: Claim, state: Any, events: Any, consumed: Any, wake_at: Any, **rest: Any) -> Claim:
        # A look that changes nothing is left out: dying there is dying a little later.
        busy = bool(events) or not rest.get("done", False)
        if busy:
            self.deaths.here("before the journal")
        saved = super().save(claim, state, events, consumed, wake_at, **rest)
        if busy:
            self.deaths.here("after the journal")
        return saved

    def release_claim(self, claim: Claim) -> None:
        self.deaths.here("after the effects")
        super().release_claim(claim)


class MortalWorld(PerfectWorld):
    deaths: Deaths

    def perform(self, plan: Plan, effect: Effect, fence: object) -> None:
        super().perform(plan, effect, fence)
        self.deaths.here("after an effect")

    def start(self, plan: Plan, key: str) -> None:
        super().start(plan, key)
        self.deaths.here("after a hook")


@contextmanager
def folder() -> Iterator[Path]:
    """In memory where the system has such a place: these suites write tens of thousands of times."""
    fast = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="crossfade-", dir=fast if fast.is_dir() else None))
    try:
        yield made
    finally:
        shutil.rmtree(made)


class Life:
    """One release from its opening to its end, with as many controllers as it takes."""

    def __init__(
        self, where: Path, *, bad_at: int = 1001, deaths: Sequence[int] = (), plan: Plan | None = None
    ) -> None:
        self.clock = ManualClock()
        self.deaths = Deaths(deaths)
        self.world = MortalWorld(self.clock, bad_at=bad_at)
        self.world.deaths = self.deaths
        self.store: MortalStore = self.opened(where)
        self.plan = plan or small_plan()
        self.store.open_release(self.plan, opening(self.plan), self.clock.now())
        self.controllers = 0
        self.controller = self.born()
        self.looks = 0

    def opened(self, where: Path) -> Any:
        """The store on whose way a controller may die."""
        return MortalStore(where, self.deaths)

    @property
    def seen(self) -> Store:
        """What a bystander sees."""
        return self.store

    def born(self) -> Controller:
        self.controllers += 1
        only = self.plan.service if self.store.elsewhere else None
        return Controller(self.store, self.wiring, self.clock, f"c{self.controllers}", service=only)

    def wiring(self, plan: Plan) -> Ports:
        return Ports(platform=self.world, signals=self.world, hooks=self.world)

    def look(self) -> None:
        """One round at the time it was asked for; a dead controller is followed by a new one."""
        self.looks += 1
        wake = self.seen.next_wake(self.plan.service)
        if wake is not None and wake > self.clock.now():
            self.clock.jump(wake)
        try:
            self.controller.round()
        except KilledError:
            self.controller = self.born()

    def to_the_end(self, limit: int = 3000) -> Self:
        while self.seen.active(self.plan.service) is not None:
            assert self.looks < limit, f"no end: {self.seen.row(self.plan.release).state}"
            self.look()
        return self

    def trace(self) -> tuple[tuple[str, str | None, int | None], ...]:
        return trace(self.seen.entries(release=self.plan.release))

    def note(self) -> Mapping[str, object]:
        return self.store.notes(self.plan.release)
