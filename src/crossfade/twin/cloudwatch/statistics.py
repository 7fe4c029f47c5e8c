"""
Statistics by the names that CloudWatch gives them, computed from the rows of one period.

`Sum`, `p99.9`, `tm90`, `TM(10%:90%)`, `TC(0.1:0.25)`, `PR(:0.3)`, `IQM` ... In ranges of values the lower
bound is excluded and the upper one included. A percentile is the least value that at least so many per
cent of the samples do not exceed: AWS says no more of its own than "p99 is the greatest of the lowest 99 %".
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from operator import mul
from typing import Final, Literal, assert_never, get_args

from crossfade.twin.cloudwatch.api import ApiError
from crossfade.twin.cloudwatch.cells import Row, values_of
from crossfade.twin.cloudwatch.grid import Bins

Plain = Literal["Sum", "SampleCount", "Average", "Minimum", "Maximum"]
PLAIN: Final[tuple[Plain, ...]] = get_args(Plain)


@dataclass(frozen=True, slots=True)
class Percentile:
    percent: float


@dataclass(frozen=True, slots=True)
class Trimmed:
    """The samples between two bounds: mean, count or sum, or the mean with the rest moved to a bound."""

    kind: Literal["TM", "TC", "TS", "WM"]
    low: float
    high: float
    percent: bool


@dataclass(frozen=True, slots=True)
class Rank:
    """How many per cent of the samples lie between two values."""

    low: float
    high: float


Statistic = Plain | Percentile | Trimmed | Rank

_PLAIN: Final[dict[str, Statistic]] = {plain: plain for plain in PLAIN}
_NUMBER: Final = r"\d+(?:\.\d{1,10})?"
_SHORT: Final = re.compile(rf"(p|tm|tc|ts|wm)({_NUMBER})")
_RANGE: Final = re.compile(rf"(TM|TC|TS|WM|PR)\((?:({_NUMBER})(%)?)?:(?:({_NUMBER})(%)?)?\)")


@lru_cache(maxsize=4096)
def parse(text: str) -> Statistic:
    """Raises `ApiError` for a name that CloudWatch does not know."""
    found = _PLAIN.get(text) or _iqm(text) or _short(text) or _range(text)
    if found is None:
        raise ApiError("ValidationError", f"The value {text} for parameter Stat is not supported.")
    return found


def _iqm(text: str) -> Statistic | None:
    return Trimmed("TM", 25.0, 75.0, percent=True) if text == "IQM" else None


def _short(text: str) -> Statistic | None:
    match = _SHORT.fullmatch(text)
    if match is None or float(match[2]) > 100:
        return None
    if match[1] == "p":
        return Percentile(float(match[2]))
    return Trimmed(_kind(match[1].upper()), 0.0, float(match[2]), percent=True)


def _range(text: str) -> Statistic | None:
    match = _RANGE.fullmatch(text)
    if match is None or (match[2] is None and match[4] is None):
        return None
    percents = {
        sign is not None for bound, sign in (match.group(2, 3), match.group(4, 5)) if bound is not None
    }
    percent = True in percents
    low = float(match[2]) if match[2] else 0.0 if percent else -math.inf
    high = float(match[4]) if match[4] else 100.0 if percent else math.inf
    if len(percents) > 1 or low >= high or (percent and high > 100):
        return None
    if match[1] == "PR":
        return None if percent else Rank(low, high)
    return Trimmed(_kind(match[1]), low, high, percent=percent)


def _kind(text: str) -> Literal["TM", "TC", "TS", "WM"]:
    match text:
        case "TM" | "TC" | "TS" | "WM":
            return text
        case _:
            raise ValueError(text)


def value(statistic: Statistic, rows: list[Row]) -> float | None:
    """The statistic over the samples of these rows (at least one); None where it has no value."""
    if isinstance(statistic, str):
        return plain(statistic, rows)
    bins = values_of(rows)
    if bins is None:
        return None
    match statistic:
        case Percentile(percent):
            return _percentile(bins, percent)
        case Rank(low, high):
            return 100.0 * _count_between(bins, low, high) / sum(bins.counts)
        case Trimmed():
            return _trimmed(statistic, bins)
        case _:
            assert_never(statistic)


def plain(statistic: Plain, rows: Sequence[Row]) -> float:
    """A statistic that needs no single values."""
    match statistic:
        case "Sum":
            return math.fsum(row.total for row in rows)
        case "SampleCount":
            return math.fsum(row.samples for row in rows)
        case "Average":
            return math.fsum(row.total for row in rows) / math.fsum(row.samples for row in rows)
        case "Minimum":
            return min(row.low for row in rows)
        case "Maximum":
            return max(row.high for row in rows)
        case _:
            assert_never(statistic)


def _percentile(bins: Bins, percent: float) -> float:
    seen = list(accumulate(bins.counts))
    wanted = max(_share(seen[-1], percent), 1e-9)
    return bins.value(min(bisect_left(seen, wanted), len(seen) - 1))


def _share(total: float, percent: float) -> float:
    """So many per cent of the samples; rounded, lest 0.07 x 100 be more than 7."""
    return round(total * percent / 100.0, 9)


@dataclass(frozen=True, slots=True)
class _Part:
    count: float
    total: float
    low: float  # the samples below are worth this to a winsorized mean
    high: float


def _between(bins: Bins, low: float, high: float) -> _Part:
    """The samples in (low, high]."""
    first, last = bins.up_to(low), bins.up_to(high)
    total = sum(map(mul, bins.some(first, last), bins.counts[first:last]))
    return _Part(sum(bins.counts[first:last]), total, low, high)


def _count_between(bins: Bins, low: float, high: float) -> float:
    return float(sum(bins.counts[bins.up_to(low) : bins.up_to(high)]))


def _between_percents(bins: Bins, low: float, high: float) -> _Part:
    """The samples whose place in the order, in per cent, is in (low, high]."""
    seen = list(accumulate(bins.counts))
    first, last = math.floor(_share(seen[-1], low)), min(math.ceil(_share(seen[-1], high)), seen[-1])
    if last <= first:
        return _Part(0.0, 0.0, 0.0, 0.0)
    left, right = bisect_right(seen, first), bisect_left(seen, last)
    values, counts = bins.some(left, right + 1), bins.counts[left : right + 1]
    before, after = first - (seen[left] - bins.counts[left]), seen[right] - last
    total = sum(map(mul, values, counts)) - before * values[0] - after * values[-1]
    return _Part(last - first, total, values[0], values[-1])


def _trimmed(statistic: Trimmed, bins: Bins) -> float | None:
    if statistic.kind == "TC" and not statistic.percent:
        return _count_between(bins, statistic.low, statistic.high)
    cut = _between_percents if statistic.percent else _between
    part = cut(bins, statistic.low, statistic.high)
    match statistic.kind:
        case "TC":
            return part.count
        case "TS":
            return part.total
        case "TM":
            return part.total / part.count if part.count else None
        case "WM":
            return _winsorized(part, bins)
        case _:
            assert_never(statistic.kind)


def _winsorized(part: _Part, bins: Bins) -> float:
    moved = (min(max(value_, part.low), part.high) for value_ in bins.values)
    return math.fsum(map(mul, moved, bins.counts)) / math.fsum(bins.counts)
