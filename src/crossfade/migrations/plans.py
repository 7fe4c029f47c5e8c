"""
Does a statement touch as many rows as the table has? Read from its plan. Pure.

The plan is made with sequential scans discouraged: where one is left, no index would do. Bounded: below a
LIMIT; one row by a unique index; a list of keys; a range with two ends. All else grows with the table.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from crossfade.migrations.catalog import Index

Plan = Mapping[str, Any]
_WHOLE: Final = frozenset({"Seq Scan", "Sample Scan", "Tid Range Scan", "Foreign Scan"})
_BY_INDEX: Final = frozenset({"Index Scan", "Index Only Scan", "Bitmap Index Scan"})
_EQUAL: Final = re.compile(r"\(?\"?([^\s\"()]+)\"?\)?(?:::[a-z ]+)? = (?!ANY)")
_ANY: Final = re.compile(r"= ANY \('")
_LOWER: Final = re.compile(r" >=? ")
_UPPER: Final = re.compile(r" <=? ")


def unbounded(
    plan: Plan, tables: Collection[str], indexes: Mapping[str, Index], names: Mapping[str, str]
) -> list[str]:
    """Tables (of those given) that the plan walks through as a whole; `names` is each index's table."""
    return list(dict.fromkeys(_walk(plan, tables, indexes, names, limited=False)))


def _walk(
    node: Plan,
    tables: Collection[str],
    indexes: Mapping[str, Index],
    names: Mapping[str, str],
    *,
    limited: bool,
) -> Iterator[str]:
    kind = node.get("Node Type", "")
    limited = limited or kind == "Limit"
    table = node.get("Relation Name") or names.get(str(node.get("Index Name", "")), "")
    if table in tables and not limited:
        whole = kind in _WHOLE
        if kind in _BY_INDEX:
            whole = not _bounded(
                str(node.get("Index Cond", "")), indexes.get(str(node.get("Index Name", "")))
            )
        if whole:
            yield table
    for child in node.get("Plans", ()):
        yield from _walk(child, tables, indexes, names, limited=limited)


def _bounded(condition: str, index: Index | None) -> bool:
    if not condition or index is None:
        return False
    if index.unique and not index.partial:
        equal = len(set(_EQUAL.findall(condition)))
        if equal >= len(index.columns) or (_ANY.search(condition) and len(index.columns) == 1):
            return True
    return bool(_LOWER.search(condition) and _UPPER.search(condition))
