"""
Quantities as people write them: `1h30m`, `0.1%`, `1.5x`, `p99`, `512MB`.

A number without its unit is refused, because 10 may be seconds or minutes, percent or a
fraction, and a release guesses at nobody's cost but the users'. Every reader here has a
printer, and printing then reading gives the same value. `schema.py` hangs them on the keys.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Final

_MILLISECOND: Final = timedelta(milliseconds=1)
# Largest first: the printer is greedy and the reader asks for this order.
_UNITS: Final = (
    ("d", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("m", timedelta(minutes=1)),
    ("s", timedelta(seconds=1)),
    ("ms", _MILLISECOND),
)
_DURATION: Final = re.compile(
    r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m(?!s))?(?:([0-9]{1,9})s)?(?:([0-9]{1,9})ms)?"
)
# Six decimals keep every value exact through a float and back.
_NUMBER: Final = r"([0-9]{1,4}(?:\.[0-9]{1,6})?)"
_PERCENT: Final = re.compile(_NUMBER + r" ?%")
_RATIO: Final = re.compile(_NUMBER + r"x")
_RATE: Final = re.compile(_NUMBER + r"/s")
_SIZES: Final = {
    "kB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3,
}  # fmt: skip
_MOST_WHOLE: Final = 999_999_999  # as many digits as are read
_SIZE: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?([A-Za-z]{1,5})")
_QUANTILE: Final = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,4})?)")

LONGEST: Final = timedelta(days=365)
"""No duration of a release is longer; above it is a slip of the keyboard."""

LARGEST: Final = 100_000 * 1000**3
"""No machine gives one instance more bytes; above it is a slip of the keyboard."""

MOST_INSTANCES: Final = 1000
"""As many as a side may have."""

DURATION_PATTERN: Final = r"^(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
PERCENT_PATTERN: Final = r"^[0-9]{1,3}(\.[0-9]{1,6})? ?%$"
RATIO_PATTERN: Final = r"^[0-9]{1,4}(\.[0-9]{1,6})?x$"
SIZE_PATTERN: Final = r"^[0-9]{1,9}(\.[0-9]{1,6})? ?(kB|MB|GB|KiB|MiB|GiB)$"
RATE_PATTERN: Final = r"^[0-9]{1,4}(\.[0-9]{1,6})?/s$"
QUANTILE_PATTERN: Final = r"^p[0-9]{1,2}(\.[0-9]{1,4})?$"


class UnitError(ValueError):
    """A quantity cannot be read as written: `why`, and the `fix`."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(why)
        self.why = why
        self.fix = fix


def shown(value: object) -> str:
    """A value of the file as a short piece of a sentence."""
    match value:
        case bool():
            return "`true`" if value else "`false`"
        case str():
            text = "".join(c if c.isprintable() else "?" for c in value)
            return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}...`"
        case int() | float():
            return f"`{value}`"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return "nothing"


def duration(value: object) -> timedelta:
    """`90s`, `5m`, `1h30m`, `2d`, `250ms`; largest unit first, whole numbers. Raises UnitError."""
    text = _text(value, "a duration is a number with its unit", "5m", ("s", "m"))
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise UnitError(
            "durations are whole numbers with units d, h, m, s, ms, largest first",
            "write it like `90s`, `5m`, `1h30m`, `2d` or `250ms`",
        )
    total = (
        sum(
            (int(n) * unit for n, (_, unit) in zip(found.groups(), _UNITS, strict=True) if n),
            timedelta(),
        )
        if _small(found)
        else LONGEST * 2
    )
    if total > LONGEST:
        raise UnitError("nothing in a release lasts longer than 365d", "write a shorter duration")
    return total


def duration_text(value: timedelta) -> str:
    """The shortest way to write a duration of whole milliseconds."""
    parts = []
    rest = value
    for name, unit in _UNITS:
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts) or "0s"


def percent(value: object) -> Decimal:
    """`10%` as the exact fraction 0.1, from 0% to 100%. Raises UnitError."""
    text = _text(value, "a share is a percentage with its `%`", "10%", ("%",))
    found = _PERCENT.fullmatch(text)
    if found is None:
        raise UnitError("a share is a number with `%`, at most six decimals", "write it like `10%` or `0.1%`")
    fraction = Decimal(found[1]) / 100
    if fraction > 1:
        raise UnitError("a share is at most 100%", "write a percentage from 0% to 100%")
    return fraction


def percent_text(fraction: Decimal | float) -> str:
    """A fraction as a percentage, without rounding."""
    return f"{_plain(Decimal(str(fraction)) * 100)}%"


def ratio(value: object) -> float:
    """`1.5x` as the factor 1.5. Raises UnitError."""
    text = _text(value, "a ratio is a number with its `x`", "1.5x", ("x",))
    found = _RATIO.fullmatch(text)
    if found is None:
        raise UnitError("a ratio is a number with `x`, at most six decimals", "write it like `1.25x` or `2x`")
    return float(found[1])


def ratio_text(factor: float) -> str:
    return f"{_plain(Decimal(str(factor)))}x"


def rate(value: object) -> float:
    """`20/s` as 20 a second. Raises UnitError."""
    text = _text(value, "a rate is a number with its `/s`", "20/s", ("/s",))
    found = _RATE.fullmatch(text)
    if found is None or float(found[1]) == 0:
        raise UnitError(
            "a rate is a number above 0 with `/s`, at most six decimals", "write it like `20/s` or `0.5/s`"
        )
    return float(found[1])


def rate_text(per_second: float) -> str:
    return f"{_plain(Decimal(str(per_second)))}/s"


def instances(value: object) -> int | Decimal:
    """A number of instances, `2`, or a part of them, `25%`. Raises UnitError."""
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= MOST_INSTANCES:
            return value
        raise UnitError(
            f"it is a number from 0 to {MOST_INSTANCES}, or a part of those that serve",
            "write it like `1` or `25%`",
        )
    if isinstance(value, str) and value.endswith("%"):
        return percent(value)
    if isinstance(value, str) and value.isdecimal() and value.isascii():
        raise UnitError(
            f"in quotes it is a text; {value} alone could mean percent",
            f"write `{int(value[:9])}` without quotes, or `{int(value[:9])}%`",
        )
    raise UnitError(
        "it is a whole number of instances, or a part of those that serve", "write it like `1` or `25%`"
    )


def size(value: object) -> int:
    """`512MB` as bytes; kB, MB, GB count in thousands, KiB, MiB, GiB in 1024. Raises UnitError."""
    text = _text(value, "a size is a number with its unit", "512MB", ("MB", "GB"))
    found = _SIZE.fullmatch(text)
    if found is None or found[2] not in _SIZES:
        close = (
            () if found is None else tuple(unit for unit in _SIZES if unit[0].lower() == found[2][0].lower())
        )
        meant = " or ".join(f"`{found[1]}{unit}`" for unit in close) if found is not None and close else ""
        raise UnitError(
            f"a size is a number with one of {', '.join(_SIZES)}",
            f"write {meant or 'it like `512MB` or `1.5GiB`'}",
        )
    bytes_ = int(Decimal(found[1]) * _SIZES[found[2]])
    if bytes_ > LARGEST:
        raise UnitError(f"no instance has more than {size_text(LARGEST)}", "write a smaller size")
    return bytes_


LARGEST_NUMBER: Final = 1e15


def size_text(value: int) -> str:
    """The shortest way to write a size of whole bytes, exactly."""
    whole = [
        (value // count, unit)
        for unit, count in _SIZES.items()
        if value % count == 0 and value // count <= _MOST_WHOLE
    ]
    if not whole:
        return f"{_plain(Decimal(value) / _SIZES['MB'])}MB"
    number, unit = min(whole, key=lambda pair: pair[0])
    return f"{number}{unit}"


def number(value: object) -> float:
    """A plain number, of a size that a figure can have. Raises UnitError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnitError(f"a number has no unit and no quotes, not {shown(value)}", "write it like `100`")
    if not abs(value) <= LARGEST_NUMBER:
        raise UnitError(f"no figure is beyond {LARGEST_NUMBER:g}", "write a smaller number")
    return float(value)


def number_text(value: float) -> str:
    return _plain(Decimal(str(value)))


def quantile(value: object) -> float:
    """`p99` as 0.99, `p99.9` as 0.999. Raises UnitError."""
    text = _text(value, "a quantile is `p` and a number", "p99", ())
    found = _QUANTILE.fullmatch(text)
    if found is None or float(found[1]) == 0:
        raise UnitError("a quantile is `p` and a number above 0 and below 100", "write it like `p99`")
    return float(Decimal(found[1]) / 100)


def quantile_text(value: float) -> str:
    return f"p{_plain(Decimal(str(value)) * 100)}"


def _text(value: object, rule: str, example: str, units: tuple[str, ...]) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        options = " or ".join(f"`{value}{unit}`" for unit in units) or f"`{example}`"
        raise UnitError(f"{rule}; {value} alone could mean anything", f"write {options}")
    raise UnitError(f"{rule}, not {shown(value)}", f"write it like `{example}`")


def _small(found: re.Match[str]) -> bool:
    # 9 digits of days overflow timedelta; 5 of any unit but seconds are beyond LONGEST anyway.
    days = found[1]
    return days is None or len(days) < 6


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
