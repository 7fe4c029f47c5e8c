"""The plan as Envoy's files, purely."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from crossfade.dataplane.xds import version_of
from crossfade.twin.balancer.compile import Files, compiled
from crossfade.twin.balancer.model import (
    Action,
    Condition,
    FixedResponse,
    Forward,
    Listener,
    Redirect,
    Rule,
    Target,
    TargetGroup,
)
from crossfade.twin.balancer.plan import Plan, Seat

ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:"
BLUE, GREEN = ARN + "targetgroup/blue/1", ARN + "targetgroup/green/2"
HERE = Target(ip="127.0.0.1", port=9001)
SPLIT = Forward(groups=((BLUE, 900), (GREEN, 99)))


def rule(action: Action, priority: int | None = None, *conditions: Condition) -> Rule:
    return Rule(arn=f"r{priority}", priority=priority, conditions=conditions, action=action)


def plan(*rules: Rule, coming: tuple[tuple[Rule, ...], ...] = (), **blue: Any) -> Plan:
    listener = Listener(arn=ARN + "listener/app/shop/1/2", port=80, rules=rules)
    seat = Seat(
        listener=listener,
        balancer=ARN + "loadbalancer/app/shop/1",
        idle_timeout_s=60,
        port=18080,
        coming=coming,
    )
    groups = {
        BLUE: TargetGroup(arn=BLUE, name="blue", **blue),
        GREEN: TargetGroup(arn=GREEN, name="green"),
    }
    return Plan(seats=(seat,), groups=groups, serving={BLUE: (HERE,), GREEN: ()}, pace=10)


def files(*rules: Rule, **changes: Any) -> Files:
    return compiled(plan(*rules, **changes), "/f")


def host(found: Files, number: int = 0) -> dict[str, Any]:
    hosts: list[dict[str, Any]] = json.loads(found.rds)["resources"][0]["virtual_hosts"]
    return hosts[number]


def dealt(route: dict[str, Any]) -> dict[str, int]:
    return {one["name"]: one["weight"] for one in route["route"]["weighted_clusters"]["clusters"]}


class TestForward:
    def test_weights_are_taken_as_they_are_and_those_of_0_left_out(self) -> None:
        (first,) = host(files(rule(SPLIT)))["routes"]
        (other,) = host(files(rule(Forward(groups=((BLUE, 0), (GREEN, 7))))))["routes"]

        assert dealt(first) == {"targetgroup/blue/1": 900, "targetgroup/green/2": 99}
        assert dealt(other) == {"targetgroup/green/2": 7}
        assert first["route"]["timeout"] == "0s"
        assert first["route"]["idle_timeout"] == "60s"

    def test_nobody_has_weight_is_an_answer_and_no_invalid_route(self) -> None:
        (only,) = host(files(rule(Forward(groups=((BLUE, 0), (GREEN, 0))))))["routes"]

        assert only["direct_response"]["status"] == 503
        assert only["name"] == "nobody"

    def test_a_cookie_comes_before_the_weights_for_every_group_of_the_action(self) -> None:
        kept = Forward(groups=((BLUE, 1), (GREEN, 0)), sticky_s=100)
        *cookies, last = host(files(rule(kept)))["routes"]

        assert [list(dealt(one)) for one in cookies] == [["targetgroup/blue/1"], ["targetgroup/green/2"]]
        assert all(one["match"]["headers"][-1]["name"] == "cookie" for one in cookies)
        assert dealt(last) == {"targetgroup/blue/1": 1}
        (set_cookie, _) = last["route"]["weighted_clusters"]["clusters"][0]["response_headers_to_add"]
        assert "Max-Age=10;" in set_cookie["header"]["value"], "100 s of a twin ten times as fast"

    def test_a_group_that_keeps_users_on_a_target_says_so_wherever_it_is_named(self) -> None:
        for one in host(files(rule(SPLIT), sticky_s=50.0))["routes"]:
            blue, green = one["route"]["weighted_clusters"]["clusters"]
            assert "target-cookie" in blue["typed_per_filter_config"]
            assert "typed_per_filter_config" not in green

    def test_nothing_is_tried_again(self) -> None:
        found = files(rule(SPLIT))

        assert "retry" not in found.rds
        assert "retries" not in found.cds()


class TestRules:
    def test_rules_stand_by_priority_and_the_default_last(self) -> None:
        said = [rule(FixedResponse(status=200 + (p or 99)), p) for p in (7, None, 3, 50)]
        found = [one["direct_response"]["status"] for one in host(files(*said))["routes"]]

        assert found == [203, 207, 250, 299]

    def test_a_rule_that_can_match_nobody_is_left_out(self) -> None:
        six = Condition(kind="source-ip", values=("2001:db8::/32",))

        assert len(host(files(rule(SPLIT, 1, six), rule(SPLIT)))["routes"]) == 1

    def test_a_redirect_holds_whatever_its_text_holds(self) -> None:
        nasty = 'x"]=] .. os.exit() --\\'
        (only,) = host(files(rule(Redirect(status=301, path="/" + nasty))))["routes"]
        filtered = only["typed_per_filter_config"]["redirects"]["config"]
        script = filtered["source_code"]["inline_string"]

        assert "os.exit" not in script
        assert only["direct_response"]["status"] == 301

    def test_rules_that_come_later_are_laid_beside_with_their_groups(self) -> None:
        later = (rule(SPLIT),)
        found = files(rule(FixedResponse(status=200)), coming=(later,))

        assert host(found, 1)["name"] == "app/shop/1/2/coming-0"
        assert set(found.clusters) == {"targetgroup/blue/1", "targetgroup/green/2"}


class TestStability:
    def test_rules_weights_and_targets_never_touch_a_listener(self) -> None:
        first = plan(rule(SPLIT))
        others = (
            plan(rule(Forward(groups=((GREEN, 1),), sticky_s=5)), coming=((rule(SPLIT),),)),
            replace(first, serving={BLUE: (), GREEN: (HERE,)}),
            plan(rule(FixedResponse(status=200)), sticky_s=9.0),
        )

        for other in others:
            assert compiled(other, "/f").lds == compiled(first, "/f").lds

    def test_a_target_touches_the_clusters_only_and_a_weight_the_routes_only(self) -> None:
        first = plan(rule(SPLIT))
        fewer = compiled(replace(first, serving={BLUE: (), GREEN: ()}), "/f")
        other = compiled(plan(rule(Forward(groups=((BLUE, 1), (GREEN, 1))))), "/f")
        before = compiled(first, "/f")

        assert fewer.rds == before.rds
        assert fewer.cds() != before.cds()
        assert other.cds() == before.cds()
        assert version_of(other.rds) != version_of(before.rds)

    def test_a_cluster_in_use_can_be_kept(self) -> None:
        before, after = files(rule(SPLIT)), files(rule(Forward(groups=((BLUE, 1),))))
        kept = json.loads(after.cds([before.clusters["targetgroup/green/2"]]))["resources"]

        assert [one["name"] for one in kept] == ["targetgroup/blue/1", "targetgroup/green/2"]


class TestPlaces:
    @pytest.mark.parametrize("ip", ["10.0.0.1", "169.254.169.254", "2001:db8::1", "0.0.0.0"])
    def test_nothing_outside_this_machine_is_connected_to(self, ip: str) -> None:
        far = replace(plan(rule(SPLIT)), serving={BLUE: (Target(ip=ip, port=80),), GREEN: ()})
        (one,) = compiled(far, "/f").clusters["targetgroup/blue/1"]["load_assignment"]["endpoints"][0][
            "lb_endpoints"
        ]

        assert one["endpoint"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 9}

    def test_a_listener_is_on_this_machine_and_tells_targets_the_port_that_was_asked_for(self) -> None:
        found = files(rule(SPLIT))
        address = json.loads(found.lds)["resources"][0]["address"]["socket_address"]
        told = {one["header"]["key"]: one["header"]["value"] for one in host(found)["request_headers_to_add"]}

        assert address == {"address": "127.0.0.1", "port_value": 18080}
        assert told["x-forwarded-port"] == "80"
