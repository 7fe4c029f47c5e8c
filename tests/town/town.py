"""A town for end-to-end tests: a shop in several builds, its users, and `crossfade` as people type it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossfade.bootstrap import House
from crossfade.clocks import set_clock
from crossfade.dataplane import down
from crossfade.demo.receipt import Join, join
from crossfade.demo.traffic import DEFAULT_PATHS, Load, Traffic

FACTOR = 10.0
"""Bakes, settle and keep-old pass ten times as fast; processes, health and drain are real."""

CANARY = "{canary: {steps: [{weight: 10%, bake: 20s}, {weight: 50%, bake: 10s}], keep_old: 20s}}"

YAML = """\
apiVersion: crossfade/v1
service: {service}
platform:
  local: {{command: {command}, port: {port}, instances: {instances}, health: /healthz, {times}}}
strategy: {strategy}
gates:
  errors: {{must_see: 90%}}
  latency: {{at: [p50], must_see: 90x}}
judging: {{warm_up: 1s}}
{more}
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What one command did."""

    code: int
    out: str
    err: str


class Town:
    """One folder with builds v1, v2, … each with a behaviour of the demo's app."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / ".crossfade"
        set_clock(self.state, FACTOR)
        (folder / "builds").mkdir()
        for revision in ("v1", "v2", "v4"):
            self.build(revision, "good")
        self.write()

    def build(self, revision: str, behaviour: str) -> None:
        script = self.folder / "builds" / revision
        log = shlex.quote(str(self.folder / "apps.jsonl"))
        script.write_text(
            f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -m crossfade.demo.app "
            f'--behaviour {behaviour} --log {log} "$@"\n'
        )
        script.chmod(0o755)

    def write(
        self, *, strategy: str = CANARY, more: str = "", port: int = 0, command: str = "", instances: int = 2
    ) -> None:
        words = command or '"builds/{revision} --port {port} --revision {revision}"'
        text = YAML.format(
            service="shop",
            times="drain: 8s, stop_grace: 4s",
            command=words,
            port=port,
            strategy=strategy,
            more=more,
            instances=instances,
        )
        (self.folder / "crossfade.yaml").write_text(text)

    def service(self, name: str, *, strategy: str = CANARY, more: str = "") -> None:
        """Another service of the same builds, in a file of its own, in the same state folder."""
        file = self.folder / "crossfade.yaml"
        before = file.read_text()
        self.write(strategy=strategy, more=more)
        other = file.read_text().replace("service: shop", f"service: {name}")
        (self.folder / f"{name}.yaml").write_text(other)
        file.write_text(before)

    def start(self, *words: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """In the background; what it says goes to a file beside the town's others."""
        with (self.folder / f"said-{'-'.join(words[:2])}.txt").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "crossfade", *words],
                cwd=self.folder,
                env={**os.environ, "CI": "1", **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def run(self, *words: str, env: dict[str, str] | None = None, patience: float = 60.0) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "crossfade", *words],
            cwd=self.folder,
            env={**os.environ, "CI": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def first(self) -> None:
        """v1 serves."""
        said = self.run("deploy", "v1", "--output", "quiet")
        assert said.code == 0, said

    @property
    def house(self) -> House:
        return House(self.state)

    def events(self) -> list[dict[str, Any]]:
        """The newest release's journal, as `explain --json` gives it."""
        said = self.run("explain", "--json")
        assert said.code == 0, said
        events: list[dict[str, Any]] = json.loads(said.out)["events"]
        return events

    def wait_for(self, phase: str, patience: float = 30.0, service: str | None = None) -> None:
        """Until the newest release is in this phase."""
        from crossfade.release.state import phase as phase_of

        house = self.house

        def there() -> bool:
            rows = house.store.releases(service, limit=1)
            return bool(rows) and phase_of(rows[0].plan, rows[0].state) == phase

        try:
            until(there, patience, lambda: f"never {phase}: {self.run('status').out}")
        finally:
            house.store.close()

    def until_in_line(self, number: int, service: str = "shop") -> None:
        """Until so many deploys stand in line."""
        house = self.house
        try:
            until(lambda: len(house.store.line.ahead(service)) == number, 20.0, lambda: "nobody came")
        finally:
            house.store.close()

    def serving(self, service: str = "shop") -> str | None:
        """The revision that the platform trusts."""
        house = self.house
        try:
            found = house.platform.serving(service)
            return found.text if found else None
        finally:
            house.store.close()

    def port(self, service: str = "shop") -> int:
        house = self.house
        try:
            return int((house.platform.listener(service) or "").rpartition(":")[2])
        finally:
            house.store.close()

    @contextmanager
    def users(
        self,
        rate: float = 100.0,
        *,
        slow_ms: int = 1500,
        slow_share: float = 0.002,
        service: str = "shop",
        paths: tuple[str, ...] = DEFAULT_PATHS,
    ) -> Iterator[Traffic]:
        load = Load(
            port=self.port(service),
            out=self.folder / _users_of(service),
            rate=rate,
            seconds=200,
            paths=paths,
            slow_ms=slow_ms,
            slow_share=slow_share,
            with_parent=True,
        )
        with Traffic(load) as traffic:
            yield traffic
            traffic.stop()

    def client(self, service: str = "shop") -> list[dict[str, Any]]:
        """Every request as its client saw it."""
        return [json.loads(line) for line in (self.folder / _users_of(service)).read_text().splitlines()]

    def receipt(self, ends: dict[int, Any] | None = None, service: str = "shop") -> Join:
        return join(self.folder / _users_of(service), [self.folder / "apps.jsonl"], ends or {})

    def close(self) -> None:
        down(self.state)


def _users_of(service: str) -> str:
    return "client.jsonl" if service == "shop" else f"client-{service}.jsonl"


def until(holds: Callable[[], bool], patience: float, told: Callable[[], str]) -> None:
    """Look often until it holds; say what is there instead when patience ends."""
    end = time.monotonic() + patience
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(told())
        time.sleep(0.05)


def interrupt(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGINT) -> None:
    process.send_signal(number)
