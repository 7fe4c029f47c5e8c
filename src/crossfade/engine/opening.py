"""
From a spec and a revision to an opened release, or to every reason why not.

The plan is compiled once and is the first journal entry: from then on neither
`crossfade.yaml` nor an upgrade of this program changes what the release will do.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from crossfade.engine.judging import READS_TRAFFIC, judging
from crossfade.errors import RefusedError
from crossfade.release.plan import Limits, Plan, PlannedGate, Proof
from crossfade.release.policy import Objection, Record, Waivers, objections
from crossfade.release.ports import Revision
from crossfade.release.roads import compile_roads
from crossfade.release.shape import shape_of, strategy_word
from crossfade.release.tempo import tempo_of
from crossfade.release.values import Event, EventType, Instant, Say, Truth
from crossfade.spec import (
    CommandHook,
    Gate,
    Hook,
    HttpHook,
    Mode,
    NoGates,
    OnInconclusive,
    OnNoData,
    Spec,
    WarmUp,
)

WARM_UPS = 0.1
"""
Their part of the chance that a healthy release is stopped; the bakes have the rest.

A warm-up that is wrong costs no user anything, so it needs little, and the bakes' bound rises by a ninth.
"""

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id(at: float | None = None) -> str:
    """A ULID: 48 bits of milliseconds, 80 bits of chance, 26 letters that sort by time."""
    millis = int((time.time() if at is None else at) * 1000)
    number = (millis << 80) | int.from_bytes(os.urandom(10))
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -5, -5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asked for when they typed `deploy`."""

    actor: str
    waivers: Waivers
    inherits: tuple[str, ...] = ()


def compile_plan(
    spec: Spec,
    *,
    release: str,
    stable: Revision | None,
    candidate: Revision,
    inherits: Sequence[str] = (),
    releaser: str = "",
) -> Plan:
    """The spec as the two roads of one release, complete and self-contained."""
    gates = () if isinstance(spec.gates, NoGates) else spec.gates
    planned = tuple(_planned(gate) for gate in gates)
    false_stops = _shared(spec)
    hooks = {
        f"{release}:{when}:{number}": _hook(hook, false_stops.each_warm_up)
        for when, listed in _hook_lists(spec)
        for number, hook in enumerate(listed)
    }
    keys = {when: tuple(key for key in hooks if key.split(":")[1] == when) for when, _ in _hook_lists(spec)}
    shape, tempo = shape_of(spec.strategy, candidate.instances), tempo_of(spec.platform)
    on, back = compile_roads(
        shape,
        gates=planned,
        deadlines=spec.deadlines,
        before=keys["before"],
        after=(*keys["after"], *keys["over"]),
        on_rollback=(*keys["return"], *keys["back"]),
        first=stable is None,
        proof=tempo.proof,
    )
    if isinstance(spec.gates, NoGates):
        on = tuple(replace(step, proof=Proof.NONE) for step in on)
    return Plan(
        release=release,
        service=spec.service,
        stable=stable.text if stable else None,
        candidate=candidate.text,
        on=on,
        back=back,
        gates=planned,
        limits=Limits(
            hold=spec.deadlines.hold,
            no_data=spec.deadlines.no_data,
            approvals=spec.policy.approvals,
            hook=spec.deadlines.hook,
            no_data_holds=spec.judging.no_data is OnNoData.HOLD,
            inconclusive_holds=spec.judging.inconclusive is OnInconclusive.HOLD,
            look=tempo.look,
        ),
        inherits=tuple(inherits),
        floor=shape.floor,
        releaser=releaser,
        hooks=hooks,
        artifact={
            "candidate": candidate.artifact,
            **({"stable": stable.artifact} if stable is not None else {}),
            "identity": candidate.identity,
            "stable_identity": stable.identity if stable else None,
            "folder": str(spec.folder),
        },
        judging=judging(spec, shape, gates, false_stops.gates),
        strategy=strategy_word(spec.strategy),
        instances=candidate.instances,
    )


def _hook_lists(spec: Spec) -> tuple[tuple[str, tuple[Hook, ...]], ...]:
    # Without a hook of the user's, the candidate is still asked once, through the proxy, before any user is.
    before = spec.hooks.before_traffic or (HttpHook(path=spec.platform.health),)
    return (
        ("before", before),
        ("after", spec.hooks.after_traffic),
        ("over", spec.hooks.hand_over),
        ("return", spec.hooks.hand_over),
        ("back", spec.hooks.on_rollback),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _FalseStops:
    """One budget for the whole release (R31), dealt out."""

    gates: float
    each_warm_up: float


def _shared(spec: Spec) -> _FalseStops:
    """Warm-ups get a tenth, all of them together: who fails one has met no user yet."""
    whole = spec.judging.false_stops
    number = sum(isinstance(hook, WarmUp) for hook in spec.hooks.before_traffic)
    if not number:
        return _FalseStops(gates=whole, each_warm_up=0.0)
    return _FalseStops(gates=whole * (1 - WARM_UPS), each_warm_up=whole * WARM_UPS / number)


def _hook(hook: Hook, alpha: float) -> Mapping[str, object]:
    match hook:
        case HttpHook():
            return {"http": hook.path}
        case CommandHook():
            return {"command": hook.command}
        case WarmUp():
            asked = {"paths": list(hook.paths), "for_s": hook.hold_for.total_seconds(), "rate": hook.rate}
            return {"warm_up": {**asked, "mirror": hook.mirror, "alpha": alpha}}


def _planned(gate: Gate) -> PlannedGate:
    traffic = isinstance(gate, READS_TRAFFIC)
    return PlannedGate(name=gate.name, observe=gate.mode is Mode.OBSERVE, traffic=traffic)


def refuse_or_events(
    plan: Plan,
    truth: Truth,
    *,
    alarms: Mapping[str, Say],
    record: Record,
    wish: Wish,
    spec: Spec,
    now: Instant,
    preconditions: Sequence[Objection] = (),
) -> tuple[Event, ...]:
    """
    The events that open the release.

    Raises `RefusedError` with every objection at once; nothing has moved.
    """
    reason = spec.gates.reason if isinstance(spec.gates, NoGates) else None
    found = objections(
        plan, truth, alarms, record, wish.waivers, no_gates=reason, preconditions=preconditions
    )
    if found:
        raise refused(found)
    waived = (
        (
            Event(
                type=EventType.COMMAND_RECEIVED,
                ts=now,
                verb="deploy",
                key="retry" if wish.waivers.retry else ",".join(wish.waivers.despite),
                actor=wish.actor,
                reason=wish.waivers.reason,
                message="opened by a person's word: "
                + ("the revision was rolled back before" if wish.waivers.retry else "a gate was failing"),
            ),
        )
        if wish.waivers.retry or wish.waivers.despite
        else ()
    )
    first = plan.on[0]
    return (
        Event(
            type=EventType.RELEASE_OPENED,
            ts=now,
            actor=wish.actor,
            message=f"{plan.service} {plan.stable or 'nothing'} -> {plan.candidate}, {plan.strategy}"
            + (f", no gate in force: {reason}" if reason else ""),
        ),
        Event(
            type=EventType.REVISION_RESOLVED,
            ts=now,
            key=str(plan.artifact.get("identity", "")),
            message=f"{plan.candidate} is {str(plan.artifact.get('identity', ''))[:12]}",
        ),
        *waived,
        Event(type=EventType.CANDIDATE_REQUESTED, ts=now, step=first.name, weight=first.world.weight),
    )


def refused(found: Sequence[Objection]) -> RefusedError:
    """All objections as one error; the first one gives the id."""
    first = found[0]
    rest = "; ".join(f"{other.id} {other.what} ({other.fix})" for other in found[1:])
    why = f"{first.why}; also: {rest}" if rest else first.why
    return RefusedError(first.id, first.what, why, first.fix)
