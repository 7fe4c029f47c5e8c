"""
MetricDataQueries: metrics and math under ids, as GetMetricData and alarms on math both take them.

Read whole before anything is computed: an id used twice, a cycle, an unknown function refuse the request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossfade.twin.cloudwatch import expression, statistics
from crossfade.twin.cloudwatch.algebra import Scope, Series, Value, compute
from crossfade.twin.cloudwatch.api import ApiError, Params, not_modelled, required
from crossfade.twin.cloudwatch.expression import Node
from crossfade.twin.cloudwatch.functions import FUNCTIONS, check
from crossfade.twin.cloudwatch.put import key_of, unit_of
from crossfade.twin.cloudwatch.series import Points, Window
from crossfade.twin.cloudwatch.statistics import Statistic
from crossfade.twin.cloudwatch.store import Key

MAX_QUERIES: Final = 500
MAX_EXPRESSION: Final = 2048
SHORT_PERIODS: Final = (1, 5, 10, 20, 30)

_ID: Final = re.compile(r"[a-z][A-Za-z0-9_]{0,254}")
_METRICS: Final = "METRICS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric as one statistic."""

    key: Key
    unit: str | None
    statistic: Statistic
    named: str  # the statistic as it was asked for
    period: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    id: str
    label: str | None
    returned: bool
    of: Metric | Node
    period: int

    @property
    def metric(self) -> Metric | None:
        return self.of if isinstance(self.of, Metric) else None

    @property
    def title(self) -> str:
        """What names the result when nobody gave a label."""
        return (
            self.label
            if self.label is not None
            else self.of.key[1]
            if isinstance(self.of, Metric)
            else self.id
        )


Reader = Callable[[Metric, Window], Points]


def parse(entries: Sequence[Params]) -> tuple[Query, ...]:
    """Raises `ApiError`; expressions come after what they name."""
    if len(entries) > MAX_QUERIES:
        raise ApiError(
            "ValidationError", f"The collection MetricDataQueries must not have more than {MAX_QUERIES}."
        )
    raw: dict[str, Params] = {}
    for number, entry in enumerate(entries, start=1):
        id_ = str(required(entry, "Id"))
        if not _ID.fullmatch(id_):
            raise ApiError(
                "ValidationError", f"The value {id_} for parameter MetricDataQueries.Id is invalid."
            )
        if id_ in raw:
            raise ApiError(
                "ValidationError", f"The values for parameter id in MetricDataQueries are not unique: {id_}"
            )
        if (entry.get("MetricStat") is None) == (not entry.get("Expression")):
            raise ApiError(
                "ValidationError",
                f"Exactly one of MetricStat and Expression is required in MetricDataQueries.member.{number}.",
            )
        raw[id_] = entry
    metrics = {
        id_: metric_of(entry["MetricStat"]) for id_, entry in raw.items() if not entry.get("Expression")
    }
    nodes = {
        id_: _node(id_, entry["Expression"], raw) for id_, entry in raw.items() if entry.get("Expression")
    }
    periods = _Periods(metrics, nodes, raw)
    return tuple(
        _query(id_, entry, metrics.get(id_) or nodes[id_], periods.of(id_)) for id_, entry in raw.items()
    )


def _query(id_: str, entry: Params, of: Metric | Node, period: int) -> Query:
    returned = entry.get("ReturnData")
    return Query(id=id_, label=entry.get("Label"), returned=returned is not False, of=of, period=period)


def metric_of(stat: Params) -> Metric:
    """A MetricStat."""
    named = str(required(stat, "Stat"))
    return Metric(
        key=key_of(required(stat, "Metric")),
        unit=unit_of(stat),
        statistic=statistics.parse(named),
        named=named,
        period=period_of(required(stat, "Period")),
    )


def period_of(given: Any, name: str = "Period", short: tuple[int, ...] = SHORT_PERIODS) -> int:
    """Raises `ApiError` unless it is one of the short ones, or whole minutes."""
    period = int(given)
    if period in short or (period > 0 and period % 60 == 0):
        return period
    allowed = ", ".join(map(str, short))
    raise ApiError(
        "InvalidParameterValue", f"The parameter {name} must be {allowed} or a multiple of 60; it is {given}."
    )


def _node(id_: str, text: str, raw: Mapping[str, Params]) -> Node:
    if len(text) > MAX_EXPRESSION:
        raise ApiError("ValidationError", f"Expression '{id_}' is longer than {MAX_EXPRESSION} characters.")
    if text.lstrip()[:6].upper() == "SELECT":
        raise not_modelled("A Metrics Insights query")
    try:
        node = expression.parse(text)
        check(expression.calls(node))
    except ApiError as error:
        raise ApiError(error.code, f"Error in expression '{id_}': {error.message}") from error
    for named in expression.refs(node):
        if named not in raw:
            raise ApiError("ValidationError", f"Error in expression '{id_}': Unrecognized id: {named}")
    return node


class _Periods:
    """The period of each query: a metric's own, an expression's that of the metrics it is made of."""

    def __init__(
        self, metrics: Mapping[str, Metric], nodes: Mapping[str, Node], raw: Mapping[str, Params]
    ) -> None:
        self._metrics, self._nodes, self._raw = metrics, nodes, raw
        self._known = {id_: metric.period for id_, metric in metrics.items()}

    def of(self, id_: str, above: tuple[str, ...] = ()) -> int:
        if id_ in above:
            raise ApiError("ValidationError", f"Error in expression '{id_}': it is made of itself")
        if id_ not in self._known:
            self._known[id_] = self._derived(id_, (*above, id_))
        return self._known[id_]

    def _derived(self, id_: str, above: tuple[str, ...]) -> int:
        node = self._nodes[id_]
        found = {self.of(named, above) for named in expression.refs(node)}
        if _METRICS in expression.calls(node):
            found |= {metric.period for metric in self._metrics.values()}
        if not found:
            given = self._raw[id_].get("Period")
            found = {period_of(given)} if given else {m.period for m in self._metrics.values()} or {60}
        if len(found) > 1:
            raise not_modelled(f"Expression '{id_}', made of metrics of different periods,")
        return found.pop()


def evaluate(
    queries: Sequence[Query], window: Callable[[int], Window], read: Reader
) -> Iterator[tuple[Query, tuple[Series, ...]]]:
    """The series of every query, in their order; raises `ApiError` where an expression gives a number."""
    done: dict[str, Value] = {}
    by_id = {query.id: query for query in queries}
    metrics: list[Series] = []
    for query in queries:
        if isinstance(query.of, Metric):
            points = read(query.of, window(query.period))
            done[query.id] = Series(points=points, label=query.title, id=query.id, metric=True)
            metrics.append(done[query.id])  # type: ignore[arg-type]
    every = tuple(metrics)

    def settle(id_: str) -> Value:
        query = by_id[id_]
        if id_ not in done and not isinstance(query.of, Metric):
            values = {named: settle(named) for named in expression.refs(query.of)}
            scope = Scope(window=window(query.period), values=values, metrics=every)
            done[id_] = _computed(query.of, scope, id_)
        return done[id_]

    for query in queries:
        yield query, _series(query, settle(query.id))


def _computed(node: Node, scope: Scope, id_: str) -> Value:
    try:
        return compute(node, scope, FUNCTIONS)
    except ApiError as error:
        raise ApiError(error.code, f"Error in expression '{id_}': {error.message}") from error


def _series(query: Query, value: Value) -> tuple[Series, ...]:
    match value:
        case Series():
            return (Series(points=value.points, label=query.title, id=query.id),)
        case tuple():
            labelled = f"{query.title} " if query.title else ""
            return tuple(
                Series(points=one.points, label=f"{labelled}{one.label}", id=query.id) for one in value
            )
        case _ if query.returned:
            raise ApiError(
                "ValidationError",
                f"Error in expression '{query.id}': the result must be a time series or an array of them.",
            )
        case _:
            return ()
