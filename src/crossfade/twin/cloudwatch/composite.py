"""
Rules of composite alarms: `ALARM(a) AND NOT (OK("b") OR INSUFFICIENT_DATA(arn))`, TRUE, FALSE.

A name stands bare or in quotes; an ARN counts as the name at its end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, cast, get_args

from crossfade.twin.cloudwatch.api import ApiError
from crossfade.twin.cloudwatch.judging import State

MAX_CHILDREN: Final = 100
MAX_ELEMENTS: Final = 500


@dataclass(frozen=True, slots=True)
class Always:
    truth: bool


@dataclass(frozen=True, slots=True)
class Is:
    state: State
    alarm: str


@dataclass(frozen=True, slots=True)
class Not:
    of: Rule


@dataclass(frozen=True, slots=True)
class All:
    of: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Any:
    of: tuple[Rule, ...]


Rule = Always | Is | Not | All | Any

_STATES: Final = get_args(State)
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<state>(?:ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*(?:\"[^\"]*\"|[^()\"]*?)\s*\))|(?P<sign>[()])|(?P<word>\w+))"
)
_CALL: Final = re.compile(r"(\w+)\s*\(\s*\"?(.*?)\"?\s*\)", re.DOTALL)


@lru_cache(maxsize=1024)
def parse(text: str) -> Rule:
    """Raises `ApiError` for what is no rule."""
    reader = _Reader(text)
    rule = reader.any()
    if reader.rest:
        raise _wrong(text)
    if len(children(rule)) > MAX_CHILDREN or reader.elements > MAX_ELEMENTS:
        raise ApiError("ValidationError", f"An AlarmRule has at most {MAX_CHILDREN} children.")
    return rule


def _wrong(text: str) -> ApiError:
    return ApiError("ValidationError", f"AlarmRule must be a valid rule expression: {text}")


def children(rule: Rule) -> tuple[str, ...]:
    """The alarms that a rule names, each once, in its order."""
    return tuple(dict.fromkeys(_named(rule)))


def _named(rule: Rule) -> Iterator[str]:
    match rule:
        case Is(_, alarm):
            yield alarm
        case Not(of):
            yield from _named(of)
        case All(many) | Any(many):
            for one in many:
                yield from _named(one)
        case Always():
            return


def holds(rule: Rule, state: Callable[[str], State | None]) -> bool:
    """Whether the rule is true of these states; an alarm that is gone is in none."""
    match rule:
        case Always(truth):
            return truth
        case Is(wanted, alarm):
            return state(alarm) == wanted
        case Not(of):
            return not holds(of, state)
        case All(many):
            return all(holds(one, state) for one in many)
        case Any(many):
            return any(holds(one, state) for one in many)


class _Reader:
    """Recursive descent: OR binds loosest, then AND, then NOT."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.rest = self._split(text)
        self.elements = len(self.rest)

    def _split(self, text: str) -> list[str]:
        tokens: list[str] = []
        place = 0
        while text[place:].strip():
            match = _TOKEN.match(text, place)
            if match is None:
                raise _wrong(text)
            place = match.end()
            tokens.append(match.group().strip())
        return tokens

    def any(self) -> Rule:
        return self._joined("OR", self._all, Any)

    def _all(self) -> Rule:
        return self._joined("AND", self._one, All)

    def _joined(self, word: str, part: Callable[[], Rule], made: Callable[[tuple[Rule, ...]], Rule]) -> Rule:
        parts = [part()]
        while self.rest and self.rest[0] == word:
            self.rest.pop(0)
            parts.append(part())
        return parts[0] if len(parts) == 1 else made(tuple(parts))

    def _one(self) -> Rule:
        if not self.rest:
            raise _wrong(self._text)
        token = self.rest.pop(0)
        match token:
            case "NOT":
                return Not(self._one())
            case "TRUE" | "FALSE":
                return Always(token == "TRUE")  # noqa: S105  (a word of the grammar)
            case "(":
                rule = self.any()
                if not self.rest or self.rest.pop(0) != ")":
                    raise _wrong(self._text)
                return rule
            case _:
                return self._is(token)

    def _is(self, token: str) -> Rule:
        match = _CALL.fullmatch(token)
        if match is None or match[1] not in _STATES or not match[2]:
            raise _wrong(self._text)
        named = match[2]
        return Is(cast("State", match[1]), named.split(":alarm:", 1)[1] if ":alarm:" in named else named)
