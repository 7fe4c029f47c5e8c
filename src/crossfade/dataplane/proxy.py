"""
The Envoy that the supervisor owns: alive at all times, and running what the documents say.

`publish` writes the files that differ; `confirm` asks Envoy which versions it runs. Both are
called from the supervisor's one loop. `sample` and `read_back` are called from any thread.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from crossfade.dataplane import config, envoy
from crossfade.dataplane import process as proc
from crossfade.dataplane.ports import connections
from crossfade.dataplane.store import Store, write_whole
from crossfade.dataplane.xds import version_of

_STABLE_S: Final = 5.0
_LONGEST_WAIT_S: Final = 5.0
_STALE_S: Final = 2.0  # counters older than this are unknown, not silence


class ProxyProcess:
    """One Envoy process after another, over the same files."""

    def __init__(self, store: Store, program: str, mark: str, *, leashed: bool = False) -> None:
        self._store, self._program, self._mark = store, program, mark
        self._leashed = leashed  # dies with the thread that starts it, instead of serving on
        self._socket = store.socket("admin.sock")
        self._admin = envoy.Admin(self._socket)
        self._eyes = envoy.Admin(self._socket)  # for other threads: never waits for the loop
        self.process: proc.Process | None = None
        self.pidfd: int | None = None
        self.restarts = 0
        self._wait_s = 0.0
        self._start_at = 0.0
        self._since = 0.0
        self._wanted = {name: self._on_disk(name) for name in config.FILES}
        self._rewritten = 0.0
        self.waiting = True  # Envoy has not yet said that it runs what is on the disk
        self.reason = "Envoy was not asked yet"
        self._lock = threading.Lock()
        self._traffic: envoy.Traffic | None = None
        self._seen: dict[str, float] = {}

    # --- alive -----------------------------------------------------------------------------

    def adopt(self, record: Mapping[str, Any]) -> None:
        """Takes over the Envoy of an earlier supervisor, if it still lives."""
        self.restarts = int(record.get("restarts", 0))
        if "pid" in record:
            old = proc.Process(pid=record["pid"], started=record["started"])
            self.pidfd = proc.open_pidfd(old)
            self.process = old if self.pidfd is not None else None
            self.restarts += self.process is None

    def record(self) -> dict[str, Any]:
        """What the next supervisor needs to take it over."""
        if self.process is None:
            return {"restarts": self.restarts}
        return {
            "restarts": self.restarts,
            "pid": self.process.pid,
            "started": self.process.started,
        }

    def start(self, now: float) -> bool:
        """Starts Envoy if it is not running and its back-off is over; True when it did."""
        if self.process is not None or now < self._start_at:
            return False
        Path(self._socket).unlink(missing_ok=True)
        bootstrap = config.bootstrap(str(self._store.folder), self._socket)
        write_whole(self._store.folder / "bootstrap.json", bootstrap)
        command = envoy.command(self._program, self._store.folder)
        self.process = proc.spawn(
            proc.leashed(command) if self._leashed else command,
            folder=str(self._store.folder),
            env=os.environ,
            log=self._store.envoy_log,
            mark=self._mark,
        )
        self.pidfd = proc.open_pidfd(self.process)
        with contextlib.suppress(OSError):  # a proxy needs two descriptors per request
            most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (most, most))
        self._since = now
        self.waiting, self.reason = True, "Envoy is starting"
        return True

    def ended(self, now: float) -> None:
        """Envoy has ended, whatever the reason: collect it, and start it again soon."""
        if self.process is None:
            return
        if self.pidfd is not None:
            os.close(self.pidfd)
        how = proc.reap(self.process, self._mark)
        self.process = self.pidfd = None
        self.restarts += 1
        short = now - self._since < _STABLE_S
        self._wait_s = min(max(0.1, self._wait_s * 2), _LONGEST_WAIT_S) if short else 0.0
        self._start_at = now + self._wait_s
        self.waiting, self.reason = True, f"Envoy is not running ({how})"
        for admin in (self._admin, self._eyes):
            admin.close()

    def stop(self) -> None:
        """Tells Envoy to go; the caller collects it."""
        if self.process is not None:
            proc.end(self.process, signal.SIGTERM)

    def in_flight(self, port: int) -> int:
        """Requests in flight to an instance that is out of the endpoints."""
        return 0 if self.process is None else connections(self.process.pid, port)

    # --- configuration ---------------------------------------------------------------------

    def publish(self, texts: Mapping[str, str], *, adding: bool, mend: bool = False) -> None:
        """Writes the files that differ. What is pointed at is written before what points at it.

        `adding` False = a service goes: its listener first, its clusters last. `mend`: what another
        hand wrote into a file is overwritten too; else it stays, to be seen and decided about (R49).
        """
        order = config.FILES if adding else tuple(reversed(config.FILES))
        fresh = [
            name
            for name in order
            if self._wanted[name] != version_of(texts[name])
            or (mend and (self._store.folder / name).read_text(encoding="utf-8") != texts[name])
        ]
        if not fresh:
            return
        before: dict[str, int] = {}
        if self.process is not None:
            with contextlib.suppress(OSError):  # it reads the files when it is up
                _, before = self._admin.versions()
        for name in fresh:
            write_whole(self._store.folder / name, texts[name])
            self._wanted[name] = version_of(texts[name])
        self.waiting, self.reason = True, "Envoy has not taken it yet"
        self._ask(before, patient=True)

    def confirm(self, now: float) -> None:
        """Asks again, where Envoy does not run what is on the disk; offers refused files again."""
        if self.process is None or (not self.waiting and not self.reason):
            return
        if not self.waiting and now - self._rewritten > 1.0:
            # A port that was taken may be free by now: Envoy tries again on a new file only.
            self._rewritten = now
            for name in config.FILES:
                path = self._store.folder / name
                write_whole(path, path.read_text(encoding="utf-8"))
        self._ask({}, patient=False)

    def _ask(self, before: Mapping[str, int], *, patient: bool) -> None:
        if self.process is None:
            return
        try:
            why = envoy.settle(self._admin, self._to_ask(), before, self._store.envoy_log, patient=patient)
        except (OSError, ValueError, LookupError) as error:
            self.reason = str(error)
            return
        self.waiting = why == envoy.LATE
        self.reason = why

    def _to_ask(self) -> dict[str, str]:
        """Routes are subscribed to by listeners: without a service there is nothing to ask."""
        listeners = self._store.folder / "lds.json"
        empty = '"resources":[]' in listeners.read_text(encoding="utf-8")
        return {k: v for k, v in self._wanted.items() if not (empty and k == "rds.json")}

    def _on_disk(self, name: str) -> str:
        try:
            return version_of((self._store.folder / name).read_text(encoding="utf-8"))
        except OSError:
            return ""

    # --- eyes ------------------------------------------------------------------------------

    def sample(self) -> bool:
        """Reads the counters, and remembers when each cluster last got somebody new.

        A websocket or a download that goes on is nobody new: the drain of its instance waits for it (R09),
        and if it broke the silence, no release of a service with websockets would ever end.

        False = Envoy did not answer; asking it more now would only cost another time-out.
        """
        try:
            traffic = self._eyes.traffic()
        except (OSError, ValueError, LookupError):
            return False
        with self._lock:
            before = self._traffic
            for cluster, total in traffic.total.items():
                same = before is not None and before.total.get(cluster) == total
                if not same or traffic.waiting.get(cluster, 0):
                    self._seen[cluster] = traffic.at
            self._traffic = traffic
        return True

    def traffic(self) -> tuple[envoy.Traffic, dict[str, float]] | None:
        """The last counters and when each cluster last got a request; None = unknown."""
        with self._lock:
            last = self._traffic
            if last is None or time.time() - last.at > _STALE_S:
                return None
            return last, dict(self._seen)

    def seen_alive(self) -> float:
        """When this Envoy last answered (UTC epoch); 0 = it does not run, or never did."""
        with self._lock:
            return 0.0 if self.process is None or self._traffic is None else self._traffic.at

    def read_back(self) -> tuple[dict[str, dict[str, dict[str, int]]], dict[str, int]] | None:
        """Routes and bound ports as Envoy itself says; None = it does not say."""
        try:
            return self._eyes.routes(), self._eyes.listeners()
        except (OSError, ValueError, LookupError):
            return None

    def reopen_logs(self) -> None:
        """After the access log was renamed: Envoy begins a new one."""
        with contextlib.suppress(OSError):  # the reader asks again in its next round
            self._eyes.get("/reopen_logs", "POST")
