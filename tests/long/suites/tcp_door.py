"""
A pytest plugin for suites whose client knows no socket in a folder: a port of this machine that leads to it.

`pytest -p tcp_door` sets PGHOST and PGPORT to it before anything else is imported.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

PIECE = 1 << 16


def carry(one: socket.socket, other: socket.socket) -> None:
    try:
        while piece := one.recv(PIECE):
            other.sendall(piece)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        one.close()
        other.close()


def serve(door: socket.socket, inside: Path) -> None:
    while True:
        client, _ = door.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(inside))
        for ends in ((client, server), (server, client)):
            threading.Thread(target=carry, args=ends, daemon=True).start()


def opened() -> None:
    inside = Path(os.environ["PGHOST"]) / f".s.PGSQL.{os.environ['PGPORT']}"
    door = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(door, inside), daemon=True).start()
    os.environ["PGHOST"], os.environ["PGPORT"] = "127.0.0.1", str(door.getsockname()[1])


opened()
