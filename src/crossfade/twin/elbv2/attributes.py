"""
Attributes of target groups and load balancers: their defaults, as AWS shows them, and what they may be.

Every attribute is kept and returned as text. Served are deregistration delay, slow start, cookie
stickiness and the idle timeout; the others are kept faithfully and change nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from crossfade.twin.elbv2.refused import invalid

Check = Callable[[str], bool]


def _whole(low: int, high: int, *also: str) -> Check:
    return lambda text: text in also or (text.isdecimal() and low <= int(text) <= high)


def _one_of(*words: str) -> Check:
    return lambda text: text in words


def _any(text: str) -> bool:
    return len(text) <= 1024


_BOOL: Final = _one_of("true", "false")

GROUP: Final[Mapping[str, tuple[str, Check]]] = {
    "deregistration_delay.timeout_seconds": ("300", _whole(0, 3600)),
    "stickiness.enabled": ("false", _BOOL),
    "stickiness.type": ("lb_cookie", _one_of("lb_cookie", "app_cookie")),
    "stickiness.lb_cookie.duration_seconds": ("86400", _whole(1, 604_800)),
    "stickiness.app_cookie.duration_seconds": ("86400", _whole(1, 604_800)),
    "stickiness.app_cookie.cookie_name": ("", _any),
    "slow_start.duration_seconds": ("0", _whole(30, 900, "0")),
    "load_balancing.algorithm.type": (
        "round_robin",
        _one_of("round_robin", "least_outstanding_requests", "weighted_random"),
    ),
    "load_balancing.algorithm.anomaly_mitigation": ("off", _one_of("on", "off")),
    "load_balancing.cross_zone.enabled": (
        "use_load_balancer_configuration",
        _one_of("true", "false", "use_load_balancer_configuration"),
    ),
    "target_group_health.dns_failover.minimum_healthy_targets.count": ("1", _whole(1, 1000, "off")),
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": ("off", _whole(1, 100, "off")),
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": ("1", _whole(1, 1000)),
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": (
        "off",
        _whole(1, 100, "off"),
    ),
}

BALANCER: Final[Mapping[str, tuple[str, Check]]] = {
    "access_logs.s3.enabled": ("false", _BOOL),
    "access_logs.s3.bucket": ("", _any),
    "access_logs.s3.prefix": ("", _any),
    "connection_logs.s3.enabled": ("false", _BOOL),
    "connection_logs.s3.bucket": ("", _any),
    "connection_logs.s3.prefix": ("", _any),
    "client_keep_alive.seconds": ("3600", _whole(60, 604_800)),
    "deletion_protection.enabled": ("false", _BOOL),
    "idle_timeout.timeout_seconds": ("60", _whole(1, 4000)),
    "ipv6.deny_all_igw_traffic": ("false", _BOOL),
    "load_balancing.cross_zone.enabled": ("true", _BOOL),
    "routing.http.desync_mitigation_mode": ("defensive", _one_of("monitor", "defensive", "strictest")),
    "routing.http.drop_invalid_header_fields.enabled": ("false", _BOOL),
    "routing.http.preserve_host_header.enabled": ("false", _BOOL),
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": ("false", _BOOL),
    "routing.http.xff_client_port.enabled": ("false", _BOOL),
    "routing.http.xff_header_processing.mode": ("append", _one_of("append", "preserve", "remove")),
    "routing.http2.enabled": ("true", _BOOL),
    "waf.fail_open.enabled": ("false", _BOOL),
    "zonal_shift.config.enabled": ("false", _BOOL),
}


def defaults(table: Mapping[str, tuple[str, Check]]) -> dict[str, str]:
    """What a new one has."""
    return {key: default for key, (default, _) in table.items()}


def prove(table: Mapping[str, tuple[str, Check]], given: Mapping[str, str], has: Mapping[str, str]) -> None:
    """Raises `Refused` for a key or a value that AWS would not take."""
    for key, value in given.items():
        if key not in table:
            invalid(f"The attribute key '{key}' is not recognized")
        if not table[key][1](value):
            invalid(f"'{key}' value '{value}' is not valid")
    whole = {**has, **given}
    if whole.get("slow_start.duration_seconds", "0") != "0" and (
        whole["load_balancing.algorithm.type"] == "least_outstanding_requests"
    ):
        invalid("Slow start mode is not supported with the least outstanding requests algorithm")
    if (
        whole.get("load_balancing.algorithm.anomaly_mitigation") == "on"
        and whole["load_balancing.algorithm.type"] != "weighted_random"
    ):
        invalid("Anomaly mitigation needs the algorithm weighted_random")
    if (
        whole.get("stickiness.enabled") == "true"
        and whole["stickiness.type"] == "app_cookie"
        and not whole["stickiness.app_cookie.cookie_name"]
    ):
        invalid("An application cookie name is needed for stickiness of type app_cookie")
