"""The twin's load balancers, by a real Envoy: rules, weights, cookies, errors, health, drains."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from balancer_world import (
    BLUE,
    GREEN,
    LISTENER,
    App,
    Samples,
    World,
    apps,
    balancing,
    closed_port,
    get,
    group,
    rule,
    shares,
    until,
    world,
)

from crossfade.dataplane.process import alive, marked, start_time
from crossfade.twin.balancer import seats
from crossfade.twin.balancer.failures import BalancerError
from crossfade.twin.balancer.model import (
    Balancing,
    Condition,
    FixedResponse,
    Forward,
    Redirect,
    Target,
    TargetGroup,
)
from crossfade.twin.balancer.service import Balancers
from crossfade.twin.clock import TwinClock

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("twin")) as found:
        yield found


@pytest.fixture
def crew() -> Iterator[list[App]]:
    with apps("blue", "green") as found:
        yield found


def both(crew: list[App], **changes: Any) -> tuple[TargetGroup, ...]:
    blue, green = crew
    return group(BLUE, blue.target, **changes), group(GREEN, green.target, **changes)


def answers(here: World, number: int, path: str = "/", **headers: str) -> Counter[str]:
    return Counter(here.get(path, **headers)[1] for _ in range(number))


def cookie(headers: http.client.HTTPMessage, name: str) -> str:
    kept = [c.partition(";")[0] for c in headers.get_all("set-cookie", [])]
    return next(c for c in kept if c.startswith(f"{name}="))


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


class TestOwnAnswers:
    def test_a_fixed_response_is_as_it_was_told(self, here: World) -> None:
        said = FixedResponse(status=418, content_type="application/json", body='{"a": 1}')
        here.balancers.apply(balancing((rule(said),)))
        status, body, headers = here.get()

        assert (status, body) == (418, '{"a": 1}')
        assert headers["content-type"] == "application/json"
        assert headers["server"] == "awselb/2.0"

    @pytest.mark.parametrize(
        ("to", "expected"),
        [
            (Redirect(status=301, protocol="HTTPS", port="443"), "https://shop.example:443/p/q?a=1&b"),
            (Redirect(status=302, host="new.#{host}"), "http://new.shop.example:{port}/p/q?a=1&b"),
            (
                Redirect(status=302, path="/x/#{path}/#{host}"),
                "http://shop.example:{port}/x/p/q/shop.example?a=1&b",
            ),
            (
                Redirect(status=302, path="/", query='z=#{protocol}&#{query}"\\'),
                'http://shop.example:{port}/?z=http&a=1&b"\\',
            ),
            (Redirect(status=302, path="/x", query=""), "http://shop.example:{port}/x"),
        ],
    )
    def test_a_redirect_is_made_of_the_parts_of_the_request(
        self, here: World, to: Redirect, expected: str
    ) -> None:
        here.balancers.apply(balancing((rule(to),)))
        status, _, headers = here.get("/p/q?a=1&b", Host="shop.example:8080")

        assert status == to.status
        assert headers["location"] == expected.replace("{port}", str(here.port))
        assert headers["server"] == "awselb/2.0"

    def test_refused_is_502_and_nobody_registered_503_and_nothing_is_tried_again(
        self, here: World, crew: list[App]
    ) -> None:
        nobody = Target(ip="127.0.0.1", port=closed_port())
        here.balancers.apply(balancing((rule(shares(1, 0)),), group(BLUE, nobody)))
        refused = here.get()
        here.balancers.apply(balancing((rule(shares(1, 0)),), group(BLUE)))
        empty = here.get()

        assert (refused[0], refused[2]["server"]) == (502, "awselb/2.0")
        assert (empty[0], empty[2]["server"]) == (503, "awselb/2.0")

    def test_a_connection_broken_off_is_502_and_the_target_was_asked_once(
        self, here: World, crew: list[App]
    ) -> None:
        blue, _ = crew

        def hang_up(handler: BaseHTTPRequestHandler) -> None:
            handler.close_connection = True

        blue.answer = hang_up
        here.balancers.apply(balancing((rule(shares(1, 0)),), group(BLUE, blue.target)))

        assert here.get()[0] == 502
        assert len(blue.asked) == 1

    def test_a_target_slower_than_the_idle_timeout_is_504(self, here: World, crew: list[App]) -> None:
        blue, _ = crew
        over = threading.Event()

        def sleep(_: BaseHTTPRequestHandler) -> None:
            over.wait(10)

        blue.answer = sleep
        here.balancers.apply(balancing((rule(shares(1, 0)),), group(BLUE, blue.target), idle_s=1))
        begun = time.monotonic()
        status, body, headers = here.get()
        over.set()

        assert (status, headers["server"]) == (504, "awselb/2.0")
        assert "504 Gateway Time-out" in body
        assert time.monotonic() - begun < 5

    def test_a_target_that_takes_no_connection_is_504(
        self, here: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import socket

        monkeypatch.setattr("crossfade.twin.balancer.compile.CONNECT_S", 1)
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            never = Target(ip="127.0.0.1", port=full.getsockname()[1])
            here.balancers.apply(balancing((rule(shares(1, 0)),), group(BLUE, never)))
            status, _, headers = here.get()
        finally:
            for one in (full, *waiting):
                one.close()

        assert (status, headers["server"]) == (504, "awselb/2.0")

    def test_what_a_target_says_is_not_touched(self, here: World, crew: list[App]) -> None:
        def refuse(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(503)
            handler.send_header("content-length", "3")
            handler.end_headers()
            handler.wfile.write(b"own")

        crew[0].answer = refuse
        here.balancers.apply(balancing((rule(shares(1, 0)),), *both(crew)))
        status, body, headers = here.get()

        assert (status, body) == (503, "own")
        assert "awselb" not in headers["server"]


class TestForwarded:
    def test_a_target_learns_who_asked_and_where(self, here: World, crew: list[App]) -> None:
        here.balancers.apply(balancing((rule(shares(1, 0)),), *both(crew), port=80))
        here.get("/x", X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="https", X_Forwarded_Port="1")
        here.get("/x")
        first, second = (headers for path, headers in crew[0].asked if path == "/x")

        assert first["x-forwarded-for"].replace(" ", "") == "203.0.113.9,127.0.0.1"
        assert second["x-forwarded-for"] == "127.0.0.1"
        assert {first[f"x-forwarded-{what}"] for what in ("proto",)} == {"http"}
        assert first["x-forwarded-port"] == "80"
        assert not [name for name in second if "envoy" in name or "crossfade" in name or "request-id" in name]


class TestPorts:
    def test_a_free_port_is_taken_as_asked_and_a_low_one_is_mapped_and_stays(self, here: World) -> None:
        asked = closed_port()
        said = (rule(FixedResponse(status=200, body="x")),)
        here.balancers.apply(balancing(said, port=asked))
        assert here.balancers.ports() == {LISTENER: asked}
        assert here.get()[1] == "x"

        here.balancers.apply(balancing(said, port=80))
        low = here.port
        assert low > 1023
        here.balancers.apply(balancing((rule(FixedResponse(status=200, body="y")),), port=80))
        assert here.port == low
        assert here.get()[1] == "y"

    def test_a_taken_port_is_mapped(self, here: World, crew: list[App]) -> None:
        here.balancers.apply(balancing((rule(shares(1, 0)),), *both(crew), port=crew[1].target.port))

        assert here.port != crew[1].target.port
        assert here.get()[1] == "blue"

    def test_whoever_is_faster_at_a_port_has_it_and_the_listener_another(
        self, here: World, crew: list[App], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taken, look = crew[1].target.port, iter((True,))
        free = seats._free
        monkeypatch.setattr(seats, "_free", lambda port, *rest: next(look, False) or free(port, *rest))
        here.balancers.apply(balancing((rule(FixedResponse(status=200, body="x")),), port=taken))

        assert here.port != taken
        assert here.get()[1] == "x"

    def test_a_listener_that_went_and_came_again_has_its_port(self, here: World) -> None:
        asked = closed_port()
        said = (rule(FixedResponse(status=200, body="x")),)
        for _ in range(3):
            here.balancers.apply(balancing(said, port=asked))
            assert here.port == asked
            assert here.get()[1] == "x"
            here.balancers.apply(Balancing())
            assert here.balancers.ports() == {}


class TestHealth:
    def test_a_target_serves_after_one_check_and_not_after_two_failures(
        self, here: World, crew: list[App]
    ) -> None:
        blue, green = crew
        green.health = 500
        here.balancers.apply(balancing((rule(shares(1, 0)),), group(BLUE, blue.target, green.target)))
        until(lambda: ("healthy", "") in here.states(BLUE))
        until(lambda: ("unhealthy", "Target.ResponseCodeMismatch") in here.states(BLUE))
        until(lambda: set(answers(here, 10)) == {"blue"})

        blue.health, green.health = 500, 200
        until(lambda: here.states(BLUE)[1] == ("healthy", ""))
        until(lambda: here.states(BLUE)[0][0] == "unhealthy")
        until(lambda: set(answers(here, 10)) == {"green"})

    def test_with_nobody_healthy_all_serve(self, here: World, crew: list[App]) -> None:
        for app in crew:
            app.health = 500
        here.balancers.apply(balancing((rule(shares(1, 0)),), group(BLUE, *(app.target for app in crew))))
        until(lambda: {state for state, _ in here.states(BLUE)} == {"unhealthy"})
        found = answers(here, 40)

        assert set(found) == {"blue", "green"}

    def test_who_refuses_and_who_is_silent_fail_for_different_reasons(self, here: World) -> None:
        import socket

        silent = socket.create_server(("127.0.0.1", 0))
        with silent:
            here.balancers.apply(
                balancing(
                    (rule(shares(1, 0)),),
                    group(
                        BLUE,
                        Target(ip="127.0.0.1", port=silent.getsockname()[1]),
                        Target(ip="127.0.0.1", port=closed_port()),
                        Target(ip="192.0.2.1", port=80),
                    ),
                )
            )
            until(lambda: all(state == "unhealthy" for state, _ in here.states(BLUE)))

        assert [reason for _, reason in here.states(BLUE)] == [
            "Target.Timeout",
            "Target.FailedHealthChecks",
            "Target.Timeout",
        ]

    def test_a_group_of_no_listener_is_unused(self, here: World, crew: list[App]) -> None:
        only = Forward(groups=((BLUE, 1),))
        here.balancers.apply(balancing((rule(only),), *both(crew)))

        assert here.states(GREEN) == [("unused", "Target.NotInUse")]


class TestDraining:
    def test_a_request_in_flight_ends_while_new_ones_go_elsewhere(self, here: World, crew: list[App]) -> None:
        blue, green = crew
        go = threading.Event()

        def slow(handler: BaseHTTPRequestHandler) -> None:
            go.wait(20)
            handler.send_response(200)
            handler.send_header("content-length", "4")
            handler.end_headers()
            handler.wfile.write(b"slow")

        blue.answer = slow
        here.balancers.apply(balancing((rule(shares(1, 0)),), group(BLUE, blue.target)))
        here.healthy(BLUE)
        found: list[tuple[int, str]] = []
        asking = threading.Thread(target=lambda: found.append(here.get()[:2]))
        asking.start()
        until(lambda: len(blue.asked) == 1)
        here.balancers.apply(balancing((rule(shares(1, 0)),), group(BLUE, green.target)))

        assert set(answers(here, 20)) == {"green"}
        assert blue.target in here.draining(BLUE)
        go.set()
        asking.join()
        assert found == [(200, "slow")]

    def test_what_is_still_open_at_the_end_of_the_delay_is_cut(self, here: World, crew: list[App]) -> None:
        blue, green = crew
        go = threading.Event()

        def hold(_: BaseHTTPRequestHandler) -> None:
            go.wait(20)

        blue.answer = hold
        once = {"deregistration_delay_s": 1.0}
        here.balancers.apply(balancing((rule(shares(1, 0)),), group(BLUE, blue.target, **once)))
        here.healthy(BLUE)
        found: list[tuple[int, float]] = []

        def ask() -> None:
            status = here.get()[0]
            found.append((status, time.monotonic()))

        asking = threading.Thread(target=ask)
        asking.start()
        until(lambda: len(blue.asked) == 1)
        begun = time.monotonic()
        here.balancers.apply(balancing((rule(shares(1, 0)),), group(BLUE, green.target, **once)))
        asking.join()
        go.set()

        status, ended = found[0]
        assert status == 502
        assert 0.9 < ended - begun < 5
        assert blue.target not in here.draining(BLUE)


class TestMetrics:
    def test_what_is_measured_is_what_clients_got(self, tmp_path: Path) -> None:
        with apps("blue", "green") as crew, world(tmp_path) as here:
            green = crew[1]
            nobody = Target(ip="127.0.0.1", port=closed_port())

            def fail(handler: BaseHTTPRequestHandler) -> None:
                time.sleep(0.02)
                handler.send_response(500)
                handler.send_header("content-length", "0")
                handler.end_headers()

            green.answer = fail
            here.balancers.apply(balancing((rule(shares(1, 1)),), *both(crew)))
            here.healthy(BLUE, GREEN)
            got = Counter(here.get()[0] for _ in range(200))
            here.balancers.apply(balancing((rule(shares(1, 0)),), group(BLUE, nobody)))
            refused = Counter(here.get()[0] for _ in range(7))
            here.balancers.apply(balancing((rule(shares(1, 0)),), group(BLUE)))
            empty = Counter(here.get()[0] for _ in range(5))
            assert (refused, empty) == ({502: 7}, {503: 5})
            samples = here.samples

        lb, of_blue, of_green = "app/shop/50dc6c495c0c9188", BLUE.rpartition(":")[2], GREEN.rpartition(":")[2]
        assert samples.total("RequestCount", lb) == 207
        assert samples.total("RequestCount", lb, of_blue) == got[200] + 7
        assert samples.total("RequestCount", lb, of_green) == got[500]
        assert samples.total("HTTPCode_Target_2XX_Count", lb, of_blue) == got[200]
        assert samples.total("HTTPCode_Target_5XX_Count", lb, of_green) == got[500]
        assert samples.total("HTTPCode_Target_5XX_Count", lb, of_blue) == 0
        assert samples.total("TargetConnectionErrorCount", lb, of_blue) == 7
        assert samples.total("HTTPCode_ELB_5XX_Count", lb) == 12
        assert samples.total("HTTPCode_ELB_502_Count", lb) == 7
        assert samples.total("HTTPCode_ELB_503_Count", lb) == 5
        times = samples.values("TargetResponseTime", lb, of_green)
        assert len(times) == got[500]
        assert 0.02 <= min(times) <= max(times) < 5
        assert set(samples.values("HealthyHostCount", lb, of_green)) >= {1.0}

    def test_connections_are_counted_each_minute(self, tmp_path: Path) -> None:
        with apps("blue", "green") as crew, world(tmp_path) as here:
            here.balancers.apply(balancing((rule(shares(1, 0)),), *both(crew)))
            here.healthy(BLUE)
            kept = http.client.HTTPConnection("127.0.0.1", here.port, timeout=10)
            for _ in range(3):
                kept.request("GET", "/")
                kept.getresponse().read()
            time.sleep(0.3)  # it is counted as a group's only after that was looked at
            here.clock.advance(60)
            until(lambda: here.samples.total("NewConnectionCount", "app/shop/50dc6c495c0c9188") >= 2)
            until(lambda: here.samples.total("ActiveConnectionCount", "app/shop/50dc6c495c0c9188") >= 1)
            kept.close()


class TestLife:
    def test_envoy_dies_with_a_twin_that_is_killed(self, tmp_path: Path) -> None:
        import os
        import signal
        import subprocess
        import sys

        script = (
            "import sys, time; sys.path.insert(0, sys.argv[2]); from pathlib import Path;"
            "from balancer_world import Samples, TwinClock, Balancers;"
            "b = Balancers(Path(sys.argv[1]), TwinClock(), Samples(), lambda: 0.0); b.start();"
            "print(b._proxy.process.pid, flush=True); time.sleep(60)"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parent)],
            stdout=subprocess.PIPE,
            text=True,
        ) as twin:
            assert twin.stdout is not None
            envoy = int(twin.stdout.readline())
            assert start_time(envoy)
            os.kill(twin.pid, signal.SIGKILL)
        until(lambda: start_time(envoy) is None)

    def test_rules_that_are_to_come_are_not_in_force_and_come_in_order(self, tmp_path: Path) -> None:
        with apps("blue", "green") as crew, world(tmp_path, factor=5) as here:
            here.balancers.apply(balancing((rule(shares(1, 0)),), *both(crew)))
            here.delay = 5  # a second of ours
            begun = time.monotonic()
            here.balancers.apply(balancing((rule(shares(0, 1)),), *both(crew)))
            assert here.get()[1] == "blue"
            until(lambda: here.get()[1] == "green")
            took = time.monotonic() - begun
            assert set(answers(here, 20)) == {"green"}

            here.delay = 500
            here.balancers.apply(balancing((rule(shares(1, 0)),), *both(crew)))
            here.clock.advance(500)
            until(lambda: here.get()[1] == "blue")
        assert took > 0.9

    def test_what_cannot_start_leaves_nothing_behind(self, tmp_path: Path) -> None:
        balancers = Balancers(tmp_path, TwinClock(), Samples(), lambda: 0.0)
        bad = Condition(kind="http-header", values=("x",), header="")
        balancers.apply(balancing((rule(FixedResponse(status=200), 1, bad), rule(FixedResponse(status=200)))))
        with pytest.raises(BalancerError):
            balancers.start()

        assert not marked((tmp_path / "id").read_text())
        with pytest.raises(BalancerError):
            balancers.apply(Balancing())
        balancers.stop()

    def test_a_dead_envoy_is_started_again_with_all_it_had(self, tmp_path: Path) -> None:
        import os
        import signal

        with apps("blue", "green") as crew, world(tmp_path) as here:
            here.balancers.apply(balancing((rule(shares(1, 0)),), *both(crew)))
            proxy = here.balancers._proxy
            assert proxy is not None
            first = proxy.process
            assert first is not None
            os.kill(first.pid, signal.SIGKILL)
            until(lambda: proxy.process not in (None, first))
            here.balancers.apply(balancing((rule(shares(0, 1)),), *both(crew)))
            assert here.get()[1] == "green"
            last = proxy.process
        assert last is not None
        assert not alive(last)

    def test_what_envoy_would_refuse_later_it_refuses_now(self, tmp_path: Path) -> None:
        with apps("blue", "green") as crew, world(tmp_path) as here:
            here.balancers.apply(balancing((rule(shares(1, 0)),), *both(crew)))
            here.delay = 3600
            here.balancers.apply(balancing((rule(shares(0, 1)),), *both(crew)))
            bad = Condition(kind="http-header", values=("x",), header="")
            with pytest.raises(BalancerError):
                here.balancers.apply(balancing((rule(shares(9, 1), 1, bad), rule(shares(0, 1))), *both(crew)))
            here.clock.advance(3600)
            until(lambda: here.get()[1] == "green")

    def test_many_may_ask_at_once_and_the_last_word_of_each_holds(self, tmp_path: Path) -> None:
        with apps("blue", "green") as crew, world(tmp_path) as here:
            errors: list[BaseException] = []

            def ask(seed: int) -> None:
                try:
                    for number in range(10):
                        weights = shares(*((1, 0) if (seed + number) % 2 else (0, 1)))
                        here.balancers.apply(balancing((rule(weights),), *both(crew)))
                        here.balancers.health(BLUE)
                except BaseException as error:  # noqa: BLE001
                    errors.append(error)

            threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            here.balancers.apply(balancing((rule(shares(0, 1)),), *both(crew)))
            assert not errors
            assert set(answers(here, 20)) == {"green"}

    def test_what_envoy_refuses_is_an_error_and_changes_nothing(self, here: World, crew: list[App]) -> None:
        here.balancers.apply(balancing((rule(shares(1, 0)),), *both(crew)))
        bad = Condition(kind="http-header", values=("x",), header="")
        with pytest.raises(BalancerError) as refused:
            here.balancers.apply(balancing((rule(shares(0, 1), 1, bad), rule(shares(0, 1))), *both(crew)))

        assert "rds.json" in refused.value.why
        assert set(answers(here, 10)) == {"blue"}
        here.balancers.apply(balancing((rule(shares(0, 1)),), *both(crew)))
        assert set(answers(here, 10)) == {"green"}
