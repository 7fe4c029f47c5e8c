"""GetMetricData and GetMetricStatistics: periods, windows, pages, refusals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cloudwatch_world import GROUP, START, World, dimensions, math, query
from hypothesis import given
from hypothesis import strategies as st

from crossfade.twin.cloudwatch import ApiError

DAY = 86_400


@pytest.fixture
def world() -> World:
    """Ten minutes: minute m has m + 1 requests."""
    world = World()
    for minute in range(10):
        world.record(minute, 1.0, count=minute + 1)
    return world.at(600)


class TestPeriods:
    def test_a_start_within_a_minute_is_rounded_down(self, world: World) -> None:
        assert world.get(query("m"), start=59.9, end=120)["m"] == {0: 1.0, 60: 2.0}

    def test_the_end_is_exclusive(self, world: World) -> None:
        assert world.get(query("m"), start=60, end=120)["m"] == {60: 2.0}
        assert world.get(query("m"), start=60, end=120.1)["m"] == {60: 2.0, 120: 3.0}

    def test_longer_periods_count_from_the_rounded_start(self, world: World) -> None:
        """As documented by example (get-metric-statistics, 23:18 on) and told of both calls (boto3#3457)."""
        assert world.get(query("m", period=300), start=0, end=600)["m"] == {0: 15.0, 300: 40.0}
        assert world.get(query("m", period=300), start=130, end=600)["m"] == {120: 25.0, 420: 27.0}

    @pytest.mark.parametrize(("days", "step"), [(14.9, 60), (15.1, 300), (62.9, 300), (63.1, 3600)])
    def test_the_further_back_the_coarser_a_start_is_rounded(self, days: float, step: int) -> None:
        world = World()
        for minute in range(120):
            world.record(minute, 1.0)
        world.at(days * DAY + 3600 + 43 * 60)

        found = world.get(query("m", period=3600), start=3600 + 43 * 60 + 59, end=2 * 3600)["m"]

        begins = (3600 + 43 * 60) // step * step
        assert found == {begins: (7200 - begins) / 60}

    @pytest.mark.parametrize("period", [1, 5, 10, 20, 30, 60, 120, 3600, 86_400])
    def test_allowed_periods(self, world: World, period: int) -> None:
        world.get(query("m", period=period))

    @pytest.mark.parametrize("period", [-60, 2, 7, 15, 45, 59, 61, 90])
    def test_other_periods_are_refused(self, world: World, period: int) -> None:
        with pytest.raises(ApiError, match="multiple of 60") as refused:
            world.get(query("m", period=period))

        assert refused.value.code == "InvalidParameterValue"

    def test_a_short_period_of_a_metric_by_the_minute_has_its_minutes(self, world: World) -> None:
        assert world.get(query("m", period=10), end=120)["m"] == {0: 1.0, 60: 2.0}

    def test_a_short_period_rounds_the_start_to_itself(self) -> None:
        world = World()
        for second in range(60):
            world.put(seconds=second, Value=1.0, StorageResolution=1)

        found = world.get(query("m", namespace="Shop", name="Latency", of={}, period=10), start=25, end=50)[
            "m"
        ]

        assert found == {20: 10.0, 30: 10.0, 40: 10.0}

    @given(st.integers(0, 599), st.integers(1, 600), st.sampled_from([60, 120, 300]))
    def test_every_sample_of_the_window_is_in_one_period(self, start: int, length: int, period: int) -> None:
        world = World()
        for minute in range(20):
            world.record(minute, 1.0, count=minute + 1)
        world.at(1200)

        found = world.get(query("m", period=period), start=start, end=start + length)["m"]

        first = start // 60
        periods = -(-(start + length - 60 * first) // period)
        last = min(first + periods * period // 60, 20)
        assert sum(found.values()) == sum(range(first + 1, last + 1))
        assert all((at - 60 * first) % period == 0 for at in found)


class TestOrder:
    def test_the_newest_first_unless_asked(self, world: World) -> None:
        def values(**params: Any) -> list[float]:
            answer = world.call(
                "GetMetricData",
                MetricDataQueries=[query("m")],
                StartTime=START,
                EndTime=START + 180,
                **params,
            )
            return list(answer["MetricDataResults"][0]["Values"])

        assert values() == values(ScanBy="TimestampDescending") == [3.0, 2.0, 1.0]
        assert values(ScanBy="TimestampAscending") == [1.0, 2.0, 3.0]
        with pytest.raises(ApiError, match="ScanBy"):
            values(ScanBy="Upwards")

    def test_results_are_in_the_order_of_queries_and_hidden_ones_are_left_out(self, world: World) -> None:
        found = world.get(math("e", "b + a"), query("b", returned=False), query("a"))

        assert list(found) == ["e", "a"]

    def test_a_query_without_data_has_an_empty_complete_result(self, world: World) -> None:
        answer = world.call(
            "GetMetricData",
            MetricDataQueries=[query("m", name="HTTPCode_Target_5XX_Count")],
            StartTime=START,
            EndTime=START + 600,
        )

        assert answer["MetricDataResults"] == [
            {
                "Id": "m",
                "Label": "HTTPCode_Target_5XX_Count",
                "Timestamps": [],
                "Values": [],
                "StatusCode": "Complete",
            }
        ]

    def test_labels_are_given_back(self, world: World) -> None:
        answer = world.call(
            "GetMetricData",
            MetricDataQueries=[query("m", Label="requests"), math("e", "m", Label="same"), math("f", "m")],
            StartTime=START,
            EndTime=START + 600,
            LabelOptions={"Timezone": "+0130"},
        )

        assert [result["Label"] for result in answer["MetricDataResults"]] == ["requests", "same", "f"]


class TestPages:
    def page_through(
        self, world: World, size: int, *queries: dict[str, Any]
    ) -> tuple[dict[str, list[float]], int]:
        found: dict[str, list[float]] = {}
        params: dict[str, Any] = {
            "MetricDataQueries": list(queries),
            "StartTime": START,
            "EndTime": START + 600,
            "MaxDatapoints": size,
        }
        pages = 0
        while True:
            page = world.call("GetMetricData", **params)
            pages += 1
            assert sum(len(result["Values"]) for result in page["MetricDataResults"]) <= size
            for result in page["MetricDataResults"]:
                found.setdefault(result["Id"], []).extend(result["Values"])
                if result["StatusCode"] == "PartialData":
                    assert "NextToken" in page
            if "NextToken" not in page:
                return found, pages
            params["NextToken"] = page["NextToken"]

    @pytest.mark.parametrize("size", [1, 3, 7, 10, 19, 20, 500])
    def test_pages_together_are_the_whole(self, world: World, size: int) -> None:
        found, pages = self.page_through(world, size, query("a"), query("b", "Maximum"))

        assert found == {"a": [float(10 - number) for number in range(10)], "b": [1.0] * 10}
        assert pages == -(-20 // size)

    def test_later_pages_show_what_the_first_one_saw(self, world: World) -> None:
        params: dict[str, Any] = {
            "MetricDataQueries": [query("m")],
            "StartTime": START,
            "EndTime": START + 900,
            "MaxDatapoints": 6,
        }
        first = world.call("GetMetricData", **params)
        world.record(10, 1.0)
        world.at(660)
        second = world.call("GetMetricData", **params, NextToken=first["NextToken"])

        assert [result["Values"] for result in second["MetricDataResults"]] == [[4.0, 3.0, 2.0, 1.0]]

    def test_math_has_no_next_page(self, world: World) -> None:
        page = world.call(
            "GetMetricData",
            MetricDataQueries=[query("m"), math("e", "m * 2")],
            StartTime=START,
            EndTime=START + 600,
            MaxDatapoints=12,
        )

        assert "NextToken" not in page
        assert [result["StatusCode"] for result in page["MetricDataResults"]] == ["Complete", "PartialData"]

    @pytest.mark.parametrize("token", ["x", "WzEsMl0=", "WyJhIiwgMS4wLCAyXQ=="])
    def test_a_token_of_another_request_is_refused(self, world: World, token: str) -> None:
        with pytest.raises(ApiError) as refused:
            world.get(query("m"), NextToken=token)

        assert refused.value.code == "InvalidNextToken"

    @pytest.mark.parametrize("size", [-1, 100_801])
    def test_a_page_has_its_limits(self, world: World, size: int) -> None:
        with pytest.raises(ApiError, match="MaxDatapoints"):
            world.get(query("m"), MaxDatapoints=size)


class TestRefusals:
    @pytest.mark.parametrize(
        ("queries", "said"),
        [
            ([query("M")], "Id is invalid"),
            ([query("1m")], "Id is invalid"),
            ([query("m"), query("m")], "not unique: m"),
            ([{"Id": "m"}], "Exactly one of MetricStat and Expression"),
            ([{**query("m"), "Expression": "m"}], "Exactly one of MetricStat and Expression"),
            ([query("m", "p101")], "p101 for parameter Stat is not supported"),
            ([math("e", "m1 + 1")], "Unrecognized id: m1"),
            ([math("e", "e + 1")], "made of itself"),
            ([math("e", "f"), math("f", "e")], "made of itself"),
            ([query("m"), math("e", "NOPE(m)")], "Unrecognized function: NOPE"),
            ([query("m"), math("e", "SUM(m)")], "must be a time series"),
            ([query("m"), math("e", "m +")], "Unexpected 'end'"),
            ([query("m"), math("e", "(m")], r"Expected '\)'"),
            ([query("m"), math("e", "m m")], "Expected the end, found 'm'"),
            ([query("m"), math("e", "m $ 1")], "Unexpected character at 3"),
            ([math("e", "SELECT AVG(x) FROM y")], "Metrics Insights query is not modelled"),
            ([math("e", "SEARCH('x', 'Sum', 60)")], "SEARCH of metric math is not modelled"),
            ([query("m"), math("e", "ANOMALY_DETECTION_BAND(m)")], "not modelled in the twin"),
            ([query("m"), query("n", period=300), math("e", "m/n")], "different periods, is not modelled"),
            ([], "MetricDataQueries is required"),
        ],
    )
    def test_a_wrong_query_refuses_the_request(
        self, world: World, queries: list[dict[str, Any]], said: str
    ) -> None:
        with pytest.raises(ApiError, match=said):
            world.get(*queries)

    def test_five_hundred_queries_and_no_more(self, world: World) -> None:
        assert len(world.get(*(query(f"m{number}") for number in range(500)))) == 500
        with pytest.raises(ApiError, match="500"):
            world.get(*(query(f"m{number}") for number in range(501)))

    def test_the_start_is_before_the_end(self, world: World) -> None:
        with pytest.raises(ApiError, match="StartTime must be less"):
            world.get(query("m"), start=60, end=60)

    @pytest.mark.parametrize("form", [START, str(START), datetime.fromtimestamp(START, UTC)])
    def test_a_time_is_read_in_every_form(self, world: World, form: Any) -> None:
        answer = world.call(
            "GetMetricData", MetricDataQueries=[query("m")], StartTime=form, EndTime=START + 60
        )

        assert answer["MetricDataResults"][0]["Values"] == [1.0]

    def test_a_time_that_is_none_is_refused(self, world: World) -> None:
        with pytest.raises(ApiError, match="ISO 8601"):
            world.call("GetMetricData", MetricDataQueries=[query("m")], StartTime="noon", EndTime=START)


class TestStatistics:
    def ask(self, world: World, **params: Any) -> Any:
        whole = {
            "Namespace": "AWS/ApplicationELB",
            "MetricName": "RequestCount",
            "Dimensions": dimensions(GROUP),
            "StartTime": START,
            "EndTime": START + 120,
            "Period": 60,
            **params,
        }
        return world.call("GetMetricStatistics", **whole)

    def test_plain_ones_stand_beside_each_other(self, world: World) -> None:
        answer = self.ask(world, Statistics=["Sum", "Average", "Minimum", "Maximum", "SampleCount"])

        assert answer["Label"] == "RequestCount"
        assert answer["Datapoints"][1] == {
            "Timestamp": datetime.fromtimestamp(START + 60, UTC),
            "Unit": "Count",
            "Sum": 2.0,
            "Average": 1.0,
            "Minimum": 1.0,
            "Maximum": 1.0,
            "SampleCount": 2.0,
        }

    def test_extended_ones_stand_by_name(self, world: World) -> None:
        answer = self.ask(world, ExtendedStatistics=["p99", "TC(0:1)"])

        assert answer["Datapoints"][0]["ExtendedStatistics"] == {"p99": 1.0, "TC(0:1)": 1.0}
        assert "Sum" not in answer["Datapoints"][0]

    @pytest.mark.parametrize(
        ("params", "code"),
        [
            ({}, "InvalidParameterCombination"),
            ({"Statistics": ["Sum"], "ExtendedStatistics": ["p99"]}, "InvalidParameterCombination"),
            ({"Statistics": ["p99"]}, "InvalidParameterValue"),
            ({"ExtendedStatistics": ["Sum"]}, "InvalidParameterValue"),
            ({"Statistics": ["Sum"], "Period": 7}, "InvalidParameterValue"),
            ({"Statistics": ["Sum"], "Unit": "Apples"}, "InvalidParameterValue"),
            ({"Statistics": ["Sum"], "EndTime": START + 1441 * 60}, "InvalidParameterCombination"),
            ({"Statistics": ["Sum"], "MetricName": ""}, "MissingParameter"),
        ],
    )
    def test_refusals(self, world: World, params: dict[str, Any], code: str) -> None:
        with pytest.raises(ApiError) as refused:
            self.ask(world, **params)

        assert refused.value.code == code

    def test_fourteen_hundred_and_forty_points_are_given(self, world: World) -> None:
        assert len(self.ask(world, Statistics=["Sum"], EndTime=START + 1440 * 60)["Datapoints"]) == 10
