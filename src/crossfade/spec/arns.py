"""
Names of load balancer resources, taken apart: which kind, whose, where.

Standard library only: the form checks what was written with it, and the `alb` platform finds the
load balancer of a rule and the names under which CloudWatch counts a group.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What an ARN of Elastic Load Balancing names, of the kinds a release has to do with."""

    RULE = "listener-rule"
    LISTENER = "listener"
    GROUP = "targetgroup"


_PARTS: Final = {Kind.RULE: 5, Kind.LISTENER: 4, Kind.GROUP: 2}
_ARN: Final = re.compile(
    r"arn:(aws[a-z-]*):elasticloadbalancing:([a-z0-9-]+):([0-9]{12}):(listener-rule|listener|targetgroup)"
    r"/([A-Za-z0-9-]+(?:/[A-Za-z0-9-]+)+)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arn:
    """One resource; `text` is the whole of it."""

    text: str
    kind: Kind
    region: str
    account: str
    path: tuple[str, ...]
    """What stands after the kind."""

    @property
    def balancer(self) -> str:
        """The load balancer of a rule or listener, as CloudWatch names it: `app/NAME/ID`."""
        return "/".join(self.path[:3])

    @property
    def family(self) -> str:
        """Of a rule or listener: `app` is an Application Load Balancer, `net` a Network one."""
        return self.path[0]

    @property
    def group(self) -> str:
        """A group as CloudWatch names it: `targetgroup/NAME/ID`."""
        return "/".join((Kind.GROUP.value, *self.path))

    @property
    def listener(self) -> str:
        """The ARN of a rule's listener; a listener's own."""
        if self.kind is Kind.LISTENER:
            return self.text
        head = self.text.partition(":listener-rule/")[0]
        return f"{head}:listener/{'/'.join(self.path[:4])}"


def parse(text: str) -> Arn | None:
    """The resource that this text names; None where it is no ARN of these kinds."""
    found = _ARN.fullmatch(text)
    if found is None:
        return None
    kind, path = Kind(found[4]), tuple(found[5].split("/"))
    if len(path) != _PARTS[kind]:
        return None
    return Arn(text=text, kind=kind, region=found[2], account=found[3], path=path)
