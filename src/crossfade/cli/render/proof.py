"""A verdict on a migration as one JSON object, or as text for a person."""

from __future__ import annotations

from typing import Any

from crossfade.migrations.verdict import Verdict


def as_object(verdict: Verdict) -> dict[str, Any]:
    """The object that `migrate prove --json` prints."""
    return {
        "rollback_safe": verdict.rollback_safe,
        "phase": verdict.phase,
        "blocks_reads": verdict.blocks_reads,
        "blocks_writes": verdict.blocks_writes,
        "needs": list(verdict.needs),
        "counterexamples": [one.as_json() for one in verdict.counterexamples],
        "new_version": [one.as_json() for one in verdict.new_version],
        "not_proved": [
            {"statement": one.statement, "source": one.source, "why": one.why} for one in verdict.not_proved
        ],
        "why": dict(verdict.why),
        "proved": verdict.seen.proved,
        "notes": list(verdict.seen.notes),
        "server": verdict.seen.server,
        "seconds": round(verdict.seconds, 3),
    }


def as_text(verdict: Verdict) -> str:
    """A few lines."""
    return str(as_object(verdict))
