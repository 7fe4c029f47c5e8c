"""
A strategy as numbers: how big each side is at each weight, how long it bakes, what is kept at the end.

The only file that knows strategies by name. `roads.py` makes steps from a `Shape`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from crossfade.release.values import ALL, NOTHING, Share
from crossfade.spec import ApprovalStep, BlueGreen, Canary, Hybrid, Linear, Rolling, Strategy, WeightStep
from crossfade.spec.models import missing_of, surging

PAIR = 2
"""Instances a candidate starts with, where there are so many: then one sick one is told from a bad build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One weight, and the capacity of either side that goes with it."""

    weight: Share
    bake: timedelta
    max_bake: timedelta
    candidate: Share = ALL
    stable: Share = ALL
    approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A strategy as numbers."""

    rungs: tuple[Rung, ...]
    keep: timedelta
    hold_back: Share = NOTHING
    """What stable keeps of the traffic until the keeping ends."""

    floor: Share = ALL
    """How much of a share's capacity is enough to carry it: below the whole where some may be missing."""


def shape_of(strategy: Strategy, instances: int) -> Shape:
    """The strategy of a spec as numbers, for a service that needs so many instances."""
    match strategy:
        case BlueGreen():
            flip = Rung(
                weight=Share(ALL - strategy.hold_back), bake=strategy.bake, max_bake=strategy.max_bake
            )
            return Shape(rungs=(flip,), keep=strategy.keep_old, hold_back=Share(strategy.hold_back))
        case Canary():
            rungs = tuple(_growing(rung, instances) for rung in _stepped(strategy.steps))
            return Shape(rungs=rungs, keep=strategy.keep_old, hold_back=Share(strategy.hold_back))
        case Hybrid():
            rungs = tuple(_stepped(strategy.steps))
            return Shape(rungs=rungs, keep=strategy.keep_old, hold_back=Share(strategy.hold_back))
        case Linear():
            rungs = tuple(_growing(rung, instances) for rung in _equal(strategy))
            return Shape(rungs=rungs, keep=strategy.keep_old, hold_back=Share(strategy.hold_back))
        case Rolling():
            return Shape(
                rungs=tuple(_batches(strategy, instances)),
                keep=strategy.keep_old,
                floor=_part(max(1, instances - missing_of(strategy.unavailable, instances)), instances),
            )


def strategy_word(strategy: Strategy) -> str:
    """The strategy as `crossfade.yaml` names it."""
    match strategy:
        case Canary():
            return "canary"
        case BlueGreen():
            return "blue_green"
        case Linear():
            return "linear"
        case Rolling():
            return "rolling"
        case Hybrid():
            return "hybrid"


def _stepped(steps: tuple[WeightStep | ApprovalStep, ...]) -> Iterator[Rung]:
    """Each weight; an approval belongs to the weight before it."""
    rung: Rung | None = None
    for step in steps:
        match step:
            case WeightStep():
                if rung is not None:
                    yield rung
                rung = Rung(weight=Share(step.weight), bake=step.bake, max_bake=step.max_bake)
            case ApprovalStep():
                rung = replace(rung, approval=True) if rung is not None else None
    if rung is not None:
        yield rung


def _equal(linear: Linear) -> Iterator[Rung]:
    """Multiples of the step, up to what promotion will give anyway."""
    for weight in range(linear.step, ALL - linear.hold_back, linear.step):
        yield Rung(weight=Share(weight), bake=linear.every, max_bake=linear.max_bake)


def _growing(rung: Rung, instances: int) -> Rung:
    """The candidate is as big as its share, and at least a pair."""
    return replace(rung, candidate=max(rung.weight, _part(min(PAIR, instances), instances)))


def _batches(rolling: Rolling, instances: int) -> Iterator[Rung]:
    """
    Each batch fills the room above, then empties the old side down to what may be missing.

    Weight follows the instances, so that all carry alike. The last of the old side stays until all
    of the new one is there, and then some: taking it away is retirement.
    """
    surge, missing = surging(rolling.surge, instances), missing_of(rolling.unavailable, instances)
    old, new = instances, 0
    while new < instances:
        new = min(instances, instances + surge - old)
        whole = new == instances
        old = old if whole else max(1, instances - missing - new)
        yield Rung(
            weight=ALL if whole else Share(ALL * new // (new + old)),
            bake=rolling.bake,
            max_bake=rolling.max_bake,
            candidate=_part(new, instances),
            stable=_part(old, instances),
        )


def _part(count: int, instances: int) -> Share:
    """So many instances as capacity; counted back up, it is exactly so many again."""
    return Share(count * ALL // instances)
