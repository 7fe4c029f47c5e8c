"""
The functions of metric math that the twin knows; every other name is refused as not modelled.

Left out on purpose: bands, SEARCH and what needs another service; STDDEV, whose divisor AWS does not say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Final

from crossfade.twin.cloudwatch.algebra import Argument, Function, Scope, Series, Value, each, made
from crossfade.twin.cloudwatch.api import ApiError, moment, not_modelled
from crossfade.twin.cloudwatch.expression import Text, Word
from crossfade.twin.cloudwatch.series import Points

_Fold = Callable[[Iterable[float]], float]


def _wrong(name: str, wants: str) -> ApiError:
    return ApiError("ValidationError", f"{name} takes {wants}")


def _array(name: str, argument: Argument) -> tuple[Series, ...]:
    match argument:
        case tuple():
            return argument
        case Series():
            return (argument,)
        case _:
            raise _wrong(name, "time series")


def _one(name: str, arguments: Sequence[Argument]) -> Series | tuple[Series, ...]:
    if len(arguments) == 1 and isinstance(arguments[0], Series | tuple):
        return arguments[0]
    raise _wrong(name, "one time series or an array of them")


def _scalar(name: str, argument: Argument) -> float:
    if isinstance(argument, float):
        return argument
    raise _wrong(name, "a number here")


def _folding(name: str, fold: _Fold) -> Function:
    """A number from one series; from an array a series, over the members that have a point."""

    def function(_: Scope, arguments: Sequence[Argument]) -> Value:
        of = _one(name, arguments)
        if isinstance(of, Series):
            return fold(of.points.values()) if of.points else math.nan
        return _across(of, fold)

    return function


def _across(array: tuple[Series, ...], fold: _Fold) -> Series:
    times = sorted(set().union(*(series.points for series in array)))
    return Series(
        points={at: fold(series.points[at] for series in array if at in series.points) for at in times}
    )


def _avg(_: Scope, arguments: Sequence[Argument]) -> Value:
    of = _one("AVG", arguments)
    if isinstance(of, Series):
        return _mean(of)
    # Documented for this function alone: a member without a point counts as 0.
    return _across(of, lambda numbers: math.fsum(numbers) / len(of))


def _mean(series: Series) -> float:
    return math.fsum(series.points.values()) / len(series.points) if series.points else math.nan


def _count(_: Scope, arguments: Sequence[Argument]) -> Value:
    of = _one("DATAPOINT_COUNT", arguments)
    return float(len(of.points)) if isinstance(of, Series) else _across(of, lambda n: float(len(list(n))))


def _by_series(name: str, change: Callable[[Points], Points]) -> Function:
    def function(_: Scope, arguments: Sequence[Argument]) -> Value:
        of = _one(name, arguments)
        if isinstance(of, Series):
            return made(of, change(of.points))
        return tuple(made(series, change(series.points)) for series in of)

    return function


def _by_point(name: str, change: Callable[[float], float]) -> Function:
    return lambda _, arguments: each(_one(name, arguments), change)


def _diff(points: Points) -> Points:
    return {at: value - before for (_, before), (at, value) in pairwise(points.items())}


def _diff_time(points: Points) -> Points:
    return {at: float(at - before) for before, at in pairwise(points)}


def _rate(points: Points) -> Points:
    return {at: (value - old) / (at - then) for (then, old), (at, value) in pairwise(points.items())}


def _running_sum(points: Points) -> Points:
    return dict(zip(points, accumulate(points.values()), strict=True))


def _fill(scope: Scope, arguments: Sequence[Argument]) -> Value:
    if len(arguments) != 2 or not isinstance(arguments[0], Series | tuple):
        raise _wrong("FILL", "time series, and a number, REPEAT, LINEAR or a time series")
    of, filler = arguments
    filled = tuple(made(series, _filled(scope, series.points, filler)) for series in _array("FILL", of))
    return filled[0] if isinstance(of, Series) else filled


def _filled(scope: Scope, points: Points, filler: Argument) -> Points:
    grid = scope.window.grid
    match filler:
        case float():
            return {at: points.get(at, filler) for at in grid} if math.isfinite(filler) else points
        case Series():
            both = {**filler.points, **points}
            return {at: both[at] for at in grid if at in both}
        case Word("REPEAT"):
            return _repeated(grid, points)
        case Word("LINEAR"):
            return _interpolated(grid, points)
        case _:
            raise _wrong("FILL", "a number, REPEAT, LINEAR or a time series as its filler")


def _repeated(grid: range, points: Points) -> Points:
    found: Points = {}
    last: float | None = None
    for at in grid:
        last = points.get(at, last)
        if last is not None:
            found[at] = last
    return found


def _interpolated(grid: range, points: Points) -> Points:
    """Gaps between two points; before the first and after the last nothing is known."""
    found = dict(points)
    for (left, low), (right, high) in pairwise(points.items()):
        for at in range(left + grid.step, right, grid.step):
            found[at] = low + (high - low) * (at - left) / (right - left)
    return {at: found[at] for at in grid if at in found}


def _if(_: Scope, arguments: Sequence[Argument]) -> Value:
    if len(arguments) not in {2, 3} or any(isinstance(each_, tuple | Text | Word) for each_ in arguments):
        raise _wrong("IF", "a condition, a value and perhaps another value, each a number or one time series")
    condition, then, *rest = arguments
    other = rest[0] if rest else None
    match condition:
        case Series():
            return made(condition, _chosen(condition.points, then, other))
        case float() if isinstance(then, Series) and not isinstance(other, float):
            chosen = then if condition else other
            return chosen if isinstance(chosen, Series) else made(then, {})
        case _:
            raise _wrong("IF", "a time series as its first argument, or as all others")


def _chosen(condition: Points, then: Argument, other: Argument | None) -> Points:
    """Where the condition has a point: a true one without a value counts as 0, a false one is dropped."""
    found: Points = {}
    for at, truth in condition.items():
        source = then if truth else other
        value = source.points.get(at, 0.0 if truth else None) if isinstance(source, Series) else source
        if isinstance(value, float) and math.isfinite(value):
            found[at] = value
    return found


def _metrics(scope: Scope, arguments: Sequence[Argument]) -> Value:
    match arguments:
        case []:
            return scope.metrics
        case [Text(part)]:
            return tuple(series for series in scope.metrics if part in series.id)
        case _:
            raise _wrong("METRICS", "nothing, or a string")


def _metric_count(_: Scope, arguments: Sequence[Argument]) -> Value:
    return float(len(_array("METRIC_COUNT", arguments[0] if len(arguments) == 1 else math.nan)))


def _period(scope: Scope, arguments: Sequence[Argument]) -> Value:
    if len(arguments) == 1 and isinstance(arguments[0], Series) and arguments[0].metric:
        return float(scope.window.period)
    raise _wrong("PERIOD", "a metric, not the result of an expression")


def _time_series(scope: Scope, arguments: Sequence[Argument]) -> Value:
    number = _scalar("TIME_SERIES", arguments[0] if len(arguments) == 1 else Text(""))
    return Series(points=dict.fromkeys(scope.window.grid, number) if math.isfinite(number) else {})


def _place(name: str, argument: Argument) -> int:
    number = _scalar(name, argument)
    if not math.isfinite(number):
        raise _wrong(name, "a number here, and this one has no value")
    return int(number)


def _first(_: Scope, arguments: Sequence[Argument]) -> Value:
    return _end("FIRST", arguments, 0)


def _last(_: Scope, arguments: Sequence[Argument]) -> Value:
    return _end("LAST", arguments, -1)


def _end(name: str, arguments: Sequence[Argument], index: int) -> Series:
    array = _array(name, arguments[0] if len(arguments) == 1 else math.nan)
    return array[index] if array else Series(points={})


def _slice(_: Scope, arguments: Sequence[Argument]) -> Value:
    if len(arguments) not in {2, 3}:
        raise _wrong("SLICE", "an array, a start and perhaps an end")
    bounds = [_place("SLICE", each_) for each_ in arguments[1:]]
    return _array("SLICE", arguments[0])[slice(bounds[0], bounds[1] if len(bounds) == 2 else None)]


_ORDERS: Final[Mapping[str, Callable[[Series], float]]] = {
    "AVG": _mean,
    "SUM": lambda series: math.fsum(series.points.values()),
    "MIN": lambda series: min(series.points.values()),
    "MAX": lambda series: max(series.points.values()),
}


def _sort(_: Scope, arguments: Sequence[Argument]) -> Value:
    match arguments:
        case [array, Word(by), Word("ASC" | "DESC" as order), *limit] if by in _ORDERS and len(limit) < 2:
            series = _array("SORT", array)
            measured = [one for one in series if one.points]
            # Series without a point have nothing to be sorted by: they come last.
            rising = sorted(measured, key=_ORDERS[by], reverse=order == "DESC")
            whole = (*rising, *(one for one in series if not one.points))
            return whole[: _place("SORT", limit[0])] if limit else whole
        case _:
            raise _wrong("SORT", "an array, one of AVG, SUM, MIN, MAX, then ASC or DESC, and perhaps a limit")


def _remove_empty(_: Scope, arguments: Sequence[Argument]) -> Value:
    return tuple(
        series for series in _array("REMOVE_EMPTY", _one("REMOVE_EMPTY", arguments)) if series.points
    )


def _by_time(name: str, part: Callable[[int], int]) -> Function:
    def function(scope: Scope, arguments: Sequence[Argument]) -> Value:
        of = _one(name, arguments)
        if not isinstance(of, Series):
            raise _wrong(name, "one time series")
        return made(of, {at: float(part(at)) for at in scope.window.grid})

    return function


FUNCTIONS: Final[Mapping[str, Function]] = {
    "ABS": _by_point("ABS", abs),
    "AVG": _avg,
    "CEIL": _by_point("CEIL", math.ceil),
    "DATAPOINT_COUNT": _count,
    "DATE": _by_time("DATE", lambda at: moment(at).day),
    "DAY": _by_time("DAY", lambda at: moment(at).isoweekday()),
    "DIFF": _by_series("DIFF", _diff),
    "DIFF_TIME": _by_series("DIFF_TIME", _diff_time),
    "EPOCH": _by_time("EPOCH", int),
    "FILL": _fill,
    "FIRST": _first,
    "FLOOR": _by_point("FLOOR", math.floor),
    "HOUR": _by_time("HOUR", lambda at: moment(at).hour),
    "IF": _if,
    "LAST": _last,
    "LOG": _by_point("LOG", math.log),
    "LOG10": _by_point("LOG10", math.log10),
    "MAX": _folding("MAX", max),
    "METRICS": _metrics,
    "METRIC_COUNT": _metric_count,
    "MIN": _folding("MIN", min),
    "MINUTE": _by_time("MINUTE", lambda at: moment(at).minute),
    "MONTH": _by_time("MONTH", lambda at: moment(at).month),
    "PERIOD": _period,
    "RATE": _by_series("RATE", _rate),
    "REMOVE_EMPTY": _remove_empty,
    "RUNNING_SUM": _by_series("RUNNING_SUM", _running_sum),
    "SLICE": _slice,
    "SORT": _sort,
    "SUM": _folding("SUM", math.fsum),
    "TIME_SERIES": _time_series,
    "YEAR": _by_time("YEAR", lambda at: moment(at).year),
}

_ELSEWHERE: Final = frozenset(
    {
        "ANOMALY_DETECTION_BAND",
        "DB_PERF_INSIGHTS",
        "INSIGHT_RULE_METRIC",
        "LAMBDA",
        "SEARCH",
        "SERVICE_QUOTA",
        "STDDEV",
    }
)


def check(names: Iterable[str]) -> None:
    """Raises `ApiError` for a function that is not modelled, or not there at all."""
    for name in names:
        if name in _ELSEWHERE:
            raise not_modelled(f"The function {name} of metric math")
        if name not in FUNCTIONS:
            raise ApiError("ValidationError", f"Unrecognized function: {name} (not modelled in the twin)")
