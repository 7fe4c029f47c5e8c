"""What a migration does: an action is a statement, a clause of ALTER TABLE, a thing that is dropped. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from crossfade.migrations.lexer import Kind, Token
from crossfade.migrations.lint.names import NOBODY, Name, bracket_at, name_at, names_at, split_at_commas
from crossfade.migrations.script import Script, Statement

TEXT: Final = "'…'"
"""A string, among words."""
ROWS: Final = frozenset({"insert", "update", "delete", "merge"})
_PASSED: Final = frozenset(
    {"or", "replace", "unique", "temp", "temporary", "unlogged", "global", "local", "constraint", "recursive"}
)
_TWO_WORDS: Final = frozenset({"materialized", "foreign", "event", "access", "text", "default"})
_LISTED: Final = frozenset({"truncate", "lock"})
_ON_A_TABLE: Final = frozenset(
    {"create index", "create trigger", "create policy", "alter policy", "alter trigger"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that is done. `words` are lower case, strings are `TEXT`; `table` is what it is done to."""

    statement: Statement
    kind: str
    """The first words: `alter table`, `create index`, `update`."""
    words: tuple[str, ...]
    tokens: tuple[Token, ...]
    table: Name
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

    def has_any(self, *some: str) -> bool:
        return not set(some).isdisjoint(self.words)

    def after(self, *phrase: str) -> Name:
        """The name behind these words; IF EXISTS and the like are passed over."""
        here = self.at(*phrase)
        return NOBODY if here < 0 else name_at(self.tokens, here + len(phrase))[0]

    def column(self, verb: str) -> Name:
        """The column of `ADD [COLUMN] [IF NOT EXISTS] c`."""
        return self.after(verb, "column") if self.begins(verb, "column") else self.after(verb)

    def slice(self, begin: int, end: int | None = None) -> str:
        """Its words from one number to another, as they are written."""
        part = self.tokens[begin:end]
        return self.statement.text[part[0].start : part[-1].end] if part else ""

    @property
    def text(self) -> str:
        return self.slice(0)


def actions(script: Script) -> Iterator[Action]:
    """All actions of a migration, in order."""
    place = 0
    for number, unit in enumerate(script.units):
        for statement in unit.statements:
            place += 1
            tokens = tuple(one for one in statement.tokens if one.kind is not Kind.COMMENT)
            yield from _of(
                Action(
                    statement=statement,
                    kind="",
                    words=words_of(tokens),
                    tokens=tokens,
                    table=NOBODY,
                    at_place=place,
                    unit=number,
                    transaction=unit.transaction,
                )
            )


def _of(whole: Action) -> Iterator[Action]:
    """The actions of one statement, or of what stands in it."""
    whole = replace(whole, kind=_kind(whole.words))
    if whole.kind == "alter table" and not whole.begins("alter", "table", "all"):
        table, begin = name_at(whole.tokens, whole.at("table") + 1)
        begin += whole.words[begin : begin + 1] == ("*",)
        for clause in split_at_commas(whole.tokens[begin:]):
            yield _part(whole, clause, table=table)
    elif whole.kind == "with" or (whole.kind == "explain" and whole.has("analyze")):
        yield from _inside(whole)
    elif whole.kind.startswith("drop ") or whole.kind in _LISTED:
        for one in tuple(_listed(whole)) or (NOBODY,):
            yield replace(whole, table=one)
    else:
        yield replace(whole, table=_table(whole))


def _part(whole: Action, tokens: tuple[Token, ...], *, table: Name = NOBODY) -> Action:
    return replace(whole, tokens=tokens, words=words_of(tokens), table=table)


def _inside(whole: Action) -> Iterator[Action]:
    """What WITH and EXPLAIN ANALYZE run: each statement in brackets, and the one they stand before."""
    depth = 0
    for at, token in enumerate(whole.tokens):
        before = whole.words[at - 1] if at else ""
        if token.text == "(" and before in {"as", "materialized"}:
            body = bracket_at(whole.tokens, at)
            if body and body[0].value in ROWS | {"with", "select", "values"}:
                yield from _of(_part(whole, body))
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if at and depth == 0 and token.kind is Kind.WORD and token.value in ROWS | {"select", "create"}:
            yield from _of(_part(whole, whole.tokens[at:]))
            return


def words_of(tokens: Sequence[Token]) -> tuple[str, ...]:
    """Words as PostgreSQL reads them: a quoted name keeps its quotes, and so is no key word."""
    return tuple(map(_word, tokens))


def _word(token: Token) -> str:
    if token.kind is Kind.STRING:
        return TEXT
    return token.text if token.kind is Kind.QUOTED else token.value


def _kind(words: Sequence[str]) -> str:
    """`create index` whatever stands between: UNIQUE, OR REPLACE, TEMP."""
    if not words:
        return ""
    lead = words[0]
    if lead not in {"create", "drop", "alter"}:
        return lead
    rest = [one for one in words[1:8] if one not in _PASSED]
    width = 2 if rest[:1] and (rest[0] in _TWO_WORDS or rest[:2] == ["user", "mapping"]) else 1
    return " ".join((lead, *rest[:width]))


def _listed(whole: Action) -> Iterator[Name]:
    """All names of `DROP TABLE a, b` and `TRUNCATE a, b`."""
    last = whole.kind.split()[-1]
    begin = whole.words.index(last) + 1
    begin += whole.kind in _LISTED and whole.words[begin : begin + 1] == ("table",)
    yield from names_at(whole.tokens, begin)


def _table(action: Action) -> Name:
    """The thing that a statement is about."""
    kind, words, tokens = action.kind, action.words, action.tokens
    if kind in _ON_A_TABLE and "on" in words:
        return name_at(tokens, words.index("on") + 1)[0]
    if kind == "create rule" and "to" in words:
        return name_at(tokens, words.index("to") + 1)[0]
    last = kind.split()[-1] if kind else ""
    if " " in kind and last in words:
        return name_at(tokens, words.index(last) + 1)[0]
    if kind in {"update", "cluster"}:
        return name_at(tokens, 1)[0]
    if kind in {"delete", "insert", "merge"}:
        return name_at(tokens, 2)[0]
    return NOBODY
