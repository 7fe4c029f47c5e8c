"""When to try again. Pure: chance and time are given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final

_FIRST: Final = timedelta(milliseconds=400)
_LONGEST: Final = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Pauses that double up to a longest one; half of each is chance, so that two who collide part."""

    first: timedelta = _FIRST
    longest: timedelta = _LONGEST

    def pause(self, failed: int, chance: Random) -> timedelta:
        """How long to wait after so many tries that failed."""
        whole = min(self.first * int(2 ** min(max(failed, 1) - 1, 30)), self.longest)
        return whole * (0.5 + chance.random() / 2)
