"""The definition of a column, taken apart: its type, and each constraint that is written behind it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from crossfade.migrations.lexer import Kind, Token
from crossfade.migrations.lint.actions import words_of
from crossfade.migrations.lint.names import Name, name_at

_BEGIN: Final = frozenset(
    {"constraint", "not", "null", "default", "primary", "unique", "references", "check", "generated"}
)
_INSIDE: Final = frozenset({"constraint", "set", "default", "nulls", "not", "by"})
_TABLE_ONLY: Final = frozenset({"constraint", "check", "unique", "primary", "foreign", "exclude", "like"})
Rule = tuple[Token, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`kind`: its type, with arguments and collation; `rules`: what follows, one by one, with its name."""

    name: Name
    kind: tuple[Token, ...]
    rules: tuple[Rule, ...]

    def rule(self, *lead: str) -> Rule | None:
        """The rule that begins so, whatever it is called."""
        return next((one for one in self.rules if bare(one)[: len(lead)] == lead), None)

    @property
    def not_null(self) -> bool:
        return self.rule("not", "null") is not None or self.rule("primary") is not None

    @property
    def default(self) -> Rule | None:
        return self.rule("default")


def bare(rule: Rule) -> tuple[str, ...]:
    """The words of a rule without its name."""
    words = words_of(rule)
    return words[2:] if words[:1] == ("constraint",) else words


def column_of(tokens: Sequence[Token]) -> Column | None:
    """A column, as CREATE TABLE and ADD COLUMN define it; None for what is none."""
    name, at = name_at(tokens, 0)
    if not name.parts or at >= len(tokens):
        return None
    starts = list(_starts(tokens, at))
    rules = tuple(tuple(tokens[begin:end]) for begin, end in pairwise((*starts, len(tokens))))
    return Column(name=name, kind=tuple(tokens[at : starts[0] if starts else len(tokens)]), rules=rules)


def is_table_rule(tokens: Sequence[Token]) -> bool:
    """Whether a line of CREATE TABLE is a constraint, not a column."""
    return not tokens or (tokens[0].kind is Kind.WORD and tokens[0].value in _TABLE_ONLY)


def _starts(tokens: Sequence[Token], at: int) -> Iterator[int]:
    """Where rules begin. A name belongs to the rule behind it; SET NULL, BY DEFAULT begin none."""
    depth, named = 0, -1
    for here in range(at, len(tokens)):
        value, before = tokens[here].value, tokens[here - 1].value
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(tokens[here].text, 0)
        if depth or here in {at, named} or value not in _BEGIN or before in _INSIDE:
            continue
        if value == "constraint":
            named = here + 2
        if value == "not" and [one.value for one in tokens[here + 1 : here + 2]] != ["null"]:
            continue
        yield here
