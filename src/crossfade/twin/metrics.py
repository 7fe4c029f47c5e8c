"""Where the twin's parts put what they measured, without knowing who keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Sink(Protocol):
    """A store of raw metric values, as CloudWatch keeps them."""

    def record(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        *,
        at: float,
        value: float,
        count: float = 1.0,
        unit: str = "None",
    ) -> None:
        """
        `count` samples of one value at a twin epoch. Cheap and thread-safe: called for every request.

        Raises nothing.
        """
        ...
