"""
The server's own log, as JSON lines → statements with their values, in the order in which they came.

With `log_statement = all` every statement is there before it runs: simple and extended protocol, prepared
ones, pipelines. A failing one is there twice, the second time as an error; one that fails before it runs
(it cannot be parsed, a value is of another type) only as an error, which is then of nobody. Pure.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from crossfade.migrations.lexer import Kind, UnreadableError, meaningful

Values = tuple[str | None, ...]
Entry = Mapping[str, Any]
"""One entry of a log, by the names that jsonlog gives its parts."""

_SIMPLE: Final = re.compile(r"statement: ", re.DOTALL)
_EXTENDED: Final = re.compile(r"execute [^:]*: ", re.DOTALL)
_AGAIN: Final = re.compile(r"execute fetch from ")
_PARAMETERS: Final = re.compile(r"[Pp]arameters: ")
_PREPARED: Final = "prepare: "
_CSV_COLUMNS: Final = """
    timestamp user dbname pid connection_from session_id line_num ps session_start vxid txid error_severity
    state_code message detail hint internal_query internal_position context statement cursor_position location
    application_name
"""
_LONGEST_FIELD: Final = 1 << 30
_CSV: Final = tuple(_CSV_COLUMNS.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One statement as it came. `values` is None where they stand in the text."""

    session: str
    database: str
    text: str
    values: Values | None = None
    prepared: str | None = None
    """The text of PREPARE, where this is its EXECUTE."""
    failed: str | None = None
    """The SQLSTATE with which it failed."""
    times: int = 1
    """How often it was sent, where somebody else has counted."""


def heard(told: Iterable[Entry], *, ours: str, others: Collection[str] = ()) -> tuple[Heard, ...]:
    """Every statement of the log but those of applications called `ours`, and of the databases `others`."""
    found: list[Heard] = []
    last: dict[str, int] = {}
    for entry in told:
        session = str(entry.get("session_id"))
        database = entry.get("dbname")
        if entry.get("application_name") == ours or not database or database in others:
            continue
        if entry.get("error_severity") in ("ERROR", "FATAL"):
            at = last.get(session)
            if at is not None and entry.get("statement") in (None, "", found[at].text):
                found[at] = replace(found[at], failed=str(entry.get("state_code")))
            continue
        one = _statement(entry, session)
        if one is not None:
            last[session] = len(found)
            found.append(one)
    return tuple(found)


def entries(lines: Iterable[str]) -> Iterator[Entry]:
    """The entries of a jsonlog. A line that is cut off (the server was killed) ends it."""
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            return
        if isinstance(entry, dict):
            yield entry


def csv_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """The entries of a csvlog, PostgreSQL 13 and later."""
    csv.field_size_limit(_LONGEST_FIELD)
    for row in csv.reader(lines, strict=True):
        if len(row) >= len(_CSV):
            yield dict(zip(_CSV, row, strict=False))


def _statement(entry: Entry, session: str) -> Heard | None:
    message, detail = str(entry.get("message", "")), str(entry.get("detail") or "")
    database = str(entry["dbname"])
    if simple := _SIMPLE.match(message):
        prepared = detail[len(_PREPARED) :] if detail.startswith(_PREPARED) else None
        return Heard(session=session, database=database, text=message[simple.end() :], prepared=prepared)
    extended = None if _AGAIN.match(message) else _EXTENDED.match(message)
    if extended is None:
        return None
    return Heard(
        session=session, database=database, text=message[extended.end() :], values=_parameters(detail)
    )


def _parameters(detail: str) -> Values:
    """`Parameters: $1 = 'it''s', $2 = NULL` as the values they are."""
    begin = _PARAMETERS.match(detail)
    if begin is None:
        return ()
    try:
        tokens = meaningful(detail[begin.end() :])
    except UnreadableError:
        return ()
    values: list[str | None] = []
    for name, sign, value in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if name.kind is Kind.PARAM and sign.text == "=":
            values.append(value.value if value.kind is Kind.STRING else None)
    return tuple(values)
