"""
The gauge of memory: an instance that will be out of it within the hour, while stable's will not.

A leak looks healthy in every count until it kills. A line through memory is no proof, since
samples of a state are autocorrelated: this is a plain rule outside the budget for false stops,
made so that what healthy programs do (warming up, filling a cache as stable's have filled,
growing by a jump) does not fail it. `gauges.py` has the other rules on instances.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final, TypedDict

from crossfade.judge.gauges import HealthSay

WORTH_SAYING_S: Final = 86_400.0
"""Growth that reaches the limit later than this is told without its figure."""

LOOKS, OF_LOOKS = 3, 5
"""It fails where so many of the last so many samples say the same."""

WITHIN_S: Final = 3600.0
"""Growth that reaches the limit later than this is no danger that a bake should stop for."""

SEEN_S, SEEN = 60.0, 9
"""So many seconds, and samples, of one process before a line is drawn: three samples for each third."""

RECENT_S: Final = 300.0
"""A line is drawn through no more than this: a leak follows the traffic, which the release itself moves."""

ERRORS: Final = 3.0
"""Standard errors of the slope by which growth has to stand out."""


class MemorySample(TypedDict):
    """Resident bytes by instance, at `at` seconds. An id is one process: a new process has a new id."""

    at: float
    candidate: Mapping[str, int]
    stable: Mapping[str, int]


class MemoryVerdict(TypedDict):
    verdict: HealthSay
    instance: str
    """The candidate's instance that is nearest to the limit; empty where none was read."""
    bytes: int
    """What it used last."""
    per_minute: float
    """Bytes by which it grows each minute, as far as that is sure; 0 where it is not."""
    left_s: float | None
    """Seconds until it is at the limit; None where it does not grow."""
    looks: int
    """In how many of the last five samples it was in danger."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trend:
    """One process at one sample."""

    instance: str
    bytes: int
    seen_s: float
    judged: bool
    """Whether enough was seen to say that it grows, or does not."""
    slope: float
    """Bytes a second; 0 where growth is not sure."""
    left_s: float

    @property
    def urgency(self) -> tuple[float, int, str]:
        return (-self.left_s, self.bytes, self.instance)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """Both sides at one sample; a side is None where no instance of it was read."""

    worst: _Trend | None
    judged: bool
    seen_s: float
    stable: _Trend | None
    danger: bool


def memory(samples: Sequence[MemorySample], limit_bytes: int, *, warm_up_s: float = 75.0) -> MemoryVerdict:
    """
    Whether an instance of the candidate runs out of memory, and stable's do not.

    Outside the budget for false stops: a plain rule, no bet. `fail`: in 3 of the last 5
    samples an instance is above `limit_bytes`, or grows so that it will be within the hour and
    already uses more than stable's ever did, while no instance of stable's is in such danger.
    It grows by the least of four slopes, that of its last 300 s and those of each third of
    them, so that a jump is no growth; the first has to exceed three of its standard errors
    (ordinary least squares). A process's first `warm_up_s` seconds draw no line.
    `not_yet`: in danger in fewer samples, or no instance was seen for a minute after its
    warm-up. `no_data`: no instance was read in the last sample. Order of samples is by `at`.
    """
    ordered = sorted(samples, key=lambda sample: sample["at"])
    ours, theirs = (_series(ordered, side, warm_up_s) for side in ("candidate", "stable"))
    looks = [_look(sample, ours, theirs, limit_bytes) for sample in ordered[-OF_LOOKS:]]
    if not looks or looks[-1].worst is None:
        return _said("no_data", None, 0, "the memory of the candidate's instances could not be read")
    last, worst = looks[-1], looks[-1].worst
    dangers = [look for look in looks if look.danger]
    if dangers:
        seen = dangers[-1]
        assert seen.worst is not None  # noqa: S101  # danger is an instance's
        text = _danger(seen.worst, seen.stable, limit_bytes)
        if len(dangers) >= LOOKS:
            return _said("fail", seen.worst, len(dangers), f"{text} (a rule outside the false-stop budget)")
        return _said("not_yet", seen.worst, len(dangers), f"{text}; seen {len(dangers)} times of {LOOKS}")
    level = f"memory {_size(worst.bytes)} of {_size(limit_bytes)}"
    if not last.judged:
        text = f"{level}, watched for {last.seen_s:.0f} s of {SEEN_S:.0f} s after the warm-up"
        return _said("not_yet", worst, 0, text)
    return _said("pass", worst, 0, f"{level}, {_growth(worst)}")


def _said(verdict: HealthSay, of: _Trend | None, looks: int, text: str) -> MemoryVerdict:
    return MemoryVerdict(
        verdict=verdict,
        instance=of.instance if of else "",
        bytes=of.bytes if of else 0,
        per_minute=of.slope * 60 if of else 0.0,
        left_s=of.left_s if of and math.isfinite(of.left_s) else None,
        looks=looks,
        text=text,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """One process: all it used."""

    at: list[float]
    bytes: list[int]
    peak: list[int]
    """The most it had used until then."""
    warm: int
    """The first sample after its warm-up."""


def _series(samples: Sequence[MemorySample], side: str, warm_up_s: float) -> Mapping[str, _Series]:
    times: dict[str, list[float]] = {}
    sizes: dict[str, list[int]] = {}
    for sample in samples:
        for instance, used in sample[side].items():  # type: ignore[literal-required]  # one of two sides
            times.setdefault(instance, []).append(sample["at"])
            sizes.setdefault(instance, []).append(used)
    return {
        instance: _Series(
            at=at,
            bytes=sizes[instance],
            peak=list(accumulate(sizes[instance], max)),
            warm=bisect_left(at, at[0] + warm_up_s),
        )
        for instance, at in times.items()
    }


def _look(
    sample: MemorySample, candidate: Mapping[str, _Series], stable: Mapping[str, _Series], limit: int
) -> _Look:
    ours = [_trend(name, candidate[name], sample["at"], limit) for name in sample["candidate"]]
    theirs = [_trend(name, stable[name], sample["at"], limit) for name in sample["stable"]]
    beside = max(theirs, key=lambda trend: trend.urgency, default=None)
    peaks = (stable[name].peak[bisect_right(stable[name].at, sample["at"]) - 1] for name in sample["stable"])
    most = max(peaks, default=0)
    # A fresh process may fill up to what stable lives with: only beyond that is it worse.
    near = [
        trend for trend in ours if trend.bytes >= limit or (trend.left_s < WITHIN_S and trend.bytes > most)
    ]
    alike = beside is not None and beside.left_s < WITHIN_S
    return _Look(
        worst=max(near or ours, key=lambda trend: trend.urgency, default=None),
        judged=any(trend.judged for trend in ours),
        seen_s=max((trend.seen_s for trend in ours), default=0.0),
        stable=beside,
        danger=bool(near) and not alike,
    )


def _trend(instance: str, series: _Series, at: float, limit: int) -> _Trend:
    end = bisect_right(series.at, at)
    first = max(series.warm, bisect_left(series.at, at - RECENT_S))
    times, sizes = series.at[first:end], series.bytes[first:end]
    seen_s = times[-1] - times[0] if times else 0.0
    judged = len(times) >= SEEN and seen_s >= SEEN_S
    slope = _sure_slope(times, sizes) if judged else 0.0
    used = series.bytes[end - 1]
    left = 0.0 if used >= limit else (limit - used) / slope if slope > 0 else math.inf
    return _Trend(instance=instance, bytes=used, seen_s=seen_s, judged=judged, slope=slope, left_s=left)


def _sure_slope(times: Sequence[float], sizes: Sequence[int]) -> float:
    """Bytes a second by which it grows all the time; 0 where that is not sure."""
    slope, error = _line(times, sizes)
    if slope <= ERRORS * error:
        return 0.0
    cuts = [0, len(times) // 3, 2 * len(times) // 3, len(times)]
    thirds = (_line(times[begin:end], sizes[begin:end])[0] for begin, end in pairwise(cuts))
    return max(0.0, min(slope, *thirds))


def _line(times: Sequence[float], sizes: Sequence[int]) -> tuple[float, float]:
    """Slope of the least-squares line and its standard error, sqrt(SSR / (n - 2) / Sxx)."""
    count = len(times)
    mean_at, mean_size = math.fsum(times) / count, math.fsum(sizes) / count
    ats = [at - mean_at for at in times]
    ups = [size - mean_size for size in sizes]
    spread = math.fsum(at * at for at in ats)
    if spread <= 0:
        return 0.0, math.inf
    slope = math.fsum(at * up for at, up in zip(ats, ups, strict=True)) / spread
    rest = math.fsum((up - slope * at) ** 2 for at, up in zip(ats, ups, strict=True))
    return slope, math.sqrt(rest / max(1, count - 2) / spread)


def _danger(of: _Trend, stable: _Trend | None, limit: int) -> str:
    if of.bytes >= limit:
        beside = f"stable's is {_size(stable.bytes)}" if stable else "stable's was not read"
        return f"memory of instance {of.instance} is {_size(of.bytes)}, above {_size(limit)}; {beside}"
    beside = f"stable's {_growth(stable)}" if stable else "stable's was not read"
    grows = f"memory of instance {of.instance} {_growth(of)}"
    return f"{grows}: {_size(limit)} in {_time(of.left_s)}; {beside}"


def _growth(of: _Trend) -> str:
    if not of.judged:
        return "was not seen for long enough"
    if of.slope > 0 and of.left_s > WORTH_SAYING_S:
        return "hardly grows"
    return f"grows {_size(of.slope * 60)} a minute" if of.slope > 0 else "does not grow"


def _size(number: float) -> str:
    if number >= 10e9:
        return f"{number / 1e9:.0f} GB"
    return f"{number / 1e6:.0f} MB" if number >= 10e6 else f"{number / 1e6:.2g} MB"


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} s"
