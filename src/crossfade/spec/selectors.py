"""Conditions on labels as PromQL writes them: `code=~"5..", method!="OPTIONS"`. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, cast

Op = Literal["=", "!=", "=~", "!~"]

_ONE: Final = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*')
_ESCAPED: Final = re.compile(r"\\(.)")
_ESCAPES: Final = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition; a regular expression has to fit the whole value."""

    label: str
    op: Op
    value: str

    def holds(self, value: str) -> bool:
        match self.op:
            case "=":
                return value == self.value
            case "!=":
                return value != self.value
            case "=~":
                return re.fullmatch(self.value, value) is not None
            case "!~":
                return re.fullmatch(self.value, value) is None

    def __str__(self) -> str:
        text = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.label}{self.op}"{text}"'


def matchers(text: str) -> tuple[Matcher, ...]:
    """
    The conditions of a selector without its braces or with them; none is everything.

    Raises `ValueError` with what is wrong.
    """
    inside = text.strip()
    if inside.startswith("{") and inside.endswith("}"):
        inside = inside[1:-1].strip()
    found: list[Matcher] = []
    at = 0
    while at < len(inside):
        one = _ONE.match(inside, at)
        if one is None:
            raise ValueError(f"{inside[at : at + 40]!r} is no condition on a label")
        found.append(Matcher(one[1], cast("Op", one[2]), _ESCAPED.sub(_escaped, one[3])))
        _prove_pattern(found[-1])
        at = one.end()
        if at < len(inside):
            if inside[at] != ",":
                raise ValueError(f"a comma is missing before {inside[at : at + 40]!r}")
            at += 1
    return tuple(found)


def all_hold(conditions: tuple[Matcher, ...], value_of: Callable[[str], str]) -> bool:
    """Whether every condition holds; a label that is not there is empty."""
    return all(one.holds(value_of(one.label)) for one in conditions)


def _escaped(match: re.Match[str]) -> str:
    # Any other backslash is a regular expression's own, which PromQL's strings write twice.
    return _ESCAPES.get(match[1], match[0])


def _prove_pattern(one: Matcher) -> None:
    if one.op in ("=~", "!~"):
        try:
            re.compile(one.value)
        except re.error as error:
            raise ValueError(f"{one.value!r} is no regular expression: {error}") from error
