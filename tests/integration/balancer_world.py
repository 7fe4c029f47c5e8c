"""Load balancers of a twin with targets in this process: what the tests of `twin/balancer/` share."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from crossfade.twin.balancer.model import (
    Action,
    Balancing,
    Condition,
    Forward,
    HealthCheck,
    Listener,
    LoadBalancer,
    Rule,
    Target,
    TargetGroup,
)
from crossfade.twin.balancer.service import Balancers
from crossfade.twin.clock import TwinClock

ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:"
SHOP = ARN + "loadbalancer/app/shop/50dc6c495c0c9188"
LISTENER = ARN + "listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2"
BLUE = ARN + "targetgroup/blue/73e2d6bc24d8a067"
GREEN = ARN + "targetgroup/green/0123456789abcdef"
QUICK = HealthCheck(path="/healthz", interval_s=1, timeout_s=1, healthy=2, unhealthy=2)


class App:
    """A target: answers its name to everything, and what it is told to on its health path."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.health = 200
        self.answer: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.asked: list[tuple[str, dict[str, str]]] = []
        app = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                checked = self.path == "/healthz"
                if not checked:
                    app.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                    if app.answer is not None:
                        app.answer(self)
                        return
                body = app.name.encode()
                self.send_response(app.health if checked else 200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_HEAD = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None: ...

        class Quiet(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(self, *_: Any) -> None: ...

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.target = Target(ip="127.0.0.1", port=self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass
class Samples:
    """A sink that keeps everything."""

    found: list[tuple[str, str, tuple[tuple[str, str], ...], float, float, float, str]] = field(
        default_factory=list
    )

    def record(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        *,
        at: float,
        value: float,
        count: float = 1.0,
        unit: str = "None",
    ) -> None:
        self.found.append((namespace, name, tuple(sorted(dimensions.items())), at, value, count, unit))

    def total(self, name: str, balancer: str, target_group: str = "") -> float:
        return sum(self.values(name, balancer, target_group))

    def values(self, name: str, balancer: str, target_group: str = "") -> list[float]:
        wanted = [("LoadBalancer", balancer)] + [("TargetGroup", target_group)] * bool(target_group)
        return [
            value
            for _, found, dimensions, _, value, count, _ in self.found
            if (found, dimensions) == (name, tuple(wanted))
            for _ in range(int(count))
        ]


def group(arn: str, *targets: Target, **changes: Any) -> TargetGroup:
    return TargetGroup(arn=arn, name=arn.split("/")[-2], targets=targets, **{"health": QUICK, **changes})


def rule(action: Action, priority: int | None = None, *conditions: Condition) -> Rule:
    return Rule(arn=f"{LISTENER}/{priority}", priority=priority, conditions=conditions, action=action)


def shares(blue: int, green: int, sticky_s: float = 0) -> Forward:
    return Forward(groups=((BLUE, blue), (GREEN, green)), sticky_s=sticky_s)


def balancing(rules: tuple[Rule, ...], *groups: TargetGroup, port: int = 80, idle_s: float = 60) -> Balancing:
    listener = Listener(arn=LISTENER, port=port, rules=rules)
    shop = LoadBalancer(arn=SHOP, name="shop", listeners=(listener,), idle_timeout_s=idle_s)
    return Balancing(balancers=(shop,), groups=groups)


@dataclass
class World:
    balancers: Balancers
    clock: TwinClock
    samples: Samples
    delay: float = 0.0

    @property
    def port(self) -> int:
        return self.balancers.ports()[LISTENER]

    def get(self, path: str = "/", **headers: str) -> tuple[int, str, http.client.HTTPMessage]:
        return get(self.port, path, **headers)

    def states(self, arn: str) -> list[tuple[str, str]]:
        """State and reason of the registered; who drains may have been left by an earlier test."""
        return [(row.state, row.reason) for row in self.balancers.health(arn) if row.state != "draining"]

    def draining(self, arn: str) -> list[Target]:
        return [row.target for row in self.balancers.health(arn) if row.state == "draining"]

    def healthy(self, *arns: str) -> None:
        until(lambda: all(s == ("healthy", "") for arn in arns for s in self.states(arn)))


@contextmanager
def world(folder: Path, factor: float = 1.0) -> Iterator[World]:
    clock, samples = TwinClock(factor), Samples()
    balancers = Balancers(folder, clock, samples, lambda: here.delay)
    here = World(balancers=balancers, clock=clock, samples=samples)
    balancers.start()
    try:
        yield here
    finally:
        balancers.stop()


@contextmanager
def apps(*names: str) -> Iterator[list[App]]:
    found = [App(name) for name in names]
    try:
        yield found
    finally:
        for app in found:
            app.close()


def get(
    port: int, path: str = "/", method: str = "GET", **headers: str
) -> tuple[int, str, http.client.HTTPMessage]:
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        asked.request(
            method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        reply = asked.getresponse()
        return reply.status, reply.read().decode(), reply.headers
    finally:
        asked.close()


def until(holds: Callable[[], bool], within_s: float = 20) -> None:
    over = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < over, "it did not come true in time"
        time.sleep(0.01)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def both(crew: list[App], **changes: Any) -> tuple[TargetGroup, ...]:
    blue, green = crew
    return group(BLUE, blue.target, **changes), group(GREEN, green.target, **changes)


def answers(here: World, number: int, path: str = "/", **headers: str) -> Counter[str]:
    return Counter(here.get(path, **headers)[1] for _ in range(number))


def cookie(headers: http.client.HTTPMessage, name: str) -> str:
    kept = [c.partition(";")[0] for c in headers.get_all("set-cookie", [])]
    return next(c for c in kept if c.startswith(f"{name}="))
