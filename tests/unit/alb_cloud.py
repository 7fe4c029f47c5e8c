"""
A load balancer of AWS in virtual time: late answers, lost answers, late traffic, late metrics.

It implements what the `alb` platform asks (`Line`, `Flow` by way of `CloudWatchFlow`'s metrics), deals
out requests every second by the weights that have reached its nodes, and counts those that nobody served.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from crossfade.aws import Identity, Where
from crossfade.errors import PlatformError
from crossfade.platforms.alb import actions as alb_actions
from crossfade.platforms.alb.flow import MINUTE_S
from crossfade.platforms.alb.model import (
    COLOURS,
    Actions,
    Address,
    Deregister,
    Register,
    Registered,
    Route,
    Site,
    Tag,
    Tags,
    Write,
)

ELB = "arn:aws:elasticloadbalancing:eu-west-1:123456789012"
RULE = f"{ELB}:listener-rule/app/front/1/2/3"
LISTENER = f"{ELB}:listener/app/front/1/2"
TEST = f"{ELB}:listener/app/front/1/9"
GROUPS = {colour: f"{ELB}:targetgroup/shop-{colour}/7" for colour in COLOURS}
SITE = Site(
    service="shop",
    where=Where(account="123456789012", region="eu-west-1", endpoint="http://127.0.0.1:1"),
    rules=(RULE, LISTENER),
    test=TEST,
    groups=GROUPS,
)
BEGIN = 1_800_000_000.0
DRAINS_S = 60.0
HEALTHY_AFTER_S = 20.0
KEPT = 600


def forward(sticky: int = 0, **weights: int) -> dict[str, Any]:
    """A forward as the API answers it; groups by colour, or a third group by its ARN."""
    groups = [
        {"TargetGroupArn": GROUPS.get(name, name), "Weight": weight} for name, weight in weights.items()
    ]
    stickiness = {"Enabled": True, "DurationSeconds": sticky} if sticky else {"Enabled": False}
    config = {"TargetGroups": groups, "TargetGroupStickinessConfig": stickiness}
    alone = {"TargetGroupArn": groups[0]["TargetGroupArn"]} if len(groups) == 1 else {}
    return {"Type": "forward", **alone, "ForwardConfig": config}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One registration; `gone_at` None while it is not on its way out."""

    since: float
    gone_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """All that the API knows at one moment."""

    routes: Mapping[str, Actions]
    tags: Tags
    targets: Mapping[str, Mapping[Address, Target]]


@dataclass(kw_only=True)
class Weather:
    """How AWS behaves; all spans in seconds."""

    propagation: float = 1.0
    publish: float = 60.0
    publishes_until: float = 1e12
    stale: float = 0.0
    stale_s: float = 0.0
    fails_before: float = 0.0
    fails_after: float = 0.0
    throttles: float = 0.0


@dataclass
class Cloud:
    """The world outside, with a lot of its own for everything that happens by chance."""

    weather: Weather = field(default_factory=Weather)
    seed: int = 0
    per_s: float = 20.0
    at: float = BEGIN
    lost: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)
    writes: list[tuple[float, Write]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    on_second: Callable[[Cloud], None] | None = None
    """Another hand, once a second."""
    before_write: Callable[[Write], None] | None = None
    """Raises where the controller dies before this write."""
    after_write: Callable[[Write], None] | None = None

    def __post_init__(self) -> None:
        self.lot = random.Random(self.seed)
        self.now = Now(
            routes={arn: (forward(blue=1),) for arn in SITE.routes},
            tags={colour: {} for colour in COLOURS},
            targets={colour: {} for colour in COLOURS},
        )
        self.history: list[tuple[float, Now]] = [(self.at - 3600, self.now)]
        self.minutes: dict[int, Counter[str]] = {}

    def clock(self) -> float:
        return self.at

    # --- time passes -----------------------------------------------------------------------

    def passes(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.at += 1.0
            self._drained()
            if self.on_second is not None:
                self.on_second(self)
            self._deal_out()

    def _drained(self) -> None:
        for colour in COLOURS:
            found = self.now.targets[colour]
            left = {a: t for a, t in found.items() if t.gone_at is None or t.gone_at > self.at}
            if left != found:
                self._become(replace(self.now, targets={**self.now.targets, colour: left}))

    def _deal_out(self) -> None:
        """A second of users: each rule by the weights that have reached the nodes, to targets as they are."""
        seen = self.as_of(self.at - self.weather.propagation).routes
        for rule in SITE.rules:
            weights = alb_actions.forwards(seen[rule]) or {}
            number = int(self.per_s / 2) + (self.lot.random() < (self.per_s / 2) % 1)
            if not sum(weights.values()):
                self.lost["nobody"] += number
                continue
            for group in self.lot.choices(list(weights), list(weights.values()), k=number):
                self._ask(SITE.colour(group) or group)

    def _ask(self, colour: str) -> None:
        """A request: counted where a target was chosen, lost where there is none."""
        there = [one for one in self.now.targets.get(colour, {}).values() if one.gone_at is None]
        if colour in COLOURS and not there:
            self.lost[colour] += 1
            return
        self.served[colour] += 1
        minute = self.minutes.setdefault(int(self.at // MINUTE_S * MINUTE_S), Counter())
        minute[colour] += 1

    def test_request(self) -> None:
        """One request on the test route."""
        weights = alb_actions.forwards(self.now.routes[TEST]) or {}
        group = max(weights, key=lambda one: weights[one])
        self._ask(SITE.colour(group) or group)

    # --- what the API answers --------------------------------------------------------------

    def as_of(self, at: float) -> Now:
        return next((now for since, now in reversed(self.history) if since <= at), self.history[0][1])

    def _read(self, operation: str) -> Now:
        self.asked[operation] += 1
        if self.lot.random() < self.weather.throttles:
            raise PlatformError("CF4306", f"{operation} was throttled", "Rate exceeded")
        if self.lot.random() < self.weather.stale:
            return self.as_of(self.at - self.lot.uniform(0, self.weather.stale_s))
        return self.now

    def prove(self) -> Identity:
        return Identity(account="123456789012", arn="arn:aws:iam::123456789012:user/x")

    def routes(self, arns: Sequence[str]) -> Mapping[str, Actions | None]:
        now = self._read("DescribeRules")
        return {arn: now.routes.get(arn) for arn in arns}

    def tags(self, site: Site) -> Tags:
        return self._read("DescribeTags").tags

    def targets(self, group: str) -> tuple[Registered, ...]:
        colour = SITE.colour(group)
        assert colour is not None
        found = self._read("DescribeTargetHealth").targets[colour]
        named = any(group in (alb_actions.forwards(actions) or {}) for actions in self.now.routes.values())
        return tuple(
            Registered(address=address, zone="eu-west-1a", state=self._state(target, named=named))
            for address, target in sorted(found.items())
        )

    def _state(self, target: Target, *, named: bool) -> str:
        if target.gone_at is not None:
            return "draining"
        if not named:
            return "unused"
        return "healthy" if self.at - target.since >= HEALTHY_AFTER_S else "initial"

    def metrics(
        self, queries: Sequence[Mapping[str, Any]], start: datetime, end: datetime
    ) -> Sequence[Mapping[str, Any]]:
        self.asked["GetMetricData"] += 1
        if self.lot.random() < self.weather.throttles:
            raise PlatformError("CF4306", "GetMetricData was throttled", "Rate exceeded")
        known = [
            minute
            for minute in sorted(self.minutes)
            if start.timestamp() <= minute < end.timestamp()
            and minute + MINUTE_S + self.weather.publish <= self.at
            and minute < self.weather.publishes_until
        ]
        return [
            {
                "Id": query["Id"],
                "StatusCode": "Complete",
                "Timestamps": [minute for minute in known if self.minutes[minute][colour]],
                "Values": [n for minute in known if (n := self.minutes[minute][colour])],
            }
            for query in queries
            for colour in [query["Id"].partition("_")[0]]
        ]

    # --- what it is told -------------------------------------------------------------------

    def do(self, site: Site, write: Write, until: float | None = None) -> None:
        self.asked[type(write).__name__] += 1
        if self.before_write is not None:
            self.before_write(write)
        dice = self.lot.random()
        if dice < self.weather.throttles:
            raise PlatformError("CF4306", f"{type(write).__name__} was throttled", "Rate exceeded")
        if dice < self.weather.throttles + self.weather.fails_before:
            raise PlatformError("CF4307", f"{type(write).__name__} failed in AWS", "it may have been done")
        self.force(write)
        self.writes.append((self.at, write))
        if self.after_write is not None:
            self.after_write(write)
        if self.lot.random() < self.weather.fails_after:
            raise PlatformError("CF4307", f"{type(write).__name__} was not answered", "it may have been done")

    def force(self, write: Write) -> None:
        """Whoever asks: it is so now."""
        now = self.now
        match write:
            case Tag(colour=colour, tags=tags):
                self._become(replace(now, tags={**now.tags, colour: {**now.tags[colour], **dict(tags)}}))
            case Route(arn=arn, actions=actions):
                self._become(replace(now, routes={**now.routes, arn: actions}))
            case Register(colour=colour, targets=targets):
                new = {one.address: Target(since=self.at) for one in targets}
                there = {a: t for a, t in now.targets[colour].items() if a not in new or t.gone_at is None}
                self._become(replace(now, targets={**now.targets, colour: {**new, **there}}))
            case Deregister(colour=colour, targets=targets):
                gone = {one.address for one in targets}
                left_over = {
                    a: replace(t, gone_at=self.at + DRAINS_S) if a in gone and t.gone_at is None else t
                    for a, t in now.targets[colour].items()
                }
                self._become(replace(now, targets={**now.targets, colour: left_over}))

    def _become(self, now: Now) -> None:
        self.now = now
        self.history = [*self.history[-KEPT:], (self.at, now)]


def addresses(first: int, number: int = 3) -> list[str]:
    return [f"10.0.0.{first + one}:80" for one in range(number)]
