"""
Before the release: can this bake see what it must see?

The formula is `planning.py`'s; here are the rates it is asked about, from the history or assumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log
from statistics import NormalDist
from typing import Any

from crossfade.judge import budget, past
from crossfade.judge.caps import Braking, block_s_of
from crossfade.judge.cuts import DEEP, choose, share_slower
from crossfade.judge.inputs import Rule, Settings, read_header, read_number, read_share, total
from crossfade.judge.planning import Effect, Part, error_effect, latency_effect, missing_s, need_nats
from crossfade.judge.table import Table
from crossfade.judge.types import Needs

SIGMA = 0.6
"""Latency without a history: log-normal with p99 four times p50."""
_NORMAL = NormalDist()


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
    instances: int = 1,
    preset: str = "normal",
) -> dict[str, Needs]:
    """What each gate that may stop the release needs at this traffic (all requests per second)
    and this weight (0..1).

    Stable's rates come from `history` (intervals, with `edges_ms`); without one
    `stable_errors` is the share of failures and latency is taken as log-normal with p99 four
    times p50. `kpi`: name -> (events per second, share failed) for KPIs the history lacks; a KPI
    known from neither has no answer (None). `instances`: candidate instances with counts of their
    own; two or more are judged faster where the history was quiet. Weights 0 and 1 leave
    nothing to compare: all None.
    Raises `BadCountsError` for what cannot be meant.
    """
    read_number(requests_per_s, "requests_per_s")
    read_share(stable_errors, "stable_errors")
    for name, (per_s, share) in (kpi or {}).items():
        read_number(per_s, name)
        read_share(share, name)
    asked = {
        "gates": gates,
        "alpha": alpha,
        "weight": weight,
        "bake_s": bake_s,
        "warm_up_s": warm_up_s,
        "preset": preset,
    }
    settings = read_header({**asked, "edges_ms": edges_ms, "history": history})
    rules, seen = settings.rules, settings.history
    halves = [arm for one in seen for arm in (one.stable, one.candidate) if arm is not None]
    fleet = total(halves) if halves else None
    long_s = sum(one.seconds for one in seen)
    noise = _tables(settings)
    past.temper(past.minutes(settings), noise)
    brake = Braking(
        block_s=block_s_of(bake_s),
        bucket=instances >= 2,
        quiet=not settings.careful and past.is_quiet(noise),
    )
    answers: dict[str, Needs] = {}
    for rule in rules:
        if not rule.stop:
            continue
        per_s, muted = requests_per_s, 0.0
        if rule.kind == "errors":
            share = fleet.errors / fleet.requests if fleet and fleet.requests > 0.0 else stable_errors
            effects = [error_effect(rule, share)]
            tables = 1
        elif rule.kind == "latency":
            row = fleet.latency if fleet else ()
            effects, tables = _latency_effects(rule, row, tuple(edges_ms))
            muted = warm_up_s
        else:
            tables = 1
            events = (kpi or {}).get(rule.name)
            if fleet and rule.name in fleet.kpi and fleet.kpi[rule.name][0] > 0.0:
                count, failed = fleet.kpi[rule.name]
                events = (count / long_s, failed / count)
            per_s, share = events if events is not None else (0.0, 0.0)
            effects = [error_effect(rule, share)]
        pace = Part(candidate=per_s * weight, stable=per_s * (1.0 - weight), seconds=1.0)
        need = need_nats(alpha, budget.gate_weight(rules, rule) / tables)
        temper = max([table.temper for table in noise if table.kind.rule is rule], default=1.0)
        times = [missing_s(replace(effect, temper=temper), (), pace, need, brake) for effect in effects]
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


def _tables(settings: Settings) -> list[Table]:
    if not settings.edges_ms:
        return []
    rows = past.history_rows(settings)
    return [*past.first_tables(settings), *past.latency_tables(settings, rows)]


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
