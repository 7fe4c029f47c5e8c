"""
How fast evidence may come in, interval by interval: bucket, block cap, surge.

These are heuristics with constants measured in simulations; validity does not
depend on them (`process.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from crossfade.judge.caps import block_cap, block_s_of, bucket
from crossfade.judge.process import Brakes

MEMORY_S = 60.0
SURGE_Z = 3.0
SURGES = 3
SURGE_WINDOW_S = 60.0
TOP = 0.999
"""Weight used for ratios of the arms where all traffic is on the candidate."""


class Flow:
    """How traffic is split between the arms and over the candidate's instances."""

    def __init__(self, weight: float) -> None:
        self._ratios: dict[str, float] = {}
        self._surges: list[float] = []
        self.begin_step(weight)

    def begin_step(self, weight: float) -> None:
        """The split that is meant from now on."""
        self.share = weight
        kept = min(weight, TOP)
        self._planned = kept / (1.0 - kept)
        self._ratios.clear()

    def wanted(self, names: Sequence[str], stable: float) -> list[float]:
        """Requests that each instance should have had, given stable's."""
        even = self._planned / len(names) if names else 0.0
        return [self._ratios.setdefault(name, even) * stable for name in names]

    def surge(self, wanted: Sequence[float], requests: float, stable: float, end: float) -> bool:
        """Whether far more came than should have: extra traffic proves nothing against a release.

        At most three times a minute, so that a true rise does not blind the judge.
        """
        x = sum(wanted)
        if stable <= 0.0:
            return False
        z = (requests - x) / sqrt(max(x * (1.0 + x / stable), 1.0))
        self._surges = [at for at in self._surges if at > end - SURGE_WINDOW_S]
        if z < SURGE_Z or len(self._surges) >= SURGES:
            return False
        self._surges.append(end)
        return True

    def learn(self, names: Sequence[str], requests: Sequence[float], stable: float, seconds: float) -> None:
        """The split that came."""
        keep = 0.5 ** (seconds / MEMORY_S)
        number = sum(requests)
        if number + stable > 0.0:
            self.share = keep * self.share + (1.0 - keep) * number / (number + stable)
        if stable > 0.0:
            for name, count in zip(names, requests, strict=True):
                self._ratios[name] = keep * self._ratios[name] + (1.0 - keep) * count / stable


def brakes(
    *, flow: float, bake_s: float, seconds: float, quiet: bool, per_instance: bool, share: float
) -> Brakes:
    """The brakes of an interval; `flow` is the candidate's smoothed share of traffic before it."""
    block_s = max(block_s_of(bake_s), seconds)
    depth, refill = bucket(flow, quiet=quiet)
    return Brakes(
        per_instance=per_instance,
        cap=block_cap(flow, block_s),
        block_s=block_s,
        depth=depth,
        refill=refill,
        share=share,
    )
