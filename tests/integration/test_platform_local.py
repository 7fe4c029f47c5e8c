"""The local platform with a real Envoy and real traffic: shares, silence, counts, a dead supervisor."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Self

import pytest

from crossfade.dataplane import EDGES_MS, Fault, PortTaken, Rule, down
from crossfade.dataplane.store import Store, read_json, write_whole
from crossfade.platforms import LocalCounts, LocalPlatform
from crossfade.release.plan import Plan, World
from crossfade.release.reconcile import differences, reconcile
from crossfade.release.values import (
    ALL,
    NOTHING,
    EnsureFleet,
    EnsurePrimary,
    EnsureTest,
    EnsureWeight,
    GoHome,
    Known,
    Seen,
    Share,
    Side,
    Span,
    Truth,
    Unknown,
)
from crossfade.spec import Canary, NoGates, Spec
from crossfade.spec import LocalPlatform as LocalSettings

pytestmark = pytest.mark.real

APP = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class H(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        body = sys.argv[2].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""
NOBODY = Span(low=NOTHING, high=NOTHING)


def until(what: Callable[[], bool], seconds: float = 15.0) -> float:
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds
        time.sleep(0.02)
    return time.monotonic() - begun


class Users:
    """One connection that asks without pause, and remembers who answered."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _ask(self) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        while not self._stop.is_set():
            try:
                line.request("GET", "/")
                answer = line.getresponse()
                body = answer.read().decode()
                self.answers[body if answer.status == 200 else str(answer.status)] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[type(error).__name__] += 1
                line.close()
        line.close()


def spec(folder: Path, port: int = 0) -> Spec:
    return Spec(
        service="shop",
        folder=folder,
        state=folder / ".crossfade",
        platform=LocalSettings(
            command=f"{sys.executable} app.py {{port}} {{revision}}",
            port=port,
            instances=1,
            stop_grace=timedelta(seconds=1),
            drain=timedelta(seconds=1),
        ),
        strategy=Canary(steps=(), keep_old=timedelta(0)),
        gates=NoGates(reason="a test"),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "app.py").write_text(APP)
    yield tmp_path
    down(tmp_path / ".crossfade")


def plan_of(platform: LocalPlatform, folder: Path, release: str, revision: str) -> Plan:
    stable, made = platform.serving("shop"), platform.prepare(spec(folder), revision)
    return Plan(
        release=release,
        service="shop",
        stable=stable.text if stable else None,
        candidate=revision,
        on=(),
        back=(),
        gates=(),
        artifact={"candidate": made.artifact, "identity": made.identity},
    )


def do(
    platform: LocalPlatform, plan: Plan, *effects: EnsureWeight | EnsureFleet | EnsurePrimary | EnsureTest
) -> None:
    fence = platform.observe(plan).fence
    for effect in effects:
        platform.perform(plan, effect, fence)


def ready(platform: LocalPlatform, plan: Plan) -> bool:
    fleet = platform.observe(plan).truth.candidate
    return isinstance(fleet, Known) and fleet.value.ready == ALL


def grown(platform: LocalPlatform, plan: Plan) -> None:
    do(platform, plan, EnsureFleet(side=Side.CANDIDATE, capacity=ALL, owner=plan.release))
    until(lambda: ready(platform, plan))


@pytest.fixture
def shop(folder: Path) -> tuple[LocalPlatform, Plan]:
    """v1 serves everybody; v2 is ready and nobody sees it."""
    platform = LocalPlatform(folder / ".crossfade")
    platform.settle_in(spec(folder))
    first = plan_of(platform, folder, "r1", "v1")
    grown(platform, first)
    do(platform, first, EnsureWeight(weight=ALL), EnsurePrimary(side=Side.CANDIDATE))
    plan = plan_of(platform, folder, "r2", "v2")
    grown(platform, plan)
    return platform, plan


def port(platform: LocalPlatform) -> int:
    listener = platform.listener("shop")
    assert listener is not None
    return int(listener.rpartition(":")[2])


def seen(platform: LocalPlatform, plan: Plan) -> Seen | None:
    fact = platform.observe(plan).truth.seen
    return fact.value if isinstance(fact, Known) else None


def test_a_share_is_seen_in_traffic_and_its_end_is_proved_by_silence(
    shop: tuple[LocalPlatform, Plan],
) -> None:
    platform, plan = shop
    with Users(port(platform)) as users:
        do(platform, plan, EnsureWeight(weight=Share(500)))

        def split() -> bool:
            now = seen(platform, plan)
            return (
                now is not None
                and now.candidate.low > 250
                and now.candidate.high < 750
                and now.agrees(Share(500))
            )

        until(split)
        begun = time.monotonic()
        platform.perform(plan, GoHome(), None)
        still = seen(platform, plan)
        until(lambda: (now := seen(platform, plan)) is not None and now.candidate == NOBODY)
        took = time.monotonic() - begun

    assert still is None or still.candidate.high > NOTHING
    assert took >= 0.9
    assert set(users.answers) == {"v1", "v2"}
    print(f"silence proved {took:.2f} s after going home, {users.answers.total()} requests, none lost")


def test_R33_a_killed_supervisor_is_one_blind_look_and_not_the_end(shop: tuple[LocalPlatform, Plan]) -> None:
    platform, plan = shop
    with Users(port(platform)) as users:
        do(platform, plan, EnsureWeight(weight=Share(300)))
        os.kill(int(read_json(Store(platform.folder).pid_file)["pid"]), signal.SIGKILL)
        looks: list[Truth] = []

        def back() -> bool:
            looks.append(platform.observe(plan).truth)
            return looks[-1].weights == Known(Span(low=Share(300), high=Share(300)))

        took = until(back)
        do(platform, plan, EnsureWeight(weight=NOTHING))

    assert isinstance(looks[0].weights, Unknown)
    assert isinstance(looks[0].seat, Unknown)
    assert set(users.answers) == {"v1", "v2"}
    print(f"a new supervisor was read after {took:.2f} s")


def test_R48_home_is_reached_while_the_supervisor_hangs(shop: tuple[LocalPlatform, Plan]) -> None:
    platform, plan = shop
    do(platform, plan, EnsureWeight(weight=ALL))
    pid = int(read_json(Store(platform.folder).pid_file)["pid"])
    os.kill(pid, signal.SIGSTOP)
    try:
        platform.perform(plan, GoHome(), None)
        where = Store(platform.folder).services()["shop"][1].listener_port

        def at_home() -> bool:
            line = http.client.HTTPConnection("127.0.0.1", where, timeout=5)
            with contextlib.closing(line):
                line.request("GET", "/")
                return line.getresponse().read() == b"v1"

        until(at_home, 2.0)
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: platform.observe(plan).truth.weights == Known(NOBODY))


def test_R29_counts_of_both_sides_are_what_users_got(shop: tuple[LocalPlatform, Plan]) -> None:
    platform, plan = shop
    counts = LocalCounts(platform)
    begun = time.time()
    platform.set_fault("shop", Side.CANDIDATE, Fault(errors=1.0))
    with Users(port(platform)) as users:
        do(platform, plan, EnsureWeight(weight=Share(400)))
        time.sleep(2.2)  # real seconds have to pass to be counted
    ended = time.time()
    until(lambda: counts.slots(plan, begun - 1, EDGES_MS).watermark >= ended)
    slots = counts.slots(plan, begun - 1, EDGES_MS).intervals

    def total(side: str, what: str) -> int:
        return sum(int(str(getattr(slot, side)[what])) for slot in slots)

    assert total("stable", "requests") == users.answers["v1"]
    assert total("candidate", "requests") == total("candidate", "errors") == users.answers["500"]
    assert total("stable", "errors") == 0
    named = [arm for slot in slots for _, arm in slot.candidate_instances]
    assert sum(float(str(arm["errors"])) for arm in named) == users.answers["500"]
    _, *seen, resident = counts.instances(plan)[Side.CANDIDATE][0]
    assert seen == ["ready", 0]
    assert resident > 1_000_000


def test_the_test_route_reaches_the_candidate_alone(shop: tuple[LocalPlatform, Plan]) -> None:
    platform, plan = shop
    do(platform, plan, EnsureTest(on=True))
    where = platform.test_url("shop")
    assert where is not None
    line = http.client.HTTPConnection(where.removeprefix("http://"), timeout=5)
    with contextlib.closing(line):
        line.request("GET", "/")
        assert line.getresponse().read() == b"v2"


def test_a_taken_port_names_its_holder_before_anything_moves(folder: Path) -> None:

    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]
        with pytest.raises(PortTaken) as refused:
            LocalPlatform(folder / ".crossfade").settle_in(spec(folder, taken))
    assert refused.value.id == "CF4101"


def test_settling_in_twice_is_settling_in_once(shop: tuple[LocalPlatform, Plan], folder: Path) -> None:
    platform, plan = shop
    before = platform.document("shop")
    platform.settle_in(spec(folder))
    platform.settle_in(spec(folder, before.listener_port))

    assert platform.document("shop") == before
    assert not reconcile_of(platform, plan)


def test_R07_one_rule_that_a_hand_changed_retires_nobody_and_is_mended_by_the_next_weight(
    shop: tuple[LocalPlatform, Plan],
) -> None:
    platform, plan = shop
    rules = (Rule(host="shop.example.com"), Rule(path="/api"), Rule())
    platform._change("shop", lambda document: replace(document, rules=rules))
    do(platform, plan, EnsureWeight(weight=ALL), EnsurePrimary(side=Side.CANDIDATE))
    file = Store(platform.folder).folder / "rds.json"
    written = json.loads(file.read_text())
    live = next(h for h in written["resources"][0]["virtual_hosts"] if h["name"] == "shop.live")
    ruled = [one["route"]["weighted_clusters"] for one in live["routes"] if "route" in one]
    for entry, weight in zip(ruled[1]["clusters"], (1000, 0), strict=True):
        entry["weight"] = weight
    write_whole(file, json.dumps(written))  # the version as it was: Envoy takes the content

    until(lambda: platform.observe(plan).truth.weights == Known(Span(low=NOTHING, high=ALL)))
    end = World(weight=ALL, stable=NOTHING, candidate=ALL, primary=Side.CANDIDATE, test=False)
    time.sleep(1.2)  # silence of both sides is proved
    writes = reconcile(plan, end, platform.observe(plan).truth)
    assert writes == (EnsureWeight(weight=ALL),), "stable is not retired while one rule still leads to it"

    do(platform, plan, EnsureWeight(weight=ALL))
    until(lambda: platform.observe(plan).truth.weights == Known(Span(low=ALL, high=ALL)))
    assert EnsureFleet(side=Side.STABLE, capacity=NOTHING, owner=plan.release) in reconcile(
        plan, end, platform.observe(plan).truth
    )


def test_R48_going_home_mends_a_rule_although_the_document_is_home(shop: tuple[LocalPlatform, Plan]) -> None:
    platform, plan = shop
    file = Store(platform.folder).folder / "rds.json"
    text = file.read_text()
    away = text.replace('"name":"shop.blue","weight":1000', '"name":"shop.blue","weight":0')
    away = away.replace('"name":"shop.green","weight":0', '"name":"shop.green","weight":1000')
    assert away != text
    write_whole(file, away)
    until(lambda: platform.observe(plan).truth.weights == Known(Span(low=ALL, high=ALL)))
    platform.perform(plan, GoHome(), None)

    until(lambda: platform.observe(plan).truth.weights == Known(NOBODY))


def reconcile_of(platform: LocalPlatform, plan: Plan) -> tuple[object, ...]:
    """What the heart would still write for a world that is as it is."""

    world = World(weight=NOTHING, stable=ALL, candidate=ALL, primary=Side.STABLE, test=False)
    truth = platform.observe(plan).truth
    return (
        *reconcile(plan, world, truth),
        *(d for d in differences(plan, world, truth) if d.what != "traffic"),
    )
