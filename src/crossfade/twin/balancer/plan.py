"""What Envoy is configured from: the routing in force, and who of each group serves. Frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crossfade.twin.balancer.model import Forward, Listener, Rule, Target, TargetGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A listener where it is really served, with the rules that are in force."""

    listener: Listener
    balancer: str  # ARN
    idle_timeout_s: float
    port: int
    coming: tuple[tuple[Rule, ...], ...] = ()  # rules that will be in force later


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`serving` has every group that a rule in force names; `pace` is twin seconds per real second."""

    seats: tuple[Seat, ...] = ()
    groups: Mapping[str, TargetGroup]
    serving: Mapping[str, tuple[Target, ...]]
    pace: float = 1.0


def named_by(rules: tuple[Rule, ...]) -> set[str]:
    """ARNs of the groups that these rules forward to, at weight 0 too."""
    return {arn for rule in rules if isinstance(rule.action, Forward) for arn, _ in rule.action.groups}
