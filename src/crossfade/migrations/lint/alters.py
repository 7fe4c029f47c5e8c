"""What a clause of ALTER TABLE does to others. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crossfade.migrations.lint.actions import Action
from crossfade.migrations.lint.rules import Found

_CONSTRAINTS: Final = frozenset({"constraint", "check", "unique", "primary", "foreign", "exclude", "not"})
_SERIAL: Final = frozenset({"serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"})
_STEADY: Final = frozenset(
    {
        "now",
        "current_timestamp",
        "current_date",
        "current_time",
        "localtimestamp",
        "localtime",
        "statement_timestamp",
        "transaction_timestamp",
        "current_user",
        "session_user",
        "current_setting",
        "to_timestamp",
        "make_date",
        "date",
        "jsonb_build_object",
        "json_build_object",
        "jsonb_build_array",
        "array",
        "row",
        "lower",
        "upper",
        "coalesce",
    }
)
_WIDE: Final = frozenset({"text", "varchar"})


def of_alter(action: Action) -> Iterator[Found]:
    """All that one clause meets."""
    words = action.words
    if not words:
        return
    if words[0] == "add" and _is_constraint(action):
        yield from _constraint(action)
    elif words[0] == "add":
        yield from _new_column(action)
    elif words[0] == "drop":
        yield from _drop(action)
    elif words[0] == "rename":
        yield from _rename(action)
    elif words[0] == "alter" and words[1:2] != ("constraint",):
        yield from _column(action)
    else:
        yield from _rest(action)


def _is_constraint(action: Action) -> bool:
    return (
        action.words[1:2] != ()
        and action.words[1] in _CONSTRAINTS
        and not action.begins("add", "not", "exists")
    )


def _constraint(action: Action) -> Iterator[Found]:
    table, named = action.table, action.after("add", "constraint") or f"{_bare(action.table)}_rule"
    later = f"ALTER TABLE {table} VALIDATE CONSTRAINT {named};  -- in a transaction of its own"
    whole = action.statement.text[action.tokens[0].start : action.tokens[-1].end]
    if action.has("using", "index"):
        return
    if action.has("unique") or action.has("primary", "key"):
        kind = "UNIQUE" if action.has("unique") else "PRIMARY KEY"
        yield Found(
            rule="add-unique",
            what=f"{kind} on {table}",
            instead=f"CREATE UNIQUE INDEX CONCURRENTLY {named} ON {table} {_bracket(action)};\n"
            f"ALTER TABLE {table} ADD CONSTRAINT {named} {kind} USING INDEX {named};",
        )
    elif action.has("exclude"):
        yield Found(rule="add-exclude", what=f"EXCLUDE on {table}", instead="a new table, filled in batches")
    elif not action.has("not", "valid") and not action.begins("add", "not", "null"):
        rule = "add-foreign-key" if action.has("foreign", "key") else "add-check"
        yield Found(
            rule=rule, what=f"{named} on {table}", instead=f"ALTER TABLE {table} {whole} NOT VALID;\n{later}"
        )


def _new_column(action: Action) -> Iterator[Found]:
    column = action.after("add", "column") or action.after("add")
    table, kept = action.table, set(action.words)
    default = action.at("default")
    if kept & _SERIAL or action.has("as", "identity"):
        yield _computed(table, column, "a number for each row")
    elif action.has("generated", "always", "as") and not action.has("virtual"):
        yield _computed(table, column, "a stored value for each row")
    elif default >= 0 and (called := _varies(action, default)):
        yield Found(
            rule="volatile-default",
            what=f"{table}.{column} with the default {called}()",
            instead=f"ALTER TABLE {table} ADD COLUMN {column} …;\n"
            f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {called}();  -- then a backfill",
        )
    elif action.has("not", "null") and default < 0:
        yield Found(
            rule="not-null-without-default",
            what=f"{table}.{column}",
            instead=f"ALTER TABLE {table} ADD COLUMN {column} … NOT NULL DEFAULT …;  -- constant, and kept",
        )
    checked = "check" in kept or ("references" in kept and default >= 0)  # NULL in all rows refers to nothing
    if action.has("unique") or action.has("primary", "key") or checked:
        yield Found(
            rule="column-with-constraint",
            what=f"{table}.{column}",
            instead=f"ALTER TABLE {table} ADD COLUMN {column} …;\n"
            "-- the constraint apart: NOT VALID and VALIDATE, or USING INDEX",
        )


def _computed(table: str, column: str, what: str) -> Found:
    return Found(
        rule="computed-column",
        what=f"{table}.{column}: {what}",
        instead=f"ALTER TABLE {table} ADD COLUMN {column} …;  -- filled by a dual write and a backfill",
    )


def _varies(action: Action, default: int) -> str:
    """The function that a default calls, where it may give each row another value."""
    for at in range(default + 1, len(action.words) - 1):
        word = action.words[at]
        if action.words[at + 1] == "(" and word.isidentifier() and word not in _STEADY:
            return "" if word in {"check", "references", "numeric", "varchar", "char", "decimal"} else word
    return ""


def _drop(action: Action) -> Iterator[Found]:
    if action.begins("drop", "constraint"):
        yield Found(rule="drop-constraint", what=f"{action.after('drop', 'constraint')} on {action.table}")
        return
    column = action.after("drop", "column") or action.after("drop")
    sql = f"ALTER TABLE {action.table} DROP COLUMN {column};"
    yield Found(rule="drop-column", what=f"{action.table}.{column}", instead=_later(sql))
    yield Found(
        rule="data-loss", what=f"{action.table}.{column}", instead="a copy, if anybody may want it back"
    )


def _rename(action: Action) -> Iterator[Found]:
    table = action.table
    if action.begins("rename", "to"):
        new = action.after("rename", "to")
        yield Found(
            rule="rename-table",
            what=f"{table} becomes {new}",
            instead=f"BEGIN;\nALTER TABLE {table} RENAME TO {new};\n"
            f"CREATE VIEW {table} AS SELECT * FROM {new};\nCOMMIT;",
        )
    elif action.begins("rename", "constraint"):
        yield Found(
            rule="rename-object",
            what=f"{action.after('rename', 'constraint')} of {table}",
            instead="leave its name",
        )
    else:
        old, new = action.after("rename", "column") or action.after("rename"), action.after("to")
        yield Found(
            rule="rename-column",
            what=f"{table}.{old} becomes {new}",
            instead=f"ALTER TABLE {table} ADD COLUMN {new} …;\n-- dual_write, backfill and verify, and in "
            f"NAME.contract.sql:\nALTER TABLE {table} DROP COLUMN {old};",
        )


def _column(action: Action) -> Iterator[Found]:
    table, column = action.table, action.after("alter", "column") or action.after("alter")
    if action.has("type"):
        kind = action.words[action.at("type") + 1 :]
        if kind[:1] and kind[0] in _WIDE and len(kind) == 1:
            return
        yield Found(
            rule="change-type",
            what=f"{table}.{column}",
            instead=f"ALTER TABLE {table} ADD COLUMN {_bare(column)}_new …;\n"
            "-- dual_write and backfill, then a contract; a wider varchar or numeric is quick: prove it",
        )
    elif action.has("set", "not", "null"):
        check = f"{_bare(table)}_{_bare(column)}_not_null"
        yield Found(
            rule="set-not-null",
            what=f"{table}.{column}",
            instead=f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID;\n"
            f"ALTER TABLE {table} VALIDATE CONSTRAINT {check};  -- in a transaction of its own\n"
            f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;\n"
            f"ALTER TABLE {table} DROP CONSTRAINT {check};",
        )
    elif action.has("drop", "not", "null"):
        yield Found(rule="drop-not-null", what=f"{table}.{column}")
    elif action.has("drop", "default"):
        sql = f"ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT;"
        yield Found(rule="drop-default", what=f"{table}.{column}", instead=_later(sql))
    elif action.has("set", "default"):
        yield Found(rule="change-default", what=f"{table}.{column}")
    elif action.has("add", "generated"):
        yield _computed(table, column, "a number for each row")


def _rest(action: Action) -> Iterator[Found]:
    table = action.table
    if action.has("set", "schema"):
        yield Found(
            rule="rename-table",
            what=f"{table} moves to {action.after('set', 'schema')}",
            instead=f"a view of the old name in the same transaction as the move of {table}",
        )
    elif action.has("set", "tablespace") or action.has("set", "logged") or action.has("set", "unlogged"):
        yield Found(rule="rebuild", what=table, instead="pg_repack, or a time when nobody is there")
    elif action.begins("attach", "partition"):
        part = action.after("attach", "partition")
        yield Found(
            rule="attach-partition",
            what=f"{part} to {table}",
            instead=f"ALTER TABLE {part} ADD CONSTRAINT … CHECK (… its bounds) NOT VALID;\n"
            f"ALTER TABLE {part} VALIDATE CONSTRAINT …;  -- then attach: it is not read again",
        )
    elif action.begins("detach", "partition"):
        part = action.after("detach", "partition")
        sql = f"ALTER TABLE {table} DETACH PARTITION {part} CONCURRENTLY;"
        yield Found(rule="detach-partition", what=f"{part} from {table}", instead=_later(sql))
    elif action.has("row", "level", "security") and words_in(action, "enable", "force"):
        yield Found(
            rule="row-security", what=table, instead="CREATE POLICY … first, and tried as the app's role"
        )


def words_in(action: Action, *some: str) -> bool:
    return bool(set(some) & set(action.words))


def _bracket(action: Action) -> str:
    texts = [one.text for one in action.tokens]
    if "(" not in texts:
        return "(…)"
    begin = texts.index("(")
    return f"({', '.join(one for one in texts[begin + 1 : texts.index(')', begin)] if one != ',')})"


def _bare(name: str) -> str:
    return name.rpartition(".")[2].strip('"')


def _later(sql: str) -> str:
    return f"-- in NAME.contract.sql, for when no version that needs it can come back:\n{sql}"
