"""Small catalogues made by hand, for the pure parts of a proof."""

from __future__ import annotations

from crossfade.migrations.catalog import Catalog, Column, Index, Relation


def column(
    relation: int, attnum: int, name: str, *, type_name: str = "text", not_null: bool = False
) -> Column:
    return Column(
        relation=relation,
        attnum=attnum,
        name=name,
        type=25,
        mod=-1,
        type_name=type_name,
        base=25,
        base_name=type_name,
        base_mod=-1,
        category="S",
        kind="b",
        not_null=not_null,
        default=None,
        identity="",
        generated="",
    )


def relation(
    oid: int, name: str, *columns: str, kind: str = "r", indexes: tuple[Index, ...] = ()
) -> Relation:
    return Relation(
        oid=oid,
        schema="public",
        name=name,
        kind=kind,
        node=oid,
        tablespace=0,
        is_partition=False,
        parent=0,
        bound=None,
        partition_columns=(),
        columns=tuple(column(oid, at, one) for at, one in enumerate(columns, 1)),
        indexes=indexes,
    )


def index(
    oid: int, table: int, name: str, *columns: int, unique: bool = True, partial: bool = False
) -> Index:
    return Index(
        oid=oid,
        relation=table,
        name=name,
        unique=unique,
        valid=True,
        columns=columns,
        partial=partial,
        definition="",
        node=oid,
    )


def catalog(*relations: Relation) -> Catalog:
    return Catalog(
        relations={one.oid: one for one in relations},
        enums={},
        enum_oids={},
        categories={23: ("N", "integer"), 20: ("N", "bigint"), 25: ("S", "text"), 16: ("B", "boolean")},
        other={},
        domains={},
        by_name={one.key: one for one in relations},
    )
