"""Constraints that are added, and how they are added without keeping anybody waiting. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from crossfade.migrations.lexer import Kind, Token
from crossfade.migrations.lint.actions import Action, words_of
from crossfade.migrations.lint.asked import PROVE, Asked
from crossfade.migrations.lint.names import Name, bracket_at, quoted, split_at_commas
from crossfade.migrations.lint.rules import Found

_LONGEST: Final = 63
_SINCE: Final = 18


def of_constraint(asked: Asked) -> Iterator[Found]:
    """ALTER TABLE … ADD of a constraint."""
    action = asked.action
    if action.has("using", "index") and not action.has("using", "index", "tablespace"):
        yield from _by_index(asked)
        return
    body = action.tokens[3:] if action.begins("add", "constraint") else action.tokens[1:]
    words = words_of(body)
    if len(body) < len(("not", "null", "column")):
        yield Found(rule="not-readable", what=f"ADD on {action.table}", instead=PROVE)
        return
    given = action.tokens[2].value if action.begins("add", "constraint") else ""
    name = given or _usual_name(action.table, body)
    tail = words[len(words) - words[::-1].index(")") if ")" in words else 0 :]
    kind = next(
        (one for one in ("unique", "primary", "exclude", "foreign", "check") if words[:1] == (one,)), ""
    )
    if has(words, "without", "overlaps"):
        kind = "exclude"
    if kind in {"unique", "primary"}:
        yield Found(rule="add-unique", what=f"{name} on {action.table}", instead=unique(asked, name, body))
    elif kind == "exclude":
        yield Found(rule="add-exclude", what=f"{name} on {action.table}", instead=_EXCLUDE)
    elif has(tail, "not", "valid"):
        yield from asked.since(_SINCE, "NOT NULL … NOT VALID") if words[:1] == ("not",) else ()
        yield Found(rule="tighter", what=f"{name} on {action.table}")
    elif has(tail, "not", "enforced"):
        yield from asked.since(_SINCE, "NOT ENFORCED")
    elif kind:
        rule = "add-foreign-key" if kind == "foreign" else "add-check"
        text = action.slice(len(action.tokens) - len(body))
        yield Found(rule=rule, what=f"{name} on {action.table}", instead=in_two(action.table, name, text))
    elif words[:2] == ("not", "null"):
        yield from asked.since(_SINCE, "ADD … NOT NULL")
        column = quoted(body[2].value)
        if not asked.table.is_there(body[2].value):
            text = action.slice(len(action.tokens) - len(body))
            yield Found(
                rule="set-not-null", what=f"{action.table}.{column}", instead=in_two(action.table, name, text)
            )
    else:
        yield Found(rule="not-readable", what=f"ADD on {action.table}", instead=PROVE)


_EXCLUDE = "-- a new table with the constraint, filled in batches, and names changed in one short transaction"


_NOT_KNOWN: Final = "-- quick where its columns are NOT NULL already: --schema says which are"


def _by_index(asked: Asked) -> Iterator[Found]:
    """PRIMARY KEY USING INDEX says NOT NULL of its columns, and reads every row where that is not known."""
    action = asked.action
    if not action.has("primary", "key"):
        return
    index = action.after("using", "index")
    columns = asked.known.index_columns(action.table, index)
    if not columns:
        yield Found(rule="set-not-null", what=f"what {index} is of, by PRIMARY KEY", instead=_NOT_KNOWN)
    for column in columns:
        if not asked.table.is_there(column):
            sql = f"{there(action.table, quoted(column))}\n{_statement(action)}"
            yield Found(rule="set-not-null", what=f"{action.table}.{column}, by PRIMARY KEY", instead=sql)
            return


def _statement(action: Action) -> str:
    return f"ALTER TABLE {action.table} {action.text};"


def in_two(table: Name, name: str, body: str) -> str:
    """A constraint that is checked in a transaction of its own, while others read and write."""
    return (
        f"BEGIN;\nALTER TABLE {table} ADD CONSTRAINT {quoted(name)} {body} NOT VALID;\nCOMMIT;\n"
        f"ALTER TABLE {table} VALIDATE CONSTRAINT {quoted(name)};"
    )


def there(table: Name, column: str, name: str = "") -> str:
    """NOT NULL, behind a CHECK that was validated while others write."""
    check = quoted(name or shortened(f"{table.bare}_{column.strip(chr(34))}_there"))
    return (
        f"BEGIN;\nALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID;\n"
        "COMMIT;\n"
        f"ALTER TABLE {table} VALIDATE CONSTRAINT {check};\n"
        f"BEGIN;\nALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;\n"
        f"ALTER TABLE {table} DROP CONSTRAINT {check};\nCOMMIT;"
    )


def unique(asked: Asked, name: str, body: Sequence[Token], of: Sequence[str] = ()) -> str:
    """UNIQUE or PRIMARY KEY by an index that was built while others write."""
    table, words = asked.action.table, words_of(body)
    kind = "PRIMARY KEY" if words[0] == "primary" else "UNIQUE"
    at = words.index("(") if "(" in words else len(words)
    inside = split_at_commas(bracket_at(body, at)) if not of else ()
    columns = list(map(quoted, of)) or [quoted(one[0].value) for one in inside if one]
    extra = ""
    if "include" in words:
        included = split_at_commas(bracket_at(body, words.index("include") + 1))
        extra += f" INCLUDE ({', '.join(quoted(one[0].value) for one in included if one)})"
    extra += " NULLS NOT DISTINCT" if has(words, "nulls", "not", "distinct") else ""
    extra += _stored(asked, body)
    tail = "".join(f" {word}" for word in _deferred(words))
    missing = (
        [one for one in columns if not asked.table.is_there(one.strip('"'))] if kind == "PRIMARY KEY" else []
    )
    first = "".join(f"{there(table, one)}\n" for one in missing)
    return (
        f"{first}CREATE UNIQUE INDEX CONCURRENTLY {quoted(name)} ON {table} ({', '.join(columns)}){extra};\n"
        f"ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} {kind} USING INDEX {quoted(name)}{tail};"
    )


def _deferred(words: Sequence[str]) -> list[str]:
    begin = next((at for at, one in enumerate(words) if one in {"deferrable", "initially"}), len(words))
    begin -= words[begin - 1 : begin] == ("not",)
    return [one.upper() for one in words[begin:]]


def _stored(asked: Asked, body: Sequence[Token]) -> str:
    """How and where the index is kept."""
    words, text = words_of(body), asked.action.statement.text
    kept = ""
    if "with" in words:
        inside = bracket_at(body, words.index("with") + 1)
        kept += f" WITH ({text[inside[0].start : inside[-1].end]})" if inside else ""
    if "tablespace" in words:
        named = body[words.index("tablespace") + 1 :]
        kept += f" TABLESPACE {named[0].text}" if named else ""
    return kept


def has(words: Sequence[str], *phrase: str) -> bool:
    """Whether these words stand in a row."""
    return any(tuple(words[at : at + len(phrase)]) == phrase for at in range(len(words)))


def _usual_name(table: Name, body: Sequence[Token]) -> str:
    """The name that PostgreSQL would give it, or one like it."""
    words = words_of(body)
    if words[:1] == ("primary",):
        return shortened(f"{table.bare}_pkey")
    tail = {"unique": "key", "foreign": "fkey", "exclude": "excl", "not": "not_null"}.get(words[0], "check")
    inside = bracket_at(body, words.index("(")) if "(" in words else tuple(body[2:3])
    inside += bracket_at(body, words.index("include") + 1) if "include" in words else ()
    columns = [one.value for one in inside if one.kind in {Kind.WORD, Kind.QUOTED}]
    if tail == "check":
        columns = columns[:1] if len(set(columns) - {"is", "not", "null"}) == 1 else []
    return shortened("_".join((table.bare, *columns, tail)))


def shortened(name: str) -> str:
    """As long as a name may be, its end kept."""
    return name if len(name.encode()) <= _LONGEST else f"{name[:40]}_{name[-20:]}"
