"""What alarms are taken, and how they are listed and remembered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cloudwatch_world import (
    ERRORS,
    GROUP,
    START,
    World,
    described,
    dimensions,
    put_alarm,
    query,
    state,
    tags,
)

from crossfade.twin.cloudwatch import ApiError


class TestPutting:
    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"AlarmName": None}, "AlarmName is required"),
            ({"MetricName": None}, "MetricName is required"),
            ({"Threshold": None}, "Threshold is required"),
            ({"EvaluationPeriods": None}, "EvaluationPeriods is required"),
            ({"Period": None}, "Period is required"),
            ({"Statistic": None}, "Exactly one of Statistic and ExtendedStatistic"),
            ({"ExtendedStatistic": "p99"}, "Exactly one of Statistic and ExtendedStatistic"),
            ({"Statistic": "p99"}, "not supported"),
            ({"Statistic": None, "ExtendedStatistic": "Sum"}, "not supported"),
            ({"Period": 45}, "multiple of 60"),
            ({"Period": 5}, "must be 10, 20, 30"),
            ({"DatapointsToAlarm": 2}, "DatapointsToAlarm must be"),
            ({"EvaluationPeriods": 1441}, "at most 86,400"),
            ({"EvaluationPeriods": 169, "Period": 3600}, "at most 604,800"),
            ({"TreatMissingData": "maybe"}, "Option maybe is not supported"),
            ({"EvaluateLowSampleCountPercentile": "maybe"}, "Option maybe is not supported"),
            ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "not modelled"),
            ({"WarmUpConfiguration": {"WarmUpPeriodDurationInMinutes": 5}}, "not modelled"),
            ({"EvaluationWindow": {"WallClockWindow": {}}}, "not modelled"),
            ({"ThresholdMetricId": "x"}, "not modelled"),
            ({"AlarmActions": [f"arn:{n}" for n in range(6)]}, "must not have more than 5"),
            ({"Metrics": [query("m")]}, "mutually exclusive"),
        ],
    )
    def test_what_is_wrong_is_refused_and_nothing_is_kept(self, changed: dict[str, Any], said: str) -> None:
        world = World()

        with pytest.raises(ApiError, match=said):
            put_alarm(world, **changed)
        assert world.call("DescribeAlarms")["MetricAlarms"] == []

    def test_a_day_of_minutes_and_a_week_of_hours_are_taken(self) -> None:
        put_alarm(World(), EvaluationPeriods=1440)
        put_alarm(World(), EvaluationPeriods=168, Period=3600)

    def test_dynamodb_s_alarms_ignore_missing_data_whatever_was_asked(self) -> None:
        world = World()
        put_alarm(world, Namespace="AWS/DynamoDB", TreatMissingData="breaching")

        assert state(world.at(900)) == "INSUFFICIENT_DATA"

    def test_everything_is_given_back(self) -> None:
        world = World()
        put_alarm(
            world, Unit="Count", TreatMissingData="ignore", ActionsEnabled=False, AlarmActions=["arn:a"]
        )

        alarm = described(world)

        assert alarm["AlarmArn"] == "arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors"
        assert alarm["Dimensions"] == dimensions(dict(sorted(GROUP.items())))
        assert (alarm["Unit"], alarm["Statistic"], alarm["Period"]) == ("Count", "Sum", 60)
        assert (alarm["TreatMissingData"], alarm["ActionsEnabled"]) == ("ignore", False)
        assert (alarm["AlarmActions"], alarm["OKActions"]) == (["arn:a"], [])

    def test_actions_are_switched_and_tags_change(self) -> None:
        world = World()
        put_alarm(world, Tags=[{"Key": "a", "Value": "1"}])
        arn = described(world)["AlarmArn"]

        world.call("DisableAlarmActions", AlarmNames=["errors", "nobody"])
        off = described(world)["ActionsEnabled"]
        world.call("EnableAlarmActions", AlarmNames=["errors"])
        world.call("TagResource", ResourceARN=arn, Tags=[{"Key": "b", "Value": "2"}])
        world.call("UntagResource", ResourceARN=arn, TagKeys=["a"])

        assert (off, described(world)["ActionsEnabled"]) == (False, True)
        assert tags(world) == {"b": "2"}
        with pytest.raises(ApiError, match="does not exist"):
            world.call("TagResource", ResourceARN=f"{arn}x", Tags=[])


class TestDescribing:
    @pytest.fixture
    def world(self) -> World:
        """Five alarms, of which two fire; one composite."""
        world = World()
        for name in ("a1", "a2", "a3", "b1", "b2"):
            put_alarm(
                world, name, Threshold=1.0 if name in {"a1", "b1"} else 100.0, AlarmActions=[f"arn:{name}"]
            )
        world.call("PutCompositeAlarm", AlarmName="all", AlarmRule="ALARM(a1)")
        world.record(0, 1.0, name=ERRORS, count=5)
        return world.at(130)

    def names(self, world: World, **params: Any) -> list[str]:
        answer = world.call("DescribeAlarms", **params)
        return [alarm["AlarmName"] for kind in ("MetricAlarms", "CompositeAlarms") for alarm in answer[kind]]

    def test_all_filters_hold_at_once(self, world: World) -> None:
        assert self.names(world) == ["a1", "a2", "a3", "b1", "b2"]
        assert self.names(world, StateValue="ALARM") == ["a1", "b1"]
        assert self.names(world, AlarmNamePrefix="a", StateValue="ALARM") == ["a1"]
        assert self.names(world, AlarmNames=["a2", "b1", "x"], StateValue="ALARM") == ["b1"]
        assert self.names(world, AlarmNames=["a2", "b1"], ActionPrefix="arn:a") == ["a2"]

    def test_composite_alarms_are_shown_only_when_asked_for(self, world: World) -> None:
        assert self.names(world, AlarmNames=["all"]) == []
        assert self.names(world, AlarmTypes=["CompositeAlarm"]) == ["all"]
        assert self.names(world, AlarmTypes=["CompositeAlarm", "MetricAlarm"], AlarmNamePrefix="a") == [
            *("a1", "a2", "a3", "all"),
        ]
        assert self.names(world, AlarmTypes=["LogAlarm"]) == []

    def test_pages(self, world: World) -> None:
        found: list[str] = []
        params: dict[str, Any] = {"MaxRecords": 2}
        while True:
            page = world.call("DescribeAlarms", **params)
            found += [alarm["AlarmName"] for alarm in page["MetricAlarms"]]
            if "NextToken" not in page:
                break
            params["NextToken"] = page["NextToken"]

        assert found == ["a1", "a2", "a3", "b1", "b2"]

    def test_parents_and_children(self, world: World) -> None:
        children = world.call("DescribeAlarms", ChildrenOfAlarmName="all")["MetricAlarms"]
        parents = world.call("DescribeAlarms", ParentsOfAlarmName="a1")["CompositeAlarms"]

        assert [set(child) for child in children] == [
            {"AlarmName", "AlarmArn", "StateValue", "StateUpdatedTimestamp"}
        ]
        assert [(set(parent), parent["AlarmName"]) for parent in parents] == [
            ({"AlarmName", "AlarmArn"}, "all")
        ]

    @pytest.mark.parametrize(
        "params",
        [
            {"AlarmNames": ["a1"], "AlarmNamePrefix": "a"},
            {"AlarmNames": [f"n{number}" for number in range(101)]},
            {"StateValue": "FINE"},
            {"AlarmTypes": ["Alarm"]},
            {"MaxRecords": 101},
            {"ChildrenOfAlarmName": "all", "StateValue": "OK"},
            {"ChildrenOfAlarmName": "nobody"},
        ],
    )
    def test_what_is_wrong_is_refused(self, world: World, params: dict[str, Any]) -> None:
        with pytest.raises(ApiError) as refused:
            world.call("DescribeAlarms", **params)

        assert refused.value.code == "ValidationError"

    def test_by_metric_only_alarms_on_that_very_metric(self, world: World) -> None:
        params = {"Namespace": "AWS/ApplicationELB", "MetricName": ERRORS, "Dimensions": dimensions(GROUP)}

        def found(**more: Any) -> int:
            return len(world.call("DescribeAlarmsForMetric", **{**params, **more})["MetricAlarms"])

        assert (found(), found(Statistic="Sum"), found(Period=60)) == (5, 5, 5)
        assert (found(Statistic="Average"), found(Period=300), found(Dimensions=[])) == (0, 0, 0)
        assert found(ExtendedStatistic="p99") == 0

    def test_history_is_filtered_and_paged(self, world: World) -> None:
        def items(**params: Any) -> list[tuple[str, str]]:
            answer = world.call("DescribeAlarmHistory", **params)
            return [(item["AlarmName"], item["HistoryItemType"]) for item in answer["AlarmHistoryItems"]]

        assert len(items()) == 10
        assert items(AlarmTypes=["CompositeAlarm"], HistoryItemType="StateUpdate")[-1] == (
            "all",
            "StateUpdate",
        )
        assert items(AlarmName="a1") == [("a1", "StateUpdate"), ("a1", "ConfigurationUpdate")]
        assert items(AlarmName="a1", StartDate=START + 1) == [("a1", "StateUpdate")]
        assert items(AlarmName="a1", EndDate=START) == [("a1", "ConfigurationUpdate")]
        first = world.call("DescribeAlarmHistory", MaxRecords=6)
        rest = world.call("DescribeAlarmHistory", MaxRecords=6, NextToken=first["NextToken"])
        assert [len(page["AlarmHistoryItems"]) for page in (first, rest)] == [6, 4]

    def test_history_tells_both_states_and_outlives_the_alarm(self, world: World) -> None:
        world.call("PutCompositeAlarm", AlarmName="all", AlarmRule="FALSE")
        world.call("DeleteAlarms", AlarmNames=["a1"])
        items = world.call("DescribeAlarmHistory", AlarmName="a1")["AlarmHistoryItems"]
        moved = json.loads(items[1]["HistoryData"])

        assert [item["HistorySummary"] for item in items] == [
            'Alarm "a1" deleted',
            "Alarm updated from INSUFFICIENT_DATA to ALARM",
            'Alarm "a1" created',
        ]
        assert (moved["oldState"]["stateValue"], moved["newState"]["stateValue"]) == (
            "INSUFFICIENT_DATA",
            "ALARM",
        )
        assert moved["newState"]["stateReasonData"]["recentDatapoints"] == [5.0]
        assert world.at(20 * 86_400).call("DescribeAlarmHistory", AlarmName="a1")["AlarmHistoryItems"] == []
