"""
What a migration touched, so that the rest need not be run: relations, and names of functions and types. Pure.

Whatever may reach further than its own name (an operator, a cast, a schema's rights, a setting) leaves
everything touched. A relation is touched as well where a rule, a default or a view speaks of a name that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from crossfade.migrations.catalog import Catalog, Relation

_NAMED: Final = ("type:", "domain:")
_FAR: Final = ("operator:", "cast:", "member:", "setting:", "extension:", "defaults:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """Relations that may be others now, and names of functions and types that are."""

    relations: frozenset[int]
    names: frozenset[str]


def touched(before: Catalog, after: Catalog, rows: frozenset[int]) -> Touched | None:
    """What the migration changed, in shape or in rows; None where it may be anything."""
    keys = before.other.keys() | after.other.keys()
    apart = {key for key in keys if before.other.get(key) != after.other.get(key)}
    schemas = {key for key in apart if key.startswith("schema:") and key in before.other}
    if schemas or any(key.startswith(_FAR) for key in apart):
        return None
    names = frozenset(_names(apart, before, after))
    found = {int(key.split(":")[1]) for key in apart if key.split(":")[1].isdigit()}
    was, now = shapes(before), shapes(after)
    found |= {oid for oid in was.keys() | now.keys() if was.get(oid) != now.get(oid)}
    found |= _shadowed(was, now)
    for catalog in (before, after):
        found |= {one.oid for one in catalog.relations.values() if _speaks(one, catalog, names)}
    every = _with_targets(found | rows, (before, after))
    sequences = {oid for oid, one in before.relations.items() if one.kind == "S"}
    # Whose default asks a sequence is not looked up: a touched one leaves everything touched.
    return None if every & sequences else Touched(relations=frozenset(every), names=names)


def _shadowed(was: Mapping[int, Relation], now: Mapping[int, Relation]) -> set[int]:
    """What is called like a relation that came or went elsewhere: a search path may lead there now."""
    places = {oid: one.key for oid, one in was.items()}
    moved = {one.name for oid, one in now.items() if places.get(oid) != one.key}
    moved |= {one.name for oid, one in was.items() if oid not in now or now[oid].key != one.key}
    return {oid for oid, one in was.items() if one.name in moved}


def _names(apart: Iterable[str], before: Catalog, after: Catalog) -> Iterator[str]:
    for key in apart:
        if key.startswith("function:"):
            yield key[len("function:") :].partition("(")[0].rpartition(".")[2].strip('"')
        elif key.startswith(_NAMED):
            for catalog in (before, after):
                yield (catalog.other.get(key) or "").partition("|")[0]
    for type_ in before.enum_oids.keys() | after.enum_oids.keys():
        if before.enum_oids.get(type_) != after.enum_oids.get(type_):
            for catalog in (before, after):
                yield catalog.categories.get(type_, ("", ""))[1].rpartition(".")[2].strip('"')


def _speaks(relation: Relation, catalog: Catalog, names: frozenset[str]) -> bool:
    """Whether anything of a relation speaks of one of the names: a type, a default, a rule, a view."""
    if not names:
        return False
    texts = [
        *(f"{one.type_name} {one.default or ''}" for one in relation.columns),
        *(one.definition for one in relation.rules),
        *(one.definition for one in relation.indexes),
        catalog.other.get(f"relation:{relation.oid}", ""),
    ]
    return any(one and one in text for text in texts for one in names)


def _with_targets(found: set[int] | frozenset[int], catalogs: Sequence[Catalog]) -> set[int]:
    """And what they refer to, and so on: a new reference changes what may be deleted from its target."""
    keys = {
        (rule.relation, rule.target)
        for catalog in catalogs
        for table in catalog.relations.values()
        for rule in table.rules
        if rule.kind == "f"
    }
    every = set(found)
    while more := {target for table, target in keys if table in every} - every:
        every |= more
    return every


def shapes(catalog: Catalog) -> Mapping[int, Relation]:
    """Relations without what a rewrite alone changes."""
    return {
        oid: replace(one, node=0, indexes=tuple(replace(index, node=0) for index in one.indexes))
        for oid, one in catalog.relations.items()
    }
