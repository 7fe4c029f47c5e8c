"""
Worlds: what happens to a service while it is being released.

A `World` gives every instance a course: its share of failures, of slow requests and how
much slower all of them are, interval by interval. Counts are drawn from those (Poisson
traffic, multinomial latency); nothing that the judge sees is exact. The first ones are healthy
releases in a noisy life, where every stop is a false one; `harm.py` adds real regressions.

Service: 0.1 % errors, latency log-normal with p50 80 ms and p99 320 ms, a KPI with 20 % of
the requests and 3 % failures. Stable has 6 instances. A quarter of an hour of history, in
which the same noise was at work, comes before the release.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

EDGES = tuple(round(5.0 * math.sqrt(1.25) ** i, 4) for i in range(76))
"""From 5 ms to 21 s; the ratio of two edges divides 1.25."""
STABLE = 6
ERRORS, KPI_SHARE, KPI_FAILED = 0.001, 0.2, 0.03
MEDIAN_MS, SIGMA = 80.0, 0.596
SLOW_TIMES = 20.0
HISTORY_S = 900.0

Rng: TypeAlias = np.random.Generator
Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


def _mass(scale: float, times: float = 1.0, beyond: float = 0.0) -> Array:
    """Share of requests per bucket; those beyond the quantile `beyond` take `times` as long."""

    def below(ms: float, longer: float) -> float:
        return 0.5 * (1.0 + math.erf(math.log(ms / (MEDIAN_MS * longer)) / SIGMA / math.sqrt(2.0)))

    cdf = [below(ms, scale) for ms in EDGES]
    if times != 1.0:
        cdf = [min(c, max(beyond, below(ms, scale * times))) for c, ms in zip(cdf, EDGES, strict=True)]
    return np.diff(np.array([0.0, *cdf, 1.0]))


SCALE_STEP, SCALE_MOST = 0.01, 2.5
_SCALES = np.array([_mass(math.exp(i * SCALE_STEP)) for i in range(-250, 251)])
_TAIL = _mass(1.0, 3.0, 0.95)
SLOW = _mass(SLOW_TIMES)


def mass(scale: float, *, tail: bool = False) -> Array:
    """Share of requests per bucket at a log scale; `tail`: those beyond p95 take three times as long."""
    return np.asarray(_TAIL if tail else _SCALES[round(scale / SCALE_STEP) + 250])


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the candidate stands beside stable."""

    instances: int = 2
    weight: float = 0.1
    counted: bool = True
    """Whether counts come per instance."""

    def __str__(self) -> str:
        return f"{self.instances}{'' if self.counted else ' (arm only)'} @ {self.weight:.0%}"


@dataclass(frozen=True, kw_only=True)
class Course:
    """One side's life: arrays of [instance, interval]."""

    seconds: Array
    """End of each interval."""
    every: float
    errors: Array
    slow: Array
    """Share of requests that take 20 times the median."""
    scale: Array
    """Log of how many times longer all requests take."""
    load: Array
    """Requests, as a share of what is usual."""
    kpi: Array
    extra: Array
    """Failing requests beside the usual ones."""
    hang: Array
    """Share of requests that never complete."""
    tail: Array
    """1 where requests beyond p95 take three times as long."""
    clustered: float = 1.0
    """Mean number of failures with one cause."""


def calm(instances: int, ends: Array, every: float) -> Course:
    """Nothing special."""
    shape = (instances, len(ends))
    return Course(
        seconds=ends,
        every=every,
        errors=np.full(shape, ERRORS),
        slow=np.zeros(shape),
        scale=np.zeros(shape),
        load=np.ones(shape),
        kpi=np.full(shape, KPI_FAILED),
        extra=np.zeros(shape),
        hang=np.zeros(shape),
        tail=np.zeros(shape),
    )


@dataclass(kw_only=True)
class Life:
    """All courses of one release, to be bent by a world."""

    rng: Rng
    layout: Layout
    every: float
    history: Course
    stable: Course
    candidate: Course
    header: dict[str, Any] = field(default_factory=dict)

    @property
    def fleet(self) -> tuple[Course, Course, Course]:
        return self.history, self.stable, self.candidate


Bend: TypeAlias = Callable[[Life], None]


def draw(
    bend: Bend,
    *,
    seed: Sequence[int],
    rps: float,
    layout: Layout,
    bake_s: float,
    every: float,
    kpi: bool = True,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(header, intervals) of one release, in the judge's own format."""
    rng = np.random.default_rng(list(seed))
    before = np.arange(-HISTORY_S, 0.0, every) + every
    after = np.arange(0.0, bake_s, every) + every
    life = Life(
        rng=rng,
        layout=layout,
        every=every,
        history=calm(STABLE, before, every),
        stable=calm(STABLE, after, every),
        candidate=calm(layout.instances, after, every),
    )
    bend(life)
    per_stable = rps * every * (1.0 - layout.weight) / STABLE
    fleet = _rows(rng, life.history, rps * every / STABLE, kpi=kpi)
    stable = _rows(rng, life.stable, per_stable, kpi=kpi)
    candidate = _rows(rng, life.candidate, rps * every * layout.weight / layout.instances, kpi=kpi)
    gates: dict[str, dict[str, Any]] = {"errors": {}, "latency": {}, **({"kpi": {}} if kpi else {})}
    header = {
        "edges_ms": list(EDGES),
        "alpha": 0.01,
        "bake_s": bake_s,
        "weight": layout.weight,
        "gates": gates,
        "history": [
            {
                "start": float(end - every),
                "end": float(end),
                "stable": fleet.arm(t),
                "stable_instances": [[f"s{i}", fleet.one(i, t)] for i in range(STABLE)],
            }
            for t, end in enumerate(before)
        ],
        **life.header,
    }
    intervals = []
    for t, end in enumerate(after):
        interval: dict[str, Any] = {"start": float(end - every), "end": float(end), "stable": stable.arm(t)}
        interval["candidate"] = candidate.arm(t)
        if layout.counted:
            interval["candidate_instances"] = [
                [f"c{i}", candidate.one(i, t)] for i in range(layout.instances)
            ]
        intervals.append(interval)
    return header, intervals


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Counts of one side: [instance][interval], and their sums."""

    requests: list[list[int]]
    errors: list[list[int]]
    latency: list[list[list[int]]]
    kpi: tuple[list[list[int]], list[list[int]]] | None
    sums: tuple[list[int], list[int], list[list[int]], tuple[list[int], list[int]] | None]

    def one(self, i: int, t: int) -> dict[str, Any]:
        arm: dict[str, Any] = {
            "requests": self.requests[i][t],
            "errors": self.errors[i][t],
            "latency": self.latency[i][t],
        }
        if self.kpi is not None:
            arm["kpi"] = {"kpi": {"total": self.kpi[0][i][t], "failed": self.kpi[1][i][t]}}
        return arm

    def arm(self, t: int) -> dict[str, Any]:
        requests, errors, latency, kpi = self.sums
        arm: dict[str, Any] = {"requests": requests[t], "errors": errors[t], "latency": latency[t]}
        if kpi is not None:
            arm["kpi"] = {"kpi": {"total": kpi[0][t], "failed": kpi[1][t]}}
        return arm


def _rows(rng: Rng, course: Course, usual: float, *, kpi: bool) -> Rows:
    sent = rng.poisson(usual * course.load)
    requests = rng.binomial(sent, 1.0 - course.hang)
    mean = course.clustered
    if mean > 1.0:
        causes = rng.binomial(requests, np.minimum(course.errors / mean, 1.0))
        errors = causes + rng.negative_binomial(np.maximum(causes, 1), 1.0 / mean) * (causes > 0)
        # Retries come to any instance of the arm, one by one.
        spread = rng.multinomial(errors.sum(axis=0), [1.0 / len(errors)] * len(errors)).T
        requests = requests - np.minimum(requests, causes) + spread
        errors = spread
    else:
        errors = rng.binomial(requests, np.minimum(course.errors, 1.0))
    extra = course.extra.astype(int)
    index = np.clip(np.rint(course.scale / SCALE_STEP).astype(int) + 250, 0, 500)
    shares = _SCALES[index] * (1.0 - course.slow)[..., None] + course.slow[..., None] * SLOW
    if course.tail.any():
        shares = np.where(course.tail[..., None] > 0.0, _TAIL, shares)
    latency = rng.multinomial(requests, shares)
    latency[..., 0] += extra
    requests, errors = requests + extra, errors + extra
    events = None
    if kpi:
        total = rng.binomial(requests, KPI_SHARE)
        events = (total, rng.binomial(total, np.minimum(course.kpi, 1.0)))
    return Rows(
        requests=requests.tolist(),
        errors=errors.tolist(),
        latency=latency.tolist(),
        kpi=None if events is None else (events[0].tolist(), events[1].tolist()),
        sums=(
            requests.sum(axis=0).tolist(),
            errors.sum(axis=0).tolist(),
            latency.sum(axis=0).tolist(),
            None if events is None else (events[0].sum(axis=0).tolist(), events[1].sum(axis=0).tolist()),
        ),
    )


def wander(rng: Rng, shape: tuple[int, ...], every: float, sd: float, memory_s: float) -> Array:
    """An AR(1) course along the last axis: standard deviation `sd`, correlation 1/e after `memory_s`."""
    keep = math.exp(-every / memory_s)
    kicks = rng.normal(0.0, sd * math.sqrt(1.0 - keep * keep), shape)
    course = np.empty(shape)
    now = rng.normal(0.0, sd, shape[:-1])
    for t in range(shape[-1]):
        now = now * keep + kicks[..., t]
        course[..., t] = now
    return course


def episodes(rng: Rng, course: Course, every_s: float, mean_s: float) -> Array:
    """Share of each interval in which an instance is in an episode (Poisson starts, exponential lengths)."""
    share = np.zeros(course.errors.shape)
    begin, end = float(course.seconds[0] - course.every), float(course.seconds[-1])
    for instance in range(len(share)):
        at = begin - 5.0 * mean_s
        while (at := at + rng.exponential(every_s)) < end:
            share[instance] += window(course, at, rng.exponential(mean_s))
    return np.minimum(share, 1.0)


def window(course: Course, start: float, length: float) -> Array:
    """Share of each interval inside [start, start + length)."""
    lap = np.minimum(start + length, course.seconds) - np.maximum(start, course.seconds - course.every)
    return np.asarray(np.clip(lap, 0.0, None) / course.every)
