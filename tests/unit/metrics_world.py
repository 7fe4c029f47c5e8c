"""
A CloudWatch for unit tests that answers truly: raw values in, statistics over them out, minutes late.

Small on purpose: the twin's store is the real one. What it shares with AWS is what signals rest on:
periods on clock borders, exact dimensions, series that are not there where nothing was recorded,
a delay before a minute can be seen, TC with its lower bound outside, pages, and refusals.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from math import ceil, inf
from typing import Any

from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from signals_world import PLAN, Health, Memory, Paced

from crossfade.release.state import State
from crossfade.release.values import Instant, Say, Verdict
from crossfade.signals import Alarms, ReleaseSignals
from crossfade.signals.arms import Arms
from crossfade.signals.cloudwatch import CloudWatch, CloudWatchSlots

ELB = "AWS/ApplicationELB"
ARMS = Arms(
    load_balancer="app/shop/50dc6c495c0c9188",
    stable="targetgroup/shop-blue/73e2d6bc24d8a067",
    candidate="targetgroup/shop-green/6d0ecf831eec9f09",
)
Key = tuple[str, str, frozenset[tuple[str, str]]]


@dataclass
class FakeCloudWatch:
    """`now` is the clock's; a minute's points can be read `delay_s` after its end."""

    now: Callable[[], float]
    delay_s: float = 75.0
    late: dict[str, float] = field(default_factory=dict)
    """Metric name -> a delay of its own."""
    page: int = 100_000
    """Points on a page."""
    fails: str = ""
    """An error code that every call ends with."""
    refuses: str = ""
    """A metric name that AWS refuses to be asked for."""
    partial: str = ""
    """A metric name whose series come with this status."""
    calls: list[dict[str, Any]] = field(default_factory=list)
    alarms: dict[str, str] = field(default_factory=dict)
    """Alarm -> state; `composite:` before a name makes it one."""
    values: dict[Key, dict[int, list[tuple[float, float]]]] = field(default_factory=dict)
    _known: dict[tuple[Key, str, int, int], float] = field(default_factory=dict)

    def client(self, service: str) -> FakeCloudWatch:
        assert service == "cloudwatch"
        return self

    def record(
        self,
        name: str,
        value: float,
        at: float,
        where: Mapping[str, str],
        *,
        count: float = 1.0,
        namespace: str = ELB,
    ) -> None:
        self._known.clear()
        key = (namespace, name, frozenset(where.items()))
        minutes = self.values.setdefault(key, {})
        minutes.setdefault(int(at // 60) * 60, []).append((value, count))

    def describe_alarms(self, **asked: Any) -> Mapping[str, Any]:
        self.calls.append(asked)
        if self.fails:
            raise ClientError({"Error": {"Code": self.fails, "Message": "as told"}}, "DescribeAlarms")
        assert len(asked["AlarmNames"]) <= 100
        kinds = asked.get("AlarmTypes", ["MetricAlarm"])
        most, first = asked.get("MaxRecords", 50), int(asked.get("NextToken", "0"))
        found = [
            name for name in sorted(self.alarms) if name.removeprefix("composite:") in asked["AlarmNames"]
        ]
        page = found[first : first + min(most, self.page)]
        answer: dict[str, Any] = {"MetricAlarms": [], "CompositeAlarms": []}
        for name in page:
            kind = "CompositeAlarm" if name.startswith("composite:") else "MetricAlarm"
            if kind in kinds:
                one = {"AlarmName": name.removeprefix("composite:"), "StateValue": self.alarms[name]}
                answer[f"{kind}s"].append({**one, "StateReason": f"because {self.alarms[name]}"})
        more = first + len(page)
        return {**answer, **({"NextToken": str(more)} if more < len(found) else {})}

    def get_metric_data(self, **asked: Any) -> Mapping[str, Any]:
        self.calls.append(asked)
        if self.fails:
            raise ClientError({"Error": {"Code": self.fails, "Message": "as told"}}, "GetMetricData")
        queries = asked["MetricDataQueries"]
        assert 0 < len(queries) <= 500
        assert len({query["Id"] for query in queries}) == len(queries)
        if any(query["MetricStat"]["Metric"]["MetricName"] == self.refuses for query in queries):
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "no"}}, "GetMetricData")
        points = [
            (query["Id"], at, value)
            for query in queries
            for at, value in self._series(query["MetricStat"], asked["StartTime"], asked["EndTime"])
        ]
        first = int(asked.get("NextToken", "0"))
        shown = list(islice(points, first, first + self.page))
        more = {"NextToken": str(first + self.page)} if first + self.page < len(points) else {}
        return {"MetricDataResults": [self._result(query, shown) for query in queries], **more}

    def _result(
        self, query: Mapping[str, Any], points: Sequence[tuple[str, int, float]]
    ) -> Mapping[str, Any]:
        mine = [(at, value) for name, at, value in points if name == query["Id"]]
        cut = query["MetricStat"]["Metric"]["MetricName"] == self.partial
        return {
            "Id": query["Id"],
            "Label": query["Id"],
            "Timestamps": [datetime.fromtimestamp(at, UTC) for at, _ in mine],
            "Values": [value for _, value in mine],
            "StatusCode": "PartialData" if cut else "Complete",
        }

    def _series(self, stat: Mapping[str, Any], start: datetime, end: datetime) -> list[tuple[int, float]]:
        metric, period = stat["Metric"], stat["Period"]
        where = frozenset((one["Name"], one["Value"]) for one in metric["Dimensions"])
        key = (metric["Namespace"], metric["MetricName"], where)
        minutes = self.values.get(key, {})
        delay = self.late.get(metric["MetricName"], self.delay_s)
        found: dict[int, list[int]] = {}
        for minute in sorted(minutes):
            if start.timestamp() <= minute < end.timestamp() and minute + 60 + delay <= self.now():
                found.setdefault(minute // period * period, []).append(minute)
        points = []
        for at, inside in found.items():
            known = (key, stat["Stat"], at, len(inside))
            if known not in self._known:
                values = [pair for minute in inside for pair in minutes[minute]]
                self._known[known] = statistic(stat["Stat"], values)
            points.append((at, self._known[known]))
        return points


def statistic(stat: str, values: Sequence[tuple[float, float]]) -> float:
    count = sum(many for _, many in values)
    if stat == "Sum":
        return sum(value * many for value, many in values)
    if stat == "SampleCount":
        return count
    if stat == "Average":
        return sum(value * many for value, many in values) / count
    if stat in ("Minimum", "Maximum"):
        return (min if stat == "Minimum" else max)(value for value, _ in values)
    if stat.startswith("p"):
        wanted, seen = ceil(count * float(stat[1:]) / 100.0), 0.0
        for value, many in sorted(values):
            seen += many
            if seen >= wanted:
                return value
        return max(value for value, _ in values)
    low, high = re.fullmatch(r"TC\(([0-9.]*):([0-9.]*)\)", stat).groups()  # type: ignore[union-attr]
    inside = (float(low) if low else -inf, float(high) if high else inf)
    return sum(many for value, many in values if inside[0] < value <= inside[1])


@dataclass
class Balancer:
    """Traffic of two groups, written into a `FakeCloudWatch` minute by minute, the truth kept beside."""

    watch: FakeCloudWatch
    rate: float = 20.0
    weight: Callable[[float], float] = lambda _at: 0.1
    errors: float = 0.002
    candidate_errors: float = 0.002
    slower: float = 1.0
    refused: float = 0.0
    """Share of the candidate's requests that no target takes."""
    silent: float = 0.0
    """Share of the candidate's requests whose target never answers."""
    hosts: bool = True
    times: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    """(group, minute) -> response times in s."""
    failed: dict[tuple[str, int], int] = field(default_factory=dict)
    asked: dict[tuple[str, int], int] = field(default_factory=dict)

    def minute(self, start: int) -> None:
        rng = random.Random(start)
        whole = round(self.rate * 60)
        candidate = round(whole * self.weight(start + 30))
        self._serve(rng, ARMS.stable, start, whole - candidate, sick=False)
        self._serve(rng, ARMS.candidate, start, candidate, sick=True)

    def until(self, first: float, last: float) -> None:
        for start in range(int(first // 60) * 60, int(last // 60) * 60, 60):
            self.minute(start)

    def _serve(self, rng: random.Random, group: str, start: int, requests: int, *, sick: bool) -> None:
        where = {"LoadBalancer": ARMS.load_balancer, "TargetGroup": group}
        if self.hosts:
            self.watch.record("HealthyHostCount", 2, start, where)
            self.watch.record("UnHealthyHostCount", 0, start, where)
        own = {"LoadBalancer": ARMS.load_balancer}
        refused = silent = bad = 0
        times = self.times.setdefault((group, start), [])
        for _ in range(requests):
            draw = rng.random() if sick else 1.0
            refused += draw < self.refused
            silent += self.refused <= draw < self.refused + self.silent
            if draw >= self.refused + self.silent:
                bad += rng.random() < (self.candidate_errors if sick else self.errors)
                times.append(round(rng.lognormvariate(-3.5, 0.6) * (self.slower if sick else 1.0), 4))
        for name, count in (
            ("RequestCount", requests),
            ("TargetConnectionErrorCount", refused),
            ("HTTPCode_Target_2XX_Count", len(times) - bad),
            ("HTTPCode_Target_5XX_Count", bad),
        ):
            if count:
                self.watch.record(name, 1, start, where, count=count)
        if refused + silent:
            self.watch.record("HTTPCode_ELB_5XX_Count", 1, start, own, count=refused + silent)
        for took, count in Counter(times).items():
            self.watch.record("TargetResponseTime", took, start, where, count=count)
        self.asked[group, start] = requests
        self.failed[group, start] = bad + refused + silent


BEGIN = 1_800_000_000.0  # on a minute's border
EDGES = (10.0, 20.0, 25.0, 50.0, 100.0, 200.0)


class Desk:
    """One process: a clock, a CloudWatch, a source, and releases that ask it."""

    def __init__(self, factor: float = 1.0, **traffic: Any) -> None:
        self.real = BEGIN
        self.pace = Paced(factor)
        self.watch = FakeCloudWatch(now=self.clock)
        self.balancer = Balancer(self.watch, **traffic)
        self.source = CloudWatch(self.watch, lambda _plan: ARMS, self.pace, now=lambda: self.real)

    def clock(self) -> float:
        return self.pace.instant(self.real).timestamp()

    def at(self, seconds: float) -> None:
        """So many seconds of the clock after the beginning."""
        self.real = self.pace.real(datetime.fromtimestamp(BEGIN + seconds, UTC))

    def slots(self, since: float = 0.0, plan: str = "r1", edges: Sequence[float] = EDGES) -> CloudWatchSlots:
        begin = self.pace.real(datetime.fromtimestamp(BEGIN + since, UTC))
        return self.source.slots(replace(PLAN, release=plan), begin, edges)

    def settled(self, since: float, until: float) -> CloudWatchSlots:
        """Looks as a controller does, often enough for the last minute to be believed."""
        self.at(until)
        self.slots(since)
        self.at(until + 40)
        return self.slots(since)


class Release:
    """A release judged by CloudWatch, minute by minute, from its first look on."""

    def __init__(self, factor: float = 1.0, **traffic: Any) -> None:
        self.desk = Desk(factor, weight=lambda at: 0.1 if at >= BEGIN else 0.0, **traffic)
        self.desk.balancer.until(BEGIN - 1800, BEGIN + 1500)
        self.memory = Memory()
        bake = replace(PLAN.on[1], bake=datetime.fromtimestamp(600, UTC) - datetime.fromtimestamp(0, UTC))
        self.plan = replace(PLAN, on=(PLAN.on[0], bake, *PLAN.on[2:]))
        self.signals = self.controller()

    def controller(self) -> ReleaseSignals:
        return ReleaseSignals(
            counts=self.desk.source,
            health=Health(),
            memory=self.memory,
            pace=self.desk.pace,
            alarms=Alarms(fetch=lambda _url, _s: "OK", monotonic=lambda: 0.0),
        )

    def look(self, seconds: float) -> dict[str, Verdict]:
        self.desk.at(seconds)
        state = State(since=self.instant(1), index=1, reached=self.instant(4))
        return {one.gate: one for one in self.signals.verdicts(self.plan, state, self.instant(seconds))}

    def instant(self, seconds: float) -> Instant:
        return datetime.fromtimestamp(BEGIN + seconds, UTC)

    def until_said(self, gate: str, say: Say) -> tuple[float, Verdict]:
        for seconds in range(5, 1500, 10):
            found = self.look(seconds)[gate]
            if found.say is say:
                return seconds, found
        raise AssertionError(f"never {say}: {found.say} {found.text}")
