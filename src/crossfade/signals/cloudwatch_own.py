"""
Metrics that a user names, filled in for a side: pairs of counts for the judge, one metric with a limit. Pure.

A metric is found by exactly the dimensions it was published with; in their values stand `{revision}`,
`{target_group}` and `{load_balancer}` for what differs between the sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossfade.release.plan import Plan
from crossfade.release.values import Side
from crossfade.signals.arms import Arms, ArmsOf
from crossfade.signals.cloudwatch_asked import Metric, Pair


def own_pairs(plan: Plan, arms: Arms) -> Mapping[Side, Mapping[str, Pair]]:
    """The plan's pairs of counts, for each side."""
    asked: Any = plan.judging.get("kpi") or {}
    return {side: {name: _pair(plan, side, one, arms) for name, one in asked.items()} for side in Side}


def own_metric(plan: Plan, gate: str, arms: ArmsOf) -> Metric:
    """The metric of a gate, of the candidate; `arms` is asked only where a name needs it."""
    asked: Any = plan.judging["metrics"]
    one = asked[gate]
    dimensions = dict(one["dimensions"])
    needs = any("{target_group}" in text or "{load_balancer}" in text for text in dimensions.values())
    found = arms(plan) if needs else None
    return _metric(one["metric"], _filled(dimensions, plan, Side.CANDIDATE, found), str(one["stat"]))


def is_of_a_side(asked: Mapping[str, Any]) -> bool:
    """Whether a gate's metric is of one side, so that there is none before the candidate serves."""
    return any("{revision}" in text or "{target_group}" in text for text in asked["dimensions"].values())


def _pair(plan: Plan, side: Side, asked: Mapping[str, Any], arms: Arms) -> Pair:
    where = _filled(dict(asked["dimensions"]), plan, side, arms)
    return Pair(
        total=_metric(asked["total"], where, "Sum"),
        part=_metric(asked["part"], where, "Sum"),
        part_is_failure=bool(asked["part_is_failure"]),
    )


def _metric(text: str, dimensions: Mapping[str, str], stat: str) -> Metric:
    namespace, _, name = text.rpartition("/")
    return Metric(namespace=namespace, name=name, dimensions=tuple(sorted(dimensions.items())), stat=stat)


def _filled(dimensions: Mapping[str, str], plan: Plan, side: Side, arms: Arms | None) -> Mapping[str, str]:
    words = {"{revision}": (plan.stable or "") if side is Side.STABLE else plan.candidate}
    if arms is not None:
        words |= {"{target_group}": arms.group(side), "{load_balancer}": arms.load_balancer}
    return {name: _with(text, words) for name, text in dimensions.items()}


def _with(text: str, words: Mapping[str, str]) -> str:
    for word, meant in words.items():
        text = text.replace(word, meant)
    return text
