"""Why an alarm is in its state: sentence and data."""

from __future__ import annotations

import json
import time
from typing import Any

from cloudwatch_world import (
    ERRORS,
    START,
    World,
    described,
    put_alarm,
)


class TestReasons:
    def reason(self, *counts: int, **changed: Any) -> tuple[str, dict[str, Any]]:
        """Of an alarm put just after so many errors minute by minute (0 = no point), at its first look."""
        world = World()
        for minute, count in enumerate(counts):
            if count:
                world.record(minute, 1.0, name=ERRORS, count=count)
        put_alarm(world.at(60 * len(counts)), **changed)
        alarm = described(world.at(60 * len(counts) + 59))
        return alarm["StateReason"], json.loads(alarm["StateReasonData"])

    def test_a_threshold_crossed(self) -> None:
        said, data = self.reason(3, DatapointsToAlarm=1)

        assert said == (
            f"Threshold Crossed: 1 out of the last 1 datapoints [3.0 ({clock(0)})] was greater than the "
            "threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition)."
        )
        assert data["version"] == "1.0"
        assert (data["statistic"], data["period"], data["threshold"]) == ("Sum", 60, 1.0)
        assert data["recentDatapoints"] == [3.0]
        assert data["startDate"] == stamp(0)
        assert data["evaluatedDatapoints"] == [{"timestamp": stamp(0), "sampleCount": 3.0, "value": 3.0}]

    def test_several_datapoints_the_newest_first(self) -> None:
        said, data = self.reason(
            2,
            3,
            4,
            EvaluationPeriods=3,
            DatapointsToAlarm=2,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        )

        assert said == (
            f"Threshold Crossed: 3 out of the last 3 datapoints [4.0 ({clock(2)}), 3.0 ({clock(1)}), "
            f"2.0 ({clock(0)})] were greater than or equal to the threshold (1.0) (minimum 2 datapoints for "
            "OK -> ALARM transition)."
        )
        assert data["recentDatapoints"] == [2.0, 3.0, 4.0]
        assert [point["value"] for point in data["evaluatedDatapoints"]] == [4.0, 3.0, 2.0]

    def test_back_to_ok(self) -> None:
        said, _ = self.reason(2, 3, 1, EvaluationPeriods=3, DatapointsToAlarm=3)

        assert said == (
            f"Threshold Crossed: 1 out of the last 3 datapoints [1.0 ({clock(2)})] was not greater than the "
            "threshold (1.0) (minimum 1 datapoint for ALARM -> OK transition)."
        )

    def test_without_m_of_n_it_is_shorter(self) -> None:
        said, _ = self.reason(3)

        assert said == (
            f"Threshold Crossed: 1 datapoint [3.0 ({clock(0)})] was greater than the threshold (1.0)."
        )

    def test_nothing_received(self) -> None:
        said, data = self.reason(0, 0, EvaluationPeriods=2, TreatMissingData="breaching")

        assert said == (
            "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were "
            "treated as [Breaching]."
        )
        assert data["recentDatapoints"] == []
        assert len(data["evaluatedDatapoints"]) == 2

    def test_nothing_received_for_one_period(self) -> None:
        said, _ = self.reason(0, TreatMissingData="notBreaching")

        assert said == (
            "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated "
            "as [NonBreaching]."
        )

    def test_some_received(self) -> None:
        said, _ = self.reason(0, 0, 1, EvaluationPeriods=2, TreatMissingData="breaching")
        other, _ = self.reason(1, EvaluationPeriods=3, DatapointsToAlarm=2, TreatMissingData="breaching")

        assert said == (
            f"Threshold Crossed: 1 datapoint [1.0 ({clock(2)})] was not greater than the threshold (1.0) and "
            "1 missing datapoint was treated as [Breaching]."
        )
        assert other == (
            "Threshold Crossed: 1 datapoint was received for 3 periods and 2 missing datapoints were treated "
            "as [Breaching]."
        )

    def test_insufficient_data_after_data(self) -> None:
        world = World()
        put_alarm(world)
        world.record(0, 1.0, name=ERRORS)
        world.at(900)

        assert described(world)["StateReason"] == "Insufficient Data: 1 datapoint was unknown."


def clock(minute: int) -> str:
    return time.strftime("%d/%m/%y %H:%M:%S", time.gmtime(START + 60 * minute))


def stamp(minute: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime(START + 60 * minute))
