"""
How many rows the next batch has, so that it lasts about as long as it should. Pure.

The rows of a batch stay locked until it ends: whoever wants to write one of them waits for that long. So it
gives way at once and by all of it (too slow: smaller in proportion; somebody waits, or a lock did not come:
half), and comes back by half as much again at most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

FEWEST: Final = 10
"""Rows of the smallest batch: below that, a transaction costs more than its rows."""
MOST: Final = 50_000
"""Rows of the largest batch: what is lost and done again after a failure stays small."""
_GROWTH: Final = 1.5
_CAUTION: Final = 0.9
_CROWD: Final = 3  # sessions that wait for us at the end of a batch: more is too many


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The size of the next batch, and how long to rest before it."""

    rows: int
    target_s: float
    rest_s: float = 0.0

    @classmethod
    def of(cls, rows: int, target_s: float) -> Pace:
        return cls(rows=_bounded(rows), target_s=target_s)

    def after(self, took_s: float, waiting: int = 0) -> Pace:
        """A batch of this size went through in that time; so many sessions waited for it at its end."""
        if waiting > _CROWD:
            return replace(self, rows=_bounded(self.rows // 2), rest_s=min(took_s, self.target_s))
        if took_s <= 0:
            return replace(self, rows=_bounded(int(self.rows * _GROWTH)), rest_s=0.0)
        ideal = int(self.rows * self.target_s / took_s * (_CAUTION if took_s > self.target_s else 1.0))
        if took_s > self.target_s:
            return replace(self, rows=_bounded(ideal), rest_s=0.0)
        wanted = max(self.rows, min(ideal, int(self.rows * _GROWTH)))  # 12 * t / t may be 11.999
        return replace(self, rows=_bounded(wanted), rest_s=0.0)

    def refused(self, tries: int, jitter: float) -> Pace:
        """A batch was rolled back for the `tries`-th time; `jitter` is between 0 and 1."""
        rest = min(0.1 * 2 ** min(tries, 8), 10.0) * (0.5 + jitter / 2)
        return replace(self, rows=_bounded(self.rows // 2), rest_s=rest)


def _bounded(rows: int) -> int:
    return max(FEWEST, min(MOST, rows))
