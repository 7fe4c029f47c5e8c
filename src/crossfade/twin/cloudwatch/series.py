"""Points of one metric over a window: rows of the store, by period, as one statistic."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import truediv
from typing import Final

from crossfade.twin.cloudwatch.cells import Column, Row
from crossfade.twin.cloudwatch.statistics import Plain, Statistic, value
from crossfade.twin.cloudwatch.store import MINUTE, Stream

Points = dict[int, float]
"""Value by the beginning of its period, in rising order of time; a period without samples has no point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """
    Periods of `period` seconds from `start` on, those that begin before `end`; seen at `now`.

    CloudWatch counts periods from the start of a request (rounded down to the minute), not from midnight.
    """

    start: int
    end: float
    period: int
    now: float

    @property
    def grid(self) -> range:
        """Where each period begins; periods of the future are none."""
        end = min(self.end, self.now)
        return range(self.start, max(self.start, -int(-end // 1)), self.period)

    @property
    def data_end(self) -> float:
        """Where the last period ends: it takes in all its samples, beyond `end` too."""
        whole = -int((self.start - self.end) // self.period)
        return self.start + max(whole, 0) * self.period


def points(streams: Iterable[Stream], statistic: Statistic, window: Window) -> Points:
    """The metric in these units together."""
    many = list(streams)
    if len(many) == 1 and isinstance(statistic, str) and window.period == MINUTE:
        quick = _by_the_minute(many[0], statistic, window)
        if quick is not None:
            return quick
    periods: dict[int, list[Row]] = {}
    start, period = window.start, window.period
    for stream in many:
        for row in stream.rows(start, window.data_end, window.now, period):
            periods.setdefault((row.at - start) // period, []).append(row)
    found = ((start + index * period, value(statistic, periods[index])) for index in sorted(periods))
    return {at: number for at, number in found if number is not None}


_QUICK: Final[dict[Plain, Callable[[Column, int, int], Iterable[float]]]] = {
    "Sum": lambda column, first, last: column.total[first:last],
    "SampleCount": lambda column, first, last: column.count[first:last],
    "Minimum": lambda column, first, last: column.low[first:last],
    "Maximum": lambda column, first, last: column.high[first:last],
    "Average": lambda column, first, last: map(truediv, column.total[first:last], column.count[first:last]),
}


def _by_the_minute(stream: Stream, statistic: Plain, window: Window) -> Points | None:
    """One row a period, nothing to add up: whole slices of the column. None where it is not so."""
    column = stream.minutes
    first, last = column.span(window.start, window.data_end)
    others = (stream.late, stream.fives, stream.hours)
    if (
        window.start % MINUTE
        or any(other.oldest is not None for other in others)
        or max(column.shown_at[first:last], default=0.0) > window.now
        or any(at < end for end in column.at[-1:] for at in column.open)
    ):
        return None
    found = dict(zip(column.at[first:last], _QUICK[statistic](column, first, last), strict=True))
    for row in column.rows(
        max(window.start, column.at[-1] + 1 if column.at else 0), window.data_end, window.now
    ):
        found[row.at] = value(statistic, [row]) or 0.0
    return found
