"""
Can this bake see it? How many requests it takes to see a gate's `must_see`.

Expected evidence per candidate request is I = KL(p_c || c0) + (1-w)/w KL(p_b || b0)
against stable, and KL(p_c || floor) against the floor; the slower of both counts.
The need is log(1/alpha) - log(0.7 * weight of the table) + 1.2 nats (1.2: price of
not knowing the effect). 90 % power: expected evidence less 1.28 standard deviations
reaches the need, no block adds more than its cap, and there is time for enough
blocks.

The same formula answers before the release (`ahead.py`) and in every verdict
(`verdict.py`, with what really came).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, log, sqrt
from statistics import NormalDist

from crossfade.judge import budget
from crossfade.judge.bet import project, shift
from crossfade.judge.caps import Braking
from crossfade.judge.inputs import Rule

Z90 = 1.2816
NEVER_S = 30 * 86400.0
"""What would take a month is said to be never."""
PRICE = 1.2
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A regression of one table: shares of failures of stable and of the sick candidate."""

    stable: float
    candidate: float
    rho: float
    floor: float
    temper: float = 1.0
    """What evidence about it is divided by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Traffic that was seen, or will be, at one split."""

    candidate: float
    stable: float
    seconds: float


NO_TRAFFIC = Part(candidate=0.0, stable=0.0, seconds=0.0)


def need_nats(alpha: float, weight: float) -> float:
    return log(1.0 / alpha) - log(budget.FIRST_START * weight) + PRICE


def growth(effect: Effect, w: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """(mean, variance) of evidence per candidate request, against stable and against the floor."""
    p_b, p_c = effect.stable, effect.candidate
    against_floor = _gain(p_c, effect.floor) if effect.floor > 0.0 else (inf, 0.0)
    if p_c <= shift(p_b, effect.rho):
        return (0.0, 0.0), against_floor
    b0, c0 = project(p_b, p_c, w, effect.rho)
    mean_c, var_c = _gain(p_c, c0)
    mean_b, var_b = _gain(p_b, b0)
    times = (1.0 - w) / w
    return (mean_c + times * mean_b, var_c + times * var_b), against_floor


def _gain(p: float, null: float) -> tuple[float, float]:
    p, null = min(max(p, 1e-9), 1.0 - 1e-9), min(max(null, 1e-9), 1.0 - 1e-9)
    bad, good = log(p / null), log((1.0 - p) / (1.0 - null))
    return p * bad + (1.0 - p) * good, p * (1.0 - p) * (bad - good) ** 2


def missing_s(effect: Effect, parts: Sequence[Part], pace: Part, need: float, brake: Braking) -> float | None:
    """Seconds more, at the pace given, until the effect would have been seen; 0: it would.

    None: never at this pace.
    """
    got = [[0.0, 0.0], [0.0, 0.0]]
    seconds = 0.0
    for part in parts:
        if part.candidate > 0.0 and part.stable > 0.0:
            seconds += part.seconds
            for sums, rate in zip(got, _rates(effect, part, brake), strict=True):
                sums[0] += rate[0] * part.seconds
                sums[1] += rate[1] * part.seconds
    flows = pace.candidate > 0.0 and pace.stable > 0.0
    rates = _rates(effect, pace, brake) if flows else ((0.0, 0.0), (0.0, 0.0))
    share = pace.candidate / (pace.candidate + pace.stable) if flows else 0.1
    cap, unit_s = brake.cap(share)
    times = ceil(need / cap) * unit_s - seconds
    for sums, rate in zip(got, rates, strict=True):
        more = _until(sums[0], sums[1], rate[0], rate[1], need)
        if more is None:
            return None
        times = max(times, more)
    return max(times, 0.0) if flows or times <= 0.0 else None


def _rates(effect: Effect, part: Part, brake: Braking) -> tuple[tuple[float, float], tuple[float, float]]:
    """(mean, variance) of evidence per second, braked as blocks or the bucket are."""
    w = part.candidate / (part.candidate + part.stable)
    cap, unit_s = brake.cap(w)
    in_unit = part.candidate / part.seconds * unit_s
    braked = []
    for mean, variance in growth(effect, w):
        if mean == inf:
            braked.append((cap / unit_s, 0.0))
            continue
        mean_t, variance_t = mean / effect.temper, variance / effect.temper**2
        kept, spread = _capped(mean_t * in_unit, variance_t * in_unit, cap)
        braked.append((kept / unit_s, spread / unit_s))
    return braked[0], braked[1]


def _capped(mean: float, variance: float, cap: float) -> tuple[float, float]:
    """Mean and variance of min(X, cap) for a normal X: what the brake leaves of a block."""
    if variance <= 0.0:
        return min(mean, cap), 0.0
    sigma = sqrt(variance)
    d = (cap - mean) / sigma
    under, density = _NORMAL.cdf(d), _NORMAL.pdf(d)
    first = mean * under - sigma * density + cap * (1.0 - under)
    second = (mean * mean + variance) * under - sigma * (mean + cap) * density
    return first, max(second + cap * cap * (1.0 - under) - first * first, 0.0)


def _until(got: float, spread: float, mean: float, variance: float, need: float) -> float | None:
    """Least t >= 0 with got + mean t - Z90 sqrt(spread + variance t) >= need."""
    if got - Z90 * sqrt(spread) >= need:
        return 0.0
    if mean <= 1e-12:
        return None
    # Squared: mean² t² + (2 mean short - Z² variance) t + short² - Z² spread = 0, short = got - need;
    # the larger root is the one where the left side is positive.
    short, z2 = got - need, Z90 * Z90
    half = (z2 * variance - 2.0 * mean * short) / 2.0
    under = half * half - mean * mean * (short * short - z2 * spread)
    seconds = max((half + sqrt(max(under, 0.0))) / (mean * mean), 0.0)
    return seconds if seconds <= NEVER_S else None


def error_effect(rule: Rule, stable: float) -> Effect:
    """`must_see` more failures than stable's; never less than half again what is tolerated."""
    seen = max(min(stable + rule.must_see, 0.999), shift(stable, 1.5 * rule.at_most))
    return Effect(stable=stable, candidate=seen, rho=rule.at_most, floor=rule.ignore_below)


def latency_effect(rule: Rule, stable: float, candidate: float) -> Effect:
    """`candidate`: share slower than the candidate's edge once all is `must_see` times slower."""
    return Effect(stable=stable, candidate=candidate, rho=1.0, floor=rule.ignore_below)
