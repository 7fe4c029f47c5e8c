"""
Where a release stands: a fold over its events, nothing else remembered.

`fold(plan, events)` rebuilds it from the journal; the engine keeps the last value
beside it only to save reading. Phases that people see are derived here, never stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from crossfade.release.plan import Kind, Plan, Proof, Step
from crossfade.release.values import NOTHING, Cause, Event, EventType, Instant, Share, Verb


class Road(StrEnum):
    ON = "on"
    BACK = "back"


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    CLOSED = "closed"


class Hold(StrEnum):
    """Why a step that is baked does not go on."""

    APPROVAL = "approval"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A person's or another release's wish to turn back."""

    cause: Cause
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRun:
    key: str
    since: Instant
    settled: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    since: Instant
    """Begin of the present wait: the step entered, its world reached or lost again, a pause ended."""
    road: Road = Road.ON
    index: int = 0
    reached: Instant | None = None
    """When truth last began to show this step's world; None while it does not."""
    had: Share = NOTHING
    """The weight this road has verified so far: less than this is another hand's doing (R49)."""
    drifts: int = 0
    cause: Cause | None = None
    asked: Asked | None = None
    paused: Instant | None = None
    override: bool = False
    """`promote --full`: bakes, gates and approvals are skipped, failures still turn back."""
    approved: str | None = None
    """The step a person has passed; no other (an approval dies with its step)."""
    approvers: tuple[str, ...] = ()
    """Who has passed it, each once."""
    hold: Hold | None = None
    hold_since: Instant | None = None
    blind_since: Instant | None = None
    """Since when a gate of this step has had no data."""
    extended: bool = False
    hooks: tuple[HookRun, ...] = ()
    stuck: bool = False
    outcome: Outcome | None = None

    def step(self, plan: Plan) -> Step:
        """The step this release stands on."""
        return (plan.on if self.road is Road.ON else plan.back)[self.index]

    @property
    def latest(self) -> Instant:
        """The last instant this state speaks of: a clock that reads earlier went back."""
        marks = (
            self.reached,
            self.paused,
            self.hold_since,
            self.blind_since,
            *(run.since for run in self.hooks),
        )
        return max(self.since, *(mark for mark in marks if mark is not None), self.since)

    def overdue(self, plan: Plan, now: Instant) -> bool:
        """
        Whether the present wait is over: for its world, or for the proofs once it was reached.

        The second is the outermost limit, whatever the gates keep saying and however the
        world flickers. A pause and a hold have limits of their own.
        """
        step, limits = self.step(plan), plan.limits
        if self.reached is None:
            return now - self.since > step.within
        if self.road is Road.ON and (self.paused is not None or self.hold is not None):
            return False
        proofs = step.within if step.proof is Proof.NONE else limits.no_data + limits.hold
        bake = max(step.bake, step.max_bake)
        return now - self.since > bake + len(step.hooks) * limits.hook + proofs

    def hook(self, key: str) -> HookRun | None:
        return next((run for run in self.hooks if run.key == key), None)

    def failed_hook(self, plan: Plan) -> str | None:
        """The hook of this step that failed: its proof never comes. The road back goes on without."""
        if self.road is Road.BACK:
            return None
        mine = self.step(plan).hooks
        return next((run.key for run in self.hooks if run.failed and run.key in mine), None)

    def only_closed(self, plan: Plan) -> bool:
        """Stuck for good: a hook failed where nothing turns back. A person ends it, nothing is tried."""
        return self.outcome is None and self.stuck and self.failed_hook(plan) is not None


ENTERS = {
    EventType.CANDIDATE_REQUESTED: Kind.PROVISIONING,
    EventType.VERIFY_REQUESTED: Kind.VERIFYING,
    EventType.WEIGHT_REQUESTED: Kind.SHIFTING,
    EventType.PROMOTE_REQUESTED: Kind.PROMOTING,
    EventType.KEEP_OLD_STARTED: Kind.KEEPING,
    EventType.RETIRE_REQUESTED: Kind.RETIRING,
    EventType.CLEAR_REQUESTED: Kind.CLEARING,
}
"""The intent by which each kind of step is entered; `rollback.started` enters the road back."""

REACHES = {
    Kind.PROVISIONING: EventType.CANDIDATE_READY,
    Kind.VERIFYING: EventType.VERIFY_VERIFIED,
    Kind.SHIFTING: EventType.WEIGHT_VERIFIED,
    Kind.PROMOTING: EventType.PROMOTE_VERIFIED,
    Kind.KEEPING: EventType.WEIGHT_VERIFIED,
    Kind.RETIRING: EventType.RETIRE_VERIFIED,
    Kind.ROLLING_BACK: EventType.ROLLBACK_VERIFIED,
    Kind.CLEARING: EventType.CLEAR_VERIFIED,
}
"""The fact that says each kind of step's world was reached."""

ENDS = {
    EventType.RELEASE_SUCCEEDED: Outcome.SUCCEEDED,
    EventType.RELEASE_ROLLED_BACK: Outcome.ROLLED_BACK,
    EventType.RELEASE_CLOSED: Outcome.CLOSED,
}

_REACHED = frozenset(REACHES.values())


def opened(at: Instant) -> State:
    """The state right after `release.opened`."""
    return State(since=at)


def fold(plan: Plan, state: State, events: Iterable[Event]) -> State:
    """The state after these events."""
    for event in events:
        state = _after(plan, state, event)
    return state


def _after(plan: Plan, state: State, event: Event) -> State:
    match event.type:
        case EventType.RELEASE_OPENED:
            return opened(event.ts)
        case EventType.ROLLBACK_STARTED:
            return _enter(plan, replace(state, cause=event.cause), Road.BACK, 0, event.ts)
        case entering if entering in ENTERS:
            index = 0 if ENTERS[entering] is Kind.PROVISIONING else state.index + 1
            return _enter(plan, state, state.road, index, event.ts)
        case reaching if reaching in _REACHED:
            weight = state.step(plan).world.weight
            return replace(state, since=event.ts, reached=event.ts, had=weight, stuck=False)
        case EventType.WORLD_CHANGED:
            return replace(state, reached=None, since=event.ts, drifts=state.drifts + 1)
        case ending if ending in ENDS:
            return replace(state, outcome=ENDS[ending], stuck=False)
        case EventType.RELEASE_STUCK:
            return replace(state, stuck=True)
        case EventType.COMMAND_RECEIVED:
            return _asked(state, event)
        case EventType.CONTROLLER_LOST:
            return _shifted(state, timedelta(seconds=event.seconds or 0.0), event.ts)
        case _:
            return _waiting(state, event)


def _enter(plan: Plan, state: State, road: Road, index: int, at: Instant) -> State:
    before = state.step(plan).world
    entered = replace(state, road=road, index=index)
    same_world = entered.step(plan).world == before and state.reached is not None
    return replace(
        entered,
        since=at,
        reached=at if same_world else None,
        drifts=0,
        approved=None,
        approvers=(),
        hold=None,
        hold_since=None,
        blind_since=None,
        extended=False,
        stuck=False,
    )


def _asked(state: State, event: Event) -> State:
    """What an accepted command wants; a declined one is written with a message and wants nothing."""
    if event.message is not None:
        return state
    who, why = event.actor or "", event.reason or ""
    match Verb(event.verb or ""):
        case Verb.PAUSE:
            return replace(state, paused=state.paused or event.ts)
        case Verb.RESUME:
            return _unpaused(state, event.ts)
        case Verb.APPROVE:
            others = tuple(name for name in state.approvers if name != who)
            return replace(state, approved=event.step, approvers=(*others, who))
        case Verb.PROMOTE_FULL:
            # What a gate was waited for is overridden with it; its failure never is.
            waited = replace(state, override=True, hold=None, hold_since=None, blind_since=None)
            return _unpaused(waited, event.ts)
        case Verb.ABORT:
            return replace(state, asked=Asked(cause=Cause.PERSON, actor=who, reason=why))
        case Verb.SUPERSEDE:
            # In keeping a supersede goes on where an abort goes back: it never takes an abort's place.
            aborted = state.asked is not None and state.asked.cause is Cause.PERSON
            superseded = Asked(cause=Cause.SUPERSEDED, actor=who, reason=why)
            return _unpaused(state if aborted else replace(state, asked=superseded), event.ts)
        case Verb.CLOSE:
            return state


def _unpaused(state: State, at: Instant) -> State:
    """A deadline counts no pause: the present wait begins anew."""
    return state if state.paused is None else replace(state, paused=None, since=at)


def _waiting(state: State, event: Event) -> State:
    """Events of a step that is reached and not yet left."""
    match event.type:
        case EventType.HOOK_STARTED:
            run = HookRun(key=event.key or "", since=event.ts)
            return replace(state, hooks=(*state.hooks, run))
        case EventType.HOOK_PASSED | EventType.HOOK_FAILED:
            failed = event.type is EventType.HOOK_FAILED
            runs = tuple(
                replace(run, settled=True, failed=failed) if run.key == event.key else run
                for run in state.hooks
            )
            return replace(state, hooks=runs)
        case EventType.GATE_NO_DATA:
            return replace(state, blind_since=event.ts)
        case EventType.GATE_WAITING:
            if state.hold is Hold.INCONCLUSIVE:
                state = replace(state, hold=None, hold_since=None)
            return replace(state, blind_since=None)
        case EventType.BAKE_EXTENDED:
            return replace(state, extended=True)
        case EventType.HOLD_STARTED:
            return replace(state, hold=Hold(event.key or ""), hold_since=event.ts)
        case _:
            return state


def clock_went_back(state: State, now: Instant) -> tuple[Event, ...]:
    """What sets the waits right where the clock reads earlier than this state, before all else is said."""
    if now >= state.latest:
        return ()
    return (Event(type=EventType.CONTROLLER_LOST, ts=now, seconds=(now - state.latest).total_seconds()),)


def _shifted(state: State, gap: timedelta, now: Instant) -> State:
    """Every wait moved by time in which nobody looked, but none into the future."""

    def moved(at: Instant) -> Instant:
        return min(at + gap, now)

    def later(at: Instant | None) -> Instant | None:
        return None if at is None else moved(at)

    return replace(
        state,
        since=moved(state.since),
        reached=later(state.reached),
        paused=later(state.paused),
        hold_since=later(state.hold_since),
        blind_since=later(state.blind_since),
        hooks=tuple(replace(run, since=moved(run.since)) for run in state.hooks),
    )


def phase(plan: Plan, state: State) -> str:
    """The word people see: derived from road, step, reached, paused, stuck."""
    if state.outcome is not None:
        return state.outcome.value
    if state.stuck:
        return "stuck"
    step = state.step(plan)
    if state.road is Road.ON and state.paused is not None:
        return "paused"
    if state.hold is not None:
        return "awaiting approval" if state.hold is Hold.APPROVAL else "inconclusive"
    if step.kind is Kind.SHIFTING and state.reached is not None and step.proof is Proof.PASSED:
        return "baking"
    return step.kind.value
