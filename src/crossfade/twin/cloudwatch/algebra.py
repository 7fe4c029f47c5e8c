"""
Metric math, computed: numbers, series and arrays of series.

As documented: between two series a point exists where either has one, and the missing one counts as 0; a
division by zero leaves no point; a comparison gives 1 or 0. So `100*errors/requests` is 0 in a minute
without errors and has no point in a minute without requests, and FILL is what makes a point there.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never

from crossfade.twin.cloudwatch.api import ApiError
from crossfade.twin.cloudwatch.expression import Array, Binary, Call, Negated, Node, Number, Ref, Text, Word
from crossfade.twin.cloudwatch.series import Points, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one period; `metric` says that no math made them."""

    points: Points
    label: str = ""
    id: str = ""
    metric: bool = False


Value = float | Series | tuple[Series, ...]
Argument = Value | Text | Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What an expression can name, and the window in which it is computed."""

    window: Window
    values: Mapping[str, Value]
    metrics: tuple[Series, ...]  # METRICS(): those of the request, in its order


Function = Callable[[Scope, Sequence[Argument]], Value]


def compute(node: Node, scope: Scope, functions: Mapping[str, Function]) -> Value:
    """Raises `ApiError` for what has no value: a wrong number of arguments, a string in a sum."""
    found = _argument(node, scope, functions)
    if isinstance(found, Text | Word):
        raise ApiError("ValidationError", f"{_shown(found)} is not a value")
    return found


def _argument(node: Node, scope: Scope, functions: Mapping[str, Function]) -> Argument:
    match node:
        case Number(value):
            return value
        case Text() | Word():
            return node
        case Ref(id_):
            return scope.values[id_]
        case Negated(of):
            return each(compute(of, scope, functions), operator.neg)
        case Array(items):
            return tuple(_flat(compute(item, scope, functions) for item in items))
        case Binary(sign, left, right):
            return binary(sign, compute(left, scope, functions), compute(right, scope, functions))
        case Call(name, arguments):
            return functions[name](scope, [_argument(each_, scope, functions) for each_ in arguments])
        case _:
            assert_never(node)


def _flat(values: Iterable[Value]) -> Iterable[Series]:
    for value in values:
        match value:
            case Series():
                yield value
            case tuple():
                yield from value
            case _:
                raise ApiError("ValidationError", "an array holds time series only")


def each(value: Value, change: Callable[[float], float]) -> Value:
    """The change at every point; a point without a result is dropped."""
    match value:
        case Series():
            changed = ((at, safe(change, number)) for at, number in value.points.items())
            return made(value, {at: number for at, number in changed if math.isfinite(number)})
        case tuple():
            return tuple(one for one in (each(series, change) for series in value) if isinstance(one, Series))
        case _:
            return safe(change, value)


def made(series: Series, points: Points) -> Series:
    """The series with other points: from now on it is the result of an expression."""
    return replace(series, points=points, metric=False)


def safe(change: Callable[..., float], *numbers: float) -> float:
    """NaN where there is no result."""
    try:
        result = change(*numbers)
    except (ArithmeticError, ValueError):
        return math.nan
    return float(result) if isinstance(result, int | float) else math.nan


_OPERATORS: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "AND": lambda left, right: bool(left) and bool(right),
    "OR": lambda left, right: bool(left) or bool(right),
}


def binary(sign: str, left: Value, right: Value) -> Value:
    """One operator between two values; an array meets a number or one series, member by member."""
    match left, right:
        case tuple(), tuple():
            raise ApiError("ValidationError", f"{sign} does not take two arrays")
        case tuple(), _:
            return tuple(_flat(binary(sign, series, right) for series in left))
        case _, tuple():
            return tuple(_flat(binary(sign, left, series) for series in right))
        case Series(), Series():
            return _joined(_OPERATORS[sign], left, right)
        case Series(), float():
            return each(left, lambda number: _OPERATORS[sign](number, right))
        case float(), Series():
            return each(right, lambda number: _OPERATORS[sign](left, number))
        case float(), float():
            return safe(_OPERATORS[sign], left, right)
        case _:
            raise AssertionError(left, right)


def _joined(change: Callable[[float, float], float], left: Series, right: Series) -> Series:
    ours, theirs = left.points, right.points
    times = ours if ours.keys() == theirs.keys() else sorted(ours.keys() | theirs.keys())
    found = ((at, safe(change, ours.get(at, 0.0), theirs.get(at, 0.0))) for at in times)
    return made(left, {at: number for at, number in found if math.isfinite(number)})


def _shown(argument: Argument) -> str:
    match argument:
        case Text(value):
            return f'"{value}"'
        case Word(name):
            return name
        case Series():
            return "a time series"
        case tuple():
            return "an array of time series"
        case _:
            return f"{argument:g}"
