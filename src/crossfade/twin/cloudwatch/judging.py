"""
An alarm's state from its points: pure. M of the last N points must breach; points may be missing.

CloudWatch looks back further than N periods (`reach`) and takes the N newest points that are there. Only
where fewer than N are there does the treatment of missing data count, once for each point that lacks:
as a breach, as none, or (`missing`, `ignore`) as neither. In the last case one good point makes it OK; if all
points breach, too few of them, the alarm goes off no sooner than the oldest is M periods old, since until
then a late good point could still come in between. Source: "Using Amazon CloudWatch alarms" of the user
guide, two tables of five rows (golden tests).

NOT DOCUMENTED: how far the reach goes. Two periods more is the guide's own case (five minutes, N = 3), and
what a user measured with 15 minutes, N = 1; for shorter periods five minutes is a guess. What `missing`
says of too few and too new breaches is taken from the guide's first editions: INSUFFICIENT_DATA.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Missing = Literal["missing", "ignore", "breaching", "notBreaching"]
Comparison = Literal[
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
]

_BREACHES: Final[dict[Comparison, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_REACH_S: Final = 300  # five minutes further back, or two periods where they are longer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    comparison: Comparison
    threshold: float
    periods: int  # N
    to_alarm: int  # M
    missing: Missing = "missing"

    def breaches(self, value: float) -> bool:
        return _BREACHES[self.comparison](value, self.threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """`state` None = as it was. `used` are places in the points given, newest first."""

    state: State | None
    used: tuple[int, ...]
    filled: int
    breaching: int  # filled ones counted as they were treated


def reach(periods: int, length: int) -> int:
    """How many periods back an alarm looks."""
    return periods + max(2, _REACH_S // length)


def judge(points: Sequence[float | None], settings: Settings) -> Judged:
    """Points of `reach` periods, oldest first; None = missing."""
    there = [place for place in range(len(points) - 1, -1, -1) if points[place] is not None]
    used = tuple(there[: settings.periods])
    breaching = sum(settings.breaches(points[place] or 0.0) for place in used)
    filled = settings.periods - len(used)
    if filled and settings.missing == "breaching":
        breaching += filled
    return Judged(
        state=_state(used, breaching, filled, len(points), settings),
        used=used,
        filled=filled,
        breaching=breaching,
    )


def _state(used: tuple[int, ...], breaching: int, filled: int, size: int, settings: Settings) -> State | None:
    if breaching >= settings.to_alarm:
        return "ALARM"
    if not filled or settings.missing in {"breaching", "notBreaching"} or breaching < len(used):
        return "OK"
    if settings.missing == "ignore":
        return None
    age = size - used[-1] if used else 0
    return "ALARM" if age >= settings.to_alarm else "INSUFFICIENT_DATA"


def enough(percent: float, samples: float) -> bool:
    """Whether a percentile of so many samples means something: ten of them lie beyond it."""
    share = percent / 100.0
    beyond = 1.0 - share if share >= 0.5 else share
    return samples * beyond >= 10.0 - 1e-9
