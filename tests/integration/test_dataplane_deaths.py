"""The data plane when apps, Envoy or the supervisor are ill or die: nobody is lost, nothing stays behind."""

from __future__ import annotations

import os
import shutil
import signal
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
    Service,
    connect,
    down,
    ensure_supervisor,
)
from crossfade.dataplane.process import MARK, marked, start_time
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
        until(lambda: {get(seen.listener_port)[0] for _ in range(5)} == {200})  # Envoy has heard of it too
        answers = [get(seen.listener_port) for _ in range(60)]
        ended = time.time()

        assert {status for status, _ in answers} == {200}
        by_stable = sum(body.startswith("v1") for _, body in answers)
        assert by_stable >= 30, "at first there is only stable"
        until(lambda: client.counts("shop", begun).watermark > ended + 1)
        counted = [slot.groups for slot in client.counts("shop", begun - 1).intervals]
        stable = sum(groups["blue"].requests for groups in counted if "blue" in groups)
        assert stable >= by_stable, "and what stable answered is stable's"


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
        until(lambda: client.observe("shop").applied)
        after = client.observe("shop")

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
