"""An Application Load Balancer of a twin in this process, and the `alb` platform in front of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]

from crossfade.aws import Door, Where
from crossfade.platforms.alb import AlbPlatform
from crossfade.platforms.alb_gateway import Gateway
from crossfade.platforms.alb_model import Flowed, Minute, Site
from crossfade.platforms.alb_pace import Pace
from crossfade.twin.balancer.model import Balancing, Ports, State, TargetHealth
from crossfade.twin.clock import TwinClock
from crossfade.twin.endpoint import listening
from crossfade.twin.faults import Faults
from crossfade.twin.server import Server
from crossfade.twin.wanted import Wanted

ACCOUNT = "123456789012"
REGION = "eu-west-1"


@dataclass
class MemoryBalancers:
    """Serves nothing; targets are healthy at once, or as they are said to be."""

    wanted: Balancing = field(default_factory=Balancing)
    state: State = "healthy"

    def apply(self, wanted: Balancing) -> None:
        self.wanted = wanted

    def ports(self) -> Ports:
        return {one.arn: one.port for balancer in self.wanted.balancers for one in balancer.listeners}

    def health(self, group_arn: str) -> tuple[TargetHealth, ...]:
        group = next((one for one in self.wanted.groups if one.arn == group_arn), None)
        return tuple(TargetHealth(target=one, state=self.state) for one in group.targets) if group else ()

    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass
class Twin:
    """A twin's API in this process, over a balancer in memory."""

    server: Server
    balancers: MemoryBalancers
    faults: Faults
    clock: TwinClock

    @property
    def endpoint(self) -> str:
        return self.server.endpoint


@contextmanager
def twin() -> Iterator[Twin]:
    balancers, clock, faults = MemoryBalancers(), TwinClock(), Faults(1)
    server = Server(
        Wanted(region=REGION), clock=clock, faults=faults, balancers=balancers, listening=listening(0)
    )
    server.start()
    try:
        yield Twin(server=server, balancers=balancers, faults=faults, clock=clock)
    finally:
        server.stop()


@dataclass
class Clock:
    """Seconds that pass when they are told to."""

    at: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class MemoryFlow:
    """Requests as told; a service without any is silent on both sides for an hour."""

    clock: Clock
    minutes: tuple[Minute, ...] | None = None
    problem: str = ""

    def read(self, site: Site, now: float) -> Flowed:
        if self.minutes is not None or self.problem:
            return Flowed(minutes=self.minutes or (), problem=self.problem)
        return Flowed(minutes=tuple(minute(now - 60 * ago, blue=0, green=0) for ago in range(15, 0, -1)))


def minute(start: float, **requests: int) -> Minute:
    return Minute(start=start, end=start + 60, requests=requests)


@dataclass
class Balancer:
    """One load balancer with a rule, a default action and a test listener; all forward to blue."""

    elb: Any
    where: Where
    service: str
    balancer: str = ""
    listener: str = ""
    rule: str = ""
    test: str = ""
    groups: dict[str, str] = field(default_factory=dict)

    def build(self) -> Balancer:
        ec2 = client(self.where, "ec2")
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
        made = self.elb.create_load_balancer(Name=self.service, Subnets=subnets, Type="application")
        self.balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
        for colour in ("blue", "green"):
            group = self.elb.create_target_group(
                Name=f"{self.service}-{colour}",
                Protocol="HTTP",
                Port=80,
                VpcId=vpc,
                TargetType="ip",
            )
            self.groups[colour] = group["TargetGroups"][0]["TargetGroupArn"]
        self.listener = self._listener(80)
        self.test = self._listener(8080)
        rule = self.elb.create_rule(
            ListenerArn=self.listener,
            Priority=10,
            Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/shop/*"]}}],
            Actions=self._to_blue(),
        )
        self.rule = rule["Rules"][0]["RuleArn"]
        return self

    def _listener(self, port: int) -> str:
        made = self.elb.create_listener(
            LoadBalancerArn=self.balancer, Protocol="HTTP", Port=port, DefaultActions=self._to_blue()
        )
        arn: str = made["Listeners"][0]["ListenerArn"]
        return arn

    def _to_blue(self) -> list[dict[str, Any]]:
        return [{"Type": "forward", "TargetGroupArn": self.groups["blue"]}]

    # --- what is there ---------------------------------------------------------------------

    def actions(self, arn: str) -> list[Mapping[str, Any]]:
        if arn == self.rule:
            found: list[Mapping[str, Any]] = self.elb.describe_rules(RuleArns=[arn])["Rules"][0]["Actions"]
            return found
        actions: list[Mapping[str, Any]] = self.elb.describe_listeners(ListenerArns=[arn])["Listeners"][0][
            "DefaultActions"
        ]
        return actions

    def tags(self, colour: str) -> dict[str, str]:
        said = self.elb.describe_tags(ResourceArns=[self.groups[colour]])["TagDescriptions"][0]["Tags"]
        return {tag["Key"]: tag["Value"] for tag in said}

    def registered(self, colour: str) -> set[tuple[str, int]]:
        said = self.elb.describe_target_health(TargetGroupArn=self.groups[colour])
        return {
            (one["Target"]["Id"], one["Target"]["Port"])
            for one in said["TargetHealthDescriptions"]
            if one["TargetHealth"].get("Reason") != "Target.NotRegistered"
        }

    def everything(self) -> dict[str, Any]:
        """All that a release could change."""
        return {
            "routes": [self.actions(arn) for arn in (self.rule, self.listener, self.test)],
            "tags": [self.tags(colour) for colour in ("blue", "green")],
            "targets": [self.registered(colour) for colour in ("blue", "green")],
        }

    # --- another hand ----------------------------------------------------------------------

    def tag(self, colour: str, **tags: str) -> None:
        self.elb.add_tags(
            ResourceArns=[self.groups[colour]],
            Tags=[{"Key": key, "Value": text} for key, text in tags.items()],
        )

    def write(self, arn: str, actions: list[Mapping[str, Any]]) -> None:
        if arn == self.rule:
            self.elb.modify_rule(RuleArn=arn, Actions=actions)
        else:
            self.elb.modify_listener(ListenerArn=arn, DefaultActions=actions)

    def weigh(self, arn: str, **weights: int) -> None:
        groups = [
            {"TargetGroupArn": self.groups.get(colour, colour), "Weight": weight}
            for colour, weight in weights.items()
        ]
        self.write(arn, [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}])

    def register(self, colour: str, *targets: tuple[str, int]) -> None:
        self.elb.register_targets(
            TargetGroupArn=self.groups[colour], Targets=[{"Id": ip, "Port": port} for ip, port in targets]
        )

    @property
    def site(self) -> Site:
        return Site(
            service=self.service,
            where=self.where,
            rules=(self.rule, self.listener),
            test=self.test,
            groups=self.groups,
        )


def unhurried() -> Pace:
    """As much as a test asks for."""
    seconds = itertools.count(0.0, 1000.0)
    return Pace(lambda: next(seconds), lambda _: None)


def client(where: Where, service: str) -> Any:
    """A client that is nobody's of ours: another hand's."""
    return boto3.client(
        service,
        endpoint_url=where.endpoint,
        region_name=where.region,
        aws_access_key_id="another",
        aws_secret_access_key="hand",  # noqa: S106  # nobody's
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}, proxies={}),
    )


@dataclass
class AlbWorld:
    """A load balancer, the platform in front of it, its clock and its traffic."""

    balancer: Balancer
    platform: AlbPlatform
    clock: Clock
    flow: MemoryFlow
    twin: Twin


def world(at: Twin, service: str) -> AlbWorld:
    where = Where(account=ACCOUNT, region=REGION, endpoint=at.endpoint)
    balancer = Balancer(elb=client(where, "elbv2"), where=where, service=service).build()
    clock = Clock()
    flow = MemoryFlow(clock)
    platform = AlbPlatform(balancer.site, Gateway(Door(where), unhurried()), flow, now=clock)
    return AlbWorld(balancer=balancer, platform=platform, clock=clock, flow=flow, twin=at)
