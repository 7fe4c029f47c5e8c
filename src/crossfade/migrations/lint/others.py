"""What other statements do: one function for each first word. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from crossfade.migrations.lexer import Kind, Token
from crossfade.migrations.lint.actions import Action
from crossfade.migrations.lint.alters import words_in
from crossfade.migrations.lint.rules import Found

_OBJECTS: Final = frozenset(
    {
        "table",
        "view",
        "materialized view",
        "function",
        "procedure",
        "routine",
        "type",
        "domain",
        "schema",
        "sequence",
        "trigger",
        "policy",
        "extension",
        "role",
        "aggregate",
        "operator",
        "rule",
    }
)
_HARMLESS: Final = frozenset(
    {
        "create table",
        "create view",
        "create materialized view",
        "create type",
        "create domain",
        "create sequence",
        "create schema",
        "create extension",
        "create policy",
        "create role",
        "create user",
        "create statistics",
        "create function",
        "create procedure",
        "create aggregate",
        "create operator",
        "create cast",
        "create publication",
        "create subscription",
        "create collation",
        "create event",
        "create text",
        "create server",
        "create foreign",
        "create rule",
        "alter sequence",
        "alter function",
        "alter procedure",
        "alter view",
        "alter materialized view",
        "alter index",
        "alter role",
        "alter user",
        "alter default",
        "alter publication",
        "alter subscription",
        "alter extension",
        "alter policy",
        "alter database",
        "alter schema",
        "alter statistics",
        "alter system",
        "alter trigger",
        "alter event",
        "set",
        "reset",
        "show",
        "select",
        "with",
        "values",
        "grant",
        "comment",
        "analyze",
        "insert",
        "copy",
        "begin",
        "start",
        "commit",
        "end",
        "savepoint",
        "release",
        "rollback",
        "notify",
        "explain",
        "security",
        "reassign",
        "checkpoint",
        "table",
        "listen",
        "discard",
    }
)


def of_other(action: Action) -> Iterator[Found]:
    """All that a statement meets which is no ALTER TABLE."""
    lead, _, what = action.kind.partition(" ")
    if lead == "drop":
        yield from _drop(action, what)
    elif (rule := _BY_KIND.get(action.kind)) is not None:
        yield from rule(action)
    elif lead == "alter" and words_in(action, "rename"):
        yield Found(rule="rename-object", what=f"{what} {action.table}", instead="a new one beside it")
    elif action.kind not in _HARMLESS:
        yield Found(
            rule="not-readable",
            what=action.kind or "an empty statement",
            instead="crossfade migrate prove runs it",
        )


def _drop(action: Action, what: str) -> Iterator[Found]:
    if what == "index":
        if "concurrently" not in action.words:
            named = action.after("drop", "index")
            yield Found(rule="drop-index", what=named, instead=f"DROP INDEX CONCURRENTLY {named};")
        return
    if what == "owned" or what not in _OBJECTS:
        yield Found(rule="drop-object", what=f"{what} {action.table}")
        return
    sql = " ".join(action.statement.text.split())
    yield Found(
        rule="drop-object",
        what=f"{what} {action.table}",
        instead=f"-- in NAME.contract.sql, for when no version that needs it can come back:\n{sql};",
    )
    if what in {"table", "schema", "materialized view"}:
        yield Found(
            rule="data-loss", what=f"{what} {action.table}", instead="a copy, if anybody may want it back"
        )


def _index(action: Action) -> Iterator[Found]:
    text = " ".join(action.statement.text.split())
    if "concurrently" not in action.words:
        upper = text.upper().index("INDEX") + len("INDEX")
        yield Found(
            rule="create-index",
            what=f"an index on {action.table}",
            instead=f"{text[:upper]} CONCURRENTLY{text[upper:]};",
        )
    elif action.has("if", "not", "exists"):
        named = action.after("not", "exists")
        yield Found(
            rule="index-may-be-invalid",
            what=named,
            instead=f"DROP INDEX CONCURRENTLY IF EXISTS {named};  -- where it is invalid, then build it",
        )
    if "concurrently" in action.words and action.transaction:
        yield _outside("CREATE INDEX CONCURRENTLY")


def _outside(what: str) -> Found:
    return Found(
        rule="concurrently-in-transaction",
        what=what,
        instead="without BEGIN and COMMIT around it, or: -- crossfade: no-transaction",
    )


def _rebuild(action: Action) -> Iterator[Found]:
    if "concurrently" in action.words:
        if action.transaction:
            yield _outside("REINDEX CONCURRENTLY")
        return
    instead = "REINDEX … CONCURRENTLY" if action.kind == "reindex" else "pg_repack"
    yield Found(rule="rebuild", what=action.kind.upper(), instead=instead)


def _vacuum(action: Action) -> Iterator[Found]:
    if "full" in action.words:
        yield Found(rule="rebuild", what="VACUUM FULL", instead="VACUUM, or pg_repack")


def _refresh(action: Action) -> Iterator[Found]:
    if "concurrently" not in action.words:
        yield Found(
            rule="refresh-view",
            what=action.after("materialized", "view"),
            instead="REFRESH MATERIALIZED VIEW CONCURRENTLY …;  -- it needs a unique index",
        )


def _update(action: Action) -> Iterator[Found]:
    where = action.at("where")
    if where < 0 or "select" in action.words or not _compares(action.tokens[where:]):
        yield Found(
            rule="whole-table-dml",
            what=f"{action.kind.upper()} of {action.table}",
            instead="backfill: {table: …, set: …, where: …}  # in NAME.yaml, batch by batch",
        )
    if action.kind == "delete":
        yield Found(
            rule="data-loss", what=f"rows of {action.table}", instead="a copy, if anybody may want them back"
        )


def _compares(tokens: Sequence[Token]) -> bool:
    """Whether something is compared with a value: `id = 7`, `id IN (1, 2)`, which may name a few rows."""
    values = (Kind.STRING, Kind.NUMBER, Kind.PARAM)
    for at, token in enumerate(tokens[:-1]):
        behind = at + 2 if tokens[at + 1].text == "(" and at + 2 < len(tokens) else at + 1
        if token.value in {"=", "between", "in"} and tokens[behind].kind in values:
            return True
    return False


def _insert(action: Action) -> Iterator[Found]:
    if "select" in action.words and "from" in action.words:
        yield Found(
            rule="whole-table-dml",
            what=f"INSERT … SELECT into {action.table}",
            instead="in batches by a key, each a transaction",
        )


def _truncate(action: Action) -> Iterator[Found]:
    yield Found(rule="data-loss", what=f"all rows of {action.table}")
    yield Found(rule="drop-object", what=f"all rows of {action.table}", instead="DELETE in batches, later")


def _lock(action: Action) -> Iterator[Found]:
    quiet = {"share row exclusive", "share update exclusive", "row share", "row exclusive", "access share"}
    if not any(action.has(*mode.split()) for mode in quiet):
        yield Found(rule="lock-table", what=action.table, instead="FOR UPDATE of the rows it is about")


def _type(action: Action) -> Iterator[Found]:
    if action.has("add", "value"):
        yield Found(rule="new-enum-value", what=action.table, instead="release a version that knows it first")
    elif action.has("rename", "value"):
        yield Found(
            rule="rename-enum-value",
            what=action.table,
            instead=f"ALTER TYPE {action.table} ADD VALUE …;  -- then write the new one, and backfill",
        )
    elif words_in(action, "rename", "drop", "alter"):
        yield Found(rule="rename-object", what=f"type {action.table}", instead="a new type beside it")


def _domain(action: Action) -> Iterator[Found]:
    if action.has("add") and not action.has("not", "valid"):
        yield Found(
            rule="domain-constraint",
            what=action.table,
            instead=f"ALTER DOMAIN {action.table} ADD CONSTRAINT … NOT VALID;\n"
            f"ALTER DOMAIN {action.table} VALIDATE CONSTRAINT …;",
        )


def _revoke(action: Action) -> Iterator[Found]:
    yield Found(
        rule="revoke",
        what=" ".join(action.statement.text.split())[:60],
        instead="in NAME.contract.sql, when no version needs it",
    )


def _trigger(action: Action) -> Iterator[Found]:
    yield Found(
        rule="trigger",
        what=f"on {action.table}",
        instead="crossfade migrate prove runs the old version through it",
    )


def _unreadable(action: Action) -> Iterator[Found]:
    yield Found(rule="not-readable", what=action.kind.upper(), instead="crossfade migrate prove runs it")


_BY_KIND: Final[Mapping[str, Callable[[Action], Iterator[Found]]]] = {
    "create index": _index,
    "create trigger": _trigger,
    "reindex": _rebuild,
    "cluster": _rebuild,
    "vacuum": _vacuum,
    "refresh": _refresh,
    "update": _update,
    "delete": _update,
    "merge": _update,
    "insert": _insert,
    "truncate": _truncate,
    "lock": _lock,
    "alter type": _type,
    "alter domain": _domain,
    "revoke": _revoke,
    "do": _unreadable,
    "call": _unreadable,
    "execute": _unreadable,
}
