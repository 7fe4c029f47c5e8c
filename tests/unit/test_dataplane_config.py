"""Envoy's configuration as a pure function of documents and instances."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from crossfade.dataplane import Fault, Group, Service, config, xds
from crossfade.dataplane.routes import routes

GROUP = Group(revision="v1", command=("serve",), folder="/")
SHOP = Service(
    name="shop",
    listener_port=8000,
    test_port=8001,
    groups={"blue": GROUP, "green": GROUP},
    weights={"blue": 900, "green": 100},
    test_group="green",
)


def route(text: str, host: str) -> dict[str, Any]:
    hosts = json.loads(text)["resources"][0]["virtual_hosts"]
    listed = next(h["routes"] for h in hosts if h["name"] == host)
    wanted = "test" if host.endswith(".test") else "rule 0"
    found: dict[str, Any] = next((one for one in listed if one.get("name") == wanted), listed[-1])
    return found


class TestRoutes:
    def test_weights_are_thousandths_on_two_permanent_clusters(self) -> None:
        action = route(routes([SHOP]), "shop.live")["route"]

        assert [(c["name"], c["weight"]) for c in action["weighted_clusters"]["clusters"]] == [
            ("shop.blue", 900),
            ("shop.green", 100),
        ]

    def test_all_weights_zero_is_a_503_and_not_an_invalid_route(self) -> None:
        text = routes([replace(SHOP, weights={"blue": 0, "green": 0})])

        assert route(text, "shop.live")["direct_response"]["status"] == 503

    def test_the_test_route_has_a_cluster_of_its_own_and_is_closed_without_a_group(self) -> None:
        open_ = route(routes([SHOP]), "shop.test")
        closed = route(routes([replace(SHOP, test_group=None)]), "shop.test")

        assert open_["route"]["cluster"] == "shop.green.test"
        assert closed["direct_response"]["status"] == 503

    def test_slow_answers_pass_and_nothing_is_retried(self) -> None:
        text = routes([SHOP])

        for host in ("shop.live", "shop.test"):
            assert route(text, host)["route"]["timeout"] == "0s", "a download may last"
            assert route(text, host)["route"]["idle_timeout"] == "3600s"
        assert "retry" not in text

    def test_a_fault_stands_before_its_group_only_on_both_listeners(self) -> None:
        text = routes([replace(SHOP, fault={"green": Fault(errors=0.25)})])
        blue, green = route(text, "shop.live")["route"]["weighted_clusters"]["clusters"]
        abort = green["typed_per_filter_config"]["fault"]["abort"]

        assert "typed_per_filter_config" not in blue
        assert abort["percentage"] == {"numerator": 250_000, "denominator": "MILLION"}
        assert "fault" in route(text, "shop.test")["typed_per_filter_config"]


class TestCounters:
    @pytest.mark.parametrize(
        "name",
        [
            "cluster_manager.cds.version_text",
            "listener_manager.lds.update_rejected",
            "http.shop.live.rds.crossfade.version_text",
            "http.shop.live.fault.active_faults",
            "cluster.shop.blue.upstream_rq_total",
            "cluster.shop.blue.upstream_rq_active",
            "cluster.shop.blue.upstream_rq_pending_active",
            "cluster.targetgroup/blue/1.upstream_cx_total",
            "http.app/shop/1.downstream_cx_active",
        ],
    )
    def test_envoy_keeps_what_somebody_reads_and_little_else(self, name: str) -> None:
        text = json.loads(config.bootstrap("/f", "/s"))["stats_config"]["stats_matcher"]
        kept = [one["safe_regex"]["regex"] for one in text["inclusion_list"]["patterns"]]

        assert any(re.fullmatch(pattern, name) for pattern in kept)
        assert not any(re.fullmatch(pattern, f"{name}_more") for pattern in kept)


class TestFiles:
    def test_equal_content_is_equal_version_and_another_weight_is_another(self) -> None:
        first, again = routes([SHOP]), routes([SHOP])
        other = routes([replace(SHOP, weights={"blue": 899, "green": 101})])

        assert first == again
        assert xds.version_of(first) != xds.version_of(other)

    def test_a_weight_changes_the_route_file_only(self) -> None:
        other = replace(SHOP, weights={"blue": 0, "green": 1000})

        assert config.clusters([SHOP], {}) == config.clusters([other], {})
        assert config.listeners([SHOP], "/f") == config.listeners([other], "/f")

    def test_an_endpoint_carries_its_instance_id_into_the_access_log(self) -> None:
        members = {"shop": {"blue": (xds.Endpoint(id="blue-7", port=9000),)}}
        clusters = json.loads(config.clusters([SHOP], members))["resources"]
        by_name = {c["name"]: c["load_assignment"]["endpoints"][0]["lb_endpoints"] for c in clusters}

        assert by_name["shop.blue"][0]["endpoint"]["hostname"] == "blue-7"
        assert by_name["shop.blue.test"] == by_name["shop.blue"]
        assert by_name["shop.green.test"] == []

    def test_R01_a_group_of_which_nobody_lives_is_stood_in_for_by_the_other(self) -> None:
        members = {"shop": {"blue": (xds.Endpoint(id="blue-7", port=9000),)}}

        def hosts(service: Service, cluster: str) -> list[str]:
            found = json.loads(config.clusters([service], members))["resources"]
            listed = next(one for one in found if one["name"] == cluster)["load_assignment"]["endpoints"][0]
            return [one["endpoint"]["hostname"] for one in listed["lb_endpoints"]]

        gone = replace(SHOP, groups={**SHOP.groups, "green": None}, weights={"blue": 1000, "green": 0})
        assert hosts(SHOP, "shop.green") == ["blue-7"]
        assert hosts(SHOP, "shop.green.test") == [], "what is tested is the candidate and nobody else"
        assert hosts(gone, "shop.green") == [], "a group that is not there has no requests"

    def test_a_broken_file_has_no_version(self) -> None:
        assert [xds.version_of(text) for text in ("", "{", "[]", "{}")] == [""] * 4
