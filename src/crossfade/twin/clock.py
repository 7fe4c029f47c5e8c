"""
The twin's time: real time, or faster, so that a health interval or a 60 s metric period passes sooner.

Everything in the twin that waits asks this clock, so all waits are shortened by one factor and keep
their ratios. What clients measure by their own watches is not shortened; every report says the factor.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class TwinClock:
    """`factor` twin seconds pass in one real second; `advance` jumps forward. Thread-safe."""

    def __init__(self, factor: float = 1.0, wall: Callable[[], float] = time.time) -> None:
        if not factor > 0:
            raise ValueError(f"a clock runs forward: factor {factor}")
        self._wall = wall
        self._lock = threading.Lock()
        self._factor = factor
        self._real = self._twin = wall()

    @property
    def factor(self) -> float:
        """Twin seconds per real second."""
        return self._factor

    def now(self) -> float:
        """The twin's epoch seconds, UTC."""
        with self._lock:
            return self._now()

    def _now(self) -> float:
        return self._twin + (self._wall() - self._real) * self._factor

    def at(self, real: float) -> float:
        """The twin's epoch at a real epoch, by the present factor."""
        with self._lock:
            return self._twin + (real - self._real) * self._factor

    def real_seconds(self, span: float) -> float:
        """How long a span of twin seconds takes on a real watch."""
        return span / self._factor

    def advance(self, seconds: float) -> None:
        """Jump forward; raises `ValueError` for a jump back."""
        if seconds < 0:
            raise ValueError("the twin's clock never goes back")
        with self._lock:
            self._twin += seconds

    def run_at(self, factor: float) -> None:
        """Another pace from now on; raises `ValueError` unless it is positive."""
        if not factor > 0:
            raise ValueError(f"a clock runs forward: factor {factor}")
        with self._lock:
            self._twin, self._real = self._now(), self._wall()
            self._factor = factor

    def line(self) -> tuple[float, float, float]:
        """(factor, real epoch, twin epoch at that real epoch): with these anyone reads the same clock."""
        with self._lock:
            return self._factor, self._real, self._twin
