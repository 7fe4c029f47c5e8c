"""
What the forms of `schema.py` are made of: a mapping, a setting, and values with units.

A value that cannot be read becomes a pydantic error that carries a finding's id, what, why and
fix; `mistakes.py` gives it its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from crossfade.spec import units

BECAUSE: Final = "x-because"
"""Where a setting keeps the reason for its default, in its JSON schema."""


def mistake(error_id: str, what: str, why: str, fix: str) -> PydanticCustomError:
    """A finding on its way through pydantic; `mistakes.py` gives it its place."""
    return PydanticCustomError(error_id, "{what}", {"what": what, "why": why, "fix": fix})


def _read(error_id: str, what: str, read: Callable[[object], object]) -> BeforeValidator:
    def validate(value: object) -> object:
        try:
            return read(value)
        except units.UnitError as error:
            said = f"{units.shown(value)} is not {what}"
            raise mistake(error_id, said, error.why, error.fix) from None

    return BeforeValidator(validate)


def _text(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


Duration = Annotated[
    timedelta,
    _read("CF1106", "a duration", units.duration),
    _text(units.DURATION_PATTERN, "5m"),
]
Percent = Annotated[
    Decimal,
    _read("CF1107", "a percentage", units.percent),
    _text(units.PERCENT_PATTERN, "10%"),
]
Ratio = Annotated[float, _read("CF1108", "a ratio", units.ratio), _text(units.RATIO_PATTERN, "1.5x")]
Size = Annotated[int, _read("CF1114", "a size", units.size), _text(units.SIZE_PATTERN, "512MB")]
Rate = Annotated[float, _read("CF1115", "a rate", units.rate), _text(units.RATE_PATTERN, "20/s")]
Instances = Annotated[
    int | Decimal,
    _read("CF1116", "a number of instances", units.instances),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": units.PERCENT_PATTERN}]}
    ),
]
Number = Annotated[
    float,
    _read("CF1117", "a number", units.number),
    WithJsonSchema({"type": "number"}),
]
Quantile = Annotated[
    float, _read("CF1112", "a quantile", units.quantile), _text(units.QUANTILE_PATTERN, "p99")
]


def setting(
    text: str, *, default: str | int | list[Any] | None = None, because: str = "",
    pattern: str = "", **limits: Any,
) -> Any:  # fmt: skip
    """One key: its meaning with its unit, its default as written in YAML, and the reason for it."""
    extra: dict[str, Any] = {}
    if because:
        extra[BECAUSE] = because
        shown = "" if default is None or isinstance(default, list) else f" {default}"
        text = f"{text} Default{shown}: {because}."
    if default is not None:
        extra["default"] = default
    if pattern:
        # For editors only: `meaning.py` refuses the same with better words.
        extra["pattern"] = pattern
    return Field(default=None, description=text, json_schema_extra=extra, **limits)


class Form(BaseModel):
    """A mapping of the file. Unknown keys are mistakes; numbers are never read from texts."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    later: ClassVar[Mapping[str, str]] = {}
    """Key of a coming version → what to do until then."""
    aka: ClassVar[Mapping[str, str]] = {}
    """What people call a key elsewhere → its name here."""
