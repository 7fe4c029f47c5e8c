"""GetMetricData, GetMetricStatistics and ListMetrics."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from crossfade.twin.cloudwatch import statistics
from crossfade.twin.cloudwatch.algebra import Series
from crossfade.twin.cloudwatch.api import ApiError, Params, epoch, moment, not_modelled, required
from crossfade.twin.cloudwatch.put import key_of, unit_of
from crossfade.twin.cloudwatch.queries import Metric, Query, evaluate, parse, period_of
from crossfade.twin.cloudwatch.series import Points, Window, points
from crossfade.twin.cloudwatch.store import (
    FIVES_KEPT,
    HOUR,
    LISTED,
    MINUTE,
    MINUTES_KEPT,
    Key,
    Store,
)

MAX_POINTS: Final = 100_800
MAX_STATISTICS_POINTS: Final = 1_440
LIST_PAGE: Final = 500

_ZONE: Final = re.compile(r"[+-]\d{4}")


def read(store: Store, metric: Metric, window: Window) -> Points:
    """One metric's points. Raises `ApiError` where it was put in several units and none was asked for."""
    streams = store.streams(metric.key, metric.unit)
    if len(streams) > 1:
        raise not_modelled(f"{metric.key[1]}, which has data in several units, asked for without Unit,")
    return points(streams.values(), metric.statistic, window)


def start_of(start: float, period: int, now: float) -> int:
    """A request's start, rounded down as documented."""
    age = now - start
    step = period if period < MINUTE else MINUTE if age < MINUTES_KEPT else 300 if age < FIVES_KEPT else HOUR
    return int(start // step) * step


def get_metric_data(store: Store, params: Params, now: float) -> dict[str, Any]:
    """Raises `ApiError` before anything is read, if the request is wrong."""
    queries = parse(required(params, "MetricDataQueries"))
    start, end = _span(params)
    descending = _descending(params.get("ScanBy"))
    _check_zone(params.get("LabelOptions") or {})
    limit = int(params.get("MaxDatapoints") or MAX_POINTS)
    if not 0 < limit <= MAX_POINTS:
        raise ApiError("ValidationError", f"The parameter MaxDatapoints must be between 1 and {MAX_POINTS}.")
    page = _Page(params, now)
    with store.lock:
        store.settle(now)
        windows = {
            query.period: Window(
                start=start_of(start, query.period, page.now), end=end, period=query.period, now=page.now
            )
            for query in queries
        }
        found = list(
            evaluate(queries, windows.__getitem__, lambda metric, window: read(store, metric, window))
        )
    results = [(query, series) for query, many in found if query.returned for series in many]
    forgotten = store.forgotten if start < store.forgotten else 0.0
    return page.cut(results, limit, descending=descending, forgotten=forgotten)


def _span(params: Params) -> tuple[float, float]:
    start = epoch(required(params, "StartTime"), "StartTime")
    end = epoch(required(params, "EndTime"), "EndTime")
    if start >= end:
        raise ApiError("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
    return start, end


def _descending(scan: str | None) -> bool:
    if scan not in {None, "TimestampDescending", "TimestampAscending"}:
        raise ApiError("ValidationError", f"The value {scan} for parameter ScanBy is invalid.")
    return scan != "TimestampAscending"


def _check_zone(options: Params) -> None:
    """Time zones change dynamic labels only, of which the twin has none."""
    zone = options.get("Timezone")
    if zone is not None and not _ZONE.fullmatch(zone):
        raise ApiError("ValidationError", f"The value {zone} for parameter LabelOptions.Timezone is invalid.")


class _Page:
    """Where a request goes on: so many points were given, as seen at the moment of the first page."""

    def __init__(self, params: Params, now: float) -> None:
        asked = {name: params[name] for name in params if name != "NextToken"}
        self._asked = hashlib.sha256(json.dumps(asked, default=str, sort_keys=True).encode()).hexdigest()[:16]
        self.now, self._given = now, 0
        token = params.get("NextToken")
        if token:
            self.now, self._given = self._read(token)

    def _read(self, token: str) -> tuple[float, int]:
        try:
            asked, now, given = json.loads(base64.urlsafe_b64decode(token))
        except ValueError:
            asked, now, given = "", 0.0, 0
        if asked != self._asked:
            raise ApiError("InvalidNextToken", "The value of the parameter NextToken is not valid.")
        return float(now), int(given)

    def _token(self, given: int) -> str:
        return base64.urlsafe_b64encode(json.dumps([self._asked, self.now, given]).encode()).decode()

    def cut(
        self, results: Sequence[tuple[Query, Series]], limit: int, *, descending: bool, forgotten: float
    ) -> dict[str, Any]:
        """One page: results in order, as many points as there is room for."""
        skip, room = self._given, limit
        shown: list[dict[str, Any]] = []
        whole = sum(len(series.points) for _, series in results)
        for _, series in results:
            count = len(series.points)
            if skip and skip >= count:
                skip -= count
                continue
            here = min(count - skip, room)
            shown.append(_result(series, skip, here, descending=descending, partial=bool(forgotten)))
            skip, room = 0, room - here
        answer: dict[str, Any] = {"MetricDataResults": shown, "Messages": []}
        if forgotten:
            at = moment(forgotten).isoformat()
            text = f"the twin keeps no data from before {at}: its memory is bounded"
            answer["Messages"] = [{"Code": "TwinForgot", "Value": text}]
        math = any(query.metric is None for query, _ in results)
        if self._given + limit < whole and not math:
            answer["NextToken"] = self._token(self._given + limit)
        return answer


def _result(series: Series, skip: int, count: int, *, descending: bool, partial: bool) -> dict[str, Any]:
    times = list(reversed(series.points)) if descending else list(series.points)
    shown = times[skip : skip + count]
    return {
        "Id": series.id,
        "Label": series.label,
        "Timestamps": list(map(moment, shown)),
        "Values": list(map(series.points.__getitem__, shown)),
        "StatusCode": "PartialData" if partial or skip + count < len(times) else "Complete",
    }


def get_metric_statistics(store: Store, params: Params, now: float) -> dict[str, Any]:
    """Raises `ApiError`."""
    key, unit = key_of(params), unit_of(params)
    period = period_of(required(params, "Period"))
    start, end = _span_of_statistics(params, period)
    plain, extended = _named(params)
    window = Window(start=start_of(start, period, now), end=end, period=period, now=now)
    with store.lock:
        store.settle(now)
        found = [
            datapoint
            for name, stream in store.streams(key, unit).items()
            for datapoint in _datapoints(
                {stat: points((stream,), statistics.parse(stat), window) for stat in (*plain, *extended)},
                name,
                extended,
            )
        ]
    return {"Label": key[1], "Datapoints": found}


def _span_of_statistics(params: Params, period: int) -> tuple[float, float]:
    start, end = _span(params)
    asked = -int((start - end) // period)
    if asked > MAX_STATISTICS_POINTS:
        raise ApiError(
            "InvalidParameterCombination",
            f"You have requested up to {asked:,} datapoints, which exceeds the limit of 1,440. You may "
            "reduce the datapoints requested by increasing Period, or decreasing the time range.",
        )
    return start, end


def _named(params: Params) -> tuple[list[str], list[str]]:
    plain, extended = list(params.get("Statistics") or ()), list(params.get("ExtendedStatistics") or ())
    if bool(plain) == bool(extended):
        raise ApiError(
            "InvalidParameterCombination",
            "Must specify either Statistics or ExtendedStatistics, and not both.",
        )
    if len(plain) > 5 or len(extended) > 10:
        raise ApiError("InvalidParameterValue", "Too many statistics: at most 5, or 10 extended ones.")
    wrong = [name for name in plain if name not in statistics.PLAIN]
    wrong += [name for name in extended if isinstance(statistics.parse(name), str)]
    if wrong:
        raise ApiError(
            "InvalidParameterValue", f"The value {wrong[0]} for parameter Statistics is not supported."
        )
    return plain, extended


def _datapoints(found: dict[str, Points], unit: str, extended: Sequence[str]) -> list[dict[str, Any]]:
    times = sorted(set().union(*found.values()))
    points_ = []
    for at in times:
        here = {name: of[at] for name, of in found.items() if at in of}
        point: dict[str, Any] = {"Timestamp": moment(at), "Unit": unit}
        if extended:
            point["ExtendedStatistics"] = here
        points_.append(point if extended else {**point, **here})
    return points_


def list_metrics(store: Store, params: Params, now: float) -> dict[str, Any]:
    """Raises `ApiError`. New metrics are listed at once: the lag of up to 15 minutes is not modelled."""
    recent = params.get("RecentlyActive")
    if recent not in {None, "PT3H"}:
        raise ApiError("InvalidParameterValue", "The parameter RecentlyActive must be PT3H.")
    offset = _list_offset(params.get("NextToken"))
    with store.lock:
        store.settle(now)
        listed = store.listed(now - (3 * HOUR if recent else LISTED))
    found = [key for key in listed if _matches(key, params)]
    answer: dict[str, Any] = {"Metrics": [_listed(key) for key in found[offset : offset + LIST_PAGE]]}
    if offset + LIST_PAGE < len(found):
        answer["NextToken"] = str(offset + LIST_PAGE)
    return answer


def _list_offset(token: str | None) -> int:
    if token is None:
        return 0
    if not token.isdecimal():
        raise ApiError("InvalidParameterValue", "The value of the parameter NextToken is not valid.")
    return int(token)


def _matches(key: Key, params: Params) -> bool:
    namespace, name, dimensions = key
    wanted = [(filter_.get("Name"), filter_.get("Value")) for filter_ in params.get("Dimensions") or ()]
    return (
        params.get("Namespace") in {None, namespace}
        and params.get("MetricName") in {None, name}
        and all(
            any(name_ == own and value in {None, text} for own, text in dimensions) for name_, value in wanted
        )
    )


def _listed(key: Key) -> dict[str, Any]:
    namespace, name, dimensions = key
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": own, "Value": text} for own, text in dimensions],
    }
