"""
What the engine asks of a store, whichever it is: a file on this machine, or objects in a bucket.

`store.py` and `s3/` keep these promises, and one suite of contract tests asks both for them.
Tick, loop, hooks and the verbs know nothing else of where a release is written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from crossfade.engine.records import (
    Claim,
    CommandResult,
    Consumed,
    Driver,
    Entry,
    HookRow,
    Interval,
    Place,
    Row,
)
from crossfade.release.plan import Plan
from crossfade.release.state import State
from crossfade.release.values import Command, Event, Instant


class Line(Protocol):
    """Those who wait until a service is free: first come, first served."""

    def join(self, service: str, revision: str, actor: str) -> int:
        """A place at the end, for this process; its number."""
        ...

    def leave(self, service: str, number: int) -> None:
        """Gives the place back; nothing where it is gone."""
        ...

    def ahead(self, service: str, number: int | None = None) -> tuple[Place, ...]:
        """Who waits for this service before this place, or at all; the dead are taken out of the line."""
        ...


class Releases(Protocol):
    """Rows and the journal."""

    def open_release(self, plan: Plan, events: Sequence[Event], now: Instant) -> Row:
        """
        The row and its first journal entries, or neither; the plan lies in the first entry.

        `events` begins with `release.opened`. Raises `HeldError` (exit 8) naming the holder
        where the service has an active release (R22).
        """
        ...

    def record_refused(self, plan: Plan, event: Event) -> None:
        """A refused release leaves one entry, with the plan that was refused, and no row."""
        ...

    def services(self) -> tuple[str, ...]:
        """Every service that has ever had a release here."""
        ...

    def active(self, service: str) -> Row | None:
        """The release that holds the service, if one does."""
        ...

    def row(self, release: str) -> Row:
        """By id, or by an id's beginning where only one begins so; else `UsageError` CF5007."""
        ...

    def releases(self, service: str | None = None, limit: int = 50) -> tuple[Row, ...]:
        """Newest first."""
        ...

    def entries(
        self, release: str | None = None, service: str | None = None, after: int = 0, limit: int = 1000
    ) -> tuple[Entry, ...]:
        """Oldest first, those with `seq > after`; numbers are one chain's, so `after` is one service's."""
        ...

    def last_seq(self, service: str | None = None) -> int:
        """The number of the last entry of the journal that has this service's; 0 where there is none."""
        ...

    def head(self, service: str | None = None) -> str:
        """The hash of the last entry: with a copy kept elsewhere nobody rewrites the past unseen."""
        ...

    def verify(self) -> tuple[str, ...]:
        """What is wrong, in words; empty where chain and head hold and each state is its journal's fold."""
        ...

    def strays(self) -> tuple[str, ...]:
        """What was written and nobody names, since its writer died or came second: it counts for nothing."""
        ...


class Commands(Protocol):
    """What people and other programs say to a release."""

    def send(self, release: str, command: Command, now: Instant) -> bool:
        """
        Into the inbox, once per command id, and the release wakes now; False where it was known already.

        To a release that has ended it is declined at once; the journal keeps who asked (R44).
        """
        ...

    def inbox(self, release: str) -> tuple[Command, ...]:
        """The commands nobody has heard yet, in the order they came."""
        ...

    def command_result(self, command: str) -> CommandResult | None:
        """What became of a command; None where it was never sent."""
        ...


class Claims(Protocol):
    """One tick's right to write, and its write."""

    @property
    def margin(self) -> timedelta:
        """How long after its end another's lease is still left alone: as far as two clocks may differ."""
        ...

    def next_wake(self, service: str | None = None) -> Instant | None:
        """When the next release wants a look that a controller could take; None where none does."""
        ...

    def claim_due(
        self, now: Instant, owner: str, lease: timedelta, service: str | None = None
    ) -> Claim | None:
        """The longest-waiting release that is due and free, leased to `owner`; None where there is none."""
        ...

    def claim(self, release: str, now: Instant, owner: str, lease: timedelta) -> Claim | None:
        """One release, due or not; None where another holds it, or it has ended."""
        ...

    def check(self, claim: Claim, now: Instant) -> None:
        """Raises `LostLeaseError` where the claim is no longer good: asked right before each effect."""
        ...

    def extend(self, claim: Claim, now: Instant, lease: timedelta) -> Claim:
        """The same claim for longer; raises `LostLeaseError` where it is no longer good."""
        ...

    def save(
        self,
        claim: Claim,
        state: State,
        events: Sequence[Event],
        consumed: Sequence[Consumed],
        wake_at: Instant | None,
        *,
        now: Instant,
        note: Mapping[str, object] | None = None,
        done: bool = False,
    ) -> Claim:
        """
        State, journal, consumed commands and the live note, or none of it; `done` gives the lease back.

        A command that landed meanwhile makes the next look due now; one that finds the
        release ended is answered here. Raises `LostLeaseError`: then nothing was written.
        """
        ...

    def release_claim(self, claim: Claim) -> None:
        """Gives the lease back; nothing where it was lost."""
        ...


class Beside(Protocol):
    """What moves no release by itself: counts, live notes, hook runs, controllers."""

    def add_intervals(self, release: str, kind: str, intervals: Sequence[Interval]) -> None:
        """Closed intervals of counts of one kind; one with the same start replaces."""
        ...

    def intervals(
        self, release: str, kind: str | None = None, after: Instant | None = None
    ) -> tuple[Interval, ...]:
        """Oldest first, those that start at `after` or later."""
        ...

    def note(self, release: str, payload: Mapping[str, object]) -> None:
        """The latest live evidence: overwrites the one before, moves nothing, is no journal entry."""
        ...

    def notes(self, release: str) -> Mapping[str, object]:
        """The latest note; empty where there is none."""
        ...

    def hook_started(
        self, release: str, key: str, *, runner: str, pid: int, birth: str, now: Instant
    ) -> None:
        """A hook runs under its key, again where its runner died; one that has a result keeps it."""
        ...

    def hook_finished(self, key: str, runner: str, *, passed: bool, text: str) -> None:
        """The result of the present run; one of a run that was replaced is left aside."""
        ...

    def hook_results(self, release: str) -> tuple[HookRow, ...]:
        """All runs of this release's hooks, by start."""
        ...

    def heartbeat(self, driver: Driver) -> None:
        """A controller lives."""
        ...

    def forget(self, driver: str) -> None:
        """A controller has left in good order."""
        ...

    def drivers(self, service: str | None = None) -> tuple[Driver, ...]:
        """
        Controllers that live and look, latest heartbeat first.

        Where our pids mean something the process is looked for, and one that has not been heard of for
        longer than any tick takes is frozen; of another place the heartbeat alone counts.
        """
        ...

    def last_beat(self, service: str) -> Driver | None:
        """The controller that was heard of last, alive or not; None where each has left in good order."""
        ...


class Drawer(Protocol):
    """Texts that are kept with the releases: shapes of versions, proofs. Names are paths of plain words."""

    def keep(self, name: str, text: str) -> None:
        """Write or replace one; readers see the whole of it, or the one before."""
        ...

    def kept(self, name: str) -> str | None:
        """One text; None where there is none."""
        ...

    def names(self, prefix: str = "") -> tuple[str, ...]:
        """Names that begin so, sorted."""
        ...


class Store(Releases, Commands, Claims, Beside, Protocol):
    """All of it, and where it is."""

    @property
    def drawer(self) -> Drawer:
        """What is kept beside the journal."""
        ...

    @property
    def name(self) -> str:
        """What people call it, and what tells it from any other store: its path, or its URL."""
        ...

    @property
    def folder(self) -> Path:
        """Where this machine keeps what it logs; it need not exist."""
        ...

    @property
    def elsewhere(self) -> bool:
        """Whether it is off this machine: each look costs, and each controller keeps to one service."""
        ...

    @property
    def pace(self) -> float:
        """Real seconds between two looks that are worth what they cost; 0 where looking is free."""
        ...

    @property
    def line(self) -> Line: ...

    def prove_writable(self) -> None:
        """Before anything is begun: raises `RefusedError` or `AccessError` where nothing can be written."""
        ...

    def close(self) -> None:
        """Lets go of it; whatever was written stays."""
        ...
