"""
The gate on the candidate's instances: unhealthy ones, crash loops, and memory that runs out.

The rules are the judge's. Samples are kept where states differ from the sample before, so that
a restarted controller knows since when an instance is unwell (R27), and how often either side
has restarted. Where memory is watched they are also kept every few seconds of clock, with each
instance's bytes, and memory is judged by kept samples alone: a restarted controller says the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, cast

from crossfade.judge import HealthVerdict, MemorySample, memory, unhealthy
from crossfade.release.state import State
from crossfade.release.values import Instant, Say, Side, Verdict
from crossfade.signals.recorded import Ledger

LEAVING: Final = ("draining", "stopping")

EVERY_S: Final = 5.0
"""Seconds of clock from one sample of memory to the next: as often as counts are judged."""

_WORST_FIRST: Final = ("fail", "no_data", "not_yet", "pass")

Instances = Sequence[tuple[str, str, int, int]]


def health_verdict(
    ledger: Ledger,
    instances: Mapping[Side, Instances],
    state: State,
    now: Instant,
    *,
    most: int,
    hold_for_s: float,
    memory_bytes: int | None = None,
    warm_up_s: float = 0.0,
) -> Verdict:
    """
    What the candidate's instances say; `gate` and `step` are left to the caller.

    The worse of states and memory; `memory_bytes` None: memory is not watched now.
    """
    candidate, stable = instances[Side.CANDIDATE], instances[Side.STABLE]
    sample = _sample(ledger, candidate, stable, now, watched=memory_bytes is not None)
    samples = ledger.samples if ledger.samples[-1:] == [sample] else [*ledger.samples, sample]
    said = unhealthy(samples, max=most, hold_for_s=hold_for_s)  # type: ignore[arg-type]  # with fields of our own
    say, text, numbers = said["verdict"], said["text"], _numbers(said, samples, most)
    if memory_bytes is not None:
        kept = [
            cast("MemorySample", {"at": one["at"], **one["memory"]}) for one in samples if "memory" in one
        ]
        used = memory(kept, memory_bytes, warm_up_s=warm_up_s)
        seen = {key: value for key, value in used.items() if key not in ("verdict", "text")}
        numbers["memory"] = {**seen, "limit_bytes": memory_bytes}
        if _WORST_FIRST.index(used["verdict"]) < _WORST_FIRST.index(say):
            say, text = used["verdict"], used["text"]
            if say == "fail":
                # Instances that are well did not stop it: their numbers would be shown as the cause.
                numbers = {"memory": numbers["memory"]}
        elif used["verdict"] == say:
            text = f"{text}; {used['text']}"
    since = state.reached or state.since
    return Verdict(
        gate="",
        say=Say(say),
        step="",
        since=since,
        covers=now - since if state.reached and now > since else timedelta(0),
        text=text,
        numbers=numbers,
    )


def _numbers(said: HealthVerdict, samples: Sequence[Mapping[str, Any]], most: int) -> dict[str, object]:
    return {
        "unhealthy": said["unhealthy"],
        "total": samples[-1]["total"],
        "for_s": said["for_s"],
        "limit": most,
        "restarts": said["restarts"],
        "stable_restarts": sum(one["stable_restarts"] for one in samples),
    }


def _sample(
    ledger: Ledger, candidate: Instances, stable: Instances, now: Instant, *, watched: bool
) -> dict[str, Any]:
    """What this look saw; stored where anything changed since the one before, or memory is due."""
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
    if due := watched and _due(ledger, sample["at"]):
        sample["memory"] = {"candidate": _bytes(candidate), "stable": _bytes(stable)}
    if changed or due:
        ledger.sample(sample)
    return sample


def _due(ledger: Ledger, at: float) -> bool:
    last = next((one["at"] for one in reversed(ledger.samples) if "memory" in one), None)
    return last is None or at >= last + EVERY_S


def _bytes(instances: Instances) -> dict[str, int]:
    """Resident bytes by instance; one that could not be read is left out, it is not empty (R24)."""
    return {one[0]: one[3] for one in instances if one[1] not in LEAVING and one[3] > 0}
