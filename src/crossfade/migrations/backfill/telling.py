"""What a backfill and a verification say on their way, as values; how fast, and how long still. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """It begins, or goes on where another run stopped; `fires`: triggers of yours that it sets off."""

    change: str
    table: str
    key: tuple[str, ...]
    rows: int | None
    """As the server guesses; None where nothing has counted them yet."""
    seen: int = 0
    turn: int = 1
    again: bool = False
    fires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A batch went through."""

    seen: int
    rows: int | None
    """Rows there are, as the server guesses; None where nothing has counted them yet."""
    changed: int
    skipped: int
    batch: int
    took_s: float
    rate: float
    """Rows a second, since this run began."""
    turn: int = 1

    @property
    def share(self) -> float | None:
        """How much of this pass is behind us; None where nobody knows."""
        return min(self.seen / self.rows, 1.0) if self.rows else None

    @property
    def left_s(self) -> float | None:
        """Seconds to the end of this pass; None where nobody knows."""
        return max(self.rows - self.seen, 0) / self.rate if self.rows and self.rate else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """It steps back for others."""

    why: str
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WentOn:
    """The reason to wait is over."""

    waited_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedAgain:
    """A batch was rolled back by itself and is tried again, smaller."""

    why: str
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """Once through the table."""

    turn: int
    seen: int
    changed: int
    skipped: int
    """Rows that somebody else held: another pass comes for them."""


Told = Began | Moved | Waiting | WentOn | TriedAgain | Passed


def at_least(rows: int | None, seen: int) -> int | None:
    """A guess, mended by what was seen; none is made of what was seen alone."""
    return None if rows is None else max(rows, seen)
