"""
A file of ours tells whether a hand has changed it: its first line carries a hash of all others.

No secret is in it: it keeps a render from overwriting somebody's work by mistake, nothing more.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

_SEAL = re.compile(r"# Made by `crossfade render [a-z-]+`.* sha256:([0-9a-f]{64})")


class Hand(StrEnum):
    """Who wrote a file last."""

    OURS = "ours"
    CHANGED = "changed"
    """It was ours, and somebody has edited it since."""
    FOREIGN = "foreign"
    """It never was ours."""


def sealed(body: str, *, verb: str, version: str) -> str:
    """The body under its first line; `verb` is what renders it, as in `github-actions`."""
    line = f"# Made by `crossfade render {verb}` (crossfade {version}): edit crossfade.yaml and render again."
    return f"{line} sha256:{_hash(body)}\n{body}"


def hand_of(text: str) -> Hand:
    """Who wrote this text last; line ends are left aside, since git may change them."""
    first, _, body = text.replace("\r\n", "\n").partition("\n")
    found = _SEAL.fullmatch(first)
    if found is None:
        return Hand.FOREIGN
    return Hand.OURS if found.group(1) == _hash(body) else Hand.CHANGED


def _hash(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
