"""What kind of twin is asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`port` 0 = any free one; `account` None = moto's own; `factor` = twin seconds per real second."""

    preset: str = "instant"
    seed: int = 0
    factor: float = 1.0
    port: int = 0
    region: str = "us-east-1"
    account: str | None = None
