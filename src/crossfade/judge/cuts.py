"""
Where latency is cut: bucket edges of stable's near its quantiles, and their partners.

Counts can be cut at edges only. For each quantile the edge `c` is taken whose
share of slower requests is nearest (in log odds), and for the candidate the
next edge at or above `at_most * c`. The ratio really tested is the ratio of the two
edges: 1.25 on a grid of sqrt(1.25), more on a coarser one; the verdict names it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

DEEP = 0.997
"""A cut nobody asks for: a slow path for few requests shows here, and only here."""
ROUNDED = 0.995
"""Edges are written with few digits: so much below `at_most * c` still counts as it."""
LEAST_REQUESTS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Stable slower than edge `stable` against the candidate slower than edge `candidate`."""

    at: float
    stable: int
    candidate: int
    cut_ms: float
    limit_ms: float

    @property
    def ratio(self) -> float:
        return self.limit_ms / self.cut_ms


def slower(row: Sequence[float], edge: int) -> tuple[float, float]:
    """(requests slower than the edge, requests) of a row of buckets."""
    return (sum(row[edge + 1 :]), sum(row)) if row else (0.0, 0.0)


def choose(
    row: Sequence[float], edges: Sequence[float], at_most: float, at: Sequence[float]
) -> tuple[Cut, ...]:
    """The cuts for these quantiles and the deep one, without duplicates; stable's past is `row`."""
    usable = [index for index in range(len(edges)) if partner(edges, index, at_most) is not None]
    requests = sum(row)
    if not usable or requests <= 0.0:
        return ()
    found: dict[int, Cut] = {}
    for quantile in (*sorted(at), DEEP):
        wanted = log((1.0 - quantile) / quantile)

        def miss(edge: int, wanted: float = wanted) -> float:
            above = slower(row, edge)[0]
            return abs(log((above + 0.01) / (requests - above + 0.01)) - wanted)

        edge = min(usable, key=miss)
        other = partner(edges, edge, at_most)
        if other is None or (edge in found and quantile == DEEP):
            continue
        found[edge] = Cut(
            at=quantile,
            stable=edge,
            candidate=other,
            cut_ms=edges[edge],
            limit_ms=edges[other],
        )
    return tuple(found[edge] for edge in sorted(found))


def partner(edges: Sequence[float], edge: int, at_most: float) -> int | None:
    """The first edge at or above `at_most` times this one; None beyond the last."""
    index = max(edge, bisect_left(edges, at_most * edges[edge] * ROUNDED))
    return index if index < len(edges) else None


def limit_edge(edges: Sequence[float], limit_ms: float) -> int | None:
    """The first edge at or above an absolute limit."""
    index = bisect_left(edges, limit_ms * ROUNDED)
    return index if index < len(edges) else None


def share_slower(row: Sequence[float], edges: Sequence[float], ms: float) -> float:
    """Share of requests slower than any time, even between edges (evenly in log time)."""
    requests = sum(row)
    if requests <= 0.0:
        return 0.0
    index = bisect_left(edges, ms)
    above = sum(row[index + 1 :])
    if index < len(edges):
        high = edges[index]
        low = edges[index - 1] if index else high / 2.0
        inside = (log(high) - log(max(ms, low))) / (log(high) - log(low)) if low > 0.0 else 0.5
        above += row[index] * inside
    return float(above / requests)


def quantile_ms(row: Sequence[float], edges: Sequence[float], quantile: float) -> float | None:
    """The time at a quantile, evenly in log time inside a bucket; None without requests.

    Above the last edge the last edge is said.
    """
    requests = sum(row)
    if requests <= 0.0:
        return None
    wanted = min(max(quantile, 0.0), 1.0) * requests
    below = 0.0
    for index, count in enumerate(row):
        if count > 0.0 and below + count >= wanted:
            if index >= len(edges):
                return edges[-1]
            high = edges[index]
            low = edges[index - 1] if index else high / 2.0
            return float(low * (high / low) ** ((wanted - below) / count)) if low > 0.0 else high
        below += count
    return edges[-1]
