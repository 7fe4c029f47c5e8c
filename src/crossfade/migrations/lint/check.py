"""
A migration, asked by every rule, statement by statement, with what is known when the turn of each comes.

`allow.py` hears what was allowed on purpose, `together.py` looks at transactions as wholes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from crossfade.errors import RefusedError
from crossfade.migrations.lexer import UnreadableError
from crossfade.migrations.lint.actions import Action, actions, words_of
from crossfade.migrations.lint.allow import Allowed, allowed
from crossfade.migrations.lint.alters import of_alter
from crossfade.migrations.lint.asked import NEWEST, Asked
from crossfade.migrations.lint.known import Known
from crossfade.migrations.lint.others import of_other
from crossfade.migrations.lint.replaced import Replaced
from crossfade.migrations.lint.rules import RULES, Found, Level
from crossfade.migrations.lint.together import together
from crossfade.migrations.script import Script, Unit, read_script, read_statements

Place = tuple[int, int]
_LATE: Final = (".contract.sql", ".abort.sql")
"""What runs when no version that needs what it takes away can come back."""
_UTC: Final = frozenset({"utc", "etc/utc", "gmt", "z"})


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
    breaks: bool = False
    """It is about versions that use what is changed: whether there is one stands in no migration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A rule that spoke on a statement, from one place to another, or was allowed there."""

    begin: Place
    end: Place
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """
    What was found in a file, and every rule that spoke, whether it was allowed or not.

    `done`: its actions, each with whether it may have done more than it says; None where nobody can read it.
    """

    findings: tuple[Finding, ...]
    spoken: tuple[Spoken, ...] = ()
    done: tuple[tuple[Action, bool], ...] | None = ()

    @property
    def named(self) -> frozenset[str] | None:
        """What it is about; None where it may be about anything."""
        if self.done is None or any(dark for _, dark in self.done):
            return None
        return frozenset(name for action, _ in self.done for name in _named(action))

    def tell(self, known: Known) -> None:
        """What is known after it, where it is not read anew."""
        if self.done is None:
            known.forget_all()
        for action, dark in self.done or ():
            known.tell(action)
            if dark:
                known.forget(action)
        known.next_file()


@dataclass(frozen=True, slots=True)
class _Met:
    finding: Finding
    action: Action


def schema_of(sql: str, name: str) -> Known:
    """What is there before, as `pg_dump --schema-only` writes it. Raises RefusedError (CF9201)."""
    known = Known()
    unit = Unit(statements=read_statements(sql, name), transaction=True)
    for action in actions(Script(units=(unit,), explicit=True)):
        known.tell(action)
    known.next_file()
    return known


def lint(
    sql: str, name: str, *, contract: bool | None = None, pg: int = NEWEST, schema: Known | None = None
) -> tuple[Finding, ...]:
    """
    All findings of a migration file; never raises for its text.

    `contract`: it runs when no version that needs what it takes away can come back (None: as its name says);
    `schema`: what is there before it, where that is known.
    """
    return read(sql, name, contract=contract, pg=pg, schema=schema).findings


def read(
    sql: str, name: str, *, contract: bool | None = None, pg: int = NEWEST, schema: Known | None = None
) -> Reading:
    """The same, and which rule spoke on which statement."""
    late = name.endswith(_LATE) if contract is None else contract
    return read_on(sql, name, Known() if schema is None else schema.copy(), contract=late, pg=pg)


def read_on(sql: str, name: str, known: Known, *, contract: bool, pg: int = NEWEST) -> Reading:
    """The same, on what is `known`, which knows what the file does when it is read."""
    try:
        script = read_script(sql, name)
        answers = tuple(allowed(sql))
    except (RefusedError, UnreadableError) as error:
        known.forget_all()
        line = re.search(r":(\d+)", str(error))
        place = (int(line.group(1)) if line else 1, 1)
        told = Found(rule="not-readable", what=str(error))
        return Reading(findings=(_finding(name, place, told),), done=None)
    if not script.explicit and any("concurrently" in words_of(one.tokens) for one in script.statements):
        script = script.apart()  # as a runner does it: PostgreSQL takes it no other way
    done: list[tuple[Action, bool]] = []
    met = [
        _Met(_finding(name, place_of(action), found), action)
        for action, found in _asked(script, pg, known, done)
        if not (contract and RULES[found.rule].breaks)
    ]
    kept = [*_unanswered(met, answers), *_wrong(answers, name)]
    return Reading(
        findings=tuple(sorted(kept, key=lambda one: (one.line, one.column))),
        spoken=tuple(_spoken(one) for one in met),
        done=tuple(done),
    )


def _named(action: Action) -> Iterator[str]:
    for name in (action.table, action.after("partition", "of"), action.after("to"), action.after("index")):
        yield name.bare


def _asked(
    script: Script, pg: int, known: Known, done: list[tuple[Action, bool]]
) -> Iterator[tuple[Action, Found]]:
    utc = False
    every: list[tuple[Action, bool]] = []
    statements = tuple(actions(script))
    replaced = Replaced(statements)
    for action in statements:
        asked = Asked(action=action, known=known, pg=pg, utc=utc)
        new = known.is_new(action.table)
        every.append((action, new))
        met = list(of_alter(asked) if action.kind == "alter table" else of_other(asked))
        for found in met:
            told = replaced.instead(action, found)
            if told is not None and not _keeps_nobody_waiting(asked, told, new=new):
                yield action, told
        known.tell(action)
        dark = any(RULES[found.rule].level == "unknown" for found in met)
        done.append((action, dark))
        if dark:
            known.forget(action)
        utc = _is_utc(action) if action.kind == "set" and action.has_any("timezone", "zone") else utc
    yield from together(every)


def _keeps_nobody_waiting(asked: Asked, found: Found, *, new: bool) -> bool:
    """What the migration itself made, no other session sees yet."""
    if RULES[found.rule].level == "unknown" or found.rule in {"newer-server", "refused"}:
        return False
    kind = asked.action.kind.partition(" ")[2]
    return new or asked.known.made(kind, asked.action.table)


def _is_utc(action: Action) -> bool:
    return action.tokens[-1].value.lower() in _UTC


def place_of(action: Action) -> Place:
    """Line and column of the first word of an action."""
    at = action.tokens[0].start if action.tokens else 0
    return _place(action, at)


def _place(action: Action, at: int) -> Place:
    statement = action.statement
    before = statement.text[:at]
    lines = before.count("\n")
    column = at - (before.rfind("\n") + 1) + 1
    return (statement.line + lines, column if lines else statement.column + at)


def _spoken(met: _Met) -> Spoken:
    action = met.action
    begin, end = _place(action, 0), _place(action, len(action.statement.text))
    return Spoken(begin=begin, end=end, rule=met.finding.rule)


def _finding(name: str, place: Place, found: Found) -> Finding:
    rule = RULES[found.rule]
    return Finding(
        file=name,
        line=place[0],
        column=place[1],
        rule=rule.name,
        level=rule.level,
        what=found.what,
        why=rule.why,
        instead=found.instead,
        breaks=rule.breaks,
    )


def _unanswered(met: Sequence[_Met], answers: Sequence[Allowed]) -> Iterator[Finding]:
    for one in met:
        if not any(answer.reason and _is_answered(one, answer) for answer in answers):
            yield one.finding


def _is_answered(met: _Met, answer: Allowed) -> bool:
    if answer.rule != met.finding.rule:
        return False
    begins = answer.above and answer.of_line == met.action.statement.line
    return begins or answer.of_line == met.finding.line


def _wrong(answers: Sequence[Allowed], name: str) -> Iterator[Finding]:
    """Answers that answer nothing: to no rule, or without a reason."""
    for one in answers:
        if one.rule not in RULES:
            near = get_close_matches(one.rule, RULES, 1) or ["RULE"]
            what = f"`{one.rule}`, which is allowed here, is no rule"
            instead = f"-- crossfade: allow {near[0]} {one.reason or 'because …'}"
            yield _finding(name, (one.line, 1), Found(rule="not-readable", what=what, instead=instead))
        elif not one.reason:
            what = f"{one.rule} is allowed without a reason"
            instead = f"-- crossfade: allow {one.rule} because …"
            yield _finding(name, (one.line, 1), Found(rule="not-readable", what=what, instead=instead))
