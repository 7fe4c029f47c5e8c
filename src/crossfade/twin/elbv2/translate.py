"""
moto's ELBv2 state as `Balancing`: everything that is to be served, of every account and region.

AUTHENTICATION ACTIONS PASS EVERYBODY; a listener of HTTPS is served as plain HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from crossfade.twin.balancer.model import (
    Action,
    Balancing,
    Condition,
    FixedResponse,
    Forward,
    HealthCheck,
    Listener,
    LoadBalancer,
    Redirect,
    Rule,
    Target,
    TargetGroup,
)
from crossfade.twin.elbv2.attributes import GROUP, defaults
from crossfade.twin.elbv2.conditions import values_of
from crossfade.twin.elbv2.state import rules_of


def balancing(backends: Iterable[Any]) -> Balancing:
    """What the backends ask for."""
    every = list(backends)
    return Balancing(
        balancers=tuple(_balancer(one) for backend in every for one in backend.load_balancers.values()),
        groups=tuple(_group(one) for backend in every for one in backend.target_groups.values()),
    )


def _balancer(one: Any) -> LoadBalancer:
    return LoadBalancer(
        arn=one.arn,
        name=one.name,
        listeners=tuple(_listener(each) for each in one.listeners.values()),
        idle_timeout_s=float(one.attrs.get("idle_timeout.timeout_seconds", 60)),
    )


def _listener(one: Any) -> Listener:
    return Listener(arn=one.arn, port=int(one.port), rules=tuple(_rule(each) for each in rules_of(one)))


def _rule(one: Any) -> Rule:
    return Rule(
        arn=one.arn,
        priority=None if one.is_default else int(one.priority),
        conditions=tuple(_condition(each) for each in one.conditions),
        action=_action([each.data for each in one.actions]),
    )


def _condition(one: Mapping[str, Any]) -> Condition:
    config = one.get("HttpHeaderConfig") or {}
    return Condition(
        kind=one["Field"],
        values=tuple(_value(each) for each in values_of(one)),
        header=str(config.get("HttpHeaderName", "")),
    )


def _value(one: Any) -> str:
    if isinstance(one, Mapping):
        return f"{one['Key']}={one['Value']}" if one.get("Key") else str(one["Value"])
    return str(one)


def _action(actions: Iterable[Mapping[str, Any]]) -> Action:
    for action in actions:
        match action["Type"]:
            case "forward":
                return _forward(action)
            case "fixed-response":
                config = action["FixedResponseConfig"]
                return FixedResponse(
                    status=int(config["StatusCode"]),
                    content_type=config.get("ContentType") or "text/plain",
                    body=config.get("MessageBody") or "",
                )
            case "redirect":
                return _redirect(action["RedirectConfig"])
            case _:
                continue  # authentication: everybody passes
    raise ValueError("a rule without forward, redirect or fixed-response")


def _redirect(config: Mapping[str, Any]) -> Redirect:
    said = {name.lower(): str(value) for name, value in config.items() if name != "StatusCode"}
    return Redirect(status=int(config["StatusCode"].removeprefix("HTTP_")), **said)


def _forward(action: Mapping[str, Any]) -> Forward:
    config = action.get("ForwardConfig") or {}
    groups = config.get("TargetGroups") or [{"TargetGroupArn": action["TargetGroupArn"]}]
    sticky = config.get("TargetGroupStickinessConfig") or {}
    return Forward(
        groups=tuple((one["TargetGroupArn"], int(one.get("Weight", 1))) for one in groups),
        sticky_s=float(sticky["DurationSeconds"]) if sticky.get("Enabled") else 0.0,
    )


def _group(one: Any) -> TargetGroup:
    said = {**defaults(GROUP), **one.attributes}  # CloudFormation makes groups past our own action
    sticky = said["stickiness.enabled"] == "true" and said["stickiness.type"] == "lb_cookie"
    return TargetGroup(
        arn=one.arn,
        name=one.name,
        targets=tuple(
            Target(ip=ip, port=port, zone=target.get("AvailabilityZone", ""))
            for (ip, port), target in one.targets.items()
        ),
        health=_health(one),
        deregistration_delay_s=float(said["deregistration_delay.timeout_seconds"]),
        slow_start_s=float(said["slow_start.duration_seconds"]),
        sticky_s=float(said["stickiness.lb_cookie.duration_seconds"]) if sticky else 0.0,
    )


def _health(one: Any) -> HealthCheck:
    port = one.health_check_port
    return HealthCheck(
        path=one.health_check_path or "/",
        port=None if port in {None, "traffic-port"} else int(port),
        interval_s=float(one.health_check_interval_seconds),
        timeout_s=float(one.health_check_timeout_seconds),
        healthy=int(one.healthy_threshold_count),
        unhealthy=int(one.unhealthy_threshold_count),
        matcher=str(getattr(one, "matcher", {}).get("HttpCode") or "200"),
        enabled=bool(one.health_check_enabled),
    )
