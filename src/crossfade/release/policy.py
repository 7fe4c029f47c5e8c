"""
May this release open at all? Asked once, before anything moves; a way back is never asked (R48).

All objections are given at once. Each can be answered: by waiting, by fixing, or by a
person's word that stays in the journal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crossfade.release.plan import Plan, Proof, Step
from crossfade.release.values import ALL, NOTHING, Known, Say, Share, Truth, Unknown

PRECONDITIONS = "migrations"
"""The word by which a person takes the database's objections upon themselves."""

HALF = Share(ALL // 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    id: str
    what: str
    why: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waivers:
    """What the person who opens a release has taken upon themselves, with a reason."""

    reason: str = ""
    despite: tuple[str, ...] = ()
    retry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the journal knows of the past."""

    endings: Mapping[str, str]
    """Revision of this service to how its last release ended."""
    first: Mapping[str, str] = field(default_factory=dict)
    """Service that is released before this one to how its last release ended."""


def objections(
    plan: Plan,
    truth: Truth,
    alarms: Mapping[str, Say],
    record: Record,
    waivers: Waivers,
    *,
    no_gates: str | None,
    preconditions: Sequence[Objection] = (),
) -> tuple[Objection, ...]:
    """
    Why this release may not open; empty when it may.

    `alarms` is what each gate that can speak before traffic says now (R18);
    `no_gates` is the reason written beside `gates: none`, if that is what the spec says (R26);
    `preconditions` is what speaks against it outside of traffic: the database (R37).
    """
    found = (
        _no_gate(plan, no_gates),
        _blind_first_step(plan, no_gates),
        *(_alarm(plan, gate, say, waivers) for gate, say in alarms.items()),
        _rolled_back_before(plan, record, waivers),
        *(_first_failed(plan, name, ended, waivers) for name, ended in record.first.items()),
        _foreign_rules(truth),
        _seat_taken(plan, truth),
        _stable_not_serving(plan, truth),
        *(() if PRECONDITIONS in waivers.despite and waivers.reason.strip() else preconditions),
    )
    return tuple(objection for objection in found if objection is not None)


def _no_gate(plan: Plan, no_gates: str | None) -> Objection | None:
    if no_gates is not None or any(not gate.observe for gate in plan.gates):
        return None
    return Objection(
        id="CF3026",
        what="no gate is in force",
        why="every gate only observes, so nothing could stop a bad release (R26)",
        fix='take `mode: observe` from one gate, or write `gates: {none: "REASON"}`',
    )


def _blind_first_step(plan: Plan, no_gates: str | None) -> Objection | None:
    """Where the first traffic step is most of it, a gate stands before it (R41)."""
    first = next((step for step in plan.on if step.world.weight > NOTHING), None)
    before: tuple[Step, ...] = tuple(step for step in plan.on if step.world.weight == NOTHING)
    in_force = {gate.name for gate in plan.gates if not gate.observe}
    guarded = any(step.hooks or in_force.intersection(step.gates) for step in before)
    if no_gates is not None or first is None or guarded:
        return None
    if first.world.weight <= HALF and first.proof is Proof.PASSED:
        return None
    return Objection(
        id="CF3041",
        what=f"nothing is checked before {plan.candidate} takes {first.world.weight / 10:g} % of traffic",
        why="the first traffic step is most of it and there is no hook and no alarm before it (R41)",
        fix="add hooks: {before_traffic: [{http: /}]}",
    )


def _alarm(plan: Plan, gate: str, say: Say, waivers: Waivers) -> Objection | None:
    observed = any(planned.name == gate and planned.observe for planned in plan.gates)
    waived = gate in waivers.despite and waivers.reason.strip()
    if say in (Say.PASS, Say.NOT_YET) or observed or waived:
        return None
    said = "is failing" if say is Say.FAIL else "cannot be read"
    return Objection(
        id="CF3018",
        what=f"gate {gate} {said} before the release has begun",
        why="a gate that already fails cannot tell whether the candidate is bad (R18)",
        fix=f"mend it, or: crossfade deploy --despite {gate} --reason TEXT",
    )


def _rolled_back_before(plan: Plan, record: Record, waivers: Waivers) -> Objection | None:
    if record.endings.get(plan.candidate) != "rolled_back" or (waivers.retry and waivers.reason.strip()):
        return None
    return Objection(
        id="CF3021",
        what=f"{plan.candidate} was rolled back before",
        why="the same revision is not tried again by itself (R21)",
        fix="crossfade deploy REVISION --retry --reason TEXT",
    )


def _first_failed(plan: Plan, name: str, ended: str, waivers: Waivers) -> Objection | None:
    """A train stops where one of its releases did not arrive."""
    if ended == "succeeded" or (name in waivers.despite and waivers.reason.strip()):
        return None
    return Objection(
        id="CF3051",
        what=f"{name} goes first, and its last release was {ended.replace('_', ' ')}",
        why=f"{plan.candidate} of {plan.service} may need what {name} does not have",
        fix=f"release {name} well first, or: crossfade deploy --despite {name} --reason TEXT",
    )


def _foreign_rules(truth: Truth) -> Objection | None:
    match truth.pair:
        case Known(True):
            return None
        case Unknown(why):
            return Objection(
                id="CF3006", what="the platform could not be read", why=why, fix="crossfade status"
            )
        case _:
            return Objection(
                id="CF3049",
                what="the rules do not name our two sides",
                why="another hand owns them; not one write is made (R49)",
                fix="crossfade status",
            )


def _seat_taken(plan: Plan, truth: Truth) -> Objection | None:
    match truth.seat:
        case Known(seat) if (
            seat.holder is None or seat.holder == plan.release or seat.holder in plan.inherits
        ):
            return None
        case Known(seat):
            return Objection(
                id="CF3013",
                what=f"the candidate's seat is held by {seat.holder}",
                why="we delete only what this service's own releases left (R13)",
                fix="crossfade status; crossfade abort --reason TEXT",
            )
        case Unknown(why):
            return Objection(
                id="CF3006", what="nobody knows who holds the seat", why=why, fix="crossfade status"
            )


def _stable_not_serving(plan: Plan, truth: Truth) -> Objection | None:
    """A release begins with a stable version that could take everything back (R03)."""
    if plan.stable is None:
        return None
    match truth.stable:
        case Known(fleet) if fleet.ready == NOTHING:
            return Objection(
                id="CF3003",
                what=f"{plan.stable} has no healthy instance",
                why="there would be no way back",
                fix="bring it back first: crossfade explain CF3003",
            )
        case _:
            return None
