"""The socket of a twin's endpoint: taken before anything slow is imported; a taken port is said at once."""

from __future__ import annotations

import socket
from typing import Final

from crossfade.dataplane.ports import holder_of
from crossfade.errors import UsageError

HOST: Final = "127.0.0.1"
_BACKLOG: Final = 512


def listening(port: int) -> socket.socket:
    """Listens on that port, 0 = any free one; raises `UsageError` CF4311 where it cannot."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((HOST, port))
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        holder = holder_of(port)
        raise UsageError(
            "CF4311",
            f"port {port} on {HOST} cannot be used for the twin's endpoint",
            f"held by {holder}" if holder else f"the system says: {error.strerror}",
            "stop that process, or give --port another one; without --port a free one is taken",
        ) from error
    return made
