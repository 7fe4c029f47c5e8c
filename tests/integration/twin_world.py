"""A twin's API in this process over a balancer in memory; clients of it; a small ALB to begin with."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]

from crossfade.twin.balancer.model import Balancing, Ports, State, TargetHealth
from crossfade.twin.clock import TwinClock
from crossfade.twin.endpoint import listening
from crossfade.twin.faults import Faults
from crossfade.twin.server import Server, install
from crossfade.twin.wanted import Wanted

REGION = "eu-west-1"


@dataclass
class MemoryBalancers:
    """Serves nothing; remembers what it was asked, and shows targets as it is told to."""

    wanted: Balancing = field(default_factory=Balancing)
    applied: int = 0
    refuses: str = ""
    state: State = "healthy"
    rows: dict[str, tuple[TargetHealth, ...]] = field(default_factory=dict)

    def apply(self, wanted: Balancing) -> None:
        if self.refuses:
            raise ValueError(self.refuses)
        self.wanted = wanted
        self.applied += 1

    def ports(self) -> Ports:
        arns = [one.arn for balancer in self.wanted.balancers for one in balancer.listeners]
        return {arn: 41_000 + number for number, arn in enumerate(arns)}

    def health(self, group_arn: str) -> tuple[TargetHealth, ...]:
        if group_arn in self.rows:
            return self.rows[group_arn]
        group = next((one for one in self.wanted.groups if one.arn == group_arn), None)
        return tuple(TargetHealth(target=one, state=self.state) for one in group.targets) if group else ()

    def start(self) -> None: ...
    def stop(self) -> None: ...


@cache
def _client(endpoint: str, service: str, region: str, tries: int, agent: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="any",
        aws_secret_access_key="body",  # noqa: S106
        config=Config(
            retries={"total_max_attempts": tries, "mode": "standard"},
            proxies={},
            user_agent_extra=agent or None,
            s3={"addressing_style": "path"},
        ),
    )


@dataclass
class World:
    server: Server
    balancers: MemoryBalancers
    clock: TwinClock
    faults: Faults

    def client(self, service: str, *, region: str = REGION, tries: int = 1, agent: str = "") -> Any:
        return _client(self.server.endpoint, service, region, tries, agent)

    def steer(self, method: str, path: str, body: Any = None) -> Any:
        """A request to `/twin…`; the JSON of its answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.server.endpoint}{path}", data=data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Answers())
        with opener.open(request, timeout=5) as reply:
            return json.load(reply)

    def actions(self, name: str = "") -> list[dict[str, Any]]:
        every = self.steer("GET", "/twin/actions")["actions"]
        return [one for one in every if name in {"", one["action"]}]

    def shop(self) -> Shop:
        """A load balancer with one listener on 8080, which shares between `blue` and `green`."""
        elb, ec2 = self.client("elbv2"), self.client("ec2")
        subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        balancer = elb.create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0][
            "LoadBalancerArn"
        ]
        blue, green = (
            elb.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")[
                "TargetGroups"
            ][0]["TargetGroupArn"]
            for name in ("blue", "green")
        )
        listener = elb.create_listener(
            LoadBalancerArn=balancer,
            Protocol="HTTP",
            Port=8080,
            DefaultActions=[forward((blue, 100), (green, 0))],
        )["Listeners"][0]["ListenerArn"]
        rule = elb.create_rule(
            ListenerArn=listener,
            Priority=10,
            Conditions=[{"Field": "path-pattern", "Values": ["/api/*"]}],
            Actions=[forward((blue, 999), (green, 0))],
        )["Rules"][0]["RuleArn"]
        return Shop(elb=elb, vpc=vpc, balancer=balancer, listener=listener, rule=rule, blue=blue, green=green)


@dataclass(frozen=True)
class Shop:
    elb: Any
    vpc: str
    balancer: str
    listener: str
    rule: str
    blue: str
    green: str


class _Answers(urllib.request.HTTPErrorProcessor):
    def http_response(self, request: Any, response: Any) -> Any:
        return response


def forward(*shares: tuple[str, int], sticky: int | None = None) -> dict[str, Any]:
    """A forward action by weights."""
    config: dict[str, Any] = {
        "TargetGroups": [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in shares]
    }
    if sticky is not None:
        config["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": sticky}
    return {"Type": "forward", "ForwardConfig": config}


@cache
def _server() -> World:
    """One for all tests of a process: moto's state is global anyway, and its parts are slow to make."""
    balancers, clock, faults = MemoryBalancers(), TwinClock(), Faults(1)
    server = Server(
        Wanted(region=REGION), clock=clock, faults=faults, balancers=balancers, listening=listening(0)
    )
    server.start()
    server._undo()
    return World(server, balancers, clock, faults)


@contextmanager
def world() -> Iterator[World]:
    """Empty, without faults, with full buckets: nothing of an earlier test is in it."""
    from moto.elbv2.models import elbv2_backends

    made = _server()
    elbv2_backends.reset()
    made.faults.remove()
    made.server.recorder.forget()
    made.clock.run_at(1.0)
    made.clock.advance(10_000)
    made.balancers.__init__()  # type: ignore[misc]
    undo = install(made.balancers)
    try:
        yield made
    finally:
        undo()  # tests of other files have moto as it is
