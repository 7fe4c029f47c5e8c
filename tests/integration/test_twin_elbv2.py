"""ELBv2 of the twin through boto3: refused, kept and returned as AWS does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from twin_world import Shop, World, forward, world

from crossfade.twin.balancer.model import Condition, FixedResponse, Forward, Redirect, Target, TargetHealth


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture
def shop(w: World) -> Shop:
    return w.shop()


def code(call: Callable[..., Any], **arguments: Any) -> str:
    """The code with which a call is refused; empty = it was not."""
    try:
        call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def status(call: Callable[..., Any], **arguments: Any) -> int:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return int(error.value.response["ResponseMetadata"]["HTTPStatusCode"])


def group(shop: Shop, name: str, **more: Any) -> str:
    made = {"Protocol": "HTTP", "Port": 80, "VpcId": shop.vpc, "TargetType": "ip", **more}
    return str(shop.elb.create_target_group(Name=name, **made)["TargetGroups"][0]["TargetGroupArn"])


def weights(w: World, rule: str) -> tuple[tuple[str, int], ...]:
    """What the balancer was told."""
    for balancer in w.balancers.wanted.balancers:
        for listener in balancer.listeners:
            for one in listener.rules:
                if one.arn == rule and isinstance(one.action, Forward):
                    return one.action.groups
    return ()


class TestWeights:
    @pytest.mark.parametrize("weight", [1000, -1, 7000])
    def test_a_weight_outside_0_to_999_is_refused_everywhere(self, w: World, shop: Shop, weight: int) -> None:
        bad = [forward((shop.blue, 1), (shop.green, weight))]
        before = (w.balancers.wanted, w.balancers.applied)

        refused = [
            code(shop.elb.modify_rule, RuleArn=shop.rule, Actions=bad),
            code(shop.elb.modify_listener, ListenerArn=shop.listener, DefaultActions=bad),
            code(
                shop.elb.create_rule,
                ListenerArn=shop.listener,
                Priority=7,
                Conditions=[{"Field": "path-pattern", "Values": ["/"]}],
                Actions=bad,
            ),
            code(
                shop.elb.create_listener,
                LoadBalancerArn=shop.balancer,
                Protocol="HTTP",
                Port=8081,
                DefaultActions=bad,
            ),
        ]

        assert refused == ["ValidationError"] * 4
        assert (w.balancers.wanted, w.balancers.applied) == before

    def test_several_groups_need_a_weight_each(self, shop: Shop) -> None:
        config = {
            "TargetGroups": [{"TargetGroupArn": shop.blue}, {"TargetGroupArn": shop.green, "Weight": 1}]
        }
        action = {"Type": "forward", "ForwardConfig": config}

        assert code(shop.elb.modify_rule, RuleArn=shop.rule, Actions=[action]) == "ValidationError"

    def test_five_groups_are_taken_and_a_sixth_is_not(self, w: World, shop: Shop) -> None:
        arns = [shop.blue, *(group(shop, f"g{number}") for number in range(5))]

        five = code(
            shop.elb.modify_rule, RuleArn=shop.rule, Actions=[forward(*((arn, 1) for arn in arns[:5]))]
        )
        six = code(shop.elb.modify_rule, RuleArn=shop.rule, Actions=[forward(*((arn, 1) for arn in arns))])

        assert (five, six) == ("", "InvalidLoadBalancerAction")
        assert weights(w, shop.rule) == tuple((arn, 1) for arn in arns[:5])

    def test_a_group_named_twice_is_refused(self, shop: Shop) -> None:
        twice = [forward((shop.blue, 1), (shop.blue, 2))]

        assert code(shop.elb.modify_rule, RuleArn=shop.rule, Actions=twice) == "ValidationError"

    def test_an_unknown_group_is_refused_everywhere(self, w: World, shop: Shop) -> None:
        bad = [forward((shop.blue, 1), (shop.blue + "0", 1))]
        single = [{"Type": "forward", "TargetGroupArn": shop.blue + "0"}]
        before = w.balancers.wanted

        refused = [
            code(shop.elb.modify_rule, RuleArn=shop.rule, Actions=bad),
            code(shop.elb.modify_listener, ListenerArn=shop.listener, DefaultActions=bad),
            code(shop.elb.modify_listener, ListenerArn=shop.listener, DefaultActions=single),
            code(
                shop.elb.create_listener,
                LoadBalancerArn=shop.balancer,
                Protocol="HTTP",
                Port=8081,
                DefaultActions=bad,
            ),
        ]

        assert refused == ["TargetGroupNotFound"] * 4
        assert w.balancers.wanted == before

    def test_all_weights_may_be_0(self, w: World, shop: Shop) -> None:
        shop.elb.modify_rule(RuleArn=shop.rule, Actions=[forward((shop.blue, 0), (shop.green, 0))])

        assert weights(w, shop.rule) == ((shop.blue, 0), (shop.green, 0))

    def test_what_was_set_is_read_back_whole(self, w: World, shop: Shop) -> None:
        action = forward((shop.green, 999), (shop.blue, 1), sticky=3600)
        shop.elb.modify_rule(RuleArn=shop.rule, Actions=[action])
        shop.elb.modify_listener(ListenerArn=shop.listener, DefaultActions=[action])

        rule = shop.elb.describe_rules(RuleArns=[shop.rule])["Rules"][0]
        listener = shop.elb.describe_listeners(ListenerArns=[shop.listener])["Listeners"][0]
        default = shop.elb.describe_rules(ListenerArn=shop.listener)["Rules"][-1]

        assert rule["Actions"] == listener["DefaultActions"] == default["Actions"] == [action]
        assert weights(w, shop.rule) == weights(w, default["RuleArn"]) == ((shop.green, 999), (shop.blue, 1))

    def test_a_single_group_is_returned_in_both_forms_with_the_defaults(self, shop: Shop) -> None:
        shop.elb.modify_rule(RuleArn=shop.rule, Actions=[{"Type": "forward", "TargetGroupArn": shop.green}])

        actions = shop.elb.describe_rules(RuleArns=[shop.rule])["Rules"][0]["Actions"]

        assert actions == [
            {
                "Type": "forward",
                "TargetGroupArn": shop.green,
                "ForwardConfig": {
                    "TargetGroups": [{"TargetGroupArn": shop.green, "Weight": 1}],
                    "TargetGroupStickinessConfig": {"Enabled": False},
                },
            }
        ]

    def test_target_group_arn_beside_another_forward_config_is_refused(self, shop: Shop) -> None:
        both = {**forward((shop.blue, 1), (shop.green, 1)), "TargetGroupArn": shop.blue}

        assert code(shop.elb.modify_rule, RuleArn=shop.rule, Actions=[both]) == "InvalidLoadBalancerAction"

    @pytest.mark.parametrize("config", [{"Enabled": True}, {"Enabled": True, "DurationSeconds": 604_801}])
    def test_stickiness_needs_a_duration_of_at_most_a_week(self, shop: Shop, config: dict[str, Any]) -> None:
        action = forward((shop.blue, 1), (shop.green, 1))
        action["ForwardConfig"]["TargetGroupStickinessConfig"] = config

        assert code(shop.elb.modify_rule, RuleArn=shop.rule, Actions=[action]) == "ValidationError"

    def test_a_sticky_group_among_several_makes_rule_stickiness_mandatory(self, shop: Shop) -> None:
        sticky = [{"Key": "stickiness.enabled", "Value": "true"}]
        shop.elb.modify_target_group_attributes(TargetGroupArn=shop.green, Attributes=sticky)

        without = code(
            shop.elb.modify_rule, RuleArn=shop.rule, Actions=[forward((shop.blue, 1), (shop.green, 1))]
        )
        with_it = code(
            shop.elb.modify_rule,
            RuleArn=shop.rule,
            Actions=[forward((shop.blue, 1), (shop.green, 1), sticky=60)],
        )
        alone = code(shop.elb.modify_rule, RuleArn=shop.rule, Actions=[forward((shop.green, 1))])

        assert (without, with_it, alone) == ("InvalidLoadBalancerAction", "", "")

    def test_a_group_serves_one_load_balancer_only(self, w: World, shop: Shop) -> None:
        subnets = [one["SubnetId"] for one in w.client("ec2").describe_subnets()["Subnets"]][:2]
        other = shop.elb.create_load_balancer(Name="other", Subnets=subnets)["LoadBalancers"][0]

        refused = code(
            shop.elb.create_listener,
            LoadBalancerArn=other["LoadBalancerArn"],
            Protocol="HTTP",
            Port=8090,
            DefaultActions=[forward((shop.blue, 1))],
        )

        assert refused == "TargetGroupAssociationLimit"


class TestRules:
    def test_the_default_rule_is_changed_through_its_listener_only(self, w: World, shop: Shop) -> None:
        default = shop.elb.describe_rules(ListenerArn=shop.listener)["Rules"][-1]["RuleArn"]
        before = w.balancers.wanted

        modified = code(shop.elb.modify_rule, RuleArn=default, Actions=[forward((shop.green, 1))])
        deleted = code(shop.elb.delete_rule, RuleArn=default)
        moved = code(shop.elb.set_rule_priorities, RulePriorities=[{"RuleArn": default, "Priority": 3}])

        assert (modified, deleted, moved) == ("OperationNotPermitted",) * 3
        assert w.balancers.wanted == before

    def test_a_rule_has_one_action_that_ends_it(self, shop: Shop) -> None:
        fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
        two = [{**forward((shop.blue, 1)), "Order": 1}, {**fixed, "Order": 2}]

        assert code(shop.elb.modify_rule, RuleArn=shop.rule, Actions=two) == "InvalidLoadBalancerAction"

    def test_rules_are_listed_as_they_are_tried_and_page_by_page(self, shop: Shop) -> None:
        for priority in (30, 5, 20):
            shop.elb.create_rule(
                ListenerArn=shop.listener,
                Priority=priority,
                Conditions=[{"Field": "path-pattern", "Values": [f"/{priority}"]}],
                Actions=[forward((shop.blue, 1))],
            )

        one = shop.elb.describe_rules(ListenerArn=shop.listener, PageSize=2)
        rest = shop.elb.describe_rules(ListenerArn=shop.listener, PageSize=2, Marker=one["NextMarker"])
        pages = shop.elb.get_paginator("describe_rules").paginate(ListenerArn=shop.listener, PageSize=1)

        assert [rule["Priority"] for rule in one["Rules"] + rest["Rules"]] == ["5", "10", "20", "30"]
        assert [rule["Priority"] for page in pages for rule in page["Rules"]] == [
            *("5", "10", "20", "30", "default")
        ]
        assert code(shop.elb.describe_rules, ListenerArn=shop.listener, Marker="x") == "ValidationError"

    def test_rules_are_found_by_arn_and_an_unknown_one_is_refused(self, shop: Shop) -> None:
        default = shop.elb.describe_rules(ListenerArn=shop.listener)["Rules"][-1]["RuleArn"]

        found = shop.elb.describe_rules(RuleArns=[default, shop.rule])["Rules"]

        assert [one["RuleArn"] for one in found] == [default, shop.rule]
        assert code(shop.elb.describe_rules, RuleArns=[shop.rule + "0"]) == "RuleNotFound"
        assert code(shop.elb.delete_rule, RuleArn=shop.rule + "0") == "RuleNotFound"

    def test_priorities_can_be_exchanged_in_one_call(self, w: World, shop: Shop) -> None:
        second = shop.elb.create_rule(
            ListenerArn=shop.listener,
            Priority=20,
            Conditions=[{"Field": "path-pattern", "Values": ["/two"]}],
            Actions=[forward((shop.green, 1))],
        )["Rules"][0]["RuleArn"]

        shop.elb.set_rule_priorities(
            RulePriorities=[{"RuleArn": shop.rule, "Priority": 20}, {"RuleArn": second, "Priority": 10}]
        )
        taken = code(shop.elb.set_rule_priorities, RulePriorities=[{"RuleArn": shop.rule, "Priority": 10}])

        rules = w.balancers.wanted.balancers[0].listeners[0].rules
        assert [one.arn for one in rules][:2] == [second, shop.rule]
        assert taken == "PriorityInUse"

    def test_every_kind_of_condition_and_action_reaches_the_balancer(self, w: World, shop: Shop) -> None:
        conditions = [
            {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com"]}},
            {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Preview", "Values": ["yes"]}},
            {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET"]}},
            {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2"}]}},
            {"Field": "source-ip", "SourceIpConfig": {"Values": ["127.0.0.0/8"]}},
        ]
        shop.elb.modify_rule(RuleArn=shop.rule, Conditions=conditions)
        shop.elb.create_rule(
            ListenerArn=shop.listener,
            Priority=11,
            Conditions=[{"Field": "query-string", "QueryStringConfig": {"Values": [{"Value": "any"}]}}],
            Actions=[
                {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "MessageBody": "no"}}
            ],
        )
        shop.elb.create_rule(
            ListenerArn=shop.listener,
            Priority=12,
            Conditions=[{"Field": "path-pattern", "Values": ["/old"]}],
            Actions=[{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Path": "/new"}}],
        )

        first, second, third, _ = w.balancers.wanted.balancers[0].listeners[0].rules

        assert first.conditions == (
            Condition(kind="host-header", values=("*.example.com",)),
            Condition(kind="http-header", values=("yes",), header="X-Preview"),
            Condition(kind="http-request-method", values=("GET",)),
            Condition(kind="query-string", values=("v=2",)),
            Condition(kind="source-ip", values=("127.0.0.0/8",)),
        )
        assert weights(w, shop.rule) == ((shop.blue, 999), (shop.green, 0))
        assert (second.conditions, second.action) == (
            (Condition(kind="query-string", values=("any",)),),
            FixedResponse(status=503, content_type="text/plain", body="no"),
        )
        assert third.action == Redirect(status=301, path="/new")

    def test_what_the_twin_does_not_do_is_501_at_once(self, shop: Shop) -> None:
        regex = [{"Field": "path-pattern", "PathPatternConfig": {}, "RegexValues": ["^/a"]}]

        assert status(shop.elb.modify_rule, RuleArn=shop.rule, Conditions=regex) == 501
        store = {"CaCertificatesBundleS3Bucket": "b", "CaCertificatesBundleS3Key": "c"}
        assert code(shop.elb.create_trust_store, Name="a", **store) == "NotModelledInTwin"


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
