"""From what is known to what is said about going back. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from crossfade.preconditions.records import Part, Proved, Version
from crossfade.release.plan import Footing

Asked = Callable[[Part, str], Proved | None]
"""A part and a shape's digest → what was proved."""


def since(version: Version, done: Sequence[Part]) -> tuple[Part, ...]:
    """The parts that ran after this version was released: those it has not met."""
    known = set(version.ran)
    return tuple(one for one in done if (one.change, one.part) not in known)


def footing(revision: str, version: Version | None, done: Sequence[Part], asked: Asked) -> Footing:
    """Whether this version's statements still run, by proofs that are kept."""
    if version is None:
        return Footing(holds=None, why=f"nobody recorded what {revision} sends to the database")
    ran = since(version, done)
    if not ran:
        return Footing(holds=True, why=f"no migration has run since {revision}")
    proofs = [(part, asked(part, version.shape)) for part in ran]
    for part, proof in proofs:
        if proof is not None and proof.safe is False:
            return Footing(holds=False, why=f"after {part.words} {revision} fails: {proof.failing}")
    for part, proof in proofs:
        if proof is None:
            return Footing(holds=None, why=f"{part.words} ran without a proof against {revision}")
        if proof.safe is None:
            return Footing(
                holds=None, why=f"{part.words} is not proved against {revision}: {proof.undecided}"
            )
    return Footing(holds=True, why=_proved(revision, version, [one for _, one in proofs if one is not None]))


def _proved(revision: str, version: Version, proofs: Sequence[Proved]) -> str:
    names = list(dict.fromkeys(one.change for one in proofs))
    listed = f"migration {names[0]}" if len(names) == 1 else f"migrations {', '.join(names)}"
    return f"{listed} proved against {version.statements} of {revision}'s statements"
