"""Statistics by CloudWatch's names, on the values themselves and on the grid that keeps many of them."""

from __future__ import annotations

import math
import random
from array import array

import pytest
from cloudwatch_world import World
from hypothesis import given
from hypothesis import strategies as st

from crossfade.twin.cloudwatch import ApiError
from crossfade.twin.cloudwatch.cells import Cell, Column
from crossfade.twin.cloudwatch.grid import ERROR, EXACT_UP_TO, pack_points, point, unpack, value_of
from crossfade.twin.cloudwatch.statistics import Statistic, Trimmed, parse, value

POSITIVE = st.floats(min_value=1e-9, max_value=1e12)
VALUES = st.lists(st.sampled_from([0.0, 0.005, 0.01, 0.1, 0.25, 1.0, 3.0, 40.0]), min_size=1, max_size=60)


def of(values: list[float], statistic: str) -> float | None:
    cell = Cell(0.0)
    for number in values:
        cell.add(number, 1.0)
    return value(parse(statistic), [cell.row(0)])


class TestGrid:
    @given(POSITIVE)
    def test_it_errs_by_no_more_than_it_says(self, number: float) -> None:
        assert abs(value_of(point(number)) - number) <= number * ERROR * 1.000001

    @given(st.integers(1, 999), st.integers(-6, 6))
    def test_a_number_of_three_digits_is_a_point(self, digits: int, power: int) -> None:
        number = float(f"{digits}e{power}")

        assert value_of(point(number)) == number

    @given(st.integers(0, 2000))
    def test_whole_milliseconds_up_to_two_seconds_are_points(self, milliseconds: int) -> None:
        number = float(f"0.{milliseconds:03d}") if milliseconds < 1000 else float(f"{milliseconds}e-3")

        assert value_of(point(number)) == number

    @given(POSITIVE, POSITIVE)
    def test_points_are_in_the_order_of_their_values(self, left: float, right: float) -> None:
        low, high = sorted((left, right))

        assert point(low) <= point(high)
        assert value_of(point(low)) <= value_of(point(high))

    @given(st.dictionaries(st.one_of(POSITIVE, st.just(0.0)), st.integers(1, 10**6), min_size=1, max_size=90))
    def test_what_is_packed_comes_back(self, counted: dict[float, int]) -> None:
        points: dict[int, float] = {}
        for number, count in counted.items():
            points[point(number)] = points.get(point(number), 0.0) + count

        bins = unpack(pack_points(points))

        assert list(bins.values) == [value_of(number) for number in sorted(points)]
        assert list(bins.counts) == [points[number] for number in sorted(points)]

    @given(
        st.lists(st.one_of(POSITIVE, st.just(0.0)), min_size=1, max_size=90),
        st.one_of(POSITIVE, st.just(0.0), st.just(-1.0), st.just(math.inf), st.just(-math.inf)),
    )
    def test_counting_up_to_a_bound_is_counting_the_values(self, numbers: list[float], bound: float) -> None:
        bins = unpack(pack_points(dict.fromkeys(map(point, numbers), 1.0)))

        assert bins.up_to(bound) == sum(number <= bound for number in bins.values)

    def test_two_hundred_latencies_take_less_than_a_kilobyte(self) -> None:
        blob = pack_points({point(0.001 * number): 1.0 + number % 7 for number in range(1, 201)})

        assert len(blob) < 1024


class TestDefinitions:
    @pytest.mark.parametrize(
        ("statistic", "expected"),
        [
            ("Sum", 55.0),
            ("SampleCount", 10.0),
            ("Average", 5.5),
            ("Minimum", 1.0),
            ("Maximum", 10.0),
            ("p0", 1.0),
            ("p50", 5.0),
            ("p90", 9.0),
            ("p90.1", 10.0),
            ("p99.999", 10.0),
            ("p100", 10.0),
            ("tm90", 5.0),
            ("TM(10%:90%)", 5.5),
            ("TM(:90%)", 5.0),
            ("TM(10%:)", 6.0),
            ("tc90", 9.0),
            ("ts90", 45.0),
            ("TS(80%:)", 19.0),
            ("TC(3:7)", 4.0),
            ("TC(:7)", 7.0),
            ("TC(7:)", 3.0),
            ("TS(3:7)", 22.0),
            ("TM(3:7)", 5.5),
            ("PR(:3)", 30.0),
            ("PR(3:7)", 40.0),
            ("PR(7:)", 30.0),
            ("WM(10%:90%)", 5.5),
            ("wm90", 5.4),
            ("WM(3:7)", (3 + 3 + 3 + 4 + 5 + 6 + 7 * 4) / 10),
            ("IQM", (3 + 4 + 5 + 6 + 7 + 8) / 6),
            ("TC(0.005:0.030)", 0.0),
            ("TS(20:30)", 0.0),
            ("TM(20:30)", None),
        ],
    )
    def test_of_one_to_ten(self, statistic: str, expected: float | None) -> None:
        assert of([float(number) for number in range(1, 11)], statistic) == pytest.approx(expected)

    def test_a_p99_is_the_greatest_of_what_tm99_means(self) -> None:
        values = [float(number) for number in range(1, 1001)]

        assert of(values, "p99") == 990.0
        assert of(values, "tm99") == sum(range(1, 991)) / 990

    def test_the_lower_bound_is_excluded_and_the_upper_one_included(self) -> None:
        assert of([0.005, 0.01, 0.03], "TC(0.005:0.03)") == 2.0
        assert of([0.005, 0.01, 0.03], "PR(0.005:0.03)") == pytest.approx(200 / 3)

    @given(VALUES, st.floats(0.0, 100.0))
    def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(
        self, values: list[float], percent: float
    ) -> None:
        rising = sorted(values)
        wanted = max(round(len(rising) * percent / 100, 9), 1e-9)
        expected = next(number for place, number in enumerate(rising, start=1) if place >= wanted)

        assert of(values, f"p{percent:.10f}") == expected or round(percent, 10) != percent

    @given(VALUES, st.floats(0, 50), st.floats(0, 50))
    def test_bins_side_by_side_count_every_sample_once(
        self, values: list[float], one: float, other: float
    ) -> None:
        low, high = sorted((round(one, 6), round(other, 6)))
        bins = [f"TC(:{low:.6f})", f"TC({high:.6f}:)"]
        if low < high:
            bins.append(f"TC({low:.6f}:{high:.6f})")

        assert sum(of(values, each) or 0.0 for each in bins) == len(values)

    @given(VALUES, st.integers(0, 49), st.integers(51, 100))
    def test_sum_is_mean_times_count_within_any_bounds(
        self, values: list[float], low: int, high: int
    ) -> None:
        for bounds in (f"({low}%:{high}%)", f"(:{high})"):
            mean = of(values, f"TM{bounds}")
            if mean is not None:
                count, total = of(values, f"TC{bounds}"), of(values, f"TS{bounds}")
                assert total == pytest.approx(mean * (count or 0.0))

    @given(st.integers(0, 2**32), st.integers(EXACT_UP_TO + 1, 400))
    def test_many_values_give_the_same_within_the_grid_s_error(self, seed: int, size: int) -> None:
        draw = random.Random(seed)
        values = [draw.lognormvariate(-3, 1) for _ in range(size)]
        rising = sorted(values)
        for percent in (50, 90, 99):
            exact = rising[math.ceil(len(rising) * percent / 100) - 1]
            assert of(values, f"p{percent}") == pytest.approx(exact, rel=ERROR * 1.01)
        assert of(values, "Sum") == pytest.approx(math.fsum(values), rel=1e-12)
        assert of(values, "TS(:100%)") == pytest.approx(math.fsum(values), rel=ERROR * 1.01)
        assert (of(values, "Minimum"), of(values, "Maximum")) == (rising[0], rising[-1])


class TestNames:
    @pytest.mark.parametrize(
        "text",
        [
            *("sum", "p", "p101", "p-1", "P99", "TM99", "tm(10%:90%)", "TM(:)", "TM(10%:90)", "TM(90%:10%)"),
            *("TM(10%:101%)", "PR(10%:90%)", "PR(:)", "PR99", "pr(1:2)", "IQM(1:2)", "TC(5:5)", "Mean", ""),
            *("p99 ", "TM(1:2", "p1.12345678901", "TM(%:90%)", "p99;DROP"),
        ],
    )
    def test_what_is_no_statistic_is_refused(self, text: str) -> None:
        with pytest.raises(ApiError, match="is not supported"):
            parse(text)

    @pytest.mark.parametrize(
        ("text", "same"),
        [("tm99", "TM(:99%)"), ("IQM", "TM(25%:75%)"), ("ts90", "TS(0%:90%)"), ("wm98", "WM(:98%)")],
    )
    def test_short_forms_are_ranges(self, text: str, same: str) -> None:
        assert parse(text) == parse(same)

    def test_ten_decimals_are_taken(self) -> None:
        statistic: Statistic = parse("TC(0.1234567891:0.25)")

        assert statistic == Trimmed("TC", 0.1234567891, 0.25, percent=False)


class TestWhatIsNotKnown:
    def test_a_statistic_set_has_no_percentiles(self) -> None:
        world = World()
        world.put(StatisticValues={"SampleCount": 3, "Sum": 9, "Minimum": 1, "Maximum": 5})

        assert world.statistic("Average") == 3.0
        assert (world.statistic("p50"), world.statistic("TC(:9)"), world.statistic("PR(:9)")) == (None,) * 3

    @pytest.mark.parametrize(
        "whole",
        [
            {"SampleCount": 1, "Sum": 4, "Minimum": 4, "Maximum": 4},
            {"SampleCount": 3, "Sum": 12, "Minimum": 4, "Maximum": 4},
        ],
    )
    def test_a_statistic_set_of_one_value_has_them(self, whole: dict[str, float]) -> None:
        world = World()
        world.put(StatisticValues=whole)

        assert (world.statistic("p50"), world.statistic("TC(:9)")) == (4.0, whole["SampleCount"])

    def test_one_statistic_set_among_values_takes_them_away(self) -> None:
        world = World()
        world.put(Value=1.0)
        world.put(seconds=10, StatisticValues={"SampleCount": 3, "Sum": 9, "Minimum": 1, "Maximum": 5})

        assert world.statistic("SampleCount") == 4.0
        assert world.statistic("p50") is None

    def test_negative_values_have_no_percentiles(self) -> None:
        world = World()
        world.put(Value=-1.0)
        world.put(seconds=10, Value=5.0)

        assert world.statistic("Sum") == 4.0
        assert world.statistic("p50") is None

    def test_negative_values_among_many_have_none_either(self) -> None:
        world = World()
        for number in range(-50, 50):
            world.put(seconds=10, Value=float(number))

        assert (world.statistic("Minimum"), world.statistic("p50")) == (-50.0, None)


class TestColumn:
    @given(
        st.lists(
            st.tuples(st.integers(0, 9), st.sampled_from([0.0, 0.5, 1.0, 7.25]), st.integers(1, 5)),
            max_size=80,
        )
    )
    def test_samples_in_any_order_give_the_same_rows(self, samples: list[tuple[int, float, int]]) -> None:
        column = Column(60)
        for minute, number, count in samples:
            column.cell(60 * minute).add(number, count)

        rows = {row.at // 60: row for row in column.rows(0, 600, 0.0)}

        assert sorted(rows) == sorted({minute for minute, _, _ in samples})
        for minute, row in rows.items():
            mine = [number for at, number, count in samples for _ in range(count) if at == minute]
            assert row.samples == len(mine)
            assert row.total == pytest.approx(math.fsum(mine))
            assert value(parse("p50"), [row]) == sorted(mine)[math.ceil(len(mine) / 2) - 1]
        assert column.at == array("q", sorted(column.at))

    def test_its_size_is_what_it_packed(self) -> None:
        column = Column(60)
        for minute in range(10):
            for number in range(200):
                column.cell(60 * minute).add(0.001 * (number + 1), 1.0)
        full = column.bytes
        column.taken_before(300)

        assert 7 * 56 < full < 7 * 1000
        assert 0 < column.bytes < full
