"""
SQL cut into words: strings of every kind, dollar quotes, nested comments, parameters, places.

Only what is needed to split a file and to see what stands beside a parameter; the grammar is
left to PostgreSQL. NOTHING HERE UNDERSTANDS SQL: a sentence is judged by running it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final


class Kind(Enum):
    WORD = "word"
    QUOTED = "quoted"
    STRING = "string"
    NUMBER = "number"
    PARAM = "param"
    SIGN = "sign"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL; `text` as it stands, `value` as it is meant (unquoted, unescaped, lower case)."""

    kind: Kind
    text: str
    value: str
    start: int
    end: int


class UnreadableError(Exception):
    """The text cannot be cut into words."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.what = what
        self.at = at


_REMEMBERED: Final = 256  # texts: a recorded suite sends the same ones again and again

_BLANK: Final = re.compile(r"\s+")
_WORD: Final = re.compile(r"[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*")
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F_]+|(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:[eE][+-]?\d+)?")
_PARAM: Final = re.compile(r"\$(\d+)")
_DOLLAR: Final = re.compile(r"\$(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*)?\$")
_OPERATOR: Final = re.compile(r"::|:=|=>|<=|>=|<>|!=|\|\||->>|->|#>>|#>|@>|<@|&&|!~~\*?|~~\*?|!~\*?|~\*")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def words(sql: str) -> Iterator[Token]:
    """Every token of the text, comments included, blanks left out. Raises UnreadableError."""
    at = 0
    while at < len(sql):
        blank = _BLANK.match(sql, at)
        if blank:
            at = blank.end()
            continue
        token = _next(sql, at)
        yield token
        at = token.end


def _next(sql: str, at: int) -> Token:
    char = sql[at]
    if sql.startswith("--", at):
        end = sql.find("\n", at)
        end = len(sql) if end < 0 else end
        return Token(Kind.COMMENT, sql[at:end], sql[at + 2 : end].strip(), at, end)
    if sql.startswith("/*", at):
        end = _comment_end(sql, at)
        return Token(Kind.COMMENT, sql[at:end], sql[at + 2 : end - 2].strip(), at, end)
    if char == "'":
        return _string(sql, at, at, escapes=False)
    if char == '"':
        return _quoted(sql, at)
    if char == "$":
        return _dollar(sql, at)
    word = _WORD.match(sql, at)
    if word:
        return _word(sql, word)
    number = _NUMBER.match(sql, at)
    if number:
        return Token(Kind.NUMBER, number.group(), number.group(), at, number.end())
    operator = _OPERATOR.match(sql, at)
    end = operator.end() if operator else at + 1
    return Token(Kind.SIGN, sql[at:end], sql[at:end], at, end)


def _word(sql: str, word: re.Match[str]) -> Token:
    text, end = word.group(), word.end()
    if text.lower() in {"e", "b", "x", "n"} and sql.startswith("'", end):
        return _string(sql, word.start(), end, escapes=text in "eE")
    if text.lower() == "u" and sql.startswith("&'", end):
        return _string(sql, word.start(), end + 1, escapes=False)
    if text.lower() == "u" and sql.startswith('&"', end):
        return _quoted(sql, end + 1, begin=word.start())
    return Token(Kind.WORD, text, text.lower(), word.start(), end)


def _comment_end(sql: str, at: int) -> int:
    depth, here = 0, at
    while here < len(sql):
        if sql.startswith("/*", here):
            depth, here = depth + 1, here + 2
        elif sql.startswith("*/", here):
            depth, here = depth - 1, here + 2
            if depth == 0:
                return here
        else:
            here += 1
    raise UnreadableError("a comment /* that is never closed", at)


def _string(sql: str, begin: int, quote: int, *, escapes: bool) -> Token:
    value, here = [], quote + 1
    while here < len(sql):
        char = sql[here]
        if escapes and char == "\\" and here + 1 < len(sql):
            value.append(_ESCAPES.get(sql[here + 1], sql[here + 1]))
            here += 2
        elif char == "'" and sql.startswith("''", here):
            value.append("'")
            here += 2
        elif char == "'":
            return Token(Kind.STRING, sql[begin : here + 1], "".join(value), begin, here + 1)
        else:
            value.append(char)
            here += 1
    raise UnreadableError("a string that is never closed", begin)


def _quoted(sql: str, quote: int, begin: int | None = None) -> Token:
    here = quote + 1
    while True:
        here = sql.find('"', here)
        if here < 0:
            raise UnreadableError('a quoted name (") that is never closed', quote)
        if not sql.startswith('""', here):
            break
        here += 2
    start = quote if begin is None else begin
    value = sql[quote + 1 : here].replace('""', '"')
    return Token(Kind.QUOTED, sql[start : here + 1], value, start, here + 1)


def _dollar(sql: str, at: int) -> Token:
    param = _PARAM.match(sql, at)
    if param:
        return Token(Kind.PARAM, param.group(), param.group(1), at, param.end())
    tag = _DOLLAR.match(sql, at)
    if not tag:
        return Token(Kind.SIGN, "$", "$", at, at + 1)
    end = sql.find(tag.group(), tag.end())
    if end < 0:
        raise UnreadableError(f"a string {tag.group()} that is never closed", at)
    stop = end + len(tag.group())
    return Token(Kind.STRING, sql[at:stop], sql[tag.end() : end], at, stop)


@lru_cache(_REMEMBERED)
def meaningful(sql: str) -> tuple[Token, ...]:
    """The tokens without comments."""
    return tuple(token for token in words(sql) if token.kind is not Kind.COMMENT)
