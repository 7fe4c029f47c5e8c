"""
From what was seen to what is said. Pure.

The 2x2 of {old, new} x {before, after} is the phase: the old version runs after the migration: `expand`
(`data` where only rows changed); it fails, but the new one runs before: `contract`, for when nobody can go
back to the old one; both fail: `unsafe`, no order works. Locks do not enter the phase: a migration can be an
expand and still stop the service. What was planned but not executed never counts as proved: then nobody says
"safe".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from crossfade.migrations.locks import Blocked, Step

Phase = Literal["expand", "contract", "unsafe", "data"]

NEEDS: Final = (
    "migration_fails",
    "new_version_fails",
    "contract_gate",
    "data_loss",
    "data_check",
    "lock_timeout",
    "split",
    "no_transaction",
    "invalid_index_check",
    "invalid_index_left",
    "batch",
    "reconnect",
    "type_changed",
    "old_tolerates_null",
    "old_tolerates_new_enum",
    "old_tolerates_wider_values",
    "old_tolerates_new_columns",
    "old_insert_default_changes",
)
_ROWS: Final = frozenset({"update", "delete", "insert", "merge"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """A statement that fares otherwise after. `observed`: whatever the values; `possible`: with these."""

    statement: str
    source: str
    values: tuple[str | None, ...]
    before: str
    after: str
    kind: Literal["observed", "possible"]
    wrong: str
    beyond: tuple[str, ...] = ()
    """What every failing run has that no recorded one had; empty where there is none, or nobody recorded."""

    def as_json(self) -> dict[str, Any]:
        return {
            "statement": self.statement,
            "values": list(self.values),
            "before": self.before,
            "after": self.after,
            "kind": self.kind,
            "wrong": self.wrong,
            "source": self.source,
            "beyond": list(self.beyond),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproved:
    """A statement that was not executed, and why."""

    statement: str
    source: str
    why: str
    by_new: bool = False
    """Sent by the new version alone: it says nothing about the way back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything the verdict follows from."""

    server: str
    migration_fails: str = ""
    together_only: bool = False  # it fails in one transaction and not statement by statement
    refused_in_transaction: bool = False
    outside: bool = False
    data_failure: str = ""
    steps: tuple[Step, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    apart: tuple[Blocked, ...] | None = None  # each statement by itself
    untimed: tuple[str, ...] = ()
    concurrent: bool = False
    invalid_left: tuple[str, ...] = ()
    schema_changed: bool = True
    wrote: bool = False
    lost: tuple[str, ...] = ()
    old_wrong: tuple[Counterexample, ...] = ()
    new_fails_after: tuple[Counterexample, ...] = ()
    new_fails_before: tuple[Counterexample, ...] = ()
    more_columns: bool = False
    types_changed: bool = False
    default_changed: bool = False
    reconnect: bool = False
    loosened: frozenset[str] = frozenset()
    unproved: tuple[Unproved, ...] = ()
    proved: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is said. `rollback_safe` and `phase` are None where nobody can tell."""

    rollback_safe: bool | None
    phase: Phase | None
    blocks_reads: bool
    blocks_writes: bool
    needs: tuple[str, ...]
    counterexamples: tuple[Counterexample, ...]
    new_version: tuple[Counterexample, ...]
    not_proved: tuple[Unproved, ...]
    seen: Seen
    seconds: float = 0.0
    why: Mapping[str, str] = field(default_factory=dict)

    @property
    def new_before(self) -> tuple[Counterexample, ...]:
        """Of the new version, what fails before the migration."""
        return _needs_it_first(self.seen)

    @property
    def exit_code(self) -> int:
        """0 safe, 4 blocked, 11 cannot decide."""
        broken = {"migration_fails", "new_version_fails"} & set(self.needs)
        if self.rollback_safe is False or self.blocks_reads or self.blocks_writes or broken:
            return 4
        return 11 if self.rollback_safe is None else 0


def judge(seen: Seen, seconds: float = 0.0) -> Verdict:
    """The verdict."""
    failed = bool(seen.migration_fails)
    phase = _phase(seen)
    undecided = phase in {"expand", "data"} and not all(one.by_new for one in seen.unproved)
    why = _why(seen, phase)
    return Verdict(
        rollback_safe=None if undecided else phase in {"expand", "data"},
        phase=None if undecided else phase,
        blocks_reads=not failed and any(one.reads for one in seen.blocked),
        blocks_writes=not failed and any(one.writes for one in seen.blocked),
        needs=tuple(one for one in NEEDS if one in why),
        counterexamples=seen.old_wrong,
        new_version=(*seen.new_fails_after, *_needs_it_first(seen)),
        not_proved=seen.unproved,
        seen=seen,
        seconds=seconds,
        why=why,
    )


def _needs_it_first(seen: Seen) -> tuple[Counterexample, ...]:
    """What the new version cannot do before the migration: told where the old one cannot follow it."""
    return seen.new_fails_before if seen.old_wrong else ()


def _phase(seen: Seen) -> Phase:
    if seen.migration_fails:
        return "unsafe"
    if seen.old_wrong:
        return "unsafe" if seen.new_fails_before or seen.new_fails_after else "contract"
    return "data" if seen.wrote and not seen.schema_changed else "expand"


def _why(seen: Seen, phase: Phase) -> dict[str, str]:
    """Each need that holds, and in a few words why."""
    if seen.migration_fails:
        found = {"migration_fails": seen.migration_fails}
        if seen.refused_in_transaction:
            found["no_transaction"] = seen.migration_fails
        if seen.together_only:
            found["split"] = "statement by statement it goes through"
        if seen.invalid_left:
            found["invalid_index_left"] = ", ".join(seen.invalid_left)
        return found
    old_stays = phase in {"expand", "data"}
    batch = [f"{one.kind} of {one.table}" for step in seen.steps for one in step.work if one.kind in _ROWS]
    holds: Sequence[tuple[str, bool, str]] = (
        ("new_version_fails", bool(seen.new_fails_after), _first(seen.new_fails_after)),
        ("contract_gate", phase == "contract", _first(seen.old_wrong)),
        ("data_loss", bool(seen.lost), ", ".join(seen.lost)),
        ("data_check", bool(seen.data_failure), seen.data_failure),
        ("lock_timeout", bool(seen.untimed), "; ".join(seen.untimed)),
        ("split", _split(seen), "run apart, they keep fewer waiting"),
        ("no_transaction", seen.outside, "PostgreSQL refuses it inside a transaction"),
        ("invalid_index_check", seen.concurrent, "built concurrently"),
        ("invalid_index_left", bool(seen.invalid_left), ", ".join(seen.invalid_left)),
        ("batch", bool(batch), ", ".join(dict.fromkeys(batch))),
        ("reconnect", seen.reconnect, "a statement prepared before fails until it is prepared again"),
        ("type_changed", old_stays and seen.types_changed, "a result has another type"),
        ("old_tolerates_new_columns", old_stays and seen.more_columns, "a result has more columns"),
        (
            "old_insert_default_changes",
            old_stays and seen.default_changed,
            "a row written gets another default",
        ),
    )
    found = {need: why for need, so, why in holds if so}
    if old_stays:
        found |= dict.fromkeys(seen.loosened, "the new version may write what was not allowed before")
    return found


def _split(seen: Seen) -> bool:
    if seen.apart is None:
        return False
    return any(
        (one.reads and not alone.reads) or (one.writes and not alone.writes)
        for one, alone in zip(seen.blocked, seen.apart, strict=True)
    )


def _first(found: Sequence[Counterexample]) -> str:
    return found[0].after if found else ""
