"""
How noisy the service is by itself: quiet or bursty, instances alike or not.

Both are ratios of observed to expected variance of stable's own failures; they
only set how fast evidence is let in (`process.Brakes`), never whether it is
valid. They start at 2, that is noisy, until shown otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

START_NUM, START_DEN = 6.0, 3.0
CALM = 1.5
"""Variance ratio up to which a service is quiet, and instances are alike."""
LEAST_WINDOWS = 5


class Dispersion:
    """Over-dispersion of one series of (failures, trials), from second differences.

    Three intervals in a row are compared, so that a rate that drifts evenly is no noise.
    """

    __slots__ = ("_den", "_num", "_recent")

    def __init__(self) -> None:
        self._num, self._den = START_NUM, START_DEN
        self._recent: list[tuple[float, float]] = []

    @property
    def phi(self) -> float:
        return self._num / self._den

    def add(self, failures: float, trials: float) -> None:
        recent = self._recent
        recent.append((failures, trials))
        if len(recent) < 3:
            return
        (x1, n1), (x2, n2), (x3, n3) = recent
        del recent[0]
        sides = n1 + n3
        if sides <= 0.0 or n2 <= 0.0:
            return
        p = (x1 + x2 + x3) / (sides + n2)
        variance = p * (1.0 - p) * (n2 + n2 * n2 / sides)
        if variance <= 0.0:
            return
        difference = x2 - n2 * (x1 + x3) / sides
        self._num += difference * difference * p * n2 / variance
        self._den += p * n2

    def cut(self) -> None:
        """Forget the neighbours: what follows is another series (no triple across a join)."""
        self._recent.clear()


def wandering(windows: Iterable[Sequence[tuple[float, float]]]) -> float:
    """How many times over chance instances differ in a usual minute: the median window's ratio.

    A window with one sick instance is not a usual one. 1 where fewer than five windows had failures.
    """
    ratios = [num / den for num, den in map(_spread, windows) if den > 0.0]
    return median(ratios) if len(ratios) >= LEAST_WINDOWS else 1.0


def instance_spread(windows: Iterable[Sequence[tuple[float, float]]]) -> float:
    """Variance ratio between instances; each window holds (failures, trials) per instance."""
    num, den = START_NUM, START_DEN
    for observed, expected in map(_spread, windows):
        num += observed
        den += expected
    return num / den


def _spread(window: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """(squared differences of failures between instances, what chance makes of them)."""
    trials, failed = sum(n for _, n in window), sum(x for x, _ in window)
    if len(window) < 2 or trials <= 0.0:
        return 0.0, 0.0
    p = failed / trials
    observed = sum((x - n * p) ** 2 for x, n in window) / max(1.0 - p, 0.02)
    return observed, failed * (1.0 - 1.0 / len(window))
