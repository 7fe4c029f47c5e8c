"""The peers of the judge's benchmark stop where their own rules, worked out by hand, say so."""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, isclose, isnan, log
from statistics import NormalDist
from typing import Any

import pytest
from bench.judge.kayenta import (
    Kayenta,
    Label,
    classify,
    interval_of_shift,
    p_value,
    score,
)
from bench.judge.minutes import Minutes, quantile_ms
from bench.judge.peers import PEERS, Alarm, Argo, Flagger, Peer
from bench.judge.sequential import IidProcess, Oracle, RepeatedZ, log_ratio, z_of

from crossfade.judge.bet import Bet

EDGES = [100.0, 500.0, 1000.0]
HEADER: dict[str, Any] = {
    "edges_ms": EDGES,
    "alpha": 0.01,
    "bake_s": 600.0,
    "weight": 0.1,
    "gates": {"errors": {}, "latency": {}, "kpi": {}},
    "history": [],
}
GOOD = (0, [99, 1, 0, 0], 2)
"""Errors, buckets, failed KPI events of 100 requests."""
CRASH = (100, [99, 1, 0, 0], 100)
SLOW = (0, [90, 5, 5, 0], 2)
"""Rank 99 of 100 lies in (500, 1000]: p99 is 900 ms."""
BAD_KPI = (0, [99, 1, 0, 0], 6)
SILENT = (0, [0, 0, 0, 0], 0)


def arm(counts: tuple[int, list[int], int], times: int = 1) -> dict[str, Any]:
    errors, latency, failed = counts
    requests = sum(latency)
    return {
        "requests": requests * times,
        "errors": errors * times,
        "latency": [count * times for count in latency],
        "kpi": {"kpi": {"total": requests * times, "failed": failed * times}},
    }


def minutes(candidates: Iterable[tuple[int, list[int], int]], width_s: float = 5.0) -> list[dict[str, Any]]:
    """A release whose candidate does this in each minute; stable is well."""
    parts = round(60 / width_s)
    return [
        {
            "start": (number * parts + part) * width_s,
            "end": (number * parts + part + 1) * width_s,
            "candidate": arm(counts),
            "stable": arm(GOOD, 9),
            "candidate_instances": [],
        }
        for number, counts in enumerate(candidates)
        for part in range(parts)
    ]


def stops_at(peer: Peer, intervals: Iterable[dict[str, Any]]) -> float | None:
    """The end of the first interval that stops the release; every later one must say so too."""
    said = [(interval["end"], peer.push(interval)) for interval in intervals]
    ends = [end for end, stop in said if stop]
    assert [stop for _, stop in said] == sorted(stop for _, stop in said)
    return ends[0] if ends else None


class TestMinutes:
    def test_a_minute_ends_with_the_twelfth_interval_of_five_seconds(self) -> None:
        gathered = Minutes()

        ended = [gathered.add(interval) is not None for interval in minutes([GOOD, GOOD])]

        assert [index for index, end in enumerate(ended) if end] == [11, 23]

    def test_every_interval_of_a_minute_ends_one(self) -> None:
        gathered = Minutes()

        assert all(gathered.add(interval) for interval in minutes([GOOD] * 3, width_s=60.0))

    def test_a_quantile_is_spread_evenly_inside_its_bucket(self) -> None:
        # Rank 99 is the 9th of 10 requests between 100 and 500 ms.
        assert quantile_ms([90, 10, 0, 0], EDGES, 0.99) == pytest.approx(460.0)

    def test_a_quantile_beyond_the_last_edge_is_that_edge_and_of_nothing_is_nan(self) -> None:
        assert quantile_ms([0, 0, 0, 10], EDGES, 0.99) == 1000.0
        assert isnan(quantile_ms([0, 0, 0, 0], EDGES, 0.99))


class TestArgo:
    def test_the_fourth_failed_measurement_of_one_metric_fails_the_run(self) -> None:
        assert stops_at(Argo(HEADER), minutes([CRASH] * 5)) == 240.0
        assert stops_at(Argo(HEADER), minutes([SLOW] * 5, width_s=60.0)) == 240.0

    def test_good_measurements_between_do_not_take_failures_back(self) -> None:
        assert stops_at(Argo(HEADER), minutes([BAD_KPI, GOOD] * 4)) == 420.0

    def test_failures_of_different_metrics_are_not_added_up(self) -> None:
        assert stops_at(Argo(HEADER), minutes([SLOW, BAD_KPI] * 3)) is None

    def test_a_silent_minute_is_nan_and_a_failed_measurement_once_the_series_exists(self) -> None:
        assert stops_at(Argo(HEADER), minutes([GOOD, *[SILENT] * 5])) == 300.0

    def test_a_series_that_never_was_is_an_error_and_the_fifth_in_a_row_ends_the_run(self) -> None:
        # Measured at 60 s and again at 70, 80, 90 and 100 s.
        assert stops_at(Argo(HEADER), minutes([SILENT] * 5)) == 100.0

    def test_the_first_requests_end_the_row_of_errors(self) -> None:
        assert stops_at(Argo(HEADER), minutes([SILENT, *[GOOD] * 5])) is None


class TestFlagger:
    def test_rolls_back_on_the_tick_after_the_fifth_failed_check(self) -> None:
        assert stops_at(Flagger(HEADER), minutes([CRASH] * 7)) == 360.0

    def test_failed_checks_are_never_taken_back_and_the_last_tick_looks_at_no_metric(self) -> None:
        assert stops_at(Flagger(HEADER), minutes([BAD_KPI, GOOD] * 6)) == 600.0

    def test_metrics_that_fail_together_are_one_failed_check(self) -> None:
        worst = (100, [0, 0, 100, 0], 100)

        assert stops_at(Flagger(HEADER), minutes([worst] * 4 + [GOOD] * 4)) is None

    def test_no_traffic_is_a_failed_check(self) -> None:
        assert stops_at(Flagger(HEADER), minutes([SILENT] * 7)) == 360.0

    def test_a_kpi_that_nobody_reports_is_no_metric(self) -> None:
        fed = minutes([GOOD] * 7)
        for interval in fed:
            del interval["candidate"]["kpi"], interval["stable"]["kpi"]

        assert stops_at(Flagger(HEADER), fed) is None

    def test_less_than_a_millisecond_over_the_limit_is_cut_off(self) -> None:
        header = {**HEADER, "edges_ms": [100.0, 500.9, 1000.0]}
        at_the_edge = (0, [0, 99, 1, 0], 2)

        assert stops_at(Flagger(header), minutes([at_the_edge] * 7)) is None
        assert stops_at(Argo(header), minutes([at_the_edge] * 7)) == 240.0


class TestAlarm:
    def test_two_of_three_minutes_alarm(self) -> None:
        assert stops_at(Alarm(HEADER), minutes([CRASH] * 3)) == 120.0
        assert stops_at(Alarm(HEADER), minutes([SLOW, GOOD, SLOW])) == 180.0

    def test_two_of_four_do_not(self) -> None:
        assert stops_at(Alarm(HEADER), minutes([BAD_KPI, GOOD, GOOD] * 3)) is None

    def test_missing_data_is_not_breaching(self) -> None:
        assert stops_at(Alarm(HEADER), minutes([CRASH, SILENT, SILENT, CRASH, *[SILENT] * 3])) is None

    def test_breaches_of_two_metrics_are_two_alarms_with_one_each(self) -> None:
        assert stops_at(Alarm(HEADER), minutes([SLOW, BAD_KPI, GOOD])) is None


class TestRankSum:
    # Hollander & Wolfe (1973), p. 69: permeability of the human chorioamnion; R's own example.
    AT_TERM = (0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46)
    EARLIER = (1.15, 0.88, 0.90, 0.74, 1.21)

    def test_the_p_value_of_the_textbook(self) -> None:
        # W = 35, mean 25, sd sqrt(50 / 12 * 16) = 8.165, corrected z = 9.5 / 8.165 = 1.1635.
        assert p_value(self.AT_TERM, self.EARLIER) == pytest.approx(0.2446, abs=1e-4)

    def test_ties_make_the_spread_smaller(self) -> None:
        # U = 3.5 of 4, 1.5 from its mean; sd = sqrt(4 / 12 * (5 - 6 / 12)) = 1.2247; z = 1 / 1.2247.
        assert p_value((2, 3), (1, 2)) == pytest.approx(2.0 * NormalDist().cdf(-1.0 / 1.2247), abs=1e-4)

    def test_tied_throughout_says_nothing(self) -> None:
        assert p_value((1, 1), (1, 1)) == 1.0

    def test_the_interval_is_made_of_order_statistics_of_the_differences(self) -> None:
        # 10 against 10: sd 13.229, so the end is difference number ceil(50 - 0.5 - 2.3263 * 13.229) = 19.
        # Of the differences 100 + (i - j) 15 are at most 95 and 21 at most 96.
        low, shift, high = interval_of_shift(range(101, 111), range(1, 11), 0.98)

        assert (low, shift, high) == (96, 100, 104)

    def test_three_points_cannot_reject_any_shift(self) -> None:
        assert interval_of_shift((4.0, 5.0, 9.0), (1.0, 2.0, 3.0), 0.98) == (1.0, 3.0, 8.0)

    @pytest.mark.parametrize("shift", range(12))
    def test_interval_and_p_value_are_the_same_test(self, shift: int) -> None:
        y = [1.0, 2.3, 3.1, 4.7, 5.2, 6.6, 7.9, 8.4]
        x = [value + shift + 0.05 for value in y]

        assert (p_value(x, y) < 0.02) == (interval_of_shift(x, y, 0.98)[0] > 0.0)


class TestKayenta:
    def test_separated_points_are_high_even_three_of_them(self) -> None:
        # Lower end 10 - 3 = 7; the shift is the median difference, 11 - 2 = 9; its band 2.25.
        assert classify((10.0, 11.0, 12.0), (1.0, 2.0, 3.0)) is Label.HIGH

    def test_a_lower_end_inside_the_band_passes(self) -> None:
        # Lower end 4 - 3 = 1, shift 3, band 0.75: High. Lower end 3.5 - 3 = 0.5 and shift 3: not.
        assert classify((4.0, 5.0, 9.0), (1.0, 2.0, 3.0)) is Label.HIGH
        assert classify((3.5, 5.0, 9.0), (1.0, 2.0, 3.0)) is Label.PASS

    def test_lower_is_no_harm_and_equal_is_equal(self) -> None:
        assert classify((1.0, 2.0, 3.0), (10.0, 11.0, 12.0)) is Label.PASS
        assert classify((3.0, 1.0, 2.0), (1.0, 2.0, 3.0)) is Label.PASS

    def test_points_without_data_are_left_out(self) -> None:
        nan = float("nan")

        assert classify((nan, nan), (1.0, 2.0)) is Label.NODATA
        assert classify((nan, 11.0, 12.0, 13.0), (1.0, 2.0, 3.0, nan)) is Label.HIGH

    def test_groups_weigh_the_same(self) -> None:
        groups = {
            "errors": [Label.PASS],
            "latency": [Label.PASS, Label.HIGH],
            "kpi": [Label.PASS],
        }

        assert score(groups, critical=False) == pytest.approx(100.0 * 2.5 / 3.0)
        assert score(groups, critical=True) == 0.0

    def test_half_without_data_is_no_score_and_less_is_left_out(self) -> None:
        half = {"errors": [Label.NODATA], "kpi": [Label.PASS]}
        less = {"errors": [Label.NODATA], "kpi": [Label.PASS, Label.PASS]}

        assert score(half, critical=False) == 0.0
        assert score(less, critical=False) == 100.0

    def test_looks_every_third_minute(self) -> None:
        assert stops_at(Kayenta(HEADER), minutes([CRASH] * 5)) == 180.0
        assert stops_at(Kayenta(HEADER), minutes([GOOD] * 10)) is None

    def test_late_harm_drowns_in_the_growing_window(self) -> None:
        assert stops_at(Kayenta(HEADER), minutes([GOOD] * 7 + [CRASH] * 3)) is None

    def test_silence_from_the_start_is_no_data(self) -> None:
        assert stops_at(Kayenta(HEADER), minutes([SILENT] * 4)) == 180.0

    def test_by_score_alone_one_bad_group_of_three_fails_and_half_a_group_only_the_last_look(self) -> None:
        assert stops_at(Kayenta(HEADER, critical=False), minutes([BAD_KPI] * 10)) == 180.0
        # Against stable p50 is the same and p99 goes from 420 to 900 ms: score 83, Marginal.
        fed = minutes([(0, [95, 0, 5, 0], 2)] * 10)
        for interval in fed:
            interval["stable"] = arm((0, [95, 5, 0, 0], 2), 9)

        assert stops_at(Kayenta(HEADER, critical=False), fed) == 600.0
        assert stops_at(Kayenta(HEADER), fed) == 180.0


class TestRepeatedZ:
    def test_the_statistic(self) -> None:
        # Pooled 0.05; sd = sqrt(0.0475 * (1 / 100 + 1 / 300)) = 0.025166; difference 0.1 - 0.0333.
        assert z_of(10, 100, 10, 300) == pytest.approx(2.649, abs=1e-3)
        assert z_of(0, 100, 0, 300) == 0.0
        assert z_of(1, 1, 0, 0) == 0.0

    def test_looks_at_minute_ends_and_adds_up(self) -> None:
        # 12 of 1200 against 108 of 10800 is nothing; after 36 more it is
        # 0.01 / sqrt(0.010879 * (1 / 2400 + 1 / 21600)) = 4.456, where 2.33 would do.
        fed = minutes([GOOD, (3, [99, 1, 0, 0], 2)])
        for interval in fed:
            interval["stable"]["errors"] = 9
        for interval in fed[:12]:
            interval["candidate"]["errors"] = 1

        assert z_of(12, 1200, 108, 10800) == 0.0
        assert z_of(48, 2400, 216, 21600) == pytest.approx(4.456, abs=1e-3)
        assert stops_at(RepeatedZ(HEADER), fed) == 120.0

    def test_slow_means_beyond_the_p99_of_the_history(self) -> None:
        # In the history 5 % lie between 100 and 500 ms, so slow is more than 500 ms.
        past = {"start": -60.0, "end": 0.0, "stable": arm((0, [95, 5, 0, 0], 2)), "candidate": None}
        inside, beyond = (0, [50, 50, 0, 0], 2), (0, [95, 0, 5, 0], 2)

        assert stops_at(RepeatedZ({**HEADER, "history": [past]}), minutes([inside])) is None
        assert stops_at(RepeatedZ({**HEADER, "history": [past]}), minutes([beyond])) == 60.0
        # Without one, stable's first minute has 1 % above 100 ms: slow is more than 100 ms.
        assert stops_at(RepeatedZ(HEADER), minutes([inside])) == 60.0


class TestIidProcess:
    def test_a_crash_is_proved_by_one_interval(self) -> None:
        assert stops_at(IidProcess(HEADER), minutes([CRASH])) == 5.0

    def test_the_e_value_is_the_mean_of_the_bets(self) -> None:
        header = {"edges_ms": EDGES, "alpha": 0.01, "gates": {"errors": {}}}
        fed = minutes([(4, [99, 1, 0, 0], 2)])[:1]
        rows = Bet(1.5).evidence([(4.0, 100.0)], 0.0, 900.0)
        e_value = sum(exp(row[0]) for row in rows) / len(rows)

        assert stops_at(IidProcess({**header, "alpha": 1.01 / e_value}), fed) == 5.0
        assert stops_at(IidProcess({**header, "alpha": 0.99 / e_value}), fed) is None

    def test_without_a_history_latency_is_bet_on_after_thirty_seconds(self) -> None:
        past = {"start": -60.0, "end": 0.0, "stable": arm(GOOD, 9), "candidate": arm(GOOD)}
        tail = (0, [50, 0, 50, 0], 2)

        assert stops_at(IidProcess(HEADER), minutes([tail])) == 35.0
        assert stops_at(IidProcess({**HEADER, "history": [past]}), minutes([tail])) == 5.0

    def test_alike_arms_never_stop(self) -> None:
        assert stops_at(IidProcess(HEADER), minutes([GOOD] * 10)) is None


class TestOracle:
    def test_the_ratio_worked_out_by_hand(self) -> None:
        # Arms of 10, 10 % against 50 %, so the null is 30 %:
        # 5 log(.5/.3) + 5 log(.5/.7) + log(.1/.3) + 9 log(.9/.7).
        found = log_ratio((5, 5), (1, 9), (0.5, 0.5), (0.1, 0.9))

        assert found == pytest.approx(2.0350, abs=1e-3)

    def test_stops_when_the_ratio_reaches_one_over_alpha(self) -> None:
        # 2.035 an interval; log(100) = 4.605 is passed by the third.
        fed = minutes([(5, [10, 0, 0, 0], 0)])
        for interval in fed:
            interval["stable"] = arm((1, [10, 0, 0, 0], 0))

        assert stops_at(Oracle({**HEADER, "truth": {"errors": [0.1, 0.5]}}), fed) == 15.0
        assert stops_at(Oracle({**HEADER, "truth": {"errors": [0.1, 0.5], "since": 20.0}}), fed) == 35.0

    def test_shares_of_buckets_are_one_outcome_each(self) -> None:
        stable, candidate = [0.99, 0.01, 0.0, 0.0], [0.9, 0.05, 0.05, 0.0]
        header = {**HEADER, "truth": {"latency": [stable, candidate]}}

        assert stops_at(Oracle(header), minutes([SLOW])) == 5.0
        assert stops_at(Oracle(header), minutes([GOOD])) is None

    def test_never_means_more_than_one_where_the_arms_are_alike(self) -> None:
        # All outcomes of 3 and 2 requests at the pooled rate: the mean ratio is at most 1.
        p_c, p_b = 0.6, 0.1
        pooled = (3 * p_c + 2 * p_b) / 5
        mean = sum(
            c_ways
            * b_ways
            * pooled ** (c + b)
            * (1 - pooled) ** (5 - c - b)
            * exp(log_ratio((c, 3 - c), (b, 2 - b), (p_c, 1 - p_c), (p_b, 1 - p_b)))
            for c, c_ways in enumerate((1, 3, 3, 1))
            for b, b_ways in enumerate((1, 2, 1))
        )

        assert mean <= 1.0 or isclose(mean, 1.0)

    def test_one_success_of_a_crashed_candidate_does_not_silence_it(self) -> None:
        assert log_ratio((99, 1), (0, 900), (1.0, 0.0), (0.001, 0.999)) > log(100.0)

    def test_without_a_truth_it_never_stops(self) -> None:
        assert stops_at(Oracle(HEADER), minutes([CRASH] * 3)) is None


@pytest.mark.parametrize("name", PEERS)
class TestAllPeers:
    def test_bears_its_name_and_lets_a_healthy_release_pass(self, name: str) -> None:
        peer = PEERS[name](HEADER)

        assert peer.name == name
        assert stops_at(peer, minutes([GOOD] * 10)) is None

    @pytest.mark.parametrize("width_s", [5.0, 60.0])
    def test_stops_a_crash(self, name: str, width_s: float) -> None:
        header = {**HEADER, "truth": {"errors": [0.001, 1.0]}}

        assert stops_at(PEERS[name](header), minutes([CRASH] * 10, width_s)) is not None

    def test_latency_and_kpis_may_be_missing(self, name: str) -> None:
        fed = minutes([GOOD] * 4)
        for interval in fed:
            for side in ("candidate", "stable"):
                del interval[side]["kpi"]
                interval[side]["latency"] = []

        assert stops_at(PEERS[name](HEADER), fed) is None
