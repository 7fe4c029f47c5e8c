"""
What the load balancers of a twin are asked to do, and what they say of their targets. Frozen values.

`Balancing` is everything at once, built from the API's state after each call that changed it;
names are ARNs. Nothing here knows moto or Envoy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """Spans in twin seconds, checks counted in a row; `matcher` as an ALB takes it: `200-299`, `200,302`."""

    path: str = "/"
    port: int | None = None  # None = the target's own
    interval_s: float = 30.0
    timeout_s: float = 5.0
    healthy: int = 5
    unhealthy: int = 2
    matcher: str = "200"
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Target:
    """One registered address; two ports of one address are two targets."""

    ip: str
    port: int
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGroup:
    arn: str
    name: str
    targets: tuple[Target, ...] = ()
    health: HealthCheck = field(default_factory=HealthCheck)
    deregistration_delay_s: float = 300.0
    slow_start_s: float = 0.0
    sticky_s: float = 0.0  # target stickiness by AWSALB; 0 = off


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Shares by weight (0-999, of any sum); `sticky_s` > 0 keeps a user on a group by AWSALBTG."""

    groups: tuple[tuple[str, int], ...]
    sticky_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedResponse:
    status: int
    content_type: str = "text/plain"
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Each field as in the API, `#{host}` and the like included."""

    status: int
    protocol: str = "#{protocol}"
    host: str = "#{host}"
    port: str = "#{port}"
    path: str = "/#{path}"
    query: str = "#{query}"


Action = Forward | FixedResponse | Redirect


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """All conditions of a rule must hold, of each any one value; `*` and `?` are wildcards."""

    kind: Literal[
        "host-header", "path-pattern", "http-header", "http-request-method", "query-string", "source-ip"
    ]
    values: tuple[str, ...]  # query-string: `key=value`, or `value` for any key
    header: str = ""  # the name, of http-header only


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The lowest priority that matches acts; the default rule has None and acts last."""

    arn: str
    priority: int | None
    conditions: tuple[Condition, ...]
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    arn: str
    port: int  # as asked for in the API; where it is really served is `Ports`
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer:
    arn: str
    name: str
    listeners: tuple[Listener, ...] = ()
    idle_timeout_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancing:
    """All load balancers and all target groups of a twin at one moment."""

    balancers: tuple[LoadBalancer, ...] = ()
    groups: tuple[TargetGroup, ...] = ()


State = Literal["initial", "healthy", "unhealthy", "unused", "draining", "unavailable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetHealth:
    """One row of DescribeTargetHealth; `reason` is the API's code: Target.FailedHealthChecks and the like."""

    target: Target
    state: State
    reason: str = ""
    description: str = ""


Ports = Mapping[str, int]
"""Listener ARN -> the port on 127.0.0.1 where it is served."""
