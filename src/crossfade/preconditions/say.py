"""From what is known to what is said about going back. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from crossfade.preconditions.accepting import weigh
from crossfade.preconditions.records import Part, Proved, Version
from crossfade.release.plan import Footing
from crossfade.spec.change_models import Accept

if TYPE_CHECKING:
    from crossfade.migrations.fits import Fit
    from crossfade.migrations.verdict import Counterexample

_SHOWN: Final = 80

Asked = Callable[[Part, str], Proved | None]
"""A part and a shape's digest → what was proved."""
Accepted = Callable[[Part], Sequence[Accept]]
"""A part → what persons accepted of its change."""


def nothing_accepted(_: Part) -> Sequence[Accept]:
    """Where nobody has a word."""
    return ()


def since(version: Version, done: Sequence[Part]) -> tuple[Part, ...]:
    """The parts that ran after this version was released: those it has not met."""
    known = set(version.ran)
    return tuple(one for one in done if (one.change, one.part) not in known)


def footing(
    revision: str,
    version: Version | None,
    done: Sequence[Part],
    asked: Asked,
    accepted: Accepted = nothing_accepted,
) -> Footing:
    """Whether this version's statements still run, by proofs that are kept."""
    if version is None:
        return Footing(holds=None, why=f"nobody recorded what {revision} sends to the database")
    ran = since(version, done)
    if not ran:
        return Footing(holds=True, why=f"no migration has run since {revision}")
    proofs = [(part, asked(part, version.shape)) for part in ran]
    weighed = [(part, None if one is None else weigh(one, accepted(part))) for part, one in proofs]
    for part, found in weighed:
        if found is not None and found.holds is False:
            return Footing(holds=False, why=f"after {part.words} {revision} fails: {found.why}")
    for part, found in weighed:
        if found is None:
            return Footing(holds=None, why=f"{part.words} ran without a proof against {revision}")
    for (part, proof), (_, found) in zip(proofs, weighed, strict=True):
        if proof is not None and found is not None and found.holds is None:
            return Footing(holds=None, why=_unknown(part, revision, proof, found))
    words = [found.why for _, found in weighed if found is not None and found.why]
    proved = _proved(revision, version, [one for _, one in proofs if one is not None])
    return Footing(holds=True, why=", ".join((proved, *words)))


def _unknown(part: Part, revision: str, proof: Proved, found: Footing) -> str:
    if proof.safe is None:
        return f"{part.words} is not proved against {revision}: {found.why}"
    return f"after {part.words} {revision} may fail: {found.why}"


def _proved(revision: str, version: Version, proofs: Sequence[Proved]) -> str:
    names = list(dict.fromkeys(one.change for one in proofs))
    listed = f"migration {names[0]}" if len(names) == 1 else f"migrations {', '.join(names)}"
    return f"{listed} proved against {version.statements} of {revision}'s statements"


def on_the_schema(revision: str, found: Footing, fits: Fit) -> Footing:
    """What the proofs say, with what came of running the version's statements on the schema as it is."""
    if fits.failing:
        return Footing(holds=False, why=f"{revision} fails on the schema as it is: {said(fits.failing[0])}")
    if not fits.not_run:
        every = "all of them" if found.holds else f"all {fits.ran} of its statements"
        return replace(found, why=f"{found.why}; {every} ran on the schema as it is")
    count, first = len(fits.not_run), fits.not_run[0]
    ran = f"{fits.ran} of its {fits.ran + count} statements ran on the schema as it is"
    could_not = f"{count} could not be executed, as {_short(first.statement)} ({first.why.splitlines()[0]})"
    return replace(found, why=f"{found.why}; {ran}, {could_not}")


def said(example: Counterexample) -> str:
    """A counterexample on one line, without its values."""
    told = _short(example.statement)
    return f"{told} ({example.after.splitlines()[0] if example.after else example.wrong})"


def _short(statement: str) -> str:
    told = " ".join(statement.split())
    return told if len(told) <= _SHOWN else f"{told[: _SHOWN - 1]}…"
