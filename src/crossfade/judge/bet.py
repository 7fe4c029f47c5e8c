"""
The bet: what one interval's counts say, for each size of effect.

A table compares failures and trials of the candidate (per instance) with
stable's. The null is `odds(candidate) <= rho * odds(stable)` in every interval,
with stable's rate free to move. The bet is the likelihood of (p^, p*) against
its information projection (b0, c0) on the null (Turner, Ly, Grunwald 2024): it
has mean <= 1 under the whole null, whatever p^ is, so p^ only aims.

A latency table counts the candidate above `t * c` and stable above `c`: at
rho = 1 its null is about time, not about odds.

Logarithms of evidence go from here to `process.py`, which lets them in slowly.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt

THETAS = (1.25, 1.75, 3.0, 6.0, 15.0, 60.0)
"""Sizes of effect that are bet on, as odds times the tolerated boundary; equal prior."""
MEMORY_S = 120.0
"""Half-life of stable's rate."""
START_TRIALS = 200.0
"""How much of the history the first p^ is made of."""
LEAST_TRIALS = 50.0
FORGOTTEN_TRIALS = 1e-9
"""After hours of silence nothing is left to divide by: the last known rate stays."""


def shift(p: float, odds: float) -> float:
    """The share whose odds are `odds` times those of `p`."""
    return odds * p / (1.0 - p + odds * p)


def project(p_stable: float, p_candidate: float, w: float, rho: float) -> tuple[float, float]:
    """The point of the line odds(c0) = rho * odds(b0) nearest in KL divergence, as (b0, c0).

    On an odds line the projection keeps the pooled mean, hence a quadratic. Both
    branches avoid cancellation.
    """
    mean = w * p_candidate + (1.0 - w) * p_stable
    if rho == 1.0:
        return mean, mean
    a = (1.0 - w) * (rho - 1.0)
    b = (1.0 - w) + w * rho - mean * (rho - 1.0)
    root = sqrt(b * b + 4.0 * a * mean)
    b0 = 2.0 * mean / (b + root) if b >= 0.0 or a == 0.0 else (root - b) / (2.0 * a)
    return b0, shift(b0, rho)


class Bet:
    """Aims at stable's running rate and bets on every theta."""

    __slots__ = ("_failures", "_trials", "rho")

    def __init__(self, rho: float, failures: float = 0.0, trials: float = 0.0) -> None:
        """`failures` of `trials` are stable's past."""
        self.rho = rho
        if trials >= 1.0:
            size = max(LEAST_TRIALS, min(trials, START_TRIALS))
            self._trials = size
            self._failures = size * failures / trials
        else:
            self._trials, self._failures = LEAST_TRIALS, 0.5

    @property
    def rate(self) -> float:
        return min(max(self._failures / self._trials, 1e-6), 0.98)

    def evidence(
        self, candidate: Sequence[tuple[float, float]], failures: float, trials: float
    ) -> list[list[float]]:
        """Log evidence per theta and instance; zeros when an arm is empty.

        `candidate` is (failures, trials) per instance. Stable's part is shared out
        by trials, so that each instance's part alone has mean <= 1 as well.
        """
        number = sum(n for _, n in candidate)
        if number <= 0.0 or trials <= 0.0:
            return [[0.0] * len(candidate) for _ in THETAS]
        p, w = self.rate, number / (number + trials)
        rows = []
        for theta in THETAS:
            aim = shift(p, self.rho * theta)
            b0, c0 = project(p, aim, w, self.rho)
            bad, good = log(aim / c0), log((1.0 - aim) / (1.0 - c0))
            other = failures * log(p / b0) + (trials - failures) * log((1.0 - p) / (1.0 - b0))
            share = other / number
            rows.append([e * bad + (n - e) * good + n * share for e, n in candidate])
        return rows

    def learn(self, failures: float, trials: float, seconds: float) -> None:
        """Stable's counts of an interval, after it was bet on."""
        rate, decay = self._failures / self._trials, 0.5 ** (seconds / MEMORY_S)
        self._failures = self._failures * decay + failures
        self._trials = self._trials * decay + trials
        if self._trials < LEAST_TRIALS:
            forgotten = self._trials < FORGOTTEN_TRIALS
            self._failures = LEAST_TRIALS * (rate if forgotten else self._failures / self._trials)
            self._trials = LEAST_TRIALS


class Limit:
    """Bets against a fixed share: `p_candidate <= limit`. A floor, or an absolute maximum."""

    __slots__ = ("_bad", "_good", "share")

    def __init__(self, share: float) -> None:
        self.share = share
        aims = [shift(share, theta) for theta in THETAS]
        self._bad = [log(aim / share) for aim in aims]
        self._good = [log((1.0 - aim) / (1.0 - share)) for aim in aims]

    def evidence(self, candidate: Sequence[tuple[float, float]]) -> list[list[float]]:
        """Log evidence per theta and instance."""
        return [
            [e * bad + (n - e) * good for e, n in candidate]
            for bad, good in zip(self._bad, self._good, strict=True)
        ]
