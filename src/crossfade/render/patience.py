"""
How long a release may take at most: what a runner's own time limit has to leave room for.

The sum over both roads of the plan that a deploy would compile, each step at the last of the
limits that the heart gives it (`release/state.py`, `overdue`). A shorter limit of the runner
would turn back releases that are still within theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from crossfade.release.plan import Proof, Step
from crossfade.release.roads import compile_roads
from crossfade.release.shape import shape_of
from crossfade.release.tempo import tempo_of
from crossfade.spec import AlbPlatform, LocalPlatform, Platform, Spec
from crossfade.spec.aws_models import MOST_TARGETS

AROUND = timedelta(minutes=15)
"""Checkout, installation and lint before the release, the summary after it."""

LONGEST_JOB = timedelta(days=5)
"""GitHub ends every job on a self-hosted runner after so long, whatever the workflow says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """The longest walk of a plan, by what it is spent on."""

    bakes: timedelta
    """Bakes at their longest (`max_bake`), `keep_old`, and the settling before anything is taken away."""
    people: timedelta
    """`deadlines.hold`: at each watched step once, and once more for each written approval."""
    rest: timedelta
    """The other deadlines: ready, hooks, data that does not come, the way back."""

    @property
    def total(self) -> timedelta:
        """The whole job, what goes on around the release included."""
        return self.bakes + self.people + self.rest + AROUND

    @property
    def capped(self) -> bool:
        """Whether the runner's platform ends the job before the plan's own limits are over."""
        return self.total > LONGEST_JOB

    @property
    def minutes(self) -> int:
        """The job's limit, rounded up."""
        return math.ceil(min(self.total, LONGEST_JOB) / timedelta(minutes=1))


def patience(spec: Spec) -> Patience:
    """
    The longest that a release of this spec takes, pauses by a person left out.

    Both roads are walked to their ends: more than any release does, by the length of the way back.
    """
    hooks, deadlines = spec.hooks, spec.deadlines
    on, back = compile_roads(
        shape_of(spec.strategy, _most_instances(spec.platform)),
        gates=(),
        deadlines=deadlines,
        # Without a hook of the user's, the health path is asked as one.
        before=_keys(max(1, len(hooks.before_traffic))),
        after=_keys(len(hooks.after_traffic) + len(hooks.hand_over)),
        on_rollback=_keys(len(hooks.on_rollback) + len(hooks.hand_over)),
        proof=tempo_of(spec.platform).proof,
    )
    steps = (*on, *back)
    nothing = timedelta()
    return Patience(
        bakes=sum((max(step.bake, step.max_bake) for step in steps), nothing),
        people=deadlines.hold * sum((step.proof is not Proof.NONE) + step.approval for step in steps),
        rest=sum((_rest(step, spec) for step in steps), nothing),
    )


def _most_instances(platform: Platform) -> int:
    """How many a revision has at most: only the number of batches asks for it."""
    match platform:
        case LocalPlatform():
            return platform.instances
        case AlbPlatform():
            return MOST_TARGETS


def _keys(count: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(count))


def _rest(step: Step, spec: Spec) -> timedelta:
    """To reach the world, to run the hooks, and to wait for proofs beyond the bake."""
    proofs = step.within if step.proof is Proof.NONE else spec.deadlines.no_data
    return step.within + len(step.hooks) * spec.deadlines.hook + proofs
