"""
One leased tick, and the only place where effects happen.

    hear what was said → look outside → decide → journal + state + inbox in one transaction → effects

Journal first, then the effect (R34): a crash between the two is mended by the next look,
because effects are absolute and nothing is remembered of them. The fence is that of this
very look. One decision a tick: a second one on the same truth would judge a new step by
verdicts about the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from crossfade.engine.clock import EngineClock, real_span
from crossfade.engine.codec import encode
from crossfade.engine.ports import Store
from crossfade.engine.records import Claim, Consumed
from crossfade.errors import AccessError, PlatformError
from crossfade.release.decide import decide, waits_for
from crossfade.release.hear import hear
from crossfade.release.plan import Plan
from crossfade.release.ports import Hooks, Platform, Signals
from crossfade.release.state import State, fold, phase
from crossfade.release.values import (
    Command,
    Declined,
    Effect,
    Event,
    EventType,
    Gap,
    Instant,
    Known,
    RunHook,
    Truth,
)
from crossfade.release.way_back import way_back

LEASE = timedelta(seconds=10)
"""Real time one tick may own a release; calls of a platform time out well below it (2 x 3 s)."""

LATE = timedelta(seconds=1)
"""A look this much later than a lease after its due time is a gap in which nobody looked (R33)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """One release's way to the outside; `bootstrap.py` makes them."""

    platform: Platform
    signals: Signals
    hooks: Hooks


Wiring = Callable[[Plan], Ports]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """What one tick did."""

    claim: Claim
    events: tuple[Event, ...]
    effects: tuple[Effect, ...]
    note: Mapping[str, object]


def tick(
    store: Store,
    ports: Ports,
    clock: EngineClock,
    claim: Claim,
    *,
    started: bool = False,
    lease: timedelta = LEASE,
) -> Ticked:
    """
    Advances one claimed release and gives the claim back.

    `started` writes `controller.started`: this controller's first look at this release.
    Raises `LostLeaseError` where another controller has it now, `StoreAwayError` where the
    journal cannot be written: then nothing was performed.
    """
    now = clock.now()
    state, heard, consumed = _heard(store, claim, _gap(claim, clock, now, lease), now)
    began = (Event(type=EventType.CONTROLLER_STARTED, ts=now, actor=claim.owner),) if started else ()
    if state.outcome is not None:
        ended = store.save(claim, state, (*began, *heard), consumed, None, now=now, done=True)
        return Ticked(claim=ended, events=(*began, *heard), effects=(), note={})
    plan = claim.plan
    look = ports.platform.observe(plan)
    now = clock.now()
    truth = replace(
        look.truth,
        verdicts=tuple(ports.signals.verdicts(plan, state, now)),
        hooks=ports.hooks.results(plan.release),
    )
    decision = decide(plan, state, truth, now)
    state = fold(plan, state, decision.events)
    events = (*began, *heard, *decision.events)
    note = note_of(plan, state, truth, now)
    now = clock.now()
    saved = store.save(
        claim,
        state,
        events,
        consumed,
        now if decision.events else decision.wake_at,
        now=now,
        note=note,
        done=not decision.effects,
    )
    if decision.effects:
        failed: list[str] = []
        for effect in decision.effects:
            store.check(saved, clock.now())
            failed += _perform(ports, plan, effect, look.fence)
        if failed:
            note = {**note, "failed": failed}
            store.note(plan.release, note)
        store.release_claim(saved)
    return Ticked(claim=saved, events=events, effects=decision.effects, note=note)


def _gap(claim: Claim, clock: EngineClock, now: Instant, lease: timedelta) -> tuple[Gap, ...]:
    late = now - claim.due
    if late <= real_span(clock, lease + LATE):
        return ()
    return (Gap(seconds=late.total_seconds()),)


def _heard(
    store: Store, claim: Claim, gap: Sequence[Gap], now: Instant
) -> tuple[State, tuple[Event, ...], tuple[Consumed, ...]]:
    """The gap first, then the inbox in the order it came: each hears the state the one before has made."""
    state, events, consumed = claim.state, list[Event](), list[Consumed]()
    messages: tuple[Gap | Command, ...] = (*gap, *store.inbox(claim.release))
    for message in messages:
        heard = hear(claim.plan, state, message, now)
        declined = isinstance(heard, Declined)
        said = (heard.event,) if isinstance(heard, Declined) else heard.events
        state = fold(claim.plan, state, said)
        events.extend(said)
        if isinstance(message, Command):
            why, fix = (heard.why, heard.fix) if isinstance(heard, Declined) and declined else ("", "")
            consumed.append(Consumed(id=message.id, why=why, fix=fix))
    return state, tuple(events), tuple(consumed)


def _perform(ports: Ports, plan: Plan, effect: Effect, fence: object) -> tuple[str, ...]:
    """One effect; where it failed that is said, and the next look tells what is true."""
    try:
        if isinstance(effect, RunHook):
            ports.hooks.start(plan, effect.key)
        else:
            ports.platform.perform(plan, effect, fence)
    except (PlatformError, AccessError) as error:
        return (f"{type(effect).__name__}: {error.what}",)
    return ()


def note_of(plan: Plan, state: State, truth: Truth, now: Instant) -> Mapping[str, object]:
    """The live evidence people look at: overwritten by every look, never part of the journal."""
    step = state.step(plan)
    return {
        "at": encode(now),
        "phase": phase(plan, state),
        "step": step.name,
        "road": state.road.value,
        "weight": truth.weights.value.high if isinstance(truth.weights, Known) else None,
        "waits_for": list(waits_for(plan, state, truth)),
        "way_back": way_back(plan, state, truth).line(),
        "instances": {
            side: [f"{fleet.value.ready / 10:g} %", f"{fleet.value.wanted / 10:g} %"]
            for side, fleet in (("stable", truth.stable), ("candidate", truth.candidate))
            if isinstance(fleet, Known)
        },
        "gates": {
            verdict.gate: {**verdict.numbers, "say": verdict.say.value, "text": verdict.text}
            for verdict in truth.verdicts
        },
    }
