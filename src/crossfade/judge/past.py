"""
What the history says before the first request: where latency is cut, what is
normal, how noisy the service is, and whether its instances are alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from crossfade.judge import budget
from crossfade.judge.cuts import LEAST_REQUESTS, choose, limit_edge
from crossfade.judge.inputs import Counts, Rule, Seen, Settings, total
from crossfade.judge.noise import CALM, instance_spread, wandering
from crossfade.judge.table import Kind, Pair, Table
from crossfade.judge.types import BadCountsError

Minutes: TypeAlias = Sequence[Sequence[Counts]]
"""What each of stable's instances did, minute by minute."""
LOOK_BACK_S = 900.0
WINDOW_S = 60.0
TEMPERED_FROM, MOST_TEMPER = 1.2, 8.0
"""Variance ratio from which evidence is tempered; by at most so much, since harm has to stay visible
in a restless fleet.
"""
ALIKE_SHARE, UNLIKE_SHARE = 0.9, 0.75
"""Part of the way to the threshold that one instance may bring alone."""


def recent(history: Sequence[Seen]) -> tuple[Seen, ...]:
    """The last quarter of an hour of the history."""
    if not history:
        return ()
    since = max(seen.end for seen in history) - LOOK_BACK_S
    return tuple(seen for seen in history if seen.end > since)


def fleet(seen: Seen) -> Counts | None:
    """The whole fleet in an interval before the release: both halves ran the same version."""
    halves = [arm for arm in (seen.stable, seen.candidate) if arm is not None]
    return total(halves) if halves else None


def first_tables(settings: Settings) -> list[Table]:
    """Tables that need no cuts: errors, KPIs, absolute limits.

    Raises `BadCountsError` for a limit that no bucket can show.
    """
    rules, kinds = settings.rules, []
    for rule in rules:
        if rule.kind == "latency" and not settings.edges_ms:
            raise BadCountsError("a latency gate needs edges_ms")
        if rule.kind != "latency":
            kinds.append(Kind(rule=rule, weight=budget.gate_weight(rules, rule) / _own(rule)))
        for quantile, limit in rule.max:
            weight = budget.limit_weight(rules, rule) / (1.0 if rule.stop else _own(rule))
            kinds.append(_limit(settings, rule, weight, quantile, limit))
    return [_table(settings, kind) for kind in kinds]


def _own(rule: Rule) -> float:
    """How many ways an observed gate's own budget is split."""
    return 1.0 if rule.stop else 1.0 + len(rule.max)


def _limit(settings: Settings, rule: Rule, weight: float, quantile: float | None, limit: float) -> Kind:
    if quantile is None:
        return Kind(rule=rule, weight=weight, limit=limit)
    edge = limit_edge(settings.edges_ms, limit)
    if edge is None:
        raise BadCountsError(
            f"{rule.name}.max {limit:g} ms lies above the last edge {settings.edges_ms[-1]:g} ms"
        )
    return Kind(
        rule=rule,
        weight=weight,
        limit=1.0 - quantile,
        limit_cut=edge,
        limit_ms=settings.edges_ms[edge],
        at=quantile,
    )


def latency_tables(settings: Settings, rows: Sequence[Sequence[float]]) -> list[Table]:
    """Tables of the latency gate, cut where stable's `rows` of buckets say; none if they are
    too few.
    """
    rule = next((rule for rule in settings.rules if rule.kind == "latency"), None)
    filled = [row for row in rows if row]
    if rule is None or not filled:
        return []
    row = [sum(column) for column in zip(*filled, strict=True)]
    if sum(row) < LEAST_REQUESTS:
        return []
    cuts = choose(row, settings.edges_ms, rule.at_most, rule.at)
    tables = []
    for cut in cuts:
        weight = budget.gate_weight(settings.rules, rule) / len(cuts) / _own(rule)
        kind = Kind(rule=rule, weight=weight, cut=cut, limit_ms=cut.limit_ms, at=cut.at)
        tables.append(_table(settings, kind, rows))
    return tables


def _table(settings: Settings, kind: Kind, rows: Sequence[Sequence[float]] = ()) -> Table:
    arms = (
        [Counts(latency=tuple(row), kpi={}) for row in rows]
        if rows
        else [arm for seen in recent(settings.history) if (arm := fleet(seen)) is not None]
    )
    pairs = [kind.counts(arm, candidate=False) for arm in arms]
    past = (sum(e for e, _ in pairs), sum(n for _, n in pairs))
    table = Table(kind=kind, alpha=settings.alpha, method=settings.method, past=past)
    for failures, trials in pairs:
        table.noise.add(failures, trials)
    table.noise.cut()
    return table


def history_rows(settings: Settings) -> list[tuple[float, ...]]:
    """Stable's buckets of the last quarter of an hour, one row per interval."""
    arms = [fleet(seen) for seen in recent(settings.history)]
    return [arm.latency for arm in arms if arm is not None]


def minutes(settings: Settings) -> Minutes:
    """Stable's instances in the history, minute by minute."""
    seen = [one for one in recent(settings.history) if one.stable_instances]
    if not seen:
        return []
    begin = seen[0].start
    found: dict[int, dict[str, list[Counts]]] = {}
    for one in seen:
        window = found.setdefault(int((one.start - begin) // WINDOW_S), {})
        for name, counts in one.stable_instances:
            window.setdefault(name, []).append(counts)
    return [[total(parts) for parts in found[index].values()] for index in sorted(found)]


def instance_share(past: Minutes, tables: Sequence[Table]) -> float:
    """How much one instance may prove alone: more where instances were alike in the past."""
    kinds = [table.kind for table in tables if is_noise(table.kind)]
    if not past or not kinds:
        return UNLIKE_SHARE
    alike = all(instance_spread(_pairs(kind, past)) <= CALM for kind in kinds)
    return ALIKE_SHARE if alike else UNLIKE_SHARE


def temper(past: Minutes, tables: Sequence[Table]) -> None:
    """Tells each table by how much its evidence is too sure, where instances wander by themselves."""
    for table in tables:
        if table.method.tempers and is_noise(table.kind):
            usual = wandering(_pairs(table.kind, past))
            table.temper = min(max(1.0, usual / TEMPERED_FROM), MOST_TEMPER)


def _pairs(kind: Kind, past: Minutes) -> Iterator[list[Pair]]:
    """(failures, trials) of a table, per minute and instance."""
    return ([kind.counts(counts, candidate=False) for counts in minute] for minute in past)


def is_noise(kind: Kind) -> bool:
    """Whether a table says something about noise: errors and latency against stable do."""
    return kind.limit is None and kind.rule.kind != "kpi"


def is_quiet(tables: Sequence[Table]) -> bool:
    """Whether stable's own failures, up to now, came no more in bursts than chance makes them."""
    phis = [table.noise.phi for table in tables if is_noise(table.kind)]
    return bool(phis) and max(phis) <= CALM
