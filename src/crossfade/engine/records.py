"""
What the store hands out and takes in: rows, claims, journal entries, answers to commands.

Plain values; `store.py` fills them, `tick.py` and the readers (status, watch, web) use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crossfade.errors import CrossfadeError
from crossfade.release.plan import Plan
from crossfade.release.state import Outcome, State
from crossfade.release.values import Event, Instant, Verb


class StoreError(CrossfadeError):
    """The store could not do as asked."""


class StoreAwayError(StoreError):
    """The store cannot be written or read now: disk full, read-only, locked by another process."""

    exit_code = 11

    def __init__(self, error_id: str, what: str, why: str = "", fix: str = "", *, busy: bool = False) -> None:
        super().__init__(error_id, what, why, fix)
        self.busy = busy
        """It may pass by itself: another process holds the file, or the network is away for a moment."""


class LostLeaseError(StoreError):
    """Another controller has this release now, or the lease ran out: nothing was written (R23)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One release as it stands. `outcome` is None while it is active; `wake_at` is then its next look."""

    id: str
    service: str
    plan: Plan
    state: State
    rev: int
    wake_at: Instant
    opened_at: Instant
    outcome: Outcome | None
    lease_owner: str | None
    lease_until: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to write one release until `until`; worthless as soon as `rev` or the owner changed."""

    release: str
    plan: Plan
    state: State
    rev: int
    owner: str
    until: Instant
    due: Instant
    """When this look was promised: much later than that is a gap in which nobody looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the journal, chained to the one before by its hash."""

    seq: int
    service: str
    release: str
    event: Event
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumed:
    """A command of the inbox that this tick has heard, and what came of it."""

    id: str
    why: str = ""
    """Why it was declined; empty where it was accepted."""
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What became of a command: not yet heard (`heard_at` None), accepted, or declined with why and fix."""

    id: str
    release: str
    verb: Verb
    sent_at: Instant
    heard_at: Instant | None
    accepted: bool
    why: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Counts of one closed interval, as the signals wrote them; `payload` is JSON."""

    start: Instant
    end: Instant
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRow:
    """One run of a hook; `passed` is None while it runs, or since its runner died."""

    key: str
    release: str
    runner: str
    pid: int
    birth: str
    started_at: Instant
    passed: bool | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A controller process; `service` is None where it drives all services of this store."""

    id: str
    pid: int
    host: str
    service: str | None
    heartbeat: Instant
    """Real time, whatever clock the releases run on."""
    birth: str = ""
    """When and where the process began: a pid alone may be another's by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One deploy that stands in line."""

    number: int
    """Lower came earlier."""
    service: str
    revision: str
    actor: str
    pid: int
    since: Instant
    """Real time."""
