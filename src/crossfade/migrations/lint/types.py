"""
Whether a column's change of type writes the table anew, where both types are known. Pure.

What PostgreSQL does without a rewrite: a type that is stored the same way and is no narrower.
Source: its documentation of ALTER TABLE, and the cases of the catalogue that were run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_ALIAS: Final = {
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "int2": "smallint",
    "serial": "integer",
    "serial4": "integer",
    "bigserial": "bigint",
    "serial8": "bigint",
    "smallserial": "smallint",
    "serial2": "smallint",
    "character varying": "varchar",
    "character": "char",
    "bpchar": "char",
    "decimal": "numeric",
    "bool": "boolean",
    "float8": "double precision",
    "float": "double precision",
    "float4": "real",
    "bit varying": "varbit",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
    "time with time zone": "timetz",
}
_UNSTATED: Final = -1
_BY_LENGTH: Final = frozenset({"varchar", "varbit"})
_BY_PRECISION: Final = frozenset({"timestamp", "timestamptz", "time", "timetz"})
_MOST_PRECISE: Final = 6
SAME_STORE: Final = frozenset({("varchar", "text"), ("text", "varchar"), ("cidr", "inet")})


@dataclass(frozen=True, slots=True)
class Type:
    """A type by its one name, and its arguments: `numeric`, (10, 2)."""

    name: str
    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        return self.sizes[0] if self.sizes else _UNSTATED


def type_of(words: Sequence[str]) -> Type:
    """A type as it is written: `character varying ( 20 )`, `timestamp ( 3 ) with time zone`."""
    words = words[: words.index("collate")] if "collate" in words else words
    names: list[str] = []
    sizes: list[int] = []
    depth = 0
    for word in words:
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth:
            sizes += [int(word)] if word.isdecimal() else []
        elif word != ")":
            names.append(word)
    if names[:2] in [["pg_catalog", "."], ["public", "."]]:
        names = names[2:]
    name = " ".join(names).replace("[ ]", "[]")
    known = _ALIAS.get(name, name)
    return Type(known, tuple(sizes) or ((1,) if known == "char" else ()))


def is_rewritten(old: Type, new: Type) -> bool:
    """Whether the table is written anew, or at least read as a whole."""
    if old == new:
        return False
    if (old.name, new.name) in SAME_STORE:
        return new.size != _UNSTATED
    if old.name != new.name:
        return True
    if new.name in _BY_LENGTH:
        return new.size != _UNSTATED and not 0 <= old.size <= new.size
    if new.name == "numeric":
        return not _numeric_holds(old, new)
    if new.name in _BY_PRECISION:
        return _precision(new) < _precision(old)
    return True


def _numeric_holds(old: Type, new: Type) -> bool:
    if not new.sizes:
        return True
    if not old.sizes:
        return False
    scales = [(*one.sizes, 0)[1] for one in (old, new)]
    return scales[0] == scales[1] and new.size >= old.size


def _precision(one: Type) -> int:
    return _MOST_PRECISE if one.size == _UNSTATED else one.size
