"""
Messages: what a person, another release or the engine says to a release, consumed once.

Hearing changes what is wanted, never the world: the next `decide` acts on it.
Who may ask what and when stands here and nowhere else.
"""

from __future__ import annotations

from typing import Any

from crossfade.release.plan import Kind, Plan
from crossfade.release.state import Hold, Road, State, clock_went_back, phase
from crossfade.release.values import Command, Declined, Event, EventType, Gap, Heard, Instant, Verb


def hear(plan: Plan, state: State, message: Command | Gap, now: Instant) -> Heard | Declined:
    """The events that consume a message, or why it changes nothing (and that is written too)."""
    if isinstance(message, Gap):
        return Heard(events=(Event(type=EventType.CONTROLLER_LOST, ts=now, seconds=message.seconds),))
    refusal = _refusal(plan, state, message)
    here = state.step(plan).name
    step = message.step or here if message.verb is Verb.APPROVE else here
    event = Event(
        type=EventType.COMMAND_RECEIVED,
        ts=now,
        step=step,
        key=message.id,
        verb=message.verb.value,
        actor=message.actor,
        reason=message.reason,
        message=refusal[0] if refusal else None,
    )
    if refusal:
        return Declined(why=refusal[0], fix=refusal[1], event=event)
    # A wait that begins with this word begins by the clock as it is: it is no part of what is set right.
    return Heard(events=(*clock_went_back(state, now), event, *_consequences(plan, state, message, now)))


def _consequences(plan: Plan, state: State, message: Command, now: Instant) -> tuple[Event, ...]:
    step = state.step(plan)
    said: dict[str, Any] = {
        "ts": now,
        "step": step.name,
        "actor": message.actor,
        "reason": message.reason,
    }
    match message.verb:
        case Verb.CLOSE:
            failed = state.failed_hook(plan)
            unproved = "it is not proved that exactly one version serves"
            text = f"closed by a person: {unproved if failed is None else f'hook {failed} failed'}"
            return (Event(type=EventType.RELEASE_CLOSED, message=text, **said),)
        case Verb.APPROVE:
            given, asked = len({*state.approvers, message.actor}), max(1, plan.limits.approvals)
            if given < asked:
                said["message"] = f"{given} of {asked}"
            return (Event(type=EventType.HOLD_APPROVED, **said),)
        case _:
            return ()


def _refusal(plan: Plan, state: State, message: Command) -> tuple[str, str] | None:
    """Why not, and what to do instead; None where the message is welcome."""
    step = state.step(plan)
    if state.outcome is not None:
        return f"the release has ended: {state.outcome.value}", "crossfade status"
    if not message.reason.strip():
        return f"{message.verb.value} needs a reason", "add --reason TEXT"
    match message.verb:
        case Verb.ABORT | Verb.SUPERSEDE:
            if state.road is Road.ON and step.point_of_no_return:
                if plan.stable is None:
                    return "a first release has nothing to go back to", _first_ends(state)
                return (
                    f"{plan.stable} is being {plan.gone}: too late to turn back",
                    "wait for the end, then crossfade rollback",
                )
        case Verb.CLOSE:
            if not state.stuck:
                return (
                    f"only a stuck release is closed, this one is {phase(plan, state)}",
                    "crossfade abort --reason",
                )
        case Verb.APPROVE:
            return _no_approval(plan, state, message)
        case Verb.PAUSE | Verb.RESUME:
            return _too_late(plan, state)
        case Verb.PROMOTE_FULL:
            return _too_late(plan, state) or _own_release(plan, message)
    return None


def _too_late(plan: Plan, state: State) -> tuple[str, str] | None:
    step = state.step(plan)
    if state.road is Road.BACK:
        return "the release is on its way back, nothing stops that", "crossfade watch"
    if plan.stable is None and step.point_of_no_return:
        return "everybody is sent to the first version there is", _first_ends(state)
    if step.kind is Kind.RETIRING or step.point_of_no_return:
        return f"everything is promoted, the old version is being {plan.gone}", "crossfade watch"
    return None


def _first_ends(state: State) -> str:
    return "crossfade close --reason TEXT" if state.stuck else "crossfade watch"


def _own_release(plan: Plan, message: Command) -> tuple[str, str] | None:
    """Where two pairs of eyes are wanted, the second are another's; a way back is never asked (R48)."""
    if plan.limits.approvals and message.actor == plan.releaser:
        said = f"{plan.releaser} released {plan.candidate}, and policy.approvals asks for another person"
        return said, "let somebody else look: crossfade approve --reason TEXT"
    return None


def _no_approval(plan: Plan, state: State, message: Command) -> tuple[str, str] | None:
    step = state.step(plan)
    if state.road is Road.BACK:
        return "the release is on its way back, nothing stops that", "crossfade watch"
    if message.step is not None and message.step != step.name:
        return (
            f"the approval is for {message.step}, the release is at {step.name}",
            "look again: crossfade status",
        )
    if state.hold is Hold.INCONCLUSIVE:
        return (
            "an inconclusive bake is not approved, only overridden",
            "crossfade promote --full --reason TEXT",
        )
    if not step.approval:
        return f"{step.name} waits for nobody's approval", "crossfade status"
    if message.actor in state.approvers and plan.limits.approvals > 1:
        return f"{message.actor} has approved {step.name} already", "let somebody else look"
    return _own_release(plan, message)
