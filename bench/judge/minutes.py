"""
One-minute points: what a tool that queries its metrics once a minute gets to see.

The peers in `peers.py` and `kayenta.py` look at minute ends only. Arms are kept
by reference until then, and a row of buckets is added up when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

Arm: TypeAlias = Mapping[str, Any]
Header: TypeAlias = Mapping[str, Any]
Interval: TypeAlias = Mapping[str, Any]
Pair: TypeAlias = tuple[float, float]
"""(failures, trials)"""

MINUTE_S = 60.0
LATENCY = "latency"
SLACK_S = 1e-6
"""Ends of intervals are sums of floats."""


def gates_of(header: Header) -> tuple[str, ...]:
    """The gates asked for; any name but `errors` and `latency` is a KPI's."""
    gates: Mapping[str, Any] | None = header.get("gates")
    return ("errors", LATENCY) if gates is None else tuple(gates)


def pair_of(arm: Arm, gate: str) -> Pair | None:
    """(failures, trials) of `errors` or of a KPI; None where the arm does not report it."""
    if gate == "errors":
        return arm["errors"], arm["requests"]
    counts = (arm.get("kpi") or {}).get(gate)
    return None if counts is None else (counts["failed"], counts["total"])


class Point:
    """Counts of one arm over a minute, or over any set of intervals."""

    def __init__(self, arms: Sequence[Arm]) -> None:
        self._arms = arms

    def pair(self, gate: str) -> Pair | None:
        """Failures and trials; None where nothing reports them."""
        found = [pair for arm in self._arms if (pair := pair_of(arm, gate)) is not None]
        return (sum(e for e, _ in found), sum(n for _, n in found)) if found else None

    @cached_property
    def latency(self) -> list[float]:
        """Requests per bucket; empty where nothing reports them."""
        return [sum(column) for column in zip(*(arm["latency"] for arm in self._rows), strict=True)]

    @property
    def _rows(self) -> list[Arm]:
        return [arm for arm in self._arms if arm.get("latency")]

    def trials(self, gate: str) -> float | None:
        """Trials of any gate, latency as well; None where nothing reports it."""
        if gate == LATENCY:
            return sum(self.latency) if self.latency else None
        pair = self.pair(gate)
        return None if pair is None else pair[1]


class Minutes:
    """Gathers intervals into minutes, counted from the start of the first one."""

    def __init__(self) -> None:
        self._candidate: list[Arm] = []
        self._stable: list[Arm] = []
        self._next_s = -1.0
        self.number = 0
        """Minutes that have ended."""

    def add(self, interval: Interval) -> tuple[Point, Point] | None:
        """The points of candidate and stable when this interval ends a minute."""
        if self._next_s < 0.0:
            self._next_s = interval["start"] + MINUTE_S
        self._candidate.append(interval["candidate"])
        self._stable.append(interval["stable"])
        if interval["end"] < self._next_s - SLACK_S:
            return None
        ended = Point(self._candidate), Point(self._stable)
        self._candidate, self._stable = [], []
        self._next_s += MINUTE_S
        self.number += 1
        return ended


def quantile_ms(row: Sequence[float], edges: Sequence[float], quantile: float) -> float:
    """The time at a quantile as Prometheus' `histogram_quantile` works it out; NaN without requests.

    Evenly spread inside a bucket, the lowest one from 0; beyond the last edge that edge is said.
    """
    wanted = quantile * sum(row)
    if wanted <= 0.0:
        return float("nan")
    below = 0.0
    for index, count in enumerate(row[:-1]):
        if count > 0.0 and below + count >= wanted:
            low = edges[index - 1] if index else 0.0
            return low + (edges[index] - low) * (wanted - below) / count
        below += count
    return edges[-1]


def before(header: Header) -> Point:
    """The history as one point; both halves of the fleet ran the same version then."""
    past: Sequence[Interval] = header.get("history") or ()
    return Point([arm for seen in past for arm in (seen.get("stable"), seen.get("candidate")) if arm])
