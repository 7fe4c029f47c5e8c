"""
Values out of a statement's text: what a client wrote into it becomes `$1`, with the value as a sample.

A string becomes a parameter without a type, as PostgreSQL reads a string; a number becomes one of the type
that PostgreSQL gives the number, so nothing is resolved in another way than before. What is no value stays:
`interval '1 day'`, `varchar(10)`, `ORDER BY 1`, the bodies of functions; and what names a part of the schema:
`nextval('tickets')`, `'orders'::regclass`. Whether a statement is the same
afterwards is not believed but asked (`checked.py`). Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from crossfade.migrations.lexer import Kind, Token, UnreadableError, words

_REMEMBERED: Final = 256
_INT4: Final = 2**31
_INT8: Final = 2**63
_VALUE_WORDS: Final = """
    select and or not in like ilike to when then else between values returning escape limit offset from
    where on having by case set distinct all any some is symmetric default using for return similar
"""
_BEFORE_A_VALUE: Final = frozenset(_VALUE_WORDS.split())
"""Words that a string may follow as a value; after any other word it is a value of the type of that name."""
_TAKE_NAMES: Final = frozenset(
    {"nextval", "currval", "setval", "to_regclass", "pg_get_serial_sequence", "current_setting", "set_config"}
)
_POSITIONS: Final = frozenset({"order", "group"})
_ENDS_POSITIONS: Final = frozenset(
    {"limit", "offset", "fetch", "for", "union", "intersect", "except", "having", "window", "rows", "range"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A text with parameters, and the values it had. `shared`: equal values are one parameter."""

    text: str
    values: tuple[str | None, ...]
    shared: bool = False


@lru_cache(_REMEMBERED)
def fold(text: str, *, shared: bool = False) -> Folded | None:
    """
    The statement with its values taken out; None where there is nothing to take, or parameters already.

    `shared` gives equal values one parameter, for statements that repeat an expression (GROUP BY).
    """
    try:
        tokens = tuple(token for token in words(text) if token.kind is not Kind.COMMENT)
    except UnreadableError:
        return None
    if any(token.kind is Kind.PARAM for token in tokens):
        return None
    made = _Fold(shared=shared)
    pieces, at = [], 0
    for index, token in enumerate(tokens):
        written = made.parameter(tokens, index)
        if written is not None:
            pieces += [text[at : token.start], written]
            at = token.end
    if not made.values:
        return None
    return Folded(text="".join((*pieces, text[at:])), values=tuple(made.values), shared=shared)


class _Fold:
    """Walks over a statement and remembers where it is."""

    def __init__(self, *, shared: bool) -> None:
        self.values: list[str] = []
        self._shared = shared
        self._known: dict[tuple[str, str], int] = {}
        self._in_positions = False

    def parameter(self, tokens: Sequence[Token], at: int) -> str | None:
        """What stands in this token's place; None where it stays."""
        token = tokens[at]
        if token.kind is Kind.WORD:
            self._walk(tokens, at)
            return None
        if token.kind is Kind.STRING and _is_value(tokens, at):
            return self._number(token.value, "")
        if token.kind is Kind.NUMBER and not self._is_position(tokens, at) and not _is_size(tokens, at):
            kind = _type_of(token.text)
            return None if kind is None else self._number(token.text, f"::{kind}")
        return None

    def _number(self, value: str, cast: str) -> str:
        key = (value, cast)
        if self._shared and key in self._known:
            return f"${self._known[key]}{cast}"
        self.values.append(value)
        self._known[key] = len(self.values)
        return f"${len(self.values)}{cast}"

    def _walk(self, tokens: Sequence[Token], at: int) -> None:
        word = tokens[at].value
        if word == "by" and at and tokens[at - 1].value in _POSITIONS:
            self._in_positions = True
        elif word in _ENDS_POSITIONS:
            self._in_positions = False

    def _is_position(self, tokens: Sequence[Token], at: int) -> bool:
        """A bare number of ORDER BY or GROUP BY names a column of the result."""
        before = tokens[at - 1].value if at else ""
        after = tokens[at + 1] if at + 1 < len(tokens) else None
        alone = after is None or after.kind is Kind.WORD or after.text in {",", ")", ";"}
        return self._in_positions and before in {"by", ","} and alone


def _is_value(tokens: Sequence[Token], at: int) -> bool:
    """A string that is a value: no type stands before it, and no unit or other string behind."""
    text = tokens[at].text
    if text.startswith("$") or text[0] in "bBxXnNuU":
        return False
    if at + 1 < len(tokens) and tokens[at + 1].kind is Kind.STRING:
        return False
    if at == 0 or _is_name(tokens, at):
        return False
    before = tokens[at - 1]
    if before.kind is Kind.WORD:
        return before.value in _BEFORE_A_VALUE
    return before.kind is Kind.SIGN and before.text not in {".", "]"} and not _closes_a_type(tokens, at)


def _is_name(tokens: Sequence[Token], at: int) -> bool:
    """A string that is the name of something: each is a statement of its own, or the ninth would be lost."""
    before = [one.value for one in tokens[max(at - 2, 0) : at]]
    behind = [one.value for one in tokens[at + 1 : at + 3]]
    return behind == ["::", "regclass"] or (before[-1:] == ["("] and before[0] in _TAKE_NAMES)


def _closes_a_type(tokens: Sequence[Token], at: int) -> bool:
    """`timestamp(3) '2026-01-01'`: a bracket before a string closes a type's size."""
    return tokens[at - 1].text == ")"


def _is_size(tokens: Sequence[Token], at: int) -> bool:
    """`varchar(10)`, `numeric(10, 2)` behind `::` or AS, `timestamp(3) '…'`: a part of a type."""
    if [one.kind for one in tokens[at + 2 : at + 3]] == [Kind.STRING] and tokens[at + 1].text == ")":
        return True
    depth, here = 0, at - 1
    while here >= 0:
        text = tokens[here].text
        if text == ")":
            depth += 1
        elif text == "(":
            if depth == 0:
                break
            depth -= 1
        elif tokens[here].kind is not Kind.NUMBER and text != "," and depth == 0:
            return False
        here -= 1
    if here <= 0 or tokens[here - 1].kind is not Kind.WORD:
        return False
    first = here - 1
    while first > 0 and tokens[first - 1].kind is Kind.WORD and tokens[first - 1].value != "as":
        first -= 1
    return first > 0 and (tokens[first - 1].text == "::" or tokens[first - 1].value == "as")


def _type_of(number: str) -> str | None:
    """The type that PostgreSQL gives a number; None where it is written in no plain way."""
    if number.isdigit():
        whole = int(number)
        return "integer" if whole < _INT4 else "bigint" if whole < _INT8 else "numeric"
    plain = number.replace(".", "", 1).isdigit()
    return "numeric" if plain else None
