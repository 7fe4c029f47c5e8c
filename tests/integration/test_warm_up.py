"""A warm-up with real requests: the same to both sides, judged, bounded, and run again under its key."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from crossfade.dataplane import EDGES_MS
from crossfade.engine import SqliteStore, SystemClock
from crossfade.engine.hooks import HookRunner
from crossfade.errors import PlatformError
from crossfade.platforms.local import LocalPlatform
from crossfade.release.plan import Limits, Plan
from crossfade.release.values import HookResult, HookSay, Side
from crossfade.signals import asking
from crossfade.signals.warming import Warming
from crossfade.testing import NOON, opening, small_plan

pytestmark = pytest.mark.real

KEY = "R1:before:0"


@dataclass
class Service:
    """A test route: one address, two sides."""

    delay: dict[str, float] = field(default_factory=lambda: {"candidate": 0.004, "stable": 0.004})
    status: dict[str, int] = field(default_factory=lambda: {"candidate": 200, "stable": 200})
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    """(side, path, key) in the order of arrival."""
    port: int = 0

    def paths(self, side: str) -> list[str]:
        return [path for who, path, _ in self.seen if who == side]


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            side = self.headers.get("x-crossfade-side", "candidate")
            made.seen.append((side, self.path, self.headers.get("x-crossfade-key", "")))
            time.sleep(made.delay[side])
            self.send_response(made.status[side])
            self.send_header("content-length", "3")
            self.end_headers()
            self.wfile.write(b"ok\n")

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """A client that gave up is no error of the test."""

    with Server(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "state") as made:
        plan = small_plan()
        made.open_release(plan, opening(plan), NOON)
        yield made


def a_plan(limit: float = 60.0, **asked: Any) -> Plan:
    wanted = {
        "paths": ["/", "/search?q=a"],
        "for_s": 2.0,
        "rate": 120.0,
        "mirror": 0.0,
        "alpha": 0.001,
        **asked,
    }
    return replace(
        small_plan(),
        hooks={KEY: {"warm_up": wanted}},
        limits=Limits(hook=timedelta(seconds=limit)),
        judging={"alpha": 0.01, "gates": {"errors": {}, "latency": {"at_most": 3.0, "must_see": 5.0}}},
    )


def runner(store: SqliteStore, port: int) -> HookRunner:
    clock = SystemClock()
    warm_up = Warming(pace=clock, edges_ms=EDGES_MS, aside=LocalPlatform.aside)
    return HookRunner(store, clock, lambda _: {"CROSSFADE_TEST_URL": f"http://127.0.0.1:{port}"}, warm_up)


def came(hooks: HookRunner, seconds: float = 15.0) -> HookResult:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = hooks.results("R1").get(KEY)
        if result is not None and result.say is not HookSay.RUNNING:
            return result
        time.sleep(0.01)
    raise AssertionError(f"no result: {hooks.results('R1')}")


def ran(store: SqliteStore, service: Service, plan: Plan) -> HookResult:
    hooks = runner(store, service.port)
    hooks.start(plan, KEY)
    try:
        return came(hooks)
    finally:
        hooks.close()


def test_both_sides_are_asked_the_same_paths_under_the_hooks_key(
    store: SqliteStore, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    result = ran(store, service, a_plan())

    assert result.say is HookSay.PASSED, result.text
    assert re.search(r"errors 0 of 1[0-2]\d \(stable 0\)", result.text), result.text
    assert sorted(service.paths("candidate")) == sorted(service.paths("stable"))
    # A machine that is busy sends a few less: the schedule waits for nobody.
    assert 200 <= len(service.paths("stable")) <= 240
    assert {key for _, _, key in service.seen} == {KEY}


def test_what_was_judged_stands_beside_the_log_and_the_text_names_it(
    store: SqliteStore, service: Service
) -> None:
    result = ran(store, service, a_plan())
    name = result.text.rpartition("logs/")[2]
    header, *intervals = map(json.loads, (store.folder / "logs" / name).read_text().splitlines())

    assert header["alpha"] == pytest.approx(0.001)
    assert 100 <= sum(interval["candidate"]["requests"] for interval in intervals) <= 120


def test_a_far_slower_candidate_fails(store: SqliteStore, service: Service) -> None:
    # Not ten times slower: a busy machine makes stable that slow too.
    service.delay["candidate"] = 0.300
    result = ran(store, service, a_plan())

    assert result.say is HookSay.FAILED
    assert "x of stable's (" in result.text


def test_a_slow_candidate_does_not_slow_the_schedule(store: SqliteStore, service: Service) -> None:
    service.delay["candidate"] = 0.300
    began = time.monotonic()
    ran(store, service, a_plan(rate=60.0))

    assert len(service.paths("stable")) >= 100
    assert time.monotonic() - began < 20.0, "one after the other they would take 36 s"


def test_a_candidate_that_never_answers_fails_although_nothing_waits_for_it(
    store: SqliteStore, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE_S", 0.2)
    service.delay["candidate"] = 1.0
    result = ran(store, service, a_plan(rate=60.0))

    assert result.say is HookSay.FAILED
    assert "no answer on /" in result.text


def test_a_dead_candidate_is_stopped_before_the_end(store: SqliteStore, service: Service) -> None:
    service.status["candidate"] = 503
    result = ran(store, service, a_plan())

    assert result.say is HookSay.FAILED
    assert len(service.paths("candidate")) < 230


def test_a_path_that_nobody_answers_fails_by_name(store: SqliteStore, service: Service) -> None:
    service.status = {"candidate": 404, "stable": 404}
    result = ran(store, service, a_plan(for_s=0.5))

    assert result.say is HookSay.FAILED
    assert "never answered well by either side: / (404), /search (404)" in result.text


def test_its_deadline_ends_it(store: SqliteStore, service: Service) -> None:
    result = ran(store, service, a_plan(limit=0.5))

    assert result.say is HookSay.FAILED
    assert "no end within" in result.text


def test_R33_ended_in_the_middle_it_has_no_result_and_runs_again_under_its_key(
    store: SqliteStore, service: Service
) -> None:
    first = runner(store, service.port)
    first.start(a_plan(), KEY)
    while len(service.seen) < 40:
        time.sleep(0.01)
    first.close()
    before = len(service.seen)

    assert first.results("R1") == {}
    assert ran(store, service, a_plan()).say is HookSay.PASSED
    assert len(service.seen) >= before + 480


def test_a_first_release_asks_the_candidate_only(store: SqliteStore, service: Service) -> None:
    result = ran(store, service, replace(a_plan(for_s=0.5), stable=None))

    assert result.say is HookSay.PASSED
    assert service.paths("stable") == []
    assert "no stable to compare with" in result.text


def test_a_route_that_does_not_open_is_said(
    store: SqliteStore, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "OPENS_S", 0.05)
    service.port = 9

    assert ran(store, service, a_plan()).text == "the test route does not answer: Connection refused"


def test_copies_are_refused_where_the_platform_makes_none(store: SqliteStore, service: Service) -> None:
    assert "`mirror` is not possible" in ran(store, service, a_plan(mirror=0.1)).text


def test_copies_are_switched_on_before_the_first_request_and_off_after_the_last(
    tmp_path: Path, service: Service
) -> None:
    told: list[tuple[float, int]] = []
    warm_up = Warming(
        pace=SystemClock(),
        edges_ms=EDGES_MS,
        aside={},
        mirror=lambda _, share: told.append((share, len(service.seen))),
    )
    plan = a_plan(for_s=0.3)
    asked: Mapping[str, Any] = {"paths": ["/"], "for_s": 0.3, "rate": 120.0, "mirror": 0.2, "alpha": 0.0004}
    warm_up(
        plan,
        KEY,
        asked,
        url=f"http://127.0.0.1:{service.port}",
        limit=20.0,
        stop=threading.Event(),
        record=tmp_path / "hook.jsonl",
    )

    assert told == [(0.2, 0), (0.0, len(service.seen))]
    assert json.loads((tmp_path / "hook.jsonl").read_text().splitlines()[0])["alpha"] == 0.0004


def test_each_side_may_be_behind_an_address_of_its_own(tmp_path: Path, service: Service) -> None:
    """Behind a load balancer users' own way in leads to stable, staff's to the candidate."""
    url = f"http://127.0.0.1:{service.port}"
    ways = {
        Side.CANDIDATE: asking.Way(url=f"{url}/staff", headers={"host": "staff.example"}),
        Side.STABLE: asking.Way(url=url, headers={"x-crossfade-side": "stable"}),
    }
    warm_up = Warming(pace=SystemClock(), edges_ms=EDGES_MS, aside={}, ways=lambda _: ways)
    asked: Mapping[str, Any] = {"paths": ["/"], "for_s": 0.3, "rate": 60.0, "alpha": 0.001}

    result = warm_up(
        a_plan(),
        KEY,
        asked,
        url="http://127.0.0.1:9",
        limit=20.0,
        stop=threading.Event(),
        record=tmp_path / "hook.jsonl",
    )

    assert result.say is HookSay.PASSED, result.text
    assert set(service.paths("candidate")) == {"/staff/"}
    assert set(service.paths("stable")) == {"/"}
    assert {key for _, _, key in service.seen} == {KEY}


def test_a_way_in_that_is_not_known_is_a_failure_that_says_so(tmp_path: Path) -> None:
    def nowhere(_: Plan) -> Mapping[Side, asking.Way]:
        raise PlatformError("CF4426", "the rule is not there", "it was deleted")

    warm_up = Warming(pace=SystemClock(), edges_ms=EDGES_MS, aside={}, ways=nowhere)
    asked: Mapping[str, Any] = {"paths": ["/"], "for_s": 0.3, "rate": 60.0, "alpha": 0.001}

    result = warm_up(
        a_plan(), KEY, asked, url="", limit=20.0, stop=threading.Event(), record=tmp_path / "hook.jsonl"
    )

    assert (result.say, result.text) == (
        HookSay.FAILED,
        "the way in is not known: the rule is not there: it was deleted",
    )


def test_who_is_asked_first_alternates_for_each_path(store: SqliteStore, service: Service) -> None:
    ran(store, service, a_plan(for_s=2.0, rate=20.0))
    pairs = list(zip(service.seen[::2], service.seen[1::2], strict=True))
    first = [one[0] for one, _ in pairs if one[1] == "/"]

    assert {"candidate", "stable"} == set(first)
    assert 2 <= first.count("stable") <= 18  # of twenty, by chance: once in 25,000 runs outside
