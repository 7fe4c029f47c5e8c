"""Rules and weights of the twin's ELBv2 through boto3: refused, kept and returned as AWS does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from elbv2_world import code, group, status, weights
from twin_world import Shop, World, forward, world

from crossfade.twin.balancer.model import Condition, FixedResponse, Redirect


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture
def shop(w: World) -> Shop:
    return w.shop()


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
