"""
One statement in many lengths: `IN ($1, $2)`, `ARRAY[$1, $2]`, `VALUES ($1, $2), ($3, $4)`. Pure.

A list has as many elements as the call had, an INSERT as many rows. Sendings that differ in that alone are
one statement, under a text in which each list has one element and each kind of row stands once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from crossfade.migrations.lexer import Kind, Token, UnreadableError, meaningful

_REMEMBERED: Final = 256
_VALUES: Final = (Kind.PARAM, Kind.NUMBER)
_PLAIN: Final = frozenset({",", "::", "[", "]", "(", ")", "-"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """`key`: under which sendings count as one. `form`: the text at this length, `size` how long it is."""

    key: str
    form: str
    size: int


@lru_cache(_REMEMBERED)
def length(text: str) -> Length:
    """Of a statement with its parameters. A text without any, or that cannot be read, is its own key."""
    try:
        tokens = meaningful(text)
    except UnreadableError:
        return Length(key=text, form=text, size=0)
    if not any(one.kind is Kind.PARAM for one in tokens):
        return Length(key=text, form=text, size=0)
    numbers: dict[str, int] = {}
    whole = [_named(one, numbers) for one in tokens]
    return Length(key=" ".join(_pieces(tokens)), form=" ".join(whole), size=len(whole))


def _named(token: Token, numbers: dict[str, int]) -> str:
    if token.kind is not Kind.PARAM:
        return token.text
    return f"${numbers.setdefault(token.value, len(numbers) + 1)}"


def _pieces(tokens: Sequence[Token]) -> Iterator[str]:
    numbers: dict[str, int] = {}
    at = 0
    while at < len(tokens):
        behind = _rows_end(tokens, at)
        if behind is not None:
            rows = list(_parts(tokens[at:behind]))
            yield ", ".join(sorted({_kind_of(row, nulls=len(rows) > 1) for row in rows}))
            at = behind
            continue
        yield _named(tokens[at], numbers)
        inside = _list_end(tokens, at)
        if inside is not None:
            yield ", ".join(sorted({_kind_of(one) for one in _parts(tokens[at + 1 : inside])}))
            at = inside - 1
        at += 1


def _rows_end(tokens: Sequence[Token], at: int) -> int | None:
    """Behind the rows of VALUES, or of `IN ((…), (…))`, that begin here; None where none do."""
    if tokens[at].text != "(" or not at:
        return None
    in_rows = tokens[at - 1].text == "(" and at > 1 and tokens[at - 2].value == "in"
    if tokens[at - 1].value != "values" and not in_rows:
        return None
    behind = _closing(tokens, at) + 1
    while behind + 1 < len(tokens) and tokens[behind].text == "," and tokens[behind + 1].text == "(":
        behind = _closing(tokens, behind + 1) + 1
    return behind


def _list_end(tokens: Sequence[Token], at: int) -> int | None:
    """Where the list of plain values that opens here is closed; None where none opens."""
    before = tokens[at - 1].value if at else ""
    if (tokens[at].text, before) not in {("(", "in"), ("[", "array")}:
        return None
    closing = _closing(tokens, at)
    inside = tokens[at + 1 : closing]
    plain = all(one.kind in (*_VALUES, Kind.WORD) or one.text in _PLAIN for one in inside)
    has_value = any(one.kind in _VALUES for one in inside)
    asks = any(one.value == "select" for one in inside)
    return closing if plain and has_value and not asks else None


def _parts(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """What stands between the commas of the outermost level."""
    depth, begin = 0, 0
    for at, token in enumerate(tokens):
        depth += _DEPTH.get(token.text, 0)
        if depth == 0 and token.text == ",":
            yield tokens[begin:at]
            begin = at + 1
    yield tokens[begin:]


def _kind_of(tokens: Sequence[Token], *, nulls: bool = False) -> str:
    """A row or an element, whatever its values and their types; of several rows NULL is a value too."""
    told, cast = [], False
    for one in tokens:
        if not cast and one.text != "::":
            value = one.kind in _VALUES or (nulls and one.value == "null")
            told.append("$" if value else one.text)
        cast = one.text == "::"
    return " ".join(told)


_DEPTH: Final = {"(": 1, "[": 1, ")": -1, "]": -1}


def _closing(tokens: Sequence[Token], opening: int) -> int:
    depth = 0
    for at in range(opening, len(tokens)):
        depth += _DEPTH.get(tokens[at].text, 0)
        if depth == 0:
            return at
    return len(tokens) - 1
