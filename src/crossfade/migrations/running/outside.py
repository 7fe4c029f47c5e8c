"""
Statements that PostgreSQL runs outside a transaction only: what they leave, and whether they have run.

No transaction can hold the ledger's row and the statement together. So the row is written before (`started`)
and after; a run that finds it started looks at the world: an index that is there and valid was built, one
that is there and invalid is dropped and built again. A STATEMENT WHOSE EFFECT NOBODY COULD SEE IS REFUSED.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from crossfade.migrations.lexer import Kind, Token
from crossfade.migrations.script import Statement
from crossfade.migrations.wire import Session, name

Sort = Literal["build", "drop", "rebuild", "detach", "again"]

_AGAIN: Final = frozenset({"vacuum", "analyze", "cluster"})
_INDEX: Final = """
SELECT i.indisvalid AND i.indisready, c.oid::int8, n.nspname, c.relname
FROM pg_catalog.pg_class t JOIN pg_catalog.pg_class c ON c.relnamespace = t.relnamespace AND c.relname = $2
  JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE t.oid = pg_catalog.to_regclass($1)
"""
_LEFT: Final = """
SELECT n.nspname, c.relname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND i.indrelid IN (
  SELECT COALESCE(x.indrelid, t.oid) FROM pg_catalog.pg_class t
    LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = t.oid WHERE t.oid = pg_catalog.to_regclass($1))
"""
_DETACHING: Final = """
SELECT inhdetachpending FROM pg_catalog.pg_inherits WHERE inhrelid = pg_catalog.to_regclass($1)
"""
_ORPHANS: Final = """
SELECT a.pid FROM pg_catalog.pg_stat_activity a
WHERE a.application_name = $1 AND a.pid <> ALL ($2::int[]) AND a.datname = pg_catalog.current_database()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a statement is about. `of`: the table or index; `index`: the one that is built."""

    sort: Sort
    of: str = ""
    index: str = ""
    if_not_exists: bool = False


def runs_outside(statement: Statement) -> bool:
    """Whether PostgreSQL is known to refuse it inside a transaction; of others it will say so itself."""
    lead = statement.lead
    words = {token.value for token in statement.tokens if token.kind is Kind.WORD}
    if "concurrently" in words:
        return lead[:1] in {("create",), ("drop",), ("reindex",), ("alter",)}
    if lead[:2] in {
        ("alter", "system"),
        ("reindex", "database"),
        ("reindex", "system"),
        ("reindex", "schema"),
    }:
        return True
    return lead[:1] == ("vacuum",)


def effect_of(statement: Statement) -> Effect | None:
    """What it does, where that can be seen afterwards or done twice without harm; else None."""
    words = [one.value for one in statement.tokens]
    lead = statement.lead
    if lead[:1] == ("create",) and "index" in lead[:3]:
        return _build(statement.tokens, words)
    if lead[:2] == ("drop", "index"):
        named = _names(statement.tokens, words, ("concurrently", "if", "exists"))
        return Effect(sort="drop", of=named) if "," not in words else None
    if lead[:1] == ("reindex",):
        kind = next((one for one in words if one in {"index", "table", "schema", "database", "system"}), "")
        of = _names(statement.tokens, words, (kind, "concurrently")) if kind in {"index", "table"} else ""
        return Effect(sort="rebuild", of=of)
    if "detach" in words and "partition" in words:
        return Effect(sort="detach", of=_name_at(statement.tokens, words.index("partition") + 1))
    if lead[:2] == ("alter", "system") or lead[:1] in {(one,) for one in _AGAIN}:
        return Effect(sort="again")
    return None


def _build(tokens: Sequence[Token], words: Sequence[str]) -> Effect | None:
    at = words.index("index") + 1
    while at < len(words) and words[at] in {"concurrently", "if", "not", "exists"}:
        at += 1
    if at >= len(words) or words[at] == "on" or "on" not in words[at:]:
        return None  # the server would choose a name that nobody knows before
    table = words.index("on", at) + 1
    table += words[table] == "only"
    return Effect(
        sort="build",
        of=_name_at(tokens, table),
        index=words[at],
        if_not_exists="exists" in words[:at],
    )


def _names(tokens: Sequence[Token], words: Sequence[str], skip: tuple[str, ...]) -> str:
    at = max((words.index(one) + 1 for one in skip if one in words), default=2)
    return _name_at(tokens, at)


def _name_at(tokens: Sequence[Token], at: int) -> str:
    """A name with its schema as it stands, for to_regclass."""
    parts = [tokens[at].text] if at < len(tokens) else []
    while at + 2 < len(tokens) and tokens[at + 1].text == ".":
        parts.append(tokens[at + 2].text)
        at += 2
    return ".".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index that is there."""

    valid: bool
    oid: int
    name: str
    """Quoted, with its schema."""


def index_of(session: Session, effect: Effect) -> Index | None:
    """The index that a statement builds, where it is there."""
    found = session.ask(_INDEX, [effect.of, effect.index])
    if not found:
        return None
    valid, oid, schema, called = found[0]
    return Index(valid=valid == "t", oid=int(oid or 0), name=name(schema or "", called or ""))


def left_by_rebuild(session: Session, effect: Effect) -> tuple[str, ...]:
    """Indexes that a REINDEX CONCURRENTLY which failed has left invalid."""
    if not effect.of:
        return ()
    return tuple(name(schema or "", called or "") for schema, called in session.ask(_LEFT, [effect.of]))


def is_gone(session: Session, effect: Effect) -> bool:
    """Whether what a DROP INDEX takes away is no longer there."""
    return session.ask("SELECT pg_catalog.to_regclass($1) IS NULL", [effect.of])[0][0] == "t"


def detaching(session: Session, effect: Effect) -> Literal["attached", "pending", "detached"]:
    """How far a DETACH PARTITION CONCURRENTLY has come."""
    found = session.ask(_DETACHING, [effect.of])
    if not found:
        return "detached"
    return "pending" if found[0][0] == "t" else "attached"


def orphans(session: Session, application: str, ours: Sequence[int]) -> tuple[int, ...]:
    """Sessions of a runner that is gone, whose statements still run; only the holder of the lock may ask."""
    listed = "{" + ",".join(map(str, ours)) + "}"
    return tuple(int(row[0] or 0) for row in session.ask(_ORPHANS, [application, listed]))
