"""Things other than tables that are made or changed: views, types, domains, roles, rules. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crossfade.migrations.lint.asked import PROVE, Asked
from crossfade.migrations.lint.constraints import has
from crossfade.migrations.lint.rules import Found

_RIGHTS: Final = frozenset(
    {
        "nologin",
        "nosuperuser",
        "nobypassrls",
        "noinherit",
        "nocreatedb",
        "noreplication",
        "connection",
        "valid",
    }
    | {"password", "encrypted", "default_transaction_read_only", "row_security"}
)
_NUMBERS: Final = frozenset({"restart", "increment", "minvalue", "maxvalue", "start", "cycle", "as", "cache"})


def of_type(asked: Asked) -> Iterator[Found]:
    action, named = asked.action, asked.action.table
    if action.has("add", "value"):
        yield Found(
            rule="new-enum-value", what=str(named), instead="-- release a version that knows it first"
        )
    elif action.has("rename", "value"):
        yield Found(
            rule="rename-enum-value",
            what=str(named),
            instead=f"ALTER TYPE {named} ADD VALUE …;  -- then write the new one, and backfill",
        )
    elif action.has("add", "attribute"):
        yield Found(rule="replace-object", what=f"type {named}")
    elif has(action.words[2:], "attribute") or action.has_any("rename") or action.has("set", "schema"):
        yield Found(rule="rename-object", what=f"type {named}", instead="-- a new type beside it")


def of_domain(asked: Asked) -> Iterator[Found]:
    """ALTER DOMAIN; VALIDATE too keeps writers of every table with a column of it waiting."""
    action, named = asked.action, asked.action.table
    if action.has("add") and has(action.words[-2:], "not", "valid"):
        yield Found(rule="tighter", what=f"domain {named}")
    elif action.has("add") or action.has("set", "not", "null") or action.has("validate", "constraint"):
        yield Found(
            rule="domain-constraint",
            what=f"domain {named}",
            instead="-- NOT VALID, and a CHECK on each column of the domain, validated there",
        )
    elif action.has("drop", "not", "null"):
        yield Found(rule="drop-not-null", what=f"domain {named}")
    elif action.has("drop", "constraint"):
        yield Found(rule="drop-constraint", what=f"domain {named}")
    elif action.has("drop", "default"):
        yield Found(rule="drop-default", what=f"domain {named}", instead="-- in NAME.contract.sql")
    elif action.has_any("default"):
        yield Found(rule="change-default", what=f"domain {named}")
    else:
        yield from of_changed(asked)


def of_changed(asked: Asked) -> Iterator[Found]:
    """What may be done to anything: another name, schema, owner, place."""
    action = asked.action
    what = f"{action.kind.partition(' ')[2]} {action.table}"
    words = action.words[2:]
    if (
        action.kind == "alter index"
        and "rename" in words
        and asked.known.has_index(action.table, action.table)
    ):
        return  # only a constraint's index is named by anybody
    if "rename" in words or has(words, "set", "schema"):
        yield Found(rule="rename-object", what=what, instead="-- a new one beside it")
    elif has(words, "set", "tablespace") or has(words, "set", "access", "method"):
        yield Found(rule="rebuild", what=what, instead="-- pg_repack, or a time when nobody is there")
    elif has(words, "owner", "to"):
        yield Found(rule="change-owner", what=what)


def of_view(asked: Asked) -> Iterator[Found]:
    if asked.action.has_any("default"):
        yield Found(rule="change-default", what=f"view {asked.action.table}")
    elif asked.action.has("set", "(") or asked.action.has("reset", "("):
        yield Found(rule="replace-object", what=f"view {asked.action.table}")
    else:
        yield from of_changed(asked)


def of_sequence(asked: Asked) -> Iterator[Found]:
    if asked.action.has_any(*_NUMBERS):
        yield Found(rule="change-sequence", what=str(asked.action.table))
    else:
        yield from of_changed(asked)


def of_role(asked: Asked) -> Iterator[Found]:
    action = asked.action
    if action.has_any(*_RIGHTS) or (action.kind == "alter group" and action.has("drop", "user")):
        yield Found(rule="revoke", what=f"role {action.table}", instead="-- in NAME.contract.sql")
    elif action.has_any("search_path"):
        yield Found(rule="replace-object", what=f"names that {action.table} looks for")
    else:
        yield from of_changed(asked)


def of_database(asked: Asked) -> Iterator[Found]:
    action = asked.action
    if action.has_any("search_path"):
        yield Found(rule="replace-object", what=f"names that are looked for in {action.table}")
    elif action.has_any("allow_connections", "connection", "is_template", "default_transaction_read_only"):
        yield Found(rule="revoke", what=f"database {action.table}")
    else:
        yield from of_changed(asked)


def of_extension(asked: Asked) -> Iterator[Found]:
    action = asked.action
    if action.has_any("update", "add", "drop"):
        yield Found(rule="not-readable", what=f"extension {action.table}: its script", instead=PROVE)
    else:
        yield from of_changed(asked)


def of_default_rights(asked: Asked) -> Iterator[Found]:
    if asked.action.has_any("revoke"):
        yield from of_revoke(asked)


def of_revoke(asked: Asked) -> Iterator[Found]:
    yield Found(
        rule="revoke",
        what=" ".join(asked.action.text.split())[:60],
        instead="-- in NAME.contract.sql, when no version needs it",
    )


def of_new_policy(asked: Asked) -> Iterator[Found]:
    """A permissive policy lets more rows through, a restrictive one fewer."""
    if asked.action.has("as", "restrictive"):
        yield Found(rule="row-security", what=str(asked.action.table), instead=_AS_APPLICATION)


def of_policy(asked: Asked) -> Iterator[Found]:
    if asked.action.has_any("to", "using", "check"):
        yield Found(rule="row-security", what=str(asked.action.table), instead=_AS_APPLICATION)


_AS_APPLICATION: Final = "-- tried as the application's role: crossfade migrate prove --app-role"


def of_rewriting(asked: Asked) -> Iterator[Found]:
    """CREATE RULE: what a version writes, or reads, becomes another statement."""
    action = asked.action
    if action.has("do", "instead"):
        yield Found(
            rule="instead-rule", what=f"on {action.table}", instead="-- a trigger, or a view beside it"
        )
    else:
        yield from of_trigger(asked)


def of_trigger(asked: Asked) -> Iterator[Found]:
    yield Found(
        rule="trigger",
        what=f"on {asked.action.table}" if asked.action.table.parts else "on the database",
        instead="-- crossfade migrate prove runs the old version through it",
    )


def of_replaced(asked: Asked) -> Iterator[Found]:
    """CREATE OR REPLACE of something that versions may use."""
    action = asked.action
    what = f"{action.kind.partition(' ')[2]} {action.table}"
    if action.has("or", "replace"):
        yield Found(rule="replace-object", what=what)
    elif action.kind == "create function" and action.table.bare in asked.known.routines:
        yield Found(rule="replace-object", what=f"{what}, a namesake: a call may fit both, or the other one")


def of_function(asked: Asked) -> Iterator[Found]:
    """ALTER FUNCTION; what it costs is nobody's, what it says to NULL or where it looks is everybody's."""
    found = tuple(of_changed(asked))
    yield from found
    if not found and asked.action.has_any("strict", "called", "null", "set", "reset", "security"):
        yield Found(rule="replace-object", what=f"{asked.action.kind.partition(' ')[2]} {asked.action.table}")
