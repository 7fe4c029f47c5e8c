"""
Rules on states of instances: unhealthy targets and restarts.

Samples of a state are autocorrelated, so no evidence is computed from them:
these are plain rules outside the budget for false stops, since a broken instance
of ours is a fact and not a chance. The heart combines them with the stream's
verdict: any `fail` stops. Their memory is watched in `leaks.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired, TypeAlias, TypedDict

RESTARTS, RESTART_WINDOW_S = 3, 60.0
"""A crash loop: so many restarts within so many seconds, whatever stable does."""
LONE_RESTARTS = 2
"""So many in all samples, while stable is known to have had none."""

HealthSay: TypeAlias = Literal["pass", "fail", "not_yet", "no_data"]


class HealthSample(TypedDict):
    """One look at the candidate's instances, at `at` seconds."""

    at: float
    total: int
    unhealthy: int
    restarts: NotRequired[int]
    """Restarts of the candidate since the sample before."""
    stable_restarts: NotRequired[int]
    """The same for stable; absent: not known."""


class HealthVerdict(TypedDict):
    verdict: HealthSay
    unhealthy: int
    """Instances unhealthy in the last sample."""
    for_s: float
    """The longest there were more than `max` of them without a break, as far as was seen."""
    restarts: int
    """Restarts of the candidate in all samples."""
    text: str


def unhealthy(
    samples: Sequence[HealthSample],
    max: int = 0,  # noqa: A002  the word of crossfade.yaml
    hold_for_s: float = 30.0,
) -> HealthVerdict:
    """Whether the candidate's instances are well. `samples` are in order of time.

    `fail`: more than `max` were unhealthy in every sample over at least `hold_for_s`
    seconds; or 3 restarts fell within 60 s (a crash loop may look healthy in each
    sample); or 2 in all while stable had none. Each stays true once seen. `not_yet`:
    unhealthy now, for less long. `no_data`: no sample, or no instance in the last one.
    """
    if not samples:
        return _said("no_data", 0, 0.0, 0, "no health was read")
    longest, held = _unwell(samples, max, hold_for_s)
    last = samples[-1]
    sick, total = last["unhealthy"], last["total"]
    restarts = sum(sample.get("restarts", 0) for sample in samples)
    if longest is not None:
        text = f"more than {max} of the candidate's instances unhealthy for {longest:g} s"
        return _said("fail", sick, longest, restarts, text)
    if (most := _most_restarts(samples)) >= RESTARTS:
        text = f"{most} restarts of the candidate within {RESTART_WINDOW_S:g} s"
        return _said("fail", sick, held or 0.0, restarts, text)
    if (alone := _lone_restarts(samples)) >= LONE_RESTARTS:
        text = f"{alone} restarts of the candidate, none of stable"
        return _said("fail", sick, held or 0.0, restarts, text)
    if total <= 0:
        return _said("no_data", sick, 0.0, restarts, "the candidate has no instance")
    if held is not None:
        text = f"{sick} of {total} unhealthy for {held:g} s of {hold_for_s:g} s"
        return _said("not_yet", sick, held, restarts, text)
    return _said("pass", sick, 0.0, restarts, f"{total - sick} of {total} healthy")


def _said(verdict: HealthSay, sick: int, for_s: float, restarts: int, text: str) -> HealthVerdict:
    return HealthVerdict(verdict=verdict, unhealthy=sick, for_s=for_s, restarts=restarts, text=text)


def _unwell(
    samples: Sequence[HealthSample], most: int, hold_for_s: float
) -> tuple[float | None, float | None]:
    """(longest spell that was too long, or None; the spell that lasts until now, or None)."""
    longest: float | None = None
    since: float | None = None
    for sample in samples:
        if sample["unhealthy"] <= most:
            since = None
            continue
        since = sample["at"] if since is None else since
        spell = sample["at"] - since
        if spell >= hold_for_s and (longest is None or spell > longest):
            longest = spell
    return longest, None if since is None else samples[-1]["at"] - since


def _most_restarts(samples: Sequence[HealthSample]) -> int:
    """The most restarts within one window."""
    most = inside = first = 0
    for sample in samples:
        inside += sample.get("restarts", 0)
        while sample["at"] - samples[first]["at"] >= RESTART_WINDOW_S:
            inside -= samples[first].get("restarts", 0)
            first += 1
        most = max(most, inside)
    return most


def _lone_restarts(samples: Sequence[HealthSample]) -> int:
    """Restarts of the candidate before stable's first, or before stable was out of sight."""
    alone = 0
    for sample in samples:
        if sample.get("stable_restarts", 1) > 0:
            break
        alone += sample.get("restarts", 0)
    return alone
