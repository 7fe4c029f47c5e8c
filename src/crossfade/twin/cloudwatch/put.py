"""PutMetricData: what CloudWatch takes and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from crossfade.twin.cloudwatch.api import UNITS, ApiError, Params, epoch, required
from crossfade.twin.cloudwatch.store import DAY, HOUR, Key, Sample

MAX_DATA: Final = 1000
MAX_VALUES: Final = 150
MAX_DIMENSIONS: Final = 30
_PAST: Final = 14 * DAY
_FUTURE: Final = 2 * HOUR
_GREATEST: Final = 2.0**360


def samples(params: Params, now: float) -> list[Sample]:
    """Every entry of a request, or none: raises `ApiError` for the first that is wrong."""
    namespace = namespace_of(params)
    if namespace.startswith("AWS/"):
        raise _bad("The value AWS/ for parameter Namespace is invalid: it is reserved for AWS services.")
    entries = [*(params.get("MetricData") or ()), *_of_entities(params)]
    if not entries:
        raise ApiError("MissingParameter", "The parameter MetricData is required.")
    if len(entries) > MAX_DATA:
        raise ApiError(
            "InvalidParameterValue", f"The collection MetricData must not have more than {MAX_DATA}."
        )
    return [
        _sample(namespace, entry, f"MetricData.member.{number}", now)
        for number, entry in enumerate(entries, start=1)
    ]


def _of_entities(params: Params) -> Iterator[Any]:
    for entity in params.get("EntityMetricData") or ():
        yield from entity.get("MetricData") or ()


def namespace_of(params: Params) -> str:
    """Raises `ApiError` for a namespace that cannot be."""
    namespace = str(required(params, "Namespace"))
    if len(namespace) > 255 or namespace.startswith(":") or not namespace.isascii():
        raise _bad(f"The value {namespace} for parameter Namespace is invalid.")
    return namespace


def dimensions_of(entries: Any, where: str = "Dimensions") -> tuple[tuple[str, str], ...]:
    """A set of dimensions, in the order of their names."""
    found: dict[str, str] = {}
    if len(entries or ()) > MAX_DIMENSIONS:
        raise _bad(f"The collection {where} must not have a size greater than {MAX_DIMENSIONS}.")
    for entry in entries or ():
        name, text = str(entry.get("Name") or ""), str(entry.get("Value") or "")
        if not (name.strip() and len(name) <= 255 and not name.startswith(":") and _printable(name)):
            raise _bad(f"The value {name!r} for parameter {where}.Name is invalid.")
        if not (text.strip() and len(text) <= 1024 and _printable(text)):
            raise _bad(f"The value {text!r} for parameter {where}.Value is invalid.")
        if name in found:
            raise _bad(f"The parameter {where} names {name} twice.")
        found[name] = text
    return tuple(sorted(found.items()))


def key_of(metric: Params, where: str = "Metric") -> Key:
    """The metric that a query or an alarm names."""
    name = str(required(metric, "MetricName"))
    if len(name) > 255:
        raise _bad(f"The value {name} for parameter {where}.MetricName is invalid.")
    return namespace_of(metric), name, dimensions_of(metric.get("Dimensions"), f"{where}.Dimensions")


def unit_of(params: Params) -> str | None:
    """Raises `ApiError` for a unit that does not exist."""
    unit = params.get("Unit")
    if unit is not None and unit not in UNITS:
        raise _bad(f"The value {unit} for parameter Unit is invalid.")
    return unit


def _sample(namespace: str, entry: Params, where: str, now: float) -> Sample:
    at = epoch(entry["Timestamp"], f"{where}.Timestamp") if entry.get("Timestamp") is not None else now
    if not now - _PAST <= at <= now + _FUTURE:
        raise _bad(f"The parameter {where}.Timestamp must specify a time within the past two weeks.")
    resolution = entry.get("StorageResolution") or 60
    if resolution not in (1, 60):
        raise _bad(f"The parameter {where}.StorageResolution must be 1 or 60.")
    values, whole = _values(entry, where)
    return Sample(
        key=key_of({**entry, "Namespace": namespace}, where),
        unit=unit_of(entry) or "None",
        at=at,
        values=values,
        whole=whole,
        fine=resolution == 1,
    )


def _values(
    entry: Params, where: str
) -> tuple[tuple[tuple[float, float], ...], tuple[float, float, float, float] | None]:
    single, several, whole = entry.get("Value"), entry.get("Values"), entry.get("StatisticValues")
    if sum(given is not None for given in (single, several or None, whole)) != 1:
        raise ApiError(
            "InvalidParameterCombination" if single is not None or several or whole else "MissingParameter",
            f"The parameters {where}.Value, {where}.Values and {where}.StatisticValues are mutually "
            "exclusive and you must specify one of them.",
        )
    if whole is not None:
        return (), _set(whole, where)
    if single is not None:
        return ((_number(single, f"{where}.Value"), 1.0),), None
    return _counted(several, entry.get("Counts"), where), None


def _counted(several: Any, counts: Sequence[Any] | None, where: str) -> tuple[tuple[float, float], ...]:
    if len(several) > MAX_VALUES:
        raise _bad(f"The collection {where}.Values must not have a size greater than {MAX_VALUES}.")
    weights = counts or [1.0] * len(several)
    if len(weights) != len(several):
        raise _bad(f"The parameters {where}.Values and {where}.Counts must be of the same size.")
    pairs = tuple(
        (_number(value, f"{where}.Values"), _number(count, f"{where}.Counts"))
        for value, count in zip(several, weights, strict=True)
    )
    if any(count < 0 for _, count in pairs) or not any(count for _, count in pairs):
        raise _bad(f"The parameter {where}.Counts must be greater than zero.")
    return tuple((value, count) for value, count in pairs if count)


def _set(whole: Params, where: str) -> tuple[float, float, float, float]:
    count, total, low, high = (
        _number(0.0 if whole.get(name) == 0 else required(whole, name), f"{where}.StatisticValues.{name}")
        for name in ("SampleCount", "Sum", "Minimum", "Maximum")
    )
    if count <= 0 or low > high:
        raise _bad(f"The parameter {where}.StatisticValues is not a set of statistics.")
    return count, total, low, high


def _number(given: Any, where: str) -> float:
    number = float(given)
    if not math.isfinite(number) or abs(number) > _GREATEST:
        raise _bad(f"The value {given} for parameter {where} is invalid.")
    return number


def _printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _bad(message: str) -> ApiError:
    return ApiError("InvalidParameterValue", message)
