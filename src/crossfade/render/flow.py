"""
Plain values as YAML that every reader takes: blocks, and each string in JSON's double quotes.

YAML 1.2 reads JSON's strings, and so does CloudFormation; nothing is then taken for a date or a `no`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def as_yaml(value: Mapping[str, Any]) -> str:
    """One document. Keys are plain words; values are mappings, lists, strings, numbers, truth values."""
    return "\n".join(_mapping(value, "")) + "\n"


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, child in value.items():
        yield from _under(f"{indent}{key}:", child, indent)


def _under(head: str, child: Any, indent: str) -> Iterator[str]:
    match child:
        case dict() if child:
            yield head
            yield from _mapping(child, indent + "  ")
        case list() if child:
            yield head
            for item in child:
                yield from _item(item, indent)
        case _:
            yield f"{head} {_scalar(child)}"


def _item(item: Any, indent: str) -> Iterator[str]:
    match item:
        case dict() | list() if item:
            lines = list(
                _mapping(item, indent + "  ") if isinstance(item, dict) else _list(item, indent + "  ")
            )
            yield f"{indent}- {lines[0].strip()}"
            yield from lines[1:]
        case _:
            yield f"{indent}- {_scalar(item)}"


def _list(items: list[Any], indent: str) -> Iterator[str]:
    for item in items:
        yield from _item(item, indent)


def _scalar(value: Any) -> str:
    """Beyond the first plane JSON escapes by two halves, which YAML does not join."""
    if not isinstance(value, str):
        return json.dumps(value)
    return '"' + "".join(map(_character, value)) + '"'


def _character(one: str) -> str:
    if one.isascii():
        return json.dumps(one)[1:-1] if one.isprintable() else f"\\x{ord(one):02x}"
    return one if one.isprintable() else f"\\U{ord(one):08x}"
