"""
What signals need from outside, as tiny protocols. A platform's adapter and the engine implement them.

Counts come in closed slots, both sides from one read (R29): of one real second where each request
is seen, of a minute where only sums of minutes are. An arm is plain JSON as the judge takes it:
`{"requests", "errors", "latency", "kpi"}`, latency per bucket.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from crossfade.release.plan import Plan
from crossfade.release.values import Instant, Side
from crossfade.signals.measured import Measured

Arm = Mapping[str, object]


class Slot(Protocol):
    """One closed slot, real epoch. An arm of None could not be read; zero requests is a reading."""

    @property
    def start(self) -> float: ...
    @property
    def stable(self) -> Arm | None: ...
    @property
    def candidate(self) -> Arm | None: ...
    @property
    def stable_instances(self) -> Sequence[tuple[str, Arm]]: ...
    @property
    def candidate_instances(self) -> Sequence[tuple[str, Arm]]: ...
    @property
    def aside(self) -> Mapping[str, float]:
        """Counts that belong to neither side, for the evidence; no verdict is made of them."""
        ...


class Slots(Protocol):
    """
    Closed slots. They lie end to end, and one of them ends at the watermark.

    A slot in [known_from, watermark) that is not in `intervals` had no request at all.
    """

    @property
    def intervals(self) -> Sequence[Slot]: ...
    @property
    def known_from(self) -> float: ...
    @property
    def watermark(self) -> float: ...
    @property
    def problem(self) -> str:
        """Why the source cannot be read now; empty where silence means silence."""
        ...

    @property
    def slot_s(self) -> float:
        """Real seconds of a slot."""
        ...

    @property
    def closes_s(self) -> float:
        """Real seconds after its end in which a source that is well has closed a slot."""
        ...


class CountsSource(Protocol):
    """Counts of a release's two sides."""

    def name(self, plan: Plan) -> str:
        """What it is called in evidence."""
        ...

    def watch(self, plan: Plan) -> None:
        """
        The release is under way, with or without traffic: what needs time to begin may begin.

        Called at every look. Never raises.
        """
        ...

    def edges_ms(self, plan: Plan) -> Sequence[float]:
        """
        Upper edges for the latency buckets of a release about to be judged; it keeps them to its end.

        Raises `CrossfadeError` where that takes a question that is not answered.
        """
        ...

    def slots(self, plan: Plan, since: float, edges_ms: Sequence[float]) -> Slots:
        """Closed slots that start at or after this real epoch. What fails is a `problem`."""
        ...


class Measures(Protocol):
    """Single metrics that a gate names."""

    def measured(self, plan: Plan, gate: str, since: Instant) -> Measured:
        """The points of a gate's metric since an instant of the clock. Raises `CrossfadeError`."""
        ...


class InstanceHealth(Protocol):
    """The states of instances, as the platform sees them."""

    def instances(self, plan: Plan) -> Mapping[Side, Sequence[tuple[str, str, int, int]]]:
        """
        (id, state, restarts, resident bytes) of every instance of each side, from one read. May raise.

        An id is one process; 0 bytes: not known.
        """
        ...


class Memory(Protocol):
    """What was learned in a release, in order; it survives the controller (R27). Entries are plain JSON."""

    def intervals(self, release: str) -> Sequence[Mapping[str, object]]: ...

    def add(self, release: str, interval: Mapping[str, object]) -> None: ...


class Pace(Protocol):
    """How the release's clock runs beside the real one: a demo's bakes may pass five times as fast."""

    @property
    def factor(self) -> float:
        """Seconds of clock per real second."""
        ...

    def real(self, instant: Instant) -> float:
        """Real epoch of an instant of the clock."""
        ...

    def instant(self, epoch: float) -> Instant:
        """Instant of the clock at a real epoch."""
        ...
