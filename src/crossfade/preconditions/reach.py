"""Which versions serve or may come back, and until when. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crossfade.spec.database_models import RollbackWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A release as far as it matters here."""

    stable: str | None
    candidate: str
    succeeded: bool
    ended: datetime | None
    """None while it is active."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reachable:
    """A version that serves, or that a person may still want back."""

    revision: str
    why: str
    until: datetime | None = None
    """None: for as long as it serves."""
    ends: str = "after another serves"
    """When it is over where there is no date."""


def reachable(past: Sequence[Past], window: RollbackWindow, now: datetime) -> tuple[Reachable, ...]:
    """
    All versions that the database has to run with; `past` is newest first.

    What serves comes first, then what an active release brings, then those that were replaced less
    than the window's time ago, at most as many as it says.
    """
    found: dict[str, Reachable] = {}
    active = next((one for one in past if one.ended is None), None)
    if active is not None and active.stable is not None:
        found[active.stable] = Reachable(revision=active.stable, why="it serves, and takes everybody back")
    if active is not None:
        found.setdefault(
            active.candidate, Reachable(revision=active.candidate, why="it is being released now")
        )
    for older, one in enumerate(_served(past)):
        if one.until is None and active is None:
            found.setdefault(one.revision, one)
        elif older <= window.releases and one.until is not None:
            until = one.until + window.hold_for
            if until > now:
                why = f"a person may roll back to it until {until:%Y-%m-%d %H:%M} UTC"
                found.setdefault(one.revision, Reachable(revision=one.revision, why=why, until=until))
    return tuple(found.values())


def _served(past: Sequence[Past]) -> list[Reachable]:
    """Versions that served, the live one first; `until` is when each was replaced."""
    done = [one for one in past if one.succeeded]
    served: list[Reachable] = []
    if done:
        served.append(Reachable(revision=done[0].candidate, why="it serves"))
    before = (
        Reachable(revision=one.stable, why="", until=one.ended) for one in done if one.stable is not None
    )
    return [*served, *before]
