"""
What `crossfade.yaml` says about AWS, as frozen values: the account, and the platform `alb`.

`models.py` takes them in; standard library only, for the same reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_TARGETS: Final = 1000
"""Targets of one group on an Application Load Balancer: the quota of an account nobody has raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aws:
    """The one account, region and endpoint that anything is written to (R47)."""

    account: str
    region: str
    endpoint: str | None = None
    """A twin's, on this machine; None = AWS itself."""
    role: str | None = None
    """Name of a role of that account which is assumed; None = whoever the normal chain finds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetsFile:
    """A revision's targets stand in a file; `{revision}` is filled in."""

    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetsCommand:
    """A revision's targets are what a command prints; `{revision}` is filled in."""

    command: str


Targets = TargetsFile | TargetsCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbPlatform:
    """Two permanent target groups behind an Application Load Balancer; only weights move."""

    rules: tuple[str, ...]
    """ARNs of listener rules, or of listeners for their default action; all shift together."""
    test: str
    """ARN of a rule or listener that reaches the candidate while it is on trial, else who serves."""
    blue: str
    green: str
    targets: Targets
    health: str = "/"
    """Path of the smoke test where no hook is written."""
