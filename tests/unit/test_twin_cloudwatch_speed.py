"""What the store and its readers cost, in processor time of this thread: other work does not count."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from cloudwatch_world import ALB, GROUP, START, World, math, query


def spent(work: Callable[[], object], times: int = 5) -> float:
    """The best of a few runs, in seconds."""
    best = float("inf")
    for _ in range(times):
        begun = time.thread_time()
        work()
        best = min(best, time.thread_time() - begun)
    return best


def test_fifty_thousand_records_take_less_than_a_second() -> None:
    draw = random.Random(1)
    values = [draw.lognormvariate(-3, 0.5) for _ in range(50_000)]
    world = World()

    def record() -> None:
        for number, value in enumerate(values):
            world.cloudwatch.record(ALB, "TargetResponseTime", GROUP, at=START + number / 500, value=value)

    assert spent(record, times=2) < 1.0


def full_world(series: int) -> World:
    """Three hours of counts in many target groups."""
    world = World()
    for minute in range(180):
        for number in range(series):
            world.record(minute, 1.0, of={"TargetGroup": f"tg/{number}"}, count=5 + minute % 7)
    return world.at(3 * 3600 + 60)


def test_five_hundred_queries_over_three_hours_take_less_than_a_tenth_of_a_second() -> None:
    world = full_world(500)
    queries = [query(f"m{number}", of={"TargetGroup": f"tg/{number}"}) for number in range(500)]

    def read() -> Any:
        return world.call(
            "GetMetricData", MetricDataQueries=queries, StartTime=START, EndTime=START + 3 * 3600
        )

    assert sum(len(result["Values"]) for result in read()["MetricDataResults"]) == 90_000
    assert spent(read) < 0.1


def test_five_hundred_with_math_take_less_than_a_quarter_of_a_second() -> None:
    world = full_world(250)
    queries = [query(f"m{number}", of={"TargetGroup": f"tg/{number}"}) for number in range(250)]
    queries += [math(f"e{number}", f"100*FILL(m{number},0)/m{number}") for number in range(250)]

    def read() -> Any:
        return world.call(
            "GetMetricData", MetricDataQueries=queries, StartTime=START, EndTime=START + 3 * 3600
        )

    assert spent(read) < 0.25


def test_a_tick_s_worth_of_latency_bins_takes_less_than_a_tenth_of_a_second() -> None:
    world = World()
    draw = random.Random(1)
    for minute in range(10):
        for group in range(10):
            for _ in range(600):
                value = draw.lognormvariate(-3, 0.5)
                world.record(minute, value, name="TargetResponseTime", of={"TargetGroup": f"tg/{group}"})
    world.at(660)
    queries = [
        query(
            f"m{number}",
            f"TC({number / 500:.3f}:{(number + 1) / 500:.3f})",
            name="TargetResponseTime",
            of={"TargetGroup": f"tg/{number % 10}"},
        )
        for number in range(500)
    ]

    def read() -> Any:
        return world.call(
            "GetMetricData", MetricDataQueries=queries, StartTime=START + 300, EndTime=START + 600
        )

    assert spent(read) < 0.1


def test_a_day_of_a_hundred_target_groups_fits_into_220_megabytes() -> None:
    """Ten plain metrics and whole-millisecond latencies of 1,000 requests a minute, from one group's hour."""
    draw = random.Random(1)
    world = World()
    for minute in range(60):
        for number in range(10):
            world.record(minute, 1.0, name=f"Count{number}", count=1000)
        for _ in range(1000):
            world.record(minute, round(draw.lognormvariate(-3, 0.5), 3), name="TargetResponseTime")
    world.at(7200)

    assert world.cloudwatch.bytes * 24 * 100 < 220e6
