"""A tick against a bare commit; and what thousands of sleeping releases cost."""

from __future__ import annotations

import resource
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from crossfade.engine import Controller, Ports, SqliteStore, Wiring
from crossfade.engine.clock import SystemClock
from crossfade.release.plan import Plan
from crossfade.testing import ManualClock, PerfectWorld, opening, small_plan

SLEEPING = 5_000


def lines(*, short: bool) -> Iterator[tuple[str, str, str]]:
    """Ticks first, then sleepers: 1,000 in the short form."""
    yield from _ticks(60 if short else 400)
    yield from _sleepers(1_000 if short else SLEEPING, 2.0 if short else 10.0)


def _ticks(rounds: int) -> Iterator[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        clock = ManualClock()
        store, world = SqliteStore(Path(folder)), PerfectWorld(clock)
        plan = small_plan(bake=1e6)
        store.open_release(plan, opening(plan, clock.now()), clock.now())
        controller = Controller(store, _wiring(world), clock)
        for _ in range(30):
            clock.advance(1.0)
            controller.round()
        start = time.perf_counter()
        for _ in range(rounds):
            clock.advance(1.0)
            controller.round()
        ours = (time.perf_counter() - start) / rounds
        store.close()
        plain = _commits(Path(folder) / "plain.db", rounds)
    yield (
        "a tick, journal on this disk",
        f"{ours * 1e3:.2f} ms",
        f"{ours / plain:.1f} x a bare fsynced commit",
    )


def _commits(path: Path, rounds: int) -> float:
    link = sqlite3.connect(path, isolation_level=None)
    link.executescript("pragma journal_mode=wal; pragma synchronous=full; create table t (a text);")
    start = time.perf_counter()
    for number in range(rounds):
        link.execute("insert into t values (?)", (str(number),))
    took = (time.perf_counter() - start) / rounds
    link.close()
    return took


def _sleepers(count: int, seconds: float) -> Iterator[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        store, clock = SqliteStore(Path(folder)), SystemClock()
        before = _rss()
        start = time.perf_counter()
        far = clock.now() + timedelta(hours=10)
        for number in range(count):
            plan = replace(small_plan(f"R{number}", service=f"s{number}"))
            store.open_release(plan, opening(plan, far), far)
        opened = time.perf_counter() - start
        controller, stop = Controller(store, _wiring(PerfectWorld(ManualClock())), clock), threading.Event()
        threading.Timer(seconds, stop.set).start()
        cpu, start = time.process_time(), time.perf_counter()
        controller.run(stop=stop)
        share = (time.process_time() - cpu) / (time.perf_counter() - start)
        store.close()
    yield f"{count} sleeping releases: opening all", f"{opened:.1f} s", f"{opened / count * 1e3:.2f} ms each"
    yield f"{count} sleeping releases: CPU", f"{share:.2%}", f"memory {_rss():.0f} MB, {before:.0f} before"


def _wiring(world: PerfectWorld) -> Wiring:
    def ports(_plan: Plan) -> Ports:
        return Ports(platform=world, signals=world, hooks=world)

    return ports


def _rss() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
