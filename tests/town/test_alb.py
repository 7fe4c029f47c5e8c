"""Releases behind a load balancer as a user makes them: a twin, real apps, real requests."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pair import Pair

from crossfade.testing import Twin

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(400)]

CLOCK = 60
APP = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = sys.argv[2].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
class S(ThreadingHTTPServer):
    request_queue_size = 256
server = S(("127.0.0.1", 0), H)
open(sys.argv[1], "a").write(f"127.0.0.1:{server.server_port}\\n")
server.serve_forever()
"""
FILE = """apiVersion: crossfade/v1
service: shop
aws: {{account: "{account}", region: eu-west-1, endpoint: "{endpoint}"}}
platform:
  alb:
    rules: ["{rule}", "{front}"]
    test: "{test}"
    target_groups: {{blue: "{blue}", green: "{green}"}}
    targets: {{file: "targets/{{revision}}"}}
strategy: {{canary: {{steps: [{{weight: 10%, bake: 1m}}, {{weight: 50%, bake: 1m}}], keep_old: 1m}}}}
gates: {{none: "the order of things is looked at here"}}
"""


@dataclass
class Cloud:
    """A service of two targets a revision behind one load balancer, v1 serving, users coming in."""

    folder: Path
    twin: Twin
    apps: list[subprocess.Popen[bytes]] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    asking: list[threading.Thread] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        (self.folder / "targets").mkdir()
        (self.folder / "app.py").write_text(APP)
        for revision in ("v1", "v2", "v3"):
            self._start(revision)
        self.pair = Pair(self.twin, health="/", drain_s=60)
        actions = [{"Type": "forward", "TargetGroupArn": self.pair.groups["blue"]}]
        self.front, test = (self.pair.listener(port, actions) for port in (80, 8443))
        self.rule = self.pair.rule(self.front, 1, {"Field": "path-pattern", "Values": ["/api/*"]}, actions)
        self.pair.register("blue", self.folder / "targets" / "v1")
        arns = {"front": self.front, "test": test, "rule": self.rule, **self.pair.groups}
        words = FILE.format(account=self.twin.account, endpoint=self.twin.endpoint, **arns)
        (self.folder / "crossfade.yaml").write_text(words)

    def _start(self, revision: str) -> None:
        listed = self.folder / "targets" / revision
        for _ in range(2):
            words = [sys.executable, str(self.folder / "app.py"), str(listed), revision]
            self.apps.append(subprocess.Popen(words))
        until = time.monotonic() + 20
        while not listed.exists() or listed.read_text().count("\n") < 2:
            assert time.monotonic() < until
            time.sleep(0.05)

    def users(self) -> None:
        """Some hundred requests a minute of the twin, until it is over."""
        port = self.twin.ports()[self.front]
        for number in range(3):
            self.asking.append(threading.Thread(target=self._user, args=(port, number)))
            self.asking[-1].start()

    def _user(self, port: int, number: int) -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        while not self.over.wait(0.03):
            try:
                link.request("GET", "/api/x" if number % 2 else "/")
                answer = link.getresponse()
                body = answer.read().decode()
                self.answers[body if answer.status == 200 else f"status {answer.status}"] += 1
            except OSError as error:
                self.answers[f"lost: {error!r}"] += 1
                link.close()
        link.close()

    def leave(self) -> None:
        """The users go home."""
        self.over.set()
        for one in self.asking:
            one.join(30)

    def run(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "crossfade", *words],
            cwd=self.folder,
            env={**os.environ, "CI": "1", "CROSSFADE_OUTPUT": "plain"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def said(self, *words: str) -> tuple[int, str]:
        process = self.run(*words)
        out, _ = process.communicate(timeout=300)
        return process.returncode, out

    def shares(self) -> set[tuple[int, int]]:
        """Blue's and green's weights on every route."""
        return {self.pair.default(self.front), *self.pair.rules([self.rule])}

    def close(self) -> None:
        self.leave()
        for app in self.apps:
            app.kill()
            app.wait()


@pytest.fixture(params=["instant", "typical"])
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cloud]:
    with Twin(preset=request.param, seed=5, clock=CLOCK) as twin:
        made = Cloud(folder=tmp_path, twin=twin)
        try:
            made.users()
            time.sleep(3)
            yield made
        finally:
            made.close()


def test_a_release_arrives_the_next_is_aborted_and_nobody_is_lost(cloud: Cloud) -> None:
    code, out = cloud.said("deploy", "v2")

    assert code == 0, out
    assert f"the twin at {cloud.twin.endpoint}" in out.splitlines()[0]
    assert "undo without crossfade: aws --region eu-west-1" in out
    assert cloud.shares() == {(0, 999)}

    lines = []
    with cloud.run("deploy", "v3") as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "WEIGHT verified step=1/3" in line:
                assert cloud.said("abort", "--reason", "a test")[0] == 0
    assert process.returncode == 5, "".join(lines)

    assert cloud.shares() == {(0, 999)}
    assert cloud.said("status")[0] == 0
    cloud.leave()
    assert set(cloud.answers) == {"v1", "v2", "v3"}
    assert cloud.answers["v3"] < cloud.answers["v2"]
