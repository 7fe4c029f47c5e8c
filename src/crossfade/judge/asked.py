"""Gates as people write them: numbers, or the texts of crossfade.yaml (`1.5x`, `0.1%`, `p99`, `800ms`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from crossfade.judge.types import BadCountsError

UNITS: Final[Mapping[str, float]] = {"ms": 1.0, "%": 0.01, "x": 1.0, "s": 1000.0, "m": 60_000.0}
"""What the number before it is multiplied by: factors stay, shares and milliseconds come out."""


def plain(value: Any, where: str, units: Iterable[str]) -> Any:
    """The number that a text with one of these units means; anything but a text as it is.

    Raises `BadCountsError`.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    for unit in units:
        if text.endswith(unit):
            return _number(text.removesuffix(unit), value, where) * UNITS[unit]
    return _number(text, value, where)


def quantile(value: Any, where: str) -> Any:
    """`p99.9` is 0.999."""
    if isinstance(value, str) and value.strip().lower().startswith("p"):
        return round(_number(value.strip()[1:], value, where) / 100.0, 9)
    return plain(value, where, ())


def limits(value: Any, where: str) -> list[tuple[Any, Any]]:
    """Absolute limits on latency: `{"p99": "800ms"}`, or pairs of a quantile and milliseconds."""
    pairs = value.items() if isinstance(value, Mapping) else value
    return [(quantile(at, where), plain(limit, where, ("ms", "s", "m"))) for at, limit in pairs]


def _number(text: str, value: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadCountsError(f"{where} is {value!r}, which is no number with a unit it could have") from None
