"""
What lies beside releases in the same file: counts, live notes, hook runs, controllers.

None of it moves a release by itself: counts become verdicts, hook runs become truth, notes
and controllers are for people. The counts survive a restart (R27).
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

from crossfade.engine import codec, processes
from crossfade.engine.database import Database
from crossfade.engine.moments import instant, micros
from crossfade.engine.records import Driver, HookRow, Interval
from crossfade.release.values import Instant

PRESENT = timedelta(seconds=5)
"""How old a heartbeat from another container may be; ours beats each second."""

FROZEN = timedelta(seconds=15)
"""How old that of a living process may be: a lease, in which a tick may be busy, and 5 s."""


class SideTables:
    """The part of a store that is no release; each promise stands in `ports.py`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add_intervals(self, release: str, kind: str, intervals: Sequence[Interval]) -> None:
        """Closed intervals of counts, of kind `history` or `live`; one with the same start replaces."""
        if not intervals:
            return
        with self._db.writing():
            for interval in intervals:
                self._db.run(
                    "put_interval",
                    release=release,
                    kind=kind,
                    start=micros(interval.start),
                    end=micros(interval.end),
                    payload=zlib.compress(codec.dump(interval.payload).encode()),
                )

    def intervals(
        self, release: str, kind: str | None = None, after: Instant | None = None
    ) -> tuple[Interval, ...]:
        begin = -(2**62) if after is None else micros(after)
        return tuple(
            Interval(
                start=instant(row["start"]),
                end=instant(row["end"]),
                payload=json.loads(zlib.decompress(row["payload"])),
            )
            for row in self._db.all("intervals", release=release, kind=kind, after=begin)
        )

    def note(self, release: str, payload: Mapping[str, object]) -> None:
        self._db.run("put_note", release=release, body=codec.dump(payload))

    def notes(self, release: str) -> Mapping[str, object]:
        found = self._db.one("note", release=release)
        return {} if found is None else cast("Mapping[str, object]", json.loads(found["body"]))

    def hook_started(
        self, release: str, key: str, *, runner: str, pid: int, birth: str, now: Instant
    ) -> None:
        self._db.run(
            "hook_started",
            release=release,
            key=key,
            runner=runner,
            pid=pid,
            birth=birth,
            started_at=micros(now),
        )

    def hook_finished(self, key: str, runner: str, *, passed: bool, text: str) -> None:
        self._db.run("hook_finished", key=key, runner=runner, passed=passed, text=text)

    def hook_results(self, release: str) -> tuple[HookRow, ...]:
        return tuple(
            HookRow(
                key=row["key"],
                release=row["release"],
                runner=row["runner"],
                pid=row["pid"],
                birth=row["birth"],
                started_at=instant(row["started_at"]),
                passed=None if row["passed"] is None else bool(row["passed"]),
                text=row["text"],
            )
            for row in self._db.all("hooks", release=release)
        )

    def heartbeat(self, driver: Driver) -> None:
        self._db.run(
            "heartbeat",
            id=driver.id,
            pid=driver.pid,
            host=driver.host,
            service=driver.service,
            heartbeat=micros(driver.heartbeat),
            birth=driver.birth,
        )

    def forget(self, driver: str) -> None:
        self._db.run("forget", id=driver)

    def drivers(self, service: str | None = None) -> tuple[Driver, ...]:
        """
        Controllers that live and look, latest heartbeat first.

        Where our pids mean something the process is looked for, and one that has not been heard of for
        longer than any tick takes is frozen; of a container beside us the heartbeat alone counts.
        """
        return tuple(driver for driver in self._known(service) if drives(driver, PRESENT))

    def last_beat(self, service: str) -> Driver | None:
        return next(iter(self._known(service)), None)

    def _known(self, service: str | None) -> tuple[Driver, ...]:
        return tuple(
            Driver(
                id=row["id"],
                pid=row["pid"],
                host=row["host"],
                service=row["service"],
                heartbeat=instant(row["heartbeat"]),
                birth=row["birth"],
            )
            for row in self._db.all("drivers", service=service)
        )


def drives(driver: Driver, present: timedelta) -> bool:
    """Whether a controller that was written down lives; `present`: how old a heartbeat from afar may be."""
    age = datetime.fromtimestamp(time.time(), UTC) - driver.heartbeat
    if processes.near(driver.birth, driver.host):
        return age < FROZEN and processes.alive(driver.pid, driver.birth)
    return age < present
