"""Targets of the twin's load balancers come, fall ill, drain and are counted; what lives on and what ends."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from balancer_world import (
    BLUE,
    GREEN,
    App,
    Samples,
    World,
    answers,
    apps,
    balancing,
    both,
    closed_port,
    group,
    rule,
    shares,
    until,
    world,
)

from crossfade.dataplane.process import alive, marked, start_time
from crossfade.twin.balancer.failures import BalancerError
from crossfade.twin.balancer.model import (
    Balancing,
    Condition,
    FixedResponse,
    Forward,
    Target,
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
