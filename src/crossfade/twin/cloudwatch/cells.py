"""
Values of one series by period: what a `Cell` gathers while it may still come in, a `Column` keeps packed.

A column has one row per period that had samples: count, sum, least, greatest and the packed values, 56
bytes and the values. Rows are in the order of time; the newest few periods are cells still open. A sample
that comes for a packed row opens it again. NOT THREAD-SAFE: the store's lock guards every call.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final, NamedTuple

from crossfade.twin.cloudwatch.grid import (
    EXACT_UP_TO,
    Bins,
    Exact,
    merged,
    pack_exact,
    pack_points,
    point,
    unpack,
)

OPEN_CELLS: Final = 3  # the minute that runs, the one just over, and one for stragglers
_OVERHEAD: Final = 56  # bytes of a row without its values
_NO_VALUES: Final = b"-"
_ALWAYS: Final = 0.0


class Row(NamedTuple):
    """One period: what the plain statistics need, and the packed values for the others."""

    at: int
    shown_at: float
    samples: float
    total: float
    low: float
    high: float
    packed: bytes | None  # None: all samples have one value; `_NO_VALUES`: they are not known


class Cell:
    """The samples of one period while they come in."""

    __slots__ = ("_exact", "_points", "_row", "count", "high", "known", "low", "shown_at", "total")

    def __init__(self, shown_at: float) -> None:
        self.shown_at = shown_at
        self.count = self.total = 0.0
        self.low, self.high = float("inf"), float("-inf")
        self.known = True
        self._exact: dict[float, float] | None = {}
        self._points: dict[int, float] = {}
        self._row: Row | None = None

    def add(self, value: float, count: float) -> None:
        """Samples of one value."""
        self._row = None
        self.count += count
        self.total += value * count
        self.low = min(self.low, value)
        self.high = max(self.high, value)
        self._put(value, count)

    def add_set(self, count: float, total: float, low: float, high: float) -> None:
        """A statistic set; from here on the single values are not known, unless it has only one."""
        if low == high and abs(total - low * count) <= 1e-9 * abs(total):
            self.add(low, count)
            return
        self._weigh(count, total, low, high)
        self.known = False

    def add_row(self, row: Row) -> None:
        """A row of the same period, or of a shorter one within it."""
        self._weigh(row.samples, row.total, row.low, row.high)
        if row.packed == _NO_VALUES:
            self.known = False
            return
        bins = _bins(row)
        for value, count in zip(bins.values, bins.counts, strict=True):
            self._put(value, count)

    def _weigh(self, count: float, total: float, low: float, high: float) -> None:
        self._row = None
        self.count += count
        self.total += total
        self.low = min(self.low, low)
        self.high = max(self.high, high)

    def _put(self, value: float, count: float) -> None:
        exact = self._exact
        if exact is None:
            number = point(value)
            self._points[number] = self._points.get(number, 0.0) + count
            return
        exact[value] = exact.get(value, 0.0) + count
        if len(exact) > EXACT_UP_TO:
            self._fold(exact)

    def _fold(self, exact: dict[float, float]) -> None:
        self._exact = None
        if self.low < 0:  # no statistic of single values exists for these: nothing to keep
            self.known = False
            return
        for value, count in exact.items():
            number = point(value)
            self._points[number] = self._points.get(number, 0.0) + count

    def row(self, at: int) -> Row:
        """The cell as the column keeps it; packed once, however many look at it."""
        if self._row is None:
            self._row = self._whole(at)
        return self._row

    def _whole(self, at: int) -> Row:
        return Row(at, self.shown_at, self.count, self.total, self.low, self.high, self._packed())

    def _packed(self) -> bytes | None:
        if not self.known or self.low < 0:
            return _NO_VALUES
        if self.low == self.high:
            return None
        return pack_points(self._points) if self._exact is None else pack_exact(self._exact)


def values_of(rows: list[Row]) -> Bins | None:
    """All values of these periods together; None where they are not known."""
    if any(row.packed == _NO_VALUES for row in rows):
        return None
    bins = [_bins(row) for row in rows]
    return bins[0] if len(bins) == 1 else merged(bins)


def _bins(row: Row) -> Bins:
    return Exact((row.low,), (row.samples,)) if row.packed is None else unpack(row.packed)


class Column:
    """Periods of one length, in the order of time."""

    __slots__ = ("_packed", "_size", "at", "count", "high", "length", "low", "open", "shown_at", "total")

    def __init__(self, length: int) -> None:
        self.length = length
        self.at = array("q")
        self.shown_at, self.count, self.total = array("d"), array("d"), array("d")
        self.low, self.high = array("d"), array("d")
        self.open: dict[int, Cell] = {}
        self._packed: list[bytes | None] = []
        self._size = 0

    def cell(self, at: int, shown_at: float = _ALWAYS) -> Cell:
        """The open cell of the period that begins at `at`; `shown_at` holds if the period is new."""
        cell = self.open.get(at)
        if cell is None:
            cell = self.open[at] = self._reopened(at) or Cell(shown_at)
            while len(self.open) > OPEN_CELLS:
                self._close(min(self.open.keys() - {at}))
        return cell

    def _reopened(self, at: int) -> Cell | None:
        index = bisect_left(self.at, at)
        if index == len(self.at) or self.at[index] != at:
            return None
        cell = Cell(self.shown_at[index])
        cell.add_row(self._row(index))
        self._delete(index, index + 1)
        return cell

    def _close(self, at: int) -> None:
        row = self.open.pop(at).row(at)
        index = bisect_left(self.at, at)
        self.at.insert(index, at)
        self.shown_at.insert(index, row.shown_at)
        self.count.insert(index, row.samples)
        self.total.insert(index, row.total)
        self.low.insert(index, row.low)
        self.high.insert(index, row.high)
        self._packed.insert(index, row.packed)
        self._size += _OVERHEAD + len(row.packed or b"")

    def _delete(self, start: int, end: int) -> None:
        self._size -= sum(_OVERHEAD + len(packed or b"") for packed in self._packed[start:end])
        for column in (self.at, self.shown_at, self.count, self.total, self.low, self.high, self._packed):
            del column[start:end]

    def _row(self, index: int) -> Row:
        return Row(
            self.at[index],
            self.shown_at[index],
            self.count[index],
            self.total[index],
            self.low[index],
            self.high[index],
            self._packed[index],
        )

    def span(self, start: float, end: float) -> tuple[int, int]:
        """Which packed rows begin in [start, end)."""
        return bisect_left(self.at, start), bisect_left(self.at, end)

    def rows(self, start: float, end: float, now: float) -> Iterator[Row]:
        """Rows that begin in [start, end) and are shown by `now`, in the order of time but for open cells."""
        first, last = self.span(start, end)
        for index in range(first, last):
            if self.shown_at[index] <= now:
                yield self._row(index)
        for at, cell in sorted(self.open.items()):
            if start <= at < end and cell.shown_at <= now:
                yield cell.row(at)

    def taken_before(self, end: float) -> list[Row]:
        """Removes and returns every row that begins before `end`."""
        for at in [at for at in self.open if at < end]:
            self._close(at)
        last = bisect_left(self.at, end)
        rows = [self._row(index) for index in range(last)]
        self._delete(0, last)
        return rows

    @property
    def bytes(self) -> int:
        """What the packed rows take, about."""
        return self._size

    @property
    def oldest(self) -> int | None:
        """Where the first period begins."""
        return min([*self.at[:1], *self.open], default=None)
