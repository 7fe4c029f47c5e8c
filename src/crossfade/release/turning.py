"""
The causes of turning back: whose word or hand it was, then in order of how sure and how urgent they are.

Each guard answers one question about a release on the road on. A pause delays none
of them (R16); after the point of no return none is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from crossfade.release.plan import Kind, Late, Plan, Step
from crossfade.release.state import Hold, Road, State
from crossfade.release.values import (
    NOTHING,
    Cause,
    Event,
    EventType,
    Instant,
    Say,
    Truth,
    Verdict,
    sure,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    cause: Cause
    message: str
    gate: str | None = None
    actor: str | None = None
    reason: str | None = None
    numbers: Any = field(default_factory=dict)


Guard = Callable[[Plan, State, Step, Truth, Instant], Turn | None]


def turn(plan: Plan, state: State, truth: Truth, now: Instant) -> tuple[Event, ...]:
    """`rollback.started` with its cause, after the failed gate's own event; nothing where no guard speaks."""
    step = state.step(plan)
    if state.road is not Road.ON or step.point_of_no_return:
        return ()
    for guard in GUARDS:
        found = guard(plan, state, step, truth, now)
        if found is not None:
            return _turned(step, found, now)
    return ()


def _turned(step: Step, found: Turn, now: Instant) -> tuple[Event, ...]:
    started = Event(
        type=EventType.ROLLBACK_STARTED,
        ts=now,
        step=step.name,
        weight=step.world.weight,
        cause=found.cause,
        gate=found.gate,
        actor=found.actor,
        reason=found.reason,
        message=found.message,
        numbers=found.numbers,
    )
    if found.cause is not Cause.GATE:
        return (started,)
    failed = Event(
        type=EventType.GATE_FAILED,
        ts=now,
        step=step.name,
        weight=step.world.weight,
        gate=found.gate,
        message=found.message,
        numbers=found.numbers,
    )
    return (failed, started)


def _asked(_plan: Plan, state: State, step: Step, _truth: Truth, _now: Instant) -> Turn | None:
    """A person aborts, or a newer revision supersedes; in keeping that ends the keeping instead (R14)."""
    asked = state.asked
    if asked is None or (asked.cause is Cause.SUPERSEDED and step.kind is Kind.KEEPING):
        return None
    said = "aborted" if asked.cause is Cause.PERSON else "superseded"
    return Turn(
        cause=asked.cause,
        message=f"{said} by {asked.actor}",
        actor=asked.actor,
        reason=asked.reason,
    )


def _gate_failed(plan: Plan, _state: State, step: Step, truth: Truth, _now: Instant) -> Turn | None:
    stops = {gate.name for gate in plan.gates if gate.name in step.gates and not gate.observe}
    for verdict in truth.verdicts:
        if verdict.say is Say.FAIL and verdict.gate in stops and verdict.step == step.name:
            return Turn(
                cause=Cause.GATE, gate=verdict.gate, message=verdict.text, numbers=_whole(verdict, truth)
            )
    return None


def _whole(verdict: Verdict, truth: Truth) -> dict[str, object]:
    """The verdict that turned it, its window, and what the other gates said at the same look (R30)."""
    beside = {
        other.gate: {**other.numbers, "verdict": other.say.value}
        for other in truth.verdicts
        if other.gate != verdict.gate and other.step == verdict.step
    }
    return {**verdict.numbers, "window_s": verdict.covers.total_seconds(), "gates": beside}


def _hook_failed(_plan: Plan, state: State, step: Step, _truth: Truth, _now: Instant) -> Turn | None:
    for key in step.hooks:
        run = state.hook(key)
        if run is not None and run.failed:
            return Turn(cause=Cause.HOOK, gate=key, message=f"hook {key} failed")
    return None


def _lost(plan: Plan, state: State, _step: Step, truth: Truth, _now: Instant) -> Turn | None:
    """Nobody of *our* candidate is healthy any more; an earlier candidate's weight is not ours to count."""
    ours = sure(truth.seat, lambda seat: seat.holder == plan.release)
    ready_before = state.index > 0
    if ours and ready_before and sure(truth.candidate, lambda fleet: fleet.ready == NOTHING):
        return Turn(cause=Cause.LOST, message=f"no instance of {plan.candidate} is healthy any more")
    return None


def _taken(_plan: Plan, state: State, _step: Step, truth: Truth, _now: Instant) -> Turn | None:
    """A hand lowered the weight, on one rule or on all: respected, never raised again (R49)."""
    if state.had > NOTHING and sure(truth.weights, lambda span: span.low < state.had):
        return Turn(
            cause=Cause.TAKEN,
            message=f"somebody lowered the candidate's weight below {state.had / 10:g} %{_seen(truth)}",
        )
    return None


def _seen(truth: Truth) -> str:
    """Whose hand it was, as far as the platform tells."""
    return "".join(f"; {remark}" for remark in truth.remarks)


def _fought(plan: Plan, state: State, _step: Step, truth: Truth, _now: Instant) -> Turn | None:
    """Another hand keeps changing what we set, our seat is another's, or the rules name other sides."""
    if state.drifts > plan.limits.drifts:
        said = f"another hand changed the world {state.drifts} times{_seen(truth)}"
        return Turn(cause=Cause.FOREIGN, message=said)
    seated = state.index > 0
    if seated and sure(truth.seat, lambda seat: seat.holder != plan.release):
        return Turn(cause=Cause.FOREIGN, message=f"the candidate's seat is no longer ours{_seen(truth)}")
    if seated and sure(truth.pair, lambda named: not named):
        return Turn(cause=Cause.FOREIGN, message=f"the rules no longer name our two sides{_seen(truth)}")
    return None


def _late(plan: Plan, state: State, step: Step, _truth: Truth, now: Instant) -> Turn | None:
    if step.late is not Late.BACK or not state.overdue(plan, now):
        return None
    said = f"was not reached within {step.within}" if state.reached is None else "could not be left in time"
    return Turn(cause=Cause.LATE, message=f"{step.name} {said}")


def _paused_too_long(plan: Plan, state: State, _step: Step, _truth: Truth, now: Instant) -> Turn | None:
    if state.paused is not None and now - state.paused > plan.limits.hold:
        return Turn(cause=Cause.PAUSE, message=f"paused for more than {plan.limits.hold}")
    return None


def _held_too_long(plan: Plan, state: State, _step: Step, _truth: Truth, now: Instant) -> Turn | None:
    if state.hold is None or state.hold_since is None:
        return None
    if state.hold is Hold.INCONCLUSIVE and not plan.limits.inconclusive_holds:
        return Turn(
            cause=Cause.INCONCLUSIVE,
            message="too little traffic to know, and the spec says rollback",
        )
    if now - state.hold_since > plan.limits.hold:
        cause = Cause.INCONCLUSIVE if state.hold is Hold.INCONCLUSIVE else Cause.LATE
        return Turn(cause=cause, message=f"nobody decided within {plan.limits.hold}")
    return None


def _blind_too_long(plan: Plan, state: State, _step: Step, _truth: Truth, now: Instant) -> Turn | None:
    """No data holds, then takes the configured way; it never promotes (R25)."""
    if state.blind_since is None:
        return None
    limit = plan.limits.no_data + (plan.limits.hold if plan.limits.no_data_holds else plan.limits.no_data * 0)
    if now - state.blind_since > limit:
        return Turn(cause=Cause.NO_DATA, message=f"a gate had no data for {limit}")
    return None


GUARDS: tuple[Guard, ...] = (
    # First who took the traffic, by word or by hand: a gate that fails since then judged
    # a candidate without its traffic, and would blame it for that.
    _asked,
    _taken,
    _gate_failed,
    _hook_failed,
    _lost,
    _fought,
    _paused_too_long,
    _held_too_long,
    _blind_too_long,
    _late,
)
