"""Alarms as they are put: PutMetricAlarm and PutCompositeAlarm, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

from crossfade.twin.cloudwatch import composite, statistics
from crossfade.twin.cloudwatch.api import ApiError, Params, not_modelled, required
from crossfade.twin.cloudwatch.composite import Rule
from crossfade.twin.cloudwatch.judging import Comparison, Missing, Settings
from crossfade.twin.cloudwatch.put import key_of, unit_of
from crossfade.twin.cloudwatch.queries import Metric, Query, parse, period_of
from crossfade.twin.cloudwatch.statistics import Percentile
from crossfade.twin.cloudwatch.store import DAY, HOUR

HIGH_RESOLUTION: Final = (10, 20, 30)
MAX_METRICS: Final = 10
MAX_ACTIONS: Final = 5
_SINGLE: Final = ("MetricName", "Namespace", "Dimensions", "Period", "Unit", "Statistic", "ExtendedStatistic")
_ACTIONS: Final = ("OKActions", "AlarmActions", "InsufficientDataActions")
_ELSEWHERE: Final = ("EvaluationCriteria", "EvaluationInterval", "ThresholdMetricId", "WarmUpConfiguration")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricAlarm:
    """`shown` is what DescribeAlarms gives back of it."""

    name: str
    settings: Settings
    of: Metric | tuple[Query, ...]
    period: int
    low_samples: float | None  # the percentile below whose sample size the state stays as it is
    shown: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeAlarm:
    name: str
    rule: Rule
    shown: Mapping[str, Any]


Definition = MetricAlarm | CompositeAlarm


def metric_alarm(params: Params) -> MetricAlarm:
    """Raises `ApiError`."""
    for name in _ELSEWHERE:
        if params.get(name) is not None:
            raise not_modelled(f"The parameter {name} of PutMetricAlarm")
    if (params.get("EvaluationWindow") or {}).get("WallClockWindow") is not None:
        raise not_modelled("A wall clock window of an alarm")
    of = _of_metrics(params) if params.get("Metrics") else _of_one(params)
    period = of.period if isinstance(of, Metric) else of[0].period
    settings = _settings(params, of)
    _check_span(period, settings.periods)
    statistic = of.statistic if isinstance(of, Metric) else None
    ignores = _low_samples(params) == "ignore" and isinstance(statistic, Percentile)
    return MetricAlarm(
        name=_name(params),
        settings=settings,
        of=of,
        period=period,
        low_samples=statistic.percent if ignores and isinstance(statistic, Percentile) else None,
        shown={**_common(params), **_shown(params, of, settings)},
    )


def composite_alarm(params: Params) -> CompositeAlarm:
    """Raises `ApiError`."""
    if params.get("ActionsSuppressor") is not None:
        raise not_modelled("The parameter ActionsSuppressor of PutCompositeAlarm")
    text = str(required(params, "AlarmRule"))
    return CompositeAlarm(
        name=_name(params), rule=composite.parse(text), shown={**_common(params), "AlarmRule": text}
    )


def _name(params: Params) -> str:
    name = str(required(params, "AlarmName"))
    if len(name) > 255 or not name.isprintable():
        raise ApiError("ValidationError", f"The value {name!r} for parameter AlarmName is invalid.")
    return name


def _common(params: Params) -> dict[str, Any]:
    shown: dict[str, Any] = {"AlarmName": params["AlarmName"]}
    for name in _ACTIONS:
        shown[name] = list(params.get(name) or ())
        if len(shown[name]) > MAX_ACTIONS:
            raise ApiError("ValidationError", f"The collection {name} must not have more than {MAX_ACTIONS}.")
    if params.get("AlarmDescription") is not None:
        shown["AlarmDescription"] = params["AlarmDescription"]
    return shown


def _of_one(params: Params) -> Metric:
    key = key_of(params, "Alarm")
    plain, extended = params.get("Statistic"), params.get("ExtendedStatistic")
    if bool(plain) == bool(extended):
        raise ApiError(
            "InvalidParameterCombination", "Exactly one of Statistic and ExtendedStatistic must be specified."
        )
    named = str(plain or extended)
    statistic = statistics.parse(named)
    if isinstance(statistic, str) != bool(plain):
        raise ApiError("ValidationError", f"The value {named} for parameter Statistic is not supported.")
    period = _period(required(params, "Period"))
    return Metric(key=key, unit=unit_of(params), statistic=statistic, named=named, period=period)


def _period(given: Any) -> int:
    return period_of(given, short=HIGH_RESOLUTION)


def _of_metrics(params: Params) -> tuple[Query, ...]:
    given = [name for name in _SINGLE if params.get(name)]
    if given:
        raise ApiError("InvalidParameterCombination", f"Metrics and {given[0]} are mutually exclusive.")
    queries = parse(params["Metrics"])
    if len([query for query in queries if query.metric]) > MAX_METRICS:
        raise ApiError("ValidationError", f"An alarm watches at most {MAX_METRICS} metrics.")
    if len([query for query in queries if query.returned]) != 1:
        raise ApiError("ValidationError", "Exactly one element of the metrics list should return data.")
    if len({_period(query.period) for query in queries}) != 1:
        raise ApiError("ValidationError", "The metrics of an alarm must have the same period.")
    return queries


def _settings(params: Params, of: Metric | tuple[Query, ...]) -> Settings:
    comparison, missing = required(params, "ComparisonOperator"), params.get("TreatMissingData") or "missing"
    if comparison not in get_args(Comparison):
        raise not_modelled(f"The comparison {comparison} (bands of anomaly detection)")
    if missing not in get_args(Missing):
        raise ApiError(
            "ValidationError", f"Option {missing} is not supported for TreatMissingData parameter."
        )
    if params.get("Threshold") is None:
        raise ApiError("MissingParameter", "The parameter Threshold is required.")
    periods = int(required(params, "EvaluationPeriods"))
    to_alarm = int(params.get("DatapointsToAlarm") or periods)
    if not 0 < to_alarm <= periods:
        raise ApiError("ValidationError", "DatapointsToAlarm must be between 1 and EvaluationPeriods.")
    if isinstance(of, Metric) and of.key[0] == "AWS/DynamoDB":
        missing = "ignore"  # documented: whatever was asked for
    return Settings(
        comparison=cast("Comparison", comparison),
        threshold=float(params["Threshold"]),
        periods=periods,
        to_alarm=to_alarm,
        missing=cast("Missing", missing),
    )


def _check_span(period: int, periods: int) -> None:
    limit = DAY if period < HOUR else 7 * DAY
    if period * periods > limit:
        raise ApiError("ValidationError", f"EvaluationPeriods x Period must be at most {limit:,} seconds.")


def _low_samples(params: Params) -> str:
    given = params.get("EvaluateLowSampleCountPercentile") or "evaluate"
    if given not in {"evaluate", "ignore"}:
        raise ApiError(
            "ValidationError", f"Option {given} is not supported for EvaluateLowSampleCountPercentile."
        )
    return str(given)


def _shown(params: Params, of: Metric | tuple[Query, ...], settings: Settings) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "EvaluationPeriods": settings.periods,
        "Threshold": settings.threshold,
        "ComparisonOperator": settings.comparison,
    }
    for name in ("DatapointsToAlarm", "TreatMissingData", "EvaluateLowSampleCountPercentile"):
        if params.get(name) is not None:
            shown[name] = params[name]
    if not isinstance(of, Metric):
        shown["Metrics"] = params["Metrics"]
        return shown
    namespace, name, dimensions = of.key
    shown |= {"Namespace": namespace, "MetricName": name, "Period": of.period}
    shown["Dimensions"] = [{"Name": own, "Value": text} for own, text in dimensions]
    shown["Statistic" if isinstance(of.statistic, str) else "ExtendedStatistic"] = of.named
    if of.unit is not None:
        shown["Unit"] = of.unit
    return shown
