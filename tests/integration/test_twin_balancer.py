"""Who gets a request of the twin's load balancers, by a real Envoy: rules, weights, cookies."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest
from balancer_world import (
    BLUE,
    GREEN,
    App,
    World,
    answers,
    apps,
    balancing,
    both,
    cookie,
    get,
    group,
    rule,
    shares,
    world,
)

from crossfade.twin.balancer.model import (
    Condition,
    FixedResponse,
    Forward,
)

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("twin")) as found:
        yield found


@pytest.fixture
def crew() -> Iterator[list[App]]:
    with apps("blue", "green") as found:
        yield found


class TestRules:
    def test_the_lowest_priority_that_matches_acts_and_the_default_last(
        self, here: World, crew: list[App]
    ) -> None:
        path = Condition(kind="path-pattern", values=("/a/*", "/b?"))
        host = Condition(kind="host-header", values=("*.example.com",))
        post = Condition(kind="http-request-method", values=("POST",))
        here.balancers.apply(
            balancing(
                (
                    rule(shares(1, 0)),
                    rule(FixedResponse(status=402), 20, path),
                    rule(FixedResponse(status=401), 10, path, host),
                    rule(FixedResponse(status=403), 5, post),
                ),
                *both(crew),
            )
        )

        assert here.get("/a/x?y", Host="shop.EXAMPLE.com")[0] == 401
        assert here.get("/a/x?y")[0] == 402
        assert here.get("/b1", Host="example.com")[0] == 402
        assert here.get("/A/x")[0] == 200
        assert get(here.port, "/a/x", "POST")[0] == 403

    def test_query_header_and_source_can_be_looked_at(self, here: World, crew: list[App]) -> None:
        found = [
            Condition(kind="query-string", values=("Version=v2*", "beta")),
            Condition(kind="http-header", values=("*canary*",), header="X-Ring"),
            Condition(kind="source-ip", values=("10.0.0.0/8", "127.0.0.0/28")),
            Condition(kind="source-ip", values=("2001:db8::/32",)),
        ]
        answered = []
        for condition in found:
            acts = rule(FixedResponse(status=202), 1, condition)
            here.balancers.apply(balancing((acts, rule(shares(1, 0))), *both(crew)))
            answered.append(here.get("/?x=1&version=V2.1", X_Ring="a-Canary-b")[0])

        assert answered == [202, 202, 202, 200]
        assert here.get("/?version=v1")[0] == 200

    def test_many_long_values_are_no_problem(self, here: World, crew: list[App]) -> None:
        values = tuple(f"*{'long' * 25}-{number}-*" for number in range(20))
        acts = rule(
            FixedResponse(status=202), 1, Condition(kind="http-header", values=values, header="user-agent")
        )
        here.balancers.apply(balancing((acts, rule(shares(1, 0))), *both(crew)))

        assert here.get(User_Agent=f"x{'LONG' * 25}-19-x")[0] == 202


class TestWeights:
    def test_weights_of_any_sum_deal_requests_out(self, here: World, crew: list[App]) -> None:
        here.balancers.apply(balancing((rule(shares(3, 1)),), *both(crew)))
        here.healthy(BLUE, GREEN)
        found = answers(here, 400)

        assert abs(found["green"] - 100) < 44, "five standard deviations"
        assert set(found) == {"blue", "green"}

    def test_a_weight_of_nothing_gets_nothing_when_apply_has_returned(
        self, here: World, crew: list[App]
    ) -> None:
        for blue, green, name in ((0, 999, "green"), (999, 0, "blue"), (0, 1, "green")):
            here.balancers.apply(balancing((rule(shares(blue, green)),), *both(crew)))
            assert set(answers(here, 50)) == {name}

    def test_all_weights_nothing_is_a_503_of_the_load_balancer(self, here: World, crew: list[App]) -> None:
        here.balancers.apply(balancing((rule(shares(0, 0)),), *both(crew)))
        status, body, headers = here.get()

        assert (status, headers["server"]) == (503, "awselb/2.0")
        assert "503 Service Temporarily Unavailable" in body

    def test_a_kept_connection_survives_changes_and_follows_them(self, here: World, crew: list[App]) -> None:
        here.balancers.apply(balancing((rule(shares(1, 0)),), *both(crew)))
        kept = http.client.HTTPConnection("127.0.0.1", here.port, timeout=10)
        kept.connect()
        first = kept.sock
        found = []
        for blue, green in ((1, 0), (0, 1), (1, 0)):
            here.balancers.apply(balancing((rule(shares(blue, green)),), *both(crew)))
            kept.request("GET", "/")
            found.append(kept.getresponse().read().decode())

        assert found == ["blue", "green", "blue"]
        assert kept.sock is first
        kept.close()


class TestStickyGroups:
    def test_a_user_stays_in_the_group_of_the_cookie_even_at_weight_0(
        self, here: World, crew: list[App]
    ) -> None:
        here.balancers.apply(balancing((rule(shares(0, 1, sticky_s=60)),), *both(crew)))
        kept = cookie(here.get()[2], "AWSALBTG")
        here.balancers.apply(balancing((rule(shares(1, 0, sticky_s=60)),), *both(crew)))

        assert set(answers(here, 30, Cookie=f"a=b; {kept}; c=d")) == {"green"}
        assert set(answers(here, 30)) == {"blue"}
        assert cookie(here.get(Cookie=kept)[2], "AWSALBTG") == kept, "its age begins anew"

    def test_sessions_do_not_wander(self, here: World, crew: list[App]) -> None:
        here.balancers.apply(balancing((rule(shares(1, 1, sticky_s=60)),), *both(crew)))
        for _ in range(40):
            _, first, headers = here.get()
            kept = cookie(headers, "AWSALBTG")
            assert set(answers(here, 5, Cookie=kept)) == {first}

    def test_a_cookie_of_a_group_that_the_action_does_not_name_is_made_anew(
        self, here: World, crew: list[App]
    ) -> None:
        here.balancers.apply(balancing((rule(shares(0, 1, sticky_s=60)),), *both(crew)))
        kept = cookie(here.get()[2], "AWSALBTG")
        alone = Forward(groups=((BLUE, 1),), sticky_s=60)
        here.balancers.apply(balancing((rule(alone),), *both(crew)))
        _, body, headers = here.get(Cookie=kept)

        assert body == "blue"
        assert cookie(headers, "AWSALBTG") != kept

    def test_without_stickiness_the_cookie_means_nothing(self, here: World, crew: list[App]) -> None:
        here.balancers.apply(balancing((rule(shares(0, 1, sticky_s=60)),), *both(crew)))
        kept = cookie(here.get()[2], "AWSALBTG")
        here.balancers.apply(balancing((rule(shares(1, 0)),), *both(crew)))
        _, body, headers = here.get(Cookie=kept)

        assert body == "blue"
        assert headers["set-cookie"] is None


class TestStickyTargets:
    def test_a_user_stays_on_a_target_for_as_long_as_it_serves(self, here: World, crew: list[App]) -> None:
        blue, green = crew
        here.balancers.apply(
            balancing((rule(shares(1, 0)),), group(BLUE, blue.target, green.target, sticky_s=60))
        )
        here.healthy(BLUE)
        _, first, headers = here.get()
        kept = cookie(headers, "AWSALB")
        assert set(answers(here, 20, Cookie=kept)) == {first}

        other = green if first == "blue" else blue
        here.balancers.apply(balancing((rule(shares(1, 0)),), group(BLUE, other.target, sticky_s=60)))
        _, second, headers = here.get(Cookie=kept)
        assert second == other.name
        assert cookie(headers, "AWSALB") != kept
