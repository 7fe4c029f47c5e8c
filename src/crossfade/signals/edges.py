"""
Few latency edges, well placed: for sources where every bucket is a question that is paid for. Pure.

The judge cuts latency at an edge near each of stable's quantiles and compares with the edge at
`at_most` times it; what a bake can see it reads at `must_see`. So edges stand there, on one grid
whose steps multiply to `at_most`, and nowhere between. Where nothing is known of stable a plain
grid has to do, which costs about twice as much.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log
from typing import Final

STEP: Final = 1.3
"""No step of the grid is longer than this: a quantile lies within 14 % of an edge."""

SHORTEST: Final = 1.05
"""Nor shorter: `at_most: 1x` would make a grid of endless edges."""

ABOVE: Final = (2.0, 4.0, 8.0)
"""Times the highest limit at which more edges stand, so that much slower requests have a figure."""

UNKNOWN_MS: Final = (2.0, 30_000.0)
"""Where nothing is known of stable, from here to here."""

DIGITS: Final = 4
"""Significant digits of an edge; the judge takes half a per cent for the same."""

SAME: Final = 0.004
"""Two edges that are nearer to each other than this part are one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the latency gate will ask of the buckets."""

    at_most: float
    must_see: float
    limits_ms: tuple[float, ...] = ()
    """Absolute limits."""


def edges(stable_ms: Iterable[float], wish: Wish) -> tuple[float, ...]:
    """Edges in ms, rising, for stable's times at the quantiles that are asked for."""
    times = sorted(time for time in stable_ms if time > 0)
    step, most = _step(wish.at_most)
    if times:
        on_grid = {times[-1] * step**place for place in _places(times, step, most, wish.must_see)}
    else:
        low, high = UNKNOWN_MS
        on_grid = {low * step**place for place in range(ceil(log(high / low) / log(step)) + 1)}
    partners = (limit * wish.at_most for limit in wish.limits_ms)
    return _thinned(wish.limits_ms, (partners, on_grid))


def _step(at_most: float) -> tuple[float, int]:
    """(the grid's step, how many of them are `at_most`)."""
    if at_most < SHORTEST:
        return STEP, 0
    many = ceil(log(at_most) / log(STEP) - 1e-9)
    return at_most ** (1.0 / many), many


def _places(times: Sequence[float], step: float, most: int, must_see: float) -> set[int]:
    """Places on the grid; 0 is the highest quantile's time itself."""
    quantiles = [round(log(time / times[-1]) / log(step)) for time in times]
    found: set[int] = set()
    for place in quantiles:
        seen = place + most - log(must_see) / log(step)
        found |= {*range(place - 1, place + most + 2), floor(seen), ceil(seen)}
    top = quantiles[-1] + most
    return found | {top + round(log(more) / log(step)) for more in ABOVE}


def _thinned(limits: Iterable[float], beside: Iterable[Iterable[float]]) -> tuple[float, ...]:
    """Rounded and rising: every limit where it was asked for, of the rest what stands apart."""
    kept = sorted({_rounded(limit) for limit in limits})
    for kind in beside:
        for edge in sorted({_rounded(one) for one in kind}):
            if all(abs(edge - other) > SAME * other for other in kept):
                kept.append(edge)
    return tuple(sorted(kept))


def _rounded(edge: float) -> float:
    return float(f"{edge:.{DIGITS}g}")
