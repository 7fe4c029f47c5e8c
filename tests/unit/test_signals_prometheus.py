"""Counters as a Prometheus tells them: what is stale, absent or refused is neither zero nor silent."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from signals_world import PLAN, START, Health, Memory, Paced

from crossfade.errors import PlatformError
from crossfade.release.state import State
from crossfade.release.values import Say, Side, Verdict
from crossfade.signals import Alarms, ReleaseSignals, promql
from crossfade.signals.arms import Arms
from crossfade.signals.conventions import Given, Names
from crossfade.signals.fetching import Page, TooLongError
from crossfade.signals.prometheus import Prometheus
from crossfade.signals.scrape import CounterSlots
from crossfade.spec.selectors import all_hold, matchers

ARMS = Arms(load_balancer="app/x/1", stable="targetgroup/a/1", candidate="targetgroup/b/2")
SOURCE = {
    "kind": "prometheus",
    "url": "http://p:9090/",
    "every_s": 15.0,
    "stable": 'version="{revision}"',
    "candidate": 'version="{revision}"',
}
LOOK_BACK = 300.0
EDGES = (50.0, 500.0, 1000.0, 5000.0)
Labels = Mapping[str, str]


@dataclass
class FakePrometheus:
    """Samples by series, told as Prometheus tells them: the newest of five minutes, unless it went stale."""

    samples: dict[tuple[tuple[str, str], ...], list[tuple[float, float | None]]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    answer: Callable[[str], Page] | None = None

    def scrape(self, at: float, labels: Labels, value: float | None) -> None:
        """None: a stale marker."""
        self.samples.setdefault(tuple(sorted(labels.items())), []).append((at, value))

    def fetch(self, url: str, _patience_s: float) -> Page:
        place = urlsplit(url)
        assert (place.netloc, place.path) == ("p:9090", "/api/v1/query_range")
        asked = {key: one[0] for key, one in parse_qs(place.query).items()}
        self.asked[asked["query"].split("{")[0]] += 1
        if self.answer is not None:
            return self.answer(asked["query"])
        first, last, step = (float(asked[key]) for key in ("start", "end", "step"))
        times = [first + k * step for k in range(int((last - first) / step + 1e-6) + 1)]
        found = [
            {"metric": dict(labels), "values": [[at, str(value)] for at, value in values]}
            for labels, values in self._evaluated(asked["query"], times)
        ]
        said = {"status": "success", "data": {"resultType": "matrix", "result": found}}
        return Page(kind="application/json", text=json.dumps(said))

    def _evaluated(self, query: str, times: list[float]) -> list[tuple[Labels, list[tuple[float, float]]]]:
        told = re.fullmatch(r"(?:(group|sum|max) by \(([^)]*)\) \((timestamp\()?)?(\{.*?\})\)*", query)
        assert told, query
        kept, conditions = {one.strip() for one in (told[2] or "").split(",")}, matchers(told[4])
        grouped: dict[tuple[tuple[str, str], ...], dict[float, list[float]]] = {}
        for labels in self.samples:
            if not all_hold(conditions, lambda name, own=dict(labels): own.get(name, "")):  # type: ignore[misc]
                continue
            group = tuple(pair for pair in labels if pair[0] in kept) if told[1] else labels
            for at in times:
                newest = self._at(labels, at)
                if newest is not None:
                    value = newest[0] if told[3] else newest[1]
                    grouped.setdefault(group, {}).setdefault(at, []).append(value)
        fold = {"group": lambda _: 1.0, "sum": sum, "max": max, None: lambda one: one[0]}[told[1]]
        return [
            (dict(group), [(at, fold(values)) for at, values in sorted(by_time.items())])  # type: ignore[operator]
            for group, by_time in grouped.items()
        ]

    def _at(self, labels: tuple[tuple[str, str], ...], at: float) -> tuple[float, float] | None:
        there = [one for one in self.samples[labels] if at - LOOK_BACK < one[0] <= at]
        return None if not there or there[-1][1] is None else (there[-1][0], there[-1][1])


@dataclass
class Fleet:
    """Programs of two versions, scraped every 15 s."""

    fake: FakePrometheus
    errors: float = 0.0
    slower: float = 0.0
    """Share of the candidate's requests that take two seconds."""
    upto: float = START - 3000
    total: dict[str, Counter[str]] = field(default_factory=dict)
    down: dict[str, float] = field(default_factory=dict)
    """Program -> since when it cannot be scraped: a stale marker, and nothing more."""
    silent_since: float = float("inf")
    """Since when Prometheus scrapes nobody at all."""

    def until(self, end: float) -> None:
        while self.upto + 15 <= end:
            self.upto += 15
            at = self.upto
            for name, version, rate in (("s1", "v41", 2700), ("c1", "v42", 150), ("c2", "v42", 150)):
                if version == "v42" and at < START - 30:
                    continue
                mine = self.total.setdefault(name, Counter())
                sick = version == "v42"
                bad = round(rate * self.errors) if sick else rate // 500
                slow = round(rate * self.slower) if sick else rate // 500
                mine["200"] += rate - bad
                mine["500"] += bad
                fast = rate - slow
                for le, count in (
                    ("0.05", min(rate // 2, fast)),
                    ("0.5", fast),
                    ("1", fast),
                    ("5", rate),
                    ("+Inf", rate),
                ):
                    mine[f"le{le}"] += count
                self._scraped(at, name, version, mine)

    def _scraped(self, at: float, name: str, version: str, mine: Counter[str]) -> None:
        if at >= self.silent_since:
            return
        gone = self.down.get(name)
        if gone is not None and at >= gone + 15:
            return
        for key, count in mine.items():
            who = {"instance": name, "version": version, "job": "shop"}
            if key.startswith("le"):
                labels = {"__name__": "http_request_duration_seconds_bucket", "le": key[2:], **who}
            else:
                labels = {"__name__": "http_requests_total", "code": key, "path": "/", **who}
            self.fake.scrape(at, labels, None if gone is not None and at >= gone else float(count))


def at_once(job: Any) -> Future[Page]:
    done: Future[Page] = Future()
    try:
        done.set_result(job())
    except (OSError, ValueError) as error:
        done.set_exception(error)
    return done


class Desk:
    def __init__(self, fleet: Fleet | None = None, **source: Any) -> None:
        self.fleet = fleet or Fleet(FakePrometheus())
        self.now = START
        self.plan = replace(PLAN, judging={**PLAN.judging, "source": {**SOURCE, **source}})
        self.source = Prometheus(
            Paced(), arms=lambda _: ARMS, fetch=self.fleet.fake.fetch, submit=at_once, now=lambda: self.now
        )
        self.signals = ReleaseSignals(
            counts=self.source,
            health=Health(),
            memory=Memory(),
            pace=Paced(),
            alarms=Alarms(fetch=lambda *_: "OK", monotonic=lambda: 0.0),
        )

    def run(self, since: float, until: float, edges: tuple[float, ...] = EDGES) -> CounterSlots:
        for half in range(int(since * 2), int(until * 2) + 1):
            self.now = START + half / 2
            self.fleet.until(self.now)
            found = self.source.slots(self.plan, START - 600, edges)
        return found

    def until_said(self, gate: str, say: Say, most: int = 400) -> tuple[float, Verdict]:
        pace = Paced()
        state = State(since=pace.instant(START), index=1, reached=pace.instant(START + 0.5))
        for seconds in range(1, most):
            self.now = START + seconds
            self.fleet.until(self.now)
            said = self.signals.verdicts(self.plan, state, pace.instant(self.now))
            found = next(one for one in said if one.gate == gate)
            if found.say is say:
                return seconds, found
        raise AssertionError(f"never {say}: {found.say} {found.text}")


class TestCounts:
    def test_slots_hold_what_each_instance_served_its_past_included(self) -> None:
        found = Desk().run(0, 60)
        last = found.intervals[-1]

        assert found.slot_s == 15
        assert found.watermark >= START + 30
        assert found.known_from <= START - 900
        assert [name for name, _ in last.candidate_instances] == ["c1", "c2"]
        assert last.stable == {
            "requests": 2700.0,
            "errors": 5.0,
            "latency": [1350.0, 1345.0, 0.0, 5.0, 0.0],
            "kpi": {},
        }
        assert last.candidate is not None
        assert last.candidate["requests"] == 300

    def test_a_good_release_passes_against_the_past_that_prometheus_has(self) -> None:
        seconds, found = Desk().until_said("errors", Say.PASS)

        assert seconds <= 120
        assert found.numbers["source"] == "prometheus at http://p:9090/"

    def test_errors_and_slow_answers_are_stopped(self) -> None:
        assert Desk(Fleet(FakePrometheus(), errors=0.2)).until_said("errors", Say.FAIL)[0] <= 120
        assert Desk(Fleet(FakePrometheus(), slower=0.2)).until_said("latency", Say.FAIL)[0] <= 200

    def test_questions_are_asked_as_often_as_there_is_something_new(self) -> None:
        desk = Desk()
        desk.run(0, 30)
        before = desk.fleet.fake.asked.total()
        desk.run(30, 180)

        assert desk.fleet.fake.asked.total() - before == pytest.approx(10 * 6, abs=6)


class TestMissing:
    def test_R24_an_instance_that_cannot_be_scraped_is_waited_for_then_left_out_and_told(self) -> None:
        desk = Desk()
        desk.fleet.down["c2"] = START + 60
        found = desk.run(0, 200)
        late = [slot for slot in found.intervals if slot.start >= START + 120]

        assert late
        assert all(slot.candidate is not None and slot.candidate["requests"] == 150 for slot in late)
        assert any(slot.aside for slot in found.intervals)

    def test_R24_a_side_that_vanished_is_unread_and_not_silent(self) -> None:
        desk = Desk()
        desk.fleet.down |= {"c1": START + 60, "c2": START + 60}
        found = desk.run(0, 300)
        late = [slot for slot in found.intervals if slot.start >= START + 90]

        assert late
        assert all(slot.candidate is None for slot in late)
        assert all(slot.stable is not None for slot in late)

    def test_R24_values_that_nobody_measured_again_are_the_past_and_no_silence(self) -> None:
        """Prometheus goes on telling a value for five minutes after it stopped scraping."""
        desk = Desk()
        desk.fleet.silent_since = START + 60
        found = desk.run(0, 240)
        late = [slot for slot in found.intervals if slot.start >= START + 105]

        assert all(slot.stable is None and slot.candidate is None for slot in late)

    def test_R24_nan_is_no_count(self) -> None:
        desk = Desk()
        desk.run(0, 60)
        who = {"__name__": "http_requests_total", "code": "200", "path": "/", "job": "shop"}
        for name, version in (("c1", "v42"), ("c2", "v42")):
            desk.fleet.until(START + 75)
            desk.fleet.fake.scrape(START + 75.1, {**who, "instance": name, "version": version}, float("nan"))
        found = desk.run(60, 200)

        assert all(
            slot.candidate is None or float(str(slot.candidate["requests"])) <= 320
            for slot in found.intervals
        )

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ('{"status":"error","errorType":"bad_data","error":"parse error"}', "parse error"),
            ("<html>", "Expecting value"),
            ("[]", "refused"),
            ('{"status":"success","data":{"resultType":"scalar","result":[]}}', "scalar"),
            (
                '{"status":"success","data":{"resultType":"matrix","result":[{"values":[[1,"x"]]}]}}',
                "garbled",
            ),
            ('{"status":"success","data":{"resultType":"matrix","result":[]}}', "no HTTP requests"),
        ],
    )
    def test_R24_an_answer_that_is_none_is_a_problem_with_its_reason(self, text: str, why: str) -> None:
        fake = FakePrometheus(answer=lambda _: Page(kind="application/json", text=text))

        assert why in Desk(Fleet(fake)).run(0, 30).problem

    def test_R24_a_prometheus_that_is_away_for_a_while_has_lost_nothing(self) -> None:
        desk = Desk()
        desk.run(0, 60)

        def away(_query: str) -> Page:
            raise ConnectionRefusedError("connection refused")

        desk.fleet.fake.answer = away
        assert "refused" in desk.run(60, 120).problem
        desk.fleet.fake.answer = None
        found = desk.run(120, 180)

        assert not found.problem
        whole = [slot for slot in found.intervals if slot.start >= START]
        assert [slot.start for slot in whole] == [START + 15 * k for k in range(len(whole))]
        assert all(slot.stable is not None and slot.stable["requests"] == 2700 for slot in whole)

    def test_a_past_that_is_too_much_to_read_is_left_and_counting_begins_now(self) -> None:
        desk = Desk()
        honest = desk.fleet.fake

        def long(query: str) -> Page:
            if query.startswith("sum"):
                raise TooLongError("it is longer than 8388608 bytes")
            honest.answer = None
            try:
                return honest.fetch("http://p:9090/api/v1/query_range?" + desk_query(query), 1.0)
            finally:
                honest.answer = long

        def desk_query(query: str) -> str:
            from urllib.parse import urlencode

            return urlencode({"query": query, "start": START - 15, "end": START - 15, "step": 15})

        honest.answer = long
        assert "longer" in desk.run(0, 10).problem
        honest.answer = None

        assert desk.run(10, 90).watermark >= START + 60

    def test_without_buckets_the_latency_gate_has_no_data_and_says_why(self) -> None:
        fake = FakePrometheus()
        for at in range(-600, 60, 15):
            labels = {"__name__": "http_requests_total", "code": "200", "instance": "s1", "version": "v41"}
            fake.scrape(START + at, labels, 1000.0 + at)
        desk = Desk(Fleet(fake, upto=START + 9999))
        desk.run(0, 40)

        with pytest.raises(PlatformError, match="histogram"):
            desk.source.edges_ms(desk.plan)


class TestQuestions:
    def test_conditions_are_filled_in_and_what_a_revision_holds_breaks_no_query(self) -> None:
        asked = {**SOURCE, "stable": 'v="{revision}"', "candidate": 'v=~"x-{revision}", g="{target_group}"'}
        plan = replace(PLAN, stable='a"b\\c', candidate="1.2.3+x", judging={"source": asked})
        stable, candidate = (promql.conditions(plan, side, ARMS) for side in (Side.STABLE, Side.CANDIDATE))

        assert matchers(", ".join(map(str, stable))) == stable
        assert stable[0].holds('a"b\\c')
        assert candidate[0].holds("x-1.2.3+x")
        assert not candidate[0].holds("x-1a2a3+x")
        assert candidate[1].value == ARMS.candidate

    def test_every_question_names_its_side(self) -> None:
        of_side = matchers('version="v1"')
        asked = promql.questions(
            Names(requests="r_total", errors=(), latency="took_seconds"), Given(), of_side
        )

        for query in (asked.series, asked.buckets, asked.newest, promql.discovery(Given(), of_side)):
            assert 'version="v1"' in query
        assert "took_seconds_bucket" in asked.buckets

    def test_a_plan_whose_conditions_cannot_be_filled_is_a_problem_and_raises_nothing(self) -> None:
        desk = Desk(candidate='g="{target_group}"')

        def unknown(_plan: Any) -> Arms:
            raise PlatformError("CF4203", "the groups could not be read", "throttled")

        desk.source = Prometheus(Paced(), arms=unknown, fetch=desk.fleet.fake.fetch, now=lambda: START)
        found = desk.source.slots(desk.plan, START, ())

        assert "could not be read" in found.problem
        desk.source.watch(desk.plan)
