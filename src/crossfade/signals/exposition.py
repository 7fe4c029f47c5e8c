"""
The text in which programs show their counters: Prometheus' text format and OpenMetrics, read strictly. Pure.

Only the families that are asked for are read, and those to the letter: a line of theirs that is no
sample, a series that stands twice, an OpenMetrics text without its end make the whole text garbled
(R24), because half of a reading looks like a restart. What other families hold stops nobody.

NOT READ: native histograms and names in quotes; neither is sent to a reader that does not ask for them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

ACCEPT: Final = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
OPEN_METRICS: Final = "application/openmetrics-text"

_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\\n]|\\.)*)"[ \t]*')
_VALUE: Final = re.compile(
    r"[ \t]+([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?[Ii]nf|NaN)"
    r"(?:[ \t]+[+-]?[0-9.eE+-]+)?[ \t]*(?:#.*)?"
)
_ESCAPED: Final = re.compile(r"\\(.)")
_ESCAPES: Final = {"n": "\n", '"': '"', "\\": "\\"}

Labels = tuple[tuple[str, str], ...]
"""Sorted by name."""


@dataclass(frozen=True, slots=True)
class Series:
    """Whose value it is."""

    name: str
    labels: Labels

    def label(self, name: str) -> str:
        """A label's value; empty where it is not there, as PromQL has it."""
        return next((value for key, value in self.labels if key == name), "")


def samples(text: str, names: Collection[str], *, open_metrics: bool = False) -> Mapping[Series, float]:
    """
    The value of every series of these names.

    Raises `ValueError` with the line for a text that is garbled or was cut off.
    """
    lines = text.split("\n")
    if open_metrics:
        while lines and not lines[-1]:
            lines.pop()
        if not lines or lines.pop() != "# EOF":
            raise ValueError("the text was cut off: it does not end in # EOF")
    elif lines.pop():
        raise ValueError("the text was cut off: its last line does not end")
    found: dict[Series, float] = {}
    for number, line in enumerate(lines, 1):
        name = _NAME.match(line)
        if name is None or name[0] not in names:
            continue
        try:
            series, value = _sample(name[0], line[name.end() :].rstrip("\r"))
            if series in found:
                raise ValueError("the series stands twice")  # noqa: TRY301  # told with its line like the rest
        except ValueError as error:
            raise ValueError(f"line {number} is garbled ({error}): {line[:80]!r}") from error
        found[series] = value
    return found


def names(text: str) -> Iterator[str]:
    """The names of all families that have a sample, in the order of the text, some more than once."""
    for line in text.split("\n"):
        if name := _NAME.match(line):
            yield name[0]


def _sample(name: str, rest: str) -> tuple[Series, float]:
    labels: dict[str, str] = {}
    at = 0
    if rest.startswith("{") or rest.lstrip(" \t").startswith("{"):
        labels, at = _labels(rest)
    value = _VALUE.fullmatch(rest, at)
    if value is None:
        raise ValueError("no value")
    return Series(name, tuple(sorted(labels.items()))), float(value[1])


def _labels(rest: str) -> tuple[dict[str, str], int]:
    """The labels in braces, and where they end."""
    found: dict[str, str] = {}
    at = rest.index("{") + 1
    while label := _LABEL.match(rest, at):
        if label[1] in found:
            raise ValueError(f"label {label[1]} stands twice")
        found[label[1]] = _plain(label[2])
        at = label.end()
        if not rest.startswith(",", at):
            break
        at += 1
    closing = re.compile(r"[ \t]*\}").match(rest, at)
    if closing is None:
        raise ValueError("the labels do not end")
    return found, closing.end()


def _plain(text: str) -> str:
    def escaped(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise ValueError(f"\\{match[1]} is no escape")
        return _ESCAPES[match[1]]

    return _ESCAPED.sub(escaped, text) if "\\" in text else text
