"""What a twin does to calls: throttles, delays, loses answers, answers stale; and what it writes down."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError  # type: ignore[import-untyped]
from twin_world import Shop, World, forward, world

from crossfade.twin.chaos import Chaos
from crossfade.twin.presets import PRESETS


@pytest.fixture
def w() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture
def shop(w: World) -> Shop:
    return w.shop()


def refused(call: Any, **arguments: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    reply = error.value.response
    return int(reply["ResponseMetadata"]["HTTPStatusCode"]), str(reply["Error"]["Code"])


def shift(shop: Shop, green: int) -> None:
    shop.elb.modify_rule(RuleArn=shop.rule, Actions=[forward((shop.blue, 999 - green), (shop.green, green))])


def weight(shop: Shop) -> int:
    """Green's, as DescribeRules says."""
    rule = shop.elb.describe_rules(RuleArns=[shop.rule])["Rules"][0]
    return int(rule["Actions"][0]["ForwardConfig"]["TargetGroups"][1]["Weight"])


class TestThrottles:
    def calls(self, w: World, count: int, call: Any) -> int:
        """How many of so many calls are let through, at one instant of twin time."""
        w.clock.run_at(1e-9)
        passed = 0
        for number in range(count):
            try:
                call(number)
                passed += 1
            except ClientError as error:
                said = (error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"])
                assert said == (400, "Throttling")  # any other error is a mistake
        return passed

    def test_twenty_shifts_at_once_then_three_a_second(self, w: World, shop: Shop) -> None:
        w.steer("POST", "/twin/faults", {"kind": "limits"})

        first = self.calls(w, 25, lambda number: shift(shop, number))
        w.clock.advance(1)
        second = self.calls(w, 5, lambda number: shift(shop, number))

        assert (first, second) == (20, 3)

    def test_the_whole_account_has_a_bucket_of_its_own(self, w: World, shop: Shop) -> None:
        w.steer("POST", "/twin/faults", {"kind": "limits"})
        target = [{"Id": "127.0.0.1", "Port": 9001}]

        shifts = self.calls(w, 20, lambda number: shift(shop, number))
        targets = self.calls(
            w, 15, lambda _: shop.elb.register_targets(TargetGroupArn=shop.blue, Targets=target)
        )
        reads = self.calls(w, 9, lambda _: shop.elb.describe_rules(RuleArns=[shop.rule]))

        assert (shifts, targets, reads) == (20, 15, 5)

    def test_a_throttled_call_is_not_done(self, w: World, shop: Shop) -> None:
        w.steer("POST", "/twin/faults", {"kind": "throttle", "action": "ModifyRule", "count": 1})

        assert refused(shift, shop=shop, green=5) == (400, "Throttling")
        assert weight(shop) == 0
        row = w.actions("ModifyRule")[-1]
        assert (row["throttled"], row["done"], row["code"]) == (True, False, "Throttling")

    @pytest.mark.parametrize(
        ("service", "call", "arguments", "said"),
        [
            ("cloudwatch", "describe_alarms", {}, (400, "ThrottlingException")),
            ("ec2", "describe_vpcs", {}, (503, "RequestLimitExceeded")),
            ("s3", "list_buckets", {}, (503, "SlowDown")),
            ("lambda", "list_functions", {}, (429, "TooManyRequestsException")),
            ("ecs", "list_clusters", {}, (400, "ThrottlingException")),
            ("sts", "get_caller_identity", {}, (400, "Throttling")),
        ],
    )
    def test_each_service_says_it_in_its_own_protocol(
        self, w: World, service: str, call: str, arguments: dict[str, Any], said: tuple[int, str]
    ) -> None:
        w.steer("POST", "/twin/faults", {"kind": "throttle", "service": service})

        assert refused(getattr(w.client(service), call), **arguments) == said


class TestFaults:
    def test_before_commit_nothing_is_done(self, w: World, shop: Shop) -> None:
        w.steer(
            "POST",
            "/twin/faults",
            {"kind": "fail_before", "action": "ModifyRule", "count": 1, "status": 503, "code": "Unavailable"},
        )

        assert refused(shift, shop=shop, green=5) == (503, "Unavailable")
        assert weight(shop) == 0

    def test_after_commit_it_is_done_and_the_answer_lost(self, w: World, shop: Shop) -> None:
        w.steer("POST", "/twin/faults", {"kind": "fail_after", "action": "ModifyRule", "count": 1})

        assert refused(shift, shop=shop, green=5) == (500, "InternalFailure")
        assert weight(shop) == 5
        row = w.actions("ModifyRule")[-1]
        assert (row["fault"], row["done"], row["status"]) == ("fail_after", True, 500)

    @pytest.mark.parametrize(("kind", "then"), [("drop_before", 0), ("drop_after", 5)])
    def test_a_dropped_connection_is_no_answer(self, w: World, shop: Shop, kind: str, then: int) -> None:
        w.steer("POST", "/twin/faults", {"kind": kind, "action": "ModifyRule", "count": 1})

        with pytest.raises(ConnectionClosedError):
            shift(shop, 5)

        assert weight(shop) == then
        assert w.actions("ModifyRule")[-1]["code"] == "ConnectionClosed"

    def test_a_retrying_client_sees_nothing_of_one_lost_answer(self, w: World, shop: Shop) -> None:
        w.steer("POST", "/twin/faults", {"kind": "fail_after", "action": "ModifyRule", "count": 1})
        patient = w.client("elbv2", tries=3)

        patient.modify_rule(RuleArn=shop.rule, Actions=[forward((shop.blue, 1), (shop.green, 8))])

        assert weight(shop) == 8
        assert [row["done"] for row in w.actions("ModifyRule")] == [True, True]

    def test_only_the_named_resource_is_hit(self, w: World, shop: Shop) -> None:
        fault = {"kind": "fail_before", "resource": shop.green}
        w.steer("POST", "/twin/faults", fault)

        shop.elb.describe_target_health(TargetGroupArn=shop.blue)

        assert refused(shop.elb.describe_target_health, TargetGroupArn=shop.green)[0] == 500

    def test_latency_is_in_twin_time(self, w: World, shop: Shop) -> None:
        w.clock.run_at(100)
        w.steer("POST", "/twin/faults", {"kind": "latency", "action": "DescribeRules", "delay": 30})

        begun = time.monotonic()
        weight(shop)

        assert 0.3 <= time.monotonic() - begun < 3

    def test_a_stale_read_tells_what_was_true_a_while_ago(self, w: World, shop: Shop) -> None:
        w.clock.run_at(1e-9)
        w.clock.advance(11)
        w.steer("POST", "/twin/faults", {"kind": "stale", "action": "DescribeRules", "delay": 10})
        seen = [weight(shop)]
        shift(shop, 5)
        seen.append(weight(shop))
        w.clock.advance(6)
        shift(shop, 50)
        seen.append(weight(shop))
        w.clock.advance(5)
        seen.append(weight(shop))
        w.clock.advance(6)
        seen.append(weight(shop))

        assert seen == [0, 0, 0, 5, 50]
        assert w.actions("DescribeRules")[-1]["stale"] == 10
        assert shop.elb.describe_listeners(ListenerArns=[shop.listener])["Listeners"]

    def test_a_stale_read_does_not_know_what_is_new(self, w: World, shop: Shop) -> None:
        w.steer("POST", "/twin/faults", {"kind": "stale", "delay": 100})
        made = shop.elb.create_target_group(
            Name="new", Protocol="HTTP", Port=80, VpcId=shop.vpc, TargetType="ip"
        )["TargetGroups"][0]["TargetGroupArn"]

        unknown = refused(shop.elb.describe_target_groups, TargetGroupArns=[made])
        w.steer("DELETE", "/twin/faults")

        assert unknown == (400, "TargetGroupNotFound")
        assert shop.elb.describe_target_groups(TargetGroupArns=[made])["TargetGroups"]

    def test_another_hand_edits_a_rule_now_and_then(self, w: World, shop: Shop) -> None:
        chaos = Chaos(w.server.gate, w.clock, w.faults, seed=3)
        w.server.chaos.stop()
        w.steer("POST", "/twin/faults", {"kind": "chaos", "resource": shop.rule, "delay": 60, "count": 2})
        w.clock.run_at(1e-9)
        edits = []
        for _ in range(4):
            edits.append(chaos.glance())
            w.clock.advance(61)

        rows = w.actions("ModifyRule")
        assert edits == [0, 1, 1, 0]
        assert [(row["chaos"], row["actor"], row["resource"]) for row in rows] == [
            (True, "chaos", shop.rule)
        ] * 2
        assert weight(shop) == int(
            rows[-1]["params"]["Actions.member.1.ForwardConfig.TargetGroups.member.2.Weight"]
        )

    def test_the_default_rule_is_edited_through_its_listener(self, w: World, shop: Shop) -> None:
        chaos = Chaos(w.server.gate, w.clock, w.faults, seed=3)
        w.server.chaos.stop()
        w.steer("POST", "/twin/faults", {"kind": "chaos", "resource": shop.listener, "delay": 1})
        shop.elb.delete_rule(RuleArn=shop.rule)
        chaos.glance()
        w.clock.advance(2)

        assert chaos.glance() == 1
        assert w.actions("ModifyListener")[-1]["chaos"]


class TestSteering:
    def test_it_says_that_it_is_a_twin(self, w: World, shop: Shop) -> None:
        said = w.steer("GET", "/twin")

        assert (said["twin"], said["preset"], said["region"]) == (True, "instant", "eu-west-1")
        assert {"pid", "factor", "seed", "account", "not_modelled"} <= set(said)
        assert w.steer("GET", "/twin/ports") == {shop.listener: 41000, "8080": 41000} == said["ports"]
        assert w.steer("GET", "/twin/not_modelled") == said["not_modelled"]

    def test_its_clock_can_be_moved_and_read_by_others(self, w: World) -> None:
        before = w.steer("GET", "/twin/clock")
        w.steer("POST", "/twin/clock", {"advance": 3600})
        after = w.steer("POST", "/twin/clock", {"factor": 10})
        by_its_line = after["twin"] + (time.time() - after["real"]) * after["factor"]

        assert 3600 <= after["now"] - before["now"] < 3660
        assert after["factor"] == 10
        assert abs(by_its_line - w.clock.now()) < 5
        assert "error" in w.steer("POST", "/twin/clock", {"advance": -1})
        assert "error" in w.steer("POST", "/twin/clock", {"factor": 0})
        assert "error" in w.steer("POST", "/twin/clock", {"back": 1})

    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "meteor"},
            {},
            [],
            {"kind": "latency", "delay": -1},
            {"kind": "latency", "delay": [3, 1]},
            {"kind": "throttle", "probability": 2},
            {"kind": "throttle", "count": 0},
            {"kind": "fail_before", "status": 200},
            {"kind": "throttle", "speed": 1},
            {"kind": "chaos"},
            {"preset": "good-day"},
        ],
    )
    def test_what_is_no_fault_is_refused_and_says_why(self, w: World, fault: Any) -> None:
        assert len(w.steer("POST", "/twin/faults", fault)["error"]) > 10
        assert w.steer("GET", "/twin/faults")["faults"] == []

    def test_faults_are_listed_counted_down_and_ended(self, w: World, shop: Shop) -> None:
        first = w.steer("POST", "/twin/faults", {"kind": "throttle", "action": "DescribeRules", "count": 2})
        second = w.steer("POST", "/twin/faults", {"kind": "latency", "delay": [0, 0.001]})
        refused(shop.elb.describe_rules, RuleArns=[shop.rule])

        left = {one["id"]: one["count"] for one in w.steer("GET", "/twin/faults")["faults"]}
        refused(shop.elb.describe_rules, RuleArns=[shop.rule])
        after = [one["id"] for one in w.steer("GET", "/twin/faults")["faults"]]

        assert left == {first["id"]: 1, second["id"]: None}
        assert after == [second["id"]]
        assert w.steer("DELETE", f"/twin/faults/{second['id']}") == {"removed": 1}
        assert w.steer("GET", "/twin/faults")["faults"] == []

    @pytest.mark.parametrize("name", list(PRESETS))
    def test_a_preset_can_be_put_on_while_it_runs(self, w: World, name: str) -> None:
        w.steer("POST", "/twin/faults", {"preset": name})

        assert w.steer("GET", "/twin")["preset"] == name
        assert [one["kind"] for one in w.steer("GET", "/twin/faults")["faults"]] == [
            one.kind for one in PRESETS[name].faults
        ]
        w.steer("POST", "/twin/faults", {"preset": "instant"})

    def test_an_unknown_page_says_which_there_are(self, w: World) -> None:
        assert "/twin/actions" in w.steer("GET", "/twin/nothing")["pages"]


class TestRecorder:
    def test_actions_are_numbered_and_can_be_read_on_from_any(self, w: World, shop: Shop) -> None:
        seq = w.steer("GET", "/twin/actions")["seq"]
        shift(shop, 7)

        rows = w.steer("GET", f"/twin/actions?since={seq}")["actions"]

        assert [(row["seq"], row["service"], row["action"], row["resource"]) for row in rows] == [
            (seq + 1, "elbv2", "ModifyRule", shop.rule)
        ]
        assert w.steer("DELETE", "/twin/actions")["forgotten"] > 0
        assert w.steer("GET", "/twin/actions")["seq"] == seq + 1

    def test_no_secret_is_kept(self, w: World, shop: Shop) -> None:
        w.client("secretsmanager").create_secret(Name="db", SecretString="hush-1")
        w.client("ssm").put_parameter(Name="p", Value="hush-2", Type="SecureString")
        oidc = {
            "Type": "authenticate-oidc",
            "Order": 1,
            "AuthenticateOidcConfig": {
                "Issuer": "https://a.invalid",
                "AuthorizationEndpoint": "https://a.invalid/a",
                "TokenEndpoint": "https://a.invalid/t",
                "UserInfoEndpoint": "https://a.invalid/u",
                "ClientId": "c",
                "ClientSecret": "hush-3",
            },
        }
        shop.elb.modify_rule(RuleArn=shop.rule, Actions=[oidc, {**forward((shop.blue, 1)), "Order": 2}])

        assert "hush-" not in str(w.actions())
        assert w.actions("ModifyRule")

    @pytest.mark.parametrize(
        ("service", "call", "arguments", "action", "resource"),
        [
            ("cloudwatch", "list_metrics", {"Namespace": "Shop"}, "ListMetrics", "Shop"),
            ("sts", "get_caller_identity", {}, "GetCallerIdentity", ""),
            ("ec2", "describe_subnets", {}, "DescribeSubnets", ""),
            ("autoscaling", "describe_auto_scaling_groups", {}, "DescribeAutoScalingGroups", ""),
            ("iam", "list_roles", {}, "ListRoles", ""),
            ("s3", "list_objects_v2", {"Bucket": "none-such"}, "ListObjectsV2", "none-such"),
            ("s3", "head_object", {"Bucket": "none-such", "Key": "a/b"}, "HeadObject", "none-such/a/b"),
            (
                "lambda",
                "get_alias",
                {"FunctionName": "f", "Name": "live"},
                "GetAlias",
                "2015-03-31/functions/f/aliases/live",
            ),
            ("ecs", "list_clusters", {}, "ListClusters", ""),
            ("events", "list_rules", {}, "ListRules", ""),
        ],
    )
    def test_every_protocol_is_recognised(  # noqa: PLR0917
        self, w: World, service: str, call: str, arguments: dict[str, Any], action: str, resource: str
    ) -> None:
        with contextlib.suppress(ClientError):
            getattr(w.client(service, region="eu-central-1"), call)(**arguments)

        row = w.actions()[-1]
        assert (row["service"], row["action"], row["resource"], row["region"]) == (
            service,
            action,
            resource,
            "eu-central-1",
        )

    def test_who_asked_is_kept(self, w: World) -> None:
        w.client("sts", agent="crossfade").get_caller_identity()

        assert w.actions()[-1]["agent"].endswith("crossfade")


class TestWhatIsNotThere:
    @pytest.mark.parametrize(
        ("service", "call", "arguments"),
        [
            ("ecs", "describe_service_deployments", {"serviceDeploymentArns": ["a"]}),
            ("autoscaling", "start_instance_refresh", {"AutoScalingGroupName": "a"}),
            ("codedeploy", "stop_deployment", {"deploymentId": "d-1"}),
            ("lambda", "get_provisioned_concurrency_config", {"FunctionName": "f", "Qualifier": "1"}),
            ("elbv2", "describe_trust_stores", {}),
            ("appconfig", "start_deployment", {"ApplicationId": "a", "EnvironmentId": "b",
             "DeploymentStrategyId": "c", "ConfigurationProfileId": "d", "ConfigurationVersion": "1"}),
        ],
    )  # fmt: skip
    def test_it_is_501_at_once_and_not_asked_again(
        self, w: World, service: str, call: str, arguments: dict[str, Any]
    ) -> None:
        patient = w.client(service, tries=4)

        said = refused(getattr(patient, call), **arguments)

        assert said == (501, "NotModelledInTwin")
        assert len(w.actions()) == 1
