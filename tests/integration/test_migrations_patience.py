"""R39: a migration waits a moment and lets go; nobody behind it waits longer; who is in the way is named."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Self

import pytest
from click.testing import Result
from migrating_world import VARIABLE, World, until

from crossfade.migrations.answers import Failure
from crossfade.migrations.running import manner, outsider
from crossfade.migrations.running.backing_off import Backoff
from crossfade.migrations.running.doors import open_door
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.wire import Session

pytestmark = pytest.mark.real
QUEUED = (
    "SELECT count(*) FROM pg_locks "
    "WHERE NOT granted AND relation = 'customers'::regclass AND mode = 'AccessExclusiveLock'"
)
INVALID = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
ADD = "ALTER TABLE customers ADD COLUMN full_name text;"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(18) as running:
        yield running


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(sandbox=sandbox, folder=tmp_path, monkeypatch=monkeypatch, watched=False)


class Running:
    """A verb in a thread of its own."""

    def __init__(self, world: World, verb: str, *arguments: str) -> None:
        self._results: list[Result] = []
        self._thread = threading.Thread(target=lambda: self._results.append(world.run(verb, *arguments)))
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def over(self) -> Result:
        self._thread.join(60)
        return self._results[0]


@dataclass(slots=True)
class Readers:
    """Sessions that read all the time; how long each answer took, in seconds."""

    sessions: list[Session]
    took: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._read, args=(one,)) for one in self.sessions]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for one in self.sessions:
            one.close()

    def _read(self, session: Session) -> None:
        while not self._stop.is_set():
            began = time.perf_counter()
            session.ask("SELECT name FROM customers WHERE id = 7")
            self.took.append(time.perf_counter() - began)
            self._stop.wait(0.002)


def usually(seconds: Callable[[], float], right: Callable[[float], bool]) -> bool:
    """Once in three times: a machine may stand still for a moment, and does not always."""
    return any(right(seconds()) for _ in range(3))


class TestWaiting:
    def test_R39_behind_an_old_transaction_no_reader_waits_longer_than_a_try(self, world: World) -> None:
        world.write(a__sql=ADD)
        readers = Readers([world.connect("reader") for _ in range(3)])
        with world.holding("SELECT 1 FROM customers LIMIT 1") as report, readers:
            running = Running(world, "expand", "a", "--lock-timeout", "150ms")
            until(lambda: world.ask(QUEUED) == [("1",)])
            in_the_way = time.perf_counter()
            until(lambda: world.ask(QUEUED) == [("0",)])
            time.sleep(0.7)
            report.ask("COMMIT")
            in_the_way = time.perf_counter() - in_the_way
            result = running.over()

        assert result.return_value == 0, result.exception
        assert world.ledger()[-1].tries >= 2
        assert "nightly-report" in result.stderr
        # One try, and what a busy machine adds to it; without the time-out it would be all of the time.
        assert 0.1 < max(readers.took) < 0.8 * in_the_way
        assert len(readers.took) > 100

    def test_R39_who_is_in_the_way_is_named_and_nothing_is_done(self, world: World) -> None:
        world.write(a__sql=ADD)
        with world.holding("SELECT name FROM customers WHERE name = 'alice' AND id = 12345"):
            error = world.refused("expand", "a", "--budget", "1s")

        assert (error.id, error.exit_code) == ("CF9272", 1)
        assert "nightly-report of postgres" in error.why
        assert "idle in transaction: SELECT name FROM customers WHERE name = … AND id = …" in error.why
        assert world.ask("SELECT count(*) FROM pg_attribute WHERE attname = 'full_name'") == [("0",)]

    def test_R39_while_it_is_known_who_is_in_the_way_nobody_queues(self, world: World) -> None:
        world.write(a__sql=ADD)
        with world.holding("SELECT 1 FROM customers LIMIT 1"):
            error = world.refused("expand", "a", "--budget", "1500ms")

        assert "in 1 tries" in error.what

    def test_R39_the_statements_of_a_transaction_share_one_wait(self, world: World) -> None:
        world.ask("CREATE TABLE orders (id int); CREATE TABLE parcels (id int)")
        world.write(
            a__sql=f"{ADD} ALTER TABLE orders ADD COLUMN n int; ALTER TABLE parcels ADD COLUMN n int;"
        )

        def longest() -> float:
            with (
                world.holding("SELECT 1 FROM parcels LIMIT 1"),
                Readers([world.connect("reader")]) as readers,
            ):
                world.refused("expand", "a", "--budget", "1s", "--lock-timeout", "200ms")
            return max(readers.took)

        assert usually(longest, lambda seconds: seconds < 0.2 + 0.6)

    def test_R39_the_locks_of_one_statement_share_it_too(self, world: World) -> None:
        world.ask("CREATE TABLE orders (id int)")
        world.write(a__sql="LOCK TABLE customers, orders;")

        def longest() -> float:
            with (
                world.holding("SELECT 1 FROM orders"),
                world.holding("SELECT 1 FROM customers LIMIT 1") as first,
                Readers([world.connect("reader")]) as readers,
            ):
                running = Running(world, "expand", "a", "--lock-timeout", "1s", "--budget", "1s")
                until(lambda: world.ask(QUEUED) == [("1",)])
                time.sleep(0.7)
                first.ask("COMMIT")
                result = running.over()
            assert getattr(result.exception, "id", "") == "CF9272"
            return max(readers.took)

        # Behind the first table's lock for 0.7 s and behind the second one's for what is left of the second.
        assert usually(longest, lambda seconds: 0.6 < seconds < 1.0 + 0.5)

    def test_a_deadlock_is_tried_again(self, world: World) -> None:
        world.ask(f"CREATE TABLE orders (); ALTER DATABASE {world.name} SET deadlock_timeout = '20ms'")
        world.write(a__sql=f"ALTER TABLE orders ADD COLUMN n int; {ADD}")
        with world.holding("SELECT 1 FROM customers LIMIT 1") as other:
            running = Running(world, "expand", "a", "--lock-timeout", "5s")
            until(lambda: world.ask(QUEUED) == [("1",)])
            said = other.attempt("SELECT 1 FROM orders")
            other.ask("ROLLBACK")
            result = running.over()

        assert result.return_value == 0, result.exception
        assert {one.state for one in world.ledger()} == {"done"}
        assert isinstance(said, Failure) or "a deadlock" in result.stderr


class TestConcurrently:
    def test_an_index_that_an_old_snapshot_made_invalid_is_built_anew(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outsider, "_PAUSE", outsider._LOOK)
        monkeypatch.setattr(manner, "Limits", partial(manner.Limits, online_lock=timedelta(milliseconds=300)))
        world.write(a__sql="CREATE INDEX CONCURRENTLY i ON customers (name)")
        with world.connect("nightly-report") as old:
            old.ask("BEGIN ISOLATION LEVEL REPEATABLE READ")
            old.ask("SELECT 1")
            running = Running(world, "expand", "a")
            until(lambda: world.ask(INVALID) == [("1",)])
            until(lambda: world.ask(INVALID) == [("0",)])
            old.ask("COMMIT")
            result = running.over()

        assert result.return_value == 0, result.exception
        assert "55P03" in result.stderr
        assert "nightly-report" in result.stderr
        assert world.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass") == [("t",)]
        assert world.ledger()[-1].tries >= 2


class TestOrphans:
    def test_a_statement_of_a_runner_that_is_gone_is_waited_for(self, world: World) -> None:
        world.write(a__sql=ADD)
        with open_door(world.dsn, VARIABLE).connect() as orphan:
            orphan.ask("BEGIN")
            orphan.ask("SELECT 1 FROM customers LIMIT 1")
            running = Running(world, "expand", "a")
            until(lambda: world.ask("SELECT to_regclass('crossfade.ledger') IS NOT NULL") == [("t",)])
            time.sleep(0.4)
            tried = world.ledger()
            alive = running.alive
        result = running.over()

        assert (tried, alive) == ([], True)
        assert result.return_value == 0, result.exception


def test_pauses_double_and_half_of_each_is_chance() -> None:
    backoff = Backoff(first=timedelta(seconds=1), longest=timedelta(seconds=8))
    pauses = [
        [backoff.pause(failed, Random(seed)).total_seconds() for seed in range(50)] for failed in range(1, 8)
    ]

    for whole, some in zip((1, 2, 4, 8, 8, 8, 8), pauses, strict=True):
        assert all(whole / 2 <= one <= whole for one in some)
        assert len(set(some)) > 10
