"""
Metric math, read: text in, a tree out. `algebra.py` computes it.

The grammar is the documented one: `+ - * / ^`, comparisons, AND (&&) and OR (||), unary minus, arrays
`[m1, m2]`, functions in capitals, ids that begin with a small letter, strings in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from crossfade.twin.cloudwatch.api import ApiError


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Word:
    """A keyword such as REPEAT or ASC."""

    name: str


@dataclass(frozen=True, slots=True)
class Ref:
    """Another query of the request, by its id."""

    id: str


@dataclass(frozen=True, slots=True)
class Array:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    of: Node


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: tuple[Node, ...]


Node = Number | Text | Word | Ref | Array | Negated | Binary | Call

WORDS: Final = frozenset({"REPEAT", "LINEAR", "ASC", "DESC"})
MAX_DEPTH: Final = 60

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|(?P<sign>==|!=|<=|>=|&&|\|\||[-+*/^<>()\[\],]))"
)
_SPELT: Final = {"&&": "AND", "||": "OR"}
_LEVELS: Final = (
    frozenset({"OR"}),
    frozenset({"AND"}),
    frozenset({"==", "!=", "<", ">", "<=", ">="}),
    frozenset({"+", "-"}),
    frozenset({"*", "/"}),
)


@lru_cache(maxsize=4096)
def parse(text: str) -> Node:
    """Raises `ApiError` for what is no expression, with the place."""
    reader = _Reader(text)
    node = reader.level(0)
    reader.expect("")
    return node


def refs(node: Node) -> Iterator[str]:
    """The ids that an expression names."""
    match node:
        case Ref(id_):
            yield id_
        case Negated(of):
            yield from refs(of)
        case Binary(_, left, right):
            yield from refs(left)
            yield from refs(right)
        case Array(items) | Call(_, items):
            for item in items:
                yield from refs(item)
        case _:
            return


def calls(node: Node) -> Iterator[str]:
    """The functions that an expression calls."""
    match node:
        case Negated(of):
            yield from calls(of)
        case Binary(_, left, right):
            yield from calls(left)
            yield from calls(right)
        case Array(items):
            for item in items:
                yield from calls(item)
        case Call(name, items):
            yield name
            for item in items:
                yield from calls(item)
        case _:
            return


class _Reader:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split(text))
        self._at = 0
        self._depth = 0

    def _split(self, text: str) -> Iterator[tuple[str, str]]:
        place = 0
        while text[place:].strip():
            match = _TOKEN.match(text, place)
            if match is None:
                place = len(text) - len(text[place:].lstrip())
                raise ApiError("ValidationError", f"Unexpected character at {place + 1} in: {text}")
            place = match.end()
            kind = str(match.lastgroup)
            word = match[kind]
            yield (
                ("sign", _SPELT.get(word, word)) if word in _SPELT or word in {"AND", "OR"} else (kind, word)
            )

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def expect(self, sign: str) -> None:
        kind, word = self._next()
        if word != sign or kind not in {"sign", "end"}:
            wanted = repr(sign) if sign else "the end"
            raise ApiError(
                "ValidationError", f"Expected {wanted}, found {word or 'the end'!r} in: {self._text}"
            )

    def level(self, depth: int) -> Node:
        if depth == len(_LEVELS):
            return self._unary()
        left = self.level(depth + 1)
        while self._peek()[0] == "sign" and self._peek()[1] in _LEVELS[depth]:
            operator = self._next()[1]
            left = Binary(operator, left, self.level(depth + 1))
        return left

    def _unary(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ApiError("ValidationError", f"Nested too deep: {self._text}")
        if self._peek() == ("sign", "-"):
            self._next()
            node: Node = Negated(self._unary())
        else:
            node = self._power()
        self._depth -= 1
        return node

    def _power(self) -> Node:
        base = self._atom()
        if self._peek() == ("sign", "^"):
            self._next()
            return Binary("^", base, self._unary())
        return base

    def _atom(self) -> Node:
        kind, word = self._next()
        match kind:
            case "number":
                return Number(float(word))
            case "text":
                return Text(word[1:-1])
            case "name":
                return self._named(word)
            case "sign" if word == "(":
                node = self.level(0)
                self.expect(")")
                return node
            case "sign" if word == "[":
                return Array(self._list("]"))
            case _:
                raise ApiError("ValidationError", f"Unexpected {word or 'end'!r} in: {self._text}")

    def _named(self, word: str) -> Node:
        if self._peek() == ("sign", "("):
            self._next()
            return Call(word, self._list(")"))
        return Ref(word) if word[0].islower() else Word(word)

    def _list(self, end: str) -> tuple[Node, ...]:
        items: list[Node] = []
        if self._peek() == ("sign", end):
            self._next()
            return ()
        while True:
            items.append(self.level(0))
            if self._peek() != ("sign", ","):
                self.expect(end)
                return tuple(items)
            self._next()
