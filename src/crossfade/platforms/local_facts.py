"""
What the local data plane says, as facts of truth. Pure: an observation and counts in, `Truth` out.

Sides are mapped to the two permanent groups by the service's tags, which only this room
writes: `release` (who holds the seat), `candidate` (its group), `primary` (the group the
platform trusts), `weighted_at` (epoch of the last weight write), `identity.GROUP`.
Sides never swap during a release. `local_writes.py` makes the documents the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crossfade.dataplane import GROUPS, Counted, Observed, Service
from crossfade.platforms.shares import ANY, NOBODY, interval
from crossfade.release.plan import Plan
from crossfade.release.values import (
    ALL,
    NOTHING,
    Fact,
    Fleet,
    Known,
    Seat,
    Seen,
    Share,
    Side,
    Span,
    Truth,
    Unknown,
)

QUIET: Final = 1.0
"""Real seconds without a new request after which a side is proved silent."""

LOOK_BACK: Final = 10.0
"""Real seconds of traffic that the seen share is read from, at most back to the last weight write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Which group is which side for one release; `ours` tells whether that release holds the seat."""

    stable: str
    candidate: str
    ours: bool


def sides(service: Service, release: str) -> Sides:
    """The sides as this release sees them: its own while it holds the seat, else as the next one would."""
    tags = service.tags
    claimed, primary = tags.get("candidate"), tags.get("primary")
    if tags.get("release") == release and claimed in GROUPS:
        return Sides(stable=other(claimed), candidate=claimed, ours=True)
    candidate = other(primary) if primary in GROUPS else GROUPS[0]
    return Sides(stable=other(candidate), candidate=candidate, ours=False)


def other(group: str) -> str:
    """The other one of the two groups."""
    return GROUPS[1 - GROUPS.index(group)]


def needed(plan: Plan) -> int:
    """Instances that carry all of the service's traffic, as the plan's artefact says."""
    artifact = plan.artifact["candidate"]
    return max(1, int(artifact["instances"]))  # type: ignore[index]  # our own, see prepare


def look_back(service: Service, now: float) -> float:
    """Epoch since when counts speak of the present weights."""
    try:
        weighted = float(service.tags.get("weighted_at", "0"))
    except ValueError:
        weighted = 0.0
    return max(min(weighted, now), now - LOOK_BACK)


def facts(plan: Plan, observed: Observed, counted: Counted) -> Truth:
    """One look at a service that exists."""
    service, routes = observed.service, observed.routes
    who = sides(service, plan.release)
    unread = Unknown("Envoy's own configuration could not be read")
    refused = Unknown(observed.reason or "Envoy does not run with the document yet")
    span = _span(observed, who.candidate)
    configured: Unknown | None = unread if routes is None else None if observed.applied else refused
    return Truth(
        pair=unread if routes is None else Known(_named(plan, service, who)),
        seat=_seat(plan, observed, who),
        weights=configured or Known(span),
        seen=_seen(observed, counted, who),
        stable=Known(_fleet(observed, who.stable, needed(plan))),
        candidate=Known(_fleet(observed, who.candidate, needed(plan))),
        primary=Known(_primary(service, who)),
        test=configured or Known(observed.test_route == who.candidate),
    )


def _rules(observed: Observed) -> tuple[Mapping[str, int], ...]:
    """The weights of every rule that has others than the rest (R07)."""
    return () if observed.routes is None else (observed.routes, *observed.others)


def _span(observed: Observed, group: str) -> Span:
    """Lowest and highest weight of a group over all rules."""
    found = [rule[group] for rule in _rules(observed)] or [NOTHING]
    return Span(low=Share(min(found)), high=Share(max(found)))


def absent(plan: Plan) -> Truth:
    """A service that was never created: all is nothing, and surely so."""
    nobody = Fleet(wanted=NOTHING, ready=NOTHING, exists=NOTHING)
    return Truth(
        pair=Known(plan.stable is None),
        seat=Known(Seat(holder=None)),
        weights=Known(NOBODY),
        seen=Known(Seen(stable=NOBODY, candidate=NOBODY)),
        stable=Known(nobody),
        candidate=Known(nobody),
        primary=Known(Side.STABLE),
        test=Known(False),
    )


def _named(plan: Plan, service: Service, who: Sides) -> bool:
    """Whether the groups carry this plan's revisions; a retired stable and a cleared candidate carry none."""
    stable, candidate = service.groups[who.stable], service.groups[who.candidate]
    retired = who.ours and service.tags.get("primary") == who.candidate
    stable_right = stable.revision == plan.stable if stable is not None else plan.stable is None or retired
    return stable_right and (not who.ours or candidate is None or candidate.revision == plan.candidate)


def _seat(plan: Plan, observed: Observed, who: Sides) -> Fact[Seat]:
    """Free is derived, so that no ended release has to clean up after itself."""
    if who.ours:
        return Known(Seat(holder=plan.release))
    service, routes = observed.service, observed.routes
    if routes is None:
        return Unknown("Envoy's own configuration could not be read")
    left = any(instance.group == who.candidate for instance in observed.instances)
    nobody = not any(any(rule.values()) for rule in _rules(observed))
    trusted = _span(observed, who.stable).at(ALL) or (service.tags.get("primary") is None and nobody)
    unweighted = _span(observed, who.candidate).at(NOTHING)
    if service.groups[who.candidate] is None and not left and trusted and unweighted:
        return Known(Seat(holder=None))
    return Known(Seat(holder=service.tags.get("release") or "unknown"))


def _fleet(observed: Observed, group: str, whole: int) -> Fleet:
    """Capacity, rounded down: never more than there is."""
    wanted = observed.service.groups[group]
    there = [instance for instance in observed.instances if instance.group == group]
    ready = [
        instance
        for instance in there
        if wanted is not None and instance.state == "ready" and instance.revision == wanted.revision
    ]
    return Fleet(
        wanted=Share(wanted.instances * ALL // whole) if wanted is not None else NOTHING,
        ready=Share(len(ready) * ALL // whole),
        exists=Share(max(1, len(there) * ALL // whole)) if there else NOTHING,
    )


def _primary(service: Service, who: Sides) -> Side:
    return Side.CANDIDATE if service.tags.get("primary") == who.candidate else Side.STABLE


def _seen(observed: Observed, counted: Counted, who: Sides) -> Fact[Seen]:
    """
    The band of shares that the last seconds agree with; 0 is proved by silence alone (R05).

    A side that still has weight and just happens to be quiet keeps its band: at 1 request
    a second, a second of silence contradicts nothing. Silent = nobody new comes: what goes on (a websocket,
    a download) is waited for by the drain of its instance, not by the release (R09).
    """
    routes, silent_s = observed.routes, observed.silent_s
    if silent_s is None:
        return Unknown("Envoy's counters could not be read")
    silent = {group: silent_s[group] >= QUIET for group in GROUPS}
    if all(silent.values()):
        return Known(Seen(stable=NOBODY, candidate=NOBODY))
    if counted.problem:
        return Unknown(counted.problem)
    requests = {
        group: sum(slot.groups[group].requests for slot in counted.intervals if group in slot.groups)
        for group in GROUPS
    }
    whole = sum(requests.values())

    def span(group: str) -> Span:
        if silent[group] and routes is not None and _span(observed, group).at(NOTHING):
            return NOBODY
        return _band(requests[group], whole)

    return Known(Seen(stable=span(who.stable), candidate=span(who.candidate)))


def _band(part: int, whole: int) -> Span:
    """The shares that this agrees with, rounded outwards."""
    if not whole:
        return ANY
    low, high = interval(part, whole)
    return Span(low=Share(math.floor(low * ALL)), high=Share(math.ceil(high * ALL)))
