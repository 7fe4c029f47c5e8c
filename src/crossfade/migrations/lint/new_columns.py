"""ALTER TABLE … ADD COLUMN: which columns are there at once, and which write the table anew. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from crossfade.migrations.lexer import Token
from crossfade.migrations.lint.actions import words_of
from crossfade.migrations.lint.asked import PROVE, Asked
from crossfade.migrations.lint.calls import calls
from crossfade.migrations.lint.columns import Column, Rule, bare, column_of
from crossfade.migrations.lint.constraints import in_two, shortened, there, unique
from crossfade.migrations.lint.names import name_at, quoted
from crossfade.migrations.lint.rules import Found

_SERIAL: Final = frozenset({"serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"})
_APART: Final = frozenset({"unique", "primary", "check", "references"})
_VIRTUAL_SINCE: Final = 18


def of_new_column(asked: Asked) -> Iterator[Found]:
    """All that a new column meets."""
    action = asked.action
    column = column_of(action.tokens[2 if action.begins("add", "column") else 1 :])
    if column is None:
        yield Found(rule="not-readable", what=f"ADD on {action.table}", instead=PROVE)
        return
    yield from _filled(asked, column)
    yield from _constrained(asked, column)
    kind, end = name_at(column.kind, 0)
    if end == len(column.kind) and asked.known.domains.get(kind.bare):
        yield Found(
            rule="column-of-domain",
            what=f"{action.table}.{column.name}",
            instead="-- a column of the plain type, and the rule as a CHECK that is NOT VALID at first",
        )


def _filled(asked: Asked, column: Column) -> Iterator[Found]:
    """What stands in it from the first moment."""
    table, kind = asked.action.table, words_of(column.kind)
    generated = column.rule("generated")
    written = words_of(generated or ())
    default = column.default
    if set(kind) & _SERIAL or "identity" in written:
        yield _computed(asked, column, "a number for each row")
    elif generated is not None and "stored" in written:
        yield _computed(asked, column, "a stored value for each row")
    elif generated is not None:
        yield from asked.since(_VIRTUAL_SINCE, "a virtual column")
    elif "select" in words_of(default or ()):
        yield Found(rule="refused", what=f"{table}.{column.name}: a default holds no query")
    elif default is not None and (called := _changing(default)):
        plain = _text(asked, column, without=frozenset({"default", "not"}) | _APART)
        value = _rule_text(asked, default)
        yield Found(
            rule="volatile-default",
            what=f"{table}.{column.name} with the default {called}()",
            instead=f"ALTER TABLE {table} ADD COLUMN {plain};\n"
            f"ALTER TABLE {table} ALTER COLUMN {column.name} SET {value};\n"
            f"-- a backfill of {column.name}"
            + (", and then:\n" + there(table, str(column.name)) if column.not_null else ""),
        )
    elif column.not_null and default is None and column.rule("primary") is None:
        yield Found(
            rule="not-null-without-default",
            what=f"{table}.{column.name}",
            instead=f"ALTER TABLE {table} ADD COLUMN {column.name} … NOT NULL DEFAULT …;  -- kept",
        )


def _computed(asked: Asked, column: Column, what: str) -> Found:
    table = asked.action.table
    return Found(
        rule="computed-column",
        what=f"{table}.{column.name}: {what}",
        instead=f"ALTER TABLE {table} ADD COLUMN {column.name} …;  -- filled by a dual write and a backfill",
    )


def _changing(default: Rule) -> str:
    """The function that a default calls, where it may give each row another value."""
    return next((one.name for one in calls(default) if not one.is_steady()), "")


def _constrained(asked: Asked, column: Column) -> Iterator[Found]:
    """An index is built, or rows are checked. NULL in all rows refers to nothing, and needs no check."""
    met = [one for one in column.rules if bare(one)[:1] and bare(one)[0] in _APART]
    waits = [one for one in met if bare(one)[0] != "references" or column.default is not None]
    if not waits or all(words_of(one)[-2:] == ("not", "enforced") for one in waits):
        return
    plain = _text(asked, column, without=_APART)
    parts = [
        f"ALTER TABLE {asked.action.table} ADD COLUMN {plain};",
        *(_apart(asked, column, one) for one in met),
    ]
    yield Found(
        rule="column-with-constraint",
        what=f"{asked.action.table}.{column.name}",
        instead="\n".join(parts),
    )


def _apart(asked: Asked, column: Column, rule: Rule) -> str:
    """A constraint of the column as a constraint of the table, which keeps nobody waiting."""
    table, words = asked.action.table, bare(rule)
    body = rule[2:] if words_of(rule)[:1] == ("constraint",) else rule
    given = rule[1].value if len(body) < len(rule) else ""
    ending = {"unique": "key", "primary": "pkey", "check": "check", "references": "fkey"}[words[0]]
    stem = table.bare if ending == "pkey" else f"{table.bare}_{column.name.bare}"
    name = given or shortened(f"{stem}_{ending}")
    if words[0] in {"unique", "primary"}:
        return unique(asked, name, body, (column.name.bare,))
    text = asked.action.statement.text[body[0].start : body[-1].end]
    return in_two(table, name, text if words[0] == "check" else f"FOREIGN KEY ({column.name}) {text}")


def _text(asked: Asked, column: Column, *, without: frozenset[str]) -> str:
    """Its definition, without rules of these kinds."""
    kept = [one for one in column.rules if bare(one)[:1] and bare(one)[0] not in without]
    kind = _rule_text(asked, column.kind)
    return " ".join((quoted(column.name.bare), kind, *(_rule_text(asked, one) for one in kept)))


def _rule_text(asked: Asked, tokens: Sequence[Token]) -> str:
    return asked.action.statement.text[tokens[0].start : tokens[-1].end] if tokens else ""
