"""
How a statement probably treats everybody else, by its words alone. Pure, and careful.

Only for where it cannot be watched. WHAT IS NOT KNOWN TO BE QUICK IS NOT CALLED SLOW: a statement without a
rule is brief, and the time-out of a brief statement stops it where that was wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.migrations.lexer import Kind
from crossfade.migrations.running.manner import Judged, Manner
from crossfade.migrations.script import Statement

_OF_ROWS: Final = frozenset({"update", "delete", "merge"})
_REWRITES: Final = (("type",), ("set", "logged"), ("set", "unlogged"), ("set", "tablespace"))
_SCANS: Final = (("set", "not", "null"), ("attach", "partition"))
_CHECKED: Final = frozenset({"check", "foreign", "references", "unique", "primary", "exclude"})
_QUICK: Final = (("not", "valid"), ("using", "index"))
_COMPUTED: Final = (("generated", "always", "as", "("), ("serial",), ("bigserial",), ("smallserial",))


def guesses(statements: Sequence[Statement]) -> tuple[Judged, ...]:
    """The manner of each; what is done to a table made by an earlier one keeps nobody waiting."""
    made: set[str] = set()
    found = []
    for one in statements:
        words = _words(one)
        found.append(Judged(manner="brief") if _named(words) & made else _guess(words))
        if words[:1] == ["create"] and "table" in words[:4]:
            made |= _named(words)
    return tuple(found)


def _guess(words: Sequence[str]) -> Judged:
    lead = next(iter(words), "")
    if lead in _OF_ROWS or (lead == "insert" and "select" in words):
        return _of_rows(lead, words)
    manner, why = "brief", ""
    if "concurrently" in words:
        manner, why = "online", "CONCURRENTLY"
    elif lead in {"vacuum", "analyze"} and "full" not in words:
        manner, why = "online", lead.upper()
    elif _has(words, ("validate", "constraint")) and lead == "alter":
        manner, why = "online", "VALIDATE CONSTRAINT"
    elif lead in {"vacuum", "cluster", "reindex"} or (lead == "refresh"):
        manner, why = "blocking", f"{lead.upper()} works through the table under a strong lock"
    elif lead == "create" and "index" in words[:3]:
        manner, why = "blocking", "an index is built while writers wait; CONCURRENTLY keeps nobody waiting"
    elif words[:2] == ["alter", "table"]:
        why = _of_alter(words)
        manner = "blocking" if why else "brief"
    return Judged(manner=_as_manner(manner), why=why)


def _as_manner(word: str) -> Manner:
    return "online" if word == "online" else "blocking" if word == "blocking" else "brief"


def _of_rows(lead: str, words: Sequence[str]) -> Judged:
    if lead != "insert" and "where" in words and "=" in words and "select" not in words:
        return Judged(manner="brief", why="a WHERE that may name single rows")
    return Judged(manner="rows", why=f"{lead.upper()} of as many rows as there are")


def _of_alter(words: Sequence[str]) -> str:
    if any(_has(words, one) for one in _REWRITES) and ("alter" in words[2:] or "set" in words):
        return "the table may be written anew while everybody waits"
    if any(_has(words, one) for one in _SCANS):
        return "the table is read through while everybody waits"
    if any(_has(words, one) for one in _COMPUTED) and "add" in words:
        return "every row is written anew while everybody waits"
    checked = _CHECKED & set(words) and "add" in words
    if checked and not any(_has(words, one) for one in _QUICK):
        return "existing rows are checked, or an index built, while others wait"
    return ""


def _has(words: Sequence[str], phrase: Sequence[str]) -> bool:
    width = len(phrase)
    return any(tuple(words[at : at + width]) == tuple(phrase) for at in range(len(words) - width + 1))


def _words(statement: Statement) -> list[str]:
    return [token.value for token in statement.tokens if token.kind is not Kind.STRING]


def _named(words: Sequence[str]) -> set[str]:
    """The table that CREATE TABLE, ALTER TABLE or CREATE INDEX … ON names."""
    skip = {
        "if",
        "not",
        "exists",
        "only",
        "unlogged",
        "temporary",
        "temp",
        "create",
        "alter",
        "table",
        "unique",
    }
    rest = list(words)
    if words[:1] == ["create"] and "index" in words[:3] and "on" in words:
        rest = list(words[words.index("on") + 1 :])
    elif not (words[:2] == ["alter", "table"] or (words[:1] == ["create"] and "table" in words[:4])):
        return set()
    while rest and rest[0] in skip:
        rest.pop(0)
    while len(rest) > 2 and rest[1] == ".":
        rest = rest[2:]
    return set(rest[:1])
