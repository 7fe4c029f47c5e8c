"""
How a request comes in by a route: a URL, and the headers that its rule asks for.

LIMITS: one value of each condition; a condition on a path is for the paths that are asked to meet. An
HTTPS listener answers under the host its rule asks for, or under its load balancer's own name, and its
certificate has to be of that host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from crossfade.aws.twin import twin_ports
from crossfade.errors import PlatformError
from crossfade.platforms.alb.line import Line
from crossfade.platforms.alb.model import Site, is_rule, named


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a request is sent, and what it has to carry."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


def way_in(line: Line, site: Site, route: str) -> Way:
    """The way in by a rule or a listener. Raises `PlatformError` CF4426 where it is gone."""
    arn = named(route).listener
    listener = line.listener(arn)
    rule = line.rule(route) if is_rule(route) else {}
    if listener is None or rule is None:
        raise PlatformError("CF4426", f"{route} is not there", "it was deleted", "correct platform.alb")
    headers = dict(_headers(rule.get("Conditions", ())))
    if site.where.endpoint is not None:
        port = twin_ports(site.where.endpoint).get(arn)
        if port is None:
            raise PlatformError("CF4426", f"the twin does not serve {arn}", "its balancer refused it")
        return Way(url=f"http://127.0.0.1:{port}", headers=headers)
    scheme, port = listener["Protocol"].lower(), int(listener["Port"])
    [balancer] = line.balancers([listener["LoadBalancerArn"]])
    usual = {"http": 80, "https": 443}.get(scheme) == port
    host = headers.get("host", balancer["DNSName"]) if scheme == "https" else balancer["DNSName"]
    return Way(url=f"{scheme}://{host}" + ("" if usual else f":{port}"), headers=headers)


def _headers(conditions: Any) -> Iterator[tuple[str, str]]:
    """A value for each header that a rule asks for; a wildcard is met by any letter."""
    for condition in conditions:
        match condition.get("Field"):
            case "host-header":
                values = (condition.get("HostHeaderConfig") or condition).get("Values") or ()
                name = "host"
            case "http-header":
                config = condition.get("HttpHeaderConfig") or {}
                name, values = str(config.get("HttpHeaderName", "")).lower(), config.get("Values") or ()
            case _:
                continue
        if name and values:
            yield name, str(values[0]).replace("*", "x").replace("?", "x")
