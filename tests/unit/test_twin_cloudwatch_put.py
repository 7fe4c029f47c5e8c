"""PutMetricData: what is taken and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from cloudwatch_world import START, World, dimensions, query

from crossfade.twin.cloudwatch import ApiError

DAY = 86_400


def put(world: World, *data: dict[str, Any], namespace: str = "Shop", **params: Any) -> None:
    entries = [{"MetricName": "Latency", **datum} for datum in data]
    world.call("PutMetricData", Namespace=namespace, MetricData=entries, **params)


def test_values_with_counts_are_so_many_samples() -> None:
    world = World()
    put(world, {"Values": [0.1, 0.2, 5.0], "Counts": [50, 49, 1], "Unit": "Seconds"}, {"Values": [0.1]})

    world.at(60)

    one = query("m", "p99", namespace="Shop", name="Latency", of={})
    one["MetricStat"]["Unit"] = "Seconds"
    assert world.get(one)["m"] == {0: 0.2}


def test_without_a_time_it_is_now() -> None:
    world = World().at(130)
    put(world, {"Value": 1.0})

    assert world.get(query("m", namespace="Shop", name="Latency", of={}))["m"] == {120: 1.0}


def test_entities_carry_metrics_too() -> None:
    world = World()
    world.call(
        "PutMetricData",
        Namespace="Shop",
        EntityMetricData=[{"Entity": {}, "MetricData": [{"MetricName": "Latency", "Value": 2.0}]}],
        StrictEntityValidation=False,
    )

    assert world.statistic("Sum") == 2.0


@pytest.mark.parametrize("offset", [-14 * DAY + 60, 0, 2 * 3600 - 60])
def test_times_of_two_weeks_back_and_two_hours_ahead_are_taken(offset: float) -> None:
    world = World().at(30 * DAY)
    at = world.clock.now() + offset
    put(world, {"Value": 1.0, "Timestamp": at})

    found = world.get(
        query("m", namespace="Shop", name="Latency", of={}, period=300),
        start=at - START - 600,
        end=at - START + 600,
    )["m"]

    assert list(found.values()) == [1.0]


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        ({}, "MissingParameter"),
        ({"Value": float("nan")}, "InvalidParameterValue"),
        ({"Value": float("inf")}, "InvalidParameterValue"),
        ({"Value": -(2.0**361)}, "InvalidParameterValue"),
        ({"Values": [1.0, float("nan")]}, "InvalidParameterValue"),
        ({"Value": 1.0, "Values": [1.0]}, "InvalidParameterCombination"),
        (
            {"Value": 1.0, "StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}},
            "InvalidParameterCombination",
        ),
        ({"Values": [1.0, 2.0], "Counts": [1.0]}, "InvalidParameterValue"),
        ({"Values": [1.0], "Counts": [0.0]}, "InvalidParameterValue"),
        ({"Values": [1.0, 2.0], "Counts": [1.0, -1.0]}, "InvalidParameterValue"),
        ({"Values": [float(number) for number in range(151)]}, "InvalidParameterValue"),
        ({"StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 1}}, "MissingParameter"),
        (
            {"StatisticValues": {"SampleCount": 0, "Sum": 0, "Minimum": 0, "Maximum": 0}},
            "InvalidParameterValue",
        ),
        (
            {"StatisticValues": {"SampleCount": 2, "Sum": 3, "Minimum": 2, "Maximum": 1}},
            "InvalidParameterValue",
        ),
        ({"Value": 1.0, "Unit": "Apples"}, "InvalidParameterValue"),
        ({"Value": 1.0, "StorageResolution": 10}, "InvalidParameterValue"),
        ({"Value": 1.0, "Timestamp": START - 15 * DAY}, "InvalidParameterValue"),
        ({"Value": 1.0, "Timestamp": START + 3 * 3600}, "InvalidParameterValue"),
        ({"Value": 1.0, "MetricName": ""}, "MissingParameter"),
        ({"Value": 1.0, "MetricName": "m" * 256}, "InvalidParameterValue"),
        ({"Value": 1.0, "Dimensions": dimensions({"": "x"})}, "InvalidParameterValue"),
        ({"Value": 1.0, "Dimensions": dimensions({"x": ""})}, "InvalidParameterValue"),
        ({"Value": 1.0, "Dimensions": dimensions({":x": "y"})}, "InvalidParameterValue"),
        ({"Value": 1.0, "Dimensions": dimensions({"x": "grün"})}, "InvalidParameterValue"),
        (
            {"Value": 1.0, "Dimensions": [*dimensions({"x": "1"}), *dimensions({"x": "2"})]},
            "InvalidParameterValue",
        ),
        (
            {"Value": 1.0, "Dimensions": dimensions({f"d{number}": "x" for number in range(31)})},
            "InvalidParameterValue",
        ),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_of_the_request_is_kept(
    datum: dict[str, Any], code: str
) -> None:
    world = World()

    with pytest.raises(ApiError) as refused:
        put(world, {"Value": 1.0}, datum)

    assert refused.value.code == code
    assert world.statistic("Sum") is None


def test_thirty_dimensions_are_taken() -> None:
    many = {f"d{number}": "x" for number in range(30)}
    world = World()
    put(world, {"Value": 1.0, "Dimensions": dimensions(many)})

    assert world.get(query("m", namespace="Shop", name="Latency", of=many))["m"] == {0: 1.0}


@pytest.mark.parametrize("namespace", ["", "AWS/EC2", ":x", "n" * 256])
def test_a_namespace_has_its_rules(namespace: str) -> None:
    with pytest.raises(ApiError):
        put(World(), {"Value": 1.0}, namespace=namespace)


def test_a_thousand_entries_and_no_more() -> None:
    world = World()
    put(world, *({"Value": 1.0} for _ in range(1000)))

    assert world.statistic("Sum") == 1000.0
    with pytest.raises(ApiError, match="1000"):
        put(world, *({"Value": 1.0} for _ in range(1001)))
