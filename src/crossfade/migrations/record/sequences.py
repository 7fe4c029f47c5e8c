"""
Transactions as they can be run again: their statements with the values they had, and what they rest on. Pure.

Some statements only work behind others: row security reads a setting, a temp table is made and then used,
FETCH needs its cursor. Such a sequence is kept whole. What sets up a test (DDL, TRUNCATE) spoils a sequence:
it would not be the version's. Of sequences that rest on nothing, as many are kept as show another statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from crossfade.migrations.lexer import Kind, Token
from crossfade.migrations.record.log import Values
from crossfade.migrations.record.masked import masked_sql

_MOST: Final = 200
_MOST_STEPS: Final = 2_000
_LONGEST: Final = 100
_REPEATS: Final = 3
"""Of one statement in one sequence: the first of a loop stand for the rest."""
_CONTROL: Final = frozenset({"savepoint", "release"})
_CURSOR: Final = frozenset({"declare", "fetch", "move", "close"})
_ENDS: Final = frozenset({"commit", "end", "rollback", "abort"})
_SETS: Final = frozenset({"set", "reset"})
_SPOILED_BY: Final = "create alter drop grant revoke comment truncate do reindex cluster refresh"
_SPOILS: Final = frozenset(_SPOILED_BY.split())
_TELLING: Final = frozenset({"role", "session", "search_path", "row_security", "local"})
"""Settings that decide what a statement finds; others (time zone, dates) are every client's."""
_TEMP: Final = frozenset({"temp", "temporary"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One sending in a sequence. `key` is that of its candidate, None where it is none."""

    text: str
    values: Values = ()
    key: str | None = None
    state: bool = False
    """Whether later statements rest on it."""


@dataclass(slots=True)
class _Line:
    """One session: what stands since it began, and the transaction that is open."""

    standing: list[Taken] = field(default_factory=list)
    temps: set[str] = field(default_factory=set)
    open: list[Taken] | None = None
    spoiled: bool = False


class Sequences:
    """Fed with every statement in its order; `kept` are those worth running again."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._found: dict[tuple[str, ...], tuple[Taken, ...]] = {}

    def begin(self, session: str) -> None:
        line = self._line(session)
        line.open, line.spoiled = list(line.standing), False

    def end(self, session: str, text: str) -> None:
        line = self._line(session)
        taken, line.open = line.open, None
        if taken is not None and not line.spoiled:
            self._keep((*taken, Taken(text=text)))

    def take(self, session: str, text: str, tokens: Sequence[Token], values: Values, key: str | None) -> None:
        """A statement that went well; `key` where it is a candidate of the shape."""
        line = self._line(session)
        lead = tokens[0].value if tokens else ""
        if masked_sql(text) != text:
            line.spoiled = True
            return
        made = _temp_table(tokens)
        if made is not None:
            line.temps.add(made)
        elif lead in _SPOILS:
            line.spoiled = True
            return
        told = {one.value for one in tokens if one.kind in (Kind.WORD, Kind.QUOTED)}
        state = made is not None or _sets(tokens, values)
        runs = key is not None or bool(told & line.temps) or lead in _CURSOR | _CONTROL or _back(tokens)
        if lead == "copy" or not (state or runs):
            return
        one = Taken(text=text, values=values, key=key, state=state)
        if line.open is not None:
            if len(line.open) < _LONGEST and _repeats(line.open, one) < _REPEATS:
                line.open.append(one)
        elif state:
            line.standing = [*line.standing, one][-8:]
        elif line.standing and runs:
            self._keep((*line.standing, one))

    def finish(self) -> None:
        """Transactions that were still open when the recording ended."""
        for session, line in self._lines.items():
            if line.open is not None:
                self.end(session, "ROLLBACK")

    def kept(self) -> tuple[tuple[Taken, ...], ...]:
        """In the order in which they were sent."""
        listed = list(self._found.values())
        resting = [one for one in listed if any(taken.state for taken in one)]
        others = sorted((one for one in listed if one not in resting), key=len, reverse=True)
        known: set[str] = set()
        chosen: set[int] = set()
        steps = 0
        for one in (*resting, *others):
            keys = {taken.key for taken in one if taken.key is not None}
            rests = any(taken.state for taken in one)
            if len(chosen) >= _MOST or steps + len(one) > _MOST_STEPS or not (rests or keys - known):
                continue
            known |= keys
            steps += len(one)
            chosen.add(id(one))
        return tuple(one for one in listed if id(one) in chosen)

    def _line(self, session: str) -> _Line:
        return self._lines.setdefault(session, _Line())

    def _keep(self, taken: tuple[Taken, ...]) -> None:
        """The first of those that differ in values only; what rests on nothing must show two statements."""
        told = tuple(one.key or one.text for one in taken if _tells(one))
        shown = {one.key or one.text for one in taken if _tells(one) and not one.state}
        if shown and (len(shown) > 1 or any(one.state for one in taken)):
            self._found.setdefault(told, taken)


def _tells(one: Taken) -> bool:
    """Whether it is more than a bound of a transaction, or a step of a cursor."""
    lead = one.text.split(None, 1)[0].rstrip(";").lower()
    return one.key is not None or one.state or lead not in _CURSOR | _CONTROL | _ENDS


def _repeats(taken: Sequence[Taken], one: Taken) -> int:
    return sum(other.key == one.key for other in taken) if one.key is not None else 0


def _temp_table(tokens: Sequence[Token]) -> str | None:
    """The name that `CREATE TEMP TABLE [IF NOT EXISTS] name` makes."""
    words = [one.value for one in tokens[:8]]
    if words[:1] != ["create"] or not _TEMP & set(words[1:3]) or "table" not in words[:4]:
        return None
    at = words.index("table") + 1
    if words[at : at + 3] == ["if", "not", "exists"]:
        at += 3
    return tokens[at].value if at < len(tokens) else None


def _sets(tokens: Sequence[Token], values: Values) -> bool:
    """Whether it sets what a policy or a name may read: a setting with a dot, a role, the search path."""
    lead = tokens[0].value if tokens else ""
    if lead in _SETS:
        words = [one.value for one in tokens[1:4]]
        return bool(words) and (words[0] in _TELLING or "." in words)
    if lead != "select":
        return False
    at = next((at for at, one in enumerate(tokens) if one.value == "set_config"), None)
    if at is None or at + 2 >= len(tokens):
        return False
    first = tokens[at + 2]
    named: str | None = first.value if first.kind is Kind.STRING else ""
    if first.kind is Kind.PARAM and 0 < int(first.value) <= len(values):
        named = values[int(first.value) - 1]
    return named is not None and ("." in named or named in _TELLING)


def _back(tokens: Sequence[Token]) -> bool:
    """ROLLBACK TO SAVEPOINT."""
    words = [one.value for one in tokens]
    return words[:1] == ["rollback"] and "to" in words
