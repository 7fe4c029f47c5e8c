"""
The commands of AWS's own tool that make what a pair lacks, exactly as they are pasted into a shell.

They keep what they do not change: the whole list of a rule's actions is replaced by AWS, so all of it
is written out again.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar, Final

from crossfade.platforms.alb.found import Group, Way

_KEPT: Final = (
    "deregistration_delay.timeout_seconds",
    "slow_start.duration_seconds",
    "load_balancing.algorithm.type",
    "stickiness.enabled",
    "stickiness.type",
    "stickiness.lb_cookie.duration_seconds",
)
_CONDITIONS: Final = {
    "host-header": "HostHeaderConfig",
    "path-pattern": "PathPatternConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
    "query-string": "QueryStringConfig",
    "source-ip": "SourceIpConfig",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Where the commands go."""

    NEW: ClassVar = "$NEW"
    """Stands for the ARN of the group that `group_like` creates."""

    region: str
    endpoint: str | None = None

    def group_like(self, group: Group, name: str) -> list[str]:
        """A second group like this one; its ARN is then in `$NEW`."""
        options = {
            "name": name,
            "target-type": group.kind,
            "protocol": group.protocol,
            "protocol-version": group.version,
            "port": str(group.port),
            "vpc-id": group.network,
            **group.check,
        }
        words = [word for key, value in options.items() if value for word in (f"--{key}", value)]
        made = self._aws(
            "create-target-group", *words, "--query", "TargetGroups[0].TargetGroupArn", "--output", "text"
        )
        kept = [f"Key={key},Value={group.attributes[key]}" for key in _KEPT if key in group.attributes]
        lines = [f"NEW=$({made})"]
        if kept:
            alike = self._aws("modify-target-group-attributes", "--attributes", *kept)
            lines.append(f'{alike} --target-group-arn "$NEW"')
        return lines

    def naming_both(self, way: Way, other: str) -> str:
        """The way with the other group at weight 0."""
        (mine, _), *_ = way.forwards
        last = way.actions[-1]
        sticky = last.get("ForwardConfig", {}).get("TargetGroupStickinessConfig")
        forward = {
            "TargetGroups": [{"TargetGroupArn": mine, "Weight": 999}, {"TargetGroupArn": other, "Weight": 0}],
            **({"TargetGroupStickinessConfig": sticky} if sticky else {}),
        }
        order = {"Order": last["Order"]} if "Order" in last else {}
        actions = [*map(_again, way.actions[:-1]), {"Type": "forward", **order, "ForwardConfig": forward}]
        if way.priority is None:
            return self._aws(
                "modify-listener", "--listener-arn", way.arn, "--default-actions", json.dumps(actions)
            )
        return self._aws("modify-rule", "--rule-arn", way.arn, "--actions", json.dumps(actions))

    def test_rule(self, way: Way, ways: Sequence[Way], header: str) -> list[str]:
        """A rule before this way, for whoever sends the header; until a release it leads to who serves."""
        group, _ = max(way.forwards, key=lambda one: one[1])
        conditions = [
            *(_condition(one) for one in way.conditions),
            {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": header, "Values": ["candidate"]}},
        ]
        taken = {
            one.priority: one for one in ways if one.listener == way.listener and one.priority is not None
        }
        before = max(taken, default=0) + 2 if way.priority is None else way.priority
        free = next((at for at in range(before - 1, 0, -1) if at not in taken), None)
        moved = [] if free is not None else self._room_at(before, taken)
        actions = [{"Type": "forward", "TargetGroupArn": group}]
        return [
            *moved,
            self._aws(
                "create-rule", "--listener-arn", way.listener, "--priority", str(free or before),
                "--conditions", json.dumps(conditions), "--actions", json.dumps(actions),
            ),
        ]  # fmt: skip

    def without(self, way: Way) -> str:
        """Takes the way in away: what it forwards to would never shift along."""
        if way.priority is None:
            return self._aws("delete-listener", "--listener-arn", way.arn)
        return self._aws("delete-rule", "--rule-arn", way.arn)

    def _room_at(self, priority: int, taken: Mapping[int, Way]) -> list[str]:
        """Those from here on one further, up to the first gap; their order stays."""
        end = next(at for at in count(priority) if at not in taken)
        moves = [f"RuleArn={taken[at].arn},Priority={at + 1}" for at in range(priority, end)]
        return [self._aws("set-rule-priorities", "--rule-priorities", *moves)]

    def _aws(self, verb: str, *words: str) -> str:
        there = ("--endpoint-url", self.endpoint) if self.endpoint else ()
        quoted = " ".join(shlex.quote(word) for word in ("--region", self.region, *there, *words))
        # Out of the quotes, so that the shell fills it in.
        return f"aws elbv2 {verb} {quoted}".replace(f'{self.NEW}"', '\'"$NEW"\'"')


def _again(action: Mapping[str, Any]) -> Mapping[str, Any]:
    """As it may be written again: the secret of a log-in is never read, so the one that is there stays."""
    oidc = action.get("AuthenticateOidcConfig")
    if oidc is None:
        return action
    return {**action, "AuthenticateOidcConfig": {**oidc, "UseExistingClientSecret": True}}


def _condition(one: Mapping[str, Any]) -> Mapping[str, Any]:
    """AWS answers a condition in its old and its new form, and takes one of them."""
    kind = str(one.get("Field", ""))
    config = _CONDITIONS.get(kind, "")
    return (
        {"Field": kind, config: one[config]}
        if config in one
        else {"Field": kind, "Values": one.get("Values", [])}
    )
