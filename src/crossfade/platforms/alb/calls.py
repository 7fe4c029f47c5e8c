"""
Every call that the `alb` platform makes of AWS, declared once: the gateway makes no other, and from it
`render iam` writes the least policy that a release needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from crossfade.aws import ANY, Call
from crossfade.platforms.alb.model import Site, is_rule


class On(Enum):
    """The resources that a call is limited to in a policy."""

    ANYTHING = auto()
    """Reads: their action knows no resource."""
    RULES = auto()
    """The production rules and the test rule, where they are rules."""
    LISTENERS = auto()
    """The same, where they are listeners."""
    GROUPS = auto()
    """The two target groups."""
    ROLE = auto()
    """The role that is assumed, where one is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One operation of a service's API."""

    service: str
    action: str
    on: On = On.ANYTHING
    mutating: bool = False


def _reads(*actions: str) -> dict[str, Declared]:
    return {_snake(action): Declared(service="elbv2", action=action) for action in actions}


def _writes(on: On, *actions: str) -> dict[str, Declared]:
    return {
        _snake(action): Declared(service="elbv2", action=action, on=on, mutating=True) for action in actions
    }


def _snake(action: str) -> str:
    """An action as boto3 names it."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in action).lstrip("_")


CALLS: Final[Mapping[str, Declared]] = {
    **_reads("DescribeRules", "DescribeListeners", "DescribeLoadBalancers", "DescribeTargetGroups"),
    **_reads("DescribeTargetGroupAttributes", "DescribeTargetHealth", "DescribeTags"),
    "get_metric_data": Declared(service="cloudwatch", action="GetMetricData"),
    **_writes(On.RULES, "ModifyRule"),
    **_writes(On.LISTENERS, "ModifyListener"),
    **_writes(On.GROUPS, "RegisterTargets", "DeregisterTargets", "AddTags"),
}
"""boto3's name of an operation to what it is."""

_DOOR: Final = (
    Declared(service="sts", action="GetCallerIdentity"),
    Declared(service="sts", action="AssumeRole", on=On.ROLE, mutating=True),
)
"""What the door itself asks before anything else."""


def calls(site: Site) -> tuple[Call, ...]:
    """What a release at this site may call, each with its resources; a call that has none is left out."""
    account = site.where.account
    partition = site.test.split(":")[1]
    resources = {
        On.ANYTHING: ANY,
        On.RULES: tuple(arn for arn in site.routes if is_rule(arn)),
        On.LISTENERS: tuple(arn for arn in site.routes if not is_rule(arn)),
        On.GROUPS: tuple(site.groups.values()),
        On.ROLE: (f"arn:{partition}:iam::{account}:role/{site.where.role}",) if site.where.role else (),
    }
    return tuple(
        Call(service=one.service, action=one.action, on=resources[one.on], mutating=one.mutating)
        for one in (*_DOOR, *CALLS.values())
        if resources[one.on]
    )
