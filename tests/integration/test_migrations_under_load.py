"""R39 measured: what readers of a busy table wait for while it is migrated, and what an autovacuum does."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from migrating_world import World, until

from crossfade.migrations.sandbox import Sandbox, launch

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(300)]
ADD = "ALTER TABLE customers ADD COLUMN full_name text;"
HELD_S = 6.0
CLIENTS = 4
LOAD_S = 14


@contextmanager
def readers(world: World, folder: Path) -> Iterator[list[float]]:
    """PostgreSQL's own load generator reads single rows; every answer's milliseconds, once it is over."""
    folder.mkdir()
    script = folder / "read.sql"
    script.write_text("\\set id random(1, 200)\nSELECT name FROM customers WHERE id = :id;\n")
    program = world.sandbox.binaries.program("pgbench")
    command: list[str | Path] = [program, "-n", "-l", "-T", str(LOAD_S), "-c", str(CLIENTS), "-R", "400"]
    command += ["-f", script, "-U", "postgres", "-h", world.sandbox.folder, world.name]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    took: list[float] = []
    try:
        active = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'"
        until(lambda: world.ask(active) == [(str(CLIENTS),)], 60)
        yield took
    finally:
        process.wait(60)  # it writes its log at its own end
        for log in folder.glob("pgbench_log*"):
            # client, number, microseconds with the time it came late, …, seconds, microseconds, late
            for line in log.read_text().splitlines():
                words = line.split()
                if len(words) >= 7 and words[2].isdigit():
                    took.append((int(words[2]) - int(words[6])) / 1000)


def behind_a_report(world: World, migrate: Callable[[], object], folder: Path) -> tuple[float, int]:
    """The worst answer in ms, and how many there were, while a report's transaction is open for HELD_S."""
    with readers(world, folder) as took, world.holding("SELECT count(*) FROM customers") as report:
        thread = threading.Thread(target=migrate)
        thread.start()
        time.sleep(HELD_S)
        report.ask("COMMIT")
        thread.join()
    return max(took), len(took)


def test_R39_readers_wait_for_a_try_and_not_for_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(18) as sandbox:
        plain = World(sandbox=sandbox, folder=tmp_path, monkeypatch=monkeypatch, watched=False)
        without, many = behind_a_report(plain, lambda: plain.ask(ADD), tmp_path / "plain")
        ours = World(sandbox=sandbox, folder=tmp_path, monkeypatch=monkeypatch, watched=False)
        ours.write(a__sql=ADD)
        said: list[str] = []
        with_us, more = behind_a_report(
            ours, lambda: said.append(ours.done("expand", "a")), tmp_path / "ours"
        )
        tries = ours.ledger()[-1].tries

    print(f"ALTER TABLE behind a report of {HELD_S:.0f} s: worst of {many:,} reads {without:,.0f} ms")
    print(f"migrate expand, lock-timeout 250 ms: worst of {more:,} reads {with_us:,.0f} ms, {tries} tries")
    assert said == ["a: expanded\n"]
    assert without > HELD_S * 900
    assert with_us < 2 * 250 + 300


def test_an_autovacuum_in_the_way_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = launch._SETTINGS | {
        "autovacuum": "on",
        "autovacuum_naptime": "1",
        "autovacuum_vacuum_threshold": "10",
        "autovacuum_vacuum_cost_delay": "100",
        "autovacuum_vacuum_cost_limit": "1",
    }
    monkeypatch.setattr(launch, "_SETTINGS", settings)
    with Sandbox(18) as sandbox:
        world = World(sandbox=sandbox, folder=tmp_path, monkeypatch=monkeypatch, watched=False)
        world.ask("INSERT INTO customers (name) SELECT 'm' FROM generate_series(1, 50000)")
        world.ask("UPDATE customers SET email = 'x'")
        running = (
            "SELECT count(*) FROM pg_stat_progress_vacuum "
            "WHERE relid = 'customers'::regclass AND datname = current_database()"
        )
        until(lambda: world.ask(running) == [("1",)], 60)
        world.write(a__sql=ADD)
        began = time.monotonic()
        said = world.done("expand", "a")
        took = time.monotonic() - began

    print(f"an autovacuum that would take minutes gave up; expanded after {took:.1f} s")
    assert said == "a: expanded\n"
    assert took < 20
