"""
The words of a release as values: facts, worlds' parts, verdicts, events, effects, messages.

Nothing here decides anything. `plan.py` arranges worlds into two roads, `state.py`
folds events, `decide.py` and `reconcile.py` turn all of it into the next safe thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, NewType, TypeVar

Instant = datetime
"""Always aware, always UTC."""

Share = NewType("Share", int)
"""Part of the whole in thousandths: of traffic for weights, of what the service needs for capacity."""

NOTHING = Share(0)
ALL = Share(1000)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    value: T


@dataclass(frozen=True, slots=True)
class Unknown:
    why: str


Fact = Known[T] | Unknown
"""What was observed outside, or why it could not be."""


def sure(fact: Fact[T], holds: Callable[[T], bool]) -> bool:
    """True only where the fact is known and holds; the unknown is sure of nothing, nor of its opposite."""
    return isinstance(fact, Known) and holds(fact.value)


class Side(StrEnum):
    STABLE = "stable"
    CANDIDATE = "candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Lowest and highest of several readings of one thing: every rule, every page, every load balancer."""

    low: Share
    high: Share

    def at(self, share: Share) -> bool:
        """Whether every reading is exactly this."""
        return self.low == self.high == share

    def holds(self, share: Share) -> bool:
        """Whether this lies inside."""
        return self.low <= share <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """
    Traffic as it flows: the shares of either side that the requests of the last window agree with.

    0 stands only where a side was silent for the quiet window with nothing in flight;
    with no traffic at all both sides are 0.
    """

    stable: Span
    candidate: Span

    def agrees(self, weight: Share) -> bool:
        """Whether the traffic is what this weight would make; silence contradicts no weight on its way up."""
        stable, candidate = Share(ALL - weight), weight
        if stable == NOTHING and self.stable.high > NOTHING:
            return False
        if candidate == NOTHING and self.candidate.high > NOTHING:
            return False
        idle = self.stable.high == NOTHING and self.candidate.high == NOTHING
        return idle or (self.stable.holds(stable) and self.candidate.holds(candidate))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Instances of one side as capacity, in thousandths of what the service needs."""

    wanted: Share
    """As set on the platform."""
    ready: Share
    """Healthy and registered."""
    exists: Share
    """Anything that still runs, draining included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """The candidate's place on the platform; `holder` is a release id, None when it is free."""

    holder: str | None


class Say(StrEnum):
    PASS = "pass"  # noqa: S105  # a verdict, not a password
    FAIL = "fail"
    NOT_YET = "not_yet"
    NO_DATA = "no_data"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    What one gate says about one step.

    `covers` is the span of settled data inside the window of that step that began at
    `since`: a verdict about another step or another window proves nothing here.
    """

    gate: str
    say: Say
    step: str
    since: Instant
    covers: timedelta
    text: str = ""
    numbers: Mapping[str, object] = field(default_factory=dict)


class HookSay(StrEnum):
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookResult:
    say: HookSay
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Everything observed in one look. Verdicts and hook results too are re-read, never remembered."""

    pair: Fact[bool]
    """Whether every rule still names our two sides, with the revisions of the plan on them."""
    seat: Fact[Seat]
    weights: Fact[Span]
    """The candidate's share as configured."""
    seen: Fact[Seen]
    stable: Fact[Fleet]
    candidate: Fact[Fleet]
    primary: Fact[Side]
    """Whom the platform trusts."""
    test: Fact[bool]
    """Whether the test route reaches the candidate."""
    verdicts: tuple[Verdict, ...] = ()
    hooks: Mapping[str, HookResult] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    """What the platform adds in words: whose hand was where. Nothing is decided by it."""


class Cause(StrEnum):
    """Why a release turned back."""

    GATE = "gate"
    HOOK = "hook"
    PERSON = "person"
    SUPERSEDED = "superseded"
    LATE = "late"
    LOST = "lost"
    TAKEN = "taken"
    FOREIGN = "foreign"
    NO_DATA = "no_data"
    INCONCLUSIVE = "inconclusive"
    PAUSE = "pause"


class EventType(StrEnum):
    RELEASE_OPENED = "release.opened"
    RELEASE_REFUSED = "release.refused"
    RELEASE_SUCCEEDED = "release.succeeded"
    RELEASE_ROLLED_BACK = "release.rolled_back"
    RELEASE_CLOSED = "release.closed"
    RELEASE_STUCK = "release.stuck"
    REVISION_RESOLVED = "revision.resolved"
    CANDIDATE_REQUESTED = "candidate.requested"
    CANDIDATE_READY = "candidate.ready"
    VERIFY_REQUESTED = "verify.requested"
    VERIFY_VERIFIED = "verify.verified"
    HOOK_STARTED = "hook.started"
    HOOK_PASSED = "hook.passed"
    HOOK_FAILED = "hook.failed"
    WEIGHT_REQUESTED = "weight.requested"
    WEIGHT_VERIFIED = "weight.verified"
    BAKE_STARTED = "bake.started"
    BAKE_EXTENDED = "bake.extended"
    GATE_PASSED = "gate.passed"
    GATE_FAILED = "gate.failed"
    GATE_WAITING = "gate.waiting"
    GATE_NO_DATA = "gate.no_data"
    GATE_INCONCLUSIVE = "gate.inconclusive"
    HOLD_STARTED = "hold.started"
    HOLD_APPROVED = "hold.approved"
    PROMOTE_REQUESTED = "promote.requested"
    PROMOTE_VERIFIED = "promote.verified"
    KEEP_OLD_STARTED = "keep_old.started"
    RETIRE_REQUESTED = "retire.requested"
    RETIRE_VERIFIED = "retire.verified"
    ROLLBACK_STARTED = "rollback.started"
    ROLLBACK_VERIFIED = "rollback.verified"
    CLEAR_REQUESTED = "clear.requested"
    CLEAR_VERIFIED = "clear.verified"
    COMMAND_RECEIVED = "command.received"
    WORLD_CHANGED = "world.changed"
    CONTROLLER_STARTED = "controller.started"
    CONTROLLER_LOST = "controller.lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    One entry of the journal as the heart writes it; the engine adds seq, service, release and hashes.

    `key` names what the event is about where a step has several: a hook, a command.
    """

    type: EventType
    ts: Instant
    step: str | None = None
    weight: Share | None = None
    gate: str | None = None
    cause: Cause | None = None
    key: str | None = None
    verb: str | None = None
    seconds: float | None = None
    actor: str | None = None
    reason: str | None = None
    message: str | None = None
    numbers: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureWeight:
    weight: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureFleet:
    """Capacity of one side; `owner` is the release whose instances these are (R13)."""

    side: Side
    capacity: Share
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsurePrimary:
    side: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureTest:
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GoHome:
    """All traffic to stable, sticky users recalled. The one effect allowed blind, on the road back only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHook:
    """Run at least once under this key; its result comes back as truth."""

    key: str


Effect = EnsureWeight | EnsureFleet | EnsurePrimary | EnsureTest | GoHome | RunHook


class Verb(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    APPROVE = "approve"
    PROMOTE_FULL = "promote_full"
    ABORT = "abort"
    SUPERSEDE = "supersede"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a person, CI or another release asks; `step` is the step they saw when they asked."""

    id: str
    verb: Verb
    actor: str
    reason: str
    step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Time in which nobody looked: it counts against no deadline (R33)."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The events by which a message is consumed, once."""

    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """The message is consumed and changes nothing; `event` keeps who asked and why not."""

    why: str
    fix: str
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One look's answer: events are written first, then effects performed, then sleep until `wake_at`."""

    events: tuple[Event, ...] = ()
    effects: tuple[Effect, ...] = ()
    wake_at: Instant | None = None
    """Look again no later than this; None when the release has ended."""
