"""Instants as the store keeps them: whole microseconds since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from crossfade.release.values import Instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


def micros(at: Instant) -> int:
    """An instant as a number."""
    return (at - _EPOCH) // _TICK


def instant(number: int) -> Instant:
    """The instant of a number."""
    return _EPOCH + number * _TICK
