"""
One release of `rollouts.py` each: which build, and the phase in which a person aborts it.

A `Hand` waits until the release stands where it is meant to, and speaks. `heard` says from the journal
whether it was heard there: between speaking and hearing a release goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from capacity import active
from rig import Shop

from crossfade.bootstrap import House
from crossfade.engine.opening import new_id
from crossfade.engine.records import Entry, Row
from crossfade.release.plan import Kind, Plan, Proof
from crossfade.release.roads import compile_roads
from crossfade.release.shape import shape_of
from crossfade.release.state import Road, State, fold, opened
from crossfade.release.values import Command, EventType, Verb
from crossfade.spec.load import load_spec

NEAR_S = 0.002
"""Pace of looking for the phase that an abort is meant for: some last for a few ticks."""

BAD = ("slow", "erroring", "crash-loop")
CAUSES = {
    "slow": ("gate latency",),
    "erroring": ("gate errors",),
    "crash-loop": ("gate unhealthy", "gate errors", "lost"),
}
"""A crash that is met by more requests than are repeated elsewhere is seen as errors first."""

VARIANTS = ("held back", "may be missing")
"""Strategies with a setting more: what differs is shown, not all again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One release: what is built, and where a person aborts it."""

    behaviour: str = "good"
    step: str | None = None
    reached: bool | None = None
    """Whether the step's world was reached when the person speaks; None: either."""
    kind: Kind | None = None

    def name(self) -> str:
        if self.step is None:
            return self.behaviour
        if self.kind is not Kind.SHIFTING:
            return f"abort in {self.step}"
        return f"abort in {self.step} while {'baking' if self.reached else 'shifting'}"

    def here(self, plan: Plan, state: State) -> bool:
        """Whether a release stands where this abort is meant for."""
        if state.road is not Road.ON or state.outcome is not None or state.step(plan).name != self.step:
            return False
        return self.reached is None or self.reached == (state.reached is not None)

    @property
    def wanted(self) -> tuple[str, tuple[str, ...], int]:
        """Outcome, causes (with the gate, where it was one), exit code."""
        if self.kind is Kind.RETIRING or (self.step is None and self.behaviour == "good"):
            return "succeeded", ("",), 0
        if self.step is not None:
            return "rolled_back", ("person",), 5
        return "rolled_back", CAUSES[self.behaviour], 4


class Hand(threading.Thread):
    """A person who aborts in one phase, once."""

    def __init__(self, shop: Shop, revision: str, case: Case) -> None:
        super().__init__(daemon=True, name=f"abort {revision}")
        self._revision, self._case = revision, case
        self._house = House(shop.state)
        self._over = threading.Event()
        self.sent = ""

    def run(self) -> None:
        while not self._over.wait(NEAR_S):
            row = active(self._house, self._revision)
            if row is not None and self._case.here(row.plan, row.state):
                self.sent = new_id()
                reason = f"the suite: {self._case.name()}"
                command = Command(id=self.sent, verb=Verb.ABORT, actor="suite", reason=reason)
                self._house.store.send(row.id, command, self._house.clock.now())
                return

    def close(self) -> None:
        self._over.set()
        self.join(10)
        self._house.store.close()


def cases(shop: Shop, strategy: str, *, short: bool) -> Iterator[Case]:
    """Which releases show this strategy; its phases are those of its own road."""
    spec = load_spec(shop.file)
    on, _ = compile_roads(
        shape_of(spec.strategy, shop.settings.instances), gates=(), deadlines=spec.deadlines
    )
    if short:
        yield from (Case(), Case(behaviour="erroring"))
        yield Case(step="50 %", kind=Kind.SHIFTING, reached=True)
        return
    yield Case()
    yield from (Case(behaviour=bad) for bad in BAD if "held back" not in strategy)
    for step in on:
        if any(word in strategy for word in VARIANTS) and step.kind not in (Kind.SHIFTING, Kind.KEEPING):
            continue
        if step.kind is Kind.SHIFTING:
            yield Case(step=step.name, kind=step.kind, reached=False)
        waits = step.proof is Proof.PASSED or step.kind is Kind.KEEPING
        yield Case(step=step.name, kind=step.kind, reached=True if waits else None)


def heard(row: Row, entries: Sequence[Entry], command: str, case: Case) -> bool:
    """Whether the abort reached the release in the phase it was meant for."""
    state = opened(entries[0].event.ts)
    for entry in entries:
        if entry.event.type is EventType.COMMAND_RECEIVED and entry.event.key == command:
            return case.here(row.plan, state)
        state = fold(row.plan, state, (entry.event,))
    return False
