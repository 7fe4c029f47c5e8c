"""
The app that the demo releases: a small HTTP/1.1 server that is good, or bad in one known way.

    python -m crossfade.demo.app --port 0 --revision v2 --behaviour slow --log v2.log

It prints the port it listens on as its first line. It costs next to nothing in CPU (waiting is
a timer, never work), so that latency stays what `behaviour` says on a busy two-core machine.
Its log is one half of the receipt: a line per request, of what the app itself did with it.
Control goes to `receipt`, which joins these lines with those of `traffic`.

LOOPBACK ONLY. A request body is read and thrown away; chunked request bodies are refused (501).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, assert_never

from crossfade.demo.behaviour import (
    CRASH_AFTER,
    ERROR_SHARE,
    HANG_SHARE,
    LEAK,
    LEAK_LIMIT,
    SLOW_FACTOR,
    SLOW_STOP,
    Behaviour,
    service_time,
)
from crossfade.demo.counters import Counters

LONGEST = 60.0  # seconds; the most that /slow?ms= may ask for
FLUSH_EVERY = 0.1  # seconds; what a kill -9 may cost the log
LINGER = 0.2  # seconds an idle connection outlives SIGTERM: a request on its way is answered
STOP_PATIENCE = 75.0  # seconds for requests in flight after SIGTERM; longer than LONGEST
LAST_LOOK = 0.03  # seconds between a crash's closed door and its end: who is inside can speak
MAX_REQUEST = 1024 * 1024  # bytes of head and body together
BACKLOG = 512
UNCOUNTED = ("/healthz", "/metrics")

REVISION_HEADER = "x-crossfade-revision"
PID_HEADER = "x-crossfade-pid"  # only the app writes it: its presence proves who answered
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One process of the app; `port` 0 lets the kernel choose."""

    port: int
    revision: str
    behaviour: Behaviour = Behaviour.GOOD
    log: Path | None = None
    slow_when_exists: Path | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    id: str
    method: str
    path: str
    query: dict[str, str]
    keep: bool
    refused: bool  # a body whose length we cannot know
    start: float
    size: int  # bytes of the buffer it took


def _parse(buffer: bytes | bytearray) -> _Request | None:
    """The first whole request in the buffer; None: not there yet. Raises ValueError on nonsense."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    line, *fields = buffer[:end].decode("latin-1").split("\r\n")
    method, target, version = line.split(" ")
    headers = {}
    for field in fields:
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    size = end + 4 + int(headers.get("content-length", "0"))
    if size < end + 4:
        raise ValueError("a negative content-length")
    if len(buffer) < size:
        return None
    path, _, query = target.partition("?")
    pairs = (part.partition("=") for part in query.split("&"))
    wish = headers.get("connection", "").lower()
    return _Request(
        id=headers.get("x-request-id", ""),
        method=method,
        path=path,
        query={name: value for name, _, value in pairs},
        keep=version == "HTTP/1.1" and wish != "close",
        refused="transfer-encoding" in headers,
        start=time.monotonic(),
        size=size,
    )


class _Log:
    """The app's own word on each request; several processes may share one file."""

    def __init__(self, settings: Settings) -> None:
        self._who = {"revision": settings.revision, "pid": os.getpid()}
        self._lines: list[str] = []
        self._fd = None
        if settings.log is not None:
            self._fd = os.open(settings.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def add(self, request: _Request, did: str, status: int) -> None:
        if self._fd is None:
            return
        said = {"id": request.id, **self._who, "path": request.path, "status": status, "did": did}
        times = {"start": round(request.start, 6), "end": round(time.monotonic(), 6)}
        self._lines.append(json.dumps(said | times) + "\n")

    def flush(self) -> None:
        rest = memoryview("".join(self._lines).encode())
        self._lines.clear()
        while rest and self._fd is not None:
            rest = rest[os.write(self._fd, rest) :]


class App:
    """Everything one process knows: who is in flight, what it counted, whether it is stopping."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stopping = False
        self.drained = asyncio.Event()  # set when, while stopping, nothing is in flight any more
        self.connections: set[_Connection] = set()
        self.in_flight: dict[_Connection, _Request] = {}
        self.listener: socket.socket | None = None
        self._log = _Log(settings)
        self._rng = random.Random(settings.seed)  # noqa: S311 - latency, not secrets
        self._loop = asyncio.get_running_loop()
        self._slowed = False
        self._doomed = False
        self._kept: list[bytes] = []
        self._waiting: list[socket.socket] = []  # let in by a crash, never to be served
        self._shown = Counters(time.time())
        self._counts = {"requests": 0, "failed": 0, "hung": 0}
        self._common = f"{REVISION_HEADER}: {settings.revision}\r\n{PID_HEADER}: {os.getpid()}\r\n"
        self.tick()

    def tick(self) -> None:
        """What is done every 100 ms instead of once per request: flush, look at the shared file."""
        self._loop.call_later(FLUSH_EVERY, self.tick)
        shared = self.settings.slow_when_exists
        self._slowed = shared is not None and shared.exists()
        self._log.flush()

    def serve(self, connection: _Connection, request: _Request) -> None:
        """Take one request: answer now, answer later, or (`hanging`) never."""
        self.in_flight[connection] = request
        self._counts["requests"] += 1
        if request.refused:
            return self.answer(connection, 501, "chunked bodies are not read here\n")
        match request.path:
            case "/healthz":
                unready = self.stopping or self.settings.behaviour is Behaviour.NEVER_READY
                self.answer(connection, 503 if unready else 200, "no\n" if unready else "ok\n")
            case "/stats":
                said = self._counts | {"in_flight": len(self.in_flight), "pid": os.getpid()}
                self.answer(connection, 200, json.dumps(said) + "\n")
            case "/metrics":
                self.answer(connection, 200, self._shown.text())
            case "/" | "/search" | "/checkout":
                seconds = service_time(self._rng, slow=self.settings.behaviour is Behaviour.SLOW)
                self._work(connection, request, seconds)
            case "/slow":
                try:
                    seconds = int(request.query.get("ms", "1500")) / 1000
                except ValueError:
                    return self.answer(connection, 400, "ms is a whole number\n")
                self._work(connection, request, min(max(seconds, 0.0), LONGEST))
            case _:
                self.answer(connection, 404, "no such page\n")
        return None

    def _work(self, connection: _Connection, request: _Request, seconds: float) -> None:
        status = 200
        match self.settings.behaviour:
            case Behaviour.ERRORING:
                status = 500 if self._rng.random() < ERROR_SHARE else 200
            case Behaviour.ONE_PATH:
                status = 500 if request.path == "/checkout" else 200
            case Behaviour.HANGING:
                if self._rng.random() < HANG_SHARE:
                    # Said at once: nothing later will make this request the machinery's fault.
                    del self.in_flight[connection]
                    self._counts["hung"] += 1
                    self._log.add(request, "hung", 0)
                    return
            case Behaviour.LEAKING:
                self._kept.append(b"\x01" * LEAK)  # not zeros: those would cost no memory
                if len(self._kept) * LEAK >= LEAK_LIMIT:
                    self.crash(137)
            case Behaviour.CRASH_LOOP:
                if not self._doomed:
                    self._doomed = True
                    self._loop.call_later(self._rng.uniform(*CRASH_AFTER), self.crash, 1)
            case Behaviour.GOOD | Behaviour.SLOW | Behaviour.NEVER_READY | Behaviour.SLOW_STOP:
                pass
            case never:
                assert_never(never)
        seconds *= SLOW_FACTOR if self._slowed else 1.0
        text = f"{self.settings.revision} {request.path}\n"
        connection.timer = self._loop.call_later(seconds, self.answer, connection, status, text)

    def answer(self, connection: _Connection, status: int, text: str) -> None:
        request = self.in_flight.pop(connection)
        self._note_drained()
        close = self.stopping or not request.keep
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: text/plain\r\n{self._common}"
            f"connection: {'close' if close else 'keep-alive'}\r\n"
            f"content-length: {len(text)}\r\n\r\n"
        )
        connection.send(head + ("" if request.method == "HEAD" else text), close=close)
        failed = status >= 400
        self._counts["failed"] += failed
        if request.path not in UNCOUNTED:
            self._log.add(request, "failed" if failed else "answered", status)
            self._shown.add(status, time.monotonic() - request.start)

    def left(self, connection: _Connection) -> None:
        """The other side went away; an unanswered request of it is no failure of the app's own."""
        self.connections.discard(connection)
        request = self.in_flight.pop(connection, None)
        self._note_drained()
        if request is not None:
            self._log.add(request, "left", 0)

    def _note_drained(self) -> None:
        if self.stopping and not self.in_flight:
            self.drained.set()

    def finish(self, did: str) -> None:
        """Write down what is still in flight as `did`, and flush: the last words of the process."""
        for request in self.in_flight.values():
            self._log.add(request, did, 0)
        self._log.flush()

    def crash(self, code: int) -> None:
        """Exit by itself in a moment; nobody new is let in, so that nobody is lost unnamed."""
        listener, self.listener = self.listener, None
        if listener is None:  # on its way out already
            return
        self._loop.remove_reader(listener.fileno())
        for _ in range(BACKLOG):
            try:
                waiting, _ = listener.accept()
            except OSError:
                break
            waiting.setblocking(False)
            self._waiting.append(waiting)
        listener.close()
        self._loop.call_later(LAST_LOOK, self._last_words, code)

    def _last_words(self, code: int) -> NoReturn:
        """Say who is taken along, requests that nobody has read yet included; then be gone."""
        unread: list[bytes] = []
        files = [connection.fileno() for connection in self.connections]
        for number in files + [waiting.fileno() for waiting in self._waiting]:
            # Closed at once: what comes later is turned away, and its client may know it.
            with contextlib.suppress(OSError):
                unread.append(os.read(number, MAX_REQUEST))
            with contextlib.suppress(OSError):
                os.close(number)
        for data in unread:
            with contextlib.suppress(ValueError):
                request = _parse(data)
                if request is not None:
                    self._log.add(request, "abandoned", 0)
        self.finish("abandoned")
        os._exit(code)


class _Connection(asyncio.Protocol):
    """One connection: at most one request in service, the next waits in the buffer."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self.busy = False
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_server gives
        self._transport = transport
        self._app.connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > MAX_REQUEST:
            self.close()
        elif not self.busy:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - theirs
        if self.timer is not None:
            self.timer.cancel()
        self._app.left(self)

    def _next(self) -> None:
        if self.busy:
            return
        try:
            request = _parse(self._buffer)
        except ValueError:
            self.close()
            return
        if request is not None:
            del self._buffer[: request.size]
            self.busy = True
            self._app.serve(self, request)

    def send(self, text: str, *, close: bool) -> None:
        if self._transport is not None:
            self._transport.write(text.encode("latin-1"))
        self.busy = False
        if close:
            self.close()
        elif self._buffer:
            asyncio.get_running_loop().call_soon(self._next)  # no recursion, however long the queue

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def fileno(self) -> int:
        return -1 if self._transport is None else self._transport.get_extra_info("socket").fileno()


async def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then finish what is in flight; the exit code."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    app = App(settings)
    listener = socket.create_server(("127.0.0.1", settings.port), backlog=BACKLOG)
    listener.setblocking(False)
    app.listener = listener
    server = await loop.create_server(lambda: _Connection(app), sock=listener, backlog=BACKLOG)
    print(listener.getsockname()[1], flush=True)

    await asked.wait()
    if settings.behaviour is Behaviour.SLOW_STOP:
        await asyncio.sleep(SLOW_STOP)
    app.stopping = True
    if app.listener is not None:  # else a crash closed it, and has the last word
        app.listener = None
        server.close()
    await asyncio.sleep(LINGER)
    for connection in [c for c in app.connections if not c.busy]:
        connection.close()
    if app.in_flight:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(app.drained.wait(), STOP_PATIENCE)
    late = bool(app.in_flight)
    app.finish("abandoned")
    return 1 if late else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="crossfade.demo.app", description="The demo's app.")
    parser.add_argument("--port", type=int, required=True, help="on 127.0.0.1; 0 = any")
    parser.add_argument("--revision", required=True)
    parser.add_argument("--behaviour", type=Behaviour, choices=list(Behaviour), default="good")
    parser.add_argument("--log", type=Path, help="a JSON line per request, appended")
    parser.add_argument("--slow-when-exists", type=Path, help="three times slower while this file exists")
    parser.add_argument("--seed", type=int, help="of the service times; default: chance")
    return asyncio.run(run(Settings(**vars(parser.parse_args(arguments)))))


if __name__ == "__main__":
    sys.exit(main())
