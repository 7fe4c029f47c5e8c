"""
The broom of a state folder: ends every process that carries the folder's mark, whoever recorded
it or not, and nothing else. Used by a supervisor that goes down, and by `down` after a dead one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from crossfade.dataplane import process as proc
from crossfade.dataplane.store import Store


def sweep(store: Store, mark: str, grace_s: float = 0.0) -> None:
    """Ends every process that carries the folder's mark, and forgets what was recorded."""
    until = time.monotonic() + grace_s
    while (left := _others(mark)) and time.monotonic() < until:
        _collect()
        time.sleep(0.02)
    for _ in range(100):
        left = _others(mark)
        if not left:
            break
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        _collect()
        time.sleep(0.02)
    (store.folder / "started.json").unlink(missing_ok=True)
    store.forget_sockets()


def _others(mark: str) -> list[int]:
    return [pid for pid in proc.marked(mark) if pid != os.getpid()]


def _collect() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
