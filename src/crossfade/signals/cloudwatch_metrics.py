"""
One GetMetricData for all releases of the process: who wants which series, read together, kept, told.

A question goes out when `EVERY_S` of the clock has passed, for everything that is wanted, 500 series a
call; whoever wants something new is answered at once, for that alone. Between two questions all releases
read what is kept. A question that fails is asked again after `RETRY_S`; until then it is said why.

LIMITS: one thread at a time may ask; the others wait for its answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import Any, Final, Protocol

from crossfade.aws import calling
from crossfade.errors import CrossfadeError, PlatformError
from crossfade.signals.cloudwatch_asked import PERIOD_S, Metric
from crossfade.signals.cloudwatch_reading import Point, Read, Series

EVERY_S: Final = 30.0
"""Seconds of the clock between two questions: half a period, as a new minute comes once in one."""

RETRY_S: Final = 10.0
"""Seconds of the clock after which a question that failed is asked again."""

MOST_QUERIES: Final = 500
"""Series in one call; AWS's limit."""

MOST_POINTS: Final = 100_000
"""Points in one answer; AWS's limit is a little higher."""

OVERLAP_S: Final = 10.0 * PERIOD_S
"""So much of what is known already is read again: a minute may still change."""

KEPT_S: Final = 2.0 * 3600.0
"""Points older than this are forgotten; AWS keeps them."""

FORGOTTEN_S: Final = 900.0
"""Who has not asked for so long does not want any more."""

ONE_S_OWN: Final = frozenset({"CF4308", "CF4401"})
"""What a single series can make of the whole question: it is refused, or answered in part."""

_COMPLETE: Final = "Complete"


@dataclass(slots=True)
class _Wish:
    """What one release wants, and how the last question for it went."""

    metrics: tuple[Metric, ...] = ()
    since: float = 0.0
    last: float = 0.0
    """When it was last wanted."""
    asked: float = 0.0
    error: CrossfadeError | None = None


@dataclass(slots=True)
class _Kept:
    """One series, and from when on it has been read."""

    since: float
    points: dict[int, Point] = field(default_factory=dict)


class Clients(Protocol):
    """Where boto3's clients come from: `crossfade.aws.Door`."""

    def client(self, service: str) -> Any: ...


class Metrics:
    """Reads series for whoever `want`s them. Times are seconds of the clock's epoch."""

    def __init__(self, door: Clients, clock: Callable[[], float]) -> None:
        self._door = door
        self._clock = clock
        self._lock = threading.Lock()
        self._wishes: dict[str, _Wish] = {}
        self._kept: dict[Metric, _Kept] = {}
        self._at = self._tried = float("-inf")

    def read(self, who: str, metrics: Sequence[Metric], since: float) -> Read:
        """
        These series since an instant, as of the last question.

        Raises `CrossfadeError` while questions fail.
        """
        with self._lock:
            now = self._clock()
            wish = self._wishes.setdefault(who, _Wish())
            wish.metrics, wish.since, wish.last = tuple(metrics), max(since, now - KEPT_S), now
            self._wishes = {name: one for name, one in self._wishes.items() if one.last > now - FORGOTTEN_S}
            self._ask_what_is_due(wish, now)
            if wish.error is not None:
                raise wish.error
            return Read(at=self._at, series={metric: self._points(metric) for metric in metrics})

    def once(self, metrics: Sequence[Metric], since: float, until: float) -> Mapping[Metric, Series]:
        """These series, asked now and not again; raises `CrossfadeError`."""
        found = self._asked(metrics, since, until)
        return {
            metric: {start: Point(value, until) for start, value in found.get(metric, {}).items()}
            for metric in metrics
        }

    def _points(self, metric: Metric) -> Series:
        kept = self._kept.get(metric)
        return {} if kept is None else kept.points

    def _ask_what_is_due(self, wish: _Wish, now: float) -> None:
        wishes = tuple(self._wishes.values())
        if now >= self._tried + EVERY_S:
            self._tried = now
            if self._ask(wishes, now):
                self._at = now
        elif wish.error is not None:
            if now >= wish.asked + RETRY_S:
                self._ask((wish,), now)
        elif any(self._lacks(metric, wish.since) for metric in wish.metrics):
            self._ask((wish,), now)

    def _lacks(self, metric: Metric, since: float) -> bool:
        kept = self._kept.get(metric)
        return kept is None or kept.since > since

    def _ask(self, wishes: Sequence[_Wish], now: float) -> bool:
        """Whether it was answered; if not, each of these wishes knows why."""
        wanted: dict[Metric, float] = {}
        for wish in wishes:
            wish.asked = now
            for metric in wish.metrics:
                known = wish.since if self._lacks(metric, wish.since) else now - OVERLAP_S
                wanted[metric] = min(wanted.get(metric, now), max(known, wish.since))
        try:
            found = self._asked(list(wanted), min(wanted.values(), default=now), now)
        except CrossfadeError as error:
            if len(wishes) > 1 and error.id in ONE_S_OWN:
                # One question that cannot be answered must not blind the releases of the others.
                answered = [self._ask((wish,), now) for wish in wishes]
                return any(answered)
            for wish in wishes:
                wish.error = error
            return False
        for wish in wishes:
            wish.error = None
        for metric, since in wanted.items():
            self._keep(metric, since, found.get(metric, {}), now)
        used = {metric for wish in self._wishes.values() for metric in wish.metrics}
        self._kept = {metric: kept for metric, kept in self._kept.items() if metric in used}
        return True

    def _keep(self, metric: Metric, since: float, values: Mapping[int, float], now: float) -> None:
        kept = self._kept.setdefault(metric, _Kept(since))
        kept.since = max(min(kept.since, since), now - KEPT_S)
        for start, value in values.items():
            point = kept.points.get(start)
            # NaN differs from itself, and so never is the same twice.
            if point is None or point.value != value:
                kept.points[start] = Point(value, now)
        for start in [start for start in kept.points if start < now - KEPT_S]:
            del kept.points[start]

    def _asked(
        self, metrics: Sequence[Metric], since: float, until: float
    ) -> Mapping[Metric, Mapping[int, float]]:
        found: dict[Metric, dict[int, float]] = {}
        for chunk in _chunks(metrics, since, until):
            found |= self._answered(chunk, since, until)
        return found

    def _answered(
        self, metrics: Sequence[Metric], since: float, until: float
    ) -> Mapping[Metric, dict[int, float]]:
        """One call, and its further pages."""
        names = {f"m{number}": metric for number, metric in enumerate(metrics)}
        asked: dict[str, Any] = {
            "MetricDataQueries": [_query(name, metric) for name, metric in names.items()],
            "StartTime": datetime.fromtimestamp(since, UTC),
            "EndTime": datetime.fromtimestamp(ceil(until / PERIOD_S) * PERIOD_S, UTC),
            "ScanBy": "TimestampAscending",
        }
        found: dict[Metric, dict[int, float]] = {metric: {} for metric in metrics}
        done: dict[str, str] = {}
        while True:
            with calling("cloudwatch", "GetMetricData"):
                said = self._door.client("cloudwatch").get_metric_data(**asked)
            for result in said["MetricDataResults"]:
                done[result["Id"]] = result["StatusCode"]
                pairs = zip(result["Timestamps"], result["Values"], strict=True)
                found[names[result["Id"]]] |= {int(at.timestamp()): float(value) for at, value in pairs}
            if not said.get("NextToken"):
                break
            asked["NextToken"] = said["NextToken"]
        _prove_complete(names, done)
        return found


def _prove_complete(names: Iterable[str], done: Mapping[str, str]) -> None:
    """A series that was not answered, or not to its end, is neither zero nor empty (R24)."""
    bad = {name: done.get(name, "missing") for name in names if done.get(name) != _COMPLETE}
    if bad:
        raise PlatformError(
            "CF4401",
            f"cloudwatch:GetMetricData answered {len(bad)} series in part or not at all",
            ", ".join(sorted(set(bad.values()))),
            "it is asked again",
        )


def _query(name: str, metric: Metric) -> Mapping[str, object]:
    dimensions = [{"Name": key, "Value": value} for key, value in metric.dimensions]
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions},
            "Period": metric.period_s,
            "Stat": metric.stat,
        },
        "ReturnData": True,
    }


def _chunks(metrics: Sequence[Metric], since: float, until: float) -> Iterable[Sequence[Metric]]:
    """As many series as one call may carry, and no more points than one answer may."""
    shortest = min((metric.period_s for metric in metrics), default=PERIOD_S)
    points = max(int((until - since) // shortest) + 2, 1)
    most = max(1, min(MOST_QUERIES, MOST_POINTS // points))
    return (metrics[first : first + most] for first in range(0, len(metrics), most))
