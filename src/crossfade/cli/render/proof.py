"""A verdict on a migration: one JSON object, or what a person needs to know, worst first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from crossfade.migrations.locks import Blocked, Step
from crossfade.migrations.verdict import Counterexample, Verdict

_WIDTH: Final = 100
_SHOWN: Final = 5
_LABEL: Final = 27

_PHASES: Final = {
    "expand": "the old version runs on after it",
    "data": "only rows change, and the old version runs on",
    "contract": "the old version fails after it, the new one runs before it",
    "unsafe": "no order works: the old version fails after it, the new one before it",
}
_NEEDS: Final = {
    "migration_fails": "It does not go through, whatever the rows are. Mend it first.",
    "new_version_fails": "The new version's own statements fail after it.",
    "contract_gate": "Release the new version first; run this when nobody can go back to the old one.",
    "data_loss": "What it removes is gone for good: keep a copy, or leave it for later.",
    "data_check": "It fails on rows that are legal now: look for them in production first.",
    "lock_timeout": "SET lock_timeout = '2s' before it, and try again: everybody queues behind it.",
    "split": "Transactions of their own: a lock is kept while other work is done.",
    "no_transaction": "Run it outside a transaction, apart from other statements.",
    "invalid_index_check": "Look at pg_index.indisvalid afterwards: a build may leave an invalid index.",
    "invalid_index_left": "It leaves an invalid index: DROP INDEX CONCURRENTLY, and build it again.",
    "batch": "Change rows in batches by key, each in its own transaction, outside the release.",
    "reconnect": "Sessions that prepared before fail once: recycle the pools right after it.",
    "type_changed": "Results come back with another type: see that the old version takes it.",
    "old_tolerates_null": "The new version may write NULL where the old one never met it.",
    "old_tolerates_new_enum": "The old version may meet a label that it does not know.",
    "old_tolerates_wider_values": "The old version may meet values that were not allowed before.",
    "old_tolerates_new_columns": "SELECT * and RETURNING * bring a column more.",
    "old_insert_default_changes": "Rows that the old version inserts get another default from now on.",
}
_INSTEAD: Final = {
    "rewrite": "add a new column beside it, write both, fill it in batches, switch, drop the old one later",
    "scan": "ADD CONSTRAINT … NOT VALID first, VALIDATE CONSTRAINT in a transaction of its own",
    "index build": "CREATE INDEX CONCURRENTLY; a UNIQUE constraint then takes it with USING INDEX",
    "validation": "FOREIGN KEY … NOT VALID first, VALIDATE CONSTRAINT in a transaction of its own",
    "update": "add and fill in transactions of their own, the filling in batches by key",
    "delete": "delete in batches by key, each in its own transaction",
    "merge": "in batches by key, each in its own transaction",
    "insert": "copy in a transaction of its own, in batches",
}


def as_object(verdict: Verdict) -> dict[str, Any]:
    """The object that `migrate prove --json` prints."""
    return {
        "rollback_safe": verdict.rollback_safe,
        "phase": verdict.phase,
        "blocks_reads": verdict.blocks_reads,
        "blocks_writes": verdict.blocks_writes,
        "needs": list(verdict.needs),
        "counterexamples": [one.as_json() for one in verdict.counterexamples],
        "seconds": round(verdict.seconds, 3),
        "why": dict(verdict.why),
        "locks": [_lock(step, found) for step, found in _blocking(verdict)],
        "new_version": [one.as_json() for one in verdict.new_version],
        "not_proved": [
            {"statement": one.statement, "source": one.source, "why": one.why} for one in verdict.not_proved
        ],
        "proved": verdict.seen.proved,
        "notes": list(verdict.seen.notes),
        "server": verdict.seen.server,
    }


def _lock(step: Step, found: Blocked) -> dict[str, Any]:
    return {
        "line": step.line,
        "statement": step.statement,
        "reads": found.reads,
        "writes": found.writes,
        "tables": list(found.tables),
        "work": found.why,
    }


def as_text(verdict: Verdict) -> str:
    """The verdict in words: what is wrong, with values, and what to do instead."""
    return "\n".join(
        [
            *_headline(verdict),
            *_examples("Fails after the migration", verdict.counterexamples),
            *_examples("The new version fails after the migration", verdict.seen.new_fails_after),
            *_examples("The new version fails before the migration", verdict.new_before),
            *_locks(verdict),
            *_needs(verdict),
            *_not_proved(verdict),
            *_closing(verdict),
        ]
    )


def _headline(verdict: Verdict) -> Iterator[str]:
    word = {0: "SAFE", 4: "BLOCKED", 11: "CANNOT DECIDE"}[verdict.exit_code]
    if verdict.seen.migration_fails:
        yield f"{word}  the migration fails"
    elif verdict.phase is None and verdict.seen.new_fails_after:
        yield f"{word}  the new version fails after it; of the old one nobody knows"
    elif verdict.phase is None:
        yield f"{word}  statements of the old version could not be run, so nobody knows"
    else:
        yield f"{word}  {verdict.phase}: {_PHASES[verdict.phase]}"
    waiting = _who(reads=verdict.blocks_reads, writes=verdict.blocks_writes)
    if waiting:
        yield f"         {waiting} are kept waiting, the longer the more rows there are"


def _who(*, reads: bool, writes: bool) -> str:
    return " and ".join(word for word, so in (("readers", reads), ("writers", writes)) if so)


def _examples(title: str, found: tuple[Counterexample, ...]) -> Iterator[str]:
    if not found:
        return
    yield ""
    yield title
    for one in found[:_SHOWN]:
        yield f"  {_short(one.statement)}"
        values = ", ".join(f"${at} = {_value(value)}" for at, value in enumerate(one.values, 1))
        if values:
            yield f"    with    {values}"
        yield f"    before  {_short(one.before)}"
        yield f"    after   {_short(one.after)}"
        yield f"    {one.kind}: {_KINDS[one.kind]}"
    if len(found) > _SHOWN:
        yield f"  and {len(found) - _SHOWN} more: --json has all"


_KINDS: Final = {
    "observed": "it fails whatever the values are",
    "possible": "with these values, which the schema allows",
}


def _locks(verdict: Verdict) -> Iterator[str]:
    found = list(_blocking(verdict))
    if not found:
        return
    yield ""
    yield "Keeps others waiting"
    for step, blocked in found:
        who = " and ".join(
            word for word, so in (("readers", blocked.reads), ("writers", blocked.writes)) if so
        )
        yield f"  line {step.line}: {_short(step.statement)}"
        yield f"    {who} of {', '.join(blocked.tables)} wait for the {blocked.why}"
        for kind in dict.fromkeys(work.kind for work in step.work if work.kind in _INSTEAD):
            yield f"    instead: {_INSTEAD[kind]}"


def _blocking(verdict: Verdict) -> Iterator[tuple[Step, Blocked]]:
    if verdict.seen.migration_fails:
        return
    for step, found in zip(verdict.seen.steps, verdict.seen.blocked, strict=True):
        if found.reads or found.writes:
            yield step, found


def _needs(verdict: Verdict) -> Iterator[str]:
    if not verdict.needs:
        return
    yield ""
    yield "Needs"
    for need in verdict.needs:
        yield f"  {need:<{_LABEL}}{_NEEDS[need]}"
        if verdict.why.get(need) and need not in _PLAIN:
            yield f"  {'':<{_LABEL}}({_short(verdict.why[need])})"


_PLAIN: Final = frozenset({"split", "reconnect", "no_transaction", "invalid_index_check"})


def _not_proved(verdict: Verdict) -> Iterator[str]:
    if not verdict.not_proved:
        return
    yield ""
    yield "Not proved: planned or refused, never executed"
    for one in verdict.not_proved[:_SHOWN]:
        yield f"  {_short(one.statement)}"
        yield f"    {one.source}: {_short(one.why)}"
    if len(verdict.not_proved) > _SHOWN:
        yield f"  and {len(verdict.not_proved) - _SHOWN} more: --json has all"


def _closing(verdict: Verdict) -> Iterator[str]:
    yield ""
    seen = verdict.seen
    fare = "statement fares" if seen.proved == 1 else "statements fare"
    yield f"{seen.proved} {fare} the same; {seen.server}, {verdict.seconds:.1f} s"
    for note in seen.notes:
        yield f"note: {note}"


def _value(value: str | None) -> str:
    return "NULL" if value is None else repr(value if len(value) <= 40 else f"{value[:37]}... ({len(value)})")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..."
