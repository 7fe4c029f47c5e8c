"""
How a value differs in kind from all that a statement was recorded with: NULL where none ever was. Pure.

A value that merely is another one of the same kind is not beyond: it may be sent tomorrow. What was recorded
is never told, only what nobody sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation

Values = tuple[str | None, ...]


def beyond(recorded: Sequence[Values], sent: Sequence[Values]) -> tuple[str, ...]:
    """In words, parameter by parameter; empty where nothing is, or nothing was recorded to tell by."""
    found: dict[str, None] = {}
    for values in sent:
        fitting = [one for one in recorded if len(one) == len(values)]
        for at, value in enumerate(values):
            known = [one[at] for one in fitting]
            if known:
                found |= {f"${at + 1} {word}": None for word in _of(value, known)}
    return tuple(found)


def _of(value: str | None, known: Sequence[str | None]) -> Iterator[str]:
    """At most one word a value: the plainest."""
    met = [one for one in known if one is not None]
    if value is None:
        if len(met) == len(known):
            yield "= NULL"
    elif not met:
        yield "is not NULL"
    elif not value:
        if all(met):
            yield "is empty"
    else:
        yield from _of_size(value, met)


def _of_size(value: str, met: Sequence[str]) -> Iterator[str]:
    number, numbers = _number(value), [_number(one) for one in met]
    sure = [one for one in numbers if one is not None]
    if number is not None and len(sure) == len(numbers):
        if number > max(sure):
            yield f"is above any recorded ({value})"
        elif number < min(sure):
            yield f"is below any recorded ({value})"
    elif len(value) > (longest := max(map(len, met))):
        yield f"is longer than any recorded ({len(value)} characters, not {longest})"


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
