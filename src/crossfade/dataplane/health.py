"""
Health checks: one small thread per instance asks its health path, and tells what it saw.

What a miss means (how many, what then) is decided by `fleet.py`; here is only the question.
Answers 200-399 are healthy, as is an open port where no path is given.
"""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable
from typing import Final

_STARTING_S: Final = 0.1  # an app that comes up should not wait for its first request
_INTERVAL_S: Final = 0.5
_TIMEOUT_S: Final = 1.0


def probe(port: int, path: str, timeout: float = _TIMEOUT_S) -> str:
    """Empty when healthy, else why not. Never goes through a proxy of the environment."""
    try:
        if not path:
            with socket.create_connection(("127.0.0.1", port), timeout):
                return ""
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            asked.request("GET", path, headers={"User-Agent": "crossfade-health", "Connection": "close"})
            status = asked.getresponse().status
        finally:
            asked.close()
    except (OSError, http.client.HTTPException) as error:
        return f"{path or 'connect'}: {error or type(error).__name__}"
    return "" if 200 <= status < 400 else f"{path} answers {status}"


class Prober(threading.Thread):
    """Asks until it is stopped; `told` gets empty or the reason, from this thread."""

    def __init__(self, port: int, path: str, told: Callable[[str], None]) -> None:
        super().__init__(daemon=True, name=f"probe-{port}")
        self._port, self._path, self._told = port, path, told
        self._over = threading.Event()

    def stop(self) -> None:
        """Ends the thread at its next breath; does not wait for it."""
        self._over.set()

    def run(self) -> None:
        seen = False
        while not self._over.is_set():
            why = probe(self._port, self._path)
            seen = seen or not why
            if self._over.is_set():
                return
            self._told(why)
            self._over.wait(_INTERVAL_S if seen else _STARTING_S)
