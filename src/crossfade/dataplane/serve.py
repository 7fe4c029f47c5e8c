"""
The supervisor's side of its socket: one JSON line in, one JSON line out, then closed.

    {"op": "observe", "name": "shop"}  ->  {"ok": {...}}  or  {"error": {"kind", "id", ...}}

The folder is readable by its user only, so whoever reaches the socket may give commands.
"""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any, Final, Protocol

from crossfade.dataplane.codec import decode, encode
from crossfade.dataplane.failures import DataplaneError, InvalidChange, complain
from crossfade.dataplane.model import Applied, Counted, Observed, Service

_TIMEOUT_S: Final = 3.0
_LONGEST_LINE: Final = 4_000_000


class Commands(Protocol):
    """What can be asked for; `supervisor.Supervisor` is it."""

    def services(self) -> dict[str, int]: ...
    def apply(self, service: Service, expect_generation: int) -> Applied: ...
    def remove(self, name: str, expect_generation: int) -> None: ...
    def observe(self, name: str) -> Observed: ...
    def counts(self, name: str, since: float) -> Counted: ...
    def logs(self, name: str, group: str, lines: int) -> dict[str, list[str]]: ...
    def down(self) -> None: ...


class Server:
    """Accepts in a thread, answers each caller in a thread of its own."""

    def __init__(self, commands: Commands, path: str) -> None:
        self._commands = commands
        self._path = path
        Path(path).unlink(missing_ok=True)  # of a dead supervisor: we hold the folder's lock
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._socket.listen(64)

    def start(self) -> None:
        """Begins to answer."""
        threading.Thread(target=self._accept, daemon=True, name="socket").start()

    def stop(self) -> None:
        """No new callers."""
        Path(self._path).unlink(missing_ok=True)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(caller,), daemon=True).start()

    def _answer(self, caller: socket.socket) -> None:
        with caller:
            caller.settimeout(_TIMEOUT_S)
            try:
                with caller.makefile("rb") as lines:
                    asked = json.loads(lines.readline(_LONGEST_LINE))
                reply = self._reply(asked)
                caller.sendall(json.dumps(reply).encode() + b"\n")
            except (OSError, ValueError):
                return  # the caller went away or spoke no JSON: nobody to tell

    def _reply(self, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"ok": encode(self._do(asked))}
        except DataplaneError as error:
            return {"error": _told(error)}
        except (KeyError, TypeError, ValueError) as error:
            return {"error": _told(InvalidChange("CF4103", "the request was not understood", str(error)))}
        except Exception as error:  # noqa: BLE001  # a defect of ours must not kill the supervisor
            complain()
            return {"error": _told(DataplaneError("CF4199", "the supervisor failed", repr(error)))}

    def _do(self, asked: dict[str, Any]) -> Any:
        do = self._commands
        match asked["op"]:
            case "ping":
                return True
            case "services":
                return do.services()
            case "observe":
                return do.observe(asked["name"])
            case "apply":
                return do.apply(decode(Service, asked["service"]), int(asked["expect"]))
            case "remove":
                return do.remove(asked["name"], int(asked["expect"]))
            case "counts":
                return do.counts(asked["name"], float(asked["since"]))
            case "logs":
                return do.logs(asked["name"], asked["group"], int(asked["lines"]))
            case "down":
                return do.down()
            case other:
                raise ValueError(f"unknown operation {other!r}")


def _told(error: DataplaneError) -> dict[str, str]:
    return {
        "kind": type(error).__name__,
        "id": error.id,
        "what": error.what,
        "why": error.why,
        "fix": error.fix,
    }
