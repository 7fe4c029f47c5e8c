"""
What is read of a load balancer, as values: the site, targets, routes, tags, requests. Nothing is asked here.

A *route* is a rule, or a listener by its default action: a list of actions, one of which forwards.
Parts that could not be read are `Unknown` and say why (R06).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from crossfade.aws import Where
from crossfade.release.plan import Plan
from crossfade.release.values import Fact
from crossfade.spec import AlbPlatform, Aws, Spec
from crossfade.spec.arns import Arn, Kind, parse

BLUE: Final = "blue"
GREEN: Final = "green"
COLOURS: Final = (BLUE, GREEN)

Actions = tuple[Mapping[str, Any], ...]
"""A route's actions as the API gives and takes them."""


def other(colour: str) -> str:
    """The other one of the two groups."""
    return GREEN if colour == BLUE else BLUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a service is, complete: what a release needs to act after `crossfade.yaml` is gone."""

    service: str
    where: Where
    rules: tuple[str, ...]
    test: str
    groups: Mapping[str, str]
    """Colour to ARN."""

    @property
    def routes(self) -> tuple[str, ...]:
        """Every route of ours, the test route last."""
        return (*self.rules, self.test)

    @property
    def ledger(self) -> str:
        """The group whose tags are the seat: one resource, so that one call writes all of it."""
        return self.groups[BLUE]

    @property
    def balancer(self) -> str:
        """The load balancer as CloudWatch names it."""
        return named(self.test).balancer

    def colour(self, arn: str) -> str | None:
        """Which of the two groups this is; None for a third."""
        return next((colour for colour, mine in self.groups.items() if mine == arn), None)

    def document(self) -> dict[str, object]:
        """As it stands in a plan."""
        where = self.where
        return {
            "service": self.service,
            "account": where.account,
            "region": where.region,
            "endpoint": where.endpoint,
            "role": where.role,
            "rules": list(self.rules),
            "test": self.test,
            "groups": dict(self.groups),
        }


def named(arn: str) -> Arn:
    """An ARN that the spec has proved to be one."""
    found = parse(arn)
    if found is None:
        raise ValueError(f"{arn} is no ARN of a load balancer's")
    return found


def is_rule(arn: str) -> bool:
    return named(arn).kind is Kind.RULE


def site_of_spec(spec: Spec) -> Site:
    """What the spec says. Raises `TypeError` where it names another platform: wiring's mistake."""
    alb, aws = spec.platform, spec.aws
    if not isinstance(alb, AlbPlatform) or not isinstance(aws, Aws):
        raise TypeError(f"{spec.service} is not on AWS")
    return Site(
        service=spec.service,
        where=Where(account=aws.account, region=aws.region, endpoint=aws.endpoint, role=aws.role),
        rules=alb.rules,
        test=alb.test,
        groups={BLUE: alb.blue, GREEN: alb.green},
    )


def site_of(artifact: Mapping[str, Any]) -> Site:
    """What a plan says, from the candidate's artifact."""
    said = artifact["site"]
    return Site(
        service=said["service"],
        where=Where(
            account=said["account"],
            region=said["region"],
            endpoint=said.get("endpoint"),
            role=said.get("role"),
        ),
        rules=tuple(said["rules"]),
        test=said["test"],
        groups=dict(said["groups"]),
    )


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """One target of a group: two ports of one address are two targets."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A target as a revision lists it; `zone` is said only where AWS cannot know it."""

    address: Address
    zone: str = ""

    def __str__(self) -> str:
        return f"{self.address} {self.zone}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A target as the load balancer sees it."""

    address: Address
    zone: str
    state: str
    """healthy, initial, unhealthy, unused, draining, unavailable."""
    reason: str = ""

    @property
    def leaving(self) -> bool:
        """Deregistered, and still there for what is in flight."""
        return self.state == "draining"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Which group is which side, for one release; fixed when it is planned."""

    stable: str
    candidate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """A closed period and the requests that each group got in it."""

    start: float
    end: float
    requests: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flowed:
    """
    Requests by group over closed periods, oldest first, without a hole.

    `problem` says why they cannot be read; a period that may still change is not among them (R28).
    """

    minutes: tuple[Minute, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """The actions of every route, twice where they are to be believed; None for one that is not there."""

    first: Mapping[str, Actions | None]
    second: Mapping[str, Actions | None] = field(default_factory=dict)


Tags = Mapping[str, Mapping[str, str]]
"""Colour to all tags of its group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One look at a site; `at` is the epoch of the release's clock when it began."""

    at: float
    routes: Fact[Routes]
    tags: Fact[Tags]
    targets: Mapping[str, Fact[tuple[Registered, ...]]]
    """By colour."""
    flow: Flowed
    near: Flowed = field(default_factory=Flowed)
    """The same as instances count it themselves, in seconds; empty where they are not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """Write these tags on a group."""

    colour: str
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route's whole list of actions."""

    arn: str
    actions: Actions


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    colour: str
    targets: tuple[Listed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deregister:
    colour: str
    targets: tuple[Listed, ...]


Write = Tag | Route | Register | Deregister


def artifact_of(plan: Plan, side: str) -> Mapping[str, Any]:
    """What the platform prepared for one side; empty where there was none."""
    found = plan.artifact.get(side)
    return found if isinstance(found, Mapping) else {}


def site_of_plan(plan: Plan) -> Site:
    """Where a plan's service is."""
    return site_of(artifact_of(plan, "candidate"))


def sides_of(plan: Plan) -> Sides:
    """The sides of a plan. They never swap in a release, whatever becomes of tags."""
    candidate = str(artifact_of(plan, "candidate")["group"])
    return Sides(stable=other(candidate), candidate=candidate)


def listed(artifact: Mapping[str, Any]) -> tuple[Listed, ...]:
    """A side's targets in the order in which they are registered."""
    return tuple(_one(text) for text in artifact.get("targets", ()))


def _one(text: str) -> Listed:
    place, _, zone = text.partition(" ")
    ip, _, port = place.rpartition(":")
    return Listed(address=Address(ip.strip("[]"), int(port)), zone=zone)
