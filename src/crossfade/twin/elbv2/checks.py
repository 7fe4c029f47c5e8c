"""
What an action of a rule may be, and how the API gives it back. Pure.

AWS keeps an action as it understood it: a single target group is returned both as `TargetGroupArn` and
as `ForwardConfig`, absent weights and stickiness as their defaults. `settled` returns that form, so
whoever compares what was set with what is read sees on the twin what AWS would show.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossfade.twin.elbv2.refused import invalid, not_modelled, refuse

MOST_WEIGHT: Final = 999
MOST_GROUPS: Final = 5
LONGEST_STICKINESS: Final = 604_800

_TERMINAL: Final = ("forward", "redirect", "fixed-response")
_OTHER: Final = ("authenticate-oidc", "authenticate-cognito")
_CONTENT: Final = (
    "text/plain",
    "text/css",
    "text/html",
    "application/javascript",
    "application/json",
)
_UNCHANGED: Final = {"Protocol": "#{protocol}", "Host": "#{host}", "Port": "#{port}", "Path": "/#{path}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What a check has to know of a target group."""

    protocol: str
    sticky: bool
    balancer: str | None  # the load balancer that uses it
    name: str = ""


def settled(
    actions: Sequence[Mapping[str, Any]], groups: Mapping[str, Group], balancer: str
) -> list[dict[str, Any]]:
    """The actions as the API keeps them; raises `Refused` with AWS's code where it would not take them."""
    ordered = sorted(actions, key=lambda one: int(one.get("Order") or 0))
    for number, action in enumerate(ordered, 1):
        kind = action.get("Type")
        if kind == "jwt-validation":
            not_modelled("the action jwt-validation")
        if kind not in (*_TERMINAL, *_OTHER):
            kinds = ", ".join((*_TERMINAL, *_OTHER))
            invalid(
                f"1 validation error detected: Value '{kind}' at 'actions.{number}.member.type' failed to "
                f"satisfy constraint: Member must satisfy enum value set: [{kinds}]"
            )
    ends = [one for one in ordered if one["Type"] in _TERMINAL]
    if len(ends) != 1 or ordered[-1] is not ends[0]:
        refuse(
            "InvalidLoadBalancerAction",
            "A rule has exactly one action of type forward, redirect or fixed-response, and it is the last",
        )
    return [_settled(one, groups, balancer) for one in ordered]


def group_arns(actions: Sequence[Mapping[str, Any]]) -> list[str]:
    """The target groups that actions name."""
    return [arn for action in actions for arn, _ in _named(action)]


def _settled(action: Mapping[str, Any], groups: Mapping[str, Group], balancer: str) -> dict[str, Any]:
    match action["Type"]:
        case "forward":
            return _forward(action, groups, balancer)
        case "redirect":
            return _redirect(action)
        case "fixed-response":
            return _fixed(action)
        case _:
            return dict(action)


def _named(action: Mapping[str, Any]) -> list[tuple[str, int | None]]:
    tuples = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
    named = [(str(one.get("TargetGroupArn", "")), one.get("Weight")) for one in tuples]
    single = action.get("TargetGroupArn")
    return named or ([(str(single), None)] if single else [])


def _forward(action: Mapping[str, Any], groups: Mapping[str, Group], balancer: str) -> dict[str, Any]:
    named = _named(action)
    single = action.get("TargetGroupArn")
    if not named:
        invalid("A target group ARN must be specified")
    if single and [arn for arn, _ in named] != [single]:
        refuse(
            "InvalidLoadBalancerAction",
            "With TargetGroupArn, ForwardConfig may name only the same single target group",
        )
    if len(named) > MOST_GROUPS:
        refuse(
            "InvalidLoadBalancerAction",
            f"A forward action has at most {MOST_GROUPS} target groups; {len(named)} were given",
        )
    _prove_groups([arn for arn, _ in named], groups, balancer)
    sticky = _stickiness((action.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig") or {})
    if len(named) > 1 and not sticky["Enabled"] and any(groups[arn].sticky for arn, _ in named):
        refuse(
            "InvalidLoadBalancerAction",
            "You must enable group stickiness on a rule if one of its target groups has stickiness enabled",
        )
    config = {
        "TargetGroups": [
            {"TargetGroupArn": arn, "Weight": _weight(weight, alone=len(named) == 1)} for arn, weight in named
        ],
        "TargetGroupStickinessConfig": sticky,
    }
    kept = {key: action[key] for key in ("Type", "Order") if key in action}
    if len(named) == 1:
        kept["TargetGroupArn"] = named[0][0]
    return {**kept, "ForwardConfig": config}


def _prove_groups(arns: Sequence[str], groups: Mapping[str, Group], balancer: str) -> None:
    for arn in arns:
        if arn not in groups:
            refuse("TargetGroupNotFound", f"Target group '{arn}' not found")
    if twice := next((arn for arn in arns if arns.count(arn) > 1), None):
        invalid(f"Target group '{twice}' was specified more than once in one action")
    for arn in arns:
        group = groups[arn]
        if group.protocol not in {"HTTP", "HTTPS"}:
            refuse(
                "IncompatibleProtocols",
                f"A listener of an application load balancer cannot forward to a target group of protocol "
                f"{group.protocol}",
            )
        if group.balancer not in {None, balancer}:
            refuse(
                "TargetGroupAssociationLimit",
                f"The following target groups cannot be associated with more than one load balancer: {arn}",
            )


def _weight(weight: Any, *, alone: bool) -> int:
    if weight is None and alone:
        return 1
    if not isinstance(weight, int) or not 0 <= weight <= MOST_WEIGHT:
        invalid(f"The weight for each target group must be between 0 and {MOST_WEIGHT}, inclusive")
    return weight


def _stickiness(config: Mapping[str, Any]) -> dict[str, Any]:
    enabled, duration = bool(config.get("Enabled", False)), config.get("DurationSeconds")
    if enabled and duration is None:
        invalid("A duration must be specified when target group stickiness is enabled")
    if duration is not None and not 1 <= int(duration) <= LONGEST_STICKINESS:
        invalid(f"The target group stickiness duration must be between 1 and {LONGEST_STICKINESS} seconds")
    return {"Enabled": enabled} | ({} if duration is None else {"DurationSeconds": int(duration)})


def _fixed(action: Mapping[str, Any]) -> dict[str, Any]:
    config = action.get("FixedResponseConfig") or {}
    status = str(config.get("StatusCode", ""))
    if not re.fullmatch(r"[245]\d\d", status):
        invalid(
            f"1 validation error detected: Value '{status}' at 'actions.fixedResponseConfig.statusCode' "
            "failed to satisfy constraint: Member must satisfy regular expression pattern: ^(2|4|5)\\d\\d$"
        )
    content = config.get("ContentType")
    if content and content not in _CONTENT:
        refuse("InvalidLoadBalancerAction", f"The ContentType must be one of: {', '.join(_CONTENT)}")
    if len(str(config.get("MessageBody") or "")) > 1024:
        invalid("The message body of a fixed response has at most 1024 characters")
    return dict(action)


def _redirect(action: Mapping[str, Any]) -> dict[str, Any]:
    config = dict(action.get("RedirectConfig") or {})
    if config.get("StatusCode") not in {"HTTP_301", "HTTP_302"}:
        invalid("A redirect has the status code HTTP_301 or HTTP_302")
    whole = {**_UNCHANGED, "Query": "#{query}", **config}
    if all(whole[part] == same for part, same in _UNCHANGED.items()):
        refuse(
            "InvalidLoadBalancerAction", "The redirect configuration is not valid because it creates a loop"
        )
    return {**action, "RedirectConfig": whole}
