"""
The way back: whether, to what and how fast we could return now, and on what proof.

Computed from truth at every look, so that it is never a promise made earlier (R45);
where truth is not known the answer is `unknown`, which is better than wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from crossfade.release.plan import Footing, Plan
from crossfade.release.state import Outcome, Road, State
from crossfade.release.values import ALL, NOTHING, Known, Share, Truth, Unknown, sure


class Can(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    can: Can
    to: str | None
    how_fast: str | None
    """`in seconds` or `in minutes`."""
    why: str
    """The proof of a yes, or the reason of a no."""

    def line(self) -> str:
        """The one line shown in plan, status, explain, and before every promote, abort and contract."""
        match self.can:
            case Can.YES:
                return f"can go back: yes, to {self.to}, {self.how_fast} ({self.why})"
            case Can.NO:
                return f"can go back: no, because {self.why}"
            case Can.UNKNOWN:
                return f"can go back: unknown, because {self.why}"


def way_back(
    plan: Plan,
    state: State,
    truth: Truth,
    *,
    drill: str = "rollback: never rehearsed",
    footing: Footing | None = None,
) -> WayBack:
    """
    Whether this release could be undone right now.

    `drill` is what is on record about the last rehearsal for this service (R42); `footing` what the
    database says now, else what it said when the release opened.
    """
    found = _by_traffic(plan, state, truth, drill)
    ground = footing or plan.footing
    if ground is None or found.can is not Can.YES or state.road is Road.BACK:
        return found
    match ground.holds:
        case True:
            return replace(found, why=f"{found.why}; {ground.why}")
        case False:
            return _no(ground.why)
        case None:
            return _unknown(plan, ground.why)


def by_hand(revision: str, footing: Footing) -> WayBack:
    """To a version that runs nowhere any more, by releasing it again: whether the database carries it."""
    if footing.holds is None:
        return WayBack(can=Can.UNKNOWN, to=revision, how_fast=None, why=footing.why)
    if not footing.holds:
        return _no(footing.why)
    why = f"{revision} would be released again; {footing.why}"
    return WayBack(can=Can.YES, to=revision, how_fast="in minutes", why=why)


def _by_traffic(plan: Plan, state: State, truth: Truth, drill: str) -> WayBack:
    if state.outcome is Outcome.CLOSED:
        return _unknown(plan, "a person closed the release before it was proved which version serves")
    if state.outcome is Outcome.ROLLED_BACK or state.road is Road.BACK:
        return _already(plan, state, truth)
    if plan.stable is None:
        return _no(f"{plan.candidate} is the first release of {plan.service}: there is nothing to go back to")
    step = state.step(plan)
    if state.outcome is not None or step.point_of_no_return:
        return WayBack(
            can=Can.YES,
            to=plan.stable,
            how_fast="in minutes",
            why=f"{plan.stable} is {plan.gone} and would be {plan.again} and released again; {drill}",
        )
    if sure(truth.pair, lambda named: not named):
        return _no("the rules no longer name our two sides, so we would write nothing")
    match truth.pair, truth.stable:
        case Unknown(why), _:
            return _unknown(plan, why)
        case _, Unknown(why):
            return _unknown(plan, why)
        case _, Known(stable) if stable.ready >= plan.floor:
            return WayBack(
                can=Can.YES,
                to=plan.stable,
                how_fast="in seconds",
                why=f"{plan.stable} is warm at {_capacity(stable.ready)} capacity; {drill}",
            )
        case _, Known(stable) if stable.ready == NOTHING:
            return _no(f"no instance of {plan.stable} is healthy now")
        case _, Known(stable):
            ready = f"{stable.ready / 10:g} % of {plan.stable}'s capacity is healthy now, it grows first"
            return WayBack(can=Can.YES, to=plan.stable, how_fast="in minutes", why=f"{ready}; {drill}")


def _capacity(ready: Share) -> str:
    return "full" if ready >= ALL else f"{ready / 10:g} % of its"


def _already(plan: Plan, state: State, truth: Truth) -> WayBack:
    if plan.stable is None:
        return _no(f"{plan.candidate} was the first release of {plan.service}; it never took traffic")
    home = sure(truth.weights, lambda span: span.at(NOTHING))
    if state.outcome is None and sure(truth.pair, lambda named: not named):
        return _no("the rules no longer name our two sides, so we would write nothing")
    if state.outcome is None and sure(truth.stable, lambda stable: stable.ready == NOTHING):
        return _no(f"no instance of {plan.stable} is healthy now; it is waited for")
    if state.outcome is Outcome.ROLLED_BACK or home:
        return WayBack(can=Can.YES, to=plan.stable, how_fast="it is back", why=f"{plan.stable} never left")
    return WayBack(can=Can.YES, to=plan.stable, how_fast="going back now", why=f"turned back: {state.cause}")


def _no(why: str) -> WayBack:
    return WayBack(can=Can.NO, to=None, how_fast=None, why=why)


def _unknown(plan: Plan, why: str) -> WayBack:
    return WayBack(can=Can.UNKNOWN, to=plan.stable, how_fast=None, why=why)
