"""
What signals learned of a release, kept in the engine's store, so that the next controller knows it too.

Part of the wiring, called by `bootstrap.py` and by verbs that judge again what was judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from crossfade.engine.ports import Store
from crossfade.engine.records import Interval


class StoreMemory:
    """What signals learned, in the engine's store: it survives the controller (R27)."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def intervals(self, release: str) -> Sequence[Mapping[str, object]]:
        """The judge's header first, then everything by its time."""
        kept = [(kind, self._store.intervals(release, kind)) for kind in ("history", "live", "health")]
        return [found.payload for _, listed in kept for found in listed]

    def add(self, release: str, interval: Mapping[str, Any]) -> None:
        """One entry under its kind and time; the same again replaces it."""
        match interval:
            case {"header": _, "origin": origin}:
                kind, start, end = "history", float(origin), float(origin)
            case {"health": {"at": at}}:
                kind, start, end = "health", float(at), float(at)
            case _:
                kind, (start, end) = "live", interval["slot"]
        kept = Interval(
            start=datetime.fromtimestamp(start, UTC), end=datetime.fromtimestamp(end, UTC), payload=interval
        )
        self._store.add_intervals(release, kind, [kept])
