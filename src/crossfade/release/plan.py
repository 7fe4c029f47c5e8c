"""
What a release is meant to do: two roads of steps, on to the candidate, back to stable.

A step is a world to be reached and the proofs needed to leave it. `shape.py` says a strategy
in numbers, `roads.py` makes the two roads from them; nothing after those knows which strategy it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from crossfade.release.values import ALL, Share, Side

SETTLE = timedelta(seconds=20)
"""Last bake before clearing or retiring: longer than a lease (10 s) and a call's time-outs (2 x 3 s)."""

REACH = timedelta(minutes=5)
"""How long a world of weights, primary or test route may take to be reached."""


class Kind(StrEnum):
    """The phase a step is shown as; it names events and never steers."""

    PROVISIONING = "provisioning"
    VERIFYING = "verifying"
    SHIFTING = "shifting"
    PROMOTING = "promoting"
    KEEPING = "keeping"
    RETIRING = "retiring"
    ROLLING_BACK = "rolling back"
    CLEARING = "clearing"


class Proof(StrEnum):
    """What a step asks of its gates before it is left."""

    NONE = "none"
    WATCHED = "watched"
    """None fails, none is blind; the bake is proved by the clock."""
    PASSED = "passed"
    """Each passes; the bake is proved by data."""


class Late(StrEnum):
    """Where a deadline sends the release."""

    BACK = "back"
    ON = "on"
    """Only money is at stake: on if traffic is known right, else stuck."""
    STUCK = "stuck"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What shall be true outside."""

    weight: Share
    """The candidate's share of production traffic."""
    stable: Share
    """Capacity kept on stable."""
    candidate: Share | None
    """Capacity of the candidate; None leaves it as it is."""
    primary: Side
    test: bool
    home: bool = False
    """The road back: traffic goes home, by `GoHome`, blind if it must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A world, the proofs that leave it, and the limits that end the wait."""

    name: str
    kind: Kind
    world: World
    gates: tuple[str, ...] = ()
    proof: Proof = Proof.NONE
    hooks: tuple[str, ...] = ()
    approval: bool = False
    bake: timedelta = timedelta(0)
    max_bake: timedelta = timedelta(0)
    """How long an inconclusive bake may be extended."""
    within: timedelta = REACH
    """Deadline for the world to be reached."""
    late: Late = Late.BACK
    point_of_no_return: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedGate:
    name: str
    observe: bool
    """Reported, never stops."""
    traffic: bool
    """Reads the candidate's production traffic, so it says nothing at weight 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long people and sources are waited for."""

    hold: timedelta = timedelta(hours=4)
    no_data: timedelta = timedelta(minutes=5)
    hook: timedelta = timedelta(minutes=5)
    no_data_holds: bool = False
    inconclusive_holds: bool = True
    approvals: int = 0
    """How many people pass an approval, none of them the one who released; 0 = anyone, alone."""
    look: timedelta = timedelta(0)
    """Least time between two looks at the platform, where asking it costs others."""
    drifts: int = 3
    """How often a foreign hand is answered before the release turns back, or pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footing:
    """What the database says about going back to stable: whether its statements still run."""

    holds: bool | None
    """None where nobody knows."""
    why: str
    """The proof of a yes, or what speaks against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One release, complete: the first journal entry. An upgraded controller does not recompile it."""

    release: str
    service: str
    stable: str | None
    """Revision now trusted; None in a service's first release."""
    candidate: str
    on: tuple[Step, ...]
    back: tuple[Step, ...]
    gates: tuple[PlannedGate, ...]
    limits: Limits = field(default_factory=Limits)
    inherits: tuple[str, ...] = ()
    """Ended releases of this service: what they left on the seat may be cleared (R04, R13)."""
    floor: Share = ALL
    """How much of a share's capacity is enough to carry it (R03): below the whole only where batches are."""
    releaser: str = ""
    """Who asked for it; where two pairs of eyes are wanted, approving is another's."""
    hooks: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Key to what it runs, e.g. `{"http": path}` or `{"command": words}`; for the engine."""
    artifact: Mapping[str, object] = field(default_factory=dict)
    """What the platform prepared, immutable; for its adapter."""
    judging: Mapping[str, object] = field(default_factory=dict)
    """The judge's header without history; for the engine."""
    strategy: str = ""
    instances: int = 1
    """How many instances of the candidate carry the whole service."""
    gone: str = "stopped"
    """What the platform does with instances that it lets go, and how it has them again: words for people."""
    again: str = "started"
    footing: Footing | None = None
    """As it was when the release opened; None where the service has no database."""
    break_glass: str = ""
    """The raw command that undoes the release without us (R46)."""
