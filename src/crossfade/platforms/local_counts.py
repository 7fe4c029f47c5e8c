"""
What clients of a local service got, by side, and how its instances are: the source of `crossfade.signals`.

Both sides come from one read of one access log, so they always speak of the same seconds (R29).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crossfade.dataplane import EDGES_MS, Counts, Interval
from crossfade.errors import CrossfadeError
from crossfade.platforms.local import LocalPlatform
from crossfade.platforms.local_facts import sides
from crossfade.release.plan import Plan
from crossfade.release.values import Side
from crossfade.signals.arms import Address

Arm = Mapping[str, object]

CLOSES_S: Final = 2.0
"""Real seconds after which a second is closed, with room for a busy machine."""

SERVING: Final = ("ready", "unhealthy")
"""States in which a process may answer requests, and so count them."""

_EMPTY: Final = Counts(
    requests=0, app_errors=0, proxy_errors=0, injected=0, latency=(0,) * (len(EDGES_MS) + 1)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSlot:
    """One closed second of both sides."""

    start: float
    end: float
    stable: Arm | None
    candidate: Arm | None
    stable_instances: Sequence[tuple[str, Arm]]
    candidate_instances: Sequence[tuple[str, Arm]]
    aside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSlots:
    """Seconds in [known_from, watermark) that are not in `intervals` had no request at all."""

    intervals: Sequence[LocalSlot]
    known_from: float
    watermark: float
    problem: str
    """Why the source cannot be read now; empty where silence means silence."""
    slot_s: float = 1.0
    closes_s: float = CLOSES_S


class LocalCounts:
    """Implements `CountsSource` and `InstanceHealth` of `crossfade.signals`."""

    def __init__(self, platform: LocalPlatform) -> None:
        self._platform = platform

    def name(self, plan: Plan) -> str:  # noqa: ARG002 - the port's
        return "access log"

    def watch(self, plan: Plan) -> None:
        """Nothing to begin: the log is always written."""

    def edges_ms(self, plan: Plan) -> Sequence[float]:  # noqa: ARG002 - the port's
        """The same for every release: the proxy's log has each request's own time."""
        return EDGES_MS

    def slots(self, plan: Plan, since: float, edges_ms: Sequence[float] = EDGES_MS) -> LocalSlots:
        """Closed seconds that start at or after `since` (real epoch). Never raises."""
        if tuple(edges_ms) != tuple(EDGES_MS):
            return LocalSlots(
                intervals=(), known_from=since, watermark=since, problem="other buckets were asked"
            )
        try:
            who = sides(self._platform.document(plan.service), plan.release)
            counted = self._platform.counted(plan.service, since)
        except (CrossfadeError, OSError, ValueError) as error:
            why = error.what if isinstance(error, CrossfadeError) else str(error)
            return LocalSlots(intervals=(), known_from=since, watermark=since, problem=why)
        return LocalSlots(
            intervals=tuple(_slot(slot, who.stable, who.candidate) for slot in counted.intervals),
            known_from=counted.known_from,
            watermark=counted.watermark,
            problem=counted.problem,
        )

    def instances(self, plan: Plan) -> Mapping[Side, Sequence[tuple[str, str, int, int]]]:
        """(id, state, restarts, resident bytes) of each side's instances. Raises `PlatformError`."""
        observed = self._platform.seen(plan.service)
        who = sides(observed.service, plan.release)
        return {
            side: tuple(
                (instance.id, instance.state, instance.restarts, instance.rss_bytes)
                for instance in observed.instances
                if instance.group == group
            )
            for side, group in ((Side.STABLE, who.stable), (Side.CANDIDATE, who.candidate))
        }


def addresses(platform: LocalPlatform, plan: Plan) -> Mapping[Side, Sequence[Address]]:
    """Where each instance that runs answers for itself. Raises `PlatformError`."""
    observed = platform.seen(plan.service)
    who = sides(observed.service, plan.release)
    return {
        side: [
            Address(name=instance.id, host="127.0.0.1", port=instance.port)
            for instance in observed.instances
            if instance.group == group and instance.port is not None and instance.state in SERVING
        ]
        for side, group in ((Side.STABLE, who.stable), (Side.CANDIDATE, who.candidate))
    }


def _slot(slot: Interval, stable: str, candidate: str) -> LocalSlot:
    return LocalSlot(
        start=slot.start,
        end=slot.end,
        stable=_arm(slot.groups.get(stable, _EMPTY)),
        candidate=_arm(slot.groups.get(candidate, _EMPTY)),
        stable_instances=_instances(slot, stable),
        candidate_instances=_instances(slot, candidate),
    )


def _arm(counts: Counts) -> Arm:
    """A user does not care who answered 5xx: the app's errors and the proxy's about it are one."""
    return {
        "requests": counts.requests,
        "errors": counts.app_errors + counts.proxy_errors,
        "latency": list(counts.latency),
    }


def _instances(slot: Interval, group: str) -> tuple[tuple[str, Arm], ...]:
    """
    Counts of each instance; requests that reached none are dealt out evenly.

    They failed because of the group, not of one instance, and must not be lost: the judge
    reads instances where there are any.
    """
    whole, parts = slot.groups.get(group), slot.instances.get(group, {})
    if whole is None or not parts:
        return ()
    lost = [
        total - sum(part)
        for total, *part in zip(_row(whole), *(_row(one) for one in parts.values()), strict=True)
    ]
    share = [number / len(parts) for number in lost]
    return tuple(
        (name, _from_row([have + more for have, more in zip(_row(part), share, strict=True)]))
        for name, part in sorted(parts.items())
    )


def _row(counts: Counts) -> tuple[int, ...]:
    return (counts.requests, counts.app_errors + counts.proxy_errors, *counts.latency)


def _from_row(row: Sequence[float]) -> Arm:
    return {"requests": row[0], "errors": row[1], "latency": list(row[2:])}
