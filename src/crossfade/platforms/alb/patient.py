"""
The gateway for a person who waits: what AWS throttles or does not answer is asked again, for some seconds.

Used before a release and beside it. A release's own looks are not patient: the next one comes by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from crossfade.aws import Identity
from crossfade.errors import PlatformError
from crossfade.platforms.alb.line import Line
from crossfade.platforms.alb.model import Actions, Registered, Site, Tags, Write

T = TypeVar("T")

PAUSES_S: Final = (0.3, 0.6, 1.2, 2.4)
"""Seconds between tries."""

AGAIN: Final = frozenset({"CF4306", "CF4307", "CF4427"})
"""Throttled, not answered, put off: every call here may be made twice."""


class Patient:
    """Implements `Line` over another."""

    def __init__(self, line: Line, sleep: Callable[[float], None]) -> None:
        self._line = line
        self._sleep = sleep

    def _again(self, ask: Callable[[], T]) -> T:
        for pause in PAUSES_S:
            try:
                return ask()
            except PlatformError as error:
                if error.id not in AGAIN:
                    raise
            self._sleep(pause)
        return ask()

    def prove(self) -> Identity:
        return self._again(self._line.prove)

    def routes(self, arns: Sequence[str]) -> Mapping[str, Actions | None]:
        return self._again(lambda: self._line.routes(arns))

    def tags(self, site: Site) -> Tags:
        return self._again(lambda: self._line.tags(site))

    def targets(self, group: str) -> tuple[Registered, ...]:
        return self._again(lambda: self._line.targets(group))

    def groups(self, arns: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
        return self._again(lambda: self._line.groups(arns))

    def attributes(self, group: str) -> Mapping[str, str]:
        return self._again(lambda: self._line.attributes(group))

    def listeners(self, balancer: str) -> tuple[Mapping[str, Any], ...]:
        return self._again(lambda: self._line.listeners(balancer))

    def rules(self, listener: str) -> tuple[Mapping[str, Any], ...]:
        return self._again(lambda: self._line.rules(listener))

    def rule(self, arn: str) -> Mapping[str, Any] | None:
        return self._again(lambda: self._line.rule(arn))

    def listener(self, arn: str) -> Mapping[str, Any] | None:
        return self._again(lambda: self._line.listener(arn))

    def balancers(self, arns: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
        return self._again(lambda: self._line.balancers(arns))

    def do(self, site: Site, write: Write, until: float | None = None) -> None:
        self._again(lambda: self._line.do(site, write, until))
