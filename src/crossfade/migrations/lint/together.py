"""What is wrong only for what stands beside it: locks that are kept, labels that are used too early. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from crossfade.migrations.lexer import Kind
from crossfade.migrations.lint.actions import Action
from crossfade.migrations.lint.names import Key
from crossfade.migrations.lint.rules import Found

_STRONG: Final = frozenset(
    {"drop table", "drop view", "drop materialized view", "drop index", "create trigger", "create rule"}
    | {"create policy", "alter policy", "truncate", "cluster"}
)
_WEAK_LOCKS: Final = frozenset({"access share", "row share", "row exclusive", "share update exclusive"})
_NONE: Final = re.compile(r"\s*0*(\.0*)?\s*(us|ms|s|min|h|d)?\s*", re.IGNORECASE)


def together(every: Sequence[tuple[Action, bool]]) -> Iterator[tuple[Action, Found]]:
    """All that transactions meet; each action with whether its table was made by the migration itself."""
    yield from _untimed(every)
    units: dict[int, list[tuple[Action, bool]]] = {}
    for one in every:
        units.setdefault(one[0].unit, []).append(one)
    for unit in units.values():
        if unit[0][0].transaction:
            actions = [one for one, _ in unit]
            yield from _validated(actions)
            yield from _several([one for one, new in unit if not new])
            yield from _labels(actions)


def is_strong_lock(action: Action) -> bool:
    """Whether LOCK keeps writers, or everybody, waiting."""
    words = action.words
    if "in" not in words or "mode" not in words:
        return True
    return " ".join(words[words.index("in") + 1 : words.index("mode")]) not in _WEAK_LOCKS


def _strong(action: Action) -> bool:
    if "concurrently" in action.words:
        return False
    if action.kind == "alter table":
        return not action.begins("validate")
    if action.kind == "lock":
        return is_strong_lock(action)
    return action.kind in _STRONG


def _untimed(every: Sequence[tuple[Action, bool]]) -> Iterator[tuple[Action, Found]]:
    """The first strong lock that is waited for without end."""
    timed, only_in = False, -1
    for one, new in every:
        if only_in not in {-1, one.unit}:
            timed, only_in = False, -1
        said = timeout(one)
        if said is not None:
            local = one.has("local") and one.kind == "set"
            timed = said and not (local and not one.transaction)
            only_in = one.unit if local else -1
        if _strong(one) and not new and not timed:
            yield one, Found(rule="no-lock-timeout", what=str(one.table), instead=_TIMED)
            return


_TIMED: Final = "SET lock_timeout = '2s';  -- and try again"


def timeout(action: Action) -> bool | None:
    """Whether a statement sets a time-out, or takes it away; None where it is about something else."""
    if action.kind in {"reset", "discard"}:
        return False if action.has_any("lock_timeout", "all") else None
    if action.kind == "set" and action.has("lock_timeout"):
        value = " ".join(one.value for one in action.tokens[action.at("lock_timeout") + 2 :])
        return value != "default" and not _NONE.fullmatch(value)
    if action.kind == "select" and action.has("set_config"):
        strings = [one.value for one in action.tokens if one.kind is Kind.STRING]
        if strings[:1] == ["lock_timeout"]:
            return not _NONE.fullmatch(strings[1] if len(strings) > 1 else "0")
    return None


def _validated(unit: Sequence[Action]) -> Iterator[tuple[Action, Found]]:
    locked: set[Key] = set()
    beside = {one.at_place for one in unit if _strong(one) and one.kind == "alter table"}
    for one in unit:
        validates = one.kind == "alter table" and one.begins("validate", "constraint")
        if validates and (one.table.key in locked or one.at_place in beside):
            instead = "-- in a file of its own, or behind COMMIT;"
            yield one, Found(rule="validate-in-same-transaction", what=str(one.table), instead=instead)
        elif one.kind == "alter table":
            locked.add(one.table.key)


def _several(unit: Sequence[Action]) -> Iterator[tuple[Action, Found]]:
    first: Action | None = None
    for one in unit:
        if not _strong(one):
            continue
        if first is not None and one.table.key != first.table.key:
            what = f"{first.table} and {one.table}"
            yield one, Found(rule="several-locks", what=what, instead="-- a file for each")
            return
        first = one


def _labels(unit: Sequence[Action]) -> Iterator[tuple[Action, Found]]:
    added: set[str] = set()
    for one in unit:
        strings = {token.value for token in one.tokens if token.kind is Kind.STRING}
        if one.kind == "alter type" and one.has("add", "value"):
            added |= strings
        elif added & strings:
            label = min(added & strings)
            instead = "-- in a file of its own, behind the first"
            yield one, Found(rule="enum-value-used", what=f"'{label}'", instead=instead)
