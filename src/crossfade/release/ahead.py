"""
What a compiled plan will do, before anything moves: instances, times and the way back, step by step.

Pure: the figures are those by which `decide` and `reconcile` go later. How long gates need to
see something is not known here; whoever knows passes it as `least`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from crossfade.release.plan import Plan, Step, World
from crossfade.release.state import Outcome, Road, State
from crossfade.release.values import (
    ALL,
    NOTHING,
    Fleet,
    Known,
    Seat,
    Seen,
    Share,
    Side,
    Span,
    Truth,
    Unknown,
)
from crossfade.release.way_back import WayBack, way_back

_ZERO = timedelta()
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""The way back of a step does not depend on when it is stood on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Two lengths of time: all goes at once, and every limit is used up."""

    earliest: timedelta = _ZERO
    longest: timedelta = _ZERO

    def __add__(self, other: Times) -> Times:
        return Times(earliest=self.earliest + other.earliest, longest=self.longest + other.longest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """Instance-minutes beyond what runs anyway, for the two lengths of time; below 0 where less runs."""

    earliest: float = 0.0
    longest: float = 0.0

    def __add__(self, other: Extra) -> Extra:
        return Extra(earliest=self.earliest + other.earliest, longest=self.longest + other.longest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One step of the road on, as it will be."""

    step: Step
    old: int
    """Whole instances of stable once the step is reached."""
    new: int
    """Of the candidate."""
    moving: int
    """The most of both that run at once while the step is being reached."""
    returning: int
    """The most of both that run at once on the way back from here."""
    begins: Times
    lasts: Times
    extra: Extra
    way_back: WayBack

    @property
    def ends(self) -> Times:
        return self.begins + self.lasts


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """
    The whole road on.

    Times leave out waits for people and for data: those have limits of their own.
    """

    stops: tuple[Stop, ...]
    instances: int
    """What the service needs, and what runs anyway."""
    lasts: Times
    extra: Extra
    afterwards: WayBack
    """Once the release has ended well."""

    def phases(self) -> tuple[tuple[Stop, Stop, WayBack], ...]:
        """First and last step of each stretch with the same way back, and what it is at its last."""
        found: list[tuple[Stop, Stop, WayBack]] = []
        for stop in self.stops:
            if found and _alike(found[-1][1], stop):
                found[-1] = (found[-1][0], stop, stop.way_back)
            else:
                found.append((stop, stop, stop.way_back))
        return tuple(found)


def look_ahead(plan: Plan, instances: int, *, least: Mapping[str, timedelta] | None = None) -> Ahead:
    """
    What this plan will do, for a service that needs so many instances.

    `least`: step to how long its bake takes at least, where more is known than the plan says;
    it never goes beyond what the plan allows.
    """
    stops, begins = [], Times()
    start = World(
        weight=NOTHING,
        stable=NOTHING if plan.stable is None else ALL,
        candidate=NOTHING,
        primary=Side.STABLE,
        test=False,
    )
    worlds = (start, *(step.world for step in plan.on))
    for index, (step, (before, world)) in enumerate(zip(plan.on, pairwise(worlds), strict=True)):
        old, new = whole(world.stable, instances), _new(world, instances)
        moving = max(old, whole(before.stable, instances)) + max(new, _new(before, instances))
        lasts = _lasts(plan, step, reaching=before != world, least=(least or {}).get(step.name, _ZERO))
        reach = step.within if before != world else _ZERO
        home = NOTHING if plan.stable is None else ALL
        stops.append(
            Stop(
                step=step,
                old=old,
                new=new,
                moving=moving,
                returning=max(moving, whole(home, instances) + max(new, _new(before, instances))),
                begins=begins,
                lasts=lasts,
                extra=Extra(
                    earliest=_minutes(old + new - instances, lasts.earliest),
                    longest=_minutes(moving - instances, reach)
                    + _minutes(old + new - instances, lasts.longest - reach),
                ),
                way_back=_way_back(plan, index, world),
            )
        )
        begins += lasts
    return Ahead(
        stops=tuple(stops),
        instances=instances,
        lasts=begins,
        extra=sum((stop.extra for stop in stops), Extra()),
        afterwards=way_back(plan, _standing(len(plan.on) - 1, Outcome.SUCCEEDED), _truth(worlds[-1])),
    )


def whole(capacity: Share, instances: int) -> int:
    """Whole instances of a capacity, never less than it asks for; as a platform counts them."""
    return -(-capacity * instances // ALL)


def people(plan: Plan) -> tuple[Step, ...]:
    """The steps that wait for a person."""
    return tuple(step for step in plan.on if step.approval)


def _new(world: World, instances: int) -> int:
    return whole(world.candidate or NOTHING, instances)


def _lasts(plan: Plan, step: Step, *, reaching: bool, least: timedelta) -> Times:
    longest_bake = max(step.bake, step.max_bake)
    return Times(
        earliest=max(step.bake, min(least, longest_bake)) + sum(_asked_of(plan, step), _ZERO),
        longest=(step.within if reaching else _ZERO) + longest_bake + len(step.hooks) * plan.limits.hook,
    )


def _asked_of(plan: Plan, step: Step) -> Iterator[timedelta]:
    """Hooks that take a time of their own, and no less."""
    for key in step.hooks:
        match plan.hooks.get(key):
            case {"warm_up": {"for_s": int() | float() as seconds}}:
                yield timedelta(seconds=seconds)


def _minutes(instances: int, time: timedelta) -> float:
    return instances * (time / timedelta(minutes=1))


def _way_back(plan: Plan, index: int, world: World) -> WayBack:
    return way_back(plan, _standing(index, None), _truth(world))


def _standing(index: int, outcome: Outcome | None) -> State:
    return State(since=_ANY_TIME, road=Road.ON, index=index, reached=_ANY_TIME, outcome=outcome)


def _truth(world: World) -> Truth:
    """The truth that shows this world, all instances healthy."""
    weight, home = world.weight, Share(ALL - world.weight)
    return Truth(
        pair=Known(True),
        seat=Known(Seat(holder="")),
        weights=Known(Span(low=weight, high=weight)),
        seen=Known(Seen(stable=Span(low=home, high=home), candidate=Span(low=weight, high=weight))),
        stable=Known(_fleet(world.stable)),
        candidate=Known(_fleet(world.candidate or NOTHING)),
        primary=Known(world.primary),
        test=Unknown("it does not matter on the way back"),
    )


def _fleet(share: Share) -> Fleet:
    return Fleet(wanted=share, ready=share, exists=share)


def _alike(one: Stop, other: Stop) -> bool:
    one_way, other_way = one.way_back, other.way_back
    return (one_way.can, one_way.how_fast, one.step.point_of_no_return) == (
        other_way.can,
        other_way.how_fast,
        other.step.point_of_no_return,
    )
