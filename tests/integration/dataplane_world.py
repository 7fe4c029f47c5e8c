"""A service on a real data plane: what the tests of `dataplane/` share."""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Callable
from pathlib import Path

from crossfade.dataplane import (
    Client,
    Group,
    Instance,
    Observed,
    Service,
    ensure_supervisor,
)
from crossfade.dataplane.store import Store, read_json

APP = """
import os, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
well = True
def term(*_):
    print("SIGTERM", time.time(), flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, term)
class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        global well
        code = 200
        if self.path.startswith("/slow/"): time.sleep(float(self.path[6:]))
        if self.path == "/die": os._exit(7)
        if self.path == "/sick": well = False
        if self.path == "/error" or (self.path == "/healthz" and not well): code = 500
        body = f"{sys.argv[2]} {os.getpid()}".encode()
        self.send_response(code)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path.startswith("/slow/"): print("DONE", time.time(), flush=True)
    def log_message(self, *_): pass
ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""


def group(folder: Path, revision: str, instances: int = 1, **more: object) -> Group:
    values: dict[str, object] = {
        "revision": revision,
        "command": (sys.executable, str(folder.parent / "app.py"), "{port}", "{revision}"),
        "folder": str(folder.parent),
        "instances": instances,
        "health": "/healthz",
        "stop_grace_s": 2.0,
        "drain_s": 10.0,
        "ready_timeout_s": 20.0,
    }
    return Group(**{**values, **more})  # type: ignore[arg-type]  # a table of field values


def until(what: Callable[[], bool], seconds: float = 15) -> float:
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds, "did not become true in time"
        time.sleep(0.01)
    return time.monotonic() - begun


def ready(seen: Observed, name: str) -> list[Instance]:
    return [i for i in seen.instances if i.group == name and i.state == "ready"]


def get(port: int | None, path: str = "/") -> tuple[int, str]:
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    asked.request("GET", path)
    reply = asked.getresponse()
    found = (reply.status, reply.read().decode())
    asked.close()
    return found


def up(folder: Path, blue: int = 1, green: int = 0) -> tuple[Client, Observed]:
    """A service named shop, v1 in blue with all the weight, v2 in green; all ready."""
    client = ensure_supervisor(folder)
    groups = {"blue": group(folder, "v1", blue), "green": group(folder, "v2", green)}
    client.apply(
        Service(
            name="shop",
            groups=groups if green else {**groups, "green": None},
            weights={"blue": 1000, "green": 0},
        ),
        0,
    )
    until(lambda: len(ready(client.observe("shop"), "blue")) == blue)
    until(lambda: len(ready(client.observe("shop"), "green")) == green)
    until(lambda: client.observe("shop").applied)
    return client, client.observe("shop")


def supervisor_pid(folder: Path) -> int:
    return int(read_json(Store(folder).pid_file)["pid"])
