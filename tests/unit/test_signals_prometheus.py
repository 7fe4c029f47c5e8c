"""Counters as a Prometheus tells them: what is stale, absent or refused is neither zero nor silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from prometheus_world import ARMS, SOURCE, Desk, FakePrometheus, Fleet
from signals_world import PLAN, START, Paced

from crossfade.errors import PlatformError
from crossfade.release.values import Say, Side
from crossfade.signals import promql
from crossfade.signals.arms import Arms
from crossfade.signals.conventions import Given, Names
from crossfade.signals.fetching import Page, TooLongError
from crossfade.signals.prometheus import Prometheus
from crossfade.spec.selectors import matchers


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
