"""
Versions of the method: a stored verdict names its own, and is replayed with it.

Whatever changes a decision or its evidence by one bit is a new version here; words and what is
shown beside may be mended. Old versions stay: a release judged last year must say today what it
said then (R30).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

from crossfade.judge.types import BadCountsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What one version does otherwise than another; the defaults are the newest one's."""

    name: str
    most_lead: float = 3.0
    """Nats by which "worse than stable" and "worse than the floor" may be ahead of each other.
    Without a bound one outage of both arms would use the floor up for the rest of the release.
    """
    lasting: bool = True
    """Whether the chance to begin anew thins out with the age of a release, or is used up."""
    outage_by_traffic: bool = True
    """Whether an instance counts in the outage lane at most as much as its part of the traffic."""
    forecasts_bucket: bool = True
    """Whether a forecast knows that counts per instance are let in faster than blocks."""
    tempers: bool = True
    """Whether evidence is divided by what instances wander, minute by minute, in the history."""
    asks_of_step: bool = True
    """Whether a pass needs traffic on both sides in this step for every table, and requests to the
    candidate in the last interval; else what the release saw before is enough.
    """
    splits_by_requests: bool = True
    """Whether a long interval counts as at most as many bets of the outage lane as it had requests."""
    names_all: bool = True
    """Whether an instance is named sick at a threshold for all that were ever seen, or only
    for those that are there.
    """


METHODS: Final[Mapping[str, Method]] = {
    method.name: method
    for method in (
        Method(
            name="1",
            most_lead=inf,
            lasting=False,
            outage_by_traffic=False,
            forecasts_bucket=False,
            tempers=False,
            asks_of_step=False,
            splits_by_requests=False,
            names_all=False,
        ),
        Method(name="2"),
    )
}
METHOD: Final = "2"
"""What a new release is judged with."""


def method_named(name: object) -> Method:
    """Raises `BadCountsError` for a version that is not known here."""
    found = METHODS.get(str(name))
    if found is None:
        known = ", ".join(METHODS)
        raise BadCountsError(f"method {name!r} is not known here; this judge speaks {known}")
    return found
