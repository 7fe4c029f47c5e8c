"""Faults under traffic: a journal that cannot be written, a frozen controller, a long answer, an abort."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crossfade.dataplane import connect
from crossfade.release.state import Outcome
from town import CANARY, Said, Town, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

LONG_BAKE = CANARY.replace("10%, bake: 20s", "10%, bake: 600s")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The state folder as a small disk of its own; only root may make one."""
    folder = tmp_path / ".crossfade"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("no right to mount a disk")
    yield folder
    # A process that has just been killed may hold it for a moment more.
    until(
        lambda: subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode == 0,
        10,
        lambda: f"{folder} is still in use",
    )


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Not a byte is free, and somebody goes on writing whatever becomes so."""
    filler, stop = disk / "filler", threading.Event()

    def fill() -> None:
        with filler.open("wb", buffering=0) as out:
            while not stop.is_set():
                try:
                    out.write(b"x" * 4096)
                except OSError:
                    stop.wait(0.001)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        until(lambda: os.statvfs(disk).f_bavail == 0, 10, lambda: "the disk does not fill")
        yield
    finally:
        stop.set()
        thread.join()
        filler.unlink()


@contextmanager
def cannot_grow(town: Town, process: subprocess.Popen[bytes]) -> Iterator[None]:
    """The process may make no file longer than the journal is now."""
    journal = (town.state / name for name in ("journal.db", "journal.db-wal"))
    limit = max(path.stat().st_size for path in journal)
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        if process.poll() is None:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


def routes(town: Town) -> Mapping[str, int] | None:
    """The weights that Envoy runs with; asked past the journal, which may not open."""
    line = connect(town.state)
    assert line is not None
    return line.observe("shop").routes


def all_home(town: Town) -> None:
    home = {"blue": 1000, "green": 0}
    until(lambda: routes(town) == home, 20, lambda: f"not home: {routes(town)}; {said(town)}")


def said(town: Town, words: str = "deploy-v2") -> str:
    return (town.folder / f"said-{words}.txt").read_text()


def outcome(town: Town) -> Outcome | None:
    house = town.house
    try:
        return house.store.releases(limit=1)[0].outcome
    finally:
        house.store.close()


def turned(town: Town) -> dict[str, Any]:
    return next(event for event in town.events() if event["type"] == "rollback.started")


class TestJournal:
    def test_R34_a_full_disk_in_mid_release_sends_all_traffic_home(self, disk: Path, town: Town) -> None:
        town.write(strategy=LONG_BAKE)
        town.first()
        with town.users():
            process = town.start("deploy", "v2", "--output", "plain")
            town.wait_for("baking")
            with filled(disk):
                all_home(town)
                seen, second = town.run("status"), town.run("deploy", "v4")
            process.wait(60)
        told = said(town)

        assert (seen.code, second.code) == (0, 8), (seen, second)
        assert process.returncode == 4, told
        assert "crossfade: CF5003 " in told
        assert "the disk is full" in told
        assert "  why  " in told
        assert "  fix  free space" in told
        assert "sending all traffic to v1" in told
        assert "EMERGENCY without Crossfade: " in told
        assert ": all traffic is on v1" in told
        assert turned(town)["actor"] == "crossfade (emergency)"
        assert "CF5003" in turned(town)["reason"]
        assert "by crossfade (emergency)" in town.run("explain").out
        assert outcome(town) is Outcome.ROLLED_BACK
        assert town.receipt().failed_by_release_machinery == 0
        assert town.run("history", "--verify").code == 0

    @pytest.mark.long
    def test_R46_the_glass_breaks_on_a_full_disk(self, disk: Path, town: Town) -> None:
        town.write(strategy=LONG_BAKE)
        town.first()
        with town.users():
            process = town.start("deploy", "v2", "--output", "quiet")
            town.wait_for("baking")
            house = town.house
            plan = house.store.releases(limit=1)[0].plan
            house.store.close()
            process.kill()
            process.wait()
            with filled(disk):
                broken = subprocess.run(plan.break_glass, shell=True, check=False, capture_output=True)
                all_home(town)
            back = town.run("abort", "--reason", "the disk was full", "--output", "quiet")

        assert broken.returncode == 0, broken
        assert back.code == 0, back
        assert town.receipt().failed_by_release_machinery == 0

    @pytest.mark.long
    def test_a_full_disk_refuses_a_release_before_anything_moves(self, disk: Path, town: Town) -> None:
        town.first()
        with town.users(), filled(disk):
            refused = town.run("deploy", "v2")
        moved = routes(town)

        assert refused.code == 11, refused
        assert refused.err.startswith(("CF5002 ", "CF5003 "))
        assert "  fix  free space" in refused.err
        assert moved == {"blue": 1000, "green": 0}
        assert town.receipt().failed_by_release_machinery == 0

    @pytest.mark.long
    def test_R34_the_next_command_finds_the_emergency_log_and_ends_the_release(self, town: Town) -> None:
        town.write(strategy=LONG_BAKE)
        town.first()
        log = town.state / "emergency.log"
        with town.users():
            process = town.start("deploy", "v2", "--output", "plain")
            town.wait_for("baking")
            with cannot_grow(town, process):
                all_home(town)
                until(lambda: "all traffic is on v1" in said(town), 10, lambda: said(town))
                kept, before = log.read_text(), outcome(town)
                process.kill()
                process.wait()
            resumed = town.run("resume", "--reason", "there is space again", "--output", "plain")

        assert "CF5003" in kept
        assert before is None
        assert resumed.code == 4, resumed
        assert not log.exists(), resumed
        assert turned(town)["actor"] == "crossfade (emergency)"
        assert outcome(town) is Outcome.ROLLED_BACK
        assert town.receipt().failed_by_release_machinery == 0

    @pytest.mark.parametrize(
        ("locked", "told"), [pytest.param("folder", "CF5002", marks=pytest.mark.long), ("journal", "CF5003")]
    )
    def test_what_may_not_be_written_refuses_a_release(self, town: Town, locked: str, told: str) -> None:
        town.first()
        paths = [town.state] if locked == "folder" else sorted(town.state.glob("journal.db*"))
        modes = [path.stat().st_mode for path in paths]
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode & ~0o222)
        try:
            refused = bound(town, "deploy", "v2")
        finally:
            for path, mode in zip(paths, modes, strict=True):
                path.chmod(mode)

        assert refused.code == 11, refused
        assert refused.err.startswith(f"{told} ")
        assert "  fix  " in refused.err
        assert routes(town) == {"blue": 1000, "green": 0}
        assert outcome(town) is Outcome.SUCCEEDED


def bound(town: Town, *words: str) -> Said:
    """A command that the permissions of files bind, even where root runs the tests."""
    drop_bounding, dac_override = 24, 1
    libc = ctypes.CDLL(None)
    done = subprocess.run(
        [sys.executable, "-m", "crossfade", *words],
        cwd=town.folder,
        preexec_fn=lambda: libc.prctl(drop_bounding, dac_override, 0, 0, 0),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


class TestFrozen:
    @pytest.mark.parametrize(
        ("then", "code", "event"),
        [("abort", 5, "rolled_back"), pytest.param("resume", 0, "succeeded", marks=pytest.mark.long)],
    )
    def test_R23_a_frozen_controller_is_replaced_and_acts_no_more(
        self, town: Town, then: str, code: int, event: str
    ) -> None:
        town.write(strategy=LONG_BAKE.replace("600s", "100s"))
        town.first()
        with town.users():
            process = town.start("deploy", "v2", "--output", "plain")
            town.wait_for("baking")
            try:
                freeze(town, process)
                taken = town.run(then, "--reason", "it hangs", "--output", "plain", patience=90)
                ended, before = town.events(), routes(town)
            finally:
                process.send_signal(signal.SIGCONT)
            process.wait(30)

        assert taken.code == 0, taken
        assert ("adopting" if then == "resume" else "no controller answers: driving") in taken.err
        assert f"RELEASE {event}" in said(town)
        assert process.returncode == code, said(town)
        assert ended[-1]["type"] == f"release.{event}"
        assert town.events() == ended
        assert routes(town) == before
        assert town.receipt().failed_by_release_machinery == 0
        assert town.run("history", "--verify").code == 0

    @pytest.mark.long
    def test_who_froze_is_not_said_to_drive(self, town: Town) -> None:
        town.write(strategy=LONG_BAKE)
        town.first()
        process = town.start("deploy", "v2", "--output", "quiet")
        town.wait_for("baking")
        try:
            freeze(town, process)
            until(lambda: "nobody" in town.run("status").out, 40, lambda: town.run("status").out)
            refused = town.run("deploy", "v4")
        finally:
            process.send_signal(signal.SIGCONT)
        until(lambda: "nobody" not in town.run("status").out, 20, lambda: town.run("status").out)
        back = town.run("abort", "--reason", "enough", "--output", "quiet")
        process.wait(30)

        assert refused.code == 8
        assert "nobody drives it" in refused.err
        assert (back.code, process.returncode) == (0, 5)


def freeze(town: Town, process: subprocess.Popen[bytes]) -> None:
    """Stop it where it holds no lock of the journal's, as nearly all of its time."""

    def stopped_free() -> bool:
        process.send_signal(signal.SIGSTOP)
        link = sqlite3.connect(town.state / "journal.db", timeout=0, isolation_level=None)
        try:
            link.execute("begin immediate")
            link.execute("rollback")
        except sqlite3.OperationalError:
            process.send_signal(signal.SIGCONT)
            return False
        finally:
            link.close()
        return True

    until(stopped_free, 10, lambda: "always stopped within a write")


class TestInFlight:
    @pytest.mark.long
    def test_R09_ten_seconds_in_flight_at_the_cutover_end_well(self, town: Town) -> None:
        town.write(strategy="{blue_green: {bake: 20s, keep_old: 20s}}")
        file = town.folder / "crossfade.yaml"
        file.write_text(file.read_text().replace("drain: 8s", "drain: 15s"))
        town.first()
        answers: list[tuple[float, float, int, str]] = []

        def ask() -> None:
            began = time.monotonic()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/slow?ms=10000", timeout=30) as answer:
                answer.read()
                answers.append(
                    (began, time.monotonic(), answer.status, answer.headers["x-crossfade-revision"])
                )

        port, asked, flipped = town.port(), [], 0.0
        with town.users():
            process = town.start("deploy", "v2", "--output", "quiet")
            town.wait_for("verifying")
            end = time.monotonic() + 30
            while time.monotonic() < end and not flipped:
                asked.append(threading.Thread(target=ask))
                asked[-1].start()
                if routes(town) == {"blue": 0, "green": 1000}:
                    flipped = time.monotonic()
                time.sleep(0.1)
            process.wait(90)
            for thread in asked:
                thread.join(30)
        over = [one for one in answers if one[0] < flipped < one[1] and one[3] == "v1"]

        assert process.returncode == 0
        assert over
        assert len(answers) == len(asked)
        assert {status for _, _, status, _ in answers} == {200}
        assert town.receipt().failed_by_release_machinery == 0


class TestTooLate:
    @pytest.mark.long
    def test_an_abort_while_the_old_one_is_stopped_is_declined_and_the_release_succeeds(
        self, town: Town
    ) -> None:
        town.build("v1", "slow-stop")
        town.first()
        with town.users():
            process = town.start("deploy", "v2", "--output", "quiet")
            town.wait_for("retiring")
            late = town.run("abort", "--reason", "changed my mind")
            process.wait(60)
        heard = [event for event in town.events() if event["type"] == "command.received"]

        assert late.code == 11, late
        assert "CF7101 abort: no" in late.err
        assert "v1 is being stopped: too late to turn back" in late.err
        assert "wait for the end, then crossfade rollback" in late.err
        assert process.returncode == 0
        assert [event["verb"] for event in heard] == ["abort"]
        assert outcome(town) is Outcome.SUCCEEDED
        assert town.receipt().failed_by_release_machinery == 0

    @pytest.mark.long
    def test_an_abort_while_the_old_one_is_kept_goes_back(self, town: Town) -> None:
        town.write(strategy=CANARY.replace("keep_old: 20s", "keep_old: 600s"))
        town.first()
        with town.users():
            process = town.start("deploy", "v2", "--output", "quiet")
            town.wait_for("keeping")
            back = town.run("abort", "--reason", "changed my mind", "--output", "plain")
            process.wait(30)

        assert back.code == 0, back
        assert "can go back: yes, to v1, in seconds" in back.err
        assert process.returncode == 5
        assert routes(town) == {"blue": 1000, "green": 0}
        assert outcome(town) is Outcome.ROLLED_BACK
        assert town.receipt().failed_by_release_machinery == 0
