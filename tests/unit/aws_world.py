"""Load balancers as they stand somewhere, for tests that look at them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossfade.platforms.alb.found import Found, Group, Way

ELB = "arn:aws:elasticloadbalancing:eu-west-1:123456789012"
BALANCER = f"{ELB}:loadbalancer/app/web/50dc6c495c0c9188"


def arn_of(name: str) -> str:
    return f"{ELB}:targetgroup/{name}/73e2d6bc24d8a067"


def a_group(name: str, kind: str = "ip", **more: Any) -> Group:
    check = {"health-check-protocol": "HTTP", "health-check-path": "/healthz", "matcher": "HttpCode=200"}
    values = {
        "protocol": "HTTP",
        "version": "HTTP1",
        "port": 8000,
        "network": "vpc-1",
        "check": check,
        "attributes": {"deregistration_delay.timeout_seconds": "30", "stickiness.enabled": "false"},
        "balancers": (BALANCER,),
        "states": ("healthy", "healthy"),
    }
    return Group(arn=arn_of(name), name=name, kind=kind, **{**values, **more})


def forward(**weights: int) -> dict[str, Any]:
    groups = [
        {"TargetGroupArn": arn_of(name.replace("_", "-")), "Weight": weight}
        for name, weight in weights.items()
    ]
    return {"Type": "forward", "Order": 1, "ForwardConfig": {"TargetGroups": groups}}


REDIRECT = {"Type": "redirect", "Order": 1, "RedirectConfig": {"Protocol": "HTTPS", "StatusCode": "HTTP_301"}}
NOT_FOUND = {"Type": "fixed-response", "Order": 1, "FixedResponseConfig": {"StatusCode": "404"}}


def path(*values: str) -> dict[str, Any]:
    return {"Field": "path-pattern", "Values": list(values), "PathPatternConfig": {"Values": list(values)}}


def header(name: str, *values: str) -> dict[str, Any]:
    return {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": name, "Values": list(values)}}


def a_way(port: int, *actions: Mapping[str, Any], priority: int | None = None, conditions: Any = ()) -> Way:
    listener = f"{ELB}:listener/app/web/50dc6c495c0c9188/{port:016x}"
    rule = f"{listener.replace(':listener/', ':listener-rule/')}/{priority or 0:016x}"
    return Way(
        arn=listener if priority is None else rule,
        rule=rule,
        listener=listener,
        protocol="HTTPS" if port == 443 else "HTTP",
        port=port,
        priority=priority,
        conditions=tuple(conditions),
        actions=actions,
    )


def a_place(*ways: Way, **groups: Group) -> Found:
    named = {one.arn: one for one in groups.values()}
    for way in ways:
        for arn in way.groups:
            named.setdefault(arn, a_group(arn.split("/")[1]))
    return Found(balancer=BALANCER, ways=ways, groups=named)
