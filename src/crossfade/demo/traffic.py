"""
Traffic like people make it: an open loop at a steady rate, and a line per request of what came.

    python -m crossfade.demo.traffic --port 8000 --rate 300 --seconds 80 --out client.jsonl

Open loop: a request is sent when its time has come, whether or not earlier ones were answered,
so that a slow or dead app cannot hide by slowing its own clients. About 80 % of the requests use
a pool of kept connections, 20 % a fresh one each, 0.2 % are held by the app on purpose (`/slow`).
The generator runs as its own process (`Traffic` starts and stops it): what it measures is not
disturbed by the one who looks. Its lines are one half of the receipt; control goes to `receipt`.

LIMITS, all hard: 400 requests/s, 600 s, 100,000 requests, 800 in flight (more are `skipped`,
and counted).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from crossfade.demo.wire import Answer, ClientConnection, Unsent
from crossfade.errors import PlatformError, UsageError

MAX_RATE = 400.0
MAX_SECONDS = 600.0
MAX_COUNT = 100_000
MAX_IN_FLIGHT = 800
POOL = 32  # kept connections; more are opened when all are busy, and closed after use
FRESH_SHARE = 0.20
SLOW_SHARE = 0.002  # rarer than one in a hundred, so that p99 is the app's own
DEFAULT_PATHS = ("/@5", "/search?q=shoes@3", "/checkout@2")
TELL_EVERY = 0.25  # seconds between two looks of the outside: lines flushed, counters written
START_PATIENCE = 15.0  # seconds for the process to start
LATE_BUCKETS = 5000  # of 1 ms; what is later than all of them counts as the last

REVISION_HEADER = "x-crossfade-revision"
PID_HEADER = "x-crossfade-pid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send. `paths` are `PATH@WEIGHT` (weight 1 when left out); times in seconds."""

    port: int
    out: Path
    rate: float = 300.0
    seconds: float = 80.0
    count: int = MAX_COUNT
    paths: tuple[str, ...] = DEFAULT_PATHS
    slow_ms: int = 1500
    slow_share: float = SLOW_SHARE  # 0 for an app that has no `/slow`
    timeout: float = 10.0  # for an answer; a held request has its hold on top
    with_parent: bool = False  # stop when the process that started this one is gone

    def __post_init__(self) -> None:
        limits = {
            "rate": (self.rate, MAX_RATE),
            "seconds": (self.seconds, MAX_SECONDS),
            "count": (self.count, MAX_COUNT),
            "slow_ms": (self.slow_ms, 60_000),
            "timeout": (self.timeout, 60),
        }
        for name, (value, most) in limits.items():
            if not 0 < value <= most:
                why = "the load generator is bounded, so that it can never hurt the machine"
                fix = f"choose a {name} above 0 and at most {most:g}"
                raise UsageError("CF9101", f"{name} {value:g} is out of range", why, fix)
        if not self.paths:
            raise UsageError("CF9102", "no path to send requests to", fix="name one, such as `/`")

    @property
    def stats(self) -> Path:
        """Where the live counters stand, rewritten by atomic rename."""
        return self.out.with_name(self.out.name + ".stats")

    @property
    def longest(self) -> float:
        """Seconds after which no request can still be in flight."""
        return self.timeout + self.slow_ms / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The generator so far; the last one it writes (`finished`) is its summary."""

    sent: int = 0
    answered: int = 0  # with a status below 400
    failed: int = 0  # everything else that is over
    in_flight: int = 0
    reconnects: int = 0  # the server had closed an idle connection; the GET was sent again
    skipped: int = 0  # not sent, because too many were in flight
    per_second: float = 0.0  # answers, good or not, over the last interval
    late_ms_p99: int = 0  # how late requests left; large = this machine is too busy to be believed
    finished: bool = False


@dataclass(slots=True, kw_only=True)
class _Tally:
    sent: int = 0
    answered: int = 0
    failed: int = 0
    in_flight: int = 0
    reconnects: int = 0
    skipped: int = 0
    late: list[int] = field(default_factory=lambda: [0] * LATE_BUCKETS)

    def late_p99(self) -> int:
        left = sum(self.late) * 0.99
        for bucket, count in enumerate(self.late):
            left -= count
            if left <= 0:
                return bucket + (count > 0)
        return LATE_BUCKETS


class _Generator:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._tally = _Tally()
        self._idle: deque[ClientConnection] = deque()
        self._lines: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._rng = random.Random()  # noqa: S311 - a mix of paths, not secrets
        self._run = os.urandom(4).hex()
        pairs = [path.rpartition("@") for path in load.paths]
        self._paths = [path or weight for path, _, weight in pairs]
        self._weights = [float(weight) if path else 1.0 for path, _, weight in pairs]
        self._stop = asyncio.Event()
        self._told = (time.monotonic(), 0)

    async def run(self) -> Counters:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        with self._load.out.open("w", encoding="utf-8") as out:
            teller = asyncio.create_task(self._tell_on(out))
            self._tell(finished=False)
            await self._send_all()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._load.longest + 2)
            teller.cancel()
            for connection in self._idle:
                connection.close()
            out.write("".join(self._lines))
        return self._tell(finished=True)

    async def _send_all(self) -> None:
        load, tally = self._load, self._tally
        begin = time.monotonic()
        for number in range(min(load.count, int(load.rate * load.seconds))):
            due = begin + number / load.rate
            # Naps, not one wait for `_stop` with a time-out: that costs a task per request.
            while (wait := due - time.monotonic()) > 0 and not self._stop.is_set():  # noqa: ASYNC110
                await asyncio.sleep(min(wait, TELL_EVERY))
            if self._stop.is_set() or time.monotonic() - begin > load.seconds:
                return
            late = max(0, int((time.monotonic() - due) * 1000))
            tally.late[min(late, LATE_BUCKETS - 1)] += 1
            if tally.in_flight >= MAX_IN_FLIGHT:
                tally.skipped += 1
                continue
            task = asyncio.create_task(self._one(number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            if late:
                await asyncio.sleep(0)  # catching up must not starve the answers

    async def _one(self, number: int) -> None:
        load, tally = self._load, self._tally
        draw = self._rng.random()
        path, timeout = self._rng.choices(self._paths, self._weights)[0], load.timeout
        kind = "keep-alive"
        if draw < load.slow_share:
            kind, path, timeout = "slow", f"/slow?ms={load.slow_ms}", load.longest
        elif draw < load.slow_share + FRESH_SHARE:
            kind = "fresh"
        ident = f"{self._run}-{number:06d}"
        request = (
            f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{load.port}\r\nx-request-id: {ident}\r\n"
            f"connection: {'close' if kind == 'fresh' else 'keep-alive'}\r\n\r\n"
        ).encode("latin-1")
        tally.sent += 1
        tally.in_flight += 1
        wall, sent = time.time(), time.monotonic()
        answer, reconnects = await self._exchange(request, timeout, fresh=kind == "fresh")
        milliseconds = (time.monotonic() - sent) * 1000
        tally.in_flight -= 1
        tally.reconnects += reconnects
        if answer.outcome == "answered" and answer.status < 400:
            tally.answered += 1
        else:
            tally.failed += 1
        pid = answer.headers.get(PID_HEADER, "")
        record = {
            "id": ident,
            "sent": round(sent, 6),
            "wall": round(wall, 6),
            "path": path,
            "kind": kind,
            "outcome": answer.outcome,
            "status": answer.status,
            "revision": answer.headers.get(REVISION_HEADER, ""),
            "pid": int(pid) if pid.isdecimal() else 0,
            "ms": round(milliseconds, 3),
            "reconnects": reconnects,
        }
        self._lines.append(json.dumps(record) + "\n")

    async def _exchange(self, request: bytes, timeout: float, *, fresh: bool) -> tuple[Answer, int]:  # noqa: ASYNC109 - a timer, not a cancellation
        """The outcome, and how often a connection turned out closed before the request came."""
        reconnects = 0
        while not fresh and self._idle:
            connection = self._idle.popleft()  # the longest idle one: all of them get their turn
            answer = await connection.ask(request, timeout)
            if isinstance(answer, Answer):
                self._keep(connection, answer)
                return answer, reconnects
            reconnects += 1
        try:
            connecting = asyncio.get_running_loop().create_connection(
                ClientConnection, "127.0.0.1", self._load.port
            )
            _, connection = await asyncio.wait_for(connecting, timeout)
        except TimeoutError:
            return Answer(outcome="timeout"), reconnects
        except ConnectionResetError:
            return Answer(outcome="reset"), reconnects
        except OSError:
            return Answer(outcome="refused"), reconnects
        answer = await connection.ask(request, timeout)
        if isinstance(answer, Unsent):  # closed as soon as it was accepted: nobody took the request
            return Answer(outcome="reset"), reconnects
        self._keep(connection, answer)
        return answer, reconnects

    def _keep(self, connection: ClientConnection, answer: Answer) -> None:
        if answer.reusable and len(self._idle) < POOL:
            self._idle.append(connection)
        else:
            connection.close()

    async def _tell_on(self, out: TextIO) -> None:
        parent = os.getppid()
        while True:
            await asyncio.sleep(TELL_EVERY)
            out.write("".join(self._lines))
            out.flush()
            self._lines.clear()
            self._tell(finished=False)
            if self._load.with_parent and os.getppid() != parent:
                self._stop.set()

    def _tell(self, *, finished: bool) -> Counters:
        tally, now = self._tally, time.monotonic()
        over = tally.answered + tally.failed
        (then, before), self._told = self._told, (now, over)
        said = Counters(
            sent=tally.sent,
            answered=tally.answered,
            failed=tally.failed,
            in_flight=tally.in_flight,
            reconnects=tally.reconnects,
            skipped=tally.skipped,
            per_second=round((over - before) / max(now - then, 0.001), 1),
            late_ms_p99=tally.late_p99(),
            finished=finished,
        )
        beside = self._load.stats.with_suffix(".new")
        beside.write_text(json.dumps(asdict(said)) + "\n", encoding="utf-8")
        beside.replace(self._load.stats)
        return said


class Traffic:
    """
    The generator as a process of its own, for as long as the `with` lasts.

    Raises PlatformError when it does not start, or ends otherwise than asked.
    """

    def __init__(self, load: Load) -> None:
        self.load = load
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        load = self.load
        load.stats.unlink(missing_ok=True)
        command = [sys.executable, "-m", "crossfade.demo.traffic", "--with-parent"]
        for name in ("port", "out", "rate", "seconds", "count", "slow_ms", "slow_share", "timeout"):
            command += [f"--{name.replace('_', '-')}", str(getattr(load, name))]
        command += ["--paths", *load.paths]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_PATIENCE
        while not load.stats.exists():  # its first act, once it obeys signals
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                self._process.wait()
                raise PlatformError("CF9104", "the load generator did not start")
            time.sleep(0.01)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.stop()
        elif self._process is not None:
            with contextlib.suppress(PlatformError):
                self.stop()

    def rate(self) -> Counters:
        """The counters as last written, at most about 0.3 s old; all zero before the first."""
        try:
            return Counters(**json.loads(self.load.stats.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return Counters()

    def wait(self, timeout: float) -> Counters:
        """Let it send all it was asked to, for at most `timeout` seconds; its summary."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
        return self.stop()

    def stop(self) -> Counters:
        """No more requests; those in flight are waited for and written. Returns the summary."""
        process = self._process
        if process is not None:
            if process.poll() is None:
                process.terminate()
            try:
                code = process.wait(self.load.longest + 5)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            self._process = None
            if code != 0:
                raise PlatformError("CF9103", f"the load generator ended with exit code {code}")
        return self.rate()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="crossfade.demo.traffic", description="The demo's users.")
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1")
    parser.add_argument("--out", type=Path, required=True, help="a JSON line per request")
    parser.add_argument("--rate", type=float, default=300.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=80.0)
    parser.add_argument("--count", type=int, default=MAX_COUNT, help="at most so many requests")
    parser.add_argument("--paths", nargs="+", default=DEFAULT_PATHS, metavar="PATH@WEIGHT")
    parser.add_argument("--slow-ms", type=int, default=1500, help="how long held requests are held")
    parser.add_argument("--slow-share", type=float, default=SLOW_SHARE, help="share of held requests")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds for an answer")
    parser.add_argument("--with-parent", action="store_true", help="stop when the parent is gone")
    told = vars(parser.parse_args(arguments))
    try:
        load = Load(**(told | {"paths": tuple(told["paths"])}))
    except UsageError as error:
        parser.error("\n".join(error.lines()))

    async def send() -> Counters:
        return await _Generator(load).run()

    print(json.dumps(asdict(asyncio.run(send()))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
