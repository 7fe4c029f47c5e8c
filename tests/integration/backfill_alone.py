"""
Runners of a backfill that are killed: `DSN KILLS SEED LONGEST_S TARGET_MS`.

Each runner is a fork of this process, killed after a random while; the last one is let finish. There is one
pass only: what is lost in it is not found by another. It prints how many were killed before they were done.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from dataclasses import replace
from datetime import timedelta

from backfill_world import CHANGE, FULL_NAME, silent

from crossfade.errors import HeldError
from crossfade.migrations.backfill import backfill, live
from crossfade.migrations.running.doors import open_door


def run(dsn: str, target_ms: int) -> None:
    order = replace(FULL_NAME, rows=20, target=timedelta(milliseconds=target_ms))
    while True:
        try:
            with live(open_door(dsn, "DATABASE_URL"), "alone") as session:
                backfill(session, CHANGE, order, who="alone", tell=silent, written_by_trigger=True)
        except HeldError:  # the one that was killed is still being let go
            continue
        return


def killed(dsn: str, target_ms: int, after_s: float | None) -> bool:
    """Whether the runner was killed before it was done."""
    pid = os.fork()
    if pid == 0:
        run(dsn, target_ms)
        os._exit(0)
    if after_s is not None:
        time.sleep(after_s)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(f"a runner failed: {os.WEXITSTATUS(status)}")
    return os.WIFSIGNALED(status)


def main() -> None:
    dsn, kills, seed, longest, target = sys.argv[1:]
    dice = random.Random(int(seed))
    count = sum(killed(dsn, int(target), dice.uniform(0.0, float(longest))) for _ in range(int(kills)))
    killed(dsn, int(target), None)
    print(count)


if __name__ == "__main__":
    main()
