"""What the twin's load balancers answer by themselves, what they tell targets, and on which ports."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from balancer_world import (
    BLUE,
    LISTENER,
    App,
    World,
    apps,
    balancing,
    both,
    closed_port,
    group,
    rule,
    shares,
    world,
)

from crossfade.twin.balancer import seats
from crossfade.twin.balancer.model import (
    Balancing,
    FixedResponse,
    Redirect,
    Target,
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
