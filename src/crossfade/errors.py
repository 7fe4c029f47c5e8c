"""
Every error a person sees, as one tree.

    CrossfadeError
    ├── UsageError        the command or the configuration is wrong        exit 2
    │   └── SpecError     crossfade.yaml, all mistakes at once             exit 2
    ├── AccessError       credentials or permission                        exit 3
    ├── HeldError         another release holds the service                exit 8
    ├── RefusedError      refused before anything moved                    exit 11
    └── PlatformError     the outside did not do as asked (may be retried) exit 1

An error says what happened, why we think so, and what to do next, under an id
that is stable for ever: ids are public API.
"""

from __future__ import annotations

from typing import ClassVar


class CrossfadeError(Exception):
    """Something went wrong inside Crossfade."""

    exit_code: ClassVar[int] = 1

    def __init__(self, error_id: str, what: str, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.id = error_id
        self.what = what
        self.why = why
        self.fix = fix

    def lines(self) -> tuple[str, ...]:
        """The lines shown to a person: `id what`, then why, then the fix; empty ones left out."""
        said = (f"{self.id} {self.what}", f"  why  {self.why}", f"  fix  {self.fix}")
        return tuple(line for line, text in zip(said, (self.what, self.why, self.fix), strict=True) if text)


class UsageError(CrossfadeError):
    """The command or the configuration is wrong."""

    exit_code = 2


class AccessError(CrossfadeError):
    """Credentials are missing or a permission was denied."""

    exit_code = 3


class HeldError(CrossfadeError):
    """Another release holds the service."""

    exit_code = 8


class RefusedError(CrossfadeError):
    """Refused before anything moved."""

    exit_code = 11


class PlatformError(CrossfadeError):
    """The outside did not do as asked; asking again may help."""
