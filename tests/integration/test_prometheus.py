"""Our source against a real Prometheus that scrapes real programs; skipped where there is none on PATH."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from crossfade.release.plan import Plan
from crossfade.signals.prometheus import Prometheus
from crossfade.signals.scrape import CounterSlots

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="no `prometheus` on PATH (Debian: apt install prometheus)"
    ),
]

VERSIONS = {"s": "v1", "c": "v2"}
EDGES = (0.05, 0.1, 0.5)


@dataclass
class App:
    """A program that counts; `serve` is its traffic."""

    codes: Counter[str] = field(default_factory=Counter)
    below: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.time)
    sick: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0

    def serve(self, rng: random.Random, many: int) -> None:
        with self.lock:
            for _ in range(many):
                took = rng.choice([0.01, 0.07, 0.3, 2.0])
                self.codes["500" if self.sick and rng.random() < 0.3 else "200"] += 1
                for edge in (*EDGES, float("inf")):
                    self.below["+Inf" if edge == float("inf") else str(edge)] += took <= edge

    def restart(self) -> None:
        with self.lock:
            self.codes.clear()
            self.below.clear()
            self.started = time.time()

    def page(self) -> str:
        with self.lock:
            lines = [f'http_requests_total{{code="{code}"}} {count}' for code, count in self.codes.items()]
            lines += [
                f'http_request_duration_seconds_bucket{{le="{edge}"}} {count}'
                for edge, count in self.below.items()
            ]
            return "\n".join([*lines, f"process_start_time_seconds {self.started}", ""])

    @contextmanager
    def served(self) -> Iterator[None]:
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = app.page().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()


@dataclass
class Town:
    """A Prometheus, three programs of two versions, and our source before it."""

    url: str
    apps: dict[str, App]
    source: Prometheus
    plan: Plan
    served: dict[str, int] = field(default_factory=dict)

    def run(self, seconds: float) -> None:
        """Twenty requests a second and program, looked at as a controller does."""
        rng = random.Random(7)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for name, app in self.apps.items():
                app.serve(rng, 2)
                self.served[name] = self.served.get(name, 0) + 2
            self.source.watch(self.plan)
            time.sleep(0.1)

    def begin(self) -> None:
        """Until Prometheus has seen all programs; what is served from then on is counted to the last one."""
        self.run(1)
        self.settled(lambda slots: any(len(slot.candidate_instances) == 2 for slot in slots.intervals))
        self.served.clear()

    def settled(self, ready: Callable[[CounterSlots], bool]) -> CounterSlots:
        until = time.monotonic() + 40
        while time.monotonic() < until:
            found = self.source.slots(self.plan, time.time() - 600, self.edges())
            if ready(found):
                return found
            time.sleep(0.2)
        raise AssertionError(f"never ready: {found.problem or found.watermark}")

    def edges(self) -> tuple[float, ...]:
        return tuple(edge * 1000 for edge in EDGES)


class Pace:
    factor = 1.0

    def real(self, instant: datetime) -> float:
        return instant.timestamp()

    def instant(self, epoch: float) -> datetime:
        return datetime.fromtimestamp(epoch, UTC)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    apps = {"s1": App(), "c1": App(), "c2": App()}
    with apps["s1"].served(), apps["c1"].served(), apps["c2"].served(), prometheus(tmp_path, apps) as url:
        judging = {
            "gates": {"errors": {}, "latency": {}},
            "source": {
                "kind": "prometheus",
                "url": url,
                "every_s": 1.0,
                "stable": 'job="shop", version="{revision}"',
                "candidate": 'job="shop", version="{revision}"',
            },
        }
        plan = Plan(
            release="r1",
            service="shop",
            stable="v1",
            candidate="v2",
            on=(),
            back=(),
            gates=(),
            judging=judging,
        )
        source = Prometheus(Pace())
        yield Town(url, apps, source, plan)
        source.close()


@contextmanager
def prometheus(folder: Path, apps: dict[str, App]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    targets = "\n".join(
        f'      - {{targets: ["127.0.0.1:{app.port}"], labels: {{version: {VERSIONS[name[0]]}}}}}'
        for name, app in apps.items()
    )
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
        f"  - job_name: shop\n    static_configs:\n{targets}\n"
    )
    child = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(20)


def test_what_was_served_is_what_is_counted_per_instance_and_bucket(town: Town) -> None:
    town.begin()
    town.run(8)
    end = time.time()
    found = town.settled(lambda slots: slots.watermark >= end + 2 and bool(slots.intervals))
    for arm, names in (("stable_instances", ["s1"]), ("candidate_instances", ["c1", "c2"])):
        last: dict[str, float] = {}
        rows: dict[str, float] = {}
        for slot in found.intervals:
            for instance, counts in getattr(slot, arm):
                last[instance] = last.get(instance, 0) + counts["requests"]
                rows[instance] = rows.get(instance, 0) + sum(counts["latency"])
        for name in names:
            instance = f"127.0.0.1:{town.apps[name].port}"
            everything = sum(town.apps[name].codes.values())
            assert town.served[name] <= last[instance] <= everything
            assert rows[instance] == last[instance]
    assert town.source.edges_ms(town.plan) == town.edges()


def test_a_program_that_began_anew_and_one_that_is_gone(town: Town) -> None:
    town.begin()
    town.run(3)
    town.apps["c1"].restart()
    town.apps["c2"].sick = True
    town.run(6)
    end = time.time()
    found = town.settled(lambda slots: slots.watermark >= end)
    whole = [slot for slot in found.intervals if slot.candidate is not None and slot.candidate["requests"]]

    assert all(float(str(slot.candidate["requests"])) <= 200 for slot in whole if slot.candidate)
    assert sum(float(str(slot.candidate["errors"])) for slot in whole if slot.candidate) > 10
    assert all(float(str(slot.stable["errors"])) == 0 for slot in whole if slot.stable)


def test_R24_where_prometheus_is_gone_that_is_a_problem(town: Town) -> None:
    town.plan.judging["source"]["url"] = "http://127.0.0.1:9"  # type: ignore[index]  # plain JSON
    found = town.settled(lambda slots: bool(slots.problem))

    assert "refused" in found.problem.lower()
    assert not found.intervals
