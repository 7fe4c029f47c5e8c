"""What `init` and `doctor` read of a load balancer, from moto; and the commands they print, carried out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from aws_tool import run_aws
from moto import mock_aws

from crossfade.errors import PlatformError, RefusedError
from crossfade.platforms.alb.choice import choose
from crossfade.platforms.alb.commands import Shell
from crossfade.platforms.alb.found import look, siblings

REGION = "eu-west-1"
SHELL = Shell(region=REGION)


@pytest.fixture
def elbv2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "nobody")
    with mock_aws():
        yield boto3.client("elbv2", region_name=REGION)


class Place:
    """A load balancer of moto's with one service on one group."""

    def __init__(self, client: Any) -> None:
        ec2 = boto3.client("ec2", region_name=REGION)
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        nets = [
            ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{at}.0/24", AvailabilityZone=f"{REGION}{zone}")
            for at, zone in enumerate("ab")
        ]
        made = client.create_load_balancer(Name="web", Subnets=[one["Subnet"]["SubnetId"] for one in nets])
        self.client = client
        self.balancer = made["LoadBalancers"][0]["LoadBalancerArn"]
        self.blue = self.group("shop-blue")
        self.listener = self.listen(80, self.blue)

    def group(self, name: str) -> str:
        made = self.client.create_target_group(
            Name=name, Protocol="HTTP", Port=8000, VpcId=self.vpc, TargetType="ip", HealthCheckPath="/healthz"
        )
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    def listen(self, port: int, group: str) -> str:
        made = self.client.create_listener(
            LoadBalancerArn=self.balancer,
            Protocol="HTTP",
            Port=port,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )
        return str(made["Listeners"][0]["ListenerArn"])

    def rule(self, priority: int, group: str, path: str) -> str:
        made = self.client.create_rule(
            ListenerArn=self.listener,
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "Values": [path]}],
            Actions=[{"Type": "forward", "TargetGroupArn": group}],
        )
        return str(made["Rules"][0]["RuleArn"])


def test_everything_behind_the_load_balancer_is_read(elbv2: Any) -> None:
    place = Place(elbv2)
    blog = place.group("blog")
    rule = place.rule(3, blog, "/blog/*")
    place.listen(8443, place.blue)
    elbv2.register_targets(TargetGroupArn=place.blue, Targets=[{"Id": "10.0.0.9", "Port": 8001}])
    found = look(elbv2, place.listener)

    assert found.balancer == place.balancer
    assert [one.said for one in found.ways] == [
        "HTTP:80 rule 3 (path /blog/*)",
        "HTTP:80 default action",
        "HTTP:8443 default action",
    ]
    assert [one.arn for one in found.ways[:2]] == [rule, place.listener]
    assert found.ways[1].forwards == ((place.blue, 1),)
    assert set(found.groups) == {place.blue, blog}
    assert found.groups[place.blue].health_path == "/healthz"
    assert found.groups[place.blue].states == ("healthy",)
    assert found.groups[place.blue].attributes["deregistration_delay.timeout_seconds"] == "300"


def test_all_pages_are_read(elbv2: Any) -> None:
    place = Place(elbv2)
    for at in range(1, 120):
        place.rule(at, place.blue, f"/{at}/*")

    assert len(look(elbv2, place.listener).ways) == 120


def test_groups_of_no_load_balancer_that_are_alike_could_be_the_other_side(elbv2: Any) -> None:
    place = Place(elbv2)
    green = place.group("shop-green")
    elbv2.create_target_group(Name="lonely", Protocol="HTTP", Port=1, VpcId=place.vpc, TargetType="instance")
    mine = look(elbv2, place.listener).groups[place.blue]

    assert [one.arn for one in siblings(elbv2, mine)] == [green]


def test_a_listener_that_is_not_there_is_an_error_with_awss_code(elbv2: Any) -> None:
    place = Place(elbv2)
    another = place.listener[:-1] + ("1" if place.listener.endswith("0") else "0")

    with pytest.raises(PlatformError, match="ListenerNotFound"):
        look(elbv2, another)


@pytest.mark.parametrize("with_rule", [False, True])
def test_the_commands_that_init_prints_make_a_pair_of_a_single_group(elbv2: Any, with_rule: bool) -> None:
    place = Place(elbv2)
    asked = place.rule(1, place.blue, "/shop/*") if with_rule else place.listener
    with pytest.raises(RefusedError) as caught:
        choose(look(elbv2, place.listener), asked, SHELL, test=None)
    done = run_aws(caught.value.fix, elbv2)
    choice = choose(look(elbv2, place.listener), asked, SHELL, test=None)

    assert done[:2] == ["CreateTargetGroup", "ModifyTargetGroupAttributes"]
    assert done[-1] == "CreateRule"
    assert done.count("ModifyRule") == (1 if with_rule else 0)
    assert done.count("SetRulePriorities") == (1 if with_rule else 0)
    assert choice.blue.arn == place.blue
    assert choice.green.name == "shop-green"
    assert choice.green.health_path == choice.blue.health_path
    assert choice.test.header == ("x-crossfade", "candidate")
    assert {weight for one in choice.rules for _, weight in one.forwards} == {999, 0}
    assert all(dict(one.forwards)[place.blue] == 999 for one in choice.rules)
