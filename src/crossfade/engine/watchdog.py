"""
The dead man's switch: which releases nobody looks at any more, and who of several takes one over.

A controller that dies in mid-canary leaves its weight where it is, for ever. What tells that one is
gone is silence: no heartbeat, no look noted, no lease. The taking is one command in the release's
inbox under an id that all watchdogs would give it, so that of two only one takes it; from then on
the taker is a controller like any other, fenced like any other.

What is not through its gates is taken home. What was promoted and keeps the old version is adopted: it
has passed them all, and the taker judges on until the old one may go. A gate that fails, or is blind for
too long, turns it back as ever.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from crossfade.engine.clock import EngineClock
from crossfade.engine.moments import micros
from crossfade.engine.ports import Store
from crossfade.engine.records import Row
from crossfade.release.plan import Kind
from crossfade.release.state import Road
from crossfade.release.values import Command, Instant, Verb

GONE: Final = timedelta(seconds=60)
"""After so much silence, in real time, a controller is gone."""

LEAST: Final = timedelta(seconds=20)
"""Less is never taken for silence: a tick may be busy for a lease, and clocks differ."""

ACTOR: Final = "watchdog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """A release that has weight or instances, and nobody who looks."""

    row: Row
    since: Instant
    """The last sign of life, in real time; of a watchdog that took it and fell silent, when it did."""
    silent: timedelta
    last: str
    """Who gave it, for people."""

    @property
    def goes_on(self) -> bool:
        """Promoted, and paused by nobody: it is watched to its end. All else is turned back."""
        state = self.row.state
        kept = state.step(self.row.plan).kind is Kind.KEEPING
        return kept and state.road is Road.ON and state.paused is None

    @property
    def command(self) -> str:
        """The id under which it is taken: the same for all who see the same silence."""
        return _id(self.row.id, self.since)


def left_alone(store: Store, row: Row, clock: EngineClock, gone: timedelta = GONE) -> Alone | None:
    """
    What is known of this release's silence; None where somebody looks, or did until a moment ago.

    `gone` is real time, at least `LEAST`.
    """
    now = clock.now()
    if row.outcome is not None or store.drivers(row.service):
        return None
    if row.lease_until is not None and now < row.lease_until + store.margin:
        return None
    since, last = _sign_of_life(store, row, clock)
    # One that took it and died before it could look left a command and nothing else.
    while (taken := store.command_result(_id(row.id, since))) is not None:
        since, last = _real(clock, taken.sent_at), "a watchdog, which fell silent too"
    silent = _real(clock, now) - since
    if silent <= max(gone, LEAST):
        return None
    return Alone(row=row, since=since, silent=silent, last=last)


def take(store: Store, alone: Alone, clock: EngineClock) -> bool:
    """Asks the release to turn back, or adopts it; False where another watchdog was faster."""
    reason = f"no controller for {alone.silent.total_seconds():.0f} s; the last was {alone.last}"
    verb = Verb.RESUME if alone.goes_on else Verb.ABORT
    command = Command(id=alone.command, verb=verb, actor=ACTOR, reason=reason)
    return store.send(alone.row.id, command, clock.now())


def _sign_of_life(store: Store, row: Row, clock: EngineClock) -> tuple[Instant, str]:
    signs = [(_real(clock, row.opened_at), "whoever opened it")]
    driver = store.last_beat(row.service)
    looked = _looked(store, row)
    if looked is not None:
        signs.append((_real(clock, looked), "one that has said goodbye"))
    if driver is not None:
        signs.append((driver.heartbeat, f"process {driver.pid} on {driver.host}"))
    since = max(at for at, _ in signs)
    return since, signs[-1][1]


def _looked(store: Store, row: Row) -> Instant | None:
    """When the last tick looked, as its note says."""
    with contextlib.suppress(TypeError, ValueError):
        at = datetime.fromisoformat(str(store.notes(row.id).get("at")))
        return at if at.tzinfo is not None else None
    return None


def _real(clock: EngineClock, at: Instant) -> Instant:
    return datetime.fromtimestamp(clock.real(at), UTC)


def _id(release: str, since: Instant) -> str:
    return f"watchdog:{release}:{micros(since)}"
