"""
Time, injected: the system's, or a demo's that runs faster and that several processes share.

Leases, time-outs of calls and the pace of looking are REAL time; everything the heart
measures (bakes, deadlines) is the clock's own. `factor` is how many of the clock's seconds
pass in one real second.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from crossfade.release.values import Instant


class EngineClock(Protocol):
    """The heart's clock and what the shell needs beside it: the way between its time and real time."""

    @property
    def factor(self) -> float:
        """The clock's seconds per real second."""
        ...

    def now(self) -> Instant:
        """The present instant, aware, UTC."""
        ...

    def real(self, instant: Instant) -> float:
        """The real epoch seconds at which this clock shows `instant`."""
        ...

    def instant(self, epoch: float) -> Instant:
        """What this clock shows at these real epoch seconds."""
        ...

    def sleep_seconds(self, until: Instant) -> float:
        """Real seconds until this clock shows `until`; 0 where it is past."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """Real time."""

    @property
    def factor(self) -> float:
        return 1.0

    def now(self) -> Instant:
        return datetime.now(UTC)

    def real(self, instant: Instant) -> float:
        return instant.timestamp()

    def instant(self, epoch: float) -> Instant:
        return datetime.fromtimestamp(epoch, UTC)

    def sleep_seconds(self, until: Instant) -> float:
        return max(0.0, until.timestamp() - time.time())


@dataclass(frozen=True, slots=True)
class ScaledClock:
    """
    `factor` times real time, from the real epoch second `start`, at which it shows `shows`, or the real time.

    Processes that are given the same numbers read the same clock.
    """

    factor: float
    start: float
    shows: float | None = None
    """Epoch seconds; a twin's clock runs from a time of its own."""

    def __post_init__(self) -> None:
        if not self.factor > 0:
            raise ValueError(f"a clock runs forward: factor {self.factor}")

    def now(self) -> Instant:
        return self.instant(time.time())

    @property
    def _begin(self) -> float:
        return self.start if self.shows is None else self.shows

    def real(self, instant: Instant) -> float:
        return self.start + (instant.timestamp() - self._begin) / self.factor

    def instant(self, epoch: float) -> Instant:
        begin = datetime.fromtimestamp(self._begin, UTC)
        return begin + timedelta(seconds=(epoch - self.start) * self.factor)

    def sleep_seconds(self, until: Instant) -> float:
        return max(0.0, self.real(until) - time.time())


def real_span(clock: EngineClock, real: timedelta) -> timedelta:
    """A span of real time as this clock counts it."""
    return real * clock.factor
