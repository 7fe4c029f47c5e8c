"""
The client's half of HTTP/1.1: one connection, one request at a time, and an honest outcome.

What a client may not do is call a loss a retry. A connection that ends before any byte of the
answer came is `Unsent` only when the kernel proves that the server had closed it *before* our
request arrived: our bytes were then answered by a reset, which stands in SO_ERROR behind the
clean end of stream. A server that took the request and then died leaves SO_ERROR empty, or
resets the connection at once; both are losses. Control goes back to `traffic`.

LOOPBACK ONLY: on a real network the reset may come later than the end of stream.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field

MAX_ANSWER = 4 * 1024 * 1024  # bytes of head and body together


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. `status` 0: not even a whole head did. Header names are in lower case."""

    outcome: str  # answered | refused | reset | timeout | truncated
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    reusable: bool = False


@dataclass(frozen=True, slots=True)
class Unsent:
    """The server had closed the idle connection before the request reached it: safe to resend."""


class ClientConnection(asyncio.Protocol):
    """A connection that can `ask`; after an answer that is not `reusable` it is closed."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiter: asyncio.Future[Answer | Unsent] | None = None
        self._head: tuple[int, dict[str, str], int] | None = None  # status, headers, body starts
        self._used = False
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection gives
        self._transport = transport

    def ask(self, request: bytes, timeout: float) -> asyncio.Future[Answer | Unsent]:
        """Send one GET; the future gets a result within `timeout` seconds, never an error."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Answer | Unsent] = loop.create_future()
        if self.closed or self._transport is None:
            waiter.set_result(Unsent())
            return waiter
        self._waiter = waiter
        timer = loop.call_later(timeout, self._finish, Answer(outcome="timeout"))
        waiter.add_done_callback(lambda _: timer.cancel())
        self._transport.write(request)
        return waiter

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:
            self.close()  # bytes that nobody asked for: the connection is out of step
            return
        self._buffer += data
        try:
            done = self._complete(ended=False)
        except ValueError:
            done = Answer(outcome="truncated", status=self._head[0] if self._head else 0)
        if done is not None:
            self._finish(done)
        elif len(self._buffer) > MAX_ANSWER:
            self._lost("truncated")

    def eof_received(self) -> bool:
        if self._waiter is None:
            self.close()
            return False
        if self._used and not self._buffer and self._refused_by_reset():
            self._finish(Unsent())
            return False
        try:
            done = self._complete(ended=True)
        except ValueError:
            done = None
        if done is None:
            self._lost("truncated")
        else:
            self._finish(done)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._waiter is not None:
            self._lost("truncated" if exc is None else "reset")

    def _refused_by_reset(self) -> bool:
        if self._transport is None:
            return False
        sock = self._transport.get_extra_info("socket")
        return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _lost(self, outcome: str) -> None:
        status, headers, _ = self._head or (0, {}, 0)
        self._finish(Answer(outcome=outcome, status=status, headers=headers))

    def _finish(self, result: Answer | Unsent) -> None:
        waiter, self._waiter, self._head = self._waiter, None, None
        self._buffer.clear()
        self._used = True
        if not (isinstance(result, Answer) and result.reusable):
            self.close()
        if waiter is not None and not waiter.done():
            waiter.set_result(result)

    def _complete(self, *, ended: bool) -> Answer | None:
        """The answer, once it is whole. Raises ValueError on what is not HTTP."""
        while self._head is None or 100 <= self._head[0] < 200:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return None
            line, *fields = self._buffer[:end].decode("latin-1").split("\r\n")
            if not line.startswith("HTTP/1."):
                raise ValueError(line)
            pairs = (part.partition(":") for part in fields)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            self._head = (int(line.split(" ", 2)[1]), headers, end + 4)
            if self._head[0] < 200:
                del self._buffer[: end + 4]  # an interim answer; the real one follows
        status, headers, start = self._head
        keep = headers.get("connection", "").lower() != "close" and not ended
        if status in (204, 304):
            whole = True
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            whole = _chunks_end(self._buffer, start)
        elif "content-length" in headers:
            whole = len(self._buffer) >= start + int(headers["content-length"])
        else:
            whole, keep = ended, False  # RFC 9112, 6.3: such a body ends with the connection
        if not whole:
            return None
        return Answer(outcome="answered", status=status, headers=headers, reusable=keep)


def _chunks_end(buffer: bytearray, at: int) -> bool:
    """Whether the chunked body that starts at `at` is whole, trailers included (RFC 9112, 7.1)."""
    while True:
        line = buffer.find(b"\r\n", at)
        if line < 0:
            return False
        size = int(buffer[at:line].partition(b";")[0], 16)
        if size == 0:
            return buffer.find(b"\r\n\r\n", line) >= 0
        at = line + 2 + size + 2
