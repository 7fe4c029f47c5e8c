"""What one check says: a name, a state, a sentence; where something is wrong, why and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crossfade.errors import AccessError, CrossfadeError


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    """A release is possible and will be worse for it."""
    FAIL = "FAIL"
    """A release would be refused, or could not be judged, or could not come back."""
    UNKNOWN = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the examination."""

    name: str
    state: State
    said: str
    id: str = ""
    """Of the error that this would be; only where it failed or warns."""
    why: str = ""
    fix: str = ""
    denied: bool = False
    """Credentials or a permission are what is wrong."""


def ok(name: str, said: str) -> Check:
    return Check(name=name, state=State.OK, said=said)


def unknown(name: str, said: str, why: str = "", fix: str = "") -> Check:
    return Check(name=name, state=State.UNKNOWN, said=said, why=why, fix=fix)


def failed(name: str, error: CrossfadeError, state: State = State.FAIL) -> Check:
    """The error that a release would meet."""
    return Check(
        name=name,
        state=state,
        said=error.what,
        id=error.id,
        why=error.why,
        fix=error.fix,
        denied=isinstance(error, AccessError),
    )


Look = Callable[[], Iterable[Check]]
"""One part of the examination; what it raises becomes its failure."""


def examined(looks: Sequence[tuple[str, Look]]) -> Iterator[Check]:
    """Every part, whatever became of those before it."""
    for name, look in looks:
        try:
            yield from look()
        except CrossfadeError as error:
            yield failed(name, error)


CREDENTIALS: Final = 3
IMPOSSIBLE: Final = 11


def exit_code(checks: Sequence[Check]) -> int:
    """0 where a release could begin, 3 where credentials are what is missing, 11 otherwise."""
    wrong = [one for one in checks if one.state is State.FAIL]
    if not wrong:
        return 0
    return CREDENTIALS if any(one.denied for one in wrong) else IMPOSSIBLE
