"""The controller as a process: heard quickly, taken over, cheap asleep; hooks over HTTP."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from crossfade.engine import Controller, Ports, ScaledClock, SqliteStore, SystemClock
from crossfade.engine.hooks import HookRunner
from crossfade.release.values import Command, HookSay, Verb
from crossfade.testing import ManualClock, PerfectWorld, opening, small_plan

pytestmark = pytest.mark.real

PROGRAM = """
import sys
from pathlib import Path
from crossfade.engine import Controller, Ports, SqliteStore, SystemClock
from crossfade.testing import PerfectWorld

folder, owner = Path(sys.argv[1]), sys.argv[2]
clock = SystemClock()
world = PerfectWorld(clock)
ports = Ports(platform=world, signals=world, hooks=world)
with SqliteStore(folder) as store:
    Controller(store, lambda plan: ports, clock, owner).run()
"""


def child(folder: Path, owner: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder), owner])


def wait_for(what: object, seconds: float = 10) -> float:
    began = time.monotonic()
    while not what():  # type: ignore[operator]  # a condition
        assert time.monotonic() - began < seconds, "it never happened"
        time.sleep(0.002)
    return time.monotonic() - began


def open_small(store: SqliteStore) -> None:
    plan, now = small_plan(bake=600), datetime.now(UTC)
    store.open_release(plan, opening(plan, now), now)


def test_a_command_of_another_process_is_heard_at_once(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store:
        open_small(store)
        controller = child(tmp_path, "a")
        try:
            wait_for(lambda: store.row("R1").state.index >= 2)
            took = []
            for number in range(10):
                verb = Verb.PAUSE if number % 2 == 0 else Verb.RESUME
                command = Command(id=f"c{number}", verb=verb, actor="ada", reason="because")
                store.send("R1", command, datetime.now(UTC))
                took.append(wait_for(lambda one=command.id: (r := store.command_result(one)) and r.heard_at))
            assert [driver.pid for driver in store.drivers("shop")] == [controller.pid]
        finally:
            controller.kill()
            controller.wait()
        print(f"\ncommand to heart: median {sorted(took)[5] * 1000:.0f} ms, worst {max(took) * 1000:.0f} ms")

        # About 60 ms on a machine of its own; a controller that only hears at its next look takes seconds.
        assert sorted(took)[5] < 0.5
        assert store.drivers("shop") == ()


def test_R33_a_killed_controller_is_followed_by_the_next(tmp_path: Path) -> None:
    with SqliteStore(tmp_path) as store:
        open_small(store)
        for life in range(4):
            controller = child(tmp_path, f"life{life}")
            try:
                wait_for(store.drivers, 10)
                time.sleep(0.15 * life)
            finally:
                controller.send_signal(signal.SIGKILL)
                controller.wait()

        assert store.verify() == ()
        row = store.row("R1")
        taken = store.claim("R1", datetime.now(UTC) + timedelta(seconds=10), "next", timedelta(seconds=10))
        assert taken is not None
        assert taken.state == row.state


@pytest.mark.long
def test_thousands_of_sleeping_releases_cost_next_to_nothing(tmp_path: Path) -> None:
    clock = SystemClock()
    with SqliteStore(tmp_path) as store:
        far = datetime.now(UTC) + timedelta(hours=1)
        store._db.link.execute("pragma synchronous = off")
        for number in range(5000):
            plan = small_plan(f"R{number}", f"s{number}")
            store.open_release(plan, opening(plan, far), far)
        world = PerfectWorld(ManualClock())
        ports = Ports(platform=world, signals=world, hooks=world)
        controller, stop = Controller(store, lambda _plan: ports, clock, "one"), threading.Event()
        threading.Timer(2.0, stop.set).start()
        before = time.process_time()
        controller.run(stop=stop)
        share = (time.process_time() - before) / 2.0
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"\n5,000 sleeping: {share:.2%} of a core; peak of the whole test process {peak} MB")

        assert world.writes == []
        assert share < 0.02


def test_processes_that_share_a_scaled_clock_read_the_same_time() -> None:
    start = time.time() - 100
    one, two = ScaledClock(60, start), ScaledClock(60, start)

    assert abs((one.now() - two.now()).total_seconds()) < 1
    assert one.real(one.instant(start + 7)) == pytest.approx(start + 7, abs=1e-4)
    assert one.instant(start + 10) - one.instant(start) == timedelta(seconds=600)
    assert 0.9 < one.sleep_seconds(one.now() + timedelta(seconds=60)) <= 1.001


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"said")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Silence."""


@pytest.mark.parametrize(
    ("status", "say"), [(200, "passed"), (204, "passed"), (302, "failed"), (500, "failed")]
)
def test_a_request_passes_on_2xx_only(tmp_path: Path, status: int, say: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    os.environ["http_proxy"] = "http://127.0.0.1:9"
    try:
        with SqliteStore(tmp_path) as store:
            plan = small_plan()
            key = next(iter(plan.hooks))
            object.__setattr__(plan, "hooks", {key: {"http": f"/{status}"}})
            store.open_release(plan, opening(plan), datetime.now(UTC))
            url = f"http://127.0.0.1:{server.server_port}"
            hooks = HookRunner(store, SystemClock(), lambda _plan: {"CROSSFADE_TEST_URL": url})
            hooks.start(plan, key)
            wait_for(lambda: hooks.results("R1")[key].say is not HookSay.RUNNING)

            assert hooks.results("R1")[key].say == say
            assert str(status) in hooks.results("R1")[key].text
            hooks.close()
    finally:
        del os.environ["http_proxy"]
        server.shutdown()
        server.server_close()
        thread.join()
