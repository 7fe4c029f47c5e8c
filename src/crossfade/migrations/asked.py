"""
What a version sends, as something that can be prepared. Pure.

A cursor is its query; COPY out is a SELECT, COPY in an INSERT of the same columns; PREPARE is what it
prepares; currval, which needs a statement before it, is the nextval of its sequence. What asks no table
anything (a transaction's bounds, channels, settings) is broken by no migration and left out; SET CONSTRAINTS
is, by one that renames a constraint it names. The verdict shows each statement as it was sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from crossfade.migrations.lexer import Kind, Token, meaningful
from crossfade.migrations.script import Statement

_NO_QUESTION: Final = frozenset(
    (
        *("begin", "start", "commit", "end", "abort", "rollback", "savepoint", "release"),
        *("listen", "unlisten", "notify", "set", "reset", "show", "discard", "checkpoint"),
        *("fetch", "move", "close", "deallocate", "execute"),
    )
)
_ANEW: Final = frozenset({"copy", "declare"})


def asked(statements: Sequence[Statement]) -> list[Statement]:
    """The statements that are tried, without what asks nothing."""
    return [_tried(one) for one in statements if not _asks_nothing(one)]


def names_constraints(tokens: Sequence[Token]) -> bool:
    """SET CONSTRAINTS with names, which may be gone; ALL of them never are."""
    lead = [one.value for one in tokens[:3] if one.kind is Kind.WORD]
    return lead[:2] == ["set", "constraints"] and lead[2:] != ["all"]


def _asks_nothing(statement: Statement) -> bool:
    return bool(_NO_QUESTION & set(statement.lead[:1])) and not names_constraints(statement.tokens)


def _tried(statement: Statement) -> Statement:
    text = next(_read(statement), None)
    if text is None:
        return statement
    anew = bool(_ANEW & set(statement.lead[:1]))
    return replace(statement, text=text, tokens=meaningful(text), sent=statement.text, anew=anew)


def _read(statement: Statement) -> Iterator[str]:
    tokens, lead = statement.tokens, statement.lead[:1]
    if lead == ("copy",):
        yield from _copied(statement)
    elif lead == ("declare",):
        at = _place(tokens, "for")
        if at is not None:
            yield statement.text[tokens[at].end :].strip()
    elif lead == ("prepare",) and "transaction" not in statement.lead[:2]:
        at = _place(tokens, "as")
        if at is not None:
            yield statement.text[tokens[at].end :].strip()
    elif any(map(_is_currval, tokens)):
        yield _with_nextval(statement)


def _is_currval(token: Token) -> bool:
    return token.kind is Kind.WORD and token.value == "currval"


def _with_nextval(statement: Statement) -> str:
    pieces, at = [], 0
    for token in filter(_is_currval, statement.tokens):
        pieces += [statement.text[at : token.start], "nextval"]
        at = token.end
    return "".join((*pieces, statement.text[at:]))


def _copied(statement: Statement) -> Iterator[str]:
    """COPY with its columns named, or of a query, or of a whole table outwards."""
    tokens, text = statement.tokens, statement.text
    if len(tokens) > 2 and tokens[1].text == "(":
        yield text[tokens[1].end : tokens[_closing(tokens, 1)].start].strip()
        return
    outwards, inwards = _place(tokens, "to"), _place(tokens, "from")
    at = outwards if inwards is None else inwards
    if at is None:
        return
    opening = next((place for place in range(1, at) if tokens[place].text == "("), None)
    table = text[tokens[1].start : tokens[(opening or at) - 1].end]
    columns = text[tokens[opening].end : tokens[_closing(tokens, opening)].start] if opening else ""
    if inwards is None:
        yield f"SELECT {columns or '*'} FROM {table}"
    elif opening:
        count = sum(one.text == "," for one in tokens[opening:at]) + 1
        numbers = ", ".join(f"${number}" for number in range(1, count + 1))
        yield f"INSERT INTO {table} ({columns}) VALUES ({numbers})"


def _place(tokens: Sequence[Token], word: str) -> int | None:
    """Where a word stands, outside of brackets."""
    depth = 0
    for at, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.value == word:
            return at
    return None


def _closing(tokens: Sequence[Token], opening: int) -> int:
    depth = 0
    for at in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[at].text, 0)
        if depth == 0:
            return at
    return len(tokens) - 1
