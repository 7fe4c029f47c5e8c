"""One look at a site beside what the plan knows of it: what facts, writes and remarks are made of."""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.platforms.alb.model import (
    Listed,
    Looked,
    Registered,
    Sides,
    Site,
    artifact_of,
    listed,
    sides_of,
    site_of_plan,
)
from crossfade.platforms.alb.tags import Ledger, ledger
from crossfade.release.plan import Plan
from crossfade.release.values import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A look, and what the plan knows about it."""

    plan: Plan
    site: Site
    who: Sides
    looked: Looked
    book: Ledger | None
    """None: the tags could not be read."""

    @property
    def ours(self) -> bool:
        return (
            self.book is not None
            and self.book.held is not None
            and self.book.held.release == self.plan.release
        )

    def group(self, colour: str) -> str:
        return self.site.groups[colour]

    def own(self, side: str) -> tuple[Listed, ...]:
        """The targets that this plan lists for a side."""
        return listed(artifact_of(self.plan, side))


def scene_of(plan: Plan, looked: Looked) -> Scene:
    """The look, ready to be asked."""
    return Scene(
        plan=plan,
        site=site_of_plan(plan),
        who=sides_of(plan),
        looked=looked,
        book=ledger(looked.tags.value) if isinstance(looked.tags, Known) else None,
    )


def staying(targets: tuple[Registered, ...]) -> tuple[Registered, ...]:
    """Those that are registered; what drains is on its way out."""
    return tuple(target for target in targets if not target.leaving)
