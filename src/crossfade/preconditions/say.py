"""From what is known to what is said about going back. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crossfade.preconditions.accepting import weigh
from crossfade.preconditions.records import Part, Proved, Version
from crossfade.release.plan import Footing
from crossfade.spec.change_models import Accept

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
