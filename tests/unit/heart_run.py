"""
A release in the simulated world, look by look: the engine in miniature, its deaths and its lost writes.

It hears, observes, decides, writes the journal, performs. It keeps no state but the journal: at every
tick the state is folded anew and compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from heart_world import T0, World, a_plan

from crossfade.release.decide import decide
from crossfade.release.hear import hear
from crossfade.release.plan import Plan
from crossfade.release.state import State, fold, opened
from crossfade.release.values import (
    NOTHING,
    Command,
    Decision,
    Effect,
    Event,
    EventType,
    Gap,
    Heard,
    Truth,
    Verb,
)


class CrashedError(Exception):
    """kill -9 of the controller."""


@dataclass(frozen=True)
class Tick:
    """One look, complete: what a rule is checked against."""

    plan: Plan
    before: State
    after: State
    truth: Truth
    honest: Truth
    now: datetime
    decision: Decision


Watch = Callable[[Tick], None]


class Run:
    """The engine in miniature. Its only memory is the journal."""

    def __init__(self, plan: Plan, world: World, watch: Watch | None = None) -> None:
        self.plan, self.world, self.watch = plan, world, watch
        first = plan.on[0]
        self.opening = opened(T0)
        self.journal: list[Event] = [
            Event(type=EventType.RELEASE_OPENED, ts=T0),
            Event(type=EventType.CANDIDATE_REQUESTED, ts=T0, step=first.name, weight=NOTHING),
        ]
        self.state = fold(plan, self.opening, self.journal)
        self.inbox: list[Command | Gap] = []
        self.looked = T0
        self.lose = self.double = 0
        self.delay: timedelta | None = None
        self.late: list[tuple[datetime, Effect]] = []
        self.points = 0
        self.crash_at: set[int] = set()
        """Numbers of the points (before journal, before each effect) at which the controller dies."""
        self.down = timedelta(seconds=7)

    @property
    def ended(self) -> bool:
        return self.state.outcome is not None

    def say(
        self, verb: Verb, *, step: str | None = None, reason: str = "because", actor: str = "ada"
    ) -> None:
        number = f"c{self.points}-{len(self.inbox)}"
        self.inbox.append(Command(id=number, verb=verb, actor=actor, reason=reason, step=step))

    def tick(self, seconds: float | None = None) -> None:
        """One look, after `seconds` or at the time the heart asked for."""
        try:
            self._tick(seconds)
        except CrashedError:
            # A new controller: nothing survives but the journal, the inbox and the world.
            self.world.now += self.down
            self.state = fold(self.plan, self.opening, self.journal)
            self.inbox.insert(0, Gap(seconds=(self.world.now - self.looked).total_seconds()))

    def _tick(self, seconds: float | None) -> None:
        if seconds is not None:
            self.world.now += timedelta(seconds=seconds)
        now = self.world.now
        self._perform_late(now)
        assert fold(self.plan, self.opening, self.journal) == self.state
        if self.ended:
            return
        heard: list[Event] = []
        before = self.state
        for message in self.inbox:
            answer = hear(self.plan, fold(self.plan, before, heard), message, now)
            heard.extend(answer.events if isinstance(answer, Heard) else (answer.event,))
        told = fold(self.plan, before, heard)
        # Heard before looked: a gap moves the window that the verdicts speak about.
        truth = self.world.observe(told)
        decision = decide(self.plan, told, truth, now)
        self._maybe_crash()
        self.inbox.clear()
        self.journal.extend((*heard, *decision.events))
        self.state = fold(self.plan, told, decision.events)
        self.looked = now
        if self.watch is not None:
            self.watch(
                Tick(
                    plan=self.plan,
                    before=told,
                    after=self.state,
                    truth=truth,
                    honest=self.world.honest(),
                    now=now,
                    decision=decision,
                )
            )
        for effect in decision.effects:
            self._maybe_crash()
            self._perform(effect, now)
        self._maybe_crash()
        if decision.wake_at is not None:
            self.world.now = decision.wake_at

    def _maybe_crash(self) -> None:
        self.points += 1
        if self.points in self.crash_at:
            raise CrashedError

    def _perform(self, effect: Effect, now: datetime) -> None:
        if self.lose > 0:
            self.lose -= 1
            return
        if self.delay is not None:
            self.late.append((now + self.delay, effect))
            self.delay = None
            return
        self.world.perform(effect)
        if self.double > 0:
            self.double -= 1
            self.world.perform(effect)

    def _perform_late(self, now: datetime) -> None:
        due, self.late = (
            [effect for at, effect in self.late if at <= now],
            [(at, effect) for at, effect in self.late if at > now],
        )
        for effect in due:
            self.world.perform(effect)

    def until(self, holds: Callable[[Run], bool], *, limit: int = 6000) -> Run:
        """Look on until this holds; fails where it does not within so many looks."""
        for _ in range(limit):
            if holds(self):
                return self
            self.tick()
        step = self.state.step(self.plan).name
        raise AssertionError(f"not within {limit} looks: at {step}, {self.state}, {self.world.honest()}")

    def at(self, step: str, *, reached: bool = True) -> Run:
        """Look on until the release stands on this step (and its world was reached)."""
        return self.until(
            lambda run: (
                run.state.step(run.plan).name == step and (not reached or run.state.reached is not None)
            )
        )

    def to_the_end(self, *, limit: int = 6000) -> Run:
        return self.until(lambda run: run.ended, limit=limit)

    def types(self) -> list[EventType]:
        return [event.type for event in self.journal]

    def trace(self) -> list[tuple[str, str | None, int | None]]:
        """What R33 calls a trace: type, step, weight; without times, numbers and `controller.*`."""
        return [
            (event.type.value, event.step, event.weight)
            for event in self.journal
            if not event.type.value.startswith("controller.")
        ]


def a_run(
    kind: str = "canary",
    *,
    instances: int = 2,
    rules: int = 2,
    leftover: bool = False,
    watch: Watch | None = None,
    **plan: Any,
) -> Run:
    made = a_plan(kind, instances=instances, **plan)
    return Run(made, World(made, instances=instances, rules=rules, leftover=leftover), watch)
