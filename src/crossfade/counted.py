"""The order of names as people count. Pure."""

from __future__ import annotations

import re


def as_counted(name: str) -> tuple[tuple[int, str], ...]:
    """9 before 10."""
    return tuple((int(piece), "") if piece.isdecimal() else (0, piece) for piece in re.split(r"(\d+)", name))
