"""Time, and who may end a wait early: all that a walk through a table takes from the machine it runs on."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """A clock in seconds, a die from 0 to 1, and `stop`: once set, waits end, work ends after its batch."""

    now: Callable[[], float] = time.monotonic
    die: Callable[[], float] = random.random
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def stopped(self) -> bool:
        return self.stop.is_set()

    def rest(self, seconds: float) -> None:
        """Wait so long, or until `stop`."""
        if seconds > 0:
            self.stop.wait(seconds)
