"""
What the long suites stand on: a shop of real processes behind a real Envoy, real users, many releases.

A `Shop` stays up while releases come and go. Its folder has a clock that runs `FACTOR` times
as fast, so that a release takes seconds; data still closes in real seconds, and drains, leases
and time-outs of calls are real. `crash_matrix.py` and `soak.py` say what happens in it.

Whatever interrupts a suite, `Shop` ends what it started: by pid, nothing else. Two runs do
not meet: each has a temporary folder and ports of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from crossfade.bootstrap import House
from crossfade.clocks import set_clock
from crossfade.dataplane import Observed, down
from crossfade.dataplane.process import marked
from crossfade.dataplane.store import Store
from crossfade.demo.receipt import End, Join, join
from crossfade.demo.traffic import Load, Traffic
from crossfade.engine.opening import Wish
from crossfade.release.policy import Waivers
from crossfade.spec.load import load_spec

FACTOR = 20.0
"""Clock seconds in a real one. The judge's interval is then one real second, the shortest there is."""

SERVICE = "shop"

SEGMENT_S = 280.0
"""Real seconds of one run of the load generator, which is bounded; the next begins between two releases."""

CLIENT_TIMEOUT_S = 10.0

BUILD = """\
#!/bin/sh
# {revision}, {behaviour}
exec {python} -m crossfade.demo.app --behaviour {behaviour} --log {log} "$@"
"""

YAML = """\
apiVersion: crossfade/v1
service: {service}
platform:
  local:
    command: "builds/{{revision}} --port {{port}} --revision {{revision}}"
    port: 0
    instances: {instances}
    health: /healthz
    drain: 10s
    stop_grace: 5s
strategy: {strategy}
gates:
  errors: {{against: stable, at_most: 2x, must_see: 30%}}
  latency: {latency}
  unhealthy: {{of: candidate, max: 0, for: 90s}}
judging: {{warm_up: 20s, false_stops: {false_stops}}}
deadlines: {{ready: 40m, hook: 40m, no_data: 40m, rollback: 40m}}
"""


STRICT = "{against: stable, at_most: 1.25x, at: [p95, p99], must_see: 10x}"
LOOSE = "{against: stable, at_most: 4x, at: [p50], must_see: 40x}"
"""Quickly proved: what is not written would be judged by the product's own, stricter, default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    What is the same for all releases of a shop.

    Deadlines are long on purpose: a busy machine must not look like a fault of the product.
    """

    rate: float
    instances: int = 2
    latency: str = STRICT
    """Judged closely it makes releases differ by themselves on a busy machine."""
    false_stops: str = "1%"
    slow_ms: int = 400
    """How long a held request is held: it keeps an old version from being silent for so long."""


@dataclass(slots=True, kw_only=True)
class Receipt:
    """The join of all segments."""

    requests: int = 0
    lost: int = 0
    dropped: int = 0
    by_app: int = 0
    in_flight_on_exited: int = 0
    reconnects: int = 0
    skipped: int = 0
    late_ms_p99: int = 0
    unmatched: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return self.requests > 0 and self.lost + self.dropped + self.in_flight_on_exited == 0

    def line(self) -> str:
        return (
            f"{self.requests:,} requests joined by id: lost {self.lost}, reset or refused {self.dropped}, "
            f"in flight on a process that died {self.in_flight_on_exited}, failed by a bad build itself "
            f"{self.by_app} (idle connections renewed {self.reconnects}, not sent {self.skipped}, "
            f"sent late by {self.late_ms_p99} ms at p99)"
        )


class Shop:
    """One service with its users, for as long as the `with` lasts."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = Path(tempfile.mkdtemp(prefix="crossfade-long-"))
        self.state = self.folder / ".crossfade"
        self.file = self.folder / "crossfade.yaml"
        self.app_log = self.folder / "apps.jsonl"
        self.number = 0
        self.serving = ""
        self.house: House
        self._children: set[subprocess.Popen[bytes]] = set()
        self._segments: list[Path] = []
        self._traffic: Traffic | None = None
        self._since = 0.0
        self.receipt = Receipt()

    def __enter__(self) -> Self:
        try:
            (self.folder / "builds").mkdir()
            set_clock(self.state, FACTOR)
            self.house = House(self.state)
            self.configure("{canary: {steps: [{weight: 50%, bake: 20s}], keep_old: 20s}}")
            self.serving = self.build("good")
            plan = self.house.open(load_spec(self.file), self.serving, Wish(actor="rig", waivers=Waivers()))
            assert plan is not None
            self.house.controller().run(until=plan.release)
            self._start_traffic()
            time.sleep(2.5)  # the judge's history: stable alone, in closed seconds
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- releases ----------------------------------------------------------------------------

    def configure(self, strategy: str) -> None:
        """The spec of the releases to come; those that run have their plan."""
        text = YAML.format(
            service=SERVICE,
            strategy=strategy,
            instances=self.settings.instances,
            latency=self.settings.latency,
            false_stops=self.settings.false_stops,
        )
        self.file.write_text(text)

    def build(self, behaviour: str) -> str:
        """A new build; its revision."""
        self.number += 1
        revision = f"v{self.number}"
        script = self.folder / "builds" / revision
        script.write_text(
            BUILD.format(
                revision=revision,
                behaviour=behaviour,
                python=shlex.quote(sys.executable),
                log=shlex.quote(str(self.app_log)),
            )
        )
        script.chmod(0o755)
        return revision

    def start(self, command: Sequence[str], log: str) -> subprocess.Popen[bytes]:
        """A child that does not outlive the shop; its output is kept until the shop closes."""
        with (self.folder / log).open("ab") as out:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.folder
            )
        self._children.add(child)
        return child

    def deploy(self, revision: str, seconds: float, stop: threading.Event) -> int | None:
        """`crossfade deploy` to its end: its exit code; None where it was killed, or the suite is stopped."""
        command = [sys.executable, "-m", "crossfade", "deploy", revision, "--output", "plain"]
        child = self.start([*command, "--file", str(self.file)], f"{revision}.log")
        code = self.wait(child, seconds, stop)
        if code is None and not stop.is_set():
            self.kill(child)
        if code == 0:
            self.serving = revision
        return code

    def wait(self, child: subprocess.Popen[bytes], seconds: float, stop: threading.Event) -> int | None:
        """Its exit code; None where it did not end in time or the suite is being stopped."""
        end = time.monotonic() + seconds
        while (code := child.poll()) is None and time.monotonic() < end and not stop.is_set():
            time.sleep(0.01)
        if code is not None:
            self._children.discard(child)
        return code

    def kill(self, child: subprocess.Popen[bytes]) -> bool:
        """kill -9; False where it had ended by itself before."""
        if child.poll() is not None:
            return False
        child.send_signal(signal.SIGKILL)
        child.wait()
        self._children.discard(child)
        return child.returncode == -signal.SIGKILL

    def seen(self) -> Observed:
        """What the data plane says now."""
        return self.house.platform.seen(SERVICE)

    def wrong(self, patience: float = 5.0) -> tuple[str, ...]:
        """What is not as it must be between two releases; empty: `serving` serves alone, nothing is left."""
        end = time.monotonic() + patience
        while (found := self._wrong()) and time.monotonic() < end:
            time.sleep(0.05)
        return found

    def _wrong(self) -> tuple[str, ...]:
        seen = self.seen()
        there = {name: group for name, group in seen.service.groups.items() if group is not None}
        wrong = []
        if [group.revision for group in there.values()] != [self.serving]:
            wrong.append(f"{[g.revision for g in there.values()]} are wanted instead of {self.serving} alone")
        routes = {name: weight for name, weight in (seen.routes or {}).items() if weight}
        if routes != dict.fromkeys(there, 1000):
            wrong.append(f"Envoy's routes are {seen.routes}")
        states = sorted((one.revision, one.state) for one in seen.instances)
        if states != [(self.serving, "ready")] * self.settings.instances:
            wrong.append(f"instances are {states}")
        if seen.test_route is not None:
            wrong.append("the test route is open")
        if self.house.store.active(SERVICE) is not None:
            wrong.append("a release is still active")
        return tuple(wrong)

    # --- users -------------------------------------------------------------------------------

    def between(self) -> None:
        """Called between two releases: begins a new segment of traffic where the old one is long."""
        if time.monotonic() - self._since > SEGMENT_S:
            self._stop_traffic()
            self._start_traffic()

    def _start_traffic(self) -> None:
        listener = self.house.platform.listener(SERVICE)
        assert listener is not None
        out = self.folder / f"client-{len(self._segments)}.jsonl"
        load = Load(
            port=int(listener.rpartition(":")[2]),
            out=out,
            rate=self.settings.rate,
            seconds=600.0,
            slow_ms=self.settings.slow_ms,
            timeout=CLIENT_TIMEOUT_S,
            with_parent=True,
        )
        self._traffic = Traffic(load).__enter__()
        self._segments.append(out)
        self._since = time.monotonic()

    def _stop_traffic(self) -> None:
        traffic, self._traffic = self._traffic, None
        if traffic is None:
            return
        counters = traffic.stop()
        self.receipt.skipped += counters.skipped
        self.receipt.late_ms_p99 = max(self.receipt.late_ms_p99, counters.late_ms_p99)

    def sent(self) -> Iterator[Mapping[str, Any]]:
        """Every request of the users; complete once `finish` was called."""
        for path in self._segments:
            with path.open() as lines:
                for line in lines:
                    if line.endswith("}\n"):
                        yield json.loads(line)

    def finish(
        self, ends: Mapping[int, End] | None = None, routed: Mapping[str, int] | None = None
    ) -> Receipt:
        """
        No more users; what became of each of their requests.

        `ends` names processes that are known to have exited by themselves, `routed` the process that
        Envoy gave a request to: what such a process had, or refused, is not lost by us.
        """
        self._stop_traffic()
        time.sleep(0.3)  # the apps' own lines are written every 100 ms
        for path in self._segments:
            self._add(join(path, [self.app_log], ends or {}, routed=routed))
        return self.receipt

    def proxied(self) -> Iterator[Mapping[str, Any]]:
        """Envoy's own word on each request that it still has: `q` its id, `i` the instance, `x` why."""
        for name in ("access.log.1", "access.log"):
            with contextlib.suppress(FileNotFoundError), (self.state / "logs" / name).open() as lines:
                for line in lines:
                    if line.endswith("}\n"):
                        yield json.loads(line)

    def _add(self, part: Join) -> None:
        self.receipt.requests += part.requests
        self.receipt.lost += part.failed_by_release_machinery
        self.receipt.dropped += part.dropped_connections
        self.receipt.by_app += part.failed_by_bad_app
        self.receipt.in_flight_on_exited += part.lost_in_flight_on_exited
        self.receipt.reconnects += part.reconnects
        self.receipt.unmatched += part.unmatched

    # --- the end -----------------------------------------------------------------------------

    def close(self) -> None:
        """Ends everything; safe to repeat."""
        if not self.folder.is_dir():
            return
        for child in tuple(self._children):
            self.kill(child)
        self._children.clear()
        with contextlib.suppress(Exception):
            self._stop_traffic()
        mark = Store(self.state).mark() if self.state.is_dir() else None
        down(self.state)
        if hasattr(self, "house"):
            self.house.store.close()
        left = [pid for pid in marked(mark) if pid != os.getpid()] if mark else []
        self.left_behind = tuple(left)
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if os.environ.get("CROSSFADE_LONG_KEEP"):
            print(f"kept: {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    left_behind: tuple[int, ...] = ()
    """Processes that `down` should have ended; filled by `close`."""


@contextlib.contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Set by SIGINT and SIGTERM, instead of dying: whoever works looks at it, and cleans up."""
    stop = threading.Event()

    def caught(number: int, _frame: object) -> None:
        print(f"stopping: {signal.Signals(number).name}", file=sys.stderr, flush=True)
        stop.set()

    before = {number: signal.signal(number, caught) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def quantile(values: Sequence[float], share: float) -> float:
    """Nearest rank; 0 of none."""
    ordered = sorted(values)
    return (
        ordered[max(0, min(len(ordered), -(-int(share * 1000) * len(ordered) // 1000)) - 1)]
        if ordered
        else 0.0
    )
