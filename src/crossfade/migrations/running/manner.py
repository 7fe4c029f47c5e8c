"""
How a statement treats everybody else, and the patience that follows from it. Pure.

    brief     a strong lock, no work that grows with rows: waits a moment for it, else lets go and tries again
    online    work that grows with rows, and nobody waits for it: takes as long as it takes
    blocking  work that grows with rows while readers or writers wait: refused, unless a person takes it on
    rows      rows changed as many as there are, in one go: refused too; that is for a backfill

What a statement does is seen by running it on a throw-away copy of the schema (`survey.py`); where that
cannot be had, its words must do (`guess.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, assert_never

from crossfade.migrations.catalog import Relation
from crossfade.migrations.locks import Blocked, Step, strong

Manner = Literal["brief", "online", "blocking", "rows"]
_OF_ROWS: Final = frozenset({"update", "delete", "insert", "merge"})
SHORTEST: Final = timedelta(milliseconds=10)
"""PostgreSQL reads a lock_timeout of 0 as none at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long what may take."""

    lock: timedelta = timedelta(milliseconds=250)
    """Wait for a strong lock; everybody who comes behind waits as long (R39)."""
    brief: timedelta = timedelta(seconds=2)
    """A statement that should have no work to do; one that has is stopped."""
    online: timedelta = timedelta(hours=12)
    """An index build on the largest table; it disturbs nobody."""
    online_lock: timedelta = timedelta(minutes=30)
    """Such a statement waits for old transactions to end, and nobody waits behind it."""
    blocking: timedelta = timedelta(minutes=10)
    """What a person took on."""
    tries: int = 30
    budget: timedelta = timedelta(minutes=10)
    """Trying and waiting for one transaction, all together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """The time-outs of one statement."""

    lock: timedelta
    statement: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A statement's manner, and what it was judged by."""

    manner: Manner
    why: str = ""


def manner_of(
    step: Step, waiting: Blocked, tables: Mapping[int, Relation], indexes: Mapping[int, int]
) -> Judged:
    """The manner of a statement that was watched."""
    work = ", ".join(dict.fromkeys(f"{one.kind} of {one.table}" for one in step.work))
    if any(one.kind in _OF_ROWS for one in step.work):
        return Judged(manner="rows", why=work)
    if waiting.reads or waiting.writes:
        who = "readers and writers" if waiting.reads else "writers"
        return Judged(manner="blocking", why=f"{who} of {', '.join(waiting.tables)} wait during {work}")
    holds = strong(step.held, tables, indexes)
    alone = not step.transaction and not strong(step.taken, tables, indexes)
    if not holds and (step.work or (alone and step.held)):
        return Judged(manner="online", why=work)
    return Judged(manner="brief", why=", ".join(holds))


def patience(manner: Manner, limits: Limits, waited: timedelta) -> Patience:
    """
    The time-outs of the next statement of a transaction in which `waited` has passed already.

    A lock is kept to the end of its transaction, so all its brief statements share one wait.
    """
    left = max(limits.lock - waited, SHORTEST)
    match manner:
        case "brief":
            return Patience(lock=left, statement=limits.brief)
        case "online":
            return Patience(lock=limits.online_lock, statement=limits.online)
        case "blocking" | "rows":
            return Patience(lock=left, statement=limits.blocking)
        case _:
            assert_never(manner)
