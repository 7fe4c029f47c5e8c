"""
Where listeners are served: on 127.0.0.1, at their own port where that can be, else at a free one.

Ports below 1024 need a privilege that the twin does not ask for. A listener keeps the port it got for as
long as it is asked for at the same one. NOT THREAD-SAFE.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

from crossfade.dataplane.failures import PortTaken
from crossfade.dataplane.ports import claim, free_port

_PRIVILEGED: Final = 1024
_LEAVING_S: Final = 5.0


class Seats:
    """Listener (ARN) -> the port asked for, and the one that it got."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[int, int]] = {}
        self._left: set[int] = set()  # ours until lately: Envoy lets a port go a moment after its listener

    def want(self, listeners: Iterable[tuple[str, int]], avoid: Iterable[int]) -> None:
        """Gives each listener a port; `avoid` are ports on which targets are, or will be."""
        wanted = dict(listeners)
        before, self._held = self._held, {}
        for arn, held in before.items():
            if wanted.get(arn) == held[0]:
                self._held[arn] = held
            else:
                self._left.add(held[1])
        for arn, asked in wanted.items():
            if arn not in self._held:
                self._held[arn] = (asked, self._choose(asked, set(avoid)))

    def move(self, avoid: Iterable[int], ours: Iterable[int]) -> bool:
        """
        Gives another port to whom somebody else was faster at; True when any moved.

        `ours` are bound by us already.
        """
        moved = False
        for arn, (asked, port) in self._held.items():
            if port not in set(ours) and not _free(port):
                self._held[arn] = (asked, free_port({*avoid, *self.ports().values()}))
                moved = True
        return moved

    def ports(self) -> Mapping[str, int]:
        """Listener (ARN) -> the port where it is served."""
        return {arn: port for arn, (_, port) in self._held.items()}

    def _choose(self, asked: int, avoid: set[int]) -> int:
        avoid = avoid | set(self.ports().values())
        if asked >= _PRIVILEGED and asked not in avoid and _free(asked, _LEAVING_S * (asked in self._left)):
            self._left.discard(asked)
            return asked
        return free_port(avoid)


def _free(port: int, patience_s: float = 0) -> bool:
    until = time.monotonic() + patience_s
    while True:
        try:
            claim(port)
        except PortTaken:
            if time.monotonic() >= until:
                return False
            time.sleep(0.005)
        else:
            return True
