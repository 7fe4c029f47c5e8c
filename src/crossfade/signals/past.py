"""
Stable's past as a baseline, where its present is gone: after 100 % nobody is left to compare with.

Weaker than a live baseline, and every verdict says so (R29): it cannot see what changed for
everybody since. Intervals of the last five minutes before the flip are replayed in order,
over and over. Pure; derived from what is recorded, so a replay meets the same baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossfade.signals.framing import Frame, Named
from crossfade.signals.recorded import Ledger, clock_s
from crossfade.signals.source import Arm

LOOK_BACK_S: Final = 300.0
"""Clock seconds of stable's past that are used at most."""

ENOUGH_S: Final = 30.0
"""Less of the release's own live baseline than this, and the time before the release is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Stable's arm for the next interval, and the share at which the two arms are comparable."""

    arm: Arm
    instances: Named
    weight: float


def history_entry(frame: Frame, origin: float, factor: float) -> dict[str, Any]:
    """An interval before the release, stable alone."""
    return {
        "start": clock_s(frame.start - origin, factor),
        "end": clock_s(frame.end - origin, factor),
        "stable": frame.stable,
        "stable_instances": [list(pair) for pair in frame.stable_instances],
    }


def baseline(ledger: Ledger) -> Baseline | None:
    """
    The next interval of stable's last window; None where stable never took traffic.

    Stable took 1 - w of the traffic then and the candidate takes all of it now, so the
    candidate's share of both arms together is 1 / (2 - w).
    """
    window = _window(ledger)
    if not window:
        return None
    used = sum(1 for piece in ledger.pieces if piece.past)
    entry = window[used % len(window)]
    weight = float(entry.get("weight", 0.0))
    return Baseline(
        arm=entry["stable"],
        instances=tuple((name, arm) for name, arm in entry["stable_instances"]),
        weight=1.0 / (2.0 - weight),
    )


def seconds(ledger: Ledger) -> float | None:
    """How much past the last verdict was judged against, in clock seconds; None: a live baseline."""
    if not ledger.pieces or not ledger.pieces[-1].past:
        return None
    return _length(_window(ledger))


def _window(ledger: Ledger) -> Sequence[Mapping[str, Any]]:
    """The last stretch at one weight, or what came before the release where that is too short."""
    last = ledger.live[-1]["weight"] if ledger.live else None
    live: list[Mapping[str, Any]] = []
    for entry in reversed(ledger.live):
        if entry["weight"] != last or _length(live) >= LOOK_BACK_S:
            break
        live.insert(0, entry)
    if _length(live) >= ENOUGH_S or not ledger.history:
        return live
    before: list[Mapping[str, Any]] = []
    for entry in reversed(ledger.history):
        if _length(before) >= LOOK_BACK_S:
            break
        before.insert(0, entry)
    return before if _length(before) > _length(live) else live


def _length(entries: Sequence[Mapping[str, Any]]) -> float:
    return float(sum(entry["end"] - entry["start"] for entry in entries))
