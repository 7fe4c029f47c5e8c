"""Alarms over time: created, looked at, moved."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from cloudwatch_world import (
    ERRORS,
    START,
    World,
    described,
    history,
    math,
    put_alarm,
    query,
    state,
    tags,
)

from crossfade.twin.cloudwatch import ApiError


class TestLife:
    def test_a_new_alarm_knows_nothing_yet(self) -> None:
        world = World()
        put_alarm(world)

        alarm = described(world)

        assert alarm["StateValue"] == "INSUFFICIENT_DATA"
        assert alarm["StateReason"] == "Unchecked: Initial alarm creation"
        assert alarm["StateUpdatedTimestamp"].timestamp() == START
        assert "StateReasonData" not in alarm

    def test_without_data_it_stays_so(self) -> None:
        world = World()
        put_alarm(world)

        assert described(world.at(1800))["StateReason"] == "Unchecked: Initial alarm creation"
        assert history(world) == ['Alarm "errors" created']

    def test_it_is_looked_at_each_minute_at_its_own_second(self) -> None:
        world = World()
        put_alarm(world, TreatMissingData="notBreaching")
        for minute in (5, 8):
            world.record(minute, 1.0, name=ERRORS, count=5)
        world.at(3600)

        moved = world.call("DescribeAlarmHistory", AlarmName="errors", HistoryItemType="StateUpdate")
        seconds = [item["Timestamp"].timestamp() - START for item in moved["AlarmHistoryItems"]]

        assert [summary.split()[-1] for summary in history(world)[1:]] == ["OK", "ALARM", "OK"]
        assert len({second % 60 for second in seconds}) == 1
        assert 6 * 60 <= seconds[1] < 7 * 60

    def test_it_fires_only_when_the_minute_is_published(self) -> None:
        world = World(publish_delay=lambda: 130.0)
        put_alarm(world)
        world.record(0, 1.0, name=ERRORS, count=5)

        assert state(world.at(189)) == "INSUFFICIENT_DATA"
        assert state(world.at(250)) == "ALARM"

    def test_missing_data_is_filled_from_further_back_so_that_it_clears_late(self) -> None:
        world = World()
        put_alarm(world, TreatMissingData="notBreaching")
        world.record(0, 1.0, name=ERRORS, count=5)
        world.at(3600)

        moved = world.call(
            "DescribeAlarmHistory",
            AlarmName="errors",
            HistoryItemType="StateUpdate",
            ScanBy="TimestampAscending",
        )
        times = {
            item["HistorySummary"]: item["Timestamp"].timestamp() - START
            for item in moved["AlarmHistoryItems"]
        }

        assert 60 <= times["Alarm updated from OK to ALARM"] < 120
        assert 7 * 60 <= times["Alarm updated from ALARM to OK"] < 8 * 60

    def test_the_measured_case_of_fifteen_minutes_clears_as_it_did(self) -> None:
        """A user's alarm: point at 19:50:31, looked at 51 s past the minute, OK at 20:36:51."""
        world = World()
        put_alarm(world, Period=900, TreatMissingData="notBreaching", Threshold=0.0)
        world.record(50 + 31 / 60, 1.0, name=ERRORS)
        world.at(7200)

        moved = world.call("DescribeAlarmHistory", AlarmName="errors", HistoryItemType="StateUpdate")
        cleared = moved["AlarmHistoryItems"][0]["Timestamp"].timestamp() - START

        assert moved["AlarmHistoryItems"][0]["HistorySummary"] == "Alarm updated from ALARM to OK"
        assert cleared // 60 == 60 + 36

    def test_a_jump_of_the_clock_leaves_the_history_of_a_clock_that_ran(self) -> None:
        def lived(step: float) -> list[tuple[float, str]]:
            world = World(publish_delay=lambda: 90.0)
            put_alarm(world, TreatMissingData="notBreaching", EvaluationPeriods=2, DatapointsToAlarm=1)
            for minute in (3, 4, 12):
                world.record(minute, 1.0, name=ERRORS, count=3)
            second = 0.0
            while second < 3600:
                second += step
                world.at(second)
                world.cloudwatch.tick()
            answer = world.call("DescribeAlarmHistory", AlarmName="errors")
            return [
                (item["Timestamp"].timestamp(), item["HistorySummary"])
                for item in answer["AlarmHistoryItems"]
            ]

        assert lived(3600) == lived(10) == lived(45)
        assert len(lived(3600)) == 6

    def test_an_update_overwrites_the_settings_and_keeps_the_state(self) -> None:
        world = World()
        put_alarm(
            world,
            AlarmDescription="old",
            DatapointsToAlarm=1,
            OKActions=["arn:x"],
            Tags=[{"Key": "a", "Value": "b"}],
        )
        for minute in range(3):
            world.record(minute, 1.0, name=ERRORS, count=5)
        before = described(world.at(180))
        put_alarm(world, Threshold=100.0, Tags=[{"Key": "c", "Value": "d"}])
        after = described(world)

        assert (before["StateValue"], after["StateValue"]) == ("ALARM", "ALARM")
        assert after["StateUpdatedTimestamp"] == before["StateUpdatedTimestamp"]
        assert after["Threshold"] == 100.0
        assert "AlarmDescription" not in after
        assert "DatapointsToAlarm" not in after
        assert after["OKActions"] == []
        assert tags(world) == {"a": "b"}
        assert state(world.at(241)) == "OK"

    def test_a_state_set_by_hand_lasts_until_the_next_look(self) -> None:
        world = World()
        put_alarm(world)
        for minute in range(5):
            world.record(minute, 1.0, name=ERRORS)
        world.at(240)
        world.call(
            "SetAlarmState",
            AlarmName="errors",
            StateValue="ALARM",
            StateReason="drill",
            StateReasonData='{"x":1}',
        )
        by_hand = described(world)

        assert (by_hand["StateReason"], by_hand["StateReasonData"]) == ("drill", '{"x":1}')
        assert state(world) == "ALARM"
        assert state(world.at(300)) == "OK"
        assert history(world)[-2:] == ["Alarm updated from OK to ALARM", "Alarm updated from ALARM to OK"]

    def test_a_high_resolution_alarm_is_looked_at_every_ten_seconds(self) -> None:
        world = World()
        put_alarm(
            world,
            Namespace="Shop",
            MetricName="Latency",
            Dimensions=None,
            Period=10,
            Statistic=None,
            ExtendedStatistic="p90",
        )
        for second in range(100):
            world.put(seconds=float(second), Value=3.0 if 50 <= second < 80 else 0.1, StorageResolution=1)

        seen: dict[str, int] = {}
        for second in range(200):
            seen.setdefault(state(world.at(float(second))), second)

        assert 10 <= seen["OK"] <= 20
        assert 60 <= seen["ALARM"] <= 70

    def test_without_its_thread_it_is_looked_at_when_asked_and_with_it_always(self) -> None:
        world = World()
        put_alarm(world)
        world.record(0, 1.0, name=ERRORS, count=5)
        world.at(180)
        world.cloudwatch.start()
        world.cloudwatch.start()
        try:
            end = time.monotonic() + 20
            while world.cloudwatch._book.alarms["errors"].state != "ALARM" and time.monotonic() < end:
                time.sleep(0.01)
        finally:
            world.cloudwatch.stop()
            world.cloudwatch.stop()

        assert world.cloudwatch._book.alarms["errors"].state == "ALARM"

    def test_a_reset_forgets_all(self) -> None:
        world = World()
        put_alarm(world)
        world.record(0, 1.0, name=ERRORS)
        world.cloudwatch.reset()

        assert world.call("DescribeAlarms")["MetricAlarms"] == []
        assert world.call("ListMetrics")["Metrics"] == []
        assert history(world.at(600)) == []


class TestMath:
    def put(self, world: World, expression: str, *metrics: dict[str, Any], **changed: Any) -> None:
        single = ("Namespace", "MetricName", "Dimensions", "Statistic", "Period")
        queries = [*metrics, math("e", expression, ReturnData=True)]
        none: dict[str, Any] = dict.fromkeys(single)
        put_alarm(world, Metrics=queries, **none, **changed)

    def test_an_error_rate_fires_and_clears(self) -> None:
        world = World()
        self.put(
            world,
            "100*FILL(bad,0)/all1",
            query("bad", name=ERRORS, returned=False),
            query("all1", returned=False),
            Threshold=5.0,
        )
        for minute in range(10):
            world.record(minute, 1.0, count=100)
            if minute in {3, 4}:
                world.record(minute, 1.0, name=ERRORS, count=10)
        world.at(660)

        alarm = described(world)

        assert [summary.split()[-1] for summary in history(world)[1:]] == ["OK", "ALARM", "OK"]
        assert "Statistic" not in alarm
        assert [one["Id"] for one in alarm["Metrics"]] == ["bad", "all1", "e"]
        assert "statistic" not in json.loads(alarm["StateReasonData"])

    @pytest.mark.parametrize(
        ("expression", "metrics", "said"),
        [
            ("SUM(m)", [query("m", returned=False)], "must be a time series"),
            (
                "METRICS()",
                [query("m", returned=False), query("n", returned=False)],
                "must be one time series",
            ),
            ("m", [query("m", returned=True)], "Exactly one element"),
            ("m + n", [query("m", returned=False)], "Unrecognized id: n"),
            ("m", [query("m", returned=False), query("n", period=300, returned=False)], "same period"),
            ("m", [query("m", period=5, returned=False)], "must be 10, 20, 30"),
            ("SUM(METRICS())", [query(f"m{n}", returned=False) for n in range(11)], "at most 10"),
            ("STDDEV(m)", [query("m", returned=False)], "not modelled"),
        ],
    )
    def test_what_no_alarm_can_watch_is_refused(
        self, expression: str, metrics: list[dict[str, Any]], said: str
    ) -> None:
        with pytest.raises(ApiError, match=said):
            self.put(World(), expression, *metrics)

    def test_an_expression_that_comes_to_nothing_is_an_evaluation_error_until_it_is_mended(self) -> None:
        world = World()
        self.put(world, "SLICE(METRICS(), DATAPOINT_COUNT(m))", query("m", returned=False))
        world.record(0, 1.0)
        broken = described(world.at(125))
        mended = described(world.at(900))

        assert broken["EvaluationState"] == "EVALUATION_ERROR"
        assert "must be one time series" in broken["StateReason"]
        assert "EvaluationState" not in mended


class TestLowSamples:
    @pytest.mark.parametrize(
        ("setting", "expected"), [("ignore", "INSUFFICIENT_DATA"), ("evaluate", "ALARM")]
    )
    def test_a_p99_of_a_small_canary_is_not_judged_if_so_set(self, setting: str, expected: str) -> None:
        world = World()
        put_alarm(
            world,
            MetricName="TargetResponseTime",
            Statistic=None,
            ExtendedStatistic="p99",
            EvaluateLowSampleCountPercentile=setting,
        )
        for minute in range(3):
            world.record(minute, 3.0, name="TargetResponseTime", count=300)

        assert state(world.at(200)) == expected

    def test_with_enough_samples_it_is(self) -> None:
        world = World()
        put_alarm(
            world,
            MetricName="TargetResponseTime",
            Statistic=None,
            ExtendedStatistic="p99",
            EvaluateLowSampleCountPercentile="ignore",
        )
        world.record(0, 3.0, name="TargetResponseTime", count=1000)

        assert state(world.at(121)) == "ALARM"

    @pytest.mark.parametrize("statistic", ["tm99", "TM(10%:90%)", "PR(1:)", "TC(:1)", "IQM", "wm95", "ts90"])
    def test_every_extended_statistic_can_be_watched(self, statistic: str) -> None:
        world = World()
        put_alarm(
            world,
            MetricName="TargetResponseTime",
            Statistic=None,
            ExtendedStatistic=statistic,
            Threshold=-1.0,
        )
        world.record(0, 3.0, name="TargetResponseTime")
        world.at(121)

        assert described(world)["ExtendedStatistic"] == statistic
        assert state(world) == "ALARM"
