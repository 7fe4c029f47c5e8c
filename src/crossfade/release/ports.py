"""What the heart's shell asks of the outside, as tiny protocols. Adapters point inward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from crossfade.release.plan import Footing, Plan
from crossfade.release.policy import Objection
from crossfade.release.state import State
from crossfade.release.values import Effect, HookResult, Instant, Truth, Verdict
from crossfade.spec import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """An immutable build: what people call it, what it really is, and what the platform needs to run it."""

    text: str
    identity: str
    artifact: Mapping[str, object]
    instances: int
    """How many of its instances carry the whole service."""


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> Instant:
        """The present instant, aware, UTC."""
        ...


class Look(Protocol):
    """One observation: the truth, and the fence that proves at write time that it still is."""

    @property
    def truth(self) -> Truth: ...

    @property
    def fence(self) -> object: ...


class Platform(Protocol):
    """One release's view of where it runs. Holds no state; a write is absolute, fenced, safe to repeat."""

    def observe(self, plan: Plan) -> Look:
        """Facts only; verdicts and hooks are added by the engine. Never raises: what fails is `Unknown`."""
        ...

    def perform(self, plan: Plan, effect: Effect, fence: object) -> None:
        """
        One write.

        Raises `PlatformError` where it did not happen or may not have; the next look tells.
        """
        ...


class Signals(Protocol):
    """Counts turned into verdicts about the step a release stands on."""

    def verdicts(self, plan: Plan, state: State, now: Instant) -> Sequence[Verdict]:
        """One verdict a gate of the present step. Never raises: what cannot be read says so (R24)."""
        ...


class Hooks(Protocol):
    """Runs hooks under their idempotency keys and remembers what came of them."""

    def start(self, plan: Plan, key: str) -> None: ...

    def results(self, release: str) -> Mapping[str, HookResult]: ...


class Preconditions(Protocol):
    """What must hold outside of traffic: the database runs with every version that may be needed."""

    def objections(self, plan: Plan) -> Sequence[Objection]:
        """Why this release may not open; asked before anything moves. Never raises."""
        ...

    def footing(self, plan: Plan) -> Footing | None:
        """What the database says now about going back to stable; None where it has no say. Never raises."""
        ...


class Ground(Protocol):
    """What opening a release asks of a platform, before there is a plan."""

    def settle_in(self, spec: Spec) -> None:
        """
        Create what the service needs before its first release: its listeners.

        Raises `PlatformError` or `RefusedError` where it cannot, naming who is in the way.
        """
        ...

    def serving(self, service: str) -> Revision | None:
        """The revision the platform trusts now; None before the first release."""
        ...

    def prepare(self, spec: Spec, text: str) -> Revision:
        """The immutable revision that this text means now (R35); raises `UsageError` where it means none."""
        ...

    def break_glass(self, plan: Plan) -> str:
        """The raw command that undoes the release without us (R46)."""
        ...
