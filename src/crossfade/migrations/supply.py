"""What parameters are filled from on the new shape, and what of the catalogue is another one now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crossfade.migrations.answers import Failure
from crossfade.migrations.catalog import TABLES, Catalog, Column, Relation
from crossfade.migrations.compare import Context
from crossfade.migrations.data import Change, Content
from crossfade.migrations.legal import Judge, Literals, Value, candidates
from crossfade.migrations.pools import scale_of
from crossfade.migrations.runs import Key, Readings
from crossfade.migrations.seed import Seeds
from crossfade.migrations.touched import shapes
from crossfade.migrations.vectors import Supply
from crossfade.migrations.wire import Session, name

OLD_SALT: Final = 0
NEW_SALT: Final = 10_000  # the two versions never meet over a fresh value of ours


def supply_after(
    session: Session,
    shapes: tuple[Catalog, Catalog],
    seeds: Seeds,
    content: Content,
    literals: Literals,
) -> Supply:
    """Values for the new version on the new shape: legal ones are asked for again where a column changed."""
    before, after = shapes
    judge = Judge(session, after)
    legal: dict[tuple[int, int], Sequence[Value]] = {}
    for table in after.tables():
        was = before.relations.get(table.oid)
        for column in table.columns:
            key = (table.oid, column.attnum)
            if was is not None and key in seeds.legal and _same(was, table, column):
                legal[key] = seeds.legal[key]
            else:
                legal[key] = judge.taken(table, column, candidates(column, after, literals))
    return Supply(catalog=after, rows=content.rows, legal=legal, forms=seeds.forms, salt=NEW_SALT)


def _same(was: Relation, now: Relation, column: Column) -> bool:
    def rules(table: Relation) -> list[str]:
        return sorted(one.definition for one in table.rules if column.attnum in one.columns)

    return was.column(column.attnum) == column and rules(was) == rules(now)


def context_of(before: Catalog, after: Catalog, change: Change) -> Context:
    """What `compare` has to know of the migration."""
    defaults, fields = set(), set()
    retyped = {}
    for table in before.relations.values():
        now = after.relations.get(table.oid) or after.by_name.get(table.key)
        for column in table.columns if now is not None else ():
            other = now.now_of(column) if now is not None else None
            if other is None or column.generated or other.generated:
                continue  # what was computed, or is, is no default
            if (other.type, other.mod) != (column.type, column.mod) and other.category == column.category:
                retyped[table.oid, column.attnum] = (table.key, column.name)
            if (other.default, other.identity) != (column.default, column.identity):
                defaults.add((table.key, column.name))
                fields.add((table.oid, column.attnum))
    return Context(
        before=before.categories,
        after=after.categories,
        defaults=frozenset(defaults),
        default_fields=frozenset(fields),
        retyped=retyped,
        filled=change.filled,
        incidental=change.incidental,
        incidental_names=frozenset(
            (before.relations[oid].key, touched_column.name)
            for oid, attnum in change.incidental
            if (touched_column := before.relations[oid].column(attnum)) is not None
        ),
    )


def schema_changed(before: Catalog, after: Catalog) -> bool:
    """Whether anything but rows is another one now; a file that was rewritten is no change of the schema."""
    return _shape(before) != _shape(after)


def _shape(catalog: Catalog) -> object:
    return shapes(catalog), catalog.enum_oids, catalog.other


def readings(session: Session, before: Catalog, after: Catalog) -> Readings:
    """
    By table and column, how a column that got another name or type is read as what it was.

    One of another type is turned back into the one it had, where that can be done.
    """
    found: dict[Key, dict[str, str]] = {}
    for table in before.relations.values():
        now = after.by_name.get(table.key)
        for column in table.columns if now is not None and now.kind in TABLES else ():
            other = now.now_of(column) if now is not None else None
            if other is None:
                continue
            expression = _back(session, column, other)
            if expression != name(column.name):
                found.setdefault(table.key, {})[column.name] = expression
    return found


def _back(session: Session, was: Column, now: Column) -> str:
    called = name(now.name)
    if (now.type, now.mod) == (was.type, was.mod) or now.category != was.category:
        return called
    if was.base_name == "numeric" and (scale := scale_of(was.base_mod)) is not None:
        return f"round({called}::numeric, {scale})"  # digits before the point may be more than there were
    probe = f"SELECT NULL::{now.type_name}::{was.type_name}"
    return called if isinstance(session.attempt(probe), Failure) else f"{called}::{was.type_name}"
