"""
Values to JSON and back, by their own type hints: what goes over the socket and onto the disk.

Encoding drops nothing; decoding refuses what does not fit. Knows dataclasses, mappings,
tuples, optional values and plain ones: the whole vocabulary of `model.py`.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def encode(value: Any) -> Any:
    """A value of `model.py` as plain JSON data."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def decode(kind: type[T], data: Any) -> T:
    """The value of type `kind` that was encoded; absent fields take their default.

    Raises ValueError for data of another shape.
    """
    result: T = _decode(kind, data)
    return result


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decode(kind: Any, data: Any) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        inner = next(arg for arg in args if arg is not type(None))
        return None if data is None else _decode(inner, data)
    if dataclasses.is_dataclass(kind):
        if not isinstance(data, dict) or (unknown := set(data) - set(_hints(kind))):  # type: ignore[arg-type]  # is_dataclass narrows to an instance
            raise ValueError(f"{kind}: not an object of its fields: {unknown if data else data}")
        return kind(**{k: _decode(_hints(kind)[k], v) for k, v in data.items()})  # type: ignore[operator,arg-type]  # as above
    if origin is tuple and isinstance(data, list):
        return tuple(_decode(args[0], item) for item in data)
    if origin is not None and issubclass_of_mapping(origin) and isinstance(data, dict):
        return {key: _decode(args[1], item) for key, item in data.items()}
    if origin is Literal and data in args:
        return data
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if isinstance(kind, type) and type(data) is kind:
        return data
    raise ValueError(f"{data!r} is not of type {kind}")


def issubclass_of_mapping(origin: Any) -> bool:
    """Whether a generic's origin is a mapping."""
    return isinstance(origin, type) and issubclass(origin, Mapping)
