"""What a platform can do, for whoever has to know before a release: `Ramp` in the design has the words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """As `local` has them; OURS = we set any weight."""

    ramp: str = "ours"
    stops: tuple[int, ...] = ()
    min_step: int = 1
    """Thousandths."""
    cas: bool = True
    dead_man: bool = False
    way_back: str = "seconds"
    gone: str = "stopped"
    """What becomes of instances that a release lets go, as people read it."""
    again: str = "started"
    """How such instances serve again."""
