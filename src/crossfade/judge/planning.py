"""
Can this bake see it? How many requests it takes to see a gate's `must_see`.

Expected evidence per candidate request is I = KL(p_c || c0) + (1-w)/w KL(p_b || b0)
against stable, and KL(p_c || floor) against the floor; the slower of both counts.
The need is log(1/alpha) - log(0.7 * weight of the table) + 1.2 nats (1.2: price of
not knowing the effect). 90 % power: expected evidence less 1.28 standard deviations
reaches the need, no block adds more than its cap, and there is time for enough
blocks.

The same formula answers before the release (`plan`) and after a bake
(`stream.py`, with what really came).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf, log, sqrt
from statistics import NormalDist
from typing import Any

from crossfade.judge import budget
from crossfade.judge.bet import project, shift
from crossfade.judge.cuts import DEEP, choose, share_slower
from crossfade.judge.inputs import Rule, read_header, read_number, read_share, total
from crossfade.judge.types import Needs

Z90 = 1.2816
NEVER_S = 30 * 86400.0
"""What would take a month is said to be never."""
PRICE = 1.2
BLOCK_S = 15.0
LONG_BLOCK_S = 30.0
LONG_BAKE_S = 1200.0
_NORMAL = NormalDist()
SIGMA = 0.6
"""Latency without a history: log-normal with p99 four times p50."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A regression of one table: shares of failures of stable and of the sick candidate."""

    stable: float
    candidate: float
    rho: float
    floor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Traffic that was seen, or will be, at one split."""

    candidate: float
    stable: float
    seconds: float


NO_TRAFFIC = Part(candidate=0.0, stable=0.0, seconds=0.0)


def need_nats(alpha: float, weight: float) -> float:
    return log(1.0 / alpha) - log(budget.FIRST_START * weight) + PRICE


def block_cap(w: float, block_s: float) -> float:
    """Nats that one block may add at a candidate share of `w`: what it can prove if all its
    failures have one cause.
    """
    known = log(1.0 / min(max(w, 1e-6), 1.0))
    if block_s < 45.0:
        return min(max(known, 1.25), 2.3)
    return min(max(1.2 * known, 2.1), 2.7)


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


def missing_s(effect: Effect, parts: Sequence[Part], pace: Part, need: float, block_s: float) -> float | None:
    """Seconds more, at the pace given, until the effect would have been seen; 0: it would.

    None: never at this pace.
    """
    got = [[0.0, 0.0], [0.0, 0.0]]
    seconds = 0.0
    for part in parts:
        if part.candidate > 0.0 and part.stable > 0.0:
            seconds += part.seconds
            for sums, rate in zip(got, _rates(effect, part, block_s), strict=True):
                sums[0] += rate[0] * part.seconds
                sums[1] += rate[1] * part.seconds
    flows = pace.candidate > 0.0 and pace.stable > 0.0
    rates = _rates(effect, pace, block_s) if flows else ((0.0, 0.0), (0.0, 0.0))
    share = pace.candidate / (pace.candidate + pace.stable) if flows else 0.1
    times = ceil(need / block_cap(share, block_s)) * block_s - seconds
    for sums, rate in zip(got, rates, strict=True):
        more = _until(sums[0], sums[1], rate[0], rate[1], need)
        if more is None:
            return None
        times = max(times, more)
    return max(times, 0.0) if flows or times <= 0.0 else None


def _rates(effect: Effect, part: Part, block_s: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """(mean, variance) of evidence per second, braked as blocks are."""
    w = part.candidate / (part.candidate + part.stable)
    in_block = part.candidate / part.seconds * block_s
    cap = block_cap(w, block_s)
    braked = []
    for mean, variance in growth(effect, w):
        if mean == inf:
            braked.append((cap / block_s, 0.0))
            continue
        kept, spread = _capped(mean * in_block, variance * in_block, cap)
        braked.append((kept / block_s, spread / block_s))
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


def plan(
    gates: Mapping[str, Mapping[str, Any]] | None,
    *,
    alpha: float = 0.01,
    weight: float,
    requests_per_s: float,
    bake_s: float,
    warm_up_s: float = 0.0,
    history: Sequence[Mapping[str, Any]] = (),
    edges_ms: Sequence[float] = (),
    stable_errors: float = 0.001,
    kpi: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, Needs]:
    """What each gate that may stop the release needs at this traffic (all requests per second)
    and this weight (0..1).

    Stable's rates come from `history` (intervals, with `edges_ms`); without one
    `stable_errors` is the share of failures and latency is taken as log-normal with p99 four
    times p50. `kpi`: name -> (events per second, share failed) for KPIs the history lacks; a KPI
    known from neither has no answer (None). Weights 0 and 1 leave nothing to compare: all None.
    Raises `BadCountsError` for what cannot be meant.
    """
    read_number(requests_per_s, "requests_per_s")
    read_share(stable_errors, "stable_errors")
    for name, (per_s, share) in (kpi or {}).items():
        read_number(per_s, name)
        read_share(share, name)
    asked = {"gates": gates, "alpha": alpha, "weight": weight, "bake_s": bake_s, "warm_up_s": warm_up_s}
    settings = read_header({**asked, "edges_ms": edges_ms, "history": history})
    rules, seen = settings.rules, settings.history
    halves = [arm for one in seen for arm in (one.stable, one.candidate) if arm is not None]
    past = total(halves) if halves else None
    long_s = sum(one.seconds for one in seen)
    block_s = LONG_BLOCK_S if bake_s > LONG_BAKE_S else BLOCK_S
    answers: dict[str, Needs] = {}
    for rule in rules:
        if not rule.stop:
            continue
        per_s, muted = requests_per_s, 0.0
        if rule.kind == "errors":
            share = past.errors / past.requests if past and past.requests > 0.0 else stable_errors
            effects = [error_effect(rule, share)]
            tables = 1
        elif rule.kind == "latency":
            row = past.latency if past else ()
            effects, tables = _latency_effects(rule, row, tuple(edges_ms))
            muted = warm_up_s
        else:
            tables = 1
            events = (kpi or {}).get(rule.name)
            if past and rule.name in past.kpi and past.kpi[rule.name][0] > 0.0:
                count, failed = past.kpi[rule.name]
                events = (count / long_s, failed / count)
            per_s, share = events if events is not None else (0.0, 0.0)
            effects = [error_effect(rule, share)]
        pace = Part(candidate=per_s * weight, stable=per_s * (1.0 - weight), seconds=1.0)
        need = need_nats(alpha, budget.gate_weight(rules, rule) / tables)
        times = [missing_s(effect, (), pace, need, block_s) for effect in effects]
        known = [time for time in times if time is not None]
        if len(known) < len(times) or not known:
            answers[rule.name] = Needs(requests=None, seconds=None, seen=False)
            continue
        longest = max(known)
        answers[rule.name] = Needs(
            requests=longest * pace.candidate,
            seconds=longest + muted,
            seen=longest + muted <= bake_s,
        )
    return answers


def _latency_effects(rule: Rule, row: Sequence[float], edges: Sequence[float]) -> tuple[list[Effect], int]:
    """One effect for each quantile asked for, and the number of tables."""
    cuts = choose(row, edges, rule.at_most, rule.at) if row else ()
    if cuts:
        found = [
            latency_effect(
                rule,
                share_slower(row, edges, cut.cut_ms),
                share_slower(row, edges, cut.limit_ms / rule.must_see),
            )
            for cut in cuts
            if cut.at != DEEP or DEEP in rule.at
        ]
        return found, len(cuts)
    assumed = []
    for quantile in rule.at:
        z = _NORMAL.inv_cdf(quantile)
        slow = 1.0 - _NORMAL.cdf(z - log(rule.must_see / rule.at_most) / SIGMA)
        assumed.append(latency_effect(rule, 1.0 - quantile, slow))
    return assumed, len({*rule.at, DEEP})
