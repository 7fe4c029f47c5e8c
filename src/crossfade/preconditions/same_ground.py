"""
Whether a kept proof is of exactly what would be proved now: then it is taken, and not made again. Pure.

A framework's command has the digest of its words only; what it was heard to do stands in the script.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from crossfade import __version__
from crossfade.migrations.lexer import Kind
from crossfade.migrations.running.ledger import SCHEMA as LEDGER

if TYPE_CHECKING:
    from crossfade.migrations.script import Statement
    from crossfade.preconditions.answers import Live
    from crossfade.preconditions.proving import Case
    from crossfade.spec.change_models import DualWrite

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400


def ground_of(case: Case, live: Live, dual_write: DualWrite | None) -> str:
    """A digest of the schema, the migration as it runs, the new version's statements, and who judges."""
    told: list[Any] = [
        __version__,
        live.version,
        _folded(live.statements),
        live.counted,
        [[unit.transaction, _folded(unit.statements)] for unit in case.script.units],
        case.script.explicit,
        repr(dual_write),
        None if case.new is None else case.new.digest,
        case.role,
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _folded(statements: Sequence[Statement]) -> list[str]:
    """White space and comments change nothing, nor that our ledger has a schema now."""
    told = ([token.text for token in one.tokens if token.kind is not Kind.COMMENT] for one in statements)
    return [" ".join(words) for words in told if words[1:3] != ["SCHEMA", LEDGER]]


def ago(at: str, now: datetime) -> str:
    """`12 min ago`, from an RFC 3339 time; a clock that went back says `just now`."""
    try:
        then = datetime.fromisoformat(at)
    except ValueError:
        return "before"
    seconds = (now - (then if then.tzinfo else then.replace(tzinfo=UTC))).total_seconds()
    for span, word in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= span:
            return f"{seconds // span:.0f} {word} ago"
    return "just now"
