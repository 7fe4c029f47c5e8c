"""
The server's own log, as JSON lines → statements with their values, in the order in which they came.

With `log_statement = all` every statement is there before it runs: simple and extended protocol, prepared
ones, pipelines. A failing one is there twice, the second time as an error; one that fails before it runs
(it cannot be parsed, a value is of another type) only as an error, which is then of nobody. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from crossfade.migrations.lexer import Kind, UnreadableError, meaningful

Values = tuple[str | None, ...]

_SIMPLE: Final = re.compile(r"statement: ", re.DOTALL)
_EXTENDED: Final = re.compile(r"execute [^:]*: ", re.DOTALL)
_AGAIN: Final = re.compile(r"execute fetch from ")
_PARAMETERS: Final = re.compile(r"[Pp]arameters: ")
_PREPARED: Final = "prepare: "


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


def heard(lines: Iterable[str], *, ours: str) -> tuple[Heard, ...]:
    """
    Every statement of the log but those of sessions whose application is `ours`.

    A line that is cut off (the server was killed) ends the log.
    """
    found: list[Heard] = []
    last: dict[str, int] = {}
    for entry in _entries(lines):
        session = str(entry.get("session_id"))
        if entry.get("application_name") == ours or not entry.get("dbname"):
            continue
        if entry.get("error_severity") in ("ERROR", "FATAL"):
            at = last.get(session)
            if at is not None and entry.get("statement") in (None, found[at].text):
                found[at] = replace(found[at], failed=str(entry.get("state_code")))
            continue
        one = _statement(entry, session)
        if one is not None:
            last[session] = len(found)
            found.append(one)
    return tuple(found)


def _entries(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            return
        if isinstance(entry, dict):
            yield entry


def _statement(entry: dict[str, Any], session: str) -> Heard | None:
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
