"""
The ratio a person is shown, with its interval. For the chart only: no verdict is made of it.

It assumes independent events and knows no brakes, so it may look surer than the
evidence is.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, sqrt

from crossfade.judge.cuts import quantile_ms
from crossfade.judge.process import log_total

WIDEST = 64.0
POINTS = 121
CHART_ALPHA = 0.05
_LOGS = [log(WIDEST) * (2.0 * i / (POINTS - 1) - 1.0) for i in range(POINTS)]
_RATIOS = [exp(value) for value in _LOGS]

Spread = tuple[float | None, float | None, float | None]
"""(ratio, low, high); None: cannot be said."""


def rate_ratio(e_c: float, n_c: float, e_b: float, n_b: float) -> Spread:
    """Ratio of two failure rates, with a 95 % confidence sequence on a grid of 1/64..64.

    {r: LL(r) > log mean exp LL + log alpha}, LL the conditional likelihood of the
    split: exact for Poisson counts, conservative for shares.
    """
    if n_c <= 0.0 or n_b <= 0.0 or e_c + e_b <= 0.0:
        return None, None, None
    events = e_c + e_b
    likely = [e_c * at - events * log(r * n_c + n_b) for at, r in zip(_LOGS, _RATIOS, strict=True)]
    least = log_total(likely) - log(POINTS) + log(CHART_ALPHA)
    inside = [r for r, value in zip(_RATIOS, likely, strict=True) if value > least]
    low = inside[0] if inside and inside[0] > _RATIOS[0] else None
    high = inside[-1] if inside and inside[-1] < _RATIOS[-1] else None
    ratio = (e_c / n_c) / (e_b / n_b) if e_b > 0.0 else None
    if ratio is not None:
        low = None if low is None else min(low, ratio)
        high = None if high is None else max(high, ratio)
    return ratio, low, high


def time_ratio(
    candidate: Sequence[float], stable: Sequence[float], edges: Sequence[float], quantile: float
) -> Spread:
    """Ratio of the arms' times at a quantile, from their buckets.

    The interval comes from bands around each arm's distribution that hold at every
    sample size (Howard and Ramdas 2022, fixed quantile), each at half the chance of a miss.
    """
    ours, theirs = quantile_ms(candidate, edges, quantile), quantile_ms(stable, edges, quantile)
    if ours is None or theirs is None:
        return None, None, None
    wide_c, wide_b = _band(sum(candidate), quantile), _band(sum(stable), quantile)

    def at(row: Sequence[float], level: float) -> float | None:
        return quantile_ms(row, edges, level) if 0.0 < level < 1.0 else None

    low_c, high_c = at(candidate, quantile - wide_c), at(candidate, quantile + wide_c)
    low_b, high_b = at(stable, quantile - wide_b), at(stable, quantile + wide_b)
    low = low_c / high_b if low_c is not None and high_b is not None else None
    high = high_c / low_b if high_c is not None and low_b is not None else None
    return ours / theirs, low, high


def _band(requests: float, quantile: float) -> float:
    if requests < 2.0:
        return 1.0
    loops = max(log(max(log(2.1 * requests), 1.0)), 0.0)
    level = (1.4 * loops + log(10.0 / (CHART_ALPHA / 2.0))) / requests
    return 1.5 * sqrt(quantile * (1.0 - quantile) * level) + 0.8 * level
