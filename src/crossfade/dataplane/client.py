"""
The caller's side: find or start the supervisor of a folder, ask it, take it down.

Every call has a time-out of 3 s and no state: a client may be kept, dropped or shared.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from crossfade.dataplane.codec import decode, encode
from crossfade.dataplane.envoy import find_envoy
from crossfade.dataplane.failures import BY_NAME, Silent
from crossfade.dataplane.model import Applied, Counted, Observed, Service
from crossfade.dataplane.process import MARK, Process, alive
from crossfade.dataplane.store import Store, read_json
from crossfade.dataplane.sweep import sweep

_TIMEOUT_S: Final = 3.0
_START_S: Final = 15.0
_COMING_UP_S: Final = 2.0  # between its pid file and its first answer
_DOWN: Final = "down"  # a file in the folder: stopped on purpose
_DOWN_S: Final = 12.0
_LOST: Final = 3  # exit code of a supervisor that found the folder locked


class Client:
    """Speaks with the supervisor of one folder. Every method may raise Silent (CF4104)."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).resolve()
        self._socket = Store(folder).socket("control.sock")

    def ping(self) -> float:
        """Seconds that a question takes."""
        begun = time.perf_counter()
        self._ask(op="ping")
        return time.perf_counter() - begun

    def services(self) -> dict[str, int]:
        """Name -> generation of all services."""
        found: dict[str, int] = self._ask(op="services")
        return found

    def observe(self, name: str) -> Observed:
        """What is true of a service now. Raises UnknownService."""
        return decode(Observed, self._ask(op="observe", name=name))

    def apply(self, service: Service, expect_generation: int) -> Applied:
        """Makes this the desired document, if its generation is still the expected one.

        It is persisted before it acts. Returns as soon as Envoy runs with it, or after about 2 s
        with `applied` False and the reason. Expect 0 for a new service.
        Raises Conflict, InvalidChange, PortTaken; then nothing was written.
        After Silent it is unknown whether it was written: observe.
        """
        answer = self._ask(op="apply", service=encode(service), expect=expect_generation)
        return decode(Applied, answer)

    def remove(self, name: str, expect_generation: int) -> None:
        """Forgets a service whose groups are both None. Raises Conflict, InvalidChange."""
        self._ask(op="remove", name=name, expect=expect_generation)

    def counts(self, name: str, since: float) -> Counted:
        """Closed seconds that start at or after `since` (UTC epoch)."""
        return decode(Counted, self._ask(op="counts", name=name, since=since))

    def logs(self, name: str, group: str, lines: int = 20) -> dict[str, list[str]]:
        """Last log lines by instance id, newest instance first, ended ones included."""
        found: dict[str, list[str]] = self._ask(op="logs", name=name, group=group, lines=lines)
        return found

    def down(self) -> None:
        """Stops everything in the folder; see `down`."""
        down(self.folder)

    def _ask(self, **asked: Any) -> Any:
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(_TIMEOUT_S)
                line.connect(self._socket)
                line.sendall(json.dumps(asked).encode() + b"\n")
                with line.makefile("rb") as lines:
                    reply = json.loads(lines.readline())
        except (OSError, ValueError) as error:
            raise Silent(
                "CF4104",
                f"the supervisor of {self.folder} does not answer",
                why=str(error) or type(error).__name__,
                fix=f"look at {self.folder}/logs/supervisor.log; start it again with the same "
                "command, it takes over what still runs",
            ) from error
        if "error" in reply:
            said = reply["error"]
            raise BY_NAME[said["kind"]](said["id"], said["what"], said["why"], said["fix"])
        return reply["ok"]


def connect(folder: Path | str) -> Client | None:
    """The client of a running supervisor; None when none runs. Raises Silent when it hangs."""
    store = Store(folder)
    if not store.folder.is_dir():
        return None
    client = Client(folder)
    until = time.monotonic() + _COMING_UP_S
    while True:
        try:
            client.ping()
        except Silent:
            if _owner(store) is None:
                return None
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return client


def ensure_supervisor(folder: Path | str) -> Client:
    """The client of the folder's supervisor, which is started where there is none.

    It outlives its starter. Of several starters at once exactly one supervisor stays.
    Raises Unsupported before anything is started, Silent when it does not come up.
    """
    find_envoy()
    store = Store(folder)
    store.create()
    (store.folder / _DOWN).unlink(missing_ok=True)
    with contextlib.suppress(Silent):  # one that is just starting holds the lock, still silent
        if (client := connect(folder)) is not None:
            return client
    client = Client(folder)
    until = time.monotonic() + _START_S
    child = _start(store)
    while True:
        ended = child.poll()
        try:
            client.ping()
        except Silent as error:
            if time.monotonic() > until or ended not in (None, _LOST):
                tail = store.supervisor_log.read_text(errors="replace").splitlines()[-1:]
                error.why = f"{error.why}; its log ends: {' '.join(tail)}"
                raise
            if ended == _LOST and _owner(store) is None:
                child = _start(store)  # it lost against one that was going down
            time.sleep(0.02)
        else:
            child.returncode = ended or 0  # it is not ours to wait for any more
            return client


def _start(store: Store) -> subprocess.Popen[bytes]:
    with store.supervisor_log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603, RUF100
            [sys.executable, "-m", "crossfade.dataplane.supervisor", str(store.folder)],
            cwd=store.folder,
            env={k: v for k, v in os.environ.items() if k != MARK},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _owner(store: Store) -> Process | None:
    """The living supervisor of a folder, by pid and start time."""
    said = read_json(store.pid_file)
    if "pid" not in said:
        return None
    process = Process(pid=said["pid"], started=said["started"])
    return process if alive(process) else None


def meant_down(folder: Path | str) -> bool:
    """Whether somebody stopped this folder's supervisor on purpose, and nobody started it since."""
    return (Path(folder) / _DOWN).exists()


def down(folder: Path | str) -> None:
    """Stops Envoy, all apps and the supervisor, also when the supervisor is dead or hangs.

    Documents stay: the next `ensure_supervisor` runs the same services again. That it was meant
    is written down, so that a controller which still looks does not start it all again.
    """
    store = Store(folder)
    if not store.folder.is_dir():
        return
    (store.folder / _DOWN).touch()
    until = time.monotonic()
    with contextlib.suppress(Silent):  # dead, or hanging: then it is ended without being asked
        Client(folder)._ask(op="down")  # noqa: SLF001  # the one command without a method
        until += _DOWN_S
    while (held := store.lock()) is None:
        if time.monotonic() > until and (owner := _owner(store)) is not None:
            os.kill(owner.pid, signal.SIGKILL)
        if time.monotonic() > until + 1:
            raise Silent("CF4104", f"the supervisor of {folder} does not end")
        time.sleep(0.02)
    with held:
        sweep(store, store.mark())
        store.pid_file.unlink(missing_ok=True)
