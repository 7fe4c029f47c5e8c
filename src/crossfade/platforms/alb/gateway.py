"""
The calls themselves: boto3 through the one door, every page read, many resources in one call.

Only what `calls.py` declares can be called from here. Errors leave as ours (CF43xx). Nothing is
decided and nothing is remembered, but that the account was proved before the first write (R47).

ONE LOOK at a site costs 4 calls for its rules, tags and two groups, and one more to read its production
rules again; where listeners are named for their default action as well, 1 or 2 more.
CloudWatch is asked once in ten seconds, for all sites together (`flow.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from crossfade.aws import Door, Identity, calling
from crossfade.aws.failures import code_of
from crossfade.errors import PlatformError
from crossfade.platforms.alb.actions import writable
from crossfade.platforms.alb.calls import CALLS, Declared
from crossfade.platforms.alb.model import (
    Actions,
    Address,
    Deregister,
    Listed,
    Register,
    Registered,
    Route,
    Site,
    Tag,
    Tags,
    Write,
    is_rule,
)
from crossfade.platforms.alb.pace import Pace

ARNS_AT_ONCE: Final = 20
"""As AWS limits the calls of this API whose limit it publishes; that of DescribeRules it does not."""

GONE: Final = frozenset({"RuleNotFound", "ListenerNotFound"})


class Gateway:
    """One account's load balancers. Safe to share between threads."""

    def __init__(self, door: Door, pace: Pace) -> None:
        self._door = door
        self._pace = pace
        self._proved: Identity | None = None
        self._lock = threading.Lock()

    def prove(self) -> Identity:
        """Who we are, asked of AWS once. Raises `AccessError` where it is not the pinned account."""
        with self._lock:
            if self._proved is None:
                self._proved = self._door.prove()
            return self._proved

    # --- reads -----------------------------------------------------------------------------

    def routes(self, arns: Sequence[str]) -> Mapping[str, Actions | None]:
        """The actions of each rule, or listener for its default action; None for one that is not there."""
        rules = [arn for arn in arns if is_rule(arn)]
        listeners = [arn for arn in arns if not is_rule(arn)]
        found: dict[str, Actions | None] = dict.fromkeys(arns)
        for part in _parts(rules, ARNS_AT_ONCE):
            for rule in self._there("describe_rules", "Rules", "RuleArns", part):
                found[rule["RuleArn"]] = tuple(rule.get("Actions", ()))
        for part in _parts(listeners, ARNS_AT_ONCE):
            for listener in self._there("describe_listeners", "Listeners", "ListenerArns", part):
                found[listener["ListenerArn"]] = tuple(listener.get("DefaultActions", ()))
        return found

    def _there(self, operation: str, key: str, by: str, arns: list[str]) -> Sequence[Mapping[str, Any]]:
        """What is there of these; where one is gone AWS refuses them all, and each is asked for alone."""
        try:
            return tuple(self._pages(operation, key, **{by: arns}))
        except PlatformError as error:
            if error.__cause__ is None or code_of(error.__cause__) not in GONE:
                raise
            if len(arns) == 1:
                return ()
        return [one for arn in arns for one in self._there(operation, key, by, [arn])]

    def tags(self, site: Site) -> Tags:
        """All tags of both groups."""
        said = self._call("describe_tags", ResourceArns=list(site.groups.values()))
        by_arn = {
            one["ResourceArn"]: {tag["Key"]: tag.get("Value", "") for tag in one.get("Tags", ())}
            for one in said.get("TagDescriptions", ())
        }
        return {colour: by_arn.get(arn, {}) for colour, arn in site.groups.items()}

    def targets(self, group: str) -> tuple[Registered, ...]:
        """Every target of a group, what drains included, by address."""
        said = self._call("describe_target_health", TargetGroupArn=group)
        found = (_registered(one) for one in said.get("TargetHealthDescriptions", ()))
        return tuple(sorted((one for one in found if one is not None), key=lambda one: one.address))

    def metrics(
        self, queries: Sequence[Mapping[str, Any]], start: datetime, end: datetime
    ) -> Iterator[Mapping[str, Any]]:
        """The answers of CloudWatch to these queries, page by page; an id may come more than once."""
        yield from self._pages(
            "get_metric_data",
            "MetricDataResults",
            MetricDataQueries=list(queries),
            StartTime=start,
            EndTime=end,
            ScanBy="TimestampAscending",
        )

    def groups(self, arns: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
        """Target groups as the API describes them."""
        return tuple(self._pages("describe_target_groups", "TargetGroups", TargetGroupArns=list(arns)))

    def attributes(self, group: str) -> Mapping[str, str]:
        """A target group's attributes."""
        said = self._call("describe_target_group_attributes", TargetGroupArn=group)
        return {one["Key"]: one.get("Value", "") for one in said.get("Attributes", ())}

    def balancers(self, arns: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
        """Load balancers as the API describes them."""
        return tuple(self._pages("describe_load_balancers", "LoadBalancers", LoadBalancerArns=list(arns)))

    def listeners(self, balancer: str) -> tuple[Mapping[str, Any], ...]:
        """All listeners of a load balancer."""
        return tuple(self._pages("describe_listeners", "Listeners", LoadBalancerArn=balancer))

    def listener(self, arn: str) -> Mapping[str, Any] | None:
        """One listener; None where it is not there."""
        return next(iter(self._pages("describe_listeners", "Listeners", ListenerArns=[arn])), None)

    def rules(self, listener: str) -> tuple[Mapping[str, Any], ...]:
        """All rules of a listener, its default rule included."""
        return tuple(self._pages("describe_rules", "Rules", ListenerArn=listener))

    def rule(self, arn: str) -> Mapping[str, Any] | None:
        """One rule, its conditions included; None where it is not there."""
        return next(iter(self._pages("describe_rules", "Rules", RuleArns=[arn])), None)

    # --- writes ----------------------------------------------------------------------------

    def do(self, site: Site, write: Write, until: float | None = None) -> None:
        """
        One write; of a way back, which goes before others, where it may wait for its turn `until` an epoch.

        Raises `PlatformError` or `AccessError`; CF4307: it may have been done.
        """
        self.prove()
        with self._pace.change(_operation(write), until):
            self._do(site, write)

    def _do(self, site: Site, write: Write) -> None:
        operation = _operation(write)
        match write:
            case Tag(colour=colour, tags=tags):
                listed = [{"Key": key, "Value": text} for key, text in tags]
                self._call(operation, site.groups[colour], ResourceArns=[site.groups[colour]], Tags=listed)
            case Route(arn=arn, actions=actions) if is_rule(arn):
                self._call(operation, arn, RuleArn=arn, Actions=writable(actions))
            case Route(arn=arn, actions=actions):
                self._call(operation, arn, ListenerArn=arn, DefaultActions=writable(actions))
            case Register(colour=colour, targets=targets) | Deregister(colour=colour, targets=targets):
                self._listed(operation, site.groups[colour], targets)

    def _listed(self, operation: str, group: str, targets: Sequence[Listed]) -> None:
        asked = [
            {
                "Id": one.address.ip,
                "Port": one.address.port,
                **({"AvailabilityZone": one.zone} if one.zone else {}),
            }
            for one in targets
        ]
        self._call(operation, group, TargetGroupArn=group, Targets=asked)

    # --- the wire --------------------------------------------------------------------------

    def _call(self, operation: str, on: str = "", **asked: Any) -> Mapping[str, Any]:
        declared = CALLS[operation]
        with _calling(declared, on):
            answer: Mapping[str, Any] = getattr(self._door.client(declared.service), operation)(**asked)
        return answer

    def _pages(self, operation: str, key: str, **asked: Any) -> Iterator[Mapping[str, Any]]:
        """Every item of every page (R07)."""
        declared = CALLS[operation]
        with _calling(declared, ""):
            pages = iter(self._door.client(declared.service).get_paginator(operation).paginate(**asked))
        while True:
            with _calling(declared, ""):
                page = next(pages, None)
            if page is None:
                return
            yield from page.get(key, ())


def _operation(write: Write) -> str:
    """The call that a write is."""
    match write:
        case Tag():
            return "add_tags"
        case Route(arn=arn):
            return "modify_rule" if is_rule(arn) else "modify_listener"
        case Register():
            return "register_targets"
        case Deregister():
            return "deregister_targets"


def _calling(declared: Declared, on: str) -> Any:
    return calling(declared.service, declared.action, on)


def _parts(arns: Sequence[str], most: int) -> Iterator[list[str]]:
    for start in range(0, len(arns), most):
        yield list(arns[start : start + most])


def _registered(said: Mapping[str, Any]) -> Registered | None:
    target, health = said["Target"], said.get("TargetHealth", {})
    if health.get("Reason") == "Target.NotRegistered":
        return None
    return Registered(
        address=Address(target["Id"], int(target.get("Port", 0))),
        zone=target.get("AvailabilityZone", ""),
        state=health.get("State", "unavailable"),
        reason=health.get("Reason", ""),
    )
