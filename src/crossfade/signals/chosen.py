"""
The one source that counts for a release: the one its plan names.

A plan that names none was made before there was a choice, and has the platform's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crossfade.errors import PlatformError
from crossfade.release.plan import Plan
from crossfade.signals.source import CountsSource, Slots


class ChosenCounts:
    """Implements `CountsSource` by those of a platform, by kind; the first is the platform's own."""

    def __init__(self, sources: Mapping[str, CountsSource]) -> None:
        self._sources = sources

    def of(self, plan: Plan) -> CountsSource:
        """Raises `PlatformError` CF4404 for a source that this platform does not have."""
        asked: Any = plan.judging.get("source") or {}
        own = next(iter(self._sources))
        kind = str(asked.get("kind") or own)
        if kind not in self._sources:
            raise PlatformError(
                "CF4404",
                f"nobody counts by {kind} here",
                f"this platform has {', '.join(self._sources)}",
                "correct `signals` in crossfade.yaml",
            )
        return self._sources[kind]

    def name(self, plan: Plan) -> str:
        return self.of(plan).name(plan)

    def watch(self, plan: Plan) -> None:
        """Never raises: a source that is not there is told by whoever needs its counts."""
        asked: Any = plan.judging.get("source") or {}
        if str(asked.get("kind") or "") in self._sources:
            self.of(plan).watch(plan)

    def edges_ms(self, plan: Plan) -> Sequence[float]:
        return self.of(plan).edges_ms(plan)

    def slots(self, plan: Plan, since: float, edges_ms: Sequence[float]) -> Slots:
        return self.of(plan).slots(plan, since, edges_ms)
