"""
The imperative shell: one leased tick, the durable store, the loop that wakes it.

Read `tick` first, then `store`, `loop`, `hooks`, `emergency`. `opening` makes the plans
that are driven here.
"""

from crossfade.engine.clock import ScaledClock, SystemClock
from crossfade.engine.loop import Controller, trace
from crossfade.engine.records import (
    Claim,
    CommandResult,
    Consumed,
    Driver,
    Entry,
    Interval,
    LostLeaseError,
    Row,
    StoreAwayError,
    StoreError,
)
from crossfade.engine.store import SqliteStore
from crossfade.engine.tick import Ports, Wiring

__all__ = [
    "Claim",
    "CommandResult",
    "Consumed",
    "Controller",
    "Driver",
    "Entry",
    "Interval",
    "LostLeaseError",
    "Ports",
    "Row",
    "ScaledClock",
    "SqliteStore",
    "StoreAwayError",
    "StoreError",
    "SystemClock",
    "Wiring",
    "trace",
]
