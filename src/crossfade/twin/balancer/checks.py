"""
The health checks: asks targets over HTTP, many at once, in one thread of its own.

When somebody is asked, and what an answer means, is decided in `targets.py`; here is only the question.
LOOPBACK ONLY: a target elsewhere is never connected to, and its checks time out as in a black hole.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable
from typing import Final

from crossfade.twin.balancer.compile import is_here
from crossfade.twin.balancer.model import HealthCheck
from crossfade.twin.balancer.targets import Check, Failed, Outcome, Passed

FLOOR_S: Final = 0.1
"""Real seconds between two checks of one target, however fast the twin's clock runs."""

_LEAST_TIMEOUT_S: Final = 1.0  # real: an answer takes its time however fast the twin's clock runs
_LOOK_S: Final = 0.05
_MOST_BYTES: Final = 1 << 20
_REST_S: Final = 0.2
_LENGTH: Final = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)\b")

TIMED_OUT: Final = Failed(reason="Target.Timeout", description="Request timed out")
BROKEN: Final = Failed(reason="Target.FailedHealthChecks", description="Health checks failed")


def mismatch(status: int) -> Failed:
    """An answer that the matcher does not want."""
    said = f"Health checks failed with these codes: [{status}]"
    return Failed(reason="Target.ResponseCodeMismatch", description=said)


def matches(matcher: str, status: int) -> bool:
    """`200`, `200,302` or `200-299`, as a group's matcher is written."""
    for part in matcher.split(","):
        first, _, last = part.strip().partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False


async def ask(ip: str, port: int, check: HealthCheck, timeout_s: float) -> Outcome:
    """One question; never raises for what a target does."""
    try:
        async with asyncio.timeout(timeout_s):
            status = await _status(ip, port, check.path)
        return Passed() if matches(check.matcher, status) else mismatch(status)
    except TimeoutError:
        return TIMED_OUT
    except (OSError, ValueError):
        return BROKEN


async def _status(ip: str, port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection(ip, port)
    try:
        head = f"GET {path} HTTP/1.1\r\nHost: {ip}:{port}\r\nConnection: close\r\n"
        writer.write(f"{head}User-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: identity\r\n\r\n".encode())
        found = _STATUS.match(await reader.readline())
        if found is None:
            raise ValueError("not an answer of HTTP")
        with contextlib.suppress(
            OSError, ValueError
        ):  # the answer is known; the rest is for the target's peace
            async with asyncio.timeout(_REST_S):
                await _rest(reader)
    finally:
        writer.close()
    return int(found[1])


async def _rest(reader: asyncio.StreamReader) -> None:
    """Headers and body, so that a target does not meet a broken pipe; not all of them close when asked."""
    left = _MOST_BYTES
    while (line := await reader.readline()) not in (b"\r\n", b"\n", b""):
        if length := _LENGTH.match(line):
            left = min(left, int(length[1]))
    while left > 0 and (part := await reader.read(left)):
        left -= len(part)


class Checker(threading.Thread):
    """
    Asks whatever is due until it is stopped.

    `due` and `told` are called from this thread; `pace` is twin seconds per real second.
    """

    def __init__(
        self,
        due: Callable[[], list[Check]],
        told: Callable[[Check, Outcome], None],
        pace: Callable[[], float],
    ) -> None:
        super().__init__(daemon=True, name="twin-health")
        self._due, self._told, self._pace = due, told, pace
        self._over = threading.Event()

    def stop(self) -> None:
        """Ends the thread, and waits for it."""
        self._over.set()
        self.join()

    def run(self) -> None:
        asyncio.run(self._loop())

    async def _loop(self) -> None:
        asked: set[asyncio.Task[None]] = set()
        while not self._over.is_set():
            for check in self._due():
                task = asyncio.create_task(self._ask(check))
                asked.add(task)
                task.add_done_callback(asked.discard)
            await asyncio.sleep(_LOOK_S)
        for task in asked:
            task.cancel()

    async def _ask(self, check: Check) -> None:
        target, health = check.target, check.group.health
        timeout_s = max(health.timeout_s / self._pace(), _LEAST_TIMEOUT_S)
        if is_here(target):
            outcome = await ask(target.ip, health.port or target.port, health, timeout_s)
        else:
            await asyncio.sleep(timeout_s)
            outcome = TIMED_OUT
        self._told(check, outcome)
