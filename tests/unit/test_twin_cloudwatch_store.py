"""When metrics show, how long they are kept, what is a metric of its own."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest
from cloudwatch_world import ALB, GROUP, START, World, dimensions, query

from crossfade.twin.cloudwatch import ApiError
from crossfade.twin.metrics import Sink

DAY = 86_400


def total(world: World, start: float = 0.0, end: float = 3600.0, period: int = 60) -> dict[int, float]:
    return world.get(query("m", period=period), start=start, end=end)["m"]


class TestPublishing:
    def test_it_is_a_sink(self) -> None:
        sink: Sink = World().cloudwatch

        sink.record(ALB, "x", {}, at=START, value=1.0)

    def test_a_minute_of_a_service_shows_the_delay_after_its_end(self) -> None:
        world = World(publish_delay=lambda: 90.0)
        world.record(0, 1.0)
        world.record(0.9, 1.0)

        assert total(world.at(149.9)) == {}
        assert total(world.at(150.0)) == {0: 2.0}

    def test_the_running_minute_shows_nothing_even_without_delay(self) -> None:
        world = World()
        world.record(0, 1.0)

        assert total(world.at(59)) == {}
        assert total(world.at(60)) == {0: 1.0}

    def test_the_delay_is_drawn_for_each_minute_and_all_its_metrics(self) -> None:
        delays: Iterator[float] = iter([200.0, 10.0])
        world = World(publish_delay=lambda: next(delays))
        for minute in (0, 1):
            world.record(minute, 1.0)
            world.record(minute, 1.0, name="HTTPCode_Target_5XX_Count")

        world.at(130)

        assert total(world) == {60: 1.0}
        assert world.get(query("m", name="HTTPCode_Target_5XX_Count"))["m"] == {60: 1.0}
        assert total(world.at(260)) == {0: 1.0, 60: 1.0}

    def test_a_fraction_comes_late_so_that_the_newest_minute_changes(self) -> None:
        world = World(publish_delay=lambda: 30.0, late_fraction=0.1, late_by=lambda: 45.0)
        for number in range(1000):
            world.record(number / 1000, 1.0)

        first = total(world.at(90))[0]
        last = total(world.at(135))[0]

        assert 850 < first < 950
        assert last == 1000

    def test_late_samples_count_in_percentiles_too(self) -> None:
        world = World(late_fraction=0.5, late_by=lambda: 30.0, seed=3)
        for number in range(1, 101):
            world.record(0, number / 100, name="TargetResponseTime")

        world.at(90)

        assert world.get(query("m", "p50", name="TargetResponseTime"))["m"] == {0: 0.5}

    def test_a_custom_metric_shows_soon_and_in_its_running_minute(self) -> None:
        world = World(custom_delay=2.0)
        world.put(Value=1.0)

        assert world.at(1.9).statistic("Sum") is None
        assert world.at(2.0).statistic("Sum") == 1.0
        world.put(seconds=1, Value=1.0)
        assert world.at(4.0).statistic("Sum") == 2.0

    def test_what_the_twin_records_outside_of_aws_s_namespaces_is_a_custom_metric(self) -> None:
        world = World(publish_delay=lambda: 90.0, custom_delay=2.0)
        world.record(0, 1.0, namespace="Shop")

        world.at(3)

        assert world.get(query("m", namespace="Shop"))["m"] == {0: 1.0}

    @pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
    def test_a_sink_drops_what_is_no_number_and_raises_nothing(self, wrong: float) -> None:
        world = World()
        world.record(0, wrong)
        world.record(0, 1.0, count=wrong)
        world.record(0, 1.0, count=0.0)
        world.record(wrong, 1.0)

        assert total(world.at(60)) == {}


class TestIdentity:
    def test_namespaces_names_and_dimensions_are_exact(self) -> None:
        world = World()
        world.record(0, 1.0)
        world.record(0, 10.0, namespace="AWS/NetworkELB")
        world.record(0, 100.0, of={"LoadBalancer": GROUP["LoadBalancer"]})
        world.record(0, 1000.0, name="requestcount")
        world.record(0, 10_000.0, of={})

        world.at(60)

        assert total(world) == {0: 1.0}
        assert world.get(query("m", of={"TargetGroup": GROUP["TargetGroup"]}))["m"] == {}
        assert world.get(query("m", of=dict(reversed(list(GROUP.items())))))["m"] == {0: 1.0}

    def test_units_are_apart(self) -> None:
        world = World()
        world.put(Value=1.0, Unit="Seconds")
        world.put(Value=1000.0, Unit="Milliseconds")

        def asked(unit: str) -> dict[int, float]:
            one = query("m", name="Latency", namespace="Shop", of={})
            one["MetricStat"]["Unit"] = unit
            return world.get(one)["m"]

        assert (asked("Seconds"), asked("Milliseconds"), asked("Count")) == ({0: 1.0}, {0: 1000.0}, {})
        with pytest.raises(ApiError, match="several units, asked for without Unit, is not modelled"):
            world.statistic("Sum")

    def test_get_metric_statistics_gives_a_point_for_each_unit(self) -> None:
        world = World()
        world.put(Value=1.0, Unit="Seconds")
        world.put(Value=1000.0, Unit="Milliseconds")

        answer = world.call(
            "GetMetricStatistics",
            Namespace="Shop",
            MetricName="Latency",
            Period=60,
            StartTime=START,
            EndTime=START + 60,
            Statistics=["Sum"],
        )

        assert {point["Unit"]: point["Sum"] for point in answer["Datapoints"]} == {
            "Seconds": 1.0,
            "Milliseconds": 1000.0,
        }


class TestRetention:
    def test_single_seconds_are_kept_three_hours_and_their_minute_longer(self) -> None:
        world = World()
        for second in range(20):
            world.put(seconds=second, Value=1.0, StorageResolution=1)

        fresh = world.get(query("m", namespace="Shop", name="Latency", of={}, period=5), end=60)["m"]
        world.at(3 * 3600 + 700)
        later = world.get(query("m", namespace="Shop", name="Latency", of={}, period=5), end=60)["m"]

        assert fresh == {0: 5.0, 5: 5.0, 10: 5.0, 15: 5.0}
        assert later == {}
        assert world.statistic("Sum") == 20.0

    def test_minutes_become_five_minutes_and_then_hours(self) -> None:
        world = World()
        for minute in range(120):
            world.record(minute, 1.0 + minute % 2)
        seen = {}
        for day in (0.1, 16, 64, 456):
            world.at(day * DAY)
            seen[day] = [len(total(world, end=7200, period=period)) for period in (60, 300, 3600)]

        assert seen == {0.1: [120, 24, 2], 16: [0, 24, 2], 64: [0, 0, 2], 456: [0, 0, 0]}

    def test_nothing_is_lost_when_periods_are_merged(self) -> None:
        world = World()
        for minute in range(60):
            world.record(minute, float(minute), count=3)
        stats = ("Sum", "SampleCount", "Minimum", "Maximum", "p90", "TC(10:20)")

        def read() -> list[float]:
            return [world.get(query("m", stat, period=3600))["m"][0] for stat in stats]

        before = read_at = None
        for day in (0.1, 16, 64):
            world.at(day * DAY)
            read_at = read()
            before = before or read_at
            assert read_at == before
        assert before == [3 * sum(range(60)), 180.0, 0.0, 59.0, 53.0, 30.0]

    def test_memory_is_bounded_and_what_was_forgotten_is_said(self) -> None:
        world = World(max_bytes=40_000)
        draw = random.Random(1)
        for minute in range(0, 24 * 60, 5):
            for _ in range(100):
                world.record(minute, draw.lognormvariate(-3, 0.5))

        world.at(25 * 3600)
        answer = world.call(
            "GetMetricData", MetricDataQueries=[query("m")], StartTime=START, EndTime=START + DAY
        )
        points = answer["MetricDataResults"][0]

        assert world.cloudwatch.bytes <= 40_000
        assert answer["Messages"][0]["Code"] == "TwinForgot"
        assert points["StatusCode"] == "PartialData"
        assert 0 < len(points["Values"]) < 24 * 12
        assert points["Timestamps"][0].timestamp() == START + 23 * 3600 + 55 * 60


class TestListing:
    def test_filters_all_hold_and_a_value_is_optional(self) -> None:
        world = World()
        world.record(0, 1.0)
        world.record(0, 1.0, of={"LoadBalancer": "app/shop/1"})
        world.record(0, 1.0, of={"LoadBalancer": "app/other/1"}, name="Other")

        def listed(**params: object) -> list[str]:
            return [
                f"{m['MetricName']}{len(m['Dimensions'])}"
                for m in world.call("ListMetrics", **params)["Metrics"]
            ]

        assert listed() == ["Other1", "RequestCount1", "RequestCount2"]
        assert listed(Namespace="AWS/Nothing") == []
        assert listed(Namespace=ALB, MetricName="Other") == ["Other1"]
        assert listed(Dimensions=[{"Name": "TargetGroup"}]) == ["RequestCount2"]
        assert listed(Dimensions=dimensions({"LoadBalancer": "app/shop/1"})) == [
            "RequestCount1",
            "RequestCount2",
        ]

    def test_what_had_no_data_for_three_hours_is_not_recently_active_and_after_two_weeks_gone(self) -> None:
        world = World()
        world.record(0, 1.0)

        recent = world.at(3 * 3600 - 1).call("ListMetrics", RecentlyActive="PT3H")["Metrics"]
        later = world.at(3 * 3600 + 1).call("ListMetrics", RecentlyActive="PT3H")["Metrics"]
        listed = world.call("ListMetrics")["Metrics"]
        gone = world.at(15 * DAY).call("ListMetrics")["Metrics"]

        assert [len(found) for found in (recent, later, listed, gone)] == [1, 0, 1, 0]

    def test_pages_of_five_hundred(self) -> None:
        world = World()
        for number in range(1100):
            world.record(0, 1.0, name=f"m{number:04}")

        names: list[str] = []
        token: dict[str, str] = {}
        sizes = []
        while True:
            page = world.call("ListMetrics", **token)
            names += [metric["MetricName"] for metric in page["Metrics"]]
            sizes.append(len(page["Metrics"]))
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}

        assert sizes == [500, 500, 100]
        assert names == sorted(set(names))


def test_many_threads_lose_no_sample() -> None:
    world = World()

    def record() -> None:
        for number in range(2000):
            world.record(number / 100, 1.0)

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(total(world.at(3600)).values()) == 8000
