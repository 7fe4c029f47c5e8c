"""
Small seeded worlds for the judge: services whose release is healthy or sick.

A world yields intervals in the judge's own format. Latency is log-normal
(p50 80 ms, p99 320 ms) plus whatever goes wrong; counts are Poisson and
multinomial, drawn bucket by bucket from exact shares, so a day of traffic costs
no more than a minute of it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import NormalDist
from typing import Any

GRID = [round(0.5 * math.sqrt(1.25) ** i, 4) for i in range(106)]
"""Edges from 0.5 ms to 61 s, ratio sqrt(1.25)."""
_NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What one side does at a moment."""

    errors: float = 0.001
    slow: float = 1.0
    """All requests this much slower."""
    tail: float = 1.0
    """Requests beyond p95 this much slower (3 = p99 tripled)."""
    path: float = 0.0
    """Share of requests that take 20 times the median."""
    kpi_failed: float = 0.03
    hang: float = 0.0
    """Share of requests that never complete."""


GOOD = Behaviour()
When = Callable[[float], Behaviour]


def always(behaviour: Behaviour) -> When:
    return lambda _now: behaviour


def since(start: float, behaviour: Behaviour, before: Behaviour = GOOD) -> When:
    """Good until `start`, then otherwise."""
    return lambda now: behaviour if now >= start else before


@dataclass(frozen=True, kw_only=True)
class World:
    """One release's traffic."""

    rps: float
    weight: float = 0.1
    candidate: When = field(default=always(GOOD))
    stable: When = field(default=always(GOOD))
    instances: int = 2
    """Candidate instances with counts of their own; 0: the arm alone."""
    sick_only: int | None = None
    """Only this instance behaves like the candidate, the others like stable."""
    every: float = 5.0
    kpi_share: float = 0.2

    def intervals(self, seed: int, seconds: float, start: float = 0.0) -> Iterator[dict[str, Any]]:
        """Intervals from `start` on."""
        draw = random.Random(seed)
        for index in range(int(seconds / self.every)):
            begin = start + index * self.every
            yield self._interval(draw, begin)

    def history(self, seed: int, seconds: float = 900.0) -> list[dict[str, Any]]:
        """Stable alone before the release, in intervals that end at 0, split over 4 instances."""
        draw = random.Random(seed + 1_000_003)
        found = []
        for index in range(int(seconds / self.every)):
            begin = index * self.every - seconds
            arms: list[list[Any]] = [
                [f"s{i}", self._arm(draw, self.rps / 4, always(GOOD)(begin))] for i in range(4)
            ]
            found.append(
                {
                    "start": begin,
                    "end": begin + self.every,
                    "stable": add(*[arm for _, arm in arms]),
                    "stable_instances": arms,
                }
            )
        return found

    def _interval(self, draw: random.Random, begin: float) -> dict[str, Any]:
        stable = self.stable(begin)
        interval: dict[str, Any] = {"start": begin, "end": begin + self.every}
        interval["stable"] = self._arm(draw, self.rps * (1 - self.weight), stable)
        if not self.instances:
            interval["candidate"] = self._arm(draw, self.rps * self.weight, self.candidate(begin))
            return interval
        split: list[list[Any]] = []
        for i in range(self.instances):
            sick = self.sick_only is None or i == self.sick_only
            behaviour = self.candidate(begin) if sick else stable
            split.append([f"c{i}", self._arm(draw, self.rps * self.weight / self.instances, behaviour)])
        interval["candidate_instances"] = split
        interval["candidate"] = add(*[arm for _, arm in split])
        return interval

    def _arm(self, draw: random.Random, rps: float, behaviour: Behaviour) -> dict[str, Any]:
        requests = poisson(draw, rps * self.every * (1.0 - behaviour.hang))
        total = binomial(draw, requests, self.kpi_share)
        return {
            "requests": requests,
            "errors": binomial(draw, requests, behaviour.errors),
            "latency": spread(draw, requests, shares(behaviour)),
            "kpi": {"ok": {"total": total, "failed": binomial(draw, total, behaviour.kpi_failed)}},
        }


def add(*arms: dict[str, Any]) -> dict[str, Any]:
    """Instances added up to an arm."""
    return {
        "requests": sum(arm["requests"] for arm in arms),
        "errors": sum(arm["errors"] for arm in arms),
        "latency": [sum(column) for column in zip(*[arm["latency"] for arm in arms], strict=True)],
        "kpi": {"ok": {key: sum(arm["kpi"]["ok"][key] for arm in arms) for key in ("total", "failed")}},
    }


_SHARES: dict[Behaviour, list[float]] = {}


def shares(behaviour: Behaviour) -> list[float]:
    """Exact share of requests per bucket."""
    if behaviour in _SHARES:
        return _SHARES[behaviour]
    sigma, median = 0.6, 80.0 * behaviour.slow
    knee = _NORMAL.inv_cdf(0.95)

    def below(edge: float) -> float:
        z = math.log(edge / median) / sigma
        if behaviour.tail > 1.0 and z > knee:
            top = math.log(edge / median / behaviour.tail) / sigma
            z = max(knee, top)
        usual = _NORMAL.cdf(z)
        slow = 1.0 if edge >= 20.0 * median else 0.0
        return (1.0 - behaviour.path) * usual + behaviour.path * slow

    marks = [0.0, *[below(edge) for edge in GRID], 1.0]
    found = [max(b - a, 0.0) for a, b in pairwise(marks)]
    _SHARES[behaviour] = found
    return found


def poisson(draw: random.Random, mean: float) -> int:
    """Exact by counting arrivals when small, rounded normal when large."""
    if mean <= 0.0:
        return 0
    if mean > 60.0:
        return max(0, round(draw.gauss(mean, math.sqrt(mean))))
    count, time = 0, draw.expovariate(1.0)
    while time < mean:
        count += 1
        time += draw.expovariate(1.0)
    return count


def binomial(draw: random.Random, trials: int, share: float) -> int:
    """Exact when few are expected, rounded normal when many are."""
    if share <= 0.0 or trials <= 0:
        return 0
    if share >= 1.0:
        return trials
    if share > 0.5:
        return trials - binomial(draw, trials, 1.0 - share)
    if trials * share > 60.0:
        mean = trials * share
        return min(trials, max(0, round(draw.gauss(mean, math.sqrt(mean * (1.0 - share))))))
    count, position = 0, 0
    step = math.log(1.0 - share)
    while True:
        position += int(math.log(1.0 - draw.random()) / step) + 1
        if position > trials:
            return count
        count += 1


def spread(draw: random.Random, requests: int, parts: list[float]) -> list[int]:
    """Requests over buckets: multinomial."""
    counts = [0] * len(parts)
    if requests <= 60:
        for index in draw.choices(range(len(parts)), weights=parts, k=requests):
            counts[index] += 1
        return counts
    left, rest = requests, 1.0
    for index, part in enumerate(parts):
        if part > 1e-12 and left:
            counts[index] = binomial(draw, left, min(1.0, part / rest))
            left -= counts[index]
        rest -= part
        if rest <= 1e-12:
            break
    counts[-1] += left if rest > 1e-12 or left < 0 else 0
    if rest <= 1e-12 and left:
        counts[max(i for i, part in enumerate(parts) if part > 1e-12)] += left
    return counts
