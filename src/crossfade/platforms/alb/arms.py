"""What a look at a site tells signals: whose figures are whose, how the instances are, where they listen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from crossfade.errors import PlatformError
from crossfade.platforms.alb.model import Looked, Registered, named, sides_of, site_of_plan
from crossfade.platforms.alb.scene import staying
from crossfade.release.plan import Plan
from crossfade.release.values import Side, Unknown
from crossfade.signals.arms import Address, Arms

STATES: Final = {
    "healthy": "ready",
    "initial": "starting",
    "unused": "starting",
    "draining": "draining",
    "unhealthy": "unhealthy",
    "unavailable": "unhealthy",
}
"""A load balancer's word for a target to the word that signals know."""

Instance = tuple[str, str, int, int]


def arms(plan: Plan) -> Arms:
    """Both groups as CloudWatch names them."""
    site, who = site_of_plan(plan), sides_of(plan)
    return Arms(
        load_balancer=site.balancer,
        stable=named(site.groups[who.stable]).group,
        candidate=named(site.groups[who.candidate]).group,
    )


def instances(plan: Plan, looked: Looked) -> Mapping[Side, Sequence[Instance]]:
    """
    Every target of each side. A load balancer counts neither restarts nor memory.

    Raises `PlatformError` where they could not be read.
    """
    return {
        side: [(str(one.address), STATES.get(one.state, "unhealthy"), 0, 0) for one in targets]
        for side, targets in _targets(plan, looked).items()
    }


def addresses(plan: Plan, looked: Looked) -> Mapping[Side, Sequence[Address]]:
    """Where each registered target answers for itself. Raises `PlatformError`."""
    return {
        side: [
            Address(name=str(one.address), host=one.address.ip, port=one.address.port)
            for one in staying(targets)
        ]
        for side, targets in _targets(plan, looked).items()
    }


def _targets(plan: Plan, looked: Looked) -> Mapping[Side, tuple[Registered, ...]]:
    who = sides_of(plan)
    found: dict[Side, tuple[Registered, ...]] = {}
    for side, colour in ((Side.STABLE, who.stable), (Side.CANDIDATE, who.candidate)):
        targets = looked.targets[colour]
        if isinstance(targets, Unknown):
            raise PlatformError("CF4203", f"the targets of {colour} could not be read", targets.why)
        found[side] = targets.value
    return found
