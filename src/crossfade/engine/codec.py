"""
The frozen dataclasses of the heart as JSON, by their type hints, and documents with a schema number.

A stored plan outlives the program that wrote it. `load` lifts an older document by pure
upcasters, one per number; a newer one is refused, and its release is not claimed.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, NewType, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from crossfade.engine.records import StoreError

SCHEMA = 1
"""The number written into every plan and state."""

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTERS: Mapping[str, Mapping[int, Upcaster]] = {"plan": {}, "state": {}}
"""By kind of document and the number it lifts from: `UPCASTERS["state"][1]` makes schema 2 of schema 1."""

T = TypeVar("T")


def dump(value: object) -> str:
    """Canonical JSON: sorted keys, no spaces, no NaN; equal values have equal text."""
    return json.dumps(
        encode(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def store(kind: str, value: object) -> str:
    """A plan or a state as a document with its schema number."""
    return dump(document(kind, value))


def document(kind: str, value: object) -> dict[str, Any]:
    """The same before it is text, to lie within another document."""
    return {"schema": SCHEMA, kind: encode(value)}


def load(kind: str, as_type: type[T], text: str) -> T:
    """
    A stored document as a value of this program.

    Raises `StoreError` CF5006 where a newer program wrote it.
    """
    return read(kind, as_type, json.loads(text))


def read(kind: str, as_type: type[T], stored: Mapping[str, Any]) -> T:
    """`load` for what is no text any more."""
    number = int(stored["schema"])
    if number > SCHEMA:
        raise StoreError(
            "CF5006",
            f"this {kind} has schema {number}, this program reads up to {SCHEMA}",
            "a newer Crossfade wrote it, and half understood it would be worse than left alone",
            "use the newer version",
        )
    body = stored[kind]
    while number < SCHEMA:
        body = UPCASTERS[kind][number](body)
        number += 1
    return cast("T", decode(as_type, body))


def encode(value: object) -> Any:
    """
    Plain JSON of a value.

    Fields that are None or empty by default and in fact are left out. Every other default is written:
    a stored plan must not change its meaning when a default does.
    """
    match value:
        case None | bool() | int():
            return value
        case Enum():
            return value.value
        case str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case Mapping():
            return {str(key): encode(item) for key, item in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            shown = ((name, default, getattr(value, name)) for name, default in _defaults(type(value)))
            said = {
                name: encode(item)
                for name, default, item in shown
                if item != default or not (default is None or default in ((), {}))
            }
            return {"is": type(value).__name__, **said} if type(value).__name__ in _TAGGED else said
        case Sequence() | set() | frozenset():
            return [encode(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no JSON")


_TAGGED = frozenset(
    {"Known", "Unknown", "EnsureWeight", "EnsureFleet", "EnsurePrimary", "EnsureTest", "GoHome", "RunHook"}
)
"""Members of unions: told apart by name, because two of them may have the same fields."""


@cache
def _defaults(cls: type) -> tuple[tuple[str, object], ...]:
    return tuple(
        (item.name, item.default_factory() if item.default_factory is not MISSING else item.default)
        for item in fields(cls)
    )


def decode(as_type: Any, value: Any) -> Any:
    """
    A value of this type from plain JSON; unknown keys are left aside, they are a newer program's notes.

    `as_type` is a class, an alias such as `tuple[Step, ...]`, or a union.
    """
    return _decoder(as_type, ())(value)


Decoder = Callable[[Any], Any]


@cache
def _decoder(hint: Any, bound: tuple[tuple[Any, Any], ...]) -> Decoder:
    hint = dict(bound).get(hint, hint)
    while isinstance(hint, NewType):
        hint = hint.__supertype__
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _union(args, bound)
    if origin is tuple:
        return _tuple(args, bound)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        item = _decoder(args[1], bound)
        return lambda value: {key: item(part) for key, part in value.items()}
    if is_dataclass(origin):
        return _dataclass(
            cast("type", origin), tuple(zip(cast("Any", origin).__parameters__, args, strict=True))
        )
    if is_dataclass(hint):
        return _dataclass(cast("type", hint), bound)
    return _scalar(hint)


def _scalar(hint: Any) -> Decoder:
    if hint is datetime:
        return datetime.fromisoformat
    if hint is timedelta:
        return lambda value: timedelta(seconds=value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if hint is float:
        return float
    return lambda value: value


def _tuple(args: tuple[Any, ...], bound: tuple[tuple[Any, Any], ...]) -> Decoder:
    if len(args) == 2 and args[1] is Ellipsis:
        item = _decoder(args[0], bound)
        return lambda value: tuple(item(part) for part in value)
    parts = [_decoder(arg, bound) for arg in args]
    return lambda value: tuple(part(piece) for part, piece in zip(parts, value, strict=True))


def _union(args: tuple[Any, ...], bound: tuple[tuple[Any, Any], ...]) -> Decoder:
    named = {getattr(get_origin(arg) or arg, "__name__", str(arg)): _decoder(arg, bound) for arg in args}
    plain = [decoder for name, decoder in named.items() if name != "NoneType"]

    def decoded(value: Any) -> Any:
        if value is None and type(None) in args:
            return None
        if isinstance(value, dict) and "is" in value:
            return named[value["is"]](value)
        return plain[0](value)

    return decoded


def _dataclass(cls: type, bound: tuple[tuple[Any, Any], ...]) -> Decoder:
    hints = get_type_hints(cls)
    parts = {item.name: _decoder(hints[item.name], bound) for item in fields(cls)}

    def decoded(value: Any) -> Any:
        return cls(**{name: part(value[name]) for name, part in parts.items() if name in value})

    return decoded
