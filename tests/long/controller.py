"""
A controller that can be told where to die: `crash_matrix.py` runs it as a process of its own.

    python tests/long/controller.py FOLDER REVISION [--die 'PLACE #N'] [--log FILE]

It opens the release of this revision where there is none yet, and drives it to its end, wired
as the product wires itself. Each write of journal, memory and platform is a place before and a
place after; the one named by `--die` ends this process by SIGKILL, the others are only logged.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from rig import SERVICE

from crossfade.bootstrap import House
from crossfade.engine.loop import Controller
from crossfade.engine.opening import Wish
from crossfade.engine.ports import Store
from crossfade.engine.records import Claim, Consumed, Interval, Row
from crossfade.engine.store import SqliteStore
from crossfade.engine.tick import Ports
from crossfade.platforms.local import LocalPlatform
from crossfade.release.plan import Plan
from crossfade.release.policy import Waivers
from crossfade.release.ports import Hooks
from crossfade.release.state import State
from crossfade.release.values import (
    Effect,
    EnsureFleet,
    EnsurePrimary,
    EnsureTest,
    EnsureWeight,
    Event,
    EventType,
    GoHome,
    HookResult,
    Instant,
    RunHook,
)
from crossfade.spec.load import load_spec

LEASE = timedelta(seconds=1.5)
"""Shorter than the product's 10 s: a dead controller's lease has to run out before the next one goes on."""

_NOISE = frozenset({EventType.CONTROLLER_STARTED, EventType.CONTROLLER_LOST})


class Deaths:
    """Counts the places passed, logs each before it is passed, and dies at the chosen one."""

    def __init__(self, at: str | None, log: Path) -> None:
        self._at = at
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._passed: Counter[str] = Counter()

    def place(self, name: str) -> None:
        self._passed[name] += 1
        key = f"{name} #{self._passed[name]}"
        os.write(self._log, f"{key}\n".encode())
        if key == self._at:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalStore(SqliteStore):
    """Dies before or after a commit that says something new."""

    def __init__(self, folder: Path, deaths: Deaths) -> None:
        super().__init__(folder)
        self._deaths = deaths

    def open_release(self, plan: Plan, events: Sequence[Event], now: Instant) -> Row:
        self._deaths.place("before commit: opening")
        row = super().open_release(plan, events, now)
        self._deaths.place("after commit: opening")
        return row

    def save(
        self,
        claim: Claim,
        state: State,
        events: Sequence[Event],
        consumed: Sequence[Consumed],
        wake_at: Instant | None,
        *,
        now: Instant,
        note: Mapping[str, object] | None = None,
        done: bool = False,
    ) -> Claim:
        said = "+".join(dict.fromkeys(event.type.value for event in events if event.type not in _NOISE))
        if said:
            self._deaths.place(f"before commit: {said}")
        saved = super().save(claim, state, events, consumed, wake_at, now=now, note=note, done=done)
        if said:
            self._deaths.place(f"after commit: {said}")
        return saved

    def hook_finished(self, key: str, runner: str, *, passed: bool, text: str) -> None:
        self._deaths.place("before commit: a hook's result")
        super().hook_finished(key, runner, passed=passed, text=text)
        self._deaths.place("after commit: a hook's result")

    def add_intervals(self, release: str, kind: str, intervals: Sequence[Interval]) -> None:
        if kind == "health":  # at every look: random instants hit it often enough
            super().add_intervals(release, kind, intervals)
            return
        self._deaths.place(f"before commit: what the judge learned ({kind})")
        super().add_intervals(release, kind, intervals)
        self._deaths.place(f"after commit: what the judge learned ({kind})")


class MortalPlatform(LocalPlatform):
    """Dies before or after an effect."""

    def __init__(self, folder: Path, deaths: Deaths) -> None:
        super().__init__(folder)
        self._deaths = deaths

    def perform(self, plan: Plan, effect: Effect, fence: object) -> None:
        self._deaths.place(f"before effect: {_name(effect)}")
        super().perform(plan, effect, fence)
        self._deaths.place(f"after effect: {_name(effect)}")


class MortalHooks:
    """Dies before or after a hook was started."""

    def __init__(self, hooks: Hooks, deaths: Deaths) -> None:
        self._hooks, self._deaths = hooks, deaths

    def start(self, plan: Plan, key: str) -> None:
        self._deaths.place("before effect: RunHook")
        self._hooks.start(plan, key)
        self._deaths.place("after effect: RunHook")

    def results(self, release: str) -> Mapping[str, HookResult]:
        return self._hooks.results(release)


class MortalHouse(House):
    """The product's wiring, with places to die at."""

    def __init__(self, folder: Path, deaths: Deaths) -> None:
        super().__init__(folder)
        self.store.close()
        self.store: SqliteStore = MortalStore(folder, deaths)
        self._deaths = deaths

    @cached_property
    def platform(self) -> LocalPlatform:
        return MortalPlatform(self.folder, self._deaths)

    def ports(self, plan: Plan) -> Ports:
        ports = super().ports(plan)
        return replace(ports, hooks=MortalHooks(ports.hooks, self._deaths))


def _name(effect: Effect) -> str:
    match effect:
        case EnsureWeight(weight=weight):
            return f"EnsureWeight {weight}"
        case EnsureFleet(side=side, capacity=capacity):
            return f"EnsureFleet {side.value} {capacity}"
        case EnsurePrimary(side=side):
            return f"EnsurePrimary {side.value}"
        case EnsureTest(on=on):
            return f"EnsureTest {'on' if on else 'off'}"
        case GoHome():
            return "GoHome"
        case RunHook():
            return "RunHook"


def release_of(store: Store, revision: str) -> Row | None:
    """The release of this revision; a suite releases each only once."""
    return next((row for row in store.releases(SERVICE, limit=3) if row.plan.candidate == revision), None)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="a controller that dies where it is told to")
    parser.add_argument("folder", type=Path)
    parser.add_argument("revision")
    parser.add_argument("--die")
    parser.add_argument("--log", type=Path, required=True)
    told = parser.parse_args(arguments)
    house = MortalHouse(told.folder / ".crossfade", Deaths(told.die, told.log))
    row = release_of(house.store, told.revision)
    plan = row.plan if row is not None else None
    if plan is None:
        wish = Wish(actor="crash matrix", waivers=Waivers())
        plan = house.open(load_spec(told.folder / "crossfade.yaml"), told.revision, wish)
    if plan is not None:
        Controller(house.store, house.ports, house.clock, lease=LEASE).run(until=plan.release)
    house.store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
