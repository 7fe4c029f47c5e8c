"""
How a platform tells signals which figures are whose: names as a metrics source spells them.

A platform's `arms(plan)` returns these values, so that signals need not know any platform.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crossfade.release.plan import Plan
from crossfade.release.values import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Two target groups behind one load balancer, as CloudWatch's dimensions name them."""

    load_balancer: str
    """`app/NAME/ID`."""
    stable: str
    """`targetgroup/NAME/ID`."""
    candidate: str

    def group(self, side: Side) -> str:
        return self.stable if side is Side.STABLE else self.candidate


ArmsOf = Callable[[Plan], Arms]
"""Raises `CrossfadeError` where the platform cannot tell."""


def dimension(arn: str) -> str:
    """The end of an ARN that CloudWatch names a load balancer or a target group by."""
    resource = arn.rpartition(":")[2]
    return resource.removeprefix("loadbalancer/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One instance and where it is asked for its own figures."""

    name: str
    """As the platform names the instance in health."""
    host: str
    port: int


AddressesOf = Callable[[Plan], Mapping[Side, Sequence[Address]]]
"""Both sides' instances that run now. Raises `CrossfadeError` where the platform cannot tell."""
