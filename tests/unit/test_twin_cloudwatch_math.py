"""Metric math against the documented tables and rules."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import pytest
from cloudwatch_world import World, math, query
from hypothesis import given
from hypothesis import strategies as st

from crossfade.twin.cloudwatch import ApiError
from crossfade.twin.cloudwatch.expression import parse

Row = list[float | None]


def computed(expression: str, **metrics: Row) -> Row:
    """The expression's values by the minute, `None` where there is no point; `m1=[...]` are its metrics."""
    (found,) = arrays(expression, **metrics)
    return found


def arrays(expression: str, **metrics: Row) -> list[Row]:
    world = World()
    for id_, row in metrics.items():
        for minute, value in enumerate(row):
            if value is not None:
                world.record(minute, value, name=id_)
    size = max(map(len, metrics.values()), default=3)
    world.at(60 * size)
    answer = world.call(
        "GetMetricData",
        MetricDataQueries=[*(query(id_, name=id_, returned=False) for id_ in metrics), math("e", expression)],
        StartTime=world.clock.now() - 60 * size,
        EndTime=world.clock.now(),
        ScanBy="TimestampAscending",
    )
    start = world.clock.now() - 60 * size
    found = []
    for result in answer["MetricDataResults"]:
        values = dict(
            zip([stamp.timestamp() for stamp in result["Timestamps"]], result["Values"], strict=True)
        )
        found.append([values.get(start + 60 * minute) for minute in range(size)])
    return found


M1: Row = [30, 20, 0, 0]
M2: Row = [20, None, 20, None]


class TestDocumented:
    """The examples of "Using metric math", value by value."""

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("(m1 < m2)", [0, 0, 1, 0]),
            ("(m1 >= 30)", [1, 0, 0, 0]),
            ("(m1 > 15 AND m2 > 15)", [1, 0, 0, 0]),
        ],
    )
    def test_comparison_and_logic(self, expression: str, expected: Row) -> None:
        assert computed(expression, m1=M1, m2=M2) == expected

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("IF(m1, m2, m3)", [30, 0, 20, None, None]),
            ("IF(m1, 5, m3)", [5, 5, 20, None, None]),
            ("IF(m1, m2, 5)", [30, 0, 5, 5, None]),
            ("IF(m1, m2)", [30, 0, None, None, None]),
            ("IF(m1, 5)", [5, 5, None, None, None]),
            ("IF(m1, 5, 6)", [5, 5, 6, 6, None]),
            ("IF(1, m2, m3)", [30, None, 0, 0, 30]),
            ("IF(0, m2, m3)", [0, 0, 20, None, 20]),
            ("IF(0, m2)", [None] * 5),
        ],
    )
    def test_if(self, expression: str, expected: Row) -> None:
        metrics: dict[str, Row] = {
            "m1": [1, 1, 0, 0, None],
            "m2": [30, None, 0, 0, 30],
            "m3": [0, 0, 20, None, 20],
        }

        assert computed(expression, **metrics) == expected

    def test_if_in_use(self) -> None:
        assert computed("IF(m1<400, m1)", m1=[300, 500]) == [300, None]
        assert computed("IF(m1<400, 10, 2)", m1=[300, 500]) == [10, 2]
        assert computed("IF(m1>m2, 1, 0)", m1=[300, 500], m2=[400, 400]) == [0, 1]


class TestArithmetic:
    def test_missing_points_count_as_zero_and_a_division_by_zero_leaves_none(self) -> None:
        errors: Row = [None, 7, None, 7, None, 3]
        requests: Row = [100, 100, 100, 100, None, None]

        assert computed("100*e1/r1", e1=errors, r1=requests) == [0, 7, 0, 7, None, None]
        assert computed("e1+r1", e1=errors, r1=requests) == [100, 107, 100, 107, None, 3]
        assert computed("r1-e1", e1=errors, r1=requests) == [100, 93, 100, 93, None, -3]

    def test_filled_errors_are_zero_only_where_there_were_requests(self) -> None:
        errors: Row = [None, 7, None, 7, None]
        requests: Row = [100, 100, 100, 100, None]

        assert computed("100*FILL(e1,0)/r1", e1=errors, r1=requests) == [0, 7, 0, 7, None]

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("m1+2*3", 10.0),
            ("(m1+2)*3", 18.0),
            ("m1^2", 16.0),
            ("-m1^2", -16.0),
            ("2^-m1", 1 / 16),
            ("2^3^2*m1/m1", 512.0),
            ("m1-1-1", 2.0),
            ("16/m1/2", 2.0),
            ("-m1+1", -3.0),
            ("m1*1e2", 400.0),
            ("m1*.5", 2.0),
            ("1 + m1 == 5", 1.0),
            ("m1 != 4", 0.0),
            ("m1 > 3 AND m1 < 4 OR m1 == 4", 1.0),
            ("m1 > 3 && m1 < 4 || m1 == 5", 0.0),
            ("m1 - (1 > 0)", 3.0),
            ("m1/PERIOD(m1)*60", 4.0),
        ],
    )
    def test_how_operators_bind(self, expression: str, expected: float) -> None:
        assert computed(expression, m1=[4]) == [expected]

    def test_what_has_no_number_has_no_point(self) -> None:
        assert computed("m1/0", m1=[1, 2]) == [None, None]
        assert computed("m1^0.5", m1=[4, -4]) == [2, None]
        assert computed("10^m1", m1=[1, 400]) == [10, None]
        assert computed("LOG(m1)", m1=[1, 0]) == [0, None]
        assert computed("m1/AVG(m2)", m1=[1, 2], m2=[None, None]) == [None, None]

    def test_an_array_meets_a_series_member_by_member(self) -> None:
        assert arrays("[m1, m2]/m3", m1=[2, 4], m2=[6, None], m3=[2, 2]) == [[1, 2], [3, 0]]
        assert arrays("100/[m1, m2]", m1=[2, 4], m2=[5, 10]) == [[50, 25], [20, 10]]
        assert arrays("-[m1, m2]", m1=[2], m2=[5]) == [[-2], [-5]]
        with pytest.raises(ApiError, match="does not take two arrays"):
            arrays("[m1]+[m2]", m1=[1], m2=[2])

    @given(
        st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=1, max_size=5),
        st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=1, max_size=5),
    )
    def test_a_point_exists_where_either_has_one(
        self, left: list[int | None], right: list[int | None]
    ) -> None:
        size = min(len(left), len(right))
        m1: Row = [*left[:size]]
        m2: Row = [*right[:size]]

        assert computed("m1-m2", m1=m1, m2=m2) == [
            None if a is None and b is None else (a or 0) - (b or 0) for a, b in zip(m1, m2, strict=True)
        ]


class TestFill:
    GAPS: Final[Row] = [None, 2, None, None, 8, None]

    @pytest.mark.parametrize(
        ("filler", "expected"),
        [
            ("0", [0, 2, 0, 0, 8, 0]),
            ("REPEAT", [None, 2, 2, 2, 8, 8]),
            ("LINEAR", [None, 2, 4, 6, 8, None]),
            ("MIN(m1)", [2, 2, 2, 2, 8, 2]),
            ("m2", [1, 2, None, 1, 8, None]),
        ],
    )
    def test_each_filler(self, filler: str, expected: Row) -> None:
        assert computed(f"FILL(m1, {filler})", m1=self.GAPS, m2=[1, 1, None, 1, 1, None]) == expected

    def test_a_metric_without_any_point_is_filled_too(self) -> None:
        assert computed("FILL(m1, 0)", m1=[None, None]) == [0, 0]
        assert computed("FILL(m1, REPEAT)", m1=[None, None]) == [None, None]

    def test_the_newest_minute_is_filled_before_it_is_published(self) -> None:
        """Documented as the trap of FILL in alarms."""
        world = World(publish_delay=lambda: 90.0)
        for minute in range(3):
            world.record(minute, 5.0)
        world.at(180)

        found = world.get(query("m", returned=False), math("e", "FILL(m, 0)"), end=600)["e"]

        assert found == {0: 5.0, 60: 0.0, 120: 0.0}

    def test_all_members_of_an_array_are_filled(self) -> None:
        assert arrays("FILL(METRICS(), 0)", m1=[1, None], m2=[None, 2]) == [[1, 0], [0, 2]]

    @pytest.mark.parametrize(
        "wrong", ["FILL(m1)", "FILL(m1, ASC)", "FILL(m1, [m1])", "FILL(5, 0)", 'FILL(m1, "0")']
    )
    def test_what_is_no_filler_is_refused(self, wrong: str) -> None:
        with pytest.raises(ApiError, match="Error in expression 'e': FILL takes"):
            computed(wrong, m1=[1])


class TestFolds:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("SUM([m1, m2])", [5, 3, 4, None]),
            ("AVG([m1, m2])", [2.5, 1.5, 2, None]),
            ("MIN([m1, m2])", [1, 3, 4, None]),
            ("MAX(METRICS())", [4, 3, 4, None]),
            ("DATAPOINT_COUNT([m1, m2])", [2, 1, 1, None]),
            ("m1*0 + SUM(m1)", [4, 4, None, None]),
            ("m1*0 + AVG(m2)", [4, 4, None, None]),
            ("m1 - MIN(m1)", [0, 2, None, None]),
            ("m1 / MAX(m1)", [1 / 3, 1, None, None]),
            ("m1 / DATAPOINT_COUNT(m2)", [0.5, 1.5, None, None]),
            ("m1 / METRIC_COUNT(METRICS())", [0.5, 1.5, None, None]),
            ('SUM(METRICS("m2"))', [4, None, 4, None]),
            ('SUM([METRICS("m1"), METRICS("m2")])', [5, 3, 4, None]),
            ("TIME_SERIES(MAX(m2))", [4, 4, 4, 4]),
            ("SUM(100/[m1, m2])", [125, 100 / 3, 25, None]),
        ],
    )
    def test_over_series_and_arrays(self, expression: str, expected: Row) -> None:
        assert computed(expression, m1=[1, 3, None, None], m2=[4, None, 4, None]) == pytest.approx(expected)

    def test_metrics_leaves_expressions_out_and_takes_hidden_ones_in(self) -> None:
        world = World()
        world.record(0, 2.0)
        world.at(60)

        found = world.get(query("m", returned=False), math("d", "m*10"), math("e", "SUM(METRICS())"))

        assert found == {"d": {0: 20.0}, "e": {0: 2.0}}


class TestOverTime:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("DIFF(m1)", [None, 60, None, -30]),
            ("DIFF_TIME(m1)", [None, 60, None, 120]),
            ("RATE(m1)", [None, 1, None, -0.25]),
            ("RUNNING_SUM(m1)", [30, 120, None, 180]),
            ("ABS(m1-70)", [40, 20, None, 10]),
            ("CEIL(m1/40)", [1, 3, None, 2]),
            ("FLOOR(m1/40)", [0, 2, None, 1]),
            ("LOG10(m1/m1)", [0, 0, None, 0]),
            ("MINUTE(m1)", [0, 1, 2, 3]),
            ("EPOCH(m1)-MIN(EPOCH(m1))", [0, 60, 120, 180]),
            ("IF(MINUTE(m1)>0, m1)", [None, 90, 0, 60]),
        ],
    )
    def test_each_function(self, expression: str, expected: Row) -> None:
        assert computed(expression, m1=[30, 90, None, 60]) == expected


class TestArrays:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("SORT(METRICS(), AVG, DESC)", [[9], [5], [1], [None]]),
            ("SORT(METRICS(), SUM, ASC)", [[1], [5], [9], [None]]),
            ("SORT(METRICS(), MAX, DESC, 2)", [[9], [5]]),
            ("SLICE(SORT(METRICS(), MIN, DESC), 1)", [[5], [1], [None]]),
            ("SLICE(SORT(METRICS(), MIN, DESC), 0, 1)", [[9]]),
            ("FIRST(SORT(METRICS(), MAX, DESC))", [[9]]),
            ("LAST(METRICS())", [[None]]),
            ("REMOVE_EMPTY(METRICS())", [[5], [9], [1]]),
            ("IF(FIRST(SORT(METRICS(), AVG, DESC))>8, 1, 0)", [[1]]),
        ],
    )
    def test_each_function(self, expression: str, expected: list[Row]) -> None:
        assert arrays(expression, m1=[5], m2=[9], m3=[1], m4=[None]) == expected

    def test_members_are_labelled_by_expression_and_metric(self) -> None:
        world = World()
        answer = world.call(
            "GetMetricData",
            MetricDataQueries=[
                query("m", Label="Errors"),
                math("e", "FILL(METRICS(), 0)", Label="Filled:"),
                math("f", "FILL(METRICS(), 0)", Label=""),
            ],
            StartTime=world.clock.now() - 60,
            EndTime=world.clock.now(),
        )

        assert [result["Label"] for result in answer["MetricDataResults"]] == [
            "Errors",
            "Filled: Errors",
            "Errors",
        ]


class TestRefusals:
    @pytest.mark.parametrize(
        "expression",
        [
            *("m1 +* 2", "SUM()", "SUM(m1, m1)", "SORT(m1)", "SORT(METRICS(), AVG)", "SLICE(METRICS())"),
            *("IF(m1)", "IF(1, 2, 3)", "IF([m1], 1, 0)", "IF(1, m1, 2)", "PERIOD(m1*2)", "TIME_SERIES(m1)"),
            *(
                '"text"',
                "ASC",
                "m1 + REPEAT",
                "[1, 2]",
                "METRICS(1)",
                "ABS(1)",
                "RATE()",
                "MINUTE(METRICS())",
            ),
            *("NOT m1", "!m1", "sum(m1)", "m1,", "[m1", "STDDEV(m1)", "5", "AVG(m1)", "()", "m1[0]"),
            *("SLICE(METRICS(), 1/0)", "SORT(METRICS(), AVG, ASC, 0/0)", "m1" + " + m1" * 500),
            "(" * 80 + "m1" + ")" * 80,
            "-" * 80 + "m1",
        ],
    )
    def test_a_wrong_expression_is_an_error_never_an_empty_answer(self, expression: str) -> None:
        with pytest.raises(ApiError, match=r"[Ee]xpression 'e'") as refused:
            computed(expression, m1=[1])

        assert refused.value.code == "ValidationError"

    @given(st.text("m1+-*/^<>=!&|()[],.0 SUMFIL\"'", max_size=30))
    def test_no_text_breaks_the_reader(self, text: str) -> None:
        with suppress(ApiError):
            parse(text)
