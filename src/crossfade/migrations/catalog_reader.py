"""Reads a catalogue in one question."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from crossfade.migrations.catalog import Catalog, Column, Index, Relation, Rule
from crossfade.migrations.wire import Session

_OURS: Final = """n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"""
_MADE: Final = "oid >= 16384"  # PostgreSQL's own objects have lower numbers; asked first, it is cheap
_ENFORCED: Final = (
    """COALESCE((to_jsonb(k) ->> 'conenforced')::boolean, true)"""  # a column since PostgreSQL 18
)
_RELATIONS: Final = f"""
SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relfilenode AS node,
  c.reltablespace AS tablespace, c.relispartition AS is_partition,
  COALESCE((SELECT inhparent::int8 FROM pg_inherits i WHERE i.inhrelid = c.oid LIMIT 1), 0) AS parent,
  pg_get_expr(c.relpartbound, c.oid) AS bound,
  (SELECT string_to_array(p.partattrs::text, ' ')::int[] FROM pg_partitioned_table p
    WHERE p.partrelid = c.oid) AS cols,
  concat_ws('|', c.relacl, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, c.relowner,
    c.relpersistence, CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END) AS said
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't'
ORDER BY c.oid
"""
_COLUMNS: Final = f"""
SELECT a.attrelid AS relation, a.attnum, a.attname AS name, a.atttypid AS type, a.atttypmod AS mod,
  format_type(a.atttypid, a.atttypmod) AS type_name, a.attnotnull AS not_null, a.attidentity AS identity,
  a.attgenerated AS generated, COALESCE(pg_get_expr(d.adbin, d.adrelid), t.typdefault) AS default,
  t.typtype AS kind, t.typcategory AS category, COALESCE(b.oid, t.oid) AS base,
  COALESCE(format_type(b.oid, NULL), format_type(t.oid, NULL)) AS base_name,
  CASE WHEN b.oid IS NULL THEN a.atttypmod ELSE t.typtypmod END AS base_mod, a.attacl::text AS acl
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.{_MADE} AND {_OURS} AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND c.relpersistence <> 't'
ORDER BY a.attrelid, a.attnum
"""
_RULES: Final = f"""
SELECT k.conrelid AS relation, k.conname AS name, k.contype AS kind, k.conkey AS columns,
  k.confrelid AS target, k.confkey AS target_columns, pg_get_constraintdef(k.oid) AS definition,
  pg_get_expr(k.conbin, k.conrelid) AS expr, k.convalidated AS validated
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.{_MADE} AND {_OURS} AND k.contype IN ('p', 'u', 'f', 'c', 'x', 'n') AND {_ENFORCED}
ORDER BY k.conrelid, k.conname
"""
_INDEXES: Final = f"""
SELECT i.indexrelid AS oid, i.indrelid AS relation, c.relname AS name, i.indisunique AS unique,
  i.indisvalid AS valid, i.indkey::int2[] AS columns, i.indpred IS NOT NULL AS partial,
  pg_get_indexdef(i.indexrelid) AS definition, c.relfilenode AS node
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE {_OURS} AND c.relpersistence <> 't' ORDER BY i.indexrelid
"""
_ENUMS: Final = """
SELECT enumtypid AS type, oid, enumlabel AS label FROM pg_enum ORDER BY enumtypid, enumsortorder
"""
_TYPES: Final = """
SELECT t.oid, t.typcategory AS category, format_type(t.oid, NULL) AS name FROM pg_type t
WHERE t.typtype <> 'c' AND t.typname !~ '^_pg_'
"""
_OTHER: Final = f"""
SELECT 'function:' || p.oid::regprocedure AS key, concat_ws('|', p.oid, p.prosrc, p.prosqlbody::text,
  p.prorettype, p.proacl, p.prosecdef, p.provolatile, p.proconfig, p.pronargdefaults,
  p.proisstrict) AS said
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.{_MADE} AND {_OURS}
UNION ALL SELECT 'trigger:' || t.tgrelid || ':' || t.tgname,
  concat_ws('|', pg_get_triggerdef(t.oid), t.tgenabled) FROM pg_trigger t WHERE NOT t.tgisinternal
UNION ALL SELECT 'rule:' || r.ev_class || ':' || r.rulename,
  concat_ws('|', pg_get_ruledef(r.oid), r.ev_enabled) FROM pg_rewrite r
WHERE r.rulename <> '_RETURN' AND r.ev_class >= 16384
UNION ALL SELECT 'unenforced:' || k.conrelid || ':' || k.conname, pg_get_constraintdef(k.oid)
FROM pg_constraint k WHERE k.{_MADE} AND NOT {_ENFORCED}
UNION ALL SELECT 'policy:' || polrelid || ':' || polname, concat_ws('|', polcmd, polpermissive, polroles,
  pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
UNION ALL SELECT 'sequence:' || seqrelid,
  concat_ws('|', seqtypid, seqstart, seqincrement, seqmax, seqmin, seqcycle) FROM pg_sequence
UNION ALL SELECT 'schema:' || n.nspname, concat_ws('|', n.oid, n.nspacl) FROM pg_namespace n WHERE {_OURS}
UNION ALL SELECT 'domain:' || t.oid, concat_ws('|', t.typname, t.typbasetype, t.typnotnull, t.typdefault,
  (SELECT string_agg(pg_get_constraintdef(k.oid), ';' ORDER BY k.conname)
    FROM pg_constraint k WHERE k.contypid = t.oid))
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE {_OURS} AND t.typtype = 'd'
UNION ALL SELECT 'type:' || t.oid, concat_ws('|', t.typname,
  (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ',' ORDER BY a.attnum)
    FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE {_OURS} AND t.typtype IN ('e', 'r') OR (t.typtype = 'c' AND {_OURS}
  AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
UNION ALL SELECT 'extension:' || extname, extversion FROM pg_extension
UNION ALL SELECT 'member:' || roleid || ':' || member, '' FROM pg_auth_members
UNION ALL SELECT 'setting:' || setrole || ':' || setdatabase, setconfig::text FROM pg_db_role_setting
UNION ALL SELECT 'defaults:' || oid, defaclacl::text FROM pg_default_acl
UNION ALL SELECT 'statistics:' || oid, stxname::text FROM pg_statistic_ext
UNION ALL SELECT 'operator:' || oid, oprname::text FROM pg_operator WHERE oid >= 16384
UNION ALL SELECT 'cast:' || oid, concat_ws('|', castsource, casttarget, castcontext)
FROM pg_cast WHERE oid >= 16384
"""


def read_catalog(session: Session) -> Catalog:
    """The catalogue as it is now, in one question."""
    parts = {
        "relations": _RELATIONS,
        "columns": _COLUMNS,
        "rules": _RULES,
        "indexes": _INDEXES,
        "enums": _ENUMS,
        "types": _TYPES,
        "other": _OTHER,
    }
    wanted = ", ".join(
        f"(SELECT COALESCE(json_agg(q), '[]') FROM ({sql}) q)::text AS {key}" for key, sql in parts.items()
    )
    # So that every name is printed with its schema.
    session.ask("BEGIN; SET LOCAL search_path = pg_catalog")
    row = session.ask(f"SELECT {wanted}")[0]
    session.ask("ROLLBACK")
    return _assembled({key: json.loads(text or "[]") for key, text in zip(parts, row, strict=True)})


def _assembled(read: Mapping[str, list[dict[str, Any]]]) -> Catalog:
    columns, rules, indexes = _grouped(read["columns"]), _grouped(read["rules"]), _grouped(read["indexes"])
    relations = {int(one["oid"]): _relation(one, columns, rules, indexes) for one in read["relations"]}
    enums: dict[int, dict[int, str]] = {}
    for one in read["enums"]:
        enums.setdefault(int(one["type"]), {})[int(one["oid"])] = one["label"]
    other = {one["key"]: one["said"] or "" for one in read["other"]}
    other |= {f"relation:{one['oid']}": one["said"] or "" for one in read["relations"]}
    other |= {
        f"column:{one['relation']}:{one['attnum']}": one["acl"] for one in read["columns"] if one.get("acl")
    }
    return Catalog(
        relations=relations,
        enums={type_: tuple(labels.values()) for type_, labels in enums.items()},
        enum_oids=enums,
        categories={int(one["oid"]): (one["category"], one["name"]) for one in read["types"]},
        other=other,
        domains={int(key[7:]): said for key, said in other.items() if key.startswith("domain:")},
        by_name={one.key: one for one in relations.values()},
    )


def _grouped(listed: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for one in listed:
        found.setdefault(int(one["relation"]), []).append(one)
    return found


def _relation(
    one: dict[str, Any],
    columns: Mapping[int, list[dict[str, Any]]],
    rules: Mapping[int, list[dict[str, Any]]],
    indexes: Mapping[int, list[dict[str, Any]]],
) -> Relation:
    oid = int(one["oid"])
    return Relation(
        oid=oid,
        schema=one["schema"],
        name=one["name"],
        kind=one["kind"],
        node=int(one["node"]),
        tablespace=int(one["tablespace"]),
        is_partition=one["is_partition"],
        parent=int(one["parent"]),
        bound=one["bound"],
        partition_columns=tuple(one["cols"] or ()),
        columns=tuple(_column(column) for column in columns.get(oid, ())),
        rules=tuple(_rule(rule) for rule in rules.get(oid, ())),
        indexes=tuple(_index(index) for index in indexes.get(oid, ())),
    )


def _column(one: dict[str, Any]) -> Column:
    values = {key: one[key] for key in Column.__dataclass_fields__}
    return Column(**values | {key: int(one[key]) for key in ("relation", "type", "base")})


def _rule(one: dict[str, Any]) -> Rule:
    return Rule(
        relation=int(one["relation"]),
        name=one["name"],
        kind=one["kind"],
        columns=tuple(one["columns"] or ()),
        target=int(one["target"]),
        target_columns=tuple(one["target_columns"] or ()),
        definition=one["definition"],
        expr=one["expr"],
        validated=one["validated"],
    )


def _index(one: dict[str, Any]) -> Index:
    return Index(
        oid=int(one["oid"]),
        relation=int(one["relation"]),
        name=one["name"],
        unique=one["unique"],
        valid=one["valid"],
        columns=tuple(one["columns"] or ()),
        partial=one["partial"],
        definition=one["definition"],
        node=int(one["node"]),
    )
