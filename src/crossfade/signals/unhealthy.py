"""
The gate on the candidate's instances: unhealthy ones, and crash loops.

The rules on states are the judge's. Samples are kept where they differ from the one before,
so that a restarted controller knows since when an instance is unwell (R27), and how often
either side has restarted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from crossfade.judge import unhealthy
from crossfade.release.state import State
from crossfade.release.values import Instant, Say, Side, Verdict
from crossfade.signals.recorded import Ledger

LEAVING: Final = ("draining", "stopping")

Instances = Sequence[tuple[str, str, int]]


def health_verdict(
    ledger: Ledger,
    instances: Mapping[Side, Instances],
    state: State,
    now: Instant,
    *,
    most: int,
    hold_for_s: float,
) -> Verdict:
    """What the candidate's instances say; `gate` and `step` are left to the caller."""
    candidate, stable = instances[Side.CANDIDATE], instances[Side.STABLE]
    sample = _sample(ledger, candidate, stable, now)
    samples = ledger.samples if ledger.samples[-1:] == [sample] else [*ledger.samples, sample]
    said = unhealthy(samples, max=most, hold_for_s=hold_for_s)  # type: ignore[arg-type]  # with fields of our own
    since = state.reached or state.since
    return Verdict(
        gate="",
        say=Say(said["verdict"]),
        step="",
        since=since,
        covers=now - since if state.reached and now > since else timedelta(0),
        text=said["text"],
        numbers={
            "unhealthy": said["unhealthy"],
            "total": sample["total"],
            "for_s": said["for_s"],
            "limit": most,
            "restarts": said["restarts"],
            "stable_restarts": sum(one["stable_restarts"] for one in samples),
        },
    )


def _sample(ledger: Ledger, candidate: Instances, stable: Instances, now: Instant) -> dict[str, Any]:
    """What this look saw; stored where anything changed since the one before."""
    present = [one for one in candidate if one[1] not in LEAVING]
    sick = [one for one in present if one[1] == "unhealthy" or (one[1] == "starting" and one[2])]
    sums = {"sum": sum(one[2] for one in candidate), "stable_sum": sum(one[2] for one in stable)}
    last: Mapping[str, Any] = (
        ledger.samples[-1] if ledger.samples else {**sums, "total": None, "unhealthy": None}
    )
    sample = {
        "at": now.timestamp(),
        "total": len(present),
        "unhealthy": len(sick),
        "restarts": max(0, sums["sum"] - last["sum"]),
        "stable_restarts": max(0, sums["stable_sum"] - last["stable_sum"]),
        **sums,
    }
    changed = any(sample[key] != last[key] for key in ("total", "unhealthy", "sum", "stable_sum"))
    if changed:
        ledger.sample(sample)
    return sample
