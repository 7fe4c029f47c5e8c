"""
A counterexample with values that nobody was seen sending, and a person's word on exactly that one. Pure.

What was seen is accepted by nobody. What is only possible stays unknown until `accept:` of the change names
it: by the statement, and by a digest of the migration, of all statements of that version and of what is
beyond them. When one of these changes the word is void.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crossfade.migrations.shape import Sent
from crossfade.release.plan import Footing

if TYPE_CHECKING:
    from crossfade.preconditions.records import Part, Proved
    from crossfade.spec.change_models import Accept

SEEN: Final = "which nobody was seen sending"
"""What is said of every counterexample that is only possible."""
_SHORT: Final = 16
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Possible:
    """A statement that fares otherwise, but only with values of a kind that it was never recorded with."""

    statement: str
    """Its id, as the shape has it."""
    counterexample: str
    said: str
    """The statement on one line."""
    beyond: tuple[str, ...]
    """What was never recorded: `$1 = NULL`."""

    @property
    def words(self) -> str:
        return f"{self.said} where {', '.join(self.beyond)}, {SEEN}"

    @property
    def named(self) -> str:
        """What `accept:` names it by; quoted, for some are numbers to YAML."""
        return f'statement: "{self.statement}", counterexample: "{self.counterexample}"'


def possible_of(part: Part, shape: str, statement: str, what: tuple[str, ...], wrong: str) -> Possible:
    """With its digest: of this part's text, of these statements, of this statement with these values."""
    known = Sent(text=statement).id
    told = [part.change, part.part, part.sha256, shape, known, sorted(what), wrong]
    line = " ".join(statement.split())
    return Possible(
        statement=known,
        counterexample=hashlib.sha256(json.dumps(told).encode()).hexdigest()[:_SHORT],
        said=line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…",
        beyond=what,
    )


def weigh(proof: Proved, accepts: Sequence[Accept]) -> Footing:
    """What a proof comes to with what persons accepted: never a yes to what was seen to fail."""
    if proof.safe is None:
        return Footing(holds=None, why=proof.undecided)
    if proof.safe:
        return Footing(holds=True, why="")
    if not proof.possible:
        return Footing(holds=False, why=proof.failing)
    by = {(one.statement, one.counterexample): one for one in accepts}
    words = [(one, by.get((one.statement, one.counterexample))) for one in proof.possible]
    open_ = next((one for one, word in words if word is None), None)
    if open_ is not None:
        return Footing(holds=None, why=_not_accepted(open_, accepts))
    if proof.undecided:
        return Footing(holds=None, why=proof.undecided)
    return Footing(holds=True, why=_accepted([word for _, word in words if word is not None]))


def _not_accepted(one: Possible, accepts: Sequence[Accept]) -> str:
    void = next((word for word in accepts if word.statement == one.statement), None)
    was = "" if void is None else f"; what {void.who} accepted was of another proof and is void"
    return f"{one.words} (possible, {one.named}){was}"


def _accepted(words: Sequence[Accept]) -> str:
    by = ", ".join(dict.fromkeys(f"{one.who} ({one.reason})" for one in words))
    return f"{len(words)} possible counterexample{'s' if len(words) > 1 else ''} accepted by {by}"
