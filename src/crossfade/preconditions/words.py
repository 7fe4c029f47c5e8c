"""How a person's word on a counterexample stands: valid, void, used, or needed by nobody. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from crossfade.preconditions.records import Part, Proved
from crossfade.spec.change_models import Accept

State = Literal["valid", "void", "used", "not needed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A part of the change as its file is now, against one version that has statements."""

    part: Part
    revision: str
    reachable: bool
    """It serves, or may come back."""
    proof: Proved | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One `accept` of a change, and how it stands."""

    accept: Accept
    state: State
    why: str

    @property
    def line(self) -> str:
        """For people."""
        one = self.accept
        named = f"accept {one.statement} {one.counterexample} by {one.who} ({one.reason})"
        return f"{named}: {self.state}, {self.why}"

    def as_json(self) -> dict[str, Any]:
        one = self.accept
        return {
            "statement": one.statement,
            "counterexample": one.counterexample,
            "who": one.who,
            "reason": one.reason,
            "state": self.state,
            "why": self.why,
        }


def words_of(
    change: str, accepts: Sequence[Accept], asked: Sequence[Asked] | None, ran: Mapping[str, str]
) -> tuple[Word, ...]:
    """
    Every word of a change; `ran`: the parts that are over, with what the ledger noted.

    `asked` is None where no release is on record: then nobody knows what it is about.
    """
    if asked is None:
        why = "no release of this service is on record"
        return tuple(Word(accept=one, state="unknown", why=why) for one in accepts)
    return tuple(_word(change, one, asked, ran) for one in accepts)


def _word(change: str, one: Accept, asked: Sequence[Asked], ran: Mapping[str, str]) -> Word:
    met = [of for of in asked if _is_about(one, of)]
    proved = {of.part.part for of in asked if of.proof is not None}
    for part, note in ran.items():
        told = "accepted by " in note and f"{one.who} ({one.reason})" in note
        if told and (part not in proved or any(of.part.part == part for of in met)):
            return Word(accept=one, state="used", why=f"the {part} of {change} ran on it")
    open_ = [of for of in asked if of.reachable and of.part.part not in ran]
    holding = [of for of in met if of in open_]
    if holding:
        return Word(accept=one, state="valid", why=f"for {_named(holding)}")
    if met:
        return Word(
            accept=one, state="not needed", why=f"it is about {_named(met)}, which waits for nobody's word"
        )
    unproved = [of for of in open_ if of.proof is None]
    if unproved:
        why = f"{_named(unproved)} is not proved as it is now: crossfade migrate prove {change}"
        return Word(accept=one, state="unknown", why=why)
    if not open_:
        why = "no part of the change waits for a version with recorded statements"
        return Word(accept=one, state="not needed", why=why)
    why = f"the migration or the recorded statements are others by now: crossfade migrate prove {change}"
    return Word(accept=one, state="void", why=why)


def _is_about(one: Accept, of: Asked) -> bool:
    found = () if of.proof is None else of.proof.possible
    return any((one.statement, one.counterexample) == (it.statement, it.counterexample) for it in found)


def _named(some: Sequence[Asked]) -> str:
    """`contract against v41, v42`."""
    parts = dict.fromkeys(of.part.part for of in some)
    return " and ".join(
        f"{part} against {', '.join(of.revision for of in some if of.part.part == part)}" for part in parts
    )
