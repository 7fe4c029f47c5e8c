"""
A migration, asked by every rule; what stands beside others in a transaction; and what was allowed on purpose.

`-- crossfade: allow RULE REASON` above or behind a statement answers one rule, and only with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.errors import RefusedError
from crossfade.migrations.lexer import Kind, UnreadableError, words
from crossfade.migrations.lint.actions import Action, actions, words_of
from crossfade.migrations.lint.alters import of_alter
from crossfade.migrations.lint.others import of_other
from crossfade.migrations.lint.rules import RULES, Found, Level
from crossfade.migrations.script import read_script

_ALLOW: Final = re.compile(r"crossfade:\s*allow\s+([a-z-]+)\s*(.*)", re.IGNORECASE | re.DOTALL)
_QUIET: Final = ("set", "reset", "select", "insert", "update", "delete", "comment", "grant", "create table")
_WEAK: Final = frozenset({"validate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule met at one place."""

    file: str
    line: int
    column: int
    rule: str
    level: Level
    what: str
    why: str
    instead: str = ""


def lint(sql: str, name: str, *, contract: bool | None = None) -> tuple[Finding, ...]:
    """
    All findings of a migration file; never raises for its text.

    `contract`: it runs when no version that needs the old shape can come back (None: as its name says).
    """
    late = name.endswith(".contract.sql") if contract is None else contract
    try:
        script = read_script(sql, name)
        allowed = tuple(_allowed(sql))
    except (RefusedError, UnreadableError) as error:
        line = re.search(r":(\d+)", str(error))
        return (
            _finding(name, int(line.group(1)) if line else 1, 1, Found(rule="not-readable", what=str(error))),
        )
    if not script.explicit and any("concurrently" in words_of(one.tokens) for one in script.statements):
        script = script.apart()  # as a runner does it: PostgreSQL takes it no other way
    every = tuple(actions(script))
    met = [(one, found) for one in every for found in _of(one)] + list(_together(every))
    made = _made(every)
    kept = [
        _place(name, sql, action, found)
        for action, found in met
        if not (late and RULES[found.rule].breaks) and not _on_new(action, found, made)
    ]
    return tuple(sorted(_without(kept, allowed, name), key=lambda one: (one.line, one.column)))


def _of(action: Action) -> Iterator[Found]:
    yield from of_alter(action) if action.kind == "alter table" else of_other(action)


def _made(every: Sequence[Action]) -> dict[str, int]:
    """Tables that the migration itself makes, with where: nobody waits for those."""
    found: dict[str, int] = {}
    for one in every:
        if one.kind in {"create table", "create materialized view"}:
            found.setdefault(one.table.lower(), one.at_place)
    return found


def _on_new(action: Action, found: Found, made: dict[str, int]) -> bool:
    if RULES[found.rule].level == "unknown":
        return False
    return made.get(action.table.lower(), action.at_place + 1) <= action.at_place


def _together(every: Sequence[Action]) -> Iterator[tuple[Action, Found]]:
    yield from _untimed(every)
    units: dict[int, list[Action]] = {}
    for one in every:
        units.setdefault(one.unit, []).append(one)
    for unit in units.values():
        if unit[0].transaction:
            yield from _validated(unit)
            yield from _several(unit)
            yield from _labels(unit)


def _strong(action: Action) -> bool:
    if action.kind == "alter table":
        return not action.begins("validate")
    return action.kind in {
        "drop table",
        "drop view",
        "drop index",
        "create trigger",
        "truncate",
        "cluster",
        "lock",
    }


def _untimed(every: Sequence[Action]) -> Iterator[tuple[Action, Found]]:
    made = _made(every)
    for one in every:
        if one.kind == "set" and "lock_timeout" in one.words:
            return
        if _strong(one) and one.table.lower() not in made:
            yield (
                one,
                Found(
                    rule="no-lock-timeout",
                    what=one.table,
                    instead="SET lock_timeout = '2s';  -- and try again",
                ),
            )
            return


def _validated(unit: Sequence[Action]) -> Iterator[tuple[Action, Found]]:
    locked: set[str] = set()
    beside = {one.at_place for one in unit if _strong(one) and one.kind == "alter table"}
    for one in unit:
        validates = one.kind == "alter table" and one.begins("validate", "constraint")
        if validates and (one.table in locked or one.at_place in beside):
            yield (
                one,
                Found(
                    rule="validate-in-same-transaction",
                    what=one.table,
                    instead="-- in a file of its own, or behind COMMIT;",
                ),
            )
        elif one.kind == "alter table":
            locked.add(one.table)


def _several(unit: Sequence[Action]) -> Iterator[tuple[Action, Found]]:
    made = _made(unit)
    first: str | None = None
    for one in unit:
        if not _strong(one) or one.table.lower() in made:
            continue
        if first is not None and one.table != first:
            yield one, Found(rule="several-locks", what=f"{first} and {one.table}", instead="a file for each")
            return
        first = one.table


def _labels(unit: Sequence[Action]) -> Iterator[tuple[Action, Found]]:
    added: set[str] = set()
    for one in unit:
        strings = {token.value for token in one.tokens if token.kind is Kind.STRING}
        if one.kind == "alter type" and one.has("add", "value"):
            added |= strings
        elif added & strings:
            label = min(added & strings)
            yield (
                one,
                Found(
                    rule="enum-value-used",
                    what=f"'{label}'",
                    instead="-- in a file of its own, behind the first",
                ),
            )


def _place(name: str, sql: str, action: Action, found: Found) -> Finding:
    token = action.tokens[0] if action.tokens else None
    at = sql.find(action.statement.text)
    begin = at + (token.start if token is not None else 0) if at >= 0 else -1
    if begin < 0:
        return _finding(name, action.statement.line, 1, found)
    line = sql.count("\n", 0, begin) + 1
    return _finding(name, line, begin - (sql.rfind("\n", 0, begin) + 1) + 1, found)


def _finding(name: str, line: int, column: int, found: Found) -> Finding:
    rule = RULES[found.rule]
    return Finding(
        file=name,
        line=line,
        column=column,
        rule=rule.name,
        level=rule.level,
        what=found.what,
        why=rule.why,
        instead=found.instead,
    )


@dataclass(frozen=True, slots=True)
class _Allowed:
    rule: str
    reason: str
    line: int


def _allowed(sql: str) -> Iterator[_Allowed]:
    for token in words(sql):
        found = _ALLOW.search(token.value) if token.kind is Kind.COMMENT else None
        if found:
            line = sql.count("\n", 0, token.start) + 1
            yield _Allowed(found.group(1).lower(), found.group(2).strip(), line)


def _without(found: Sequence[Finding], allowed: Sequence[_Allowed], name: str) -> Iterator[Finding]:
    for one in found:
        near = [other for other in allowed if other.rule == one.rule and 0 <= one.line - other.line <= 1]
        if not near:
            yield one
        elif not near[0].reason:
            why = Found(
                rule="not-readable",
                what=f"{one.rule} is allowed without a reason",
                instead=f"-- crossfade: allow {one.rule} because …",
            )
            yield _finding(name, near[0].line, 1, why)
