"""
The metric store: what was measured, by namespace, metric, exact dimensions and unit; and when it shows.

What a service of AWS publishes (namespaces `AWS/...`) shows a delay after its minute has ended, drawn for
each minute; a fraction of it may come later still, so that the newest minute changes after it was first
seen. Custom metrics show a moment after they were put, in a minute that is still running too.

Kept as long as documented: single seconds 3 hours, minutes 15 days, then five minutes until the 63rd day,
then hours until the 455th. MEMORY IS BOUNDED: beyond `max_bytes` the oldest data of all series is dropped,
and `forgotten` says before which time.
"""

from __future__ import annotations

import heapq
import math
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from crossfade.twin.clock import TwinClock
from crossfade.twin.cloudwatch.cells import Column, Row

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400
SECONDS_KEPT: Final = 3 * HOUR
MINUTES_KEPT: Final = 15 * DAY
FIVES_KEPT: Final = 63 * DAY
HOURS_KEPT: Final = 455 * DAY
LISTED: Final = 14 * DAY  # ListMetrics shows what had data since
_ROLL_EVERY: Final = 600

Key = tuple[str, str, tuple[tuple[str, str], ...]]
"""Namespace, metric name, dimensions in the order of their names."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one entry of PutMetricData brings: values with counts, or a statistic set."""

    key: Key
    unit: str
    at: float
    values: tuple[tuple[float, float], ...] = ()
    whole: tuple[float, float, float, float] | None = None  # count, sum, least, greatest
    fine: bool = False  # stored by the second too


class Stream:
    """One metric in one unit."""

    __slots__ = ("fine", "fives", "hours", "last", "late", "minutes", "seconds")

    def __init__(self) -> None:
        self.seconds, self.minutes, self.late = Column(1), Column(MINUTE), Column(MINUTE)
        self.fives, self.hours = Column(5 * MINUTE), Column(HOUR)
        self.fine = False  # put with a resolution of one second
        self.last = 0.0

    @property
    def columns(self) -> tuple[Column, ...]:
        return (self.seconds, self.minutes, self.late, self.fives, self.hours)

    def roll(self, now: float) -> None:
        """Give up detail that is past its time."""
        self.seconds.taken_before(now - SECONDS_KEPT)
        whole = (now - MINUTES_KEPT) // HOUR * HOUR
        for row in (*self.minutes.taken_before(whole), *self.late.taken_before(whole)):
            self.fives.cell(row.at // 300 * 300).add_row(row)
        for row in self.fives.taken_before((now - FIVES_KEPT) // HOUR * HOUR):
            self.hours.cell(row.at // HOUR * HOUR).add_row(row)
        self.hours.taken_before(now - HOURS_KEPT)

    def rows(self, start: float, end: float, now: float, step: int) -> Iterator[Row]:
        """All rows that begin in [start, end), of cells that a period of `step` seconds can be made of."""
        if step < MINUTE:
            for column in (self.seconds,) if self.fine else (self.minutes, self.late):
                yield from column.rows(max(start, now - SECONDS_KEPT), end, now)
            return
        yield from self.minutes.rows(start, end, now)
        yield from self.late.rows(start, end, now)
        for column in (self.fives, self.hours):
            if step % column.length == 0:
                yield from column.rows(start, end, now)


class Store:
    """`late_fraction` of a service's samples come `late_by()` after the rest. Thread-safe."""

    def __init__(
        self,
        clock: TwinClock,
        *,
        publish_delay: Callable[[], float],
        custom_delay: Callable[[], float],
        late_fraction: float,
        late_by: Callable[[], float],
        max_bytes: int,
        seed: int,
    ) -> None:
        self.lock = threading.RLock()
        self.forgotten = 0.0
        self._clock = clock
        self._publish_delay, self._custom_delay, self._late_by = publish_delay, custom_delay, late_by
        self._late_fraction = late_fraction
        self._max_bytes = max_bytes
        self._random = random.Random(seed)  # noqa: S311  (which samples come late is no secret)
        self._streams: dict[Key, dict[str, Stream]] = {}
        self._shown: dict[tuple[str, int], tuple[float, float]] = {}
        self._coming: list[tuple[float, int, Sample]] = []
        self._put = 0
        self._rolled = -math.inf

    def record(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        *,
        at: float,
        value: float,
        count: float = 1.0,
        unit: str = "None",
    ) -> None:
        """See `Sink`. Values that are no numbers are dropped: a sink raises nothing."""
        key = (namespace, name, tuple(sorted(dimensions.items())))
        value = float(value)
        if not (-math.inf < value < math.inf and 0.0 < count < math.inf and -math.inf < at < math.inf):
            return
        if not namespace.startswith("AWS/"):
            self.put(Sample(key, unit, at, ((value, count),)))
            return
        with self.lock:
            stream = self._stream(key, unit)
            stream.last = max(stream.last, at)
            minute = int(at // MINUTE) * MINUTE
            shown = self._shown.get((namespace, minute)) or self._draw(namespace, minute)
            if self._late_fraction and self._random.random() < self._late_fraction:
                stream.late.cell(minute, shown[1]).add(value, count)
            else:
                stream.minutes.cell(minute, shown[0]).add(value, count)

    def _draw(self, namespace: str, minute: int) -> tuple[float, float]:
        """When the bulk of a service's minute shows, and when all of it."""
        first = minute + MINUTE + max(self._publish_delay(), 0.0)
        shown = self._shown[namespace, minute] = (first, first + max(self._late_by(), 0.0))
        return shown

    def put(self, sample: Sample) -> None:
        """A custom metric: it shows after the custom delay."""
        with self.lock:
            delay = self._custom_delay()
            if delay <= 0:
                self._take(sample)
                return
            self._put += 1
            heapq.heappush(self._coming, (self._clock.now() + delay, self._put, sample))

    def settle(self, now: float) -> None:
        """Let in what has become due by `now`, and let go what is past its time."""
        with self.lock:
            while self._coming and self._coming[0][0] <= now:
                self._take(heapq.heappop(self._coming)[2])
            if now - self._rolled >= _ROLL_EVERY:
                self._roll(now)

    def _take(self, sample: Sample) -> None:
        stream = self._stream(sample.key, sample.unit)
        stream.last = max(stream.last, sample.at)
        cells = [stream.minutes.cell(int(sample.at // MINUTE) * MINUTE)]
        if sample.fine:
            stream.fine = True
            cells.append(stream.seconds.cell(int(sample.at // 1)))
        for cell in cells:
            for value, count in sample.values:
                cell.add(value, count)
            if sample.whole is not None:
                cell.add_set(*sample.whole)

    def _stream(self, key: Key, unit: str) -> Stream:
        units = self._streams.get(key)
        if units is None:
            units = self._streams[key] = {}
        stream = units.get(unit)
        if stream is None:
            stream = units[unit] = Stream()
        return stream

    def streams(self, key: Key, unit: str | None) -> dict[str, Stream]:
        """By unit; all units when none is asked for."""
        units = self._streams.get(key, {})
        if unit is None:
            return units
        return {unit: units[unit]} if unit in units else {}

    def listed(self, since: float) -> list[Key]:
        """Metrics that had data since then, in a fixed order."""
        with self.lock:
            return sorted(
                key
                for key, units in self._streams.items()
                if any(stream.last >= since for stream in units.values())
            )

    def reset(self) -> None:
        """Forget everything."""
        with self.lock:
            self._streams.clear()
            self._shown.clear()
            self._coming.clear()
            self.forgotten = 0.0

    @property
    def bytes(self) -> int:
        """What is kept, about; cells still open are not counted."""
        with self.lock:
            return sum(column.bytes for stream in self._all() for column in stream.columns)

    def _all(self) -> list[Stream]:
        return [stream for units in self._streams.values() for stream in units.values()]

    def _roll(self, now: float) -> None:
        self._rolled = now
        for stream in self._all():
            stream.roll(now)
        for shown in [shown for shown in self._shown if shown[1] < now - DAY]:
            del self._shown[shown]
        while self.bytes > self._max_bytes and self._forget_oldest():
            pass

    def _forget_oldest(self) -> bool:
        """An hour of the oldest data goes, of every series; False when only open cells are left."""
        columns = [column for stream in self._all() for column in stream.columns if column.bytes]
        oldest = min((column.at[0] for column in columns), default=None)
        if oldest is None:
            return False
        self.forgotten = max(self.forgotten, oldest // HOUR * HOUR + HOUR)
        for column in columns:
            column.taken_before(self.forgotten)
        return True
