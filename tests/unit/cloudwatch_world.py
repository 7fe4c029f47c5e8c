"""A CloudWatch without moto, on a clock that stands still until it is told to go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from crossfade.twin.clock import TwinClock
from crossfade.twin.cloudwatch import CloudWatch

START: Final = 1_790_000_040.0 - 1_790_000_040.0 % 3600  # a full hour
ALB: Final = "AWS/ApplicationELB"
GROUP: Final = {"LoadBalancer": "app/shop/1", "TargetGroup": "targetgroup/blue/2"}


class World:
    """Twin time stands still: `at` sets it, in seconds after START."""

    def __init__(
        self, *, publish_delay: Callable[[], float] = lambda: 0.0, custom_delay: float = 0.0, **settings: Any
    ) -> None:
        self.clock = TwinClock(wall=lambda: START)
        self.cloudwatch = CloudWatch(
            self.clock, publish_delay=publish_delay, custom_delay=lambda: custom_delay, **settings
        )

    def at(self, seconds: float) -> World:
        self.clock.advance(START + seconds - self.clock.now())
        return self

    def call(self, operation: str, **params: Any) -> Mapping[str, Any]:
        return self.cloudwatch.call(operation, params)

    def record(
        self,
        minute: float,
        value: float,
        *,
        name: str = "RequestCount",
        count: float = 1.0,
        of: Mapping[str, str] = GROUP,
        namespace: str = ALB,
        unit: str = "Count",
    ) -> None:
        at = START + 60 * minute
        self.cloudwatch.record(namespace, name, of, at=at, value=value, count=count, unit=unit)

    def put(self, name: str = "Latency", *, seconds: float = 0.0, **datum: Any) -> None:
        entry = {"MetricName": name, "Timestamp": START + seconds, **datum}
        self.call("PutMetricData", Namespace="Shop", MetricData=[entry])

    def get(
        self, *queries: Mapping[str, Any], start: float = 0.0, end: float = 3600.0, **params: Any
    ) -> dict[str, dict[int, float]]:
        """Values by id and by minute (or second, for short periods) after START."""
        answer = self.call(
            "GetMetricData",
            MetricDataQueries=list(queries),
            StartTime=START + start,
            EndTime=START + end,
            **params,
        )
        found: dict[str, dict[int, float]] = {}
        for result in answer["MetricDataResults"]:
            stamps = [int(stamp.timestamp() - START) for stamp in result["Timestamps"]]
            found[result["Id"]] = dict(zip(stamps, result["Values"], strict=True))
        return found

    def statistic(
        self, stat: str, *, period: int = 60, namespace: str = "Shop", name: str = "Latency"
    ) -> Any:
        """The one value in the first hour; None where there is no point."""
        values = self.get(query("m", stat, namespace=namespace, name=name, of={}, period=period))["m"]
        assert len(values) <= 1
        return next(iter(values.values()), None)


def query(
    id_: str,
    stat: str = "Sum",
    *,
    name: str = "RequestCount",
    period: int = 60,
    of: Mapping[str, str] = GROUP,
    namespace: str = ALB,
    returned: bool = True,
    **more: Any,
) -> dict[str, Any]:
    return {
        "Id": id_,
        "MetricStat": {
            "Metric": {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions(of)},
            "Period": period,
            "Stat": stat,
        },
        "ReturnData": returned,
        **more,
    }


def dimensions(of: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in of.items()]


def math(id_: str, expression: str, **more: Any) -> dict[str, Any]:
    return {"Id": id_, "Expression": expression, **more}


def pattern(text: str) -> Sequence[float | None]:
    """`0 - X`: below a threshold of 1, missing, above it."""
    return [{"0": 0.0, "X": 3.0, "-": None}[sign] for sign in text.split()]


ERRORS: Final = "HTTPCode_Target_5XX_Count"


def put_alarm(world: World, name: str = "errors", **changed: Any) -> None:
    """More than 1 error in a minute; `None` takes a parameter away."""
    params = {
        "AlarmName": name,
        "Namespace": "AWS/ApplicationELB",
        "MetricName": ERRORS,
        "Dimensions": dimensions(GROUP),
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
        **changed,
    }
    world.call("PutMetricAlarm", **{key: value for key, value in params.items() if value is not None})


def described(world: World, name: str = "errors") -> dict[str, Any]:
    kinds = ["MetricAlarm", "CompositeAlarm"]
    answer = world.call("DescribeAlarms", AlarmNames=[name], AlarmTypes=kinds)
    found: list[dict[str, Any]] = answer["MetricAlarms"] + answer["CompositeAlarms"]
    assert len(found) == 1
    return found[0]


def state(world: World, name: str = "errors") -> str:
    return str(described(world, name)["StateValue"])


def history(world: World, name: str = "errors", **params: Any) -> list[str]:
    kinds = ["MetricAlarm", "CompositeAlarm"]
    answer = world.call(
        "DescribeAlarmHistory", AlarmName=name, AlarmTypes=kinds, ScanBy="TimestampAscending", **params
    )
    return [item["HistorySummary"] for item in answer["AlarmHistoryItems"]]


def tags(world: World, name: str = "errors") -> dict[str, str]:
    answer = world.call("ListTagsForResource", ResourceARN=described(world, name)["AlarmArn"])
    return {tag["Key"]: tag["Value"] for tag in answer["Tags"]}
