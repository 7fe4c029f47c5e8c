"""
What happens when something fails, one line each, with the figures of this very plan.

The lines say what `decide` and `turning` do; the exit codes are those of `deploy`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from crossfade.cli.render import words
from crossfade.release.plan import SETTLE, Kind, Plan, Proof
from crossfade.release.values import ALL
from crossfade.spec import OnInterrupt


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """One failure and its answer."""

    id: str
    """Stable, for programs."""
    when: str
    then: str
    exit_code: int | None = None
    """Of the `deploy` that drives the release; None: it does not end by this."""


def what_ifs(plan: Plan, on_interrupt: OnInterrupt) -> tuple[WhatIf, ...]:
    """All of them, in the order in which a release can meet them."""
    if plan.stable is None:
        return tuple(_first_release(plan))
    return (*_before_traffic(plan), *_judged(plan), *_hands(plan, on_interrupt), *_ends(plan))


def _first_release(plan: Plan) -> Iterator[WhatIf]:
    ready = words.duration(plan.on[0].within)
    yield WhatIf(
        id="not_ready",
        when=f"{plan.candidate} is not healthy within {ready}, or a hook fails",
        then=f"it is {plan.gone}; no request has reached it",
        exit_code=4,
    )
    yield WhatIf(
        id="first_traffic",
        when=f"{plan.candidate} fails once it takes traffic, or a hook behind that",
        then="it serves and pages: there is no revision to go back to",
        exit_code=6,
    )


def _before_traffic(plan: Plan) -> Iterator[WhatIf]:
    yield WhatIf(
        id="not_ready",
        when=f"{plan.candidate} is not healthy within {words.duration(plan.on[0].within)}",
        then=f"it is {plan.gone}; no user has met it",
        exit_code=4,
    )
    hook = words.duration(plan.limits.hook)
    yield WhatIf(
        id="hook",
        when=f"a hook fails, or takes longer than {hook}",
        then=f"back to {plan.stable}; before the first weight no user has met {plan.candidate}",
        exit_code=4,
    )


def _at_once(plan: Plan) -> str:
    """How traffic goes back: where the old side has shrunk, no faster than it grows again."""
    shrinks = any(step.world.stable < ALL for step in plan.on if not step.point_of_no_return)
    return f"back to {plan.stable} " + ("as fast as its instances come back" if shrinks else "at once")


def _judged(plan: Plan) -> Iterator[WhatIf]:
    home = f"back to {plan.stable}"
    stops = [gate.name for gate in plan.gates if not gate.observe]
    settle = words.duration(SETTLE)
    if stops:
        yield WhatIf(
            id="gate",
            when=f"{_listed(stops)} fails",
            then=f"{_at_once(plan)}; {plan.candidate} is {plan.gone} {settle} later, and not tried again "
            "without --retry",
            exit_code=4,
        )
    yield WhatIf(
        id="lost",
        when=f"no instance of {plan.candidate} is healthy any more",
        then=f"{home} at once",
        exit_code=4,
    )
    for name, most, patience in _unhealthy(plan):
        than = "one instance" if most == 0 else f"more than {most} instances"
        yield WhatIf(
            id="unhealthy",
            when=f"{than} of {plan.candidate} unhealthy for {patience}, or crashing",
            then=f"{name} fails: {home}" if name in stops else f"{name} reports it, nothing stops",
            exit_code=4 if name in stops else None,
        )
    if stops:
        yield _no_data(plan, home)
    if any(step.proof is Proof.PASSED for step in plan.on) and stops:
        yield _inconclusive(plan, home)


def _no_data(plan: Plan, home: str) -> WhatIf:
    limit = plan.limits.no_data + (plan.limits.hold if plan.limits.no_data_holds else timedelta())
    return WhatIf(
        id="no_data",
        when="a gate has no data",
        then=f"it goes no further; after {words.duration(limit)} {home}",
        exit_code=4,
    )


def _inconclusive(plan: Plan, home: str) -> WhatIf:
    longest = {step.max_bake for step in plan.on if step.proof is Proof.PASSED}
    bounds = sorted({words.duration(bake): bake for bake in longest}.items(), key=lambda pair: pair[1])
    most = " or ".join(text for text, _ in bounds[-1:])
    if plan.limits.inconclusive_holds:
        then = (
            f"the bake goes on for {most} at most, then a person decides within "
            f"{words.duration(plan.limits.hold)}, else {home}"
        )
    else:
        then = f"the bake goes on for {most} at most, then {home}"
    return WhatIf(id="inconclusive", when="a bake brought too little traffic to know", then=then, exit_code=4)


def _hands(plan: Plan, on_interrupt: OnInterrupt) -> Iterator[WhatIf]:
    home = f"back to {plan.stable}"
    yield WhatIf(id="abort", when="crossfade abort --reason TEXT", then=_at_once(plan), exit_code=5)
    if on_interrupt is OnInterrupt.ROLLBACK:
        yield WhatIf(
            id="interrupt",
            when="Ctrl-C or SIGTERM at deploy",
            then=f"{_at_once(plan)}; again within 5 s leaves that to the background (130)",
            exit_code=5,
        )
    else:
        yield WhatIf(
            id="interrupt",
            when="Ctrl-C or SIGTERM at deploy",
            then="the release stays as it is and nobody drives it: crossfade resume --reason TEXT",
            exit_code=130,
        )
    yield WhatIf(
        id="hand",
        when=f"a hand lowers {plan.candidate}'s weight",
        then=f"it is respected: {home}",
        exit_code=4,
    )
    yield WhatIf(
        id="controller",
        when="the controller dies",
        then="the weight stays as it is and nobody judges, until crossfade resume or abort; "
        "deadlines stand still",
    )
    if any(step.approval for step in plan.on):
        yield WhatIf(
            id="approval",
            when=f"nobody approves within {words.duration(plan.limits.hold)}",
            then=home,
            exit_code=4,
        )


def _ends(plan: Plan) -> Iterator[WhatIf]:
    rollback = words.duration(plan.back[0].within)
    yield WhatIf(
        id="deadline",
        when="a step is not reached by its deadline",
        then=f"back to {plan.stable}",
        exit_code=4,
    )
    yield WhatIf(
        id="stuck",
        when=f"the way back is not done within {rollback}",
        then="it pages and goes on trying",
        exit_code=6,
    )
    retiring = next((step for step in plan.on if step.kind is Kind.RETIRING), None)
    if retiring is not None:
        yield WhatIf(
            id="retiring",
            when=f"{plan.stable} cannot be {plan.gone} within {words.duration(retiring.within)}",
            then=f"it ends where {plan.candidate} surely has all traffic, else it pages",
        )


def _unhealthy(plan: Plan) -> Iterator[tuple[str, int, str]]:
    found = plan.judging.get("unhealthy")
    for name, asked in (found if isinstance(found, Mapping) else {}).items():
        yield name, int(asked["max"]), words.duration(float(asked["hold_for_s"]))


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
