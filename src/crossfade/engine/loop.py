"""
The controller: our own loop, the embedded default that needs no server.

It wakes for releases that are due, hears the inbox within 50 ms, beats once a second,
and never exits on a store that is away: it says how long it has been blind, brings traffic
home where that is the one right thing (`emergency.py`), and tries again.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from crossfade.engine import processes
from crossfade.engine.clock import EngineClock, real_span
from crossfade.engine.emergency import Emergency, needs_home
from crossfade.engine.ports import Store
from crossfade.engine.records import Claim, Driver, Entry, LostLeaseError, StoreAwayError
from crossfade.engine.tick import LEASE, Ports, Wiring, tick
from crossfade.release.plan import Plan
from crossfade.release.state import State
from crossfade.release.values import EventType

HEAR = 0.05
"""Real seconds between two looks at the inbox of other processes, where looking is free."""

BEAT = 1.0
"""Real seconds between two heartbeats."""

RETRY = 0.5
"""Real seconds between two tries of a store that is away."""

BATCH = 64
"""Ticks in one round, so that entries are handed out and the stop is heard in between."""

OnEntry = Callable[[Entry], None]
OnNote = Callable[[str, Mapping[str, object]], None]


class Controller:
    """
    Drives the active releases of one store.

    `service` limits it to one service, which a store that is elsewhere asks for; `owner` names it in
    leases and in the journal.
    """

    def __init__(
        self,
        store: Store,
        wiring: Wiring,
        clock: EngineClock,
        owner: str | None = None,
        *,
        service: str | None = None,
        lease: timedelta = LEASE,
    ) -> None:
        if store.elsewhere and service is None:
            raise ValueError("a store that is elsewhere is driven one service at a time")
        self._store = store
        self._wiring = wiring
        self._clock = clock
        self.owner = owner or new_owner()
        self._service = service
        self._lease = lease
        self._hear = max(HEAR, store.pace)
        self._emergency = Emergency(store, clock)
        self._ports: dict[str, Ports] = {}
        self._known: dict[str, tuple[Plan, State]] = {}
        self._blind_since: float | None = None
        self._beaten = 0.0
        self._cursor = 0

    def blind_for(self) -> float:
        """Real seconds since the store last did as asked; 0 when it does."""
        since = self._blind_since
        return 0.0 if since is None else time.monotonic() - since

    def run(
        self,
        until: str | None = None,
        *,
        on_entry: OnEntry | None = None,
        on_note: OnNote | None = None,
        after: int | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """
        Ticks what is due until the release `until` has ended (None: for ever), or `stop` is set.

        `on_entry` gets each journal entry with `seq > after`, of `until` or of all, whoever
        wrote it; without `after` a release is told from its beginning, all releases from now.
        `on_note` gets (release, note) after each tick of ours. Never raises for a store that
        is away or a tick that breaks.
        """
        stop = stop or threading.Event()
        told = after
        if told is None:
            told = 0 if until is not None else self._store.last_seq(self._service)
        self._cursor = told
        try:
            while not stop.is_set():
                wait = self.round(on_note=on_note, stop=stop)
                if self._told(until, on_entry):
                    return
                stop.wait(wait)
            self._told(until, on_entry)
        finally:
            with contextlib.suppress(StoreAwayError):
                self._store.forget(self.owner)

    def round(self, *, on_note: OnNote | None = None, stop: threading.Event | None = None) -> float:
        """One round: what an emergency left, then all that is due; real seconds to wait before the next."""
        try:
            self._beat()
            self._emergency.merge()
            began = time.monotonic()
            for _ in range(BATCH):
                claim = self._due()
                if claim is None or (stop is not None and stop.is_set()):
                    break
                self._tick(claim, on_note)
                # Slow ticks are always due again: whoever is never heard of would be taken for gone.
                if time.monotonic() - began >= BEAT:
                    break
            wake = self._store.next_wake(self._service)
        except StoreAwayError as error:
            self._blind(error)
            return RETRY
        self._blind_since = None
        return self._hear if wake is None else min(self._hear, self._clock.sleep_seconds(wake))

    def _due(self) -> Claim | None:
        """A claim, asked for only where one may be had: an idle round writes nothing."""
        now = self._clock.now()
        wake = self._store.next_wake(self._service)
        if wake is None or wake > now:
            return None
        return self._store.claim_due(now, self.owner, real_span(self._clock, self._lease), self._service)

    def _tick(self, claim: Claim, on_note: OnNote | None) -> None:
        started = claim.release not in self._known
        self._known[claim.release] = (claim.plan, claim.state)
        try:
            ports = self._ports_of(claim.plan)
            done = tick(self._store, ports, self._clock, claim, started=started, lease=self._lease)
        except StoreAwayError:
            raise
        except LostLeaseError as error:
            self._note(on_note, claim.release, {"failed": [error.what]})
        except Exception as error:  # noqa: BLE001  # one release's broken adapter must not stop the others
            # The lease is left to run out: that is the pause before the next try.
            _say(f"release {claim.release}: a tick broke: {error!r}\n{traceback.format_exc()}")
            self._note(on_note, claim.release, {"failed": [repr(error)]})
        else:
            self._known[claim.release] = (claim.plan, done.claim.state)
            if done.claim.state.outcome is not None:
                self._known.pop(claim.release, None)
                self._ports.pop(claim.release, None)
            self._note(on_note, claim.release, done.note)

    def _ports_of(self, plan: Plan) -> Ports:
        """One set of adapters a release, for as long as it is ours to look at."""
        if plan.release not in self._ports:
            self._ports[plan.release] = self._wiring(plan)
        return self._ports[plan.release]

    def _note(self, on_note: OnNote | None, release: str, note: Mapping[str, object]) -> None:
        if on_note is not None and note:
            on_note(release, note)

    def _told(self, until: str | None, on_entry: OnEntry | None) -> bool:
        """Hands out new entries; True once the release waited for has ended and all of it is told."""
        try:
            ended = until is not None and self._store.row(until).outcome is not None
            if on_entry is not None and (ended or self._store.last_seq(self._service) > self._cursor):
                self._hand_out(until, on_entry)
        except StoreAwayError as error:
            self._blind(error)
            return False
        return ended

    def _hand_out(self, until: str | None, on_entry: OnEntry) -> None:
        newest = self._store.last_seq(self._service)
        while entries := self._store.entries(release=until, service=self._service, after=self._cursor):
            for entry in entries:
                on_entry(entry)
                self._cursor = entry.seq
        self._cursor = max(self._cursor, newest)

    def _beat(self) -> None:
        if time.monotonic() - self._beaten < BEAT:
            return
        pid = os.getpid()
        self._store.heartbeat(
            Driver(
                id=self.owner,
                pid=pid,
                host=processes.host(),
                service=self._service,
                heartbeat=datetime.fromtimestamp(time.time(), UTC),
                birth=processes.birth(pid),
            )
        )
        self._beaten = time.monotonic()

    def _blind(self, error: StoreAwayError) -> None:
        """The store is away: traffic home where a candidate has some, at once if nothing can be written."""
        if self._blind_since is None:
            self._blind_since = time.monotonic()
            for line in error.lines():
                _say(line)
        # What may pass by itself is waited for: whoever holds the file may be the one that drives.
        if error.busy and self.blind_for() <= self._lease.total_seconds():
            return
        for plan, state in tuple(self._known.values()):
            if needs_home(plan, state):
                reason = f"the journal could not be written: {error.id} {error.what}"
                try:
                    self._emergency.go_home(plan, self._ports_of(plan), reason)
                except Exception as broken:  # noqa: BLE001  # the other releases must get home too
                    self._emergency.say(plan, f"going home broke, trying again: {broken!r}")


def new_owner() -> str:
    """A name that no other controller has, and that tells where it runs."""
    return f"{processes.host()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def trace(entries: Sequence[Entry]) -> tuple[tuple[str, str | None, int | None], ...]:
    """What a release did, without times, numbers and `controller.*`: equal for equal releases (R33)."""
    lost = {EventType.CONTROLLER_STARTED, EventType.CONTROLLER_LOST}
    return tuple(
        (entry.event.type.value, entry.event.step, entry.event.weight)
        for entry in entries
        if entry.event.type not in lost
    )


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"crossfade: {text}\n")
        sys.stderr.flush()
