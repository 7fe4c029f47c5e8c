"""
Many values, kept in little: a decimal grid that errs by at most 0.05 % and never moves a round number.

A grid point has four digits, and from 2000 and 5000 on the last one moves in steps of 2 and 5. So every
number of three digits is a point, and whole milliseconds up to two seconds are: a bin such as
`TC(0.1:0.25)` counts the same on the grid as on the values themselves, save values within 0.05 % of a bound.
Points are numbered in their order, so that sorted numbers are sorted values.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

EXACT_UP_TO: Final = 64  # distinct values of one period that are kept as they came
ERROR: Final = 0.0005  # relative, beyond that

_MANTISSAS: Final = 9000  # 1000..9999
_EXACT: Final = b"E"
_GRID: Final = b"G"
_SMALLEST: Final = 1e-110  # CloudWatch takes nothing nearer to zero than 2**-360
_ZERO: Final = -4_000_000  # below every other point


@dataclass(frozen=True, slots=True)
class Exact:
    """Values in rising order, and how many samples each has."""

    values: Sequence[float]
    counts: Sequence[float]

    def value(self, index: int) -> float:
        return self.values[index]

    def some(self, first: int, last: int) -> Sequence[float]:
        """The values of these places."""
        return self.values[first:last]

    def up_to(self, bound: float) -> int:
        """How many of the values are no greater."""
        return bisect_right(self.values, bound)


@dataclass(frozen=True, slots=True)
class Points:
    """The same on the grid: a point's number is `first` + offset - 1, offset 0 is the value zero."""

    first: int
    offsets: array[int]
    counts: Sequence[float]

    @property
    def values(self) -> Sequence[float]:
        return self.some(0, len(self.offsets))

    def some(self, first: int, last: int) -> Sequence[float]:
        """The values of these places."""
        before = self.first - 1
        return [value_of(before + offset) if offset else 0.0 for offset in self.offsets[first:last]]

    def value(self, index: int) -> float:
        offset = self.offsets[index]
        return value_of(self.first + offset - 1) if offset else 0.0

    def up_to(self, bound: float) -> int:
        """How many of the values are no greater: found by numbers, for speed."""
        if not 0.0 <= bound < math.inf:
            return len(self.offsets) if bound > 0 else 0
        number = point(bound)
        number -= value_of(number) > bound
        return bisect_right(self.offsets, max(number - self.first + 1, 0))


Bins = Exact | Points


def point(value: float) -> int:
    """The number of the grid point nearest to a value >= 0."""
    if value < _SMALLEST:
        return _ZERO
    power = math.floor(math.log10(value)) - 3
    mantissa = value / 10.0**power if power >= 0 else value * 10.0**-power
    step = 1 if mantissa < 2000 else 2 if mantissa < 5000 else 5
    digits = round(mantissa / step) * step
    if digits >= 10_000:
        power, digits = power + 1, 1000
    return power * _MANTISSAS + digits - 1000


@lru_cache(maxsize=32_768)
def value_of(number: int) -> float:
    """The value of a grid point, as the nearest double to its decimal digits: equal to the literal."""
    if number <= _ZERO:
        return 0.0
    power, digits = divmod(number, _MANTISSAS)
    return float((digits + 1000) * 10**power) if power >= 0 else (digits + 1000) / 10**-power


def pack_exact(bins: Mapping[float, float]) -> bytes:
    """A few values as they are."""
    rising = sorted(bins)
    return _EXACT + array("d", [*rising, *(bins[value] for value in rising)]).tobytes()


def pack_points(bins: Mapping[int, float]) -> bytes:
    """Points and their counts, each in the narrowest integers that hold them all."""
    rising = sorted(bins)
    first = next((number for number in rising if number > _ZERO), 0)
    # Zero is written as the gap below the first point: its true number would widen all the others.
    offsets = _narrowest([0 if number <= _ZERO else number - first + 1 for number in rising])
    counts = _narrowest([bins[number] for number in rising])
    head = array("i", [first, len(rising)]).tobytes()
    kinds = (offsets.typecode + counts.typecode).encode()
    return _GRID + kinds + head + offsets.tobytes() + counts.tobytes()


def unpack(blob: bytes) -> Bins:
    """The values and counts of what either packer wrote."""
    if blob[:1] == _EXACT:
        both = array("d", blob[1:])
        half = len(both) // 2
        return Exact(both[:half], both[half:])
    head = array("i", blob[3:11])
    first, size = head
    offsets = array(chr(blob[1]))
    end = 11 + size * offsets.itemsize
    offsets.frombytes(blob[11:end])
    return Points(first, offsets, array(chr(blob[2]), blob[end:]))


def merged(many: Iterable[Bins]) -> Bins:
    """The values of several periods as those of one."""
    together: dict[float, float] = {}
    for bins in many:
        for value, count in zip(bins.values, bins.counts, strict=True):
            together[value] = together.get(value, 0.0) + count
    rising = sorted(together)
    return Exact(rising, [together[value] for value in rising])


def _narrowest(numbers: Sequence[float]) -> array[int] | array[float]:
    top = max(numbers)
    if all(number == int(number) for number in numbers):
        for kind, limit in (("B", 1 << 8), ("H", 1 << 16), ("I", 1 << 32)):
            if top < limit:
                return array(kind, map(int, numbers))
    return array("d", numbers)
