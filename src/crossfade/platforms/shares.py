"""
What every platform says of shares that it has counted, and of a look in which nothing could be read. Pure.

How an interval is rounded is each platform's own: it knows what else is among its requests.
"""

from __future__ import annotations

import math
from typing import Final

from crossfade.release.values import ALL, NOTHING, Span, Truth, Unknown

Z: Final = 4.0
"""Width of the band of shares that the traffic agrees with: wrong once in 16,000 looks."""

NOBODY: Final = Span(low=NOTHING, high=NOTHING)
ANY: Final = Span(low=NOTHING, high=ALL)


def interval(part: int, whole: int) -> tuple[float, float]:
    """Wilson's score interval of a share, within 0..1 (E. B. Wilson, JASA 22, 1927); `whole` is above 0."""
    share, square = part / whole, Z * Z
    middle = (share + square / (2 * whole)) / (1 + square / whole)
    reach = Z / (1 + square / whole) * math.sqrt(share * (1 - share) / whole + square / (4 * whole**2))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def blind(why: str) -> Truth:
    """Nothing could be read (R06)."""
    no = Unknown(why)
    return Truth(pair=no, seat=no, weights=no, seen=no, stable=no, candidate=no, primary=no, test=no)
