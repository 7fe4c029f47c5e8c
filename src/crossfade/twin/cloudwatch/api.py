"""What CloudWatch answers instead of a result, and how its requests' values are read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal

Params = Mapping[str, Any]
"""A request as botocore names it: `{"Namespace": ..., "MetricData": [...]}`."""

_SIZES: Final = ("Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes")
_BITS: Final = ("Bits", "Kilobits", "Megabits", "Gigabits", "Terabits")
_RATED: Final = (*_SIZES, *_BITS, "Count")
UNITS: Final = frozenset(
    (
        *_RATED,
        *(f"{unit}/Second" for unit in _RATED),
        "Seconds",
        "Microseconds",
        "Milliseconds",
        "Percent",
        "None",
    )
)

Code = Literal[
    "ValidationError",
    "InvalidParameterValue",
    "InvalidParameterCombination",
    "MissingParameter",
    "ResourceNotFound",
    "InvalidNextToken",
    "InvalidFormat",
    "LimitExceeded",
]


class ApiError(Exception):
    """A request refused, by the code that AWS uses for it."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def not_modelled(what: str) -> ApiError:
    """The twin's own refusal: better than an answer that AWS would not give."""
    return ApiError("ValidationError", f"{what} is not modelled in the twin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whose request it is: names of alarms carry both."""

    account: str = "123456789012"
    region: str = "us-east-1"


def required(params: Params, name: str) -> Any:
    """Raises `ApiError` when the parameter is absent or empty."""
    value = params.get(name)
    if value is None or value in ("", [], {}):
        raise ApiError("MissingParameter", f"The parameter {name} is required.")
    return value


def epoch(value: Any, name: str) -> float:
    """A time as any of the protocols brings it: seconds, ISO 8601 text, datetime."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, str):
        try:
            return epoch(datetime.fromisoformat(value), name)
        except ValueError:
            value = _seconds(value, name)
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ApiError("InvalidParameterValue", f"The parameter {name} is not a time.")
    return seconds


def _seconds(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        message = f"The parameter {name} must be a time in ISO 8601 format."
        raise ApiError("InvalidParameterValue", message) from None


@lru_cache(maxsize=16_384)
def moment(at: float) -> datetime:
    """The epoch as an aware datetime, as answers carry it."""
    return datetime.fromtimestamp(at, UTC)
