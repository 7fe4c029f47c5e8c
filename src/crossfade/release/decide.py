"""
The one decision: given what a release is meant to do and what is true outside, what is the next safe thing?

`decide` says at most one thing that became true per look, in fixed order: safety, facts,
progress, patience; then it asks `reconcile` for the writes of the step it now stands on.
It is total: every state and every truth has an answer, and every reachable state ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from crossfade.release.plan import SETTLE, Kind, Late, Plan, Proof, Step
from crossfade.release.reconcile import Difference, differences, reconcile, serves_alone
from crossfade.release.state import ENTERS, REACHES, Hold, Road, State, clock_went_back, fold
from crossfade.release.turning import turn
from crossfade.release.values import (
    ALL,
    NOTHING,
    Cause,
    Decision,
    Effect,
    Event,
    EventType,
    HookSay,
    Instant,
    RunHook,
    Say,
    Truth,
    Verdict,
)

LOOK_SHIFTING = timedelta(milliseconds=250)
"""While a world is being reached: traffic moves within milliseconds, instances within seconds."""

LOOK_BAKING = timedelta(seconds=1)
"""While a world is held: counts close every few seconds."""

ENTERED_BY = {kind: event for event, kind in ENTERS.items()}

_DRIFTS = frozenset({"weight", "primary", "test", "seat", "pair"})
"""Differences that only another hand makes once the world was reached; capacity dips and heals by itself."""


def decide(plan: Plan, state: State, truth: Truth, now: Instant) -> Decision:
    """
    What became true, the safe writes, and when to look again.

    Total and pure. An ended release is never touched again.
    """
    if state.outcome is not None:
        return Decision()
    events = _became_true(plan, state, truth, now)
    after = fold(plan, state, events)
    if after.outcome is not None:
        return Decision(events=events)
    world = after.step(plan).world
    effects: tuple[Effect, ...] = (
        *reconcile(plan, world, truth),
        *_hooks_to_run(plan, after, truth),
    )
    look = max(LOOK_BAKING if after.reached is not None else LOOK_SHIFTING, plan.limits.look)
    return Decision(events=events, effects=effects, wake_at=now + look)


def _became_true(plan: Plan, state: State, truth: Truth, now: Instant) -> tuple[Event, ...]:
    missing = differences(plan, state.step(plan).world, truth)
    return (
        turn(plan, state, truth, now)
        or clock_went_back(state, now)
        or _facts(plan, state, missing, truth, now)
        or _hooks(plan, state, missing, truth, now)
        or _progress(plan, state, missing, truth, now)
        or _patience(plan, state, truth, now)
    )


def _facts(
    plan: Plan, state: State, missing: tuple[Difference, ...], truth: Truth, now: Instant
) -> tuple[Event, ...]:
    """The world was reached, or it is surely lost again."""
    step = state.step(plan)
    if state.reached is None and not missing:
        said = Event(type=REACHES[step.kind], ts=now, step=step.name, weight=step.world.weight)
        if step.proof is Proof.PASSED:
            return (
                said,
                Event(type=EventType.BAKE_STARTED, ts=now, step=step.name, weight=step.world.weight),
            )
        return (said,)
    silence = {"traffic"} if step.world.weight in (NOTHING, ALL) else set()
    lost = [found for found in missing if found.sure and found.what in _DRIFTS | silence]
    if state.reached is not None and lost:
        said = Event(
            type=EventType.WORLD_CHANGED,
            ts=now,
            step=step.name,
            weight=step.world.weight,
            message="; ".join((*(difference.text for difference in lost), *truth.remarks)),
        )
        # Where there is no turning back from a fight, it pages, however soon our answer wins each round.
        fought = step.late is not Late.BACK and state.drifts >= plan.limits.drifts
        return (
            (said, _stuck(step, now, f"another hand changes the world: {said.message}"))
            if fought
            else (said,)
        )
    return ()


def _stuck(step: Step, now: Instant, message: str) -> Event:
    return Event(
        type=EventType.RELEASE_STUCK, ts=now, step=step.name, weight=step.world.weight, message=message
    )


def _hooks(
    plan: Plan, state: State, missing: tuple[Difference, ...], truth: Truth, now: Instant
) -> tuple[Event, ...]:
    """Hooks run one after the other, and only while the world is surely reached now."""
    step = state.step(plan)
    for key in step.hooks:
        run, result = state.hook(key), truth.hooks.get(key)
        if run is None:
            if state.reached is None or missing:
                return ()
            return (Event(type=EventType.HOOK_STARTED, ts=now, step=step.name, key=key),)
        if run.settled:
            continue
        if result is not None and result.say is HookSay.PASSED:
            return (Event(type=EventType.HOOK_PASSED, ts=now, step=step.name, key=key, message=result.text),)
        failed = result is not None and result.say is HookSay.FAILED
        if failed or now - run.since > plan.limits.hook:
            text = result.text if result is not None and failed else f"no answer within {plan.limits.hook}"
            return (Event(type=EventType.HOOK_FAILED, ts=now, step=step.name, key=key, message=text),)
        return ()
    return ()


def _hooks_to_run(plan: Plan, state: State, truth: Truth) -> Iterator[Effect]:
    """A hook of this step, started, with neither result nor runner: run it (again) under its one key."""
    step = state.step(plan)
    if state.reached is None or differences(plan, step.world, truth):
        return
    for run in state.hooks:
        if run.key in step.hooks and not run.settled and run.key not in truth.hooks:
            yield RunHook(key=run.key)


def verdict_of(state: State, step: Step, gate: str, truth: Truth) -> Verdict | None:
    """The verdict about this very step and window, if there is one; older ones prove nothing here."""
    for verdict in truth.verdicts:
        if verdict.gate == gate and verdict.step == step.name and verdict.since == state.reached:
            return verdict
    return None


def _progress(
    plan: Plan, state: State, missing: tuple[Difference, ...], truth: Truth, now: Instant
) -> tuple[Event, ...]:
    """All proofs complete: on to the next step, with the verdicts that moved it."""
    step = state.step(plan)
    if state.reached is None or missing or any(not _settled(state, key) for key in step.hooks):
        return ()
    if state.failed_hook(plan) is not None:
        return ()
    if not (_superseded_in_keeping(state, step, now) or _proved(plan, state, step, truth, now)):
        return ()
    passed: tuple[Event, ...] = ()
    if state.road is Road.ON:
        if state.paused is not None:
            return ()
        if step.approval and not approved(plan, state, step):
            if state.hold is Hold.APPROVAL:
                return ()
            return (_held(step, Hold.APPROVAL, now, f"{step.name} is baked and waits for {whom(plan)}"),)
        passed = tuple(_passed(plan, state, step, truth, now))
    return (*passed, _next(plan, state, now))


def approved(plan: Plan, state: State, step: Step) -> bool:
    """Whether enough people have passed this very step, or one has overridden the wait."""
    enough = len(state.approvers) >= max(1, plan.limits.approvals)
    return state.override or (state.approved == step.name and enough)


def whom(plan: Plan) -> str:
    """Whom an approval waits for."""
    match plan.limits.approvals:
        case 0:
            return "a person"
        case 1:
            return f"a person other than {plan.releaser}"
        case number:
            return f"{number} people other than {plan.releaser}"


def _settled(state: State, key: str) -> bool:
    run = state.hook(key)
    return run is not None and run.settled


def _superseded_in_keeping(state: State, step: Step, now: Instant) -> bool:
    """A newer revision ends the keeping of the old one (R14), but no sooner than writes have settled."""
    asked = state.asked is not None and state.asked.cause is Cause.SUPERSEDED
    return asked and step.kind is Kind.KEEPING and now - (state.reached or now) >= SETTLE


def _proved(plan: Plan, state: State, step: Step, truth: Truth, now: Instant) -> bool:
    if state.override and state.road is Road.ON and step.kind is not Kind.KEEPING:
        return True
    held = now - (state.reached or now)
    gates = [gate for gate in plan.gates if gate.name in step.gates and not gate.observe]
    if step.proof is Proof.NONE or not gates:
        return held >= step.bake
    verdicts = [verdict_of(state, step, gate.name, truth) for gate in gates]
    if step.proof is Proof.WATCHED:
        blind = any(verdict is None or verdict.say is Say.NO_DATA for verdict in verdicts)
        return held >= step.bake and (not blind or state.override)
    return all(
        verdict is not None and verdict.say is Say.PASS and verdict.covers >= step.bake
        for verdict in verdicts
    )


def _passed(plan: Plan, state: State, step: Step, truth: Truth, now: Instant) -> Iterator[Event]:
    """The verdicts that moved it (R30): none where the step asks none, and none that only observes."""
    if step.proof is not Proof.PASSED:
        return
    for gate in (gate.name for gate in plan.gates if gate.name in step.gates and not gate.observe):
        verdict = verdict_of(state, step, gate, truth)
        if verdict is not None and verdict.say is Say.PASS:
            yield Event(
                type=EventType.GATE_PASSED,
                ts=now,
                step=step.name,
                weight=step.world.weight,
                gate=gate,
                message=verdict.text,
                numbers=verdict.numbers,
            )


def _next(plan: Plan, state: State, now: Instant) -> Event:
    road = plan.on if state.road is Road.ON else plan.back
    if state.index + 1 < len(road):
        step = road[state.index + 1]
        return Event(type=ENTERED_BY[step.kind], ts=now, step=step.name, weight=step.world.weight)
    if state.road is Road.ON:
        return Event(type=EventType.RELEASE_SUCCEEDED, ts=now)
    return Event(type=EventType.RELEASE_ROLLED_BACK, ts=now, cause=state.cause)


def _held(step: Step, hold: Hold, now: Instant, message: str) -> Event:
    return Event(
        type=EventType.HOLD_STARTED,
        ts=now,
        step=step.name,
        weight=step.world.weight,
        key=hold.value,
        message=message,
    )


def _patience(plan: Plan, state: State, truth: Truth, now: Instant) -> tuple[Event, ...]:
    """Nothing became true: say what is waited for, or that the wait is over."""
    step = state.step(plan)
    if state.reached is None or step.late is not Late.BACK:
        return _late(plan, state, step, truth, now)
    return _waiting(plan, state, step, truth, now)


def _late(plan: Plan, state: State, step: Step, truth: Truth, now: Instant) -> tuple[Event, ...]:
    """
    A step on the road back, or past return: past its deadline it goes on or pages, and tries on (R17).

    A hook that failed past return pages at once: nothing turns back there, and its proof never comes (R15).
    """
    overdue = step.late is not Late.BACK and state.overdue(plan, now)
    if overdue and step.late is Late.ON and serves_alone(plan, step.world, truth):
        return (_next(plan, state, now),)
    failed = state.failed_hook(plan)
    if not state.stuck and failed is not None:
        return (_stuck(step, now, f"hook {failed} failed, and no way leads back from here"),)
    if state.stuck or not overdue:
        return ()
    missing = "; ".join(difference.text for difference in differences(plan, step.world, truth))
    return (_stuck(step, now, missing or "the proofs of this step do not come"),)


def _waiting(plan: Plan, state: State, step: Step, truth: Truth, now: Instant) -> tuple[Event, ...]:
    if state.override or step.proof is Proof.NONE:
        return ()
    judged = [gate.name for gate in plan.gates if gate.name in step.gates and not gate.observe]
    if not judged:
        return ()
    verdicts = {gate: verdict_of(state, step, gate, truth) for gate in judged}
    blind = [gate for gate, verdict in verdicts.items() if verdict is None or verdict.say is Say.NO_DATA]
    if blind:
        if state.blind_since is not None:
            return ()
        return (_gate_event(EventType.GATE_NO_DATA, step, blind[0], verdicts[blind[0]], now),)
    unclear = [gate for gate, verdict in verdicts.items() if verdict and verdict.say is Say.INCONCLUSIVE]
    if not unclear:
        waited = state.blind_since is not None or state.hold is Hold.INCONCLUSIVE
        return (
            (_gate_event(EventType.GATE_WAITING, step, judged[0], verdicts[judged[0]], now),)
            if waited
            else ()
        )
    if state.blind_since is not None:
        return (_gate_event(EventType.GATE_WAITING, step, unclear[0], verdicts[unclear[0]], now),)
    if step.proof is not Proof.PASSED or state.hold is not None:
        return ()
    gate = unclear[0]
    if not state.extended:
        return (_gate_event(EventType.BAKE_EXTENDED, step, gate, verdicts[gate], now),)
    if now - (state.reached or now) < step.max_bake:
        return ()
    said = _gate_event(EventType.GATE_INCONCLUSIVE, step, gate, verdicts[gate], now)
    return (said, _held(step, Hold.INCONCLUSIVE, now, f"{gate}: too little traffic to know"))


def _gate_event(kind: EventType, step: Step, gate: str, verdict: Verdict | None, now: Instant) -> Event:
    return Event(
        type=kind,
        ts=now,
        step=step.name,
        weight=step.world.weight,
        gate=gate,
        message=verdict.text if verdict is not None else "no verdict about this step yet",
        numbers=verdict.numbers if verdict is not None else {},
    )


def waits_for(plan: Plan, state: State, truth: Truth) -> tuple[str, ...]:
    """Why the release does not go on now, in words: for `status`, the web page and a person at night."""
    step = state.step(plan)
    if state.outcome is not None:
        return ()
    missing = differences(plan, step.world, truth)
    if missing:
        return (*(difference.text for difference in missing), *truth.remarks)
    failed = state.failed_hook(plan)
    if failed is not None:
        return (f"hook {failed} failed: a person's word",)
    hooks = tuple(f"hook {key}" for key in step.hooks if not _settled(state, key))
    gates = tuple(
        f"{gate}: {verdict.say.value}"
        if (verdict := verdict_of(state, step, gate, truth))
        else f"{gate}: no verdict"
        for gate in step.gates
    )
    paused = ("paused by a person",) if state.paused is not None else ()
    return paused or hooks or gates
