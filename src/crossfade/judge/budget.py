"""
Which tables and lanes share the one budget for false stops, and with what weight.

E = sum of weight * evidence over all of them; the weights add up to 1, so that
the chance of `E >= 1/alpha` in a healthy release is at most alpha, however the
gates hang together (R31). This beats dividing alpha everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossfade.judge.inputs import Rule

OUTAGE, TRAFFIC = 0.10, 0.05
KINDS = {"errors": 0.4, "latency": 0.4, "kpi": 0.2}
ABSOLUTE = 0.1
"""All absolute limits together, before the lanes' part."""
FIRST_START = 0.7
"""Part of a table's start weight that is on its first block."""
OUTAGE_FIRST_START = 0.9
"""The same for the outage lane: two scrapes of a dead candidate have to be enough."""
STEP_START = 0.3
"""Part of the rest that is put on the start of a step."""
RASTER_S = 30.0


def gate_weight(rules: Sequence[Rule], rule: Rule) -> float:
    """Weight of a gate's comparison with stable, to be split over its tables.

    A gate in `mode: observe` takes nothing; it gets a budget of its own, 1.
    """
    if not rule.stop:
        return 1.0
    return (1.0 - lanes(rules)) * _raw(rules, rule) / _all(rules)


def limit_weight(rules: Sequence[Rule], rule: Rule) -> float:
    """Weight of each of a gate's absolute limits."""
    if not rule.stop:
        return 1.0
    limits = sum(len(other.max) for other in rules if other.stop)
    return (1.0 - lanes(rules)) * ABSOLUTE / limits / _all(rules)


def outage_weight(rules: Sequence[Rule]) -> float:
    """0 where errors are only observed: then the lane is too."""
    if any(rule.kind == "errors" and not rule.stop for rule in rules):
        return 0.0
    return OUTAGE if _all(rules) > 0.0 else OUTAGE / (OUTAGE + TRAFFIC)


def traffic_weight(rules: Sequence[Rule]) -> float:
    return TRAFFIC if _all(rules) > 0.0 else 1.0 - outage_weight(rules)


def lanes(rules: Sequence[Rule]) -> float:
    return outage_weight(rules) + traffic_weight(rules)


def _raw(rules: Sequence[Rule], rule: Rule) -> float:
    same = sum(1 for other in rules if other.stop and other.kind == rule.kind)
    return KINDS[rule.kind] / same


def _all(rules: Sequence[Rule]) -> float:
    stopping = [rule for rule in rules if rule.stop]
    limits = ABSOLUTE if any(rule.max for rule in stopping) else 0.0
    return sum(_raw(rules, rule) for rule in stopping) + limits
