"""
An app whose answers last: `python lasting_app.py PORT REVISION`. Standard library only.

    GET /socket        a websocket that echoes text, until its client closes it
    GET /events        server-sent events, ten a second, for ever
    GET /download/S    a body of known length over S seconds
    POST /upload       answers with the number of bytes, once all have come
    GET /              the revision

On SIGTERM it does what an app should: each websocket gets a close frame (1001, RFC 6455), each event
stream its last chunk; downloads and uploads may finish; then it exits. It prints when that was.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import signal
import struct
import sys
import time

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE = 1, 8


def frame(opcode: int, payload: bytes, mask: bytes = b"") -> bytes:
    """One unfragmented frame of at most 125 bytes; a client has to mask (RFC 6455, 5.3)."""
    assert len(payload) < 126
    masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload)) if mask else payload
    return bytes((0x80 | opcode, len(payload) | (0x80 if mask else 0))) + mask + masked


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Opcode and payload. Raises IncompleteReadError where the connection ended without one."""
    first, second = await reader.readexactly(2)
    mask = await reader.readexactly(4) if second & 0x80 else bytes(4)
    payload = await reader.readexactly(second & 0x7F)
    return first & 0x0F, bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


def accept_of(key: str) -> str:
    """The answer to a handshake's key (RFC 6455, 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()  # noqa: S324  # as the RFC says


class App:
    def __init__(self, revision: str) -> None:
        self.revision = revision
        self.leaving = asyncio.Event()
        self.busy: set[asyncio.Task[None]] = set()

    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self.connected, "127.0.0.1", port, backlog=512)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.leaving.set)
        await self.leaving.wait()
        print("SIGTERM", time.time(), flush=True)
        server.close()
        while self.busy:
            await asyncio.wait(self.busy)
        print("DONE", time.time(), flush=True)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await self.head_of(reader):
                method, path, headers = head
                task = asyncio.ensure_future(self.answer(method, path, headers, reader, writer))
                self.busy.add(task)
                task.add_done_callback(self.busy.discard)
                await task
                if "upgrade" in headers or self.leaving.is_set():
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @staticmethod
    async def head_of(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]] | None:
        try:
            text = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return None
        first, *rest = text.rstrip().split("\r\n")
        method, path, _ = first.split(" ")
        pairs = (line.partition(":") for line in rest)
        return method, path, {name.lower(): value.strip() for name, _, value in pairs}

    async def answer(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if path == "/socket":
            await self.socket(headers["sec-websocket-key"], reader, writer)
        elif path == "/events":
            await self.events(writer)
        elif path.startswith("/download/"):
            await self.download(float(path.rpartition("/")[2]), writer)
        elif method == "POST":
            size = int(headers["content-length"])
            await reader.readexactly(size)
            await self.whole(writer, str(size))
        else:
            await self.whole(writer, self.revision)

    async def whole(self, writer: asyncio.StreamWriter, body: str) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()

    async def socket(self, key: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            f"sec-websocket-accept: {accept_of(key)}\r\n\r\n".encode()
        )
        leaving = asyncio.ensure_future(self.leaving.wait())
        try:
            while True:
                told = asyncio.ensure_future(read_frame(reader))
                await asyncio.wait((told, leaving), return_when=asyncio.FIRST_COMPLETED)
                if not told.done():
                    writer.write(frame(CLOSE, struct.pack("!H", 1001)))
                    await asyncio.wait((told,), timeout=2)  # the client's own close frame
                    told.cancel()
                    return
                opcode, payload = told.result()
                writer.write(frame(opcode, payload))
                await writer.drain()
                if opcode == CLOSE:
                    return
        finally:
            leaving.cancel()

    async def events(self, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        while not self.leaving.is_set():
            writer.write(b"9\r\ndata: 1\n\n\r\n")
            await writer.drain()
            await asyncio.wait((asyncio.ensure_future(self.leaving.wait()),), timeout=0.1)
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def download(self, seconds: float, writer: asyncio.StreamWriter) -> None:
        parts = 20
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {parts * 4096}\r\n\r\n".encode())
        for _ in range(parts):
            writer.write(bytes(4096))
            await writer.drain()
            await asyncio.sleep(seconds / parts)


if __name__ == "__main__":
    asyncio.run(App(sys.argv[2]).serve(int(sys.argv[1])))
