"""
The two roads of a release, from its strategy as numbers: one function for every strategy.

On: provisioning, verifying, a step for each weight, promoting, keeping, retiring.
Back: rolling back, clearing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from crossfade.release.plan import REACH, SETTLE, Kind, Late, PlannedGate, Proof, Step, World
from crossfade.release.shape import Rung, Shape
from crossfade.release.values import ALL, NOTHING, Share, Side
from crossfade.spec import Deadlines

Road = tuple[Step, ...]


def compile_roads(
    shape: Shape,
    *,
    gates: tuple[PlannedGate, ...],
    deadlines: Deadlines,
    before: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
    on_rollback: tuple[str, ...] = (),
    first: bool = False,
    proof: timedelta = timedelta(0),
) -> tuple[Road, Road]:
    """
    The roads on and back.

    `proof` is how long the platform takes to show what it has done; each world may take so much longer.
    `first` is a service's first release: there is nobody to compare with and nobody to go back to.
    """
    within = REACH + proof
    ready, home_by = deadlines.ready + proof, deadlines.rollback + proof
    all_gates = tuple(gate.name for gate in gates)
    kept = NOTHING if first else ALL

    def world(rung: Rung) -> World:
        return World(
            weight=rung.weight,
            stable=NOTHING if first else rung.stable,
            candidate=ALL if first else rung.candidate,
            primary=Side.STABLE,
            test=True,
        )

    start = replace(world(shape.rungs[0]), weight=NOTHING, stable=kept)
    provisioning = Step(
        name="provisioning",
        kind=Kind.PROVISIONING,
        world=replace(start, test=False),
        within=ready,
    )
    verifying = Step(
        name="verifying",
        kind=Kind.VERIFYING,
        world=start,
        gates=tuple(gate.name for gate in gates if not gate.traffic),
        proof=Proof.WATCHED,
        hooks=before,
        within=within,
    )
    shifts = tuple(
        Step(
            name=f"{rung.weight / 10:g} %",
            kind=Kind.SHIFTING,
            world=world(rung),
            gates=all_gates,
            proof=Proof.PASSED,
            approval=rung.approval,
            bake=rung.bake,
            max_bake=max(rung.bake, rung.max_bake),
            within=ready,
        )
        for rung in shape.rungs
    )
    trusted = replace(
        world(shape.rungs[-1]),
        weight=Share(ALL - shape.hold_back),
        candidate=ALL,
        primary=Side.CANDIDATE,
        test=False,
    )
    promoting = Step(
        name="promoting",
        kind=Kind.PROMOTING,
        world=trusted,
        gates=all_gates,
        hooks=after,
        within=ready,
    )
    keeping = Step(
        name="keeping",
        kind=Kind.KEEPING,
        world=trusted,
        gates=all_gates,
        proof=Proof.WATCHED,
        bake=max(shape.keep, SETTLE),
        within=within,
    )
    alone = replace(trusted, weight=ALL)
    letting_go = replace(keeping, name="letting go", world=alone, bake=SETTLE)
    retiring = Step(
        name="retiring",
        kind=Kind.RETIRING,
        world=replace(alone, stable=NOTHING),
        within=within,
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
        within=home_by,
        late=Late.STUCK,
    )
    clearing = Step(
        name="clearing",
        kind=Kind.CLEARING,
        world=replace(home, candidate=NOTHING),
        within=home_by,
        late=Late.ON,
    )
    back = (rolling_back, clearing)
    if first:
        committed = replace(
            promoting,
            world=replace(trusted, weight=ALL),
            gates=(),
            late=Late.STUCK,
            point_of_no_return=True,
        )
        return (provisioning, verifying, committed), back
    held = (letting_go,) if shape.hold_back > NOTHING else ()
    return (provisioning, verifying, *shifts, promoting, keeping, *held, retiring), back
