"""
Another hand on the rules, as a console or a Terraform run is: now and then it sets other weights.

It goes through the same gate as everybody, so its edits are validated, served and written down like any
other, marked `chaos`. Which rule, and which weights, is drawn from the twin's seed.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import urlencode

from crossfade.twin.clock import TwinClock
from crossfade.twin.elbv2.checks import MOST_WEIGHT, group_arns
from crossfade.twin.faults import Faults
from crossfade.twin.gate import ACTOR, Gate
from crossfade.twin.plane import Place, backends

_GLANCE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class _Rule:
    place: Place
    arn: str
    listener: str  # for a default rule, which only the listener can change
    default: bool
    groups: tuple[str, ...]
    sticky: dict[str, Any]

    def named(self, pattern: str) -> bool:
        return fnmatchcase(self.arn, pattern) or fnmatchcase(self.listener, pattern)


class Chaos:
    """A thread that acts when a fault of kind `chaos` is due."""

    def __init__(self, gate: Gate, clock: TwinClock, faults: Faults, seed: int) -> None:
        self._gate = gate
        self._clock = clock
        self._faults = faults
        self._rng = random.Random(f"chaos/{seed}")  # noqa: S311  # repeatable, not secret
        self._due: dict[str, float] = {}
        self._over = threading.Event()

    def start(self) -> None:
        """Begins to wait."""
        threading.Thread(target=self._wait, daemon=True, name="chaos").start()

    def stop(self) -> None:
        """No more edits."""
        self._over.set()

    def _wait(self) -> None:
        while not self._over.wait(_GLANCE_S):
            self.glance()

    def glance(self) -> int:
        """Acts for every fault that is due; how many edits."""
        now, edits = self._clock.now(), 0
        hands = self._faults.chaos()
        self._due = {fault.id: self._due[fault.id] for fault, _ in hands if fault.id in self._due}
        for fault, pause in hands:
            due = self._due.setdefault(fault.id, now + pause)
            if now >= due:
                self._due[fault.id] = now + pause
                edits += self._faults.spend(fault.id) and self._edit(fault.resource)
        return edits

    def _edit(self, resource: str) -> bool:
        rules = [one for one in _rules() if one.named(resource)]
        if not rules:
            return False
        rule = self._rng.choice(sorted(rules, key=lambda one: one.arn))
        weights = [self._rng.randint(0, MOST_WEIGHT) for _ in rule.groups]
        return _post(self._gate, rule, weights)


def _rules() -> Iterator[_Rule]:
    """Those that share between groups."""
    for place, backend in backends().items():
        for listener in _listeners(backend):
            for rule in listener.rules.values():
                data = [action.data for action in rule.actions]
                groups = tuple(dict.fromkeys(group_arns(data)))
                if len(groups) > 1:
                    sticky = data[-1].get("ForwardConfig", {}).get("TargetGroupStickinessConfig", {})
                    yield _Rule(place, rule.arn, listener.arn, rule.is_default, groups, sticky)


def _listeners(backend: Any) -> list[Any]:
    """Each list is copied at once: others create and delete meanwhile."""
    return [
        one for balancer in list(backend.load_balancers.values()) for one in list(balancer.listeners.values())
    ]


def _post(gate: Callable[..., Any], rule: _Rule, weights: list[int]) -> bool:
    from werkzeug.test import Client  # noqa: PLC0415  # comes with moto's server

    name = "DefaultActions" if rule.default else "Actions"
    stem = f"{name}.member.1"
    form: dict[str, Any] = {
        "Version": "2015-12-01",
        "Action": "ModifyListener" if rule.default else "ModifyRule",
        ("ListenerArn" if rule.default else "RuleArn"): rule.listener if rule.default else rule.arn,
        f"{stem}.Type": "forward",
    }
    for number, (arn, weight) in enumerate(zip(rule.groups, weights, strict=True), 1):
        form[f"{stem}.ForwardConfig.TargetGroups.member.{number}.TargetGroupArn"] = arn
        form[f"{stem}.ForwardConfig.TargetGroups.member.{number}.Weight"] = weight
    for key, value in rule.sticky.items():
        text = str(value).lower() if isinstance(value, bool) else value
        form[f"{stem}.ForwardConfig.TargetGroupStickinessConfig.{key}"] = text
    account, region = rule.place
    scope = f"{region}/elasticloadbalancing/aws4_request"
    reply = Client(gate).post(
        "/",
        data=urlencode(form),
        content_type="application/x-www-form-urlencoded",
        headers={
            "Authorization": f"AWS4-HMAC-SHA256 Credential=chaos/20000101/{scope}, Signature=",
            "X-Moto-Account-Id": account,
            "User-Agent": f"another-hand region/{region}",
        },
        environ_overrides={ACTOR: "chaos"},
    )
    return reply.status_code < 400
