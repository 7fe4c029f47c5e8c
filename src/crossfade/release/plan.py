"""
A strategy compiled to two roads of steps: on to the candidate, back to stable.

A step is a world to be reached and the proofs needed to leave it. All strategies are
one function from a `Shape`; nothing after this file knows which strategy it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from crossfade.release.values import ALL, NOTHING, Share, Side
from crossfade.spec import ApprovalStep, BlueGreen, Canary, Deadlines, Strategy, WeightStep

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
    drifts: int = 3
    """How often a foreign hand is answered before the release turns back, or pages."""


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
    hooks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Key to what it runs, `{"http": path}` or `{"command": words}`; for the engine."""
    artifact: Mapping[str, object] = field(default_factory=dict)
    """What the platform prepared, immutable; for its adapter."""
    judging: Mapping[str, object] = field(default_factory=dict)
    """The judge's header without history; for the engine."""
    strategy: str = ""
    break_glass: str = ""
    """The raw command that undoes the release without us (R46)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One weight of a shape."""

    weight: Share
    bake: timedelta
    max_bake: timedelta
    approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A strategy as numbers: candidate full from the start or not, its weights, how long the old stays."""

    full_first: bool
    rungs: tuple[Rung, ...]
    keep: timedelta


def shape_of(strategy: Strategy) -> Shape:
    """The strategy of a spec as numbers."""
    match strategy:
        case BlueGreen():
            flip = Rung(weight=ALL, bake=strategy.bake, max_bake=strategy.max_bake)
            return Shape(full_first=True, rungs=(flip,), keep=strategy.keep_old)
        case Canary():
            rungs: list[Rung] = []
            for step in strategy.steps:
                match step:
                    case WeightStep():
                        rungs.append(Rung(weight=Share(step.weight), bake=step.bake, max_bake=step.max_bake))
                    case ApprovalStep():
                        rungs[-1] = replace(rungs[-1], approval=True)
            return Shape(full_first=False, rungs=tuple(rungs), keep=strategy.keep_old)


def compile_roads(
    shape: Shape,
    *,
    gates: tuple[PlannedGate, ...],
    deadlines: Deadlines,
    smallest: Share,
    before: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
    on_rollback: tuple[str, ...] = (),
    first: bool = False,
) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """
    The roads on and back.

    `smallest` is the least capacity a candidate starts with: two instances, so that the
    judge can tell one sick instance from a bad build. `first` is a service's first
    release: there is nobody to compare with and nobody to go back to.
    """
    all_gates = tuple(gate.name for gate in gates)
    idle_gates = tuple(gate.name for gate in gates if not gate.traffic)
    kept = NOTHING if first else ALL

    def world(weight: Share, **other: object) -> World:
        sized = ALL if shape.full_first or first else max(weight, smallest)
        base = World(weight=weight, stable=kept, candidate=sized, primary=Side.STABLE, test=True)
        return replace(base, **other)  # type: ignore[arg-type]  # fields of World, by keyword

    start = world(shape.rungs[0].weight)
    provisioning = Step(
        name="provisioning",
        kind=Kind.PROVISIONING,
        world=replace(start, weight=NOTHING, test=False),
        within=deadlines.ready,
    )
    verifying = Step(
        name="verifying",
        kind=Kind.VERIFYING,
        world=replace(start, weight=NOTHING),
        gates=idle_gates,
        proof=Proof.WATCHED,
        hooks=before,
    )
    shifts = tuple(
        Step(
            name=f"{rung.weight / 10:g} %",
            kind=Kind.SHIFTING,
            world=world(rung.weight),
            gates=all_gates,
            proof=Proof.PASSED,
            approval=rung.approval,
            bake=rung.bake,
            max_bake=max(rung.bake, rung.max_bake),
            within=deadlines.ready,
        )
        for rung in shape.rungs
    )
    trusted = world(ALL, candidate=ALL, primary=Side.CANDIDATE, test=False)
    promoting = Step(
        name="promoting",
        kind=Kind.PROMOTING,
        world=trusted,
        gates=all_gates,
        hooks=after,
        within=deadlines.ready,
    )
    keeping = Step(
        name="keeping",
        kind=Kind.KEEPING,
        world=trusted,
        gates=all_gates,
        proof=Proof.WATCHED,
        bake=max(shape.keep, SETTLE),
    )
    retiring = Step(
        name="retiring",
        kind=Kind.RETIRING,
        world=replace(trusted, stable=NOTHING),
        late=Late.ON,
        point_of_no_return=True,
    )
    home = World(weight=NOTHING, stable=kept, candidate=None, primary=Side.STABLE, test=False, home=True)
    rolling_back = Step(
        name="rolling back",
        kind=Kind.ROLLING_BACK,
        world=home,
        hooks=on_rollback,
        bake=SETTLE,
        within=deadlines.rollback,
        late=Late.STUCK,
    )
    clearing = Step(
        name="clearing",
        kind=Kind.CLEARING,
        world=replace(home, candidate=NOTHING),
        within=deadlines.rollback,
        late=Late.ON,
    )
    if first:
        committed = replace(promoting, gates=(), late=Late.STUCK, point_of_no_return=True)
        return (provisioning, verifying, committed), (rolling_back, clearing)
    return (provisioning, verifying, *shifts, promoting, keeping, retiring), (
        rolling_back,
        clearing,
    )
