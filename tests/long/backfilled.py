"""
A backfill of a million rows beside readers and writers; runners killed; both columns written at once.

    python tests/long/backfilled.py [--rows 1000000] [--seconds 30]

A throw-away PostgreSQL without fsync, its disk memory where there is enough. Exit 0 where no writer waited
half as long beside any backfill as beside one UPDATE, every row was written exactly once however often the
runner was killed, and no row broke the invariant.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from backfill_world import AUDITED, CHANGE, FULL_NAME, World, change, dual, silent

from crossfade.migrations.backfill import backfill, install, verify
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.wire import Session

SEED: Final = 42
KILLS: Final = 20
WRITERS: Final = 2
READERS: Final = 2
ALONE: Final = Path(__file__).parents[1] / "integration" / "backfill_alone.py"
FULL: Final = dual(("name", "full_name", "NEW.name", "NEW.full_name"))
SAME: Final = change("full_name IS NOT DISTINCT FROM name", backfill=FULL_NAME)


@dataclass
class Felt:
    """What people beside it felt, in seconds a statement."""

    writes: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)


@contextmanager
def people(world: World, rows: int) -> Iterator[Felt]:
    """Readers and writers of single rows, for as long as this lasts."""
    felt, stop = Felt(), threading.Event()

    def busy(sql: str, spans: list[float], seed: int) -> None:
        dice = random.Random(seed)
        with world.database.connect() as session:
            while not stop.is_set():
                begin = time.monotonic()
                session.ask(sql, [str(dice.randint(1, rows))])
                spans.append(time.monotonic() - begin)
                stop.wait(0.001)

    write = "UPDATE customers SET touched = touched + 1 WHERE id = $1"
    read = "SELECT name FROM customers WHERE id = $1"
    told = [(write, felt.writes)] * WRITERS + [(read, felt.reads)] * READERS
    threads = [
        threading.Thread(target=busy, args=(sql, spans, SEED + at)) for at, (sql, spans) in enumerate(told)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    felt.writes.clear()
    felt.reads.clear()
    try:
        yield felt
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def beside(sandbox: Sandbox, rows: int, how: Callable[[World], object]) -> tuple[float, Felt, str]:
    """Seconds it took, what people felt, rows that are not right."""
    world = World(sandbox, rows=rows)
    with people(world, rows) as felt:
        begin = time.monotonic()
        how(world)
        took = time.monotonic() - begin
    left = world.one("SELECT count(*) FROM customers WHERE full_name IS DISTINCT FROM name")
    gone(sandbox, world)
    return took, felt, str(left)


def gone(sandbox: Sandbox, world: World) -> None:
    world.session.close()
    sandbox.server.admin.ask(f'DROP DATABASE "{world.database.name}" WITH (FORCE)')


def at_once(world: World) -> None:
    with world.database.connect() as session:
        session.ask("UPDATE customers SET full_name = name WHERE full_name IS NULL")


def in_batches(milliseconds: int) -> Callable[[World], None]:
    order = replace(FULL_NAME, rows=1000, target=timedelta(milliseconds=milliseconds))

    def run(world: World) -> None:
        with world.live() as live:
            backfill(live, CHANGE, order, who="long", tell=silent)
            backfill(live, CHANGE, order, who="long", tell=silent)

    return run


def stalls(sandbox: Sandbox, rows: int) -> bool:
    print(f"{rows:,} rows; {WRITERS} writers and {READERS} readers of single rows beside it; ms")
    print(f"{'':24} {'seconds':>8} {'worst write':>12} {'99 % writes':>12} {'worst read':>11} {'left':>6}")
    ways = [("one UPDATE", at_once)] + [(f"batches, target {ms} ms", in_batches(ms)) for ms in (200, 50, 20)]
    worst: list[float] = []
    well = True
    for called, how in ways:
        took, felt, left = beside(sandbox, rows, how)
        high = sorted(felt.writes)
        worst.append(high[-1])
        well = well and left == "0"
        print(
            f"{called:24} {took:8.1f} {high[-1] * 1000:12.0f} {high[int(len(high) * 0.99)] * 1000:12.1f} "
            f"{max(felt.reads) * 1000:11.0f} {left:>6}"
        )
    return well and max(worst[1:]) < worst[0] / 2


def killed(sandbox: Sandbox, rows: int) -> bool:
    """R40: the trigger of the audit counts every write of every row."""
    world = World(sandbox, rows=rows)
    world.ask(AUDITED)
    begin = time.monotonic()
    said = subprocess.run(
        [sys.executable, str(ALONE), world.dsn, str(KILLS), str(SEED), "1.2", "50"],
        stdout=subprocess.PIPE, check=True, timeout=900,
    )  # fmt: skip
    took = time.monotonic() - begin
    wrote = world.ask("SELECT count(*), count(DISTINCT id) FROM audit")[0]
    left = world.one("SELECT count(*) FROM customers WHERE full_name IS DISTINCT FROM name")
    kills = int(said.stdout)
    well = wrote == (str(rows), str(rows)) and left == "0" and kills >= KILLS // 2
    print(
        f"{'ok  ' if well else 'BAD '} killed {kills} times in {took:.0f} s: "
        f"{wrote[0]} writes of {wrote[1]} rows, {left} not right"
    )
    gone(sandbox, world)
    return well


def both_written(sandbox: Sandbox, rows: int, seconds: float) -> bool:
    """Old and new version write what they know, backfills come and go, and nothing drifts apart."""
    world = World(sandbox, rows=rows)
    world.ask("; ".join(["BEGIN", *install(world.session, CHANGE, FULL), "COMMIT"]))
    end = time.monotonic() + seconds
    counts: list[int] = []

    def version(column: str, seed: int) -> None:
        dice = random.Random(seed)
        done = 0
        with world.database.connect() as session:
            while time.monotonic() < end:
                done += write(session, column, dice)
        counts.append(done)

    def write(session: Session, column: str, dice: random.Random) -> int:
        key, value = str(dice.randint(1, rows + 5000)), dice.choice([None, "", f"v {dice.random()}"])
        kind = dice.randrange(3)
        if kind == 0:
            session.ask(f"UPDATE customers SET {column} = $2 WHERE id = $1", [key, value])
        elif kind == 1:
            session.ask(
                f"INSERT INTO customers (id, {column}) VALUES ($1, $2) "
                f"ON CONFLICT (id) DO UPDATE SET {column} = EXCLUDED.{column}",
                [key, value],
            )
        else:
            session.ask("DELETE FROM customers WHERE id = $1", [key])
        return 1

    threads = [
        threading.Thread(target=version, args=(column, SEED + at))
        for at, column in enumerate(["name", "full_name", "name", "full_name"])
    ]
    for thread in threads:
        thread.start()
    with world.live() as live:
        backfill(
            live, CHANGE, replace(FULL_NAME, rows=1000), who="long", tell=silent, written_by_trigger=True
        )
    with world.live() as live:
        during = verify(live, SAME, who="long", tell=silent)
    for thread in threads:
        thread.join()
    with world.live() as live:
        found = verify(live, SAME, who="long", tell=silent)
    well = found.holds and during.holds and len(counts) == len(threads)
    print(
        f"{'ok  ' if well else 'BAD '} {sum(counts):,} writes of old and new versions in {seconds:.0f} s "
        f"beside a backfill: {during.offending} of {during.seen:,} rows offend during it, "
        f"{found.offending} of {found.seen:,} after"
    )
    gone(sandbox, world)
    return well


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    asked = parser.parse_args()
    with Sandbox(18) as sandbox:
        well = [
            stalls(sandbox, asked.rows),
            killed(sandbox, asked.rows),
            both_written(sandbox, min(asked.rows, 200_000), asked.seconds),
        ]
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
