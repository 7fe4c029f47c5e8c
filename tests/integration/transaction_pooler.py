"""
A pooler as small as one can be: each transaction of a client gets whichever server connection is free.

A process of its own: the driver holds the interpreter while it connects.
"""

from __future__ import annotations

import queue
import socket
import socketserver
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def _exactly(peer: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = peer.recv(count - len(data))
        if not piece:
            raise ConnectionError
        data += piece
    return data


def _message(peer: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(peer, 5)
    return head[:1], head + _exactly(peer, struct.unpack("!I", head[1:])[0] - 4)


def _server(folder: Path, database: str) -> socket.socket:
    """A connection that has logged in."""
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(str(folder / ".s.PGSQL.5432"))
    said = b"\0".join([b"user", b"postgres", b"database", database.encode(), b"", b""])
    peer.sendall(struct.pack("!II", len(said) + 8, 196608) + said)
    while _message(peer)[0] != b"Z":
        pass
    return peer


@contextmanager
def pooler(folder: Path, database: str, size: int) -> Iterator[int]:
    """Its port. `size` server connections, handed out in turn."""
    command = [sys.executable, __file__, str(folder), database, str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def serve(folder: Path, database: str, size: int) -> None:
    free: queue.Queue[socket.socket] = queue.Queue()
    for _ in range(size):
        free.put(_server(folder, database))

    class Client(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            peer: socket.socket = self.request
            try:
                self._greet(peer)
                while True:
                    kind, first = _message(peer)
                    if kind == b"X":
                        return
                    self._transaction(peer, first)
            except ConnectionError:
                pass

        def _greet(self, peer: socket.socket) -> None:
            (length,) = struct.unpack("!I", _exactly(peer, 4))
            body = _exactly(peer, length - 4)
            if struct.unpack("!I", body[:4])[0] in {80877103, 80877104}:  # encryption is asked for
                peer.sendall(b"N")
                self._greet(peer)
                return
            version = b"server_version\x0018.4\0"
            peer.sendall(
                b"R" + struct.pack("!II", 8, 0)
                + b"S" + struct.pack("!I", 4 + len(version)) + version
                + b"K" + struct.pack("!III", 12, 4711, 42)
                + b"Z" + struct.pack("!I", 5) + b"I"
            )  # fmt: skip

        def _transaction(self, peer: socket.socket, first: bytes) -> None:
            server = free.get()
            try:
                server.sendall(first)
                while True:
                    state = self._answered(peer, server)
                    if state == b"I":
                        return
                    server.sendall(_message(peer)[1])
            finally:
                free.put(server)

        def _answered(self, peer: socket.socket, server: socket.socket) -> bytes:
            """Relay both ways until the server is ready for the next query; its state."""
            server.settimeout(0.01)
            peer.settimeout(0.01)
            try:
                while True:
                    try:
                        server.settimeout(0.01)
                        head = server.recv(5, socket.MSG_PEEK)
                        if len(head) == 5:
                            server.settimeout(None)
                            kind, whole = _message(server)
                            peer.sendall(whole)
                            if kind == b"Z":
                                return whole[5:6]
                    except TimeoutError:
                        pass
                    try:
                        more = peer.recv(65536)
                        if not more:
                            raise ConnectionError
                        server.sendall(more)
                    except TimeoutError:
                        pass
            finally:
                server.settimeout(None)
                peer.settimeout(None)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients may go as they please."""

    with Server(("127.0.0.1", 0), Client) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
