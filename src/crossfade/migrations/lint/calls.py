"""Functions that a statement calls: what they do to tables, and whether each row gets another value. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from crossfade.migrations.lexer import Kind, Token

_BEFORE_A_CALL: Final = frozenset(
    [
        "all",
        "analyze",
        "and",
        "any",
        "between",
        "by",
        "case",
        "cross",
        "default",
        "distinct",
        "else",
        "except",
        "execute",
        "explain",
        "from",
        "full",
        "having",
        "ilike",
        "in",
        "inner",
        "intersect",
        "is",
        "join",
        "lateral",
        "left",
        "like",
        "limit",
        "natural",
        "not",
        "offset",
        "on",
        "only",
        "or",
        "outer",
        "over",
        "perform",
        "returning",
        "right",
        "select",
        "set",
        "some",
        "then",
        "union",
        "using",
        "values",
        "when",
        "where",
    ]
)
_NO_FUNCTION: Final = _BEFORE_A_CALL | frozenset(
    [
        "array",
        "as",
        "asc",
        "cast",
        "coalesce",
        "collate",
        "columns",
        "conflict",
        "cube",
        "current_time",
        "current_timestamp",
        "delete",
        "desc",
        "end",
        "exists",
        "extract",
        "filter",
        "for",
        "greatest",
        "group",
        "grouping",
        "insert",
        "into",
        "json",
        "json_array",
        "json_exists",
        "json_object",
        "json_query",
        "json_scalar",
        "json_serialize",
        "json_table",
        "json_value",
        "least",
        "localtime",
        "localtimestamp",
        "materialized",
        "merge",
        "nullif",
        "operator",
        "order",
        "overlay",
        "partition",
        "position",
        "recursive",
        "rollup",
        "row",
        "sets",
        "substring",
        "tables",
        "tablesample",
        "trim",
        "window",
        "with",
        "within",
        "xmlattributes",
        "xmlconcat",
        "xmlelement",
        "xmlforest",
        "xmlparse",
        "xmlpi",
        "xmlroot",
        "xmlserialize",
        "xmltable",
    ]
)


@dataclass(frozen=True, slots=True)
class Call:
    """A function as it is called: its schema, if that is written, its name, the place of its first word."""

    schema: str
    name: str
    at: int

    def is_built_in(self) -> bool:
        """Whether it is one of PostgreSQL's own that does nothing to a table."""
        return self.schema in {"", "pg_catalog"} and self.name in _steady() | _changing()

    def is_steady(self) -> bool:
        """Whether it gives all rows of a statement the same value."""
        return self.schema in {"", "pg_catalog"} and self.name in _steady()


def calls(tokens: Sequence[Token]) -> Iterator[Call]:
    """What is called. Types with a length, lists of columns and names of a WITH are none."""
    for at in range(len(tokens) - 1):
        token = tokens[at]
        if tokens[at + 1].text != "(" or token.kind not in {Kind.WORD, Kind.QUOTED}:
            continue
        begin = at
        while begin >= 2 and tokens[begin - 1].text == ".":
            begin -= 2
        plain = token.kind is Kind.WORD and begin == at
        if plain and token.value in _NO_FUNCTION:
            continue
        if begin == 0 or _may_call(tokens, begin):
            schema = tokens[begin].value if begin < at else ""
            if not _names_a_with(tokens, at):
                yield Call(schema, token.value, begin)


def _may_call(tokens: Sequence[Token], begin: int) -> bool:
    """Behind a word like SELECT, or a sign; behind AS, a cast or a bracket stands a type or a name."""
    before = tokens[begin - 1]
    if before.kind is Kind.WORD:
        return before.value in _BEFORE_A_CALL
    return before.kind is Kind.SIGN and before.text not in {")", "]", "::"}


def _names_a_with(tokens: Sequence[Token], at: int) -> bool:
    """`, part (a, b) AS (`"""
    depth, here = 0, at + 1
    while here < len(tokens):
        depth += {"(": 1, ")": -1}.get(tokens[here].text, 0)
        here += 1
        if depth == 0:
            break
    rest = tuple(one.value for one in tokens[here : here + 3])
    return rest[:2] == ("as", "(") or rest in {("as", "materialized", "("), ("as", "not", "materialized")}


@cache
def _read() -> dict[str, frozenset[str]]:
    text = files("crossfade.migrations.lint").joinpath("functions.txt").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    now: list[str] = []
    for line in text.splitlines():
        if line.startswith("["):
            now = found.setdefault(line.strip("[]"), [])
        elif not line.startswith("#"):
            now += line.split()
    return {name: frozenset(words) for name, words in found.items()}


def _steady() -> frozenset[str]:
    return _read()["steady"]


def _changing() -> frozenset[str]:
    return _read()["changing"]
