"""
Ports of this machine: pick a free one, and say who holds a taken one.

The holder is found as the kernel tells it: /proc/net/tcp names the socket's inode, and
/proc/PID/fd who has it open. A holder of another user is named as "unknown process".
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from crossfade.dataplane.failures import PortTaken
from crossfade.dataplane.process import command_of

_LISTEN = "0A"
_OPEN = ("01", "02")  # established, or asking to be: an app that is slow to accept has users too


def free_port(taken: Iterable[int] = ()) -> int:
    """A port on 127.0.0.1 that nobody listens on now, and that is not in `taken`."""
    avoid = set(taken)
    for _ in range(100):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in avoid:
            return port
    raise PortTaken("CF4101", "no free port was found on 127.0.0.1")


def claim(port: int) -> None:
    """Raises PortTaken, naming the holder, unless 127.0.0.1:port could be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)  # with SO_REUSEADDR it is listen() that meets a listener
        except OSError as error:
            holder = holder_of(port)
            refuse(port, f"held by {holder}" if holder else f"the system says: {error.strerror}")


def refuse(port: int, why: str) -> NoReturn:
    """Raises PortTaken (CF4101)."""
    raise PortTaken(
        "CF4101",
        f"port {port} on 127.0.0.1 cannot be used",
        why=why,
        fix="stop that process, or choose another port",
    )


def holder_of(port: int) -> str:
    """`pid 123 (command line)` of the listener on a port; empty when nobody listens."""
    inodes = {row[9] for row in _rows() if row[3] == _LISTEN and _port(row[1]) == port}
    if not inodes:
        return ""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and inodes & socket_inodes(int(entry.name)):
            return f"pid {entry.name} ({command_of(int(entry.name))})"
    return "unknown process (of another user)"


def connections(pid: int, port: int) -> int:
    """TCP connections from process `pid` to a local port, those not yet accepted included.

    A proxy speaks HTTP/1.1 to its upstreams, so after its pools were drained every connection
    that is left is one request (or websocket) in flight.
    """
    return len(descriptors_to(pid, port))


def descriptors_to(pid: int, port: int) -> list[int]:
    """Which of a process's descriptors are TCP connections to a local port."""
    to = f":{port:04X} "  # asked of every drain twenty times a second: few of many lines are worth parsing
    inodes = {row[9] for row in _rows(to) if row[3] in _OPEN and _port(row[2]) == port}
    return [fd for fd, inode in _sockets(pid) if inode in inodes] if inodes else []


def socket_inodes(pid: int) -> set[str]:
    """Inodes of the sockets that a process has open; empty when it may not be looked at."""
    return {inode for _, inode in _sockets(pid)}


def _sockets(pid: int) -> Iterator[tuple[int, str]]:
    with contextlib.suppress(OSError):
        for fd in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(fd.path)  # noqa: PTH115  # hundreds of them, often
                if target.startswith("socket:["):
                    yield int(fd.name), target[8:-1]


def _rows(holding: str = "") -> list[list[str]]:
    """The sockets of both tables, of which only those lines that hold a text."""
    rows: list[list[str]] = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
            rows += [line.split() for line in lines if holding in line]
    return rows


def _port(address: str) -> int:
    return int(address.rsplit(":", 1)[1], 16)
