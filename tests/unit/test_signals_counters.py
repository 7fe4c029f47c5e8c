"""Counters become counts: nothing twice, nothing below zero, nothing of another time."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scrape_world import Desk, Fleet
from signals_world import START

from crossfade.errors import PlatformError
from crossfade.release.values import Say, Side
from crossfade.signals.conventions import Names, Reading
from crossfade.signals.counters import GONE, Tally, Who, between
from crossfade.signals.exposition import Series
from crossfade.signals.fetching import Page
from crossfade.signals.scrape import Scrape
from crossfade.spec.selectors import matchers

NAMES = Names(requests="r", errors=matchers('code=~"5.."'), latency="t", ms=1000.0)
EDGES = (50.0, 100.0)


@dataclass
class App:
    """A program with counters; what it really did is kept beside."""

    started: float = 0.0
    shows_start: bool = True
    codes: Counter[str] = field(default_factory=Counter)
    below: Counter[float] = field(default_factory=Counter)

    def serve(self, rng: random.Random) -> None:
        self.codes["503" if rng.random() < 0.1 else "200"] += 1
        took = rng.choice([0.01, 0.07, 0.5])
        for edge in (0.05, 0.1, inf):
            self.below[edge] += took <= edge

    def restart(self) -> None:
        self.started += 100
        self.codes.clear()
        self.below.clear()

    def reading(self) -> Reading:
        return Reading(
            requests={Series("r", (("code", code),)): float(count) for code, count in self.codes.items()},
            buckets={
                Series("t_bucket", (("le", "+Inf" if edge == inf else str(edge)),)): float(count)
                for edge, count in self.below.items()
            },
            started=self.started if self.shows_start else None,
        )


class TestTally:
    @settings(max_examples=60, deadline=None)
    @given(st.randoms(use_true_random=False), st.booleans())
    def test_slots_add_up_to_what_was_served_whatever_is_missed_or_restarted(
        self, rng: random.Random, shows_start: bool
    ) -> None:
        """Lost is only what a program counted between its last reading and its end; never more is counted."""
        tally = Tally(names={Side.STABLE: NAMES, Side.CANDIDATE: NAMES})
        apps = {(Side.STABLE, "a"): App(shows_start=shows_start), (Side.CANDIDATE, "b"): App()}
        for app in apps.values():
            for _ in range(rng.randrange(20)):
                app.serve(rng)  # before the first reading: nobody's
        served: Counter[Side] = Counter()
        lost: Counter[Side] = Counter()
        since: Counter[Who] = Counter()
        misses: Counter[Who] = Counter()
        for slot in range(30):
            readings: dict[Who, Reading | None] = {}
            for who, app in apps.items():
                hidden = 0 < slot < 29 and misses[who] < GONE - 1 and rng.random() < 0.3
                misses[who] = misses[who] + 1 if hidden else 0
                readings[who] = None if hidden else app.reading()
                if not hidden:
                    since[who] = 0
            before = tally.until
            tally.take(slot, readings)
            assert before <= tally.until <= slot
            if slot == 29:
                break
            for who, app in apps.items():
                if rng.random() < 0.05:
                    lost[who[0]] += since[who]
                    since[who] = 0
                    app.restart()
                for _ in range(rng.randrange(1, 12)):
                    app.serve(rng)
                    served[who[0]] += 1
                    since[who] += 1
        assert tally.until == 29
        for side in Side:
            arms = [tally.arm(slot, side, EDGES) for slot in range(29)]
            assert all(arm is not None for arm in arms)
            counted = sum(float(str(arm["requests"])) for arm in arms if arm)
            rows = [list(arm["latency"]) for arm in arms if arm]  # type: ignore[call-overload]
            assert all(count >= 0 for row in rows for count in row)
            if side is Side.CANDIDATE or shows_start:
                assert counted == pytest.approx(served[side] - lost[side])
                assert sum(map(sum, rows)) == pytest.approx(counted)
            else:  # a restart that nobody tells may hide behind more traffic than before
                assert counted <= served[side] + 1e-6

    def test_a_new_series_of_a_known_instance_is_counted_from_its_first_value(self) -> None:
        """The first 503 makes its series: left out, the first errors of a bad version would be unseen."""
        before = Reading(requests={Series("r", (("code", "200"),)): 10.0}, buckets={})
        after = replace(before, requests={**before.requests, Series("r", (("code", "503"),)): 7.0})

        assert (between(before, after, NAMES, {}).requests, between(before, after, NAMES, {}).errors) == (
            7.0,
            7.0,
        )

    def test_what_a_new_instance_had_counted_before_is_nobody_s(self) -> None:
        tally = Tally(names={Side.CANDIDATE: NAMES})
        app = App()
        for _ in range(100):
            app.serve(random.Random(1))
        tally.take(0, {})
        tally.take(1, {(Side.CANDIDATE, "b"): app.reading()})
        tally.take(2, {(Side.CANDIDATE, "b"): app.reading()})

        assert [arm["requests"] for slot in (0, 1) if (arm := tally.arm(slot, Side.CANDIDATE, ()))] == [0, 0]

    def test_R28_an_instance_that_does_not_answer_is_waited_for_and_then_left_out(self) -> None:
        tally = Tally(names={Side.STABLE: NAMES})
        good, hung = (Side.STABLE, "a"), (Side.STABLE, "b")
        tally.take(0, {good: App().reading(), hung: App().reading()})
        for slot in range(1, GONE):
            tally.take(slot, {good: App().reading(), hung: None})
            assert tally.until == 0
        tally.take(GONE, {good: App().reading(), hung: None})

        assert tally.until == GONE
        assert [tally.missing(slot) for slot in range(GONE)] == [1] * GONE

    def test_R24_a_side_of_which_nobody_answers_is_unread_and_not_silent(self) -> None:
        tally = Tally(names={Side.STABLE: NAMES})
        for slot in range(6):
            tally.take(slot, {(Side.STABLE, "a"): App().reading(), (Side.CANDIDATE, "b"): None})

        assert tally.arm(4, Side.CANDIDATE, ()) is None
        assert tally.arm(4, Side.STABLE, ()) is not None

    def test_an_instance_taken_out_on_purpose_is_waited_for_by_nobody(self) -> None:
        tally = Tally(names={Side.STABLE: NAMES})
        tally.take(0, {(Side.STABLE, "a"): App().reading(), (Side.STABLE, "b"): App().reading()})
        tally.take(1, {(Side.STABLE, "a"): App().reading()})

        assert tally.until == 1
        assert not tally.missing(0)

    @pytest.mark.parametrize("value", [float("nan"), inf, -1.0])
    def test_R24_a_reading_that_holds_no_count_is_none(self, value: float) -> None:
        tally = Tally(names={Side.STABLE: NAMES})
        who = (Side.STABLE, "a")
        tally.take(0, {who: App().reading()})
        tally.take(1, {who: Reading(requests={Series("r", ()): value}, buckets={})})

        assert tally.until == 0

    def test_buckets_that_only_one_version_has_are_read_as_those_that_both_have(self) -> None:
        def shown(edges: dict[str, float]) -> Reading:
            buckets = {Series("t_bucket", (("le", le),)): count for le, count in edges.items()}
            return Reading(requests={Series("r", (("code", "200"),)): 0.0}, buckets=buckets)

        tally = Tally(names={Side.STABLE: NAMES})
        old = {"0.05": 0.0, "0.1": 0.0, "+Inf": 0.0}
        new = {"0.05": 0.0, "0.07": 0.0, "0.1": 0.0, "+Inf": 0.0}
        tally.take(0, {(Side.STABLE, "a"): shown(old), (Side.CANDIDATE, "b"): shown(new)})
        after = {"0.05": 1.0, "0.07": 2.0, "0.1": 4.0, "+Inf": 5.0}
        tally.take(1, {(Side.STABLE, "a"): shown(old), (Side.CANDIDATE, "b"): shown(after)})
        found = tally.arm(0, Side.CANDIDATE, tally.edges_ms())

        assert tally.edges_ms() == (50.0, 100.0)
        assert found is not None
        assert found["latency"] == [] or sum(found["latency"]) == 5  # type: ignore[call-overload]


class TestScrape:
    def test_a_good_release_passes_against_a_history_scraped_before_any_traffic(self) -> None:
        desk = Desk(Fleet())
        seconds, found = desk.until_said("latency", Say.PASS)

        assert 60 <= seconds <= 80
        assert found.numbers["source"] == "scrape of /metrics"

    def test_errors_of_one_in_ten_are_stopped_in_seconds(self) -> None:
        seconds, _ = Desk(Fleet(candidate_errors=0.1)).until_said("errors", Say.FAIL)

        assert seconds <= 30

    def test_p99_three_times_as_long_is_stopped_within_a_minute(self) -> None:
        seconds, found = Desk(Fleet(slower=3.0)).until_said("latency", Say.FAIL)

        assert seconds <= 60
        assert "slower than" in found.text

    @pytest.mark.parametrize(("factor", "every"), [(1.0, 5.0), (5.0, 5.0), (1.0, 2.0), (7.0, 10.0)])
    def test_instances_are_asked_once_in_every_span_however_often_one_looks(
        self, factor: float, every: float
    ) -> None:
        desk = Desk(Fleet(), factor, every)
        desk.run(0, 60)
        times = desk.fleet.asked.count("s1")

        assert abs(times - 60 * factor / every) <= 2 or times == pytest.approx(120, abs=2)

    def test_slots_hold_what_was_served_by_each_instance(self) -> None:
        desk = Desk(Fleet())
        found = desk.run(-20, 60)

        assert [name for name, _ in found.intervals[0].candidate_instances] == ["c1", "c2"]
        whole = [slot for slot in found.intervals if slot.start >= START]
        assert all(slot.stable is not None and slot.stable["requests"] == 270 * 5 for slot in whole)
        assert all(slot.candidate is not None and slot.candidate["requests"] == 30 * 5 for slot in whole)

    def test_R24_a_side_that_shows_nothing_is_a_problem_with_its_reason(self) -> None:
        fleet = Fleet()
        desk = Desk(fleet)
        desk.run(0, 20)
        fleet.hung = {"c1", "c2"}

        assert "did not answer in time" in desk.run(20, 40).problem
        fleet.hung = set()
        fleet.answers = {"s1": "<html>\n"}
        assert not desk.run(40, 60).problem or "stable" in desk.run(40, 60).problem

    def test_R24_garbled_counters_are_a_problem_and_not_zero(self) -> None:
        fleet = Fleet()
        desk = Desk(fleet)
        desk.run(0, 20)
        fleet.answers = dict.fromkeys(("c1", "c2"), "http_requests_total{ 5\n")

        assert "garbled" in desk.run(20, 40).problem

    def test_R24_programs_without_counters_of_requests_are_a_problem(self) -> None:
        fleet = Fleet(answers=dict.fromkeys(("s1", "c1", "c2"), "go_goroutines 5\n"))

        assert "no instance shows HTTP requests" in Desk(fleet).run(0, 20).problem

    def test_a_version_that_names_its_requests_otherwise_is_read_by_its_own_names(self) -> None:
        fleet = Fleet()
        desk = Desk(fleet)
        for seconds in range(0, 30, 5):
            for name in ("c1", "c2"):
                shown = f'http_server_requests_seconds_count{{status="200"}} {seconds * 3 + 10}\n'
                fleet.answers[name] = shown
            found = desk.run(seconds, seconds)

        assert [slot.candidate["requests"] for slot in found.intervals if slot.candidate] == [30.0] * 4

    def test_without_buckets_the_latency_gate_has_no_data_and_says_why(self) -> None:
        fleet = Fleet(answers={"s1": 'http_requests_total{code="200"} 5\n'})
        fleet.answers |= dict.fromkeys(("c1", "c2"), 'http_requests_total{code="200"} 5\n')
        desk = Desk(fleet)
        desk.run(0, 20)

        with pytest.raises(PlatformError, match="histogram"):
            desk.source.edges_ms(desk.plan)
        desk.look(20)
        assert "histogram" in desk.look(25)["latency"].text

    def test_an_instance_that_hangs_holds_no_look_up(self) -> None:
        """Nobody waits for a thread: a look sends, and takes what has come."""
        open_ended: list[Future[Page]] = []

        def never(_job: Any) -> Future[Page]:
            open_ended.append(Future())
            return open_ended[-1]

        desk = Desk(Fleet())
        desk.source = Scrape(
            desk.fleet.addresses, desk.pace, fetch=desk.fleet.fetch, submit=never, now=lambda: desk.fleet.now
        )
        found = desk.run(0, 30)

        assert len(open_ended) == 3  # one scrape is out; no second before it has come
        assert not found.intervals
