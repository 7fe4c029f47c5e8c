"""
Looks into moto's store of ELBv2: which rule is where, who uses which group, a page of a list.

Moto's objects are untyped; what the twin knows of their shape stands here and in `pictures.py` only.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from crossfade.twin.elbv2.checks import Group, group_arns
from crossfade.twin.elbv2.refused import invalid, refuse

T = TypeVar("T")

PAGE = 400
"""Items of a page where the caller names no size."""

Targets = dict[tuple[str, int], dict[str, Any]]


def rules_of(listener: Any) -> list[Any]:
    """In the order in which they are tried: by priority, the default last."""
    rules = list(listener.rules.values())
    return sorted(rules, key=lambda rule: (rule.is_default, 0 if rule.is_default else int(rule.priority)))


def listeners_of(backend: Any) -> Iterable[Any]:
    """All listeners of a region."""
    return [one for balancer in backend.load_balancers.values() for one in balancer.listeners.values()]


def listener(backend: Any, arn: str) -> Any:
    """Raises `Refused` where there is none."""
    found = next((one for one in listeners_of(backend) if one.arn == arn), None)
    return found if found is not None else refuse("ListenerNotFound", "One or more listeners not found")


def rule(backend: Any, arn: str) -> tuple[Any, Any]:
    """A rule and its listener; raises `Refused` where there is none."""
    for one in listeners_of(backend):
        for candidate in one.rules.values():
            if candidate.arn == arn:
                return candidate, one
    return refuse("RuleNotFound", "One or more rules not found")


def balancer(backend: Any, arn: str) -> Any:
    """Raises `Refused` where there is none."""
    found = backend.load_balancers.get(arn)
    return found if found is not None else refuse("LoadBalancerNotFound", f"Load balancer '{arn}' not found")


def group(backend: Any, arn: str) -> Any:
    """Raises `Refused` where there is none."""
    found = backend.target_groups.get(arn)
    return found or refuse("TargetGroupNotFound", "One or more target groups not found")


def users_of(backend: Any) -> dict[str, str]:
    """Target group -> the load balancer that uses it in any rule."""
    return {
        arn: one.load_balancer_arn
        for one in listeners_of(backend)
        for each in one.rules.values()
        for arn in group_arns([action.data for action in each.actions])
    }


def known_groups(backend: Any) -> dict[str, Group]:
    """The target groups as a check of actions needs them."""
    users = users_of(backend)
    return {
        arn: Group(
            protocol=one.protocol or "",
            sticky=one.attributes.get("stickiness.enabled") == "true",
            balancer=users.get(arn),
            name=one.name,
        )
        for arn, one in backend.target_groups.items()
    }


def tagged(backend: Any, arn: str) -> None:
    """Raises `Refused` unless the ARN is of something that can carry tags."""
    if ":targetgroup/" in arn:
        group(backend, arn)
    elif ":loadbalancer/" in arn:
        balancer(backend, arn)
    elif ":listener-rule/" in arn:
        rule(backend, arn)
    elif ":listener/" in arn:
        listener(backend, arn)
    else:
        invalid(f"'{arn}' is not a valid resource ARN")


def page(items: Sequence[T], marker: str | None, size: int | None) -> tuple[list[T], str | None]:
    """One page and the marker of the next; raises `Refused` for a marker that is none of ours."""
    if size is not None and not 1 <= size <= PAGE:
        invalid(f"1 validation error detected: Value '{size}' at 'pageSize' must be between 1 and {PAGE}")
    start, room = _offset(marker), size or PAGE
    more = len(items) > start + room
    following = base64.urlsafe_b64encode(f"from {start + room}".encode()).decode() if more else None
    return list(items[start : start + room]), following


def _offset(marker: str | None) -> int:
    if not marker:
        return 0
    try:
        word, number = base64.urlsafe_b64decode(marker.encode()).decode().split(" ")
        if word == "from":
            return int(number)
    except (ValueError, binascii.Error):
        pass
    return invalid("The marker is not valid")
