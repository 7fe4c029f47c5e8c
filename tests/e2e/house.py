"""
One throw-away house: a folder with `crossfade.yaml` and builds, its users, and the command line as people type it.

Every verb runs as a process of its own. The journal is read from the file, never from
the process that writes it. `down` leaves nothing behind, and proves that.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from crossfade.bootstrap import set_clock
from crossfade.dataplane import connect
from crossfade.demo.receipt import End, Join, join
from crossfade.demo.traffic import Load, Traffic

T = TypeVar("T")

FACTOR = 10.0
"""The clock of bakes, settling and keeping; processes, health and draining take real time."""
PATIENCE_S = 60.0
"""The bound of every wait: a busy machine is slow, a broken product is never done."""
CLI = (sys.executable, "-m", "crossfade")

YAML = """\
apiVersion: crossfade/v1
service: shop
platform:
  local: {{command: "builds/{{revision}} --port {{port}} --revision {{revision}}", port: {port}, instances: 2,
           health: /healthz, drain: {drain}, stop_grace: {grace}}}
strategy:
  canary:
    steps: [{steps}]
    keep_old: {keep}
gates:
  errors:    {{against: stable, at_most: 1.5x, must_see: 30%}}
  latency:   {{against: stable, at_most: 1.25x, at: [p50], must_see: 20x}}
  unhealthy: {{of: candidate, max: 0, for: 20s}}
judging: {{warm_up: 5s}}
deadlines: {{{deadlines}}}
on_interrupt: {interrupt}
"""
SHORT = "{weight: 50%, bake: 20s, max_bake: 5m}"
"""Two real seconds on half of the traffic."""
LONG = "{weight: 50%, bake: 20m}"
"""Two real minutes: long enough to do something to it in mid-bake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A verb that has ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


def eventually(look: Callable[[], T | None], what: str, patience: float = PATIENCE_S) -> T:
    """The first answer that is one; fails loudly when none comes in time."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"never came: {what}")


class Running:
    """A verb that runs; what it says goes to files, so that no pipe can fill."""

    def __init__(self, house: House, arguments: tuple[str, ...]) -> None:
        self._name = house.folder / f"cli-{len(house.running)}"
        self.arguments = arguments
        with self._name.with_suffix(".out").open("wb") as out, self._name.with_suffix(".err").open("wb") as err:
            self.process = subprocess.Popen(
                [*CLI, *arguments],
                cwd=house.folder,
                env=house.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def done(self, patience: float = PATIENCE_S) -> Done:
        code = self.process.wait(patience)
        return Done(
            code=code,
            out=self._name.with_suffix(".out").read_text(),
            err=self._name.with_suffix(".err").read_text(),
        )

    def send(self, number: int) -> None:
        self.process.send_signal(number)


class House:
    """A state folder of its own, and everything a test does to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / ".crossfade"
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("CROSSFADE", "GITHUB", "CI"))},
            "CROSSFADE_ACTOR": "tester",
        }
        self.running: list[Running] = []
        self.traffics: list[Traffic] = []
        self.log = folder / "apps.jsonl"
        self.log.touch()
        (folder / "builds").mkdir()
        set_clock(self.state, FACTOR)

    # --- what is released ------------------------------------------------------------------

    def spec(self, **other: str) -> None:
        """Write `crossfade.yaml`; whatever is not named takes two quick steps."""
        said = {
            "port": "0",
            "steps": SHORT,
            "keep": "20s",
            "drain": "10s",
            "grace": "5s",
            "deadlines": "ready: 10m",
            "interrupt": "rollback",
        }
        (self.folder / "crossfade.yaml").write_text(YAML.format(**{**said, **other}))

    def build(self, revision: str, behaviour: str = "good") -> None:
        script = self.folder / "builds" / revision
        words = (sys.executable, "-m", "crossfade.demo.app", "--behaviour", behaviour, "--log", str(self.log))
        script.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        script.chmod(0o755)

    # --- verbs -----------------------------------------------------------------------------

    def start(self, *arguments: str) -> Running:
        found = Running(self, arguments)
        self.running.append(found)
        return found

    def run(self, *arguments: str, patience: float = PATIENCE_S) -> Done:
        return self.start(*arguments).done(patience)

    def first(self, revision: str = "v1") -> None:
        """A first release: its revision serves after this."""
        self.build(revision)
        done = self.run("deploy", revision)
        assert done.code == 0, done.said

    def baking(self, revision: str = "v2", *more: str, behaviour: str = "good") -> Running:
        """A deploy that stands in its first bake."""
        self.build(revision, behaviour)
        deploy = self.start("deploy", revision, *more)
        self.reach("bake.started", deploy)
        return deploy

    # --- what is true ----------------------------------------------------------------------

    def rows(self, statement: str, *values: object) -> list[Any]:
        if not (self.state / "journal.db").exists():
            return []
        with contextlib.closing(sqlite3.connect(self.state / "journal.db", timeout=5)) as link:
            try:
                return link.execute(statement, values).fetchall()
            except sqlite3.OperationalError:
                return []  # its tables are just being made

    def releases(self) -> list[str]:
        """Ids, oldest first."""
        return [row[0] for row in self.rows("select id from releases order by opened_at, id")]

    def of(self, revision: str) -> str | None:
        """The last release of this revision; None before it was opened."""
        found = self.rows("select id, plan from releases order by opened_at desc, id desc")
        return next((row[0] for row in found if f'"candidate":"{revision}"' in row[1]), None)

    def events(self, release: str | None = None) -> list[dict[str, Any]]:
        """Of one release, else of the last one."""
        release = release or self.releases()[-1]
        return [
            json.loads(row[0])["event"]
            for row in self.rows("select body from journal where release = ? order by seq", release)
        ]

    def types(self, release: str | None = None) -> list[str]:
        return [str(event["type"]) for event in self.events(release)]

    def one(self, kind: str, release: str | None = None) -> dict[str, Any]:
        return next(event for event in self.events(release) if event["type"] == kind)

    def reach(self, kind: str, deploy: Running | None = None, release: str | None = None) -> None:
        """Wait until the journal of the (last) release says so."""

        def look() -> bool:
            if deploy is not None and deploy.process.poll() is not None:
                raise AssertionError(f"ended before {kind}: {deploy.done().said}")
            wanted = release or (self.of(deploy.arguments[1]) if deploy is not None else None)
            return wanted is not None and kind in self.types(wanted)

        eventually(look, kind)

    def weight(self) -> int:
        """The candidate's share as Envoy has it, in thousandths; 0 where there is no second side."""
        seen = self.seen()
        primary = seen.service.tags.get("primary")
        return sum(share for group, share in (seen.routes or {}).items() if group != primary)

    def seen(self) -> Any:
        client = connect(self.state)
        assert client is not None, "no supervisor"
        return client.observe("shop")

    def revisions(self) -> set[str]:
        """Revisions that have an instance now."""
        return {instance.revision for instance in self.seen().instances}

    def port(self) -> int:
        return int(self.seen().listener_port)

    def whole(self) -> None:
        """The journal proves itself."""
        done = self.run("history", "--verify")
        assert done.code == 0, done.said

    # --- users -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def users(self, rate: float = 100.0, seconds: float = 300.0) -> Any:
        """Open-loop traffic on the production listener for as long as the `with` lasts."""
        out = self.folder / f"client-{len(self.traffics)}.jsonl"
        load = Load(port=self.port(), out=out, rate=rate, seconds=seconds, slow_share=0.0, with_parent=True)
        with Traffic(load) as traffic:
            self.traffics.append(traffic)
            eventually(lambda: traffic.rate().answered >= min(rate, 100), "answers")
            yield traffic

    def receipt(self, ends: Mapping[int, End] | None = None) -> Join:
        """Of the last users, who have left."""
        return join(self.traffics[-1].load.out, [self.log], ends or {})

    def unharmed(self) -> Join:
        """Not one request was lost; the receipt."""
        found = self.receipt()
        assert found.requests > 50
        assert found.failed_by_release_machinery == 0, found
        assert found.failed_by_bad_app == 0, found
        assert found.dropped_connections == 0, found
        assert found.ok == found.requests
        return found

    def client(self) -> list[dict[str, Any]]:
        """What the last users wrote down, whole lines only."""
        text = self.traffics[-1].load.out.read_text()
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def app_lines(self) -> list[dict[str, Any]]:
        """What the apps wrote down, whole lines only."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]

    # --- the end ---------------------------------------------------------------------------

    def processes(self) -> dict[int, str]:
        """Living processes of this folder: by their words, or by the folder's mark in their environment."""
        needle, found = str(self.folder).encode(), {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    words = Path(f"/proc/{entry.name}/cmdline").read_bytes()
                    marked = Path(f"/proc/{entry.name}/environ").read_bytes()
                    if needle in words or needle in marked:
                        found[int(entry.name)] = words.replace(b"\0", b" ").decode(errors="replace")
        return found

    def down(self) -> None:
        """Everything stops; what the verbs started may not outlive `local down` and its driver."""
        for running in self.running:
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait()
        for pid, words in self.processes().items():
            if " drive " in words:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        done = self.run("local", "down", "--yes", "--state", str(self.state))
        assert done.code == 0, done.said
        eventually(lambda: not self.processes(), f"no process left: {self.processes()}", 10)
