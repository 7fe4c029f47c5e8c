"""
Who is registered, what the health checks say of each, and who gets requests. Pure: time is an argument.

A new target serves after one passed check; after that the group's thresholds hold. Where nobody of a group
is healthy, all of it serves: the load balancer fails open. Who was deregistered gets nothing new at once,
and is shown as draining for the whole delay of the group. A group that no listener uses is not checked.
`Registry` is NOT THREAD-SAFE: its owner holds one lock. All times are the twin's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from crossfade.twin.balancer.model import State, Target, TargetGroup, TargetHealth

_BEHIND: Final = 10  # so many missed checks are made up for, after the clock has jumped
_REGISTERING: Final = ("Elb.RegistrationInProgress", "Target registration is in progress")
_CHECKING: Final = ("Elb.InitialHealthChecking", "Initial health checks in progress")
_DRAINING: Final = ("Target.DeregistrationInProgress", "Target deregistration is in progress")
_UNCHECKED: Final = ("Target.HealthCheckDisabled", "Health checks are disabled for this target group")
_UNUSED: Final = (
    "Target.NotInUse",
    "Target group is not configured to receive traffic from the load balancer",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The target answered as the group's matcher wants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A check that failed, in the words of the API."""

    reason: str
    description: str


Outcome = Passed | Failed


@dataclass(slots=True, eq=False)
class _Member:
    target: Target
    due: float
    state: State = "initial"
    asked: bool = False
    asking: bool = False
    passed: int = 0  # in a row
    failed: int = 0
    why: tuple[str, str] = _CHECKING


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A question that is due now; goes back to `Registry.told` with its answer."""

    group: TargetGroup
    target: Target
    member: object = field(repr=False)  # an answer to a question of an earlier registration is dropped


@dataclass(slots=True)
class _Crew:
    group: TargetGroup
    used: bool
    members: dict[Target, _Member] = field(default_factory=dict)
    leaving: dict[Target, float] = field(default_factory=dict)  # until when


class Registry:
    """All target groups."""

    def __init__(self) -> None:
        self._crews: dict[str, _Crew] = {}

    def want(self, groups: Iterable[TargetGroup], used: set[str], now: float) -> None:
        """From now on these groups have these targets; `used` are the ARNs that a listener names."""
        wanted = {group.arn: group for group in groups}
        for arn in set(self._crews) - set(wanted):
            del self._crews[arn]
        for arn, group in wanted.items():
            crew = self._crews.setdefault(arn, _Crew(group=group, used=arn in used))
            crew.group = group
            if crew.used != (arn in used):
                crew.used = arn in used
                crew.leaving.clear()
                crew.members = {target: _Member(target, due=now) for target in crew.members}
            self._register(crew, now)

    @staticmethod
    def _register(crew: _Crew, now: float) -> None:
        wanted = dict.fromkeys(crew.group.targets)
        for target in set(crew.members) - set(wanted):
            del crew.members[target]
            if crew.used and crew.group.deregistration_delay_s:
                crew.leaving[target] = now + crew.group.deregistration_delay_s
        for target in wanted:
            crew.leaving.pop(target, None)
        crew.members = {target: crew.members.get(target) or _Member(target, due=now) for target in wanted}

    # --- checks ----------------------------------------------------------------------------

    def due(self, now: float, floor: float) -> list[Check]:
        """The checks to be made now; none is made again before `floor` has passed."""
        found = []
        for crew in self._crews.values():
            if not crew.used or not crew.group.health.enabled:
                continue
            every = max(crew.group.health.interval_s, floor)
            for target, member in crew.members.items():
                if not member.asking and member.due <= now:
                    member.asking = member.asked = True
                    member.due = max(member.due + every, now - _BEHIND * every)
                    found.append(Check(group=crew.group, target=target, member=member))
        return found

    def told(self, check: Check, outcome: Outcome) -> bool:
        """A check was answered; True when other targets serve now than before."""
        crew = self._crews.get(check.group.arn)
        member = crew.members.get(check.target) if crew is not None else None
        if crew is None or member is None or member is not check.member:
            return False
        before = _serving(crew)
        member.asking = False
        match outcome:
            case Passed():
                member.passed, member.failed = member.passed + 1, 0
                enough = 1 if member.state == "initial" else crew.group.health.healthy
                if member.passed >= enough:
                    member.state = "healthy"
            case Failed():
                member.passed, member.failed = 0, member.failed + 1
                member.why = (outcome.reason, outcome.description)
                if member.failed >= crew.group.health.unhealthy:
                    member.state = "unhealthy"
        return _serving(crew) != before

    # --- answers ---------------------------------------------------------------------------

    def serving(self) -> Mapping[str, tuple[Target, ...]]:
        """Who of each group gets requests."""
        return {arn: _serving(crew) for arn, crew in self._crews.items()}

    def elapse(self, now: float) -> list[Target]:
        """The targets whose delay is over: nothing of theirs may still be open."""
        over = []
        for crew in self._crews.values():
            for target in [target for target, until in crew.leaving.items() if until <= now]:
                del crew.leaving[target]
                over.append(target)
        return over

    def next_end(self) -> float | None:
        """When the next delay is over."""
        return min((until for crew in self._crews.values() for until in crew.leaving.values()), default=None)

    def rows(self, group: str) -> tuple[TargetHealth, ...]:
        """DescribeTargetHealth of a group; empty for one that nobody knows."""
        crew = self._crews.get(group)
        if crew is None:
            return ()
        return (
            *(_row(crew, member) for member in crew.members.values()),
            *(_said(target, "draining", _DRAINING) for target in crew.leaving),
        )

    def tally(self) -> dict[str, tuple[int, int]]:
        """Of each group that is used: how many are healthy, and how many are not."""
        found = {}
        for arn, crew in self._crews.items():
            if crew.used and crew.members:
                healthy = sum(_fit(crew, member) for member in crew.members.values())
                found[arn] = (healthy, sum(m.state == "unhealthy" for m in crew.members.values()))
        return found


def _fit(crew: _Crew, member: _Member) -> bool:
    return member.state == "healthy" or not crew.group.health.enabled


def _serving(crew: _Crew) -> tuple[Target, ...]:
    healthy = tuple(member.target for member in crew.members.values() if _fit(crew, member))
    return healthy or tuple(crew.members)


def _row(crew: _Crew, member: _Member) -> TargetHealth:
    if not crew.used:
        return _said(member.target, "unused", _UNUSED)
    if not crew.group.health.enabled:
        return _said(member.target, "unavailable", _UNCHECKED)
    if member.state == "healthy":
        return TargetHealth(target=member.target, state="healthy")
    if member.state == "initial":
        return _said(member.target, "initial", _CHECKING if member.asked else _REGISTERING)
    return _said(member.target, member.state, member.why)


def _said(target: Target, state: State, why: tuple[str, str]) -> TargetHealth:
    return TargetHealth(target=target, state=state, reason=why[0], description=why[1])
