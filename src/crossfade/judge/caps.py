"""
How many nats may come in at a candidate share of `w`, and in what time.

`log(1/w)` is what a stretch of time can prove at most if all its failures have one cause: they
then hit the candidate with chance w. Blocks of 15 s hold about that; where counts come per
instance a bucket refills every 5 s, faster where the service was measured to be quiet.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

BLOCK_S = 15.0
LONG_BLOCK_S = 30.0
LONG_BAKE_S = 1200.0
SCRAPE_S = 5.0
"""What the bucket's constants were measured at; other lengths are scaled."""
LEAST_NATS, MOST_NATS = 1.25, log(10.0)
NORMAL_DEPTH, NORMAL_REFILL = 2.3, 0.77
QUIET_DEPTH, QUIET_REFILL = 3.6, 1.3
QUIET_LEAST = 1.6


def known(w: float) -> float:
    """Nats that one cause can prove at a candidate share of `w`."""
    return log(1.0 / min(max(w, 1e-6), 1.0))


def block_s_of(bake_s: float) -> float:
    """Length of a block in a bake of so many seconds."""
    return LONG_BLOCK_S if bake_s > LONG_BAKE_S else BLOCK_S


def block_cap(w: float, block_s: float) -> float:
    """Nats that one block may add."""
    if block_s < 45.0:
        return min(max(known(w), LEAST_NATS), 2.3)
    return min(max(1.2 * known(w), 2.1), 2.7)


def bucket(w: float, *, quiet: bool) -> tuple[float, float]:
    """(nats that the bucket holds, nats that it gains in 5 s)."""
    part = min(max(known(w), LEAST_NATS), MOST_NATS) / MOST_NATS
    if not quiet:
        return part * NORMAL_DEPTH, part * NORMAL_REFILL
    part = max(part, QUIET_LEAST / MOST_NATS)
    return part * QUIET_DEPTH, part * QUIET_REFILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Braking:
    """What a forecast has to know of the brakes."""

    block_s: float
    bucket: bool = False
    """Whether counts of two or more candidate instances are there."""
    quiet: bool = False

    def cap(self, w: float) -> tuple[float, float]:
        """(nats, the seconds in which they may come)."""
        if not self.bucket:
            return block_cap(w, self.block_s), self.block_s
        return bucket(w, quiet=self.quiet)[1] * BLOCK_S / SCRAPE_S, BLOCK_S
