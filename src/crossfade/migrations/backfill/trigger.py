"""
Two columns kept in step by a trigger, whoever writes: the old version one of them, the new version the other.

What was written is told from what was there: on UPDATE from the row before, on INSERT from the defaults. Only
one side written: the other follows. Both written, as by an application that writes both: both stay. Columns
are compared byte by byte, so that what equality hides (1.0 and 1.00, upper case in citext) follows too.

Pairs that share a column are judged together (`groups`): a name split in two is one thing written, not two.

It is a BEFORE ROW trigger that changes the row and nothing else: it does not recurse, it is under every
INSERT, UPDATE, upsert, MERGE and COPY, and it is named to come after the user's own. It runs as whoever
writes, with the search_path of the day it was made. A backfill's own writes pass it by
(`crossfade.backfilling`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.errors import AccessError, RefusedError
from crossfade.migrations.backfill.table import Column, Table, read_table
from crossfade.migrations.lexer import Kind, UnreadableError, words
from crossfade.migrations.wire import Session, name
from crossfade.spec.change_models import DualWrite, Pair

_LONGEST_NAME: Final = 63
_AWAKE: Final = "pg_catalog.current_setting('crossfade.backfilling', true) IS DISTINCT FROM 'on'"
_PATH: Final = "SELECT pg_catalog.unnest(pg_catalog.current_schemas(false))"
_OWNED: Final = """
SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE'), pg_catalog.pg_get_userbyid(c.relowner)
FROM pg_catalog.pg_class c WHERE c.oid = $1::oid"""
_THERE: Final = """
SELECT p.prosrc FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
WHERE t.tgrelid = $1::oid AND t.tgname IN ($2, $3) AND t.tgenabled IN ('O', 'A')"""

_MUST: Final = """
SELECT a.attname FROM pg_catalog.pg_attribute a
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND a.attnotnull AND a.attidentity = '' AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = a.attrelid
    AND (i.indisprimary OR i.indisreplident) AND a.attnum = ANY (i.indkey))"""
"""Columns that must be written and need not stay so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """What is made for a change: one function, two triggers."""

    function: str
    insert: str
    update: str

    @classmethod
    def of(cls, change: str) -> _Names:
        return cls(
            function=_short(f"dual_write_{change}"),
            insert=_short(f"zz_crossfade_insert_{change}"),
            update=_short(f"zz_crossfade_update_{change}"),
        )


def install(session: Session, change: str, dual: DualWrite) -> tuple[str, ...]:
    """
    The statements that put the trigger in place, for one transaction; nothing is run here.

    The last ones take a SHARE ROW EXCLUSIVE lock on the table: writers wait for its end, and it waits for
    writers, so that no row of before is missed. Give it a lock_timeout. Raises RefusedError (CF9282, CF9283,
    CF9291) and AccessError (CF9280).
    """
    table = read_table(session, dual.table, with_defaults=True)
    _refuse_what_could_not_be_undone(session, table)
    names = _Names.of(change)
    body = body_of(table, dual.pairs)
    schemas = [str(one) for (one,) in session.ask(_PATH)]
    path = ", ".join(map(name, dict.fromkeys(["pg_catalog", table.schema, *schemas, "pg_temp"])))
    function = name("crossfade", names.function)
    quote = _dollars(body)
    made = (
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER\n"
        f"SET search_path = {path} AS {quote}{body}{quote}"
    )
    triggers = (
        f"CREATE OR REPLACE TRIGGER {name(called)} BEFORE {event} ON {table.sql} FOR EACH ROW\n"
        f"WHEN ({when}) EXECUTE FUNCTION {function}()"
        for called, event, when in (
            (names.insert, "INSERT", _AWAKE),
            (names.update, "UPDATE", f"{_AWAKE} AND {_moved(table, dual.pairs)}"),
        )
    )
    return "CREATE SCHEMA IF NOT EXISTS crossfade", made, *triggers


def remove(session: Session, change: str, dual: DualWrite) -> tuple[str, ...]:
    """The statements that take it away, for one transaction, before the columns go; nothing is run here."""
    names = _Names.of(change)
    table = read_table(session, dual.table)
    return (
        f"DROP TRIGGER IF EXISTS {name(names.insert)} ON {table.sql}",
        f"DROP TRIGGER IF EXISTS {name(names.update)} ON {table.sql}",
        f"DROP FUNCTION IF EXISTS {name('crossfade', names.function)}()",
    )


def leave_behind(session: Session, change: str, dual: DualWrite) -> tuple[str, ...]:
    """
    What `remove` does, before a contract: from here on only the new version writes, and only its own columns.

    Between the trigger's end and the old columns' nobody fills them, so they may be left out.
    """
    table = read_table(session, dual.table)
    must = {str(column) for (column,) in session.ask(_MUST, [str(table.oid)])}
    old = {table.columns[one].name for one in (pair.old for pair in dual.pairs) if one in table.columns}
    return (
        *remove(session, change, dual),
        *(f"ALTER TABLE {table.sql} ALTER COLUMN {name(one)} DROP NOT NULL" for one in sorted(old & must)),
    )


def in_place(session: Session, change: str, dual: DualWrite) -> bool:
    """Whether both triggers are there, switched on, and do what is asked for now."""
    names = _Names.of(change)
    table = read_table(session, dual.table, with_defaults=True)
    found = session.ask(_THERE, [str(table.oid), names.insert, names.update])
    return found == ((body_of(table, dual.pairs),),) * 2


def groups(pairs: Sequence[Pair]) -> tuple[tuple[Pair, ...], ...]:
    """Pairs that hang together by a column, in the order they are written. Pure."""
    found: list[list[Pair]] = []
    for pair in pairs:
        touching = [one for one in found if any(pair.old == its.old or pair.new == its.new for its in one)]
        merged = [*(its for one in touching for its in one), pair]
        found = [one for one in found if one not in touching] + [merged]
    return tuple(tuple(one) for one in found)


def body_of(table: Table, pairs: Sequence[Pair]) -> str:
    """The function's text. Raises RefusedError (CF9283, CF9291)."""
    _refuse_unfit(table, pairs)
    told = "".join(_group(table, group) for group in groups(pairs))
    return f"\nDECLARE\n  crossfade_old boolean;\n  crossfade_new boolean;\nBEGIN\n{told}  RETURN NEW;\nEND\n"


def _group(table: Table, group: Sequence[Pair]) -> str:
    old = _columns(table, (pair.old for pair in group))
    new = _columns(table, (pair.new for pair in group))
    up = "".join(f"    NEW.{name(table.column(one.new).name)} := (\n{one.up}\n);\n" for one in group)
    downs = {table.column(one.old).name: one.down for one in group}
    down = "".join(f"    NEW.{name(column)} := (\n{sql}\n);\n" for column, sql in downs.items())
    return (
        "  IF TG_OP = 'INSERT' THEN\n"
        f"    crossfade_old := {_given(old)};\n"
        f"    crossfade_new := {_given(new)};\n"
        "    crossfade_old := crossfade_old OR NOT crossfade_new;\n"
        "  ELSE\n"
        f"    crossfade_old := {_differ(old)};\n"
        f"    crossfade_new := {_differ(new)};\n"
        "  END IF;\n"
        f"  IF crossfade_old AND NOT crossfade_new THEN\n{up}"
        f"  ELSIF crossfade_new AND NOT crossfade_old THEN\n{down}"
        "  END IF;\n"
    )


def _columns(table: Table, names: Iterable[str]) -> list[Column]:
    return [table.columns[one] for one in dict.fromkeys(table.column(said).name for said in names)]


def _given(columns: Sequence[Column]) -> str:
    """Whether an INSERT gave a column: another value than its default. One that varies cannot be told: no."""
    told = [one for one in columns if not one.default_varies]
    if not told:
        return "false"
    now = ", ".join(f"NEW.{name(one.name)}" for one in told)
    usual = ", ".join(f"({one.default or 'NULL'})::{one.type}" for one in told)
    return f"pg_catalog.record_image_ne(ROW({now}), ROW({usual}))"


def _differ(columns: Sequence[Column]) -> str:
    # The operator of this function is printed without its casts: a pg_dump with it would not load.
    now, then = (", ".join(f"{row}.{name(one.name)}" for one in columns) for row in ("NEW", "OLD"))
    return f"pg_catalog.record_image_ne(ROW({now}), ROW({then}))"


def _moved(table: Table, pairs: Sequence[Pair]) -> str:
    return _differ(_columns(table, (side for pair in pairs for side in (pair.old, pair.new))))


def _refuse_unfit(table: Table, pairs: Sequence[Pair]) -> None:
    for pair in pairs:
        old, new = table.column(pair.old), table.column(pair.new)
        for column in (old, new):
            if column.generated:
                raise _unfit(table, column, "it is generated: nobody writes it", "pair what it is made of")
        if new.default_varies:
            raise _unfit(
                table,
                new,
                "its default is another value each time, so nobody can tell whether an INSERT gave it",
                f"ALTER TABLE {table.sql} ALTER COLUMN {name(new.name)} DROP DEFAULT: the trigger fills it",
            )
        _refuse_no_expression(pair.up)
        _refuse_no_expression(pair.down)
    _refuse_two_answers(table, [(table.column(one.old), one.down) for one in pairs], "down")
    _refuse_two_answers(table, [(table.column(one.new), one.up) for one in pairs], "up")


def _refuse_two_answers(table: Table, made: Sequence[tuple[Column, str]], called: str) -> None:
    seen: dict[str, str] = {}
    for column, sql in made:
        if seen.setdefault(column.name, sql) != sql:
            raise _unfit(table, column, f"two different `{called}` make it", "write one of them")


def _unfit(table: Table, column: Column, why: str, fix: str) -> RefusedError:
    return RefusedError("CF9291", f"{table.called}.{column.name} cannot be kept in step", why, fix)


def _refuse_no_expression(sql: str) -> None:
    """An expression ends nothing that it did not begin. Raises RefusedError (CF9291)."""
    depth = 0
    try:
        for token in words(sql):
            if token.kind is Kind.SIGN:
                depth += {"(": 1, ")": -1}.get(token.text, 0)
                if token.text == ";" or depth < 0:
                    depth = -1
                    break
    except UnreadableError:
        depth = -1
    if depth or not sql.strip():
        raise RefusedError(
            "CF9291",
            "`up` and `down` are one SQL expression each",
            "this one is empty, ends a bracket that it did not begin, or holds a semicolon",
            "up: left(NEW.name, 60)",
        )


def _refuse_what_could_not_be_undone(session: Session, table: Table) -> None:
    owned, owner = session.ask(_OWNED, [str(table.oid)])[0]
    if owned != "t":
        raise AccessError(
            "CF9280",
            f"this role could make a trigger on {table.called} and not take it away again",
            f"the table belongs to {owner}",
            f"connect as {owner}, or: GRANT {name(str(owner))} TO the role that runs migrations",
        )


def _dollars(body: str) -> str:
    quote, number = "$crossfade$", 0
    while quote in body:
        number += 1
        quote = f"$crossfade_{number}$"
    return quote


def _short(called: str) -> str:
    """A name that PostgreSQL keeps whole: two long ones do not become one."""
    if len(called.encode()) <= _LONGEST_NAME:
        return called
    mark = hashlib.sha256(called.encode()).hexdigest()[:8]
    return f"{called.encode()[: _LONGEST_NAME - 9].decode(errors='ignore')}_{mark}"
