"""What other statements do. WHAT IS IN NO LIST HERE CANNOT BE DECIDED, and that is said. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from crossfade.migrations.lint.asked import PROVE, Asked, later
from crossfade.migrations.lint.objects import (
    of_changed,
    of_database,
    of_default_rights,
    of_domain,
    of_extension,
    of_function,
    of_new_policy,
    of_policy,
    of_replaced,
    of_revoke,
    of_rewriting,
    of_role,
    of_sequence,
    of_trigger,
    of_type,
    of_view,
)
from crossfade.migrations.lint.rows import of_change, of_copy, of_insert, of_select
from crossfade.migrations.lint.rules import Found
from crossfade.migrations.lint.together import is_strong_lock

_NULLS_SINCE: Final = 15


def of_other(asked: Asked) -> Iterator[Found]:
    """All that a statement meets which is no ALTER TABLE."""
    kind = asked.action.kind
    lead, _, what = kind.partition(" ")
    if (rule := _BY_KIND.get(kind)) is not None:
        yield from rule(asked)
    elif lead == "drop":
        yield from _drop(asked, what)
    elif lead == "alter" and what in _CHANGED:
        yield from of_changed(asked)
    elif kind not in _HARMLESS:
        yield Found(rule="not-readable", what=kind.upper() or "an empty statement", instead=PROVE)


def _drop(asked: Asked, what: str) -> Iterator[Found]:
    action = asked.action
    if asked.known.made(what, action.table):
        return
    sql = " ".join(action.text.split())
    yield Found(rule="drop-object", what=f"{what} {action.table}", instead=later(f"{sql};"))
    if what in {"table", "schema", "materialized view", "owned", "database"}:
        yield Found(
            rule="data-loss",
            what=f"{what} {action.table}",
            instead="-- a copy, if anybody may want it back",
        )


def _drop_index(asked: Asked) -> Iterator[Found]:
    action = asked.action
    if "concurrently" not in action.words:
        exists = "IF EXISTS " if action.has("if", "exists") else ""
        yield Found(
            rule="drop-index",
            what=str(action.table),
            instead=f"DROP INDEX CONCURRENTLY {exists}{action.table};",
        )
    elif action.transaction:
        yield _outside("DROP INDEX CONCURRENTLY")


def _table(asked: Asked) -> Iterator[Found]:
    """CREATE TABLE keeps nobody waiting, but as a partition it may."""
    action = asked.action
    if action.has("partition", "of"):
        parent = action.after("partition", "of")
        if asked.known.table(parent).default_partition:
            yield Found(
                rule="beside-default-partition",
                what=f"{action.table} of {parent}",
                instead="-- first a valid CHECK on the default partition that rules out its values",
            )
    if action.has_any("select", "values"):
        yield from of_select(asked)


def _index(asked: Asked) -> Iterator[Found]:
    action = asked.action
    if action.has("nulls", "not", "distinct"):
        yield from asked.since(_NULLS_SINCE, "NULLS NOT DISTINCT")
    of = asked.known.table(action.table)
    named = action.after("index")
    if action.has("if", "not", "exists") and asked.known.has_index(action.table, named):
        return
    if "concurrently" in action.words and of.partitioned:
        yield Found(
            rule="refused", what=f"CONCURRENTLY on {action.table}, which is partitioned", instead=_PARTS
        )
        return
    if action.has("on", "only") and of.partitioned:
        return
    if "concurrently" not in action.words:
        at = action.words.index("index") + 1
        yield Found(
            rule="create-index",
            what=f"an index on {action.table}",
            instead=f"{action.slice(0, at)} CONCURRENTLY {action.slice(at)};",
        )
        return
    if action.has("if", "not", "exists"):
        named = action.after("not", "exists")
        yield Found(
            rule="index-may-be-invalid",
            what=str(named),
            instead=f"DROP INDEX CONCURRENTLY IF EXISTS {named};  -- where it is invalid, then build it",
        )
    if action.transaction:
        yield _outside("CREATE INDEX CONCURRENTLY")
    if action.begins("create", "unique"):
        yield Found(rule="tighter", what=f"a unique index on {action.table}")


_PARTS: Final = "-- ON ONLY it, then CONCURRENTLY on each partition, then ALTER INDEX … ATTACH PARTITION"


def _outside(what: str) -> Found:
    return Found(
        rule="concurrently-in-transaction",
        what=what,
        instead="-- without BEGIN and COMMIT around it, or: -- crossfade: no-transaction",
    )


def _rebuild(asked: Asked) -> Iterator[Found]:
    action = asked.action
    if "concurrently" in action.words:
        if action.transaction:
            yield _outside("REINDEX CONCURRENTLY")
        return
    instead = "REINDEX … CONCURRENTLY" if action.kind == "reindex" else "-- pg_repack"
    yield Found(rule="rebuild", what=action.kind.upper(), instead=instead)


def _vacuum(asked: Asked) -> Iterator[Found]:
    if "full" in asked.action.words:
        yield Found(rule="rebuild", what="VACUUM FULL", instead="-- VACUUM, or pg_repack")


def _refresh(asked: Asked) -> Iterator[Found]:
    view = asked.action.after("materialized", "view")
    if asked.action.has("with", "no", "data"):
        yield Found(rule="drop-object", what=f"what {view} holds: it cannot be read until it is refreshed")
    elif "concurrently" not in asked.action.words:
        yield Found(
            rule="refresh-view",
            what=str(view),
            instead=f"REFRESH MATERIALIZED VIEW CONCURRENTLY {view};  -- it needs a unique index",
        )


def _truncate(asked: Asked) -> Iterator[Found]:
    table = asked.action.table
    yield Found(rule="data-loss", what=f"all rows of {table}")
    yield Found(rule="drop-object", what=f"all rows of {table}", instead="-- DELETE in batches, later")


def _lock(asked: Asked) -> Iterator[Found]:
    if is_strong_lock(asked.action):
        table = str(asked.action.table)
        yield Found(rule="lock-table", what=table, instead="-- FOR UPDATE of the rows it is about")


def _foreign(asked: Asked) -> Iterator[Found]:
    """ALTER FOREIGN TABLE: nothing is rewritten here, and what a version reads may be gone."""
    found = tuple(of_changed(asked))
    yield from found
    if not found and asked.action.has_any("drop", "alter"):
        yield from _unreadable(asked)


def _owned(asked: Asked) -> Iterator[Found]:
    yield Found(rule="change-owner", what=" ".join(asked.action.text.split()))


def _unreadable(asked: Asked) -> Iterator[Found]:
    yield Found(rule="not-readable", what=asked.action.kind.upper(), instead=PROVE)


_BY_KIND: Final[Mapping[str, Callable[[Asked], Iterator[Found]]]] = {
    "create table": _table,
    "create index": _index,
    "create trigger": of_trigger,
    "create event trigger": of_trigger,
    "create rule": of_rewriting,
    "create policy": of_new_policy,
    "create view": of_replaced,
    "create function": of_replaced,
    "create procedure": of_replaced,
    "create aggregate": of_replaced,
    "create materialized view": of_select,
    "drop index": _drop_index,
    "reindex": _rebuild,
    "cluster": _rebuild,
    "vacuum": _vacuum,
    "refresh": _refresh,
    "update": of_change,
    "delete": of_change,
    "merge": of_change,
    "insert": of_insert,
    "select": of_select,
    "values": of_select,
    "table": of_select,
    "copy": of_copy,
    "truncate": _truncate,
    "lock": _lock,
    "alter function": of_function,
    "alter procedure": of_function,
    "alter routine": of_function,
    "alter foreign table": _foreign,
    "alter group": of_role,
    "alter event trigger": of_trigger,
    "alter type": of_type,
    "alter domain": of_domain,
    "alter view": of_view,
    "alter sequence": of_sequence,
    "alter role": of_role,
    "alter user": of_role,
    "alter database": of_database,
    "alter extension": of_extension,
    "alter policy": of_policy,
    "alter default privileges": of_default_rights,
    "revoke": of_revoke,
    "reassign": _owned,
    "do": _unreadable,
    "call": _unreadable,
    "execute": _unreadable,
}
_CHANGED: Final = frozenset(
    [
        "aggregate",
        "collation",
        "conversion",
        "index",
        "materialized view",
        "operator",
        "publication",
        "rule",
        "schema",
        "server",
        "statistics",
        "subscription",
        "system",
        "tablespace",
        "text search",
        "trigger",
        "user mapping",
        "language",
        "foreign data",
    ]
)
_HARMLESS: Final = frozenset(
    [
        "create type",
        "create domain",
        "create sequence",
        "create schema",
        "create extension",
        "create role",
        "create user",
        "create group",
        "create user mapping",
        "create statistics",
        "create operator",
        "create cast",
        "create publication",
        "create subscription",
        "create collation",
        "create conversion",
        "create text search",
        "create server",
        "create foreign table",
        "create foreign data",
        "create access method",
        "create database",
        "create tablespace",
        "create language",
        "create transform",
        "set",
        "reset",
        "show",
        "with",
        "explain",
        "grant",
        "comment",
        "analyze",
        "begin",
        "start",
        "commit",
        "end",
        "savepoint",
        "release",
        "rollback",
        "abort",
        "notify",
        "listen",
        "unlisten",
        "security",
        "checkpoint",
        "discard",
        "deallocate",
        "prepare",
        "close",
    ]
)
