"""What a clause of ALTER TABLE does to others. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crossfade.migrations.lexer import Kind
from crossfade.migrations.lint.asked import PROVE, Asked, later
from crossfade.migrations.lint.changed_columns import of_column
from crossfade.migrations.lint.columns import is_table_rule
from crossfade.migrations.lint.constraints import of_constraint
from crossfade.migrations.lint.new_columns import of_new_column
from crossfade.migrations.lint.rules import Found

_REWRITING: Final = (
    ("set", "tablespace"),
    ("set", "logged"),
    ("set", "unlogged"),
    ("set", "access", "method"),
)
_QUIET: Final = frozenset({"validate", "cluster", "replica", "reset", "of", "not"})
_QUIET_SETS: Final = frozenset({("set", "("), ("set", "without")})
_ACCESS_METHOD_SINCE: Final = 15


def of_alter(asked: Asked) -> Iterator[Found]:
    """All that one clause meets."""
    action = asked.action
    words = action.words
    if not words:
        return
    if action.begins("alter", "table", "all"):
        yield Found(rule="rebuild", what="every table of a tablespace", instead=_REPACK)
    elif words[0] == "add" and _is_constraint(asked):
        yield from of_constraint(asked)
    elif words[0] == "add":
        yield from of_new_column(asked)
    elif words[0] == "drop":
        yield from _drop(asked)
    elif words[0] == "rename":
        yield from _rename(asked)
    elif action.begins("alter", "constraint"):
        yield from _enforced(asked)
    elif words[0] == "alter":
        yield from of_column(asked)
    else:
        yield from _whole(asked)


_GRANTS: Final = "-- and GRANT on the view what others may do with the table"
_REPACK: Final = "-- pg_repack, or a time when nobody is there"


def _is_constraint(asked: Asked) -> bool:
    action = asked.action
    return is_table_rule(action.tokens[1:]) or action.begins("add", "not", "null")


def _drop(asked: Asked) -> Iterator[Found]:
    action, table = asked.action, asked.action.table
    if action.begins("drop", "constraint"):
        yield Found(rule="drop-constraint", what=f"{action.after('constraint')} on {table}")
        return
    column = action.column("drop")
    yield Found(
        rule="drop-column",
        what=f"{table}.{column}",
        instead=later(f"ALTER TABLE {table} DROP COLUMN {column};"),
    )
    yield Found(rule="data-loss", what=f"{table}.{column}", instead="-- a copy, if anybody may want it back")


def _rename(asked: Asked) -> Iterator[Found]:
    action, table = asked.action, asked.action.table
    if action.begins("rename", "to"):
        new = table.in_same_schema(action.after("to").bare)
        yield Found(
            rule="rename-table",
            what=f"{table} becomes {action.after('to')}",
            instead=f"BEGIN;\nALTER TABLE {table} RENAME TO {action.after('to')};\n"
            f"CREATE VIEW {table} AS SELECT * FROM {new};\n{_GRANTS}\nCOMMIT;",
        )
    elif action.begins("rename", "constraint"):
        yield Found(
            rule="rename-object",
            what=f"{action.after('constraint')} of {table}",
            instead="-- leave its name",
        )
    else:
        old, new = action.column("rename"), action.after("to")
        yield Found(
            rule="rename-column",
            what=f"{table}.{old} becomes {new}",
            instead=f"ALTER TABLE {table} ADD COLUMN {new} …;\n-- dual_write, backfill and verify, and in "
            f"NAME.contract.sql:\nALTER TABLE {table} DROP COLUMN {old};",
        )


def _enforced(asked: Asked) -> Iterator[Found]:
    """ALTER CONSTRAINT … ENFORCED reads every row, as adding it would."""
    action = asked.action
    if action.has("enforced") and not action.has("not", "enforced"):
        yield Found(
            rule="add-foreign-key", what=f"{action.after('constraint')} on {action.table} is enforced"
        )


def _whole(asked: Asked) -> Iterator[Found]:
    """What is done to the table as a whole."""
    action, table = asked.action, asked.action.table
    if action.begins("set", "schema"):
        schema = action.after("schema")
        yield Found(
            rule="rename-table",
            what=f"{table} moves to {schema}",
            instead=f"BEGIN;\n{_statement(asked)}\n"
            f"CREATE VIEW {table} AS SELECT * FROM {schema}.{table.last};\n{_GRANTS}\nCOMMIT;",
        )
    elif any(action.begins(*one) for one in _REWRITING):
        if action.has("access", "method"):
            yield from asked.since(_ACCESS_METHOD_SINCE, "SET ACCESS METHOD")
        yield Found(rule="rebuild", what=str(table), instead=_REPACK)
    elif action.has("partition"):
        yield from _partition(asked)
    elif action.has("row", "level", "security"):
        if action.has_any("enable", "force") and not action.begins("no"):
            why = "-- CREATE POLICY … first, and tried as the application's role"
            yield Found(rule="row-security", what=str(table), instead=why)
    elif action.begins("owner", "to"):
        yield Found(rule="change-owner", what=f"{table} is {action.after('to')}'s")
    elif action.begins("no", "inherit"):
        yield Found(
            rule="detach-partition",
            what=f"{table} from {action.after('inherit')}",
            instead=later(_statement(asked)),
        )
    elif action.words[0] == "inherit":
        yield Found(
            rule="replace-object", what=f"{action.after('inherit')}, which has the rows of {table} too"
        )
    elif action.words[0] in {"enable", "disable"}:
        which = action.tokens[-1].text if action.tokens[-1].kind is Kind.QUOTED else action.words[-1]
        yield Found(rule="trigger", what=f"{which} on {table} is {action.words[0]}d")
    elif action.words[0] not in _QUIET and action.words[:2] not in _QUIET_SETS:
        yield Found(rule="not-readable", what=f"ALTER TABLE … {action.words[0].upper()}", instead=PROVE)


def _statement(asked: Asked) -> str:
    return f"ALTER TABLE {asked.action.table} {asked.action.text};"


def _partition(asked: Asked) -> Iterator[Found]:
    action, table = asked.action, asked.action.table
    part = action.after("partition")
    if action.begins("attach"):
        if asked.table.default_partition:
            yield Found(
                rule="beside-default-partition", what=f"{part} to {table}", instead=_DEFAULT_PARTITION
            )
        if not asked.known.is_new(part) and action.words[-1] != "default":
            yield Found(
                rule="attach-partition",
                what=f"{part} to {table}",
                instead=f"ALTER TABLE {part} ADD CONSTRAINT … CHECK (… its bounds) NOT VALID;\n"
                f"ALTER TABLE {part} VALIDATE CONSTRAINT …;  -- then attach: it is not read again",
            )
        elif not asked.known.is_new(part):
            yield Found(
                rule="attach-partition", what=f"{part} to {table}, for every value that no other takes"
            )
    elif action.begins("detach"):
        sql = f"ALTER TABLE {table} DETACH PARTITION {part} CONCURRENTLY;"
        yield Found(rule="detach-partition", what=f"{part} from {table}", instead=later(sql))
        if action.has("concurrently") and action.transaction:
            yield Found(
                rule="concurrently-in-transaction",
                what="DETACH PARTITION … CONCURRENTLY",
                instead="-- without BEGIN and COMMIT around it, or: -- crossfade: no-transaction",
            )
    else:
        yield Found(
            rule="not-readable", what=f"ALTER TABLE … {action.words[0].upper()} PARTITION", instead=PROVE
        )


_DEFAULT_PARTITION: Final = (
    "-- first a valid CHECK on the default partition that rules out the values of the new one,"
    " which is not read then"
)
