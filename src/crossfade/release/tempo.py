"""
How fast a platform may be asked and how late it shows what was done, by its kind.

Compiled into the plan: a look costs calls that others share, and a deadline must not run out
while the platform has done as asked and cannot show it yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from crossfade.spec import AlbPlatform, LocalPlatform, Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    look: timedelta = timedelta(0)
    """Least time between two looks."""
    proof: timedelta = timedelta(0)
    """How long what the platform measures takes to prove traffic; added to every deadline of a world."""


def tempo_of(platform: Platform) -> Tempo:
    """The tempo of a kind of platform."""
    match platform:
        case LocalPlatform():
            return Tempo()
        case AlbPlatform():
            # Load balancers are counted in minutes that come up to five minutes late, and silence takes
            # two of them. A look is six calls of a budget of ten a second that a whole account shares.
            return Tempo(look=timedelta(seconds=3), proof=timedelta(minutes=10))
