"""
Targets and their groups: an address with a port is one target, another port is another.

Only addresses of this machine are taken: THE TWIN SENDS TRAFFIC NOWHERE ELSE. Health is what the
balancer sees; a target that it has not heard of yet is being registered.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

from crossfade.twin.balancer.model import TargetHealth
from crossfade.twin.elbv2.refused import invalid, not_modelled, refuse

_RANGES: Final = {
    "HealthCheckIntervalSeconds": (5, 300),
    "HealthCheckTimeoutSeconds": (2, 120),
    "HealthyThresholdCount": (2, 10),
    "UnhealthyThresholdCount": (2, 10),
}
_ATTRIBUTE_OF: Final = {
    "Protocol": "protocol",
    "Port": "port",
    "VpcId": "vpc_id",
    "TargetType": "target_type",
    "ProtocolVersion": "protocol_version",
    "HealthCheckProtocol": "health_check_protocol",
    "HealthCheckPort": "health_check_port",
    "HealthCheckPath": "health_check_path",
    "HealthCheckEnabled": "health_check_enabled",
    "HealthCheckIntervalSeconds": "health_check_interval_seconds",
    "HealthCheckTimeoutSeconds": "health_check_timeout_seconds",
    "HealthyThresholdCount": "healthy_threshold_count",
    "UnhealthyThresholdCount": "unhealthy_threshold_count",
    "Matcher": "matcher",
}


def prove_group(params: Mapping[str, Any]) -> None:
    """Raises `Refused` or `NotModelledError` for a new group that AWS, or the twin, would not take."""
    kind = params.get("TargetType", "instance")
    if kind in {"lambda", "alb"}:
        not_modelled(f"target groups of type {kind}")
    if params.get("ProtocolVersion") == "GRPC":
        not_modelled("target groups of protocol version GRPC")
    prove_health_check(params, None)


def prove_health_check(params: Mapping[str, Any], group: Any) -> None:
    """Raises `Refused` unless the numbers of the health check are in AWS's ranges and fit together."""
    for name, (low, high) in _RANGES.items():
        value = params.get(name)
        if value is not None and not low <= int(value) <= high:
            invalid(f"{name} '{value}' must be between {low} and {high}")
    interval = params.get("HealthCheckIntervalSeconds", getattr(group, "health_check_interval_seconds", 30))
    timeout = params.get("HealthCheckTimeoutSeconds", getattr(group, "health_check_timeout_seconds", 5))
    if int(timeout) >= int(interval):
        invalid(f"Health check timeout '{timeout}' must be smaller than the interval '{interval}'")


def same_settings(group: Any, params: Mapping[str, Any]) -> bool:
    """Whether a group has all that is asked for: creating it again is then no error."""
    return all(
        str(getattr(group, attribute, None)) == str(params[name])
        for name, attribute in _ATTRIBUTE_OF.items()
        if name in params
    )


def register(group: Any, asked: Sequence[Mapping[str, Any]]) -> None:
    """Adds all or none; again is no error."""
    if not asked:
        invalid("At least one target must be specified")
    added = {_key(group, one): _kept(group, one) for one in asked}
    for ip, _ in added:
        _prove_ip(group, ip)
    group.targets = {**group.targets, **added}


def deregister(group: Any, asked: Sequence[Mapping[str, Any]]) -> None:
    """Removes those that are there; an unknown one is no error, as in AWS."""
    gone = {_key(group, one) for one in asked}
    group.targets = {key: one for key, one in group.targets.items() if key not in gone}


def described(
    group: Any, asked: Sequence[Mapping[str, Any]], health: Sequence[TargetHealth]
) -> list[dict[str, Any]]:
    """The rows of DescribeTargetHealth: of those asked for, else of all that are there or still drain."""
    seen = {(one.target.ip, one.target.port): one for one in health}
    draining = [key for key, one in seen.items() if one.state == "draining" and key not in group.targets]
    keys = [_key(group, one) for one in asked] if asked else [*group.targets, *draining]
    return [_row(group, key, seen.get(key)) for key in dict.fromkeys(keys)]


def _row(group: Any, key: tuple[str, int], seen: TargetHealth | None) -> dict[str, Any]:
    target = group.targets.get(key)
    if target is None and (seen is None or seen.state != "draining"):
        said = ("unused", "Target.NotRegistered", "Target is not registered to the target group")
    elif seen is None or (target is not None and seen.state == "draining"):
        said = ("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
    else:
        said = (seen.state, seen.reason, seen.description)
    health = dict(zip(("State", "Reason", "Description"), said, strict=True))
    port = group.health_check_port
    return {
        "Target": target or {"Id": key[0], "Port": key[1]},
        "HealthCheckPort": str(key[1]) if port in {None, "traffic-port"} else str(port),
        "TargetHealth": {name: text for name, text in health.items() if text},
    }


def _key(group: Any, target: Mapping[str, Any]) -> tuple[str, int]:
    return str(target.get("Id", "")), int(target.get("Port") or group.port)


def _kept(group: Any, target: Mapping[str, Any]) -> dict[str, Any]:
    ip, port = _key(group, target)
    zone = target.get("AvailabilityZone")
    return {"Id": ip, "Port": port} | ({"AvailabilityZone": zone} if zone else {})


def _prove_ip(group: Any, text: str) -> None:
    if group.target_type != "ip":
        refuse(
            "InvalidTarget",
            f"'{text}': this twin reaches targets by address; create the target group with TargetType=ip",
        )
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        invalid(f"'{text}' must be a valid IPv4 address")
    if address.version != 4 or not address.is_loopback:
        refuse(
            "InvalidTarget",
            f"'{text}' is not on this machine; the twin sends traffic to 127.0.0.1 and its ports only",
        )
