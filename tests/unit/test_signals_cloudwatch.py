"""What CloudWatch's points mean: which minutes are settled, what each side did in them, where edges lie."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from metrics_world import ARMS, BEGIN, EDGES, Desk
from signals_world import PLAN

from crossfade.signals.cloudwatch_asked import asked, bins
from crossfade.signals.cloudwatch_reading import NOBODYS, Point, Read, Settle, closed, dealt, first_period
from crossfade.signals.edges import SAME, Wish, edges


class TestCounts:
    def test_counts_and_histogram_are_those_of_the_traffic_to_the_last_request(self) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 600, BEGIN + 600)
        found = desk.settled(0, 1000)

        assert len(found.intervals) == 10
        for slot in found.intervals:
            for arm, group in ((slot.stable, ARMS.stable), (slot.candidate, ARMS.candidate)):
                here = (group, int(slot.start))
                row = [0] * (len(EDGES) + 1)
                for took in desk.balancer.times[here]:
                    row[bisect_left(EDGES, took * 1000)] += 1
                assert arm["requests"] == desk.balancer.asked[here]
                assert arm["errors"] == desk.balancer.failed[here]
                assert arm["latency"] == row

    @pytest.mark.parametrize("factor", [1.0, 7.0, 20.0, 61.3])
    def test_a_faster_clock_s_minutes_lie_at_their_real_times_end_to_end(self, factor: float) -> None:
        desk = Desk(factor)
        desk.balancer.until(BEGIN - 600, BEGIN + 600)
        found = desk.settled(0, 1000)

        assert found.slot_s == 60 / factor
        assert len(found.intervals) == 10
        assert found.watermark == pytest.approx(found.intervals[-1].start + found.slot_s, abs=1e-4)
        assert found.known_from == pytest.approx(found.intervals[0].start, abs=1e-4)

    def test_requests_that_no_target_took_are_the_candidate_s_errors(self) -> None:
        desk = Desk(refused=0.1)
        desk.balancer.until(BEGIN - 600, BEGIN + 600)
        for slot in desk.settled(0, 1000).intervals:
            assert slot.candidate["errors"] == desk.balancer.failed[ARMS.candidate, int(slot.start)]
            assert slot.stable["errors"] == desk.balancer.failed[ARMS.stable, int(slot.start)]
            assert not slot.aside

    def test_requests_that_a_target_never_answered_are_dealt_to_whom_they_were_sent(self) -> None:
        """CloudWatch has the load balancer's own 5xx for all groups together, without a name on them."""
        desk = Desk(silent=0.2)
        desk.balancer.until(BEGIN - 600, BEGIN + 600)
        for slot in desk.settled(0, 1000).intervals:
            assert slot.candidate["errors"] == desk.balancer.failed[ARMS.candidate, int(slot.start)]
            assert slot.stable["errors"] == desk.balancer.failed[ARMS.stable, int(slot.start)]

    def test_another_service_s_503_are_of_neither_side_and_are_shown(self) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 600, BEGIN + 600)
        desk.watch.record(
            "HTTPCode_ELB_5XX_Count", 1, BEGIN + 120, {"LoadBalancer": ARMS.load_balancer}, count=500
        )
        slots = {int(slot.start - BEGIN): slot for slot in desk.settled(0, 1000).intervals}

        assert slots[120].aside == {NOBODYS: 500}
        assert slots[120].candidate["errors"] == desk.balancer.failed[ARMS.candidate, int(BEGIN + 120)]
        assert not slots[180].aside

    @given(
        st.floats(0, 1e6),
        st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=2, max_size=2),
    )
    def test_no_more_is_dealt_out_than_there_is_and_to_nobody_who_lost_nothing(
        self, own: float, groups: list[tuple[float, float]]
    ) -> None:
        lost = dealt(own, groups)

        assert sum(lost) <= max(own, sum(refused for refused, _ in groups)) * (1 + 1e-9) + 1e-9
        for (refused, silent), part in zip(groups, lost, strict=True):
            assert refused <= part <= (refused + silent) * (1 + 1e-9)


class TestMissing:
    def test_R24_a_series_of_errors_that_is_not_there_is_zero_only_because_requests_are(self) -> None:
        desk = Desk(errors=0.0, candidate_errors=0.0)
        desk.balancer.until(BEGIN - 600, BEGIN + 600)

        assert all(slot.stable["errors"] == 0 for slot in desk.settled(0, 1000).intervals)

    def test_R24_no_traffic_is_a_reading_where_the_group_lives(self) -> None:
        desk = Desk(weight=lambda _at: 0.0)
        desk.balancer.until(BEGIN - 600, BEGIN + 600)
        found = desk.settled(0, 1000)

        assert [slot.candidate["requests"] for slot in found.intervals] == [0.0] * 10

    def test_R28_without_a_sign_of_life_it_is_waited_for_before_silence_is_believed(self) -> None:
        desk = Desk(weight=lambda _at: 0.0, hosts=False)
        desk.balancer.until(BEGIN - 600, BEGIN + 1200)
        early = desk.settled(0, 200)
        late = desk.settled(0, 400)

        assert not early.intervals
        assert [slot.candidate["requests"] for slot in late.intervals][:2] == [0.0, 0.0]

    def test_R28_a_minute_is_not_read_before_it_is_settled(self) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 600, BEGIN + 1200)
        for seconds in range(0, 600, 10):
            desk.at(seconds)
            found = desk.slots()
            assert BEGIN + seconds - found.watermark >= 120 or not found.intervals
        assert len(found.intervals) >= 6

    def test_R28_a_minute_that_still_changes_is_waited_for(self) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 600, BEGIN + 600)
        where = {"LoadBalancer": ARMS.load_balancer, "TargetGroup": ARMS.stable}
        watermarks = []
        for seconds in range(130, 300, 10):
            desk.at(seconds)
            watermarks.append(desk.slots().watermark - BEGIN)
            desk.watch.record("RequestCount", 1, BEGIN, where)

        assert watermarks[-1] == 0
        desk.at(370)
        assert desk.slots().watermark - BEGIN >= 60

    def test_R24_nothing_of_the_load_balancer_at_all_is_a_problem_and_not_silence(self) -> None:
        desk = Desk()
        found = desk.settled(0, 600)

        assert "no point at all" in found.problem
        assert not found.intervals

    def test_R24_figures_that_stopped_coming_are_a_problem(self) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 600, BEGIN + 300)
        good, bad = desk.settled(0, 500), desk.settled(0, 900)

        assert not good.problem
        assert "the newest point ended" in bad.problem

    @pytest.mark.parametrize("value", [math.nan, -3.0, math.inf])
    def test_R24_what_is_no_count_makes_its_minute_unread_and_no_other(self, value: float) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 600, BEGIN + 600)
        where = {"LoadBalancer": ARMS.load_balancer, "TargetGroup": ARMS.candidate}
        desk.watch.values["AWS/ApplicationELB", "RequestCount", frozenset(where.items())][
            int(BEGIN) + 120
        ] = [(value, 1.0)]
        found = desk.settled(0, 1000)

        bad = [slot for slot in found.intervals if math.isnan(float(str(slot.candidate["requests"])))]
        assert [int(slot.start - BEGIN) for slot in bad] == [120]

    def test_buckets_that_do_not_add_up_are_no_histogram(self) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 600, BEGIN + 600)
        desk.watch.refuses = ""
        found = desk.settled(0, 1000)
        first = found.intervals[0]
        read = desk.source.metrics.read("r1", asked(ARMS, EDGES).metrics, BEGIN)
        broken = dict(read.series)
        samples = asked(ARMS, EDGES).stable.samples
        broken[samples] = {start: Point(point.value + 3, 0.0) for start, point in broken[samples].items()}
        told = closed(Read(at=read.at, series=broken), asked(ARMS, EDGES), int(BEGIN), Settle())

        assert first.stable["latency"]
        assert told.minutes[0].stable["latency"] == []
        assert told.minutes[0].candidate["latency"] == first.candidate["latency"]

    @settings(deadline=None, max_examples=60)
    @given(st.randoms(use_true_random=False))
    def test_R28_whatever_is_late_or_missing_settled_minutes_have_no_gap_and_only_grow(
        self, rng: random.Random
    ) -> None:
        wanted = asked(ARMS, EDGES[:1])
        minutes = [int(BEGIN) + 60 * k for k in range(6)]
        odds = rng.choice([(0, 70), (0, 70, 130, 200), (70, 400, math.inf), (math.inf,)])
        arrives = {
            (metric, start): start + 60 + rng.choice(odds) for metric in wanted.metrics for start in minutes
        }
        judged = int(BEGIN)
        for at in range(60, 900, 45):
            now = BEGIN + at
            series = {
                metric: {
                    start: Point(1.0, arrives[metric, start])
                    for start in minutes
                    if arrives[metric, start] <= now
                }
                for metric in wanted.metrics
            }
            found = closed(Read(at=now, series=series), wanted, judged, Settle())
            assert [minute.start for minute in found.minutes] == list(range(judged, found.until, 60))
            assert all(now - minute.start - 60 >= 120 for minute in found.minutes)
            assert found.problem or found.until <= minutes[-1] + 60
            judged = found.until


class TestEdges:
    @given(
        st.lists(st.floats(0.5, 20_000), min_size=1, max_size=5),
        st.floats(1.05, 4.0),
        st.floats(1.1, 5.0),
        st.lists(st.floats(1.0, 60_000), max_size=2),
    )
    def test_each_quantile_has_an_edge_near_it_and_its_partner_at_most_times_above(
        self, times: list[float], at_most: float, more: float, limits: list[float]
    ) -> None:
        assume(all(b / a > 1 + SAME for a, b in pairwise(sorted(limits))))

        found = edges(times, Wish(at_most=at_most, must_see=at_most * more, limits_ms=tuple(limits)))

        assert list(found) == sorted(set(found))
        assert all(b / a > 1 + SAME / 2 for a, b in pairwise(found))
        for time in times:
            near = [edge for edge in found if 1 / 1.16 <= edge / time <= 1.16]
            assert near
            assert any(abs(other / (edge * at_most) - 1) < 0.01 for edge in near for other in found)
        for limit in limits:
            assert any(abs(edge / limit - 1) < 0.001 for edge in found)

    def test_a_usual_service_needs_about_twenty_edges_and_an_unknown_one_twice_as_many(self) -> None:
        wish = Wish(at_most=1.25, must_see=2.0)

        assert len(edges((40, 120, 250, 400), wish)) <= 22
        assert 35 <= len(edges((), wish)) <= 48

    def test_the_source_lays_them_on_stable_s_own_quantiles(self) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 1800, BEGIN + 60)
        desk.at(300)
        found = desk.source.edges_ms(PLAN)
        times = sorted(
            took
            for (group, start), listed in desk.balancer.times.items()
            if group == ARMS.stable and BEGIN - 900 <= start < BEGIN
            for took in listed
        )
        p99 = times[math.ceil(len(times) * 0.99) - 1] * 1000

        assert any(abs(edge / p99 - 1) < 0.15 for edge in found)
        assert len(desk.watch.calls) == 1

    @given(st.lists(st.floats(0.05, 60_000), min_size=1, max_size=20, unique=True))
    def test_buckets_lie_end_to_end_and_miss_nobody(self, times: list[float]) -> None:
        found = edges(times, Wish(at_most=1.25, must_see=2.0))
        stats = bins(found)
        borders = [stat.removeprefix("TC(").removesuffix(")").split(":") for stat in stats]

        assert len(stats) == len(found) + 1
        assert borders[0][0] == borders[-1][1] == ""
        assert all(a[1] == b[0] for a, b in pairwise(borders))
        assert [float(one[1]) * 1000 for one in borders[:-1]] == pytest.approx(found)


def test_a_period_that_begins_a_hair_before_an_instant_counts_as_on_it() -> None:
    assert first_period(120.0) == first_period(120.4) == 120
    assert first_period(119.9) == 120
    assert first_period(130.0) == 180
