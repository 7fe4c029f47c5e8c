"""
Statements from a file instead of a run: SQL, or a dump of pg_stat_statements as CSV or JSON.

pg_stat_statements writes `$1` where a value was, also where SQL takes none: `interval $1` is mended; of
`extract($1 from …)` nobody knows what stood there, and it is left out by name. Pure.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from crossfade.errors import RefusedError
from crossfade.migrations.lexer import Kind, UnreadableError, meaningful
from crossfade.migrations.record.log import Heard
from crossfade.migrations.script import read_statements

_TYPES: Final = frozenset({"interval", "date", "time", "timestamp", "timestamptz", "timetz"})
_MOST: Final = 20_000


def read_told(text: str, name: str) -> tuple[Heard, ...]:
    """
    The statements of a file; `name` tells its kind by its ending, and is for messages.

    Raises RefusedError: CF9201 and CF9202 as for any SQL, CF9229 where a dump has no column `query`.
    """
    ending = name.rsplit(".", 1)[-1].lower()
    if ending in {"csv", "json"}:
        rows = _json(text, name) if ending == "json" else list(csv.DictReader(io.StringIO(text)))
        return tuple(_of_dump(rows, name))
    return tuple(
        Heard(session=name, database=name, text=one.text) for one in read_statements(text, name)[:_MOST]
    )


def _json(text: str, name: str) -> list[Mapping[str, Any]]:
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise _no_dump(name, str(error)) from None
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise _no_dump(name, "it is no list of objects")
    return rows


def _of_dump(rows: Sequence[Mapping[str, Any]], name: str) -> Iterator[Heard]:
    if not rows or not all(isinstance(one.get("query"), str) for one in rows):
        raise _no_dump(name, "it has no column `query`")
    for one in rows[:_MOST]:
        yield Heard(session=name, database=name, text=_mended(one["query"]), times=_calls(one))


def _calls(row: Mapping[str, Any]) -> int:
    """The column `calls`; one where the dump has none."""
    told = str(row.get("calls", "")).strip()
    return int(told) if told.isdecimal() else 1


def _mended(query: str) -> str:
    """`interval $1` as `$1::interval`."""
    try:
        tokens = meaningful(query)
    except UnreadableError:
        return query
    pieces, at = [], 0
    for before, here in pairwise(tokens):
        if before.kind is Kind.WORD and before.value in _TYPES and here.kind is Kind.PARAM:
            pieces += [query[at : before.start], f"{here.text}::{before.text}"]
            at = here.end
    return "".join((*pieces, query[at:]))


def _no_dump(name: str, why: str) -> RefusedError:
    return RefusedError(
        "CF9229", f"{name} is no dump of pg_stat_statements", why,
        r"\copy (SELECT query, calls FROM pg_stat_statements) TO 'dump.csv' CSV HEADER",
    )  # fmt: skip
