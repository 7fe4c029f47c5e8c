"""The data plane with a real Envoy and real processes: weights, counts, and a document that is kept."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dataplane_world import APP, get, group, ready, supervisor_pid, until, up

from crossfade.dataplane import (
    Conflict,
    Fault,
    InvalidChange,
    PortTaken,
    Service,
    connect,
    down,
    ensure_supervisor,
)
from crossfade.dataplane.process import marked
from crossfade.dataplane.store import Store

pytestmark = pytest.mark.real


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "state"
    (tmp_path / "app.py").write_text(APP)
    yield path
    mark = Store(path).mark() if path.exists() else ""
    down(path)
    assert not marked(mark), "nothing is orphaned after down"


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
        until(lambda: get(seen.listener_port)[0] == 200)

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
