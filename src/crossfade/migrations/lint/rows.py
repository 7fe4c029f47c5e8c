"""What changes rows, or may: UPDATE and its like, and SELECT, which calls functions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from crossfade.migrations.lexer import Kind, Token
from crossfade.migrations.lint.asked import PROVE, Asked
from crossfade.migrations.lint.calls import calls
from crossfade.migrations.lint.rules import Found

_VALUES: Final = frozenset({Kind.STRING, Kind.NUMBER, Kind.PARAM})
_MERGE_SINCE: Final = 15
_BATCHES: Final = "backfill: {table: …, set: …, where: …}  # in NAME.yaml, batch by batch"


def of_change(asked: Asked) -> Iterator[Found]:
    """UPDATE, DELETE, MERGE."""
    action = asked.action
    if action.kind == "merge":
        yield from asked.since(_MERGE_SINCE, "MERGE")
    if not _few(asked):
        yield Found(rule="whole-table-dml", what=f"{action.kind.upper()} of {action.table}", instead=_BATCHES)
    if action.kind == "delete" or action.has("then", "delete"):
        yield Found(
            rule="data-loss",
            what=f"rows of {action.table}",
            instead="-- a copy, if anybody may want them back",
        )
    yield from of_calls(asked)


def _few(asked: Asked) -> bool:
    """Whether it may be about a few rows: something is compared with a value, not with other rows."""
    action, depth = asked.action, 0
    for at, token in enumerate(action.tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and action.words[at] == "where":
            return "select" not in action.words[at:] and _compares(asked, action.tokens[at + 1 :])
    return False


def _compares(asked: Asked, tokens: Sequence[Token]) -> bool:
    """`id = 7`, `id IN (1, 2)`; where the table is known as a whole, a column that names one row."""
    for at in range(1, len(tokens) - 1):
        behind = at + 2 if tokens[at + 1].text == "(" and at + 2 < len(tokens) else at + 1
        if tokens[at].value in {"=", "between", "in"} and tokens[behind].kind in _VALUES:
            column = tokens[at - 1]
            named = column.kind in {Kind.WORD, Kind.QUOTED} and asked.table.whole
            if not named or column.value in asked.table.keys or column.value not in asked.table.columns:
                return True
    return False


def of_insert(asked: Asked) -> Iterator[Found]:
    action = asked.action
    if action.has_any("select", "table") and action.has("from"):
        many = "whole-table-dml" if action.has("do", "update") else "many-rows-inserted"
        what = f"INSERT … SELECT into {action.table}"
        yield Found(rule=many, what=what, instead="-- in batches by a key, each a transaction")
    yield from of_calls(asked)


def of_copy(asked: Asked) -> Iterator[Found]:
    yield from of_calls(asked)
    if asked.action.has("from") and not asked.action.has("to"):
        yield Found(rule="many-rows-inserted", what="COPY", instead="-- in batches, each a transaction")


def of_select(asked: Asked) -> Iterator[Found]:
    """It may lock rows until its transaction ends, and a function may do anything."""
    action = asked.action
    if (action.has("for", "update") or action.has("for", "no", "key", "update")) and not _few(asked):
        yield Found(
            rule="whole-table-dml",
            what="every row is locked FOR UPDATE",
            instead="-- the rows it is about, by their key",
        )
    yield from of_calls(asked)


def of_calls(asked: Asked) -> Iterator[Found]:
    """A function that is not one of PostgreSQL's own can do anything."""
    for one in calls(asked.action.tokens):
        if not one.is_built_in() or (one.name in asked.known.routines and not one.schema):
            yield Found(
                rule="not-readable",
                what=f"the function {one.name}()",
                instead=PROVE,
            )
            return
