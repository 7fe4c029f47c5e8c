"""
What was asked of the twin, in order: every action with its outcome, bounded, without secrets.

Parameters are kept for the services whose parameters hold none, and there too a name that sounds like
a secret's is blotted out. Of the others only the resource is kept.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

KEPT: Final = 20_000
"""Actions remembered; about 20 MB at most, then the oldest are forgotten."""

_OPEN: Final = frozenset({"elbv2", "cloudwatch", "autoscaling"})
_SECRETIVE: Final = ("secret", "password", "token", "credential", "private")
_LONGEST: Final = 300
_MOST: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`done`: whether it was executed, whatever the caller was told; `actor`: `client` or `chaos`."""

    seq: int
    at: float
    service: str
    action: str
    region: str
    account: str
    resource: str
    params: Mapping[str, Any]
    status: int
    code: str
    done: bool
    throttled: bool = False
    fault: str = ""
    stale: float = 0.0
    actor: str = "client"
    agent: str = ""
    took_ms: float = 0.0

    def line(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "chaos": self.actor == "chaos"}


@dataclass(slots=True)
class Recorder:
    """The last `KEPT` actions. Thread-safe."""

    _kept: deque[Action] = field(default_factory=lambda: deque(maxlen=KEPT))
    _seq: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, made: Callable[[int], Action]) -> None:
        """Adds one under the next number."""
        with self._lock:
            self._seq += 1
            self._kept.append(made(self._seq))

    def since(self, seq: int) -> tuple[tuple[Action, ...], int]:
        """Those after a number, and the newest number."""
        with self._lock:
            return tuple(one for one in self._kept if one.seq > seq), self._seq

    def forget(self) -> int:
        """Forgets all; numbers go on. How many they were."""
        with self._lock:
            gone = len(self._kept)
            self._kept.clear()
            return gone


def harmless(service: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that a log may keep."""
    if service not in _OPEN:
        return {}
    return {key: _harmless(key, value) for key, value in list(params.items())[:_MOST]}


def _harmless(name: str, value: Any) -> Any:
    if any(word in name.lower() for word in _SECRETIVE):
        return "***"
    match value:
        case dict():
            return {str(key): _harmless(str(key), one) for key, one in list(value.items())[:_MOST]}
        case list():
            return [_harmless(name, one) for one in value[:_MOST]]
        case bool() | int() | float() | None:
            return value
        case _:
            return str(value)[:_LONGEST]
