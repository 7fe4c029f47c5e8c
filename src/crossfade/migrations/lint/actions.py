"""A migration's statements as what they do: one action a statement, one a clause of ALTER TABLE. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.migrations.lexer import Kind, Token
from crossfade.migrations.script import Script, Statement

TEXT: Final = "'…'"
"""A string, among words."""
_SKIPPED: Final = frozenset({"if", "not", "exists", "only", "concurrently"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that is done. `words` are lower case, strings are `TEXT`; `table` is what it is done to."""

    statement: Statement
    kind: str
    """The first words: `alter table`, `create index`, `update`."""
    words: tuple[str, ...]
    tokens: tuple[Token, ...]
    table: str
    at_place: int
    """Number of its statement in the migration."""
    unit: int
    """Number of its transaction; of a statement by itself a number of its own."""
    transaction: bool

    def has(self, *phrase: str) -> bool:
        """Whether these words stand in a row."""
        return self.at(*phrase) >= 0

    def at(self, *phrase: str) -> int:
        """Where they do; -1 where they do not."""
        width = len(phrase)
        ends = len(self.words) - width + 1
        return next((at for at in range(ends) if self.words[at : at + width] == phrase), -1)

    def begins(self, *phrase: str) -> bool:
        return self.words[: len(phrase)] == phrase

    def after(self, *phrase: str) -> str:
        """The name behind these words, as it is written; IF EXISTS and the like are passed over."""
        here = self.at(*phrase)
        if here < 0:
            return ""
        here += len(phrase)
        while here < len(self.words) and self.words[here] in _SKIPPED:
            here += 1
        return named_at(self.tokens, here)


def named_at(tokens: Sequence[Token], at: int) -> str:
    """A name with its schema, as it is written."""
    if at >= len(tokens):
        return ""
    parts = [tokens[at].text]
    while at + 2 < len(tokens) and tokens[at + 1].text == ".":
        parts.append(tokens[at + 2].text)
        at += 2
    return ".".join(parts)


def actions(script: Script) -> Iterator[Action]:
    """All actions of a migration, in order."""
    place = 0
    for number, unit in enumerate(script.units):
        for statement in unit.statements:
            place += 1
            yield from _of(statement, place, number, transaction=unit.transaction)


def _of(statement: Statement, place: int, unit: int, *, transaction: bool) -> Iterator[Action]:
    tokens = tuple(one for one in statement.tokens if one.kind is not Kind.COMMENT)
    words = words_of(tokens)
    kind = _kind(words)

    def made(part: tuple[Token, ...], table: str) -> Action:
        return Action(
            statement=statement,
            kind=kind,
            words=words_of(part),
            tokens=part,
            table=table,
            at_place=place,
            unit=unit,
            transaction=transaction,
        )

    if kind != "alter table":
        yield made(tokens, _table(kind, words, tokens))
        return
    begin = _name_begins(words, 2)
    table = named_at(tokens, begin)
    for clause in _clauses(tokens[begin + 2 * table.count(".") + 1 :]):
        yield made(clause, table)


def words_of(tokens: Sequence[Token]) -> tuple[str, ...]:
    return tuple(TEXT if one.kind is Kind.STRING else one.value for one in tokens)


def _kind(words: Sequence[str]) -> str:
    """`create index` whatever stands between: UNIQUE, OR REPLACE, MATERIALIZED."""
    if not words:
        return ""
    lead = words[0]
    if lead in {"create", "drop", "alter"}:
        passed = {"or", "replace", "unique", "temp", "temporary", "unlogged", "global", "local", "constraint"}
        rest = [one for one in words[1:6] if one not in passed]
        if rest[:1] == ["materialized"]:
            return f"{lead} materialized view"
        return f"{lead} {rest[0]}" if rest else lead
    return lead


def _name_begins(words: Sequence[str], at: int) -> int:
    while at < len(words) and words[at] in _SKIPPED:
        at += 1
    return at


def _table(kind: str, words: tuple[str, ...], tokens: tuple[Token, ...]) -> str:
    """The table that a statement is about, where it is about one."""
    lead, *rest = kind.split() or [""]
    if kind in {"create index", "create trigger", "create policy"} and "on" in words:
        return named_at(tokens, _name_begins(words, words.index("on") + 1))
    if lead in {"create", "drop", "alter"} and rest and rest[-1] in words:
        return named_at(tokens, _name_begins(words, words.index(rest[-1]) + 1))
    if kind in {"update", "truncate", "cluster", "lock"}:
        at = _name_begins(words, 1)
        return named_at(tokens, at + (at < len(words) and words[at] == "table"))
    if kind in {"delete", "insert"}:
        return named_at(tokens, _name_begins(words, 2))
    return ""


def _clauses(tokens: tuple[Token, ...]) -> Iterator[tuple[Token, ...]]:
    depth, begin = 0, 0
    for at, token in enumerate(tokens):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            yield tokens[begin:at]
            begin = at + 1
    yield tokens[begin:]
