"""Targets, groups, load balancers and tags of the twin's ELBv2 through boto3: as AWS has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from elbv2_world import code, group, status
from twin_world import Shop, World, forward, world

from crossfade.twin.balancer.model import Target, TargetHealth


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture
def shop(w: World) -> Shop:
    return w.shop()


class TestTargets:
    def two(self, shop: Shop) -> list[dict[str, Any]]:
        targets = [{"Id": "127.0.0.1", "Port": port} for port in (9001, 9002)]
        shop.elb.register_targets(TargetGroupArn=shop.blue, Targets=targets)
        return targets

    def states(self, shop: Shop, *targets: dict[str, Any]) -> list[tuple[Any, ...]]:
        asked = {"Targets": list(targets)} if targets else {}
        rows = shop.elb.describe_target_health(TargetGroupArn=shop.blue, **asked)["TargetHealthDescriptions"]
        return [
            (one["Target"]["Port"], one["TargetHealth"]["State"], one["TargetHealth"].get("Reason", ""))
            for one in rows
        ]

    def test_two_ports_of_one_address_are_two_targets(self, w: World, shop: Shop) -> None:
        targets = self.two(shop)
        shop.elb.deregister_targets(TargetGroupArn=shop.blue, Targets=targets[:1])

        blue = next(one for one in w.balancers.wanted.groups if one.arn == shop.blue)

        assert blue.targets == (Target(ip="127.0.0.1", port=9002),)
        assert self.states(shop) == [(9002, "healthy", "")]

    def test_health_is_the_balancers(self, w: World, shop: Shop) -> None:
        self.two(shop)
        bad, gone = Target(ip="127.0.0.1", port=9001), Target(ip="127.0.0.1", port=9009)
        w.balancers.rows[shop.blue] = (
            TargetHealth(
                target=bad, state="unhealthy", reason="Target.Timeout", description="Request timed out"
            ),
            TargetHealth(target=gone, state="draining", reason="Target.DeregistrationInProgress"),
        )

        assert self.states(shop) == [
            (9001, "unhealthy", "Target.Timeout"),
            (9002, "initial", "Elb.RegistrationInProgress"),
            (9009, "draining", "Target.DeregistrationInProgress"),
        ]
        assert self.states(shop, {"Id": "127.0.0.1", "Port": 7}) == [(7, "unused", "Target.NotRegistered")]

    def test_deregistering_an_unknown_target_is_no_error(self, shop: Shop) -> None:
        unknown = [{"Id": "127.0.0.1", "Port": 4}]

        assert code(shop.elb.deregister_targets, TargetGroupArn=shop.blue, Targets=unknown) == ""

    @pytest.mark.parametrize("address", ["10.0.0.7", "8.8.8.8", "i-0123456789abcdef0", "localhost"])
    def test_only_addresses_of_this_machine_are_taken(self, w: World, shop: Shop, address: str) -> None:
        refused = code(
            shop.elb.register_targets, TargetGroupArn=shop.blue, Targets=[{"Id": address, "Port": 1}]
        )

        assert refused in {"InvalidTarget", "ValidationError"}
        assert all(one.targets == () for one in w.balancers.wanted.groups)

    def test_a_target_without_a_port_has_its_groups(self, w: World, shop: Shop) -> None:
        shop.elb.register_targets(TargetGroupArn=shop.blue, Targets=[{"Id": "127.0.0.1"}])

        assert [one.targets for one in w.balancers.wanted.groups if one.arn == shop.blue] == [
            (Target(ip="127.0.0.1", port=80),)
        ]


class TestGroups:
    def test_attributes_are_checked_kept_and_served(self, w: World, shop: Shop) -> None:
        attributes = {
            "deregistration_delay.timeout_seconds": "3600",
            "slow_start.duration_seconds": "30",
            "stickiness.enabled": "true",
            "stickiness.lb_cookie.duration_seconds": "60",
        }
        shop.elb.modify_rule(RuleArn=shop.rule, Actions=[forward((shop.green, 1))])
        shop.elb.modify_listener(ListenerArn=shop.listener, DefaultActions=[forward((shop.green, 1))])
        shop.elb.modify_target_group_attributes(
            TargetGroupArn=shop.blue,
            Attributes=[{"Key": key, "Value": value} for key, value in attributes.items()],
        )

        said = shop.elb.describe_target_group_attributes(TargetGroupArn=shop.blue)["Attributes"]
        blue = next(one for one in w.balancers.wanted.groups if one.arn == shop.blue)

        assert {one["Key"]: one["Value"] for one in said}.items() >= attributes.items()
        assert (blue.deregistration_delay_s, blue.slow_start_s, blue.sticky_s) == (3600, 30, 60)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("deregistration_delay.timeout_seconds", "3601"),
            ("slow_start.duration_seconds", "29"),
            ("stickiness.type", "source_ip"),
            ("load_balancing.algorithm.anomaly_mitigation", "on"),
            ("no.such.key", "1"),
        ],
    )
    def test_attributes_that_aws_would_not_take_are_refused(self, shop: Shop, key: str, value: str) -> None:
        refused = code(
            shop.elb.modify_target_group_attributes,
            TargetGroupArn=shop.blue,
            Attributes=[{"Key": key, "Value": value}],
        )

        assert refused == "ValidationError"

    def test_health_checks_are_checked_and_served(self, w: World, shop: Shop) -> None:
        shop.elb.modify_target_group(
            TargetGroupArn=shop.blue,
            HealthCheckPath="/healthz",
            HealthCheckPort="9100",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=2,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=3,
            Matcher={"HttpCode": "200-299"},
            HealthCheckEnabled=False,
        )
        health = next(one.health for one in w.balancers.wanted.groups if one.arn == shop.blue)

        assert (health.path, health.port, health.matcher, health.enabled) == (
            "/healthz",
            9100,
            "200-299",
            False,
        )
        assert (health.interval_s, health.timeout_s, health.healthy, health.unhealthy) == (5, 2, 2, 3)
        assert code(
            shop.elb.modify_target_group, TargetGroupArn=shop.green, HealthCheckTimeoutSeconds=30
        ) == "ValidationError"  # fmt: skip

    def test_creating_the_same_again_is_no_error_and_another_is(self, w: World, shop: Shop) -> None:
        again = group(shop, "blue")
        other = code(group, shop=shop, name="blue", Port=81)
        listener = {
            "LoadBalancerArn": shop.balancer,
            "Protocol": "HTTP",
            "Port": 8080,
        }
        same = shop.elb.create_listener(
            **listener, DefaultActions=[forward((shop.blue, 100), (shop.green, 0))]
        )["Listeners"][0]["ListenerArn"]
        second = code(shop.elb.create_listener, **listener, DefaultActions=[forward((shop.blue, 1))])

        assert (again, other) == (shop.blue, "DuplicateTargetGroupName")
        assert (same, second) == (shop.listener, "DuplicateListener")
        assert len(w.balancers.wanted.balancers[0].listeners) == 1

    def test_a_group_in_use_stays_and_an_unknown_one_is_gone_already(self, shop: Shop) -> None:
        assert code(shop.elb.delete_target_group, TargetGroupArn=shop.green) == "ResourceInUse"
        assert code(shop.elb.delete_target_group, TargetGroupArn=shop.green + "0") == ""

    def test_groups_are_found_by_what_uses_them_now(self, shop: Shop) -> None:
        shop.elb.modify_rule(RuleArn=shop.rule, Actions=[forward((shop.blue, 1))])
        shop.elb.modify_listener(ListenerArn=shop.listener, DefaultActions=[forward((shop.blue, 1))])

        every = shop.elb.describe_target_groups(PageSize=1)
        used = shop.elb.describe_target_groups(LoadBalancerArn=shop.balancer)["TargetGroups"]
        green = shop.elb.describe_target_groups(Names=["green"])["TargetGroups"][0]

        assert [one["TargetGroupName"] for one in every["TargetGroups"]] == ["blue"]
        assert "NextMarker" in every
        assert [one["TargetGroupName"] for one in used] == ["blue"]
        assert green["LoadBalancerArns"] == []
        assert code(shop.elb.describe_target_groups, Names=["blue", "red"]) == "TargetGroupNotFound"


class TestBalancersAndTags:
    def test_load_balancers_are_paged_and_an_unknown_one_is_refused(self, w: World, shop: Shop) -> None:
        subnets = [one["SubnetId"] for one in w.client("ec2").describe_subnets()["Subnets"]][:2]
        for name in ("b", "c"):
            shop.elb.create_load_balancer(Name=name, Subnets=subnets)

        pages = shop.elb.get_paginator("describe_load_balancers").paginate(PageSize=2)
        names = [[one["LoadBalancerName"] for one in page["LoadBalancers"]] for page in pages]

        assert names == [["shop", "b"], ["c"]]
        assert code(shop.elb.describe_load_balancers, Names=["shop", "d"]) == "LoadBalancerNotFound"
        assert code(shop.elb.create_load_balancer, Name="b", Subnets=subnets) == ""
        assert code(
            shop.elb.create_load_balancer, Name="b", Subnets=subnets, Scheme="internal"
        ) == "DuplicateLoadBalancerName"  # fmt: skip
        assert status(shop.elb.create_load_balancer, Name="n", Subnets=subnets, Type="network") == 501

    def test_a_protected_load_balancer_stays(self, w: World, shop: Shop) -> None:
        for value, refused in (("true", "OperationNotPermitted"), ("false", "")):
            shop.elb.modify_load_balancer_attributes(
                LoadBalancerArn=shop.balancer,
                Attributes=[{"Key": "deletion_protection.enabled", "Value": value}],
            )
            assert code(shop.elb.delete_load_balancer, LoadBalancerArn=shop.balancer) == refused

        assert w.balancers.wanted.balancers == ()

    def test_the_name_of_a_load_balancer_is_on_this_machine(self, shop: Shop) -> None:
        found = shop.elb.describe_load_balancers(Names=["shop"])["LoadBalancers"][0]

        assert found["DNSName"] == "127.0.0.1"

    def test_everything_carries_tags_the_default_rule_too(self, shop: Shop) -> None:
        default = shop.elb.describe_rules(ListenerArn=shop.listener)["Rules"][-1]["RuleArn"]
        arns = [shop.balancer, shop.listener, shop.rule, default, shop.blue]
        shop.elb.add_tags(ResourceArns=arns, Tags=[{"Key": "owner", "Value": "R1"}])
        shop.elb.remove_tags(ResourceArns=[shop.rule], TagKeys=["owner"])

        found = shop.elb.describe_tags(ResourceArns=arns)["TagDescriptions"]

        assert [(one["ResourceArn"], len(one["Tags"])) for one in found] == [
            (arn, 0 if arn == shop.rule else 1) for arn in arns
        ]
        assert code(shop.elb.describe_tags, ResourceArns=[shop.rule + "0"]) == "RuleNotFound"


def test_what_the_balancer_cannot_serve_is_undone_and_said(w: World, shop: Shop) -> None:
    before = shop.elb.describe_rules(ListenerArn=shop.listener)["Rules"]
    w.balancers.refuses = "Envoy does not like it"

    with pytest.raises(ClientError) as error:
        shop.elb.modify_rule(RuleArn=shop.rule, Actions=[forward((shop.green, 1))])
    w.balancers.refuses = ""

    assert "Envoy does not like it" in str(error.value)
    assert shop.elb.describe_rules(ListenerArn=shop.listener)["Rules"] == before


def test_deleting_a_listener_takes_it_from_the_balancer(w: World, shop: Shop) -> None:
    shop.elb.delete_listener(ListenerArn=shop.listener)

    assert w.balancers.wanted.balancers[0].listeners == ()
    assert code(shop.elb.describe_rules, ListenerArn=shop.listener) == "ListenerNotFound"


def test_each_region_has_its_own_and_all_are_served(w: World, shop: Shop) -> None:
    other = w.client("elbv2", region="us-east-2")
    ec2 = w.client("ec2", region="us-east-2")
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]][:2]
    other.create_load_balancer(Name="far", Subnets=subnets)

    assert [one["LoadBalancerName"] for one in other.describe_load_balancers()["LoadBalancers"]] == ["far"]
    assert {one.name for one in w.balancers.wanted.balancers} == {"shop", "far"}
