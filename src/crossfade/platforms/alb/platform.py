"""
Two target groups behind an Application Load Balancer, as a platform.

`AlbPlatform` reads (`gateway.py`, `facts.py`), writes what an effect wants call by call
(`writes.py`), and remembers nothing: the seat lies in tags. What is written, in which order and
why that is safe without transactions: `docs/decisions/0010-alb.md`.

LIMITS: `ip` targets. No compare-and-set: a hand between our last look and our write, some milliseconds,
is overwritten. The way back takes seconds while the old side lives; its proof takes minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from crossfade.errors import CrossfadeError, PlatformError
from crossfade.platforms.alb import actions as routes
from crossfade.platforms.alb.facts import (
    configured,
    facts,
)
from crossfade.platforms.alb.flow import Flow
from crossfade.platforms.alb.ground import AlbGround, said
from crossfade.platforms.alb.line import Line
from crossfade.platforms.alb.model import (
    COLOURS,
    Actions,
    Flowed,
    Looked,
    Registered,
    Route,
    Routes,
    Site,
    Tag,
    Write,
    is_rule,
    site_of_plan,
)
from crossfade.platforms.alb.pace import WAITS_S
from crossfade.platforms.alb.scene import scene_of
from crossfade.platforms.alb.tags import ours
from crossfade.platforms.alb.writes import home, writes
from crossfade.platforms.shares import blind
from crossfade.release.plan import Plan
from crossfade.release.values import Effect, EnsureWeight, Fact, GoHome, Known, RunHook, Truth, Unknown

T = TypeVar("T")

FRESH_S = 2.0
"""Seconds of the clock for which a look tells others how instances are."""


@dataclass(slots=True, kw_only=True)
class Fence:
    """
    What was looked at, and the hash of its routes and of our tags.

    It moves with our own writes; used within one tick only.
    """

    looked: Looked
    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbLook:
    truth: Truth
    fence: object


class AlbPlatform(AlbGround):
    """Implements the ports `Platform` and, by `ground.py`, `Ground`. One object serves one site."""

    def __init__(
        self,
        site: Site,
        line: Line,
        flow: Flow,
        *,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        near: Callable[[Plan], Flowed] | None = None,
    ) -> None:
        """
        `now` in epoch seconds and `sleep` in seconds of the clock in which AWS, or its twin, lives.

        `near`: what a release's instances count themselves; None: they are not asked.
        """
        super().__init__(site, line, sleep)
        self._line = line
        self._flow = flow
        self._now = now
        self._near = near or (lambda _plan: Flowed())
        self._last: Looked | None = None

    # --- facts -----------------------------------------------------------------------------

    def observe(self, plan: Plan) -> AlbLook:
        """All facts of one look, and its fence. Never raises (R06)."""
        try:
            looked = self._last = self.look(site_of_plan(plan))
            looked = replace(looked, near=self._near(plan))
            truth = facts(plan, looked)
        except Exception as error:  # noqa: BLE001  # the port promises facts, whatever happens
            return AlbLook(truth=blind(said(error)), fence=None)
        return AlbLook(truth=truth, fence=_fence(looked))

    def look(self, site: Site) -> Looked:
        """Everything that is read of a site; each part that fails is unknown by itself."""
        at = self._now()
        first = _tried(lambda: self._line.routes(site.routes))
        tags = _tried(lambda: self._line.tags(site))
        targets = {colour: self._targets(arn) for colour, arn in site.groups.items()}
        flow = self._flowed(site, at)
        return Looked(at=at, routes=self._again(site, first), tags=tags, targets=targets, flow=flow)

    def lately(self, plan: Plan) -> Looked:
        """The look of this very tick where there was one, else a new one: nobody pays twice for it."""
        last = self._last
        if last is None or not 0 <= self._now() - last.at < FRESH_S:
            last = self._last = self.look(site_of_plan(plan))
        return last

    def _again(self, site: Site, first: Fact[Mapping[str, Actions | None]]) -> Fact[Routes]:
        """The production rules once more, after everything else was read: a look that was torn shows it."""
        if isinstance(first, Unknown):
            return first
        second = _tried(lambda: self._line.routes(site.rules))
        if isinstance(second, Unknown):
            return second
        return Known(Routes(first=first.value, second=second.value))

    def _targets(self, group: str) -> Fact[tuple[Registered, ...]]:
        return _tried(lambda: self._line.targets(group))

    def _flowed(self, site: Site, now: float) -> Flowed:
        try:
            return self._flow.read(site, now)
        except Exception as error:  # noqa: BLE001  # as `observe`
            return Flowed(problem=said(error))

    # --- writes ----------------------------------------------------------------------------

    def perform(self, plan: Plan, effect: Effect, fence: object) -> None:
        """One effect. Raises `PlatformError`: not written, or not all of it; the next look tells."""
        match effect:
            case GoHome():
                self._go_home(plan)
            case RunHook(key=key):
                raise PlatformError("CF4204", f"hook {key} is not the platform's to run")
            case _:
                if not isinstance(fence, Fence):
                    raise PlatformError(
                        "CF4203",
                        f"nothing was written to {plan.service}",
                        "it could not be read, so nobody knows what the write would meet",
                        "crossfade status",
                    )
                self._prove_unchanged(plan, fence)
                site = site_of_plan(plan)
                until = self._now() + WAITS_S if _lowers(plan, effect, fence.looked) else None
                for write in writes(scene_of(plan, fence.looked), effect, self._now()):
                    self._line.do(site, write, until)
                    fence.looked = _after(fence.looked, write)
                    fence.mark = _mark(fence.looked)

    def _prove_unchanged(self, plan: Plan, fence: Fence) -> None:
        """Read again, right before the write: as close to compare-and-set as AWS allows."""
        site = site_of_plan(plan)
        now = replace(
            fence.looked,
            routes=Known(Routes(first=self._line.routes(site.routes))),
            tags=Known(self._line.tags(site)),
        )
        if _mark(now) != fence.mark:
            raise PlatformError(
                "CF4102",
                f"{plan.service} was changed in between",
                "its rules or tags are not those of our last look; nothing was written",
                "the next look decides again",
            )

    def _go_home(self, plan: Plan) -> None:
        """Blind: reads only what it writes; every rule is tried, whatever becomes of the others."""
        site = site_of_plan(plan)
        read, failed = self._readable(site)
        looked = Looked(
            at=self._now(),
            routes=Known(Routes(first=read)),
            tags=_tried(lambda: self._line.tags(site)),
            targets=dict.fromkeys(COLOURS, Unknown("going home looks at no targets")),
            flow=Flowed(),
        )
        until = self._now() + WAITS_S
        for write in home(scene_of(plan, looked), self._now()):
            try:
                self._line.do(site, write, until)
            except CrossfadeError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def _readable(self, site: Site) -> tuple[Mapping[str, Actions | None], list[CrossfadeError]]:
        """
        The routes that can be read, and why others cannot: rules and listeners are two questions to AWS.

        Raises `PlatformError` where it is throttled: more questions would make that worse.
        """
        try:
            return self._line.routes(site.routes), []
        except CrossfadeError as error:
            if error.id == "CF4306":
                raise
        read, failed = dict[str, Actions | None](), list[CrossfadeError]()
        for rules in (True, False):
            if part := [arn for arn in site.routes if is_rule(arn) is rules]:
                try:
                    read |= self._line.routes(part)
                except CrossfadeError as error:
                    failed.append(error)
        return read, failed


def _lowers(plan: Plan, effect: Effect, looked: Looked) -> bool:
    """Whether a weight goes down: on a way back that home can carry only by and by."""
    if not isinstance(effect, EnsureWeight):
        return False
    span = configured(scene_of(plan, looked))
    return isinstance(span, Known) and effect.weight < span.value.high


def _fence(looked: Looked) -> Fence | None:
    """None where a part of what is fenced could not be read: nothing is written then."""
    if isinstance(looked.routes, Unknown) or isinstance(looked.tags, Unknown):
        return None
    return Fence(looked=looked, mark=_mark(looked))


def _mark(looked: Looked) -> str:
    read = looked.routes.value.first if isinstance(looked.routes, Known) else None
    tags = ours(looked.tags.value) if isinstance(looked.tags, Known) else None
    return routes.fingerprint(read, tags)


def _after(looked: Looked, write: Write) -> Looked:
    """The look as it would be now that this was written; targets are for the next look to tell."""
    match write:
        case Route(arn=arn, actions=actions) if isinstance(looked.routes, Known):
            read = looked.routes.value
            return replace(looked, routes=Known(replace(read, first={**read.first, arn: actions})))
        case Tag(colour=colour, tags=tags) if isinstance(looked.tags, Known):
            mine = {**looked.tags.value[colour], **dict(tags)}
            return replace(looked, tags=Known({**looked.tags.value, colour: mine}))
        case _:
            return looked


def _tried(ask: Callable[[], T]) -> Fact[T]:
    """What was read, or why not: one part that fails leaves the others known."""
    try:
        return Known(ask())
    except CrossfadeError as error:
        return Unknown(said(error))
