"""
Gates on one metric with a limit: a plain rule beside the judge, outside the budget for false stops. Pure.

Points of the step's own window count, whole periods only, and only settled ones (R28). So many in a row
outside the limit as make up `for` fail, and that stays true. A metric without points is no data and never
a pass (R24): a missing point is neither inside nor outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import Any, Final

from crossfade.errors import PlatformError
from crossfade.release.state import State
from crossfade.release.values import Instant, Say, Verdict

LATE: Final = timedelta(minutes=8)
"""Without a point for so long, there is no data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A metric's points by the beginning of their period; `until`: later ones may still come or change."""

    points: Sequence[tuple[Instant, float]]
    until: Instant
    period: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a metric has to stay inside of."""

    max: float | None
    min: float | None
    hold_for: timedelta

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> Limits:
        return cls(
            max=asked.get("max"),
            min=asked.get("min"),
            hold_for=timedelta(seconds=float(asked["hold_for_s"])),
        )

    def holds(self, value: float) -> bool:
        high = self.max is not None and value > self.max
        low = self.min is not None and value < self.min
        return not high and not low

    def __str__(self) -> str:
        parts = [] if self.max is None else [f"at most {self.max:g}"]
        parts += [] if self.min is None else [f"at least {self.min:g}"]
        return " and ".join(parts)


def metric_verdict(found: Measured, limits: Limits, name: str, state: State, now: Instant) -> Verdict:
    """What a metric says of the step; `gate` and `step` are left to the caller."""
    since = state.reached or state.since
    inside = [(at, value) for at, value in found.points if state.reached and at >= since and at < found.until]
    newest = inside[-1][0] + found.period if inside else since
    say, text = _said(inside, limits, name, found.period, silent=now - newest)
    covers = found.until - since if state.reached and found.until > since else timedelta(0)
    numbers: dict[str, object] = {"max": limits.max, "min": limits.min, "points": len(inside)}
    if inside:
        numbers["value"] = inside[-1][1]
    return Verdict(gate="", say=say, step="", since=since, covers=covers, text=text, numbers=numbers)


def _said(
    points: Sequence[tuple[Instant, float]],
    limits: Limits,
    name: str,
    period: timedelta,
    *,
    silent: timedelta,
) -> tuple[Say, str]:
    if longest := _longest(points, limits, period):
        spell, value = longest
        if spell >= limits.hold_for:
            return Say.FAIL, f"{name} was {value:g} and is to be {limits}, for {spell.total_seconds():g} s"
    if silent > LATE:
        return Say.NO_DATA, f"{name} has had no point for {silent.total_seconds():.0f} s"
    if not points:
        return Say.NOT_YET, f"settling: {name} has no point of this step yet"
    value = points[-1][1]
    if not isfinite(value):
        return Say.NO_DATA, f"{name} is garbled: {value}"
    if not limits.holds(value):
        return Say.NOT_YET, f"{name} is {value:g} and is to be {limits}; not yet for long enough"
    return Say.PASS, f"{name} is {value:g}, {limits}"


def _longest(
    points: Sequence[tuple[Instant, float]], limits: Limits, period: timedelta
) -> tuple[timedelta, float] | None:
    """The longest time outside the limit without a good point between, and the last value of it."""
    longest: tuple[timedelta, float] | None = None
    spell = timedelta(0)
    for _, value in points:
        if not isfinite(value) or limits.holds(value):
            spell = timedelta(0) if isfinite(value) else spell
            continue
        spell += period
        if longest is None or spell >= longest[0]:
            longest = (spell, value)
    return longest


def no_account(gate: str) -> PlatformError:
    return PlatformError(
        "CF4403",
        f"nobody can be asked for the metric of gate {gate}",
        "no account is named where it could be looked for",
        "name it as `aws` in crossfade.yaml",
    )


def metric_now(found: Measured, limits: Limits) -> Say:
    """What a metric says before there is a release (R18): the newest points alone."""
    many = max(1, -(-limits.hold_for // found.period))
    last = [value for at, value in found.points if at < found.until][-many:]
    if not last or not isfinite(last[-1]):
        return Say.NO_DATA
    return Say.FAIL if len(last) == many and not any(map(limits.holds, last)) else Say.PASS
