"""DescribeAlarms, DescribeAlarmsForMetric, DescribeAlarmHistory: filters that all hold, and pages."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Final, TypeVar, get_args

from crossfade.twin.cloudwatch import composite
from crossfade.twin.cloudwatch.alarms import CompositeAlarm, MetricAlarm
from crossfade.twin.cloudwatch.api import ApiError, Params, epoch
from crossfade.twin.cloudwatch.book import Book
from crossfade.twin.cloudwatch.judging import State
from crossfade.twin.cloudwatch.put import key_of
from crossfade.twin.cloudwatch.queries import Metric
from crossfade.twin.cloudwatch.standing import Past, Standing

MAX_NAMES: Final = 100
_TYPES: Final = {"MetricAlarm", "CompositeAlarm", "LogAlarm"}
_ITEMS: Final = {
    "ConfigurationUpdate",
    "StateUpdate",
    "Action",
    "AlarmContributorStateUpdate",
    "AlarmContributorAction",
}
_RELATED: Final = ("ChildrenOfAlarmName", "ParentsOfAlarmName")
_FILTERS: Final = ("AlarmNames", "AlarmNamePrefix", "AlarmTypes", "StateValue", "ActionPrefix")
_CHILD: Final[tuple[str, ...]] = ("AlarmName", "AlarmArn", "StateValue", "StateUpdatedTimestamp")
_PARENT: Final[tuple[str, ...]] = ("AlarmName", "AlarmArn")

_Item = TypeVar("_Item")


def describe_alarms(book: Book, params: Params) -> dict[str, Any]:
    """Raises `ApiError`."""
    related = [name for name in _RELATED if params.get(name)]
    if related:
        return _related(book, params, related)
    if params.get("AlarmNames") and params.get("AlarmNamePrefix"):
        raise ApiError("ValidationError", "AlarmNames and AlarmNamePrefix are mutually exclusive.")
    if len(params.get("AlarmNames") or ()) > MAX_NAMES:
        raise ApiError("ValidationError", f"The collection AlarmNames must not have more than {MAX_NAMES}.")
    kinds = _kinds(params)
    if params.get("StateValue") not in {None, *get_args(State)}:
        raise ApiError(
            "ValidationError", f"The value {params['StateValue']} for parameter StateValue is invalid."
        )
    found = [one for one in _by_name(book) if one.kind in kinds and _wanted(one, params)]
    shown, token = _page(found, params, default=50)
    return _answer(shown, token, None)


def _related(book: Book, params: Params, related: Sequence[str]) -> dict[str, Any]:
    if len(related) > 1 or any(params.get(name) for name in _FILTERS):
        raise ApiError("ValidationError", f"{related[0]} goes with no other filter.")
    name = str(params[related[0]])
    if name not in book.alarms:
        raise ApiError("ValidationError", f"The alarm {name} does not exist.")
    if related[0] == "ParentsOfAlarmName":
        names, fields = {parent.name for parent in book.parents(name)}, _PARENT
    else:
        definition = book.alarms[name].definition
        children = composite.children(definition.rule) if isinstance(definition, CompositeAlarm) else ()
        names, fields = set(children), _CHILD
    shown, token = _page([one for one in _by_name(book) if one.name in names], params, default=50)
    return _answer(shown, token, fields)


def _by_name(book: Book) -> list[Standing]:
    return [book.alarms[name] for name in sorted(book.alarms)]


def _answer(shown: Sequence[Standing], token: str | None, fields: Sequence[str] | None) -> dict[str, Any]:
    def described(kind: str) -> list[dict[str, Any]]:
        whole = [one.described() for one in shown if one.kind == kind]
        return [{field: one[field] for field in fields} for one in whole] if fields else whole

    answer: dict[str, Any] = {
        "MetricAlarms": described("MetricAlarm"),
        "CompositeAlarms": described("CompositeAlarm"),
    }
    if token is not None:
        answer["NextToken"] = token
    return answer


def _kinds(params: Params) -> set[str]:
    """Metric alarms alone, unless others are asked for."""
    kinds = set(params.get("AlarmTypes") or ("MetricAlarm",))
    if not kinds <= _TYPES:
        raise ApiError("ValidationError", f"The value {min(kinds - _TYPES)} for AlarmTypes is invalid.")
    return kinds


def _wanted(one: Standing, params: Params) -> bool:
    names, prefix = params.get("AlarmNames"), params.get("AlarmNamePrefix")
    state, action = params.get("StateValue"), params.get("ActionPrefix")
    return (
        (not names or one.name in names)
        and (not prefix or one.name.startswith(prefix))
        and (not state or one.state == state)
        and (not action or any(given.startswith(action) for given in _actions(one)))
    )


def _actions(one: Standing) -> list[str]:
    return [
        action
        for name in ("OKActions", "AlarmActions", "InsufficientDataActions")
        for action in one.definition.shown[name]
    ]


def describe_alarms_for_metric(book: Book, params: Params) -> dict[str, Any]:
    """Alarms on this very metric; those on math are not among them."""
    key = key_of(params)
    return {
        "MetricAlarms": [
            one.described()
            for one in _by_name(book)
            if isinstance(one.definition, MetricAlarm)
            and isinstance(one.definition.of, Metric)
            and one.definition.of.key == key
            and _same_use(one.definition.of, params)
        ]
    }


def _same_use(metric: Metric, params: Params) -> bool:
    named = params.get("Statistic") or params.get("ExtendedStatistic")
    return (
        named in {None, metric.named}
        and params.get("Period") in {None, metric.period}
        and params.get("Unit") in {None, metric.unit}
    )


def describe_alarm_history(book: Book, params: Params) -> dict[str, Any]:
    """Raises `ApiError`. The newest first, unless asked otherwise."""
    kinds, item = _kinds(params), params.get("HistoryItemType")
    if item is not None and item not in _ITEMS:
        raise ApiError("ValidationError", f"The value {item} for parameter HistoryItemType is invalid.")
    since = epoch(params["StartDate"], "StartDate") if params.get("StartDate") is not None else 0.0
    until = epoch(params["EndDate"], "EndDate") if params.get("EndDate") is not None else float("inf")
    found = [
        past
        for past in book.past
        if past.kind in kinds
        and params.get("AlarmName") in {None, past.alarm}
        and item in {None, past.item}
        and since <= past.at <= until
    ]
    found.sort(key=_when, reverse=params.get("ScanBy") != "TimestampAscending")
    shown, token = _page(found, params, default=100)
    answer: dict[str, Any] = {"AlarmHistoryItems": [past.described() for past in shown]}
    if token is not None:
        answer["NextToken"] = token
    return answer


def _when(past: Past) -> float:
    return past.at


def _page(found: Sequence[_Item], params: Params, default: int) -> tuple[Sequence[_Item], str | None]:
    size = int(params.get("MaxRecords") or default)
    if not 1 <= size <= 100:
        raise ApiError("ValidationError", "The parameter MaxRecords must be between 1 and 100.")
    start = _offset(params.get("NextToken"))
    token = base64.urlsafe_b64encode(f"at {start + size}".encode()).decode()
    return found[start : start + size], token if start + size < len(found) else None


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        word, number = base64.urlsafe_b64decode(token).decode().split()
        if word == "at":
            return int(number)
    except (ValueError, binascii.Error):
        pass
    raise ApiError("InvalidNextToken", "The value of the parameter NextToken is not valid.")
