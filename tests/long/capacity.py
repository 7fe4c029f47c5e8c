"""
What a release's journal and the data plane say of capacity: was it as promised, and always enough?

A `Watcher` looks beside the release. Afterwards `stays` reads from the journal which step the
release stood on when, and `Capacity` holds the looks against the worlds of the plan. It counts
processes by their revision, and shares nothing with the code that it examines.

LIMIT: what lasts for less than a look's pace (`LOOK_S`) is not seen.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rig import SERVICE, Shop

from crossfade.bootstrap import House
from crossfade.dataplane import Observed
from crossfade.engine.records import Entry, Row
from crossfade.errors import CrossfadeError
from crossfade.release.plan import Kind, Plan, Step
from crossfade.release.state import Road, fold, opened
from crossfade.release.values import ALL

LOOK_S = 0.05
NEAR_S = 0.004
"""Pace of looking from the verdict on, until Envoy's routes are at 0."""

SETTLED_S = 0.5
"""Shrinking follows the fact that a step is reached; a stay that is shorter need not show it."""


ROUNDING = 1
"""Thousandths: weights and capacity of either side are whole ones, 2 of 3 instances are 666 for 667."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One side: instances; its weight in thousandths."""

    wanted: int
    ready: int
    exists: int
    ill: int
    """Unhealthy, or in a place whose process ended before."""
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the data plane, real epoch seconds."""

    begun: float
    done: float
    old: Size
    new: Size

    def carried(self, instances: int) -> int:
        """Thousandths of all traffic that meet capacity on their side."""
        return sum(min(side.ready * ALL // instances, side.weight) for side in (self.old, self.new))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One step of the roads, as the journal tells it; real epoch seconds."""

    step: Step
    road: Road
    entered: float
    reached: float | None
    left: float


class Watcher(threading.Thread):
    """Looks at one shop for as long as one release lasts."""

    def __init__(self, shop: Shop, revision: str) -> None:
        super().__init__(daemon=True, name=f"watch {revision}")
        self._revision = revision
        self._house = House(shop.state)
        self._over = threading.Event()
        self.looks: list[Look] = []
        self.zero: float | None = None
        """When Envoy's routes were first seen at 0 on the way back."""
        self.pids: dict[str, int] = {}
        """The new version's instances, by the names that Envoy knows them by."""
        self.fell: set[str] = set()
        """How processes ended that are wanted still."""

    def run(self) -> None:
        looked = 0.0
        while not self._over.is_set():
            row = active(self._house, self._revision)
            back = row is not None and row.state.road is Road.BACK and self.zero is None
            if row is not None and (back or time.monotonic() - looked >= LOOK_S):
                looked = time.monotonic()
                self._look(row, back=back)
            self._over.wait(NEAR_S if back else LOOK_S / 2)

    def _look(self, row: Row, *, back: bool) -> None:
        begun = time.time()
        try:
            seen = self._house.platform.seen(SERVICE)
        except CrossfadeError:
            return
        if seen.routes is None or row.plan.stable is None:
            return
        old, new = _size(seen, row.plan.stable), _size(seen, self._revision)
        self.pids |= {
            one.id: one.pid
            for one in seen.instances
            if one.revision == self._revision and one.pid is not None
        }
        self.fell |= {
            f"{one.revision} {one.group}: {one.last_exit}" for one in seen.instances if one.last_exit
        }
        self.looks.append(Look(begun=begun, done=time.time(), old=old, new=new))
        if back and new.weight == 0:
            self.zero = time.time()

    def close(self) -> None:
        self._over.set()
        self.join(10)
        self._house.store.close()


def active(house: House, revision: str) -> Row | None:
    """The release of this revision while it is not over."""
    found = house.store.active(SERVICE)
    return found if found is not None and found.plan.candidate == revision else None


def _size(seen: Observed, revision: str) -> Size:
    name = next((n for n, g in seen.service.groups.items() if g is not None and g.revision == revision), None)
    group = None if name is None else seen.service.groups[name]
    mine = [one for one in seen.instances if one.revision == revision]
    return Size(
        wanted=0 if group is None else group.instances,
        ready=sum(one.state == "ready" for one in mine) if group is not None else 0,
        exists=len(mine),
        ill=sum(one.state == "unhealthy" or one.last_exit != "" for one in mine),
        weight=0 if name is None or seen.routes is None else seen.routes[name],
    )


def stays(house: House, plan: Plan, entries: Sequence[Entry]) -> tuple[Stay, ...]:
    """Which step the release stood on, and since when its world was reached."""
    found: list[Stay] = []
    state = opened(entries[0].event.ts)
    entered, reached = house.clock.real(entries[0].event.ts), None
    for entry in entries:
        before, at = state, house.clock.real(entry.event.ts)
        state = fold(plan, state, (entry.event,))
        if (state.road, state.index) != (before.road, before.index) or state.outcome is not None:
            stay = Stay(step=before.step(plan), road=before.road, entered=entered, reached=reached, left=at)
            found.append(stay)
            entered, reached = at, None
        if reached is None and state.reached is not None:
            reached = at
        if state.outcome is not None:
            break
    return tuple(found)


@dataclass(slots=True, kw_only=True)
class Line:
    """One line of the capacity table: what the plan asks, and what was there once it was reached."""

    asked: tuple[int, int]
    ready: set[tuple[int, int]] = field(default_factory=set)
    exists: int = 0
    """Most processes at once during this step, those that drain included."""
    looks: int = 0


@dataclass(slots=True, kw_only=True)
class Capacity:
    """All releases of one strategy."""

    instances: int
    surge: int | None = None
    """Instances beyond `instances` that a rolling release may have on the road on; None: as many again."""
    table: dict[str, Line] = field(default_factory=dict)
    most_wanted: int = 0
    most_ready: int = 0
    lowest: int = ALL
    """Thousandths of the traffic that met capacity, at the worst look at releases that did not crash."""
    looks: int = 0
    excused: int = 0
    """Looks that fell short with an instance that was ill by itself."""
    wrong: list[str] = field(default_factory=list)

    def hold(self, plan: Plan, told: Sequence[Stay], looks: Sequence[Look], *, crashes: bool) -> int:
        """Holds one release's looks against its plan; the least that met capacity on the way back."""
        self.looks += len(looks)
        turned = next((stay.entered for stay in told if stay.road is Road.BACK), None)
        before = [look for look in looks if turned is None or look.done <= turned]
        back = [] if turned is None else [look for look in looks if look.begun >= turned]
        alone = False
        for look in looks:
            # A candidate that had nobody left loses all traffic at once (R12), whoever of it comes again.
            exposed = look.new.weight > 0 or (turned is not None and look.begun >= turned)
            alone = alone or (crashes and exposed and look.new.ready == 0)
            if not alone:
                self._enough(plan, look, crashes=crashes)
        if not crashes:
            for stay in told:
                if stay.road is Road.ON and stay.step.kind is not Kind.RETIRING:
                    self._as_promised(plan, stay, looks)
            self._room(plan, before)
        return min((look.carried(self.instances) for look in back), default=ALL)

    def _enough(self, plan: Plan, look: Look, *, crashes: bool) -> None:
        """R03: at no look less than the traffic needs."""
        carried = look.carried(self.instances)
        if crashes:
            # What the build takes along itself is nobody's fault; what stable was given, it must carry.
            needed = look.old.weight * plan.floor // ALL
            short = look.old.ready * ALL // self.instances < needed - ROUNDING
        else:
            self.lowest = min(self.lowest, carried)
            short = carried < plan.floor - 2 * ROUNDING
        if short and look.old.ill + (0 if crashes else look.new.ill):
            self.excused += 1
        elif short:
            self.wrong.append(f"{plan.candidate}: {carried} of {plan.floor} thousandths met capacity: {look}")

    def _as_promised(self, plan: Plan, stay: Stay, looks: Sequence[Look]) -> None:
        """As soon as a step is reached neither side has less than it asks; a moment later, exactly that."""
        world = stay.step.world
        asked = (self._count(world.stable), self._count(world.candidate or 0))
        row = self.table.setdefault(stay.step.name, Line(asked=asked))
        during = [look for look in looks if stay.entered <= look.begun and look.done <= stay.left]
        row.exists = max([row.exists, *(look.old.exists + look.new.exists for look in during)])
        if stay.reached is None:
            return
        held = [look for look in during if look.begun >= stay.reached]
        row.looks += len(held)
        if held and _less(held[0], asked):
            self.wrong.append(f"{plan.candidate}: reached {stay.step.name} with {_ready(held[0])} of {asked}")
        if held and held[-1].begun - stay.reached >= SETTLED_S:
            row.ready.add(_ready(held[-1]))
            if _ready(held[-1]) != asked and not held[-1].old.ill + held[-1].new.ill:
                self.wrong.append(f"{plan.candidate}: {stay.step.name} asks {asked}: {held[-1]}")

    def _room(self, plan: Plan, on: Sequence[Look]) -> None:
        for look in on:
            self.most_wanted = max(self.most_wanted, look.old.wanted + look.new.wanted)
            self.most_ready = max(self.most_ready, look.old.ready + look.new.ready)
            room = self.instances + (self.instances if self.surge is None else self.surge)
            if max(look.old.wanted + look.new.wanted, look.old.ready + look.new.ready) > room:
                self.wrong.append(f"{plan.candidate}: more than {room} on the way on: {look}")

    def _count(self, share: int) -> int:
        return -(-share * self.instances // ALL)

    def lines(self) -> Iterator[str]:
        """The table."""
        yield "step             asked old+new   ready once settled    most processes    looks"
        for name, row in self.table.items():
            seen = ", ".join(f"{old} + {new}" for old, new in sorted(row.ready)) or "(not long enough)"
            asked = f"{row.asked[0]} + {row.asked[1]}"
            yield f"{name:<16} {asked:<15} {seen:<21} {row.exists:<17} {row.looks}"
        excused = (
            f", {self.excused} looks fell short beside an instance ill by itself" if self.excused else ""
        )
        yield (
            f"most wanted {self.most_wanted}, most ready {self.most_ready} on the way on; traffic that met "
            f"capacity at the worst of {self.looks} looks: {self.lowest / 10:g} %{excused}"
        )


def _ready(look: Look) -> tuple[int, int]:
    return look.old.ready, look.new.ready


def _less(look: Look, asked: tuple[int, int]) -> bool:
    return (look.old.ready < asked[0] or look.new.ready < asked[1]) and not look.old.ill + look.new.ill
