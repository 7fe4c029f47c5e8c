"""The data plane with a real Envoy and real processes: what must hold whoever dies."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crossfade.dataplane import (
    Client,
    Conflict,
    Fault,
    Group,
    Instance,
    InvalidChange,
    Observed,
    PortTaken,
    Service,
    connect,
    down,
    ensure_supervisor,
)
from crossfade.dataplane.process import MARK, marked, start_time
from crossfade.dataplane.store import Store, read_json

pytestmark = pytest.mark.real

APP = """
import os, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
well = True
def term(*_):
    print("SIGTERM", time.time(), flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, term)
class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        global well
        code = 200
        if self.path.startswith("/slow/"): time.sleep(float(self.path[6:]))
        if self.path == "/die": os._exit(7)
        if self.path == "/sick": well = False
        if self.path == "/error" or (self.path == "/healthz" and not well): code = 500
        body = f"{sys.argv[2]} {os.getpid()}".encode()
        self.send_response(code)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path.startswith("/slow/"): print("DONE", time.time(), flush=True)
    def log_message(self, *_): pass
ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "state"
    (tmp_path / "app.py").write_text(APP)
    yield path
    mark = Store(path).mark() if path.exists() else ""
    down(path)
    assert not marked(mark), "nothing is orphaned after down"


def group(folder: Path, revision: str, instances: int = 1, **more: object) -> Group:
    values: dict[str, object] = {
        "revision": revision,
        "command": (sys.executable, str(folder.parent / "app.py"), "{port}", "{revision}"),
        "folder": str(folder.parent),
        "instances": instances,
        "health": "/healthz",
        "stop_grace_s": 2.0,
        "drain_s": 10.0,
        "ready_timeout_s": 20.0,
    }
    return Group(**{**values, **more})  # type: ignore[arg-type]  # a table of field values


def until(what: Callable[[], bool], seconds: float = 15) -> float:
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds, "did not become true in time"
        time.sleep(0.01)
    return time.monotonic() - begun


def ready(seen: Observed, name: str) -> list[Instance]:
    return [i for i in seen.instances if i.group == name and i.state == "ready"]


def get(port: int | None, path: str = "/") -> tuple[int, str]:
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    asked.request("GET", path)
    reply = asked.getresponse()
    found = (reply.status, reply.read().decode())
    asked.close()
    return found


def up(folder: Path, blue: int = 1, green: int = 0) -> tuple[Client, Observed]:
    """A service named shop, v1 in blue with all the weight, v2 in green; all ready."""
    client = ensure_supervisor(folder)
    groups = {"blue": group(folder, "v1", blue), "green": group(folder, "v2", green)}
    client.apply(
        Service(
            name="shop",
            groups=groups if green else {**groups, "green": None},
            weights={"blue": 1000, "green": 0},
        ),
        0,
    )
    until(lambda: len(ready(client.observe("shop"), "blue")) == blue)
    until(lambda: len(ready(client.observe("shop"), "green")) == green)
    until(lambda: client.observe("shop").applied)
    return client, client.observe("shop")


def supervisor_pid(folder: Path) -> int:
    return int(read_json(Store(folder).pid_file)["pid"])


class TestNobodyLeft:
    def test_R01_a_candidate_whose_last_instance_dies_costs_nobody_a_request(self, folder: Path) -> None:
        client, seen = up(folder, 1, 1)
        client.apply(replace(seen.service, weights={"blue": 500, "green": 500}), seen.generation)
        (victim,) = ready(client.observe("shop"), "green")
        assert victim.pid is not None
        begun = time.time()
        os.kill(victim.pid, signal.SIGSTOP)  # it must not come back before it is missed
        os.kill(victim.pid, signal.SIGKILL)
        until(lambda: not ready(client.observe("shop"), "green"))
        answers = [get(seen.listener_port) for _ in range(60)]
        ended = time.time()

        assert {status for status, _ in answers} == {200}
        by_stable = sum(body.startswith("v1") for _, body in answers)
        assert by_stable >= 30, "at first there is only stable"
        until(lambda: client.counts("shop", begun).watermark > ended + 1)
        counted = [slot.groups for slot in client.counts("shop", begun - 1).intervals]
        stable = sum(groups["blue"].requests for groups in counted if "blue" in groups)
        assert stable >= by_stable, "and what stable answered is stable's"


class TestTraffic:
    def test_R10_weights_act_per_request_on_an_open_connection_and_are_read_back(self, folder: Path) -> None:
        client, seen = up(folder, 1, 1)
        kept = http.client.HTTPConnection("127.0.0.1", seen.listener_port)
        answers = []
        for weights in ({"blue": 1000, "green": 0}, {"blue": 0, "green": 1000}):
            seen = client.observe("shop")
            applied = client.apply(replace(seen.service, weights=weights), seen.generation)
            assert applied.applied
            kept.request("GET", "/")
            answers.append(kept.getresponse().read().decode().split()[0])
            assert client.observe("shop").routes == weights
        kept.close()

        assert answers == ["v1", "v2"]

    def test_R01_the_test_listener_reaches_the_test_group_only_and_is_not_production(
        self, folder: Path
    ) -> None:
        client, seen = up(folder, 1, 1)
        closed = get(seen.test_port)[0]
        client.apply(replace(seen.service, test_group="green"), seen.generation)
        time.sleep(0.6)
        answers = {get(seen.test_port)[1].split()[0] for _ in range(10)}
        after = client.observe("shop")

        assert closed == 503
        assert answers == {"v2"}
        assert after.test_route == "green"
        assert after.silent_s is not None
        assert after.silent_s["green"] > 0.5, "requests of the test listener are no traffic"

    def test_both_weights_zero_answers_503_and_is_counted_as_unrouted(self, folder: Path) -> None:
        client, seen = up(folder)
        client.apply(replace(seen.service, weights={"blue": 0, "green": 0}), seen.generation)
        assert [get(seen.listener_port)[0] for _ in range(3)] == [503] * 3
        until(lambda: sum(i.unrouted for i in client.counts("shop", 0).intervals) == 3)

    def test_R09_sigterm_comes_after_the_last_request_in_flight(self, folder: Path) -> None:
        client, seen = up(folder, 1, 1)
        answers: list[tuple[int, str]] = []
        slow = threading.Thread(target=lambda: answers.append(get(seen.listener_port, "/slow/1")))
        slow.start()
        until(lambda: (client.observe("shop").active or {})["blue"] == 1)
        moved = client.apply(replace(seen.service, weights={"blue": 0, "green": 1000}), seen.generation)
        client.apply(
            replace(
                seen.service,
                weights={"blue": 0, "green": 1000},
                groups={**seen.service.groups, "blue": None},
            ),
            moved.generation,
        )
        states = {i.state for i in client.observe("shop").instances if i.group == "blue"}
        slow.join()
        until(lambda: not [i for i in client.observe("shop").instances if i.group == "blue"])
        log = [line.split() for line in client.logs("shop", "blue")["blue-1"]]
        when = {word: float(at) for word, at in log}

        assert states == {"draining"}
        assert answers[0][0] == 200
        assert when["SIGTERM"] > when["DONE"]
        assert when["SIGTERM"] - when["DONE"] < 1.0

    def test_an_injected_fault_is_an_error_of_the_app_and_labelled(self, folder: Path) -> None:
        client, seen = up(folder, 2)
        fault = Fault(errors=1.0, delay_ms=30, delay_share=1.0)
        client.apply(replace(seen.service, fault={"blue": fault}), seen.generation)
        assert {get(seen.listener_port)[0] for _ in range(10)} == {500}
        until(lambda: client.counts("shop", 0).watermark > time.time() - 1)
        until(lambda: len(client.counts("shop", 0).intervals) > 0)
        time.sleep(1.5)
        found = client.counts("shop", 0).intervals
        blue = [i.groups["blue"] for i in found if "blue" in i.groups]
        instances = {key for i in found for key in i.instances.get("blue", {})}

        assert sum(c.requests for c in blue) == 10
        assert sum(c.injected for c in blue) == sum(c.app_errors for c in blue) == 10
        assert instances == {"blue-1", "blue-2"}, "dealt out, as the proxy would have"


class TestCounts:
    def test_counts_equal_what_the_client_saw_by_group_instance_and_fault(self, folder: Path) -> None:
        client, seen = up(folder, 2)
        pids = {str(i.pid): i.id for i in seen.instances}
        truth: dict[str, int] = {}
        for path in ("/", "/error", "/") * 20:
            instance = pids[get(seen.listener_port, path)[1].split()[1]]
            truth[instance] = truth.get(instance, 0) + 1
        broken = get(seen.listener_port, "/die")[0]
        last = time.time()
        until(lambda: client.counts("shop", 0).watermark > last + 1)
        counted = client.counts("shop", 0)
        blue = [i.groups["blue"] for i in counted.intervals]
        by_instance: dict[str, int] = {}
        for interval in counted.intervals:
            for key, counts in interval.instances["blue"].items():
                by_instance[key] = by_instance.get(key, 0) + counts.requests

        assert broken == 502, "as an ALB says it"
        assert counted.problem == ""
        assert sum(c.requests for c in blue) == 61
        assert sum(c.app_errors for c in blue) == 20
        assert sum(c.proxy_errors for c in blue) == 1
        assert sum(sum(c.latency) for c in blue) == 61
        assert sum(by_instance.values()) == 61
        assert all(by_instance[key] - truth[key] in (0, 1) for key in truth)

    def test_R24_a_frozen_proxy_is_unreadable_and_not_silent(self, folder: Path) -> None:
        client, seen = up(folder)
        assert seen.envoy.pid is not None
        os.kill(seen.envoy.pid, signal.SIGSTOP)
        try:
            until(lambda: client.counts("shop", 0).problem != "")
            stands = client.counts("shop", 0).watermark
            until(lambda: client.observe("shop").silent_s is None)
            blind = client.observe("shop")
            after = client.counts("shop", 0)
        finally:
            os.kill(seen.envoy.pid, signal.SIGCONT)

        assert (blind.routes, blind.active, blind.silent_s) == (None, None, None)
        assert after.watermark == stands
        until(lambda: client.counts("shop", 0).problem == "")

    def test_R27_counts_survive_a_dead_supervisor(self, folder: Path) -> None:
        client, seen = up(folder)
        for _ in range(5):
            get(seen.listener_port)
        os.kill(supervisor_pid(folder), signal.SIGKILL)
        for _ in range(5):
            get(seen.listener_port)
        client = ensure_supervisor(folder)

        def total() -> int:
            found = client.counts("shop", 0).intervals
            return sum(i.groups["blue"].requests for i in found)

        until(lambda: total() == 10)

    def test_envoys_log_is_rotated_under_traffic_without_a_lost_line(self, folder: Path) -> None:
        small = (
            "import sys; from crossfade.dataplane import logfile, supervisor;"
            "logfile.ROTATE_BYTES = 5_000; sys.exit(supervisor.main(sys.argv[1]))"
        )
        own = subprocess.Popen([sys.executable, "-c", small, str(folder)])
        until(lambda: folder.exists() and connect(folder) is not None)
        client, seen = up(folder)
        for _ in range(150):
            assert get(seen.listener_port)[0] == 200
        time.sleep(0.2)
        for _ in range(150):
            assert get(seen.listener_port)[0] == 200
        until(lambda: client.counts("shop", 0).watermark > time.time() - 1)
        last = time.time()
        until(lambda: client.counts("shop", 0).watermark > last + 1)
        found = client.counts("shop", 0)
        rotated = (folder / "logs" / "access.log.1").exists()
        client.down()

        assert own.wait(10) == 0
        assert rotated
        assert found.problem == ""
        assert sum(i.groups["blue"].requests for i in found.intervals) == 300


class TestHealth:
    def test_a_dead_instance_is_out_at_once_and_comes_back_as_another(self, folder: Path) -> None:
        client, seen = up(folder, 2)
        victim = ready(seen, "blue")[0]
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        time.sleep(0.05)
        answers = [get(seen.listener_port)[0] for _ in range(20)]
        until(lambda: len(ready(client.observe("shop"), "blue")) == 2)
        after = client.observe("shop")
        fresh = next(i for i in after.instances if i.restarts == 1)

        assert answers == [200] * 20
        assert fresh.id not in {i.id for i in seen.instances}
        assert fresh.last_exit.startswith("killed by SIGKILL")
        assert after.restarts == {"blue": 1, "green": 0}

    def test_an_unhealthy_instance_is_out_but_the_last_ones_are_kept(self, folder: Path) -> None:
        client, seen = up(folder, 2)
        one, other = ready(seen, "blue")
        get(one.port, "/sick")
        until(lambda: len(ready(client.observe("shop"), "blue")) == 1)
        time.sleep(0.05)
        served = {get(seen.listener_port)[1].split()[1] for _ in range(10)}
        get(other.port, "/sick")
        until(lambda: not ready(client.observe("shop"), "blue"))
        time.sleep(0.05)
        open_ = {get(seen.listener_port)[1].split()[1] for _ in range(20)}

        assert served == {str(other.pid)}
        assert open_ == {str(one.pid), str(other.pid)}, "all unhealthy: fails open"

    def test_a_program_that_never_starts_is_visible_with_its_last_words(self, folder: Path) -> None:
        client = ensure_supervisor(folder)
        dies = (sys.executable, "-c", "raise SystemExit('no database')")
        groups = {
            "blue": group(folder, "v1", command=dies),
            "green": group(folder, "v2", command=("/nowhere/serve",)),
        }
        client.apply(Service(name="shop", groups=groups), 0)
        until(lambda: client.observe("shop").restarts["blue"] >= 2)
        until(lambda: client.observe("shop").restarts["green"] >= 1)
        seen = {i.group: i for i in client.observe("shop").instances}
        words = [line for lines in client.logs("shop", "blue").values() for line in lines]

        assert seen["blue"].state == seen["green"].state == "starting"
        assert seen["blue"].last_exit.startswith("exit 1")
        assert "No such file" in seen["green"].last_exit
        assert "no database" in words


class TestSomebodyDies:
    def test_envoy_killed_comes_back_with_the_same_weights(self, folder: Path) -> None:
        client, seen = up(folder, 1, 1)
        client.apply(replace(seen.service, weights={"blue": 0, "green": 1000}), seen.generation)
        assert seen.envoy.pid is not None
        os.kill(seen.envoy.pid, signal.SIGKILL)
        until(lambda: client.observe("shop").envoy.restarts == 1)
        took = until(lambda: client.observe("shop").applied)
        after = client.observe("shop")

        assert took < 2
        assert after.routes == {"blue": 0, "green": 1000}
        assert get(seen.listener_port) == (200, get(seen.listener_port)[1])
        assert get(seen.listener_port)[1].startswith("v2")

    def test_R33_a_killed_supervisor_is_replaced_without_a_lost_request(self, folder: Path) -> None:
        _, seen = up(folder, 2)
        lost: list[object] = []
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                try:
                    if get(seen.listener_port)[0] != 200:
                        lost.append("status")
                except OSError as error:
                    lost.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        os.kill(supervisor_pid(folder), signal.SIGKILL)
        time.sleep(0.3)
        assert connect(folder) is None
        client = ensure_supervisor(folder)
        until(lambda: client.observe("shop").applied)
        time.sleep(0.5)
        over.set()
        asking.join()
        after = client.observe("shop")

        assert lost == []
        assert {(i.id, i.pid) for i in after.instances} == {(i.id, i.pid) for i in seen.instances}
        assert after.envoy.pid == seen.envoy.pid
        assert after.envoy.restarts == 0
        assert after.generation == seen.generation

    def test_a_process_that_was_started_and_not_recorded_is_ended(self, folder: Path) -> None:
        _, seen = up(folder)
        os.kill(supervisor_pid(folder), signal.SIGKILL)
        orphan = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)"],
            env={**os.environ, MARK: Store(folder).mark()},
            start_new_session=True,
        )
        client = ensure_supervisor(folder)

        assert orphan.wait(10) == -signal.SIGKILL
        assert client.observe("shop").envoy.pid == seen.envoy.pid

    def test_down_cleans_up_after_a_dead_supervisor(self, folder: Path) -> None:
        _, seen = up(folder)
        os.kill(supervisor_pid(folder), signal.SIGKILL)
        down(folder)

        assert not marked(Store(folder).mark())
        with pytest.raises(ConnectionRefusedError):
            get(seen.listener_port)

    def test_a_deleted_folder_takes_everything_down(self, folder: Path) -> None:
        up(folder)
        mark, pid = Store(folder).mark(), supervisor_pid(folder)
        shutil.rmtree(folder)
        until(lambda: start_time(pid) is None)

        assert not marked(mark)

    def test_the_supervisor_outlives_its_starter_and_its_terminal(self, folder: Path) -> None:
        code = f"from crossfade.dataplane import *; ensure_supervisor({str(folder)!r})"
        subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
        client = connect(folder)
        assert client is not None
        pid = supervisor_pid(folder)

        assert client.ping() < 1
        assert os.getsid(pid) == pid, "a Ctrl-C in the terminal does not reach it"

    def test_of_many_starters_one_supervisor_stays(self, folder: Path) -> None:
        code = f"from crossfade.dataplane import *; c = ensure_supervisor({str(folder)!r}); c.ping()"
        starters = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(5)]
        codes = [starter.wait(30) for starter in starters]
        line = b"crossfade.dataplane.supervisor\0" + os.fsencode(folder.resolve())

        def living() -> int:
            found = 0
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit() and (entry / "cmdline").exists():
                    found += line in (entry / "cmdline").read_bytes()
            return found

        assert codes == [0] * 5
        until(lambda: living() == 1)


class TestDocument:
    def test_R23_a_stale_generation_writes_nothing(self, folder: Path) -> None:
        client, seen = up(folder)
        tagged = replace(seen.service, tags={"owner": "01JD"})
        client.apply(tagged, seen.generation)
        with pytest.raises(Conflict) as raised:
            client.apply(replace(seen.service, tags={"owner": "other"}), seen.generation)

        assert raised.value.id == "CF4102"
        assert client.observe("shop").service == tagged

    def test_R01_a_group_under_traffic_is_not_turned_into_another_revision(self, folder: Path) -> None:
        client, seen = up(folder)
        groups = {**seen.service.groups, "blue": group(folder, "v9")}
        with pytest.raises(InvalidChange):
            client.apply(replace(seen.service, groups=groups), seen.generation)

    def test_generation_and_chosen_ports_survive_down_and_up(self, folder: Path) -> None:
        client, seen = up(folder)
        client.down()
        client = ensure_supervisor(folder)
        until(lambda: client.observe("shop").applied)
        until(lambda: len(ready(client.observe("shop"), "blue")) == 1)
        after = client.observe("shop")

        assert after.generation == seen.generation
        assert after.listener_port == seen.listener_port
        assert get(seen.listener_port)[0] == 200

    def test_a_taken_port_is_refused_and_its_holder_named(self, folder: Path) -> None:
        client = ensure_supervisor(folder)
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = holder.getsockname()[1]
            with pytest.raises(PortTaken) as raised:
                client.apply(Service(name="shop", listener_port=port), 0)
        assert raised.value.id == "CF4101"
        assert f"pid {os.getpid()} (" in raised.value.why
        assert client.services() == {}

    def test_R06_a_refused_configuration_is_reported_and_offered_again(self, folder: Path) -> None:
        client, seen = up(folder)
        client.down()
        with socket.create_server(("127.0.0.1", seen.service.listener_port)):
            client = ensure_supervisor(folder)
            until(lambda: "CF4101" in client.observe("shop").reason)
            refused = client.observe("shop")
        until(lambda: client.observe("shop").applied)

        assert not refused.applied
        assert refused.listener_port is None
        assert f"pid {os.getpid()} (" in refused.reason

    def test_R46_the_glass_can_be_broken_while_the_supervisor_hangs(self, folder: Path) -> None:
        client, seen = up(folder, 1, 1)
        pid = supervisor_pid(folder)
        os.kill(pid, signal.SIGSTOP)
        try:
            module = "crossfade.dataplane.weights"
            command = [sys.executable, "-m", module, str(folder), "shop", "green"]
            subprocess.run(command, check=True, timeout=20, capture_output=True)
            until(lambda: get(seen.listener_port)[1].startswith("v2"), 1)
        finally:
            os.kill(pid, signal.SIGCONT)
        until(lambda: client.observe("shop").generation == seen.generation + 1)
        until(lambda: client.observe("shop").applied)

        assert client.observe("shop").routes == {"blue": 0, "green": 1000}

    def test_a_deep_folder_has_its_sockets_elsewhere(self, tmp_path: Path) -> None:
        deep = tmp_path / ("d" * 60) / ("e" * 60)
        client = ensure_supervisor(deep)
        try:
            assert client.ping() < 1
            assert json.loads((deep / "bootstrap.json").read_text())
        finally:
            client.down()

    def test_a_service_is_removed_when_its_groups_are(self, folder: Path) -> None:
        client, seen = up(folder)
        with pytest.raises(InvalidChange):
            client.remove("shop", seen.generation)
        empty = replace(seen.service, groups={"blue": None, "green": None}, weights={"blue": 0, "green": 0})
        client.remove("shop", client.apply(empty, seen.generation).generation)
        until(lambda: not Store(folder).services())

        assert client.services() == {}
