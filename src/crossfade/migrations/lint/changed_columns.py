"""ALTER TABLE … ALTER COLUMN: its type, what must be there, what is filled in. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crossfade.migrations.lint.actions import words_of
from crossfade.migrations.lint.asked import PROVE, Asked, later
from crossfade.migrations.lint.constraints import there
from crossfade.migrations.lint.names import Name, name_at
from crossfade.migrations.lint.rules import Found
from crossfade.migrations.lint.types import Type, is_rewritten, type_of

_EXPRESSION_SINCE: Final = 17
_NUMBERS: Final = frozenset({"restart", "increment", "start", "minvalue", "maxvalue", "cycle"})
_QUIET: Final = frozenset(
    ("set", what) for what in ("statistics", "storage", "compression", "generated", "(")
)
_ZONED: Final = frozenset({"timestamp", "timestamptz"})
_WIDEST: Final = frozenset({Type("text", ()), Type("varchar", ())})


def of_column(asked: Asked) -> Iterator[Found]:
    """All that a change of a column meets."""
    action, table = asked.action, asked.action.table
    begin = 2 if action.begins("alter", "column") else 1
    column, end = name_at(action.tokens, begin)
    words = action.words[end:]
    where = f"{table}.{column}"
    if words[:1] == ("type",) or words[:3] == ("set", "data", "type"):
        yield from _type(asked, column, end + words.index("type") + 1)
    elif words == ("set", "not", "null"):
        if not asked.table.is_there(column.bare):
            yield Found(rule="set-not-null", what=where, instead=there(table, str(column)))
    elif words == ("drop", "not", "null"):
        yield Found(rule="drop-not-null", what=where)
    elif words in {("drop", "default"), ("drop", "identity"), ("drop", "identity", "if", "exists")}:
        sql = f"ALTER TABLE {table} {action.text};"
        yield Found(rule="drop-default", what=where, instead=later(sql))
    else:
        yield from _value(asked, column, words)


def _value(asked: Asked, column: Name, words: tuple[str, ...]) -> Iterator[Found]:
    """Where a column's value comes from, when an INSERT leaves it out or brings one."""
    where = f"{asked.action.table}.{column}"
    if words[:2] == ("set", "default") and "select" in words:
        yield Found(rule="refused", what=f"{where}: a default holds no query")
    elif words[:2] == ("set", "default"):
        yield Found(rule="change-default", what=where)
    elif words[:2] == ("drop", "expression"):
        sql = f"ALTER TABLE {asked.action.table} {asked.action.text};"
        yield Found(rule="drop-default", what=where, instead=later(sql))
    elif words[:2] == ("set", "expression"):
        yield from asked.since(_EXPRESSION_SINCE, "SET EXPRESSION")
        if not asked.table.whole or column.bare in asked.table.stored:
            yield Found(rule="computed-column", what=f"{where}: another value for each row", instead=_BESIDE)
    elif words[:2] == ("add", "generated"):
        yield Found(rule="tighter" if "always" in words else "change-default", what=where)
    elif words[:3] == ("set", "generated", "always"):
        yield Found(rule="tighter", what=f"{where}: an INSERT that brings its own value is refused")
    elif _NUMBERS & set(words):
        yield Found(rule="change-sequence", what=where)
    elif words[:2] not in _QUIET and words[:1] != ("reset",):
        what = f"ALTER COLUMN {column}"
        yield Found(rule="not-readable", what=what, instead=PROVE)


_BESIDE: Final = "-- another column beside it"


def _type(asked: Asked, column: Name, begin: int) -> Iterator[Found]:
    action, table = asked.action, asked.action.table
    words = action.words[begin:]
    using = words.index("using") if "using" in words else len(words)
    old, new = asked.table.columns.get(column.bare), type_of(words[:using])
    indexed = not asked.table.whole or column.bare in asked.table.indexed
    if not ("collate" in words[:using] and indexed) and _only_casts(asked, column, begin + using):
        if old is not None and not _rewrites(asked, old, new):
            yield from _hanging(asked, column) if old != new else ()
            return
        if old is None and new in _WIDEST:
            yield Found(rule="maybe-rewrite", what=f"{table}.{column}", instead=_FROM_VARCHAR)
            return
    kind = action.slice(begin, begin + using)
    beside = table.in_same_schema(f"{column.bare}_new").last
    yield Found(
        rule="change-type",
        what=f"{table}.{column}",
        instead=f"ALTER TABLE {table} ADD COLUMN {beside} {kind};\n"
        "-- dual_write and backfill, then a contract; a wider varchar or numeric is quick: prove it",
    )


def _hanging(asked: Asked, column: Name) -> Iterator[Found]:
    """No row is written anew; what hangs on the type may still have every row read, or forbid it."""
    what = f"{asked.action.table}.{column}"
    if column.bare in asked.table.sources:
        yield Found(rule="refused", what=f"{what}: a generated column is made of it", instead=_BESIDE)
    elif asked.known.is_shown(asked.action.table, column.bare):
        yield Found(rule="refused", what=f"{what}: a view shows it", instead=_WITHOUT_VIEW)
    elif column.bare in asked.table.reckoned:
        hangs = "a CHECK, or an index with an expression or a WHERE, names it: rows are read, or it is built"
        yield Found(rule="change-type", what=f"{what}: {hangs} anew", instead=_BESIDE)


_WITHOUT_VIEW: Final = "-- in one transaction: DROP VIEW …, the change, CREATE VIEW …, GRANT …"
_FROM_VARCHAR: Final = (
    "-- from a varchar it is quick, from anything else it is not: crossfade migrate prove knows"
)


def _rewrites(asked: Asked, old: Type, new: Type) -> bool:
    if asked.utc and {old.name, new.name} == _ZONED and old.size == new.size:
        return False
    return is_rewritten(old, new)


def _only_casts(asked: Asked, column: Name, at: int) -> bool:
    """Whether USING says no more than the change of type does: nothing, `c`, or `c::text`."""
    said = words_of(asked.action.tokens[at + 1 :])
    return not said or (said[0] == str(column) and said[1:2] in {(), ("::",)} and "(" not in said)
