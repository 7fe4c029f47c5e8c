"""A shop behind a load balancer of a twin: builds that already run, and `crossfade` as people type it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pair import NOTHING, Pair, Programs, free_port, listed

from crossfade.demo.behaviour import Behaviour
from crossfade.demo.receipt import Join, join
from crossfade.demo.traffic import Load, Traffic
from crossfade.testing import Twin
from town import Said, until

CANARY = "{canary: {steps: [{weight: 10%, bake: 5m}, {weight: 50%, bake: 3m}], keep_old: 3m}}"

YAML = """\
apiVersion: crossfade/v1
service: {service}
aws: {{account: "{account}", region: {region}, endpoint: "{endpoint}"}}
platform:
  alb:
    rules: [{rules}]
    test: {test}
    target_groups: {{blue: {blue}, green: {green}}}
    targets: {{file: "targets/{{revision}}"}}
    health: /healthz
strategy: {strategy}
{more}
"""


class Cloud:
    """One load balancer on a twin, its service, and processes of every build on ports of this machine."""

    def __init__(self, folder: Path, twin: Twin, *, service: str = "shop", rules: int = 1) -> None:
        self.folder, self.twin, self.service = folder, twin, service
        (folder / "targets").mkdir(parents=True, exist_ok=True)
        self.programs, self.pair = Programs(folder / "apps.jsonl"), Pair(twin, service)
        self.elb, self.groups, self.forward = self.pair.elb, self.pair.groups, self.pair.forward
        self.port = free_port()
        self.listener = self.pair.listener(self.port, NOTHING)
        header = {"HttpHeaderName": "x-crossfade", "Values": ["candidate"]}
        self.test = self._rule(10, {"Field": "http-header", "HttpHeaderConfig": header})
        paths = [f"/{number}/*" if number else "/*" for number in range(rules)]
        self.rules = [
            self._rule(1000 - number, {"Field": "path-pattern", "Values": [path]})
            for number, path in enumerate(paths)
        ]
        self.write()

    def _rule(self, priority: int, condition: Any) -> str:
        return self.pair.rule(self.listener, priority, condition, self.forward(999, 0))

    # --- builds ----------------------------------------------------------------------------

    def build(self, revision: str, behaviour: Behaviour = Behaviour.GOOD, instances: int = 2) -> None:
        """Processes of a build that run and wait, and the file that lists them."""
        ports = self.programs.of(revision, behaviour, instances)
        (self.folder / "targets" / revision).write_text(listed(ports))

    def serve(self, revision: str) -> None:
        """This build's targets stand in the blue group, as they did before anybody knew Crossfade."""
        self.pair.register("blue", self.folder / "targets" / revision)

    def write(self, *, strategy: str = CANARY, more: str = "", folder: Path | None = None) -> None:
        text = YAML.format(
            service=self.service,
            account=self.twin.account,
            region=self.twin.region,
            endpoint=self.twin.endpoint,
            rules=", ".join(self.rules),
            test=self.test,
            strategy=strategy,
            more=more,
            **self.groups,
        )
        ((folder or self.folder) / "crossfade.yaml").write_text(text)

    # --- what people do --------------------------------------------------------------------

    def run(self, *words: str, patience: float = 120.0, folder: Path | None = None, **env: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "crossfade", *words],
            cwd=folder or self.folder,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str, folder: Path | None = None, **env: str) -> subprocess.Popen[bytes]:
        with ((folder or self.folder) / f"said-{'-'.join(words[:2])}.txt").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "crossfade", *words],
                cwd=folder or self.folder,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def events(self, folder: Path | None = None) -> list[dict[str, Any]]:
        said = self.run("explain", "--json", folder=folder)
        assert said.code == 0, said
        events: list[dict[str, Any]] = json.loads(said.out)["events"]
        return events

    def wait_until_served(self) -> None:
        """Until the load balancer does what its rules say: on a bad day that takes minutes."""
        url = f"http://127.0.0.1:{self.twin.ports()[self.listener]}/healthz"
        until(lambda: _answers(url), 60, lambda: f"{url} is not served")

    @contextmanager
    def users(self, rate: float = 100.0, seconds: float = 590.0) -> Iterator[Traffic]:
        self.wait_until_served()
        load = Load(
            port=self.twin.ports()[self.listener],
            out=self.folder / "client.jsonl",
            rate=rate,
            seconds=seconds,
            slow_ms=1500,
            slow_share=0.002,
            with_parent=True,
        )
        with Traffic(load) as traffic:
            yield traffic
            traffic.stop()

    def receipt(self) -> Join:
        return join(self.folder / "client.jsonl", [self.folder / "apps.jsonl"], {})

    def weights(self) -> list[tuple[int, int]]:
        """Blue and green of every production rule, as configured."""
        return self.pair.rules(self.rules)

    def close(self) -> None:
        self.programs.close()


def _answers(url: str) -> bool:
    past_proxies = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with past_proxies.open(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
