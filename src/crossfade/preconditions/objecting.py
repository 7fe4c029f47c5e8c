"""The database's objections to a release, in words: what, why, and what to do. Pure."""

from __future__ import annotations

from crossfade.errors import CrossfadeError
from crossfade.migrations.shape import Shape
from crossfade.preconditions.accepting import SEEN
from crossfade.preconditions.reach import Reachable
from crossfade.release.plan import Footing
from crossfade.release.policy import PRECONDITIONS, Objection

_DESPITE = f"crossfade deploy --despite {PRECONDITIONS} --reason TEXT"


def not_read(error: CrossfadeError) -> Objection:
    """The database, the folder of changes or the shape cannot be read."""
    return Objection(
        id=error.id,
        what=error.what,
        why=f"{error.why}; whether the old version still runs is not known".lstrip("; "),
        fix=f"{error.fix}, or: {_DESPITE}" if error.fix else _DESPITE,
    )


def not_recorded(candidate: str, file: str) -> Objection:
    """The version that is released has no statements."""
    return Objection(
        id="CF9303",
        what=f"nobody recorded what {candidate} sends to the database",
        why=f"there is no {file}: no later migration could be proved against {candidate}",
        fix=f"crossfade migrate record --revision {candidate} -- YOUR TESTS, or: {_DESPITE}",
    )


def of_another_version(candidate: str, shape: Shape) -> Objection:
    """The statements are another version's."""
    return Objection(
        id="CF9304",
        what=f"the recorded statements are those of {shape.revision}",
        why=f"{candidate} is released, and what it sends is not known",
        fix=f"crossfade migrate record --revision {candidate} -- YOUR TESTS, or: {_DESPITE}",
    )


def not_expanded(change: str, candidate: str) -> Objection:
    """A change of the folder has not run."""
    return Objection(
        id="CF9305",
        what=f"{change} has not been expanded",
        why=f"{candidate} comes with it and would meet the schema as it was before",
        fix=f"crossfade migrate prove {change}, then crossfade migrate expand {change}",
    )


def breaks(one: Reachable, said: Footing) -> Objection:
    """A version that may be needed does not run any more."""
    return Objection(
        id="CF9306",
        what=f"there would be no way back to {one.revision}",
        why=f"{one.why}, and {said.why}",
        fix=f"make the schema one that both can use, or: {_DESPITE}",
    )


def unknown_shape(one: Reachable, said: Footing) -> Objection:
    """Nobody knows whether a version that may be needed still runs."""
    record = f"crossfade migrate record --keep --revision {one.revision} -- ITS TESTS"
    prove = f"crossfade can-rollback {one.revision}"
    accept = "accept it in the change's .yaml (docs/schema-changes.md)"
    first = accept if SEEN in said.why else record if "nobody recorded" in said.why else prove
    return Objection(
        id="CF9307",
        what=f"it is not proved that {one.revision} still runs",
        why=f"{one.why}, and {said.why}",
        fix=f"{first}, or: {_DESPITE}",
    )
