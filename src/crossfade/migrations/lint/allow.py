"""
`-- crossfade: allow RULE REASON`: one rule is answered, beside its statement, and only with a reason. Pure.

On a line of its own it is about the statement or the clause that begins below, else about its own line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from crossfade.migrations.lexer import Kind, words

_ALLOW: Final = re.compile(r"crossfade:\s*allow\b\s*([\w-]*)\s*(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """A rule that is answered on `of_line`, by a comment on `line`; `above`: by one that stands above it."""

    rule: str
    reason: str
    line: int
    of_line: int
    above: bool


def allowed(sql: str) -> Iterator[Allowed]:
    """Every answer of a file."""
    tokens = list(words(sql))
    code = [one for one in tokens if one.kind is not Kind.COMMENT]
    for token in tokens:
        found = _ALLOW.match(token.value) if token.kind is Kind.COMMENT else None
        if found is None:
            continue
        line = _line(sql, token.start)
        behind = any(_line(sql, one.end - 1) == line and one.end <= token.start for one in code)
        below = next((_line(sql, one.start) for one in code if one.start >= token.end), 0)
        yield Allowed(
            rule=found.group(1).lower(),
            reason=found.group(2).strip(),
            line=line,
            of_line=line if behind else below,
            above=not behind,
        )


def _line(sql: str, at: int) -> int:
    return sql.count("\n", 0, at) + 1
