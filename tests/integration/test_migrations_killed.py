"""A runner killed with -9 at any moment, and run again: the same end, nothing lost, nothing twice (R37)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from migrating_world import NOWHERE, VARIABLE, World, until

from crossfade.migrations.running.dump import schema_of
from crossfade.migrations.running.ledger import TABLES
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.wire import Session

pytestmark = pytest.mark.real
MIXED = """
BEGIN; CREATE TABLE audit (step int); INSERT INTO audit VALUES (1);
ALTER TABLE customers ADD COLUMN full_name text; COMMIT;
CREATE INDEX CONCURRENTLY by_name ON customers (name);
BEGIN; INSERT INTO audit VALUES (2);
ALTER TABLE customers ADD CONSTRAINT named CHECK (name <> '') NOT VALID; COMMIT;
ALTER TABLE customers VALIDATE CONSTRAINT named;
INSERT INTO audit VALUES (3);
DROP INDEX CONCURRENTLY by_email;
REINDEX INDEX CONCURRENTLY by_name;
CREATE UNIQUE INDEX CONCURRENTLY once ON customers (id, name);
INSERT INTO audit VALUES (4);
"""
MORE = """
INSERT INTO customers (name, email) SELECT 'm' || i, 'm' || i FROM generate_series(1, 40000) i;
CREATE INDEX by_email ON customers (email);
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(18) as running:
        yield running


@pytest.fixture
def fresh(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], World]:
    def make() -> World:
        world = World(sandbox=sandbox, folder=tmp_path, monkeypatch=monkeypatch, watched=False)
        world.ask(MORE)
        # Everybody who dies between two looks at the ledger dies in the part, and not before it.
        world.ask(TABLES)
        world.write(a__sql=MIXED)
        return world

    return make


def started(world: World) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "crossfade", "migrate", "expand", "a", "--folder", str(world.folder)]
    command += ["--dsn-env", VARIABLE, "--sandbox-dsn", NOWHERE]
    return subprocess.Popen(
        command, env={**os.environ, VARIABLE: world.dsn}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def kill(runner: subprocess.Popen[bytes]) -> bool:
    """Whether it was still alive."""
    alive = runner.poll() is None
    if alive:
        runner.send_signal(signal.SIGKILL)
    runner.communicate()
    return alive


def finish(world: World) -> None:
    runner = started(world)
    _, said = runner.communicate(timeout=100)
    assert runner.returncode == 0, said.decode()


def end(world: World) -> tuple[str, list[tuple[str | None, ...]], dict[int, str]]:
    """Everything that could differ: the schema, what was written, the ledger."""
    schema = "\n".join(
        line for line in schema_of(world.dsn, 180004).splitlines() if not line.startswith(("\\", "--"))
    )
    assert world.ask("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [("0",)]
    states: dict[int, str] = {row.number: row.state for row in world.ledger()}
    return schema, world.ask("SELECT step FROM audit ORDER BY step"), states


def wait_for_row(look: Session, runner: subprocess.Popen[bytes], number: int) -> None:
    """Until the ledger speaks of this statement or a later one, or the runner is at its end."""
    last = "SELECT count(*) FROM crossfade.ledger WHERE number >= $1::int"
    while runner.poll() is None and look.ask(last, [str(number)]) == (("0",),):
        time.sleep(0.002)


class TestKilled:
    def test_R37_while_an_index_is_built(self, fresh: Callable[[], World]) -> None:
        world = fresh()
        with world.connect() as old:
            old.ask("BEGIN ISOLATION LEVEL REPEATABLE READ")
            old.ask("SELECT 1")
            runner = started(world)
            invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
            until(lambda: world.ask(invalid) == [("1",)], 60)
            assert kill(runner)
        finish(world)

        assert end(world)[1] == [("1",), ("2",), ("3",), ("4",)]
        assert set(end(world)[2].values()) == {"done"}

    @pytest.mark.long
    def test_R37_while_it_waits_for_a_lock(self, fresh: Callable[[], World]) -> None:
        world = fresh()
        with world.holding("SELECT 1 FROM customers LIMIT 1"):
            runner = started(world)
            queued = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'customers'::regclass"
            until(lambda: world.ask(queued) != [("0",)], 60)
            assert kill(runner)
        finish(world)

        assert end(world)[1] == [("1",), ("2",), ("3",), ("4",)]
        assert set(end(world)[2].values()) == {"done"}

    def test_R37_when_the_index_is_built_and_the_ledger_does_not_say_so(
        self, fresh: Callable[[], World]
    ) -> None:
        world = fresh()
        world.done("expand", "a")
        before = end(world)
        world.ask(
            "UPDATE crossfade.ledger SET state = 'started', finished = NULL "
            "WHERE part = 'expand' AND number IN (0, 4, 9, 11)"
        )
        node = world.ask("SELECT pg_relation_filenode('by_name')")
        world.done("expand", "a")

        assert world.ask("SELECT pg_relation_filenode('by_name')") == node
        assert end(world) == before

    @pytest.mark.long
    @pytest.mark.timeout(900)
    def test_R37_at_twenty_moments_of_chance(self, fresh: Callable[[], World]) -> None:
        whole = fresh()
        finish(whole)
        chance, hits, where = random.Random(39), 0, []
        for _ in range(60):
            world = fresh()
            runner = started(world)
            with world.connect("looks on") as look:
                # Any statement is as likely as the index build, which takes longer than all others.
                wait_for_row(look, runner, chance.randrange(10))
                time.sleep(chance.random() * 0.02)
                if kill(runner):
                    hits += 1
                    where.append(max((row.number for row in world.ledger()), default=0))
            finish(world)
            assert end(world) == end(whole)
            if hits == 20:
                break

        print(f"killed {hits} times, the last row then: {sorted(where)}")
        assert hits == 20
        assert len(set(where)) > 3
