"""
What a migration's locks mean for everybody else. Pure.

A lock on an index counts as one on its table: planning opens every index. Blocking = work in proportion to
the rows of some table that was there before, while a lock is held that readers or writers of such a table
must wait for; row locks of an UPDATE or DELETE over the table are such locks for writers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from crossfade.migrations.catalog import Relation

READS: Final = frozenset({"AccessExclusiveLock"})
WRITES: Final = frozenset({"ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"})
_READ_ONLY: Final = frozenset("mv")  # nobody but a REFRESH writes to them
_SEQUENCE: Final = "S"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Work that grows with the rows of a table: rewrite, scan, index, copy, update."""

    table: str
    kind: str
    rows_locked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One statement as it ran: the locks held when it ended, those it took itself, its work."""

    line: int
    statement: str
    held: Mapping[int, frozenset[str]]
    taken: Mapping[int, frozenset[str]]
    work: tuple[Work, ...]
    lock_timeout: bool
    transaction: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Whom a step keeps waiting, on which tables, while it does what."""

    reads: bool = False
    writes: bool = False
    tables: tuple[str, ...] = ()
    why: str = ""


def weight(mode_set: Iterable[str], relation: Relation, *, index: bool) -> tuple[bool, bool]:
    """Whether (readers, writers) of the relation wait for these modes."""
    modes = set(mode_set)
    if index:
        # REINDEX holds ACCESS EXCLUSIVE on the index alone, and yet every query on its table waits.
        hard = bool(modes & READS)
        return hard, hard and relation.kind not in _READ_ONLY
    reads = bool(modes & READS) and relation.kind != _SEQUENCE
    return reads, bool(modes & WRITES) and relation.kind not in _READ_ONLY


def strong(
    held: Mapping[int, frozenset[str]], tables: Mapping[int, Relation], indexes: Mapping[int, int]
) -> dict[str, tuple[bool, bool]]:
    """By table that was there before: whether its readers, its writers wait for these locks."""
    found: dict[str, tuple[bool, bool]] = {}
    for oid, modes in held.items():
        table = tables.get(indexes.get(oid, oid))
        if table is None:
            continue
        reads, writes = weight(modes, table, index=oid in indexes)
        if reads or writes:
            before = found.get(table.name, (False, False))
            found[table.name] = (before[0] or reads, before[1] or writes)
    return found


def blocked(step: Step, tables: Mapping[int, Relation], indexes: Mapping[int, int]) -> Blocked:
    """Whom this step keeps waiting for as long as its work takes."""
    if not step.work:
        return Blocked()
    waiting = strong(step.held, tables, indexes)
    rows = [one.table for one in step.work if one.rows_locked]
    reads = any(read for read, _ in waiting.values())
    writes = any(write for _, write in waiting.values()) or bool(rows)
    work = ", ".join(dict.fromkeys(f"{one.kind} of {one.table}" for one in step.work))
    return Blocked(reads=reads, writes=writes, tables=tuple(dict.fromkeys([*waiting, *rows])), why=work)


def without_timeout(step: Step, tables: Mapping[int, Relation], indexes: Mapping[int, int]) -> bool:
    """Whether it waits for a strong lock with nothing to end the wait, and everybody behind it."""
    return not step.lock_timeout and bool(strong(step.taken, tables, indexes))
