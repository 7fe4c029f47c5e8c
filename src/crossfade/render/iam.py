"""
The least that crossfade needs on AWS for one service, as an IAM policy made of declared calls.

What changes something names its resources; `*` stands only where AWS knows no resources for a read,
and then the region is fixed. LIMITS: nothing of what the service itself needs, and not the right to
make or change this policy. AWS takes at most 6,144 characters for a managed policy, blanks not counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from crossfade.aws.permissions import ANY, Call, Condition

MOST: Final = 6144
"""Characters of a managed policy, without its blanks."""

_VERSION: Final = "2012-10-17"
"""Of IAM's language, the newest there is; it has nothing to do with a day."""

_SERVICES: Final = {
    "elasticloadbalancing": "LoadBalancing",
    "cloudwatch": "Metrics",
    "s3": "State",
    "ec2": "Network",
    "sts": "Identity",
}
_KINDS: Final = (
    (re.compile(r":listener-rule/"), "Rules"),
    (re.compile(r":listener/"), "Listeners"),
    (re.compile(r":targetgroup/"), "TargetGroups"),
    (re.compile(r":loadbalancer/"), "LoadBalancers"),
    (re.compile(r":alarm:"), "Alarms"),
    (re.compile(r":security-group/"), "SecurityGroups"),
    (re.compile(r":vpc/"), "Networks"),
    (re.compile(r":role/"), "Roles"),
    (re.compile(r":s3:::[^/]+/"), "Objects"),
    (re.compile(r":s3:::[^/]+$"), "Bucket"),
)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What calls of one statement have in common."""

    mutating: bool
    service: str
    on: tuple[str, ...]
    given: tuple[Condition, ...]

    @property
    def title(self) -> str:
        named = dict.fromkeys(_kind(arn) for arn in self.on)
        verb = "Change" if self.mutating else "Read"
        return verb + _SERVICES.get(self.service, self.service.title()) + "".join(named)


def policy(calls: Iterable[Call], region: str) -> dict[str, Any]:
    """The policy that allows these calls in this region, and nothing else; reads come first."""
    grounds: dict[_Ground, set[str]] = {}
    for call in calls:
        if (allowed := call.permission) is not None:
            service = allowed.partition(":")[0]
            given = call.given
            if call.on == ANY:
                here = Condition(operator="StringEquals", key="aws:RequestedRegion", values=(region,))
                given = (*given, here)
            ground = _Ground(call.mutating, service, tuple(sorted(set(call.on))), given)
            grounds.setdefault(ground, set()).add(allowed)
    ordered = sorted(
        grounds.items(), key=lambda one: (one[0].mutating, one[0].title, one[0].on, sorted(one[1]))
    )
    titles: dict[str, int] = {}
    return {
        "Version": _VERSION,
        "Statement": [_statement(ground, sorted(actions), titles) for ground, actions in ordered],
    }


def text(document: Mapping[str, Any]) -> str:
    """As a file has it."""
    return json.dumps(document, indent=2) + "\n"


def size(document: Mapping[str, Any]) -> int:
    """Its characters as AWS counts them."""
    return len(json.dumps(document, separators=(",", ":")))


def _statement(ground: _Ground, actions: list[str], titles: dict[str, int]) -> dict[str, Any]:
    """A title that is taken gets a number: Sids are unique in a policy."""
    titles[ground.title] = taken = titles.get(ground.title, 0) + 1
    said: dict[str, Any] = {
        "Sid": ground.title if taken == 1 else f"{ground.title}{taken}",
        "Effect": "Allow",
        "Action": actions,
        "Resource": list(ground.on),
    }
    for one in ground.given:
        said.setdefault("Condition", {}).setdefault(one.operator, {})[one.key] = list(one.values)
    return said


def _kind(arn: str) -> str:
    return next((kind for pattern, kind in _KINDS if pattern.search(arn)), "")
