"""
What a database is made of. Pure; `catalog_reader.py` reads it.

A `Catalog` is a snapshot: relations with their columns and rules, types, and a fingerprint of everything
else by kind, so that two snapshots tell what a migration changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_WORDS: Final = re.compile(r"[^\s\"(),:]+")
BOOKKEEPING: Final = frozenset(
    {
        "alembic_version",
        "django_migrations",
        "schema_migrations",
        "ar_internal_metadata",
        "flyway_schema_history",
        "goose_db_version",
        "gorp_migrations",
        "pgmigrations",
        "_prisma_migrations",
        "knex_migrations",
        "knex_migrations_lock",
        "databasechangelog",
        "databasechangeloglock",
        "yoyo_migration",
        "_yoyo_migration",
        "atlas_schema_revisions",
        "sequelizemeta",
        "__efmigrationshistory",
        "refinery_schema_history",
        "_sqlx_migrations",
    }
)
"""Tables in which frameworks note what ran: no data of the application, and not sown."""

TABLES: Final = frozenset("rp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column; `base` is its type below domains, `category` PostgreSQL's letter for the kind of type."""

    relation: int
    attnum: int
    name: str
    type: int
    mod: int
    type_name: str
    base: int
    base_name: str
    base_mod: int
    category: str
    kind: str  # b base, e enum, d domain, c composite, r range
    not_null: bool
    default: str | None
    identity: str
    generated: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A constraint of a table: p, u, f, c, x, n; `expr` of a CHECK."""

    relation: int
    name: str
    kind: str
    columns: tuple[int, ...]
    target: int
    target_columns: tuple[int, ...]
    definition: str
    expr: str | None
    validated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index; `columns` has 0 for an expression."""

    oid: int
    relation: int
    name: str
    unique: bool
    valid: bool
    columns: tuple[int, ...]
    partial: bool
    definition: str
    node: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table, partitioned table, view, materialised view, sequence or foreign table."""

    oid: int
    schema: str
    name: str
    kind: str
    node: int
    tablespace: int
    is_partition: bool
    parent: int
    bound: str | None
    partition_columns: tuple[int, ...]
    columns: tuple[Column, ...] = ()
    rules: tuple[Rule, ...] = ()
    indexes: tuple[Index, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return (self.schema, self.name)

    @property
    def as_value(self) -> str:
        """As a value of regclass, each part quoted."""
        return ".".join('"{}"'.format(part.replace('"', '""')) for part in self.key)

    def column(self, attnum: int) -> Column | None:
        return next((one for one in self.columns if one.attnum == attnum), None)

    def now_of(self, was: Column) -> Column | None:
        """The column that `was` is here: by its name, else by its number, since names may change."""
        numbered = self.column(was.attnum) if self.oid == was.relation else None
        return self.named(was.name) or numbered

    @property
    def is_bookkeeping(self) -> bool:
        return self.name.lower() in BOOKKEEPING

    def named(self, name: str) -> Column | None:
        return next((one for one in self.columns if one.name == name), None)

    def unique_columns(self) -> frozenset[int]:
        """Columns that some unique rule or index names."""
        of_rules = {one for rule in self.rules if rule.kind in "pux" for one in rule.columns}
        of_indexes = {one for index in self.indexes if index.unique for one in self._of(index)}
        return frozenset(of_rules | of_indexes)

    def _of(self, index: Index) -> set[int]:
        """The columns of an index; those of an expression by their names in it."""
        found = {one for one in index.columns if one}
        if 0 in index.columns:
            words = set(_WORDS.findall(index.definition.partition(" USING ")[2].partition(" WHERE ")[0]))
            found |= {one.attnum for one in self.columns if one.name in words}
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything by its oid, and a fingerprint per kind of object for what has no class of its own."""

    relations: Mapping[int, Relation]
    enums: Mapping[int, tuple[str, ...]]
    enum_oids: Mapping[int, Mapping[int, str]]
    categories: Mapping[int, tuple[str, str]]  # type -> category, name
    other: Mapping[str, str]  # "function:public.f(integer)" -> what it says
    domains: Mapping[int, str]
    by_name: Mapping[tuple[str, str], Relation] = field(default_factory=dict)

    def find(self, schema: str | None, name: str) -> Relation | None:
        """A relation as a statement names it; without a schema `public` comes first."""
        if schema is not None:
            return self.by_name.get((schema, name))
        found = self.by_name.get(("public", name))
        return found or next((one for key, one in self.by_name.items() if key[1] == name), None)

    def tables(self) -> tuple[Relation, ...]:
        """Tables that rows are put into: plain and partitioned ones, no partitions."""
        return tuple(one for one in self.relations.values() if one.kind in TABLES and not one.is_partition)

    def root(self, oid: int) -> int:
        """The table that a partition is, in the end, a part of; any other table itself."""
        table = self.relations.get(oid)
        while table is not None and table.is_partition and table.parent in self.relations:
            table = self.relations[table.parent]
        return table.oid if table is not None else oid

    def index_table(self) -> Mapping[int, int]:
        """Each index's table."""
        return {index.oid: one.oid for one in self.relations.values() for index in one.indexes}
