"""
From the world that shall be and the truth that is, the next safe writes.

It knows nothing of releases, gates or time, and no order of writes is written anywhere:
each write waits by itself until the truth shows that it is safe. Growing is safe at once;
shrinking only to what traffic, configured and seen, still needs; weight rises only onto
sure capacity and falls no further than home can carry. Forward and back are one function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from crossfade.release.plan import Plan, World
from crossfade.release.values import (
    ALL,
    NOTHING,
    Effect,
    EnsureFleet,
    EnsurePrimary,
    EnsureTest,
    EnsureWeight,
    Fact,
    Fleet,
    GoHome,
    Known,
    Seen,
    Share,
    Side,
    Span,
    T,
    Truth,
    Unknown,
    sure,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing in which truth is not the world; `sure` is False where it could not be read."""

    what: str
    sure: bool
    text: str


def reconcile(plan: Plan, world: World, truth: Truth) -> tuple[Effect, ...]:
    """
    The writes that are safe now, all of them.

    Rules that no longer name our pair get not one write (R49); a seat that is not surely
    ours gets none either, but for going home blind, which is the road back's alone.
    """
    if sure(truth.pair, lambda named: not named):
        return ()
    if not sure(truth.pair, bool):
        return tuple(_going_home(plan, truth)) if world.home else ()
    return tuple(
        effect
        for part in (_test, _weight, _primary, _candidate, _stable)
        for effect in part(plan, world, truth)
    )


def differences(plan: Plan, world: World, truth: Truth) -> tuple[Difference, ...]:
    """What keeps the world from being reached (R02, R06): empty means reached, surely and now."""
    found = (
        _differs("pair", truth.pair, bool, "the rules name our two sides"),
        _differs("seat", truth.seat, lambda seat: seat.holder == plan.release, "the seat is ours")
        if not world.home
        else None,
        _differs(
            "weight",
            truth.weights,
            lambda span: span.at(world.weight),
            f"weight {world.weight / 10:g} %",
        ),
        _differs(
            "traffic",
            truth.seen,
            lambda seen: seen.agrees(world.weight),
            f"traffic as {world.weight / 10:g} % makes it",
        ),
        _differs(
            "stable",
            truth.stable,
            lambda fleet: _sized(fleet, world.stable),
            f"stable {world.stable / 10:g} %",
        ),
        _differs(
            "candidate",
            truth.candidate,
            lambda fleet: _sized(fleet, world.candidate or NOTHING),
            f"candidate {(world.candidate or NOTHING) / 10:g} %",
        )
        if world.candidate is not None
        else None,
        _differs(
            "primary",
            truth.primary,
            lambda side: side is world.primary,
            f"{world.primary} is primary",
        ),
        _differs(
            "test",
            truth.test,
            lambda on: on is world.test,
            f"test route {'open' if world.test else 'closed'}",
        ),
    )
    return tuple(difference for difference in found if difference is not None)


def traffic_right(world: World, truth: Truth) -> bool:
    """Whether traffic, configured and seen, is surely as the world wants it."""
    return sure(truth.weights, lambda span: span.at(world.weight)) and sure(
        truth.seen, lambda seen: seen.agrees(world.weight)
    )


def serves_alone(plan: Plan, world: World, truth: Truth) -> bool:
    """Whether traffic is surely right, its receiver healthy and trusted: what is missing costs only money."""
    fleet, needed = (
        (truth.candidate, world.weight) if world.weight > NOTHING else (truth.stable, world.stable)
    )
    trusted = sure(truth.primary, lambda side: side is world.primary)
    return traffic_right(world, truth) and trusted and carries(plan, fleet, needed)


def _sized(fleet: Fleet, capacity: Share) -> bool:
    return fleet.exists == NOTHING if capacity == NOTHING else fleet.ready >= capacity


def _differs(what: str, fact: Fact[T], holds: Callable[[T], bool], text: str) -> Difference | None:
    match fact:
        case Unknown(why):
            return Difference(what=what, sure=False, text=f"not known whether {text}: {why}")
        case Known(value):
            return None if holds(value) else Difference(what=what, sure=True, text=f"not yet: {text}")


def _mine(plan: Plan, truth: Truth) -> bool:
    return sure(truth.seat, lambda seat: seat.holder == plan.release)


def _free(truth: Truth) -> bool:
    return sure(truth.seat, lambda seat: seat.holder is None)


def _held_by_another(plan: Plan, truth: Truth) -> bool:
    return sure(truth.seat, lambda seat: seat.holder not in (None, plan.release, *plan.inherits))


def _may_tidy(plan: Plan, world: World, truth: Truth) -> bool:
    """Whether the pair's switches are ours to set: the seat is ours, or on the road back surely nobody's."""
    return _mine(plan, truth) or (world.home and (_free(truth) or _left_behind(plan, truth) is not None))


def _left_behind(plan: Plan, truth: Truth) -> str | None:
    """The ended release of this service whose candidate still sits there, if that is what holds the seat."""
    match truth.seat:
        case Known(seat) if seat.holder in plan.inherits:
            return seat.holder
        case _:
            return None


def _enough(plan: Plan, share: Share) -> Share:
    """
    The capacity that is enough for this share of traffic (R03).

    Two thirds are 667 thousandths of traffic and, rounded down as capacity is, 666 of capacity: where a
    side has only a part, a thousandth less is the same number of instances.
    """
    rounded = 1 if NOTHING < share < ALL else 0
    return Share(share * plan.floor // ALL - rounded)


def carries(plan: Plan, fleet: Fact[Fleet], share: Share) -> bool:
    """Whether a side surely has the capacity for this share (R03)."""
    return share == NOTHING or sure(fleet, lambda known: known.ready >= _enough(plan, share))


def _empty(fleet: Fact[Fleet]) -> bool:
    return sure(fleet, lambda known: known.ready == NOTHING)


def _weight(plan: Plan, world: World, truth: Truth) -> Iterator[Effect]:
    if sure(truth.weights, lambda span: span.at(world.weight)):
        return
    if world.home:
        yield from _going_home(plan, truth)
        return
    if not _mine(plan, truth):
        # Weight on a seat that nobody holds, or an ended release: only home, before it is re-pointed (R04).
        nobodys = _free(truth) or _left_behind(plan, truth) is not None
        if world.weight > NOTHING or not nobodys:
            return
    match truth.weights:
        case Known(span):
            up_is_safe = span.low >= world.weight or carries(plan, truth.candidate, world.weight)
            down_is_safe = span.high <= world.weight or _home_carries(plan, truth, world.weight)
            if up_is_safe and down_is_safe:
                yield EnsureWeight(weight=world.weight)
        case Unknown():
            return


def _home_carries(plan: Plan, truth: Truth, weight: Share) -> bool:
    """Whether stable can take what this weight leaves it; a candidate with nobody loses all at once (R12)."""
    return carries(plan, truth.stable, Share(ALL - weight)) or _empty(truth.candidate)


def _going_home(plan: Plan, truth: Truth) -> Iterator[Effect]:
    """Blind where it must be, but never onto a home that surely cannot carry it (R03)."""
    if _held_by_another(plan, truth) or sure(truth.weights, lambda span: span.at(NOTHING)):
        return
    match truth.stable:
        case Known(stable) if not _home_carries(plan, truth, NOTHING):
            # As fast as stable's healthy capacity allows, and never up, on no rule (R11, R12).
            carried = Share(max(ALL - stable.ready * ALL // plan.floor, NOTHING))
            lowers = sure(truth.weights, lambda span: carried <= span.low and carried < span.high)
            if lowers and sure(truth.pair, bool) and not isinstance(truth.seat, Unknown):
                yield EnsureWeight(weight=carried)
        case _:
            yield GoHome()


def _primary(plan: Plan, world: World, truth: Truth) -> Iterator[Effect]:
    wrong = sure(truth.primary, lambda side: side is not world.primary)
    if wrong and _may_tidy(plan, world, truth) and traffic_right(world, truth):
        receiving = truth.candidate if world.primary is Side.CANDIDATE else truth.stable
        # A first release keeps no stable: trust returns to the empty side that nothing flows to.
        home = min(Share(ALL - world.weight), world.stable)
        needed = world.weight if world.primary is Side.CANDIDATE else home
        if carries(plan, receiving, needed):
            yield EnsurePrimary(side=world.primary)


def _test(plan: Plan, world: World, truth: Truth) -> Iterator[Effect]:
    wrong = sure(truth.test, lambda on: on is not world.test)
    if not (wrong and _may_tidy(plan, world, truth)):
        return
    if not world.test or sure(truth.candidate, lambda fleet: fleet.ready > NOTHING):
        yield EnsureTest(on=world.test)


def _candidate(plan: Plan, world: World, truth: Truth) -> Iterator[Effect]:
    left = _left_behind(plan, truth)
    if left is not None:
        if world.home and world.candidate is None:
            return
        if _silent(truth) and sure(truth.candidate, lambda fleet: fleet.wanted > NOTHING):
            yield EnsureFleet(side=Side.CANDIDATE, capacity=NOTHING, owner=left)
        return
    # A free seat is taken where nothing flows to it (R04), or, past return, where all that flows is ours.
    free = _free(truth) and not world.home and (world.weight > NOTHING or _silent(truth))
    if world.candidate is None or not (_mine(plan, truth) or free):
        return
    match truth.candidate, truth.weights, truth.seen:
        case Known(fleet), _, _ if fleet.wanted < world.candidate:
            yield EnsureFleet(side=Side.CANDIDATE, capacity=world.candidate, owner=plan.release)
        case Known(fleet), Known(span), Known(seen):
            flows = _flows(span, seen, span.high, seen.candidate)
            needed = max(world.candidate, _enough(plan, flows))
            closed = needed > NOTHING or sure(truth.test, lambda on: not on)
            if fleet.wanted > needed and closed and _mine(plan, truth):
                yield EnsureFleet(side=Side.CANDIDATE, capacity=needed, owner=plan.release)
        case _:
            return


def _stable(plan: Plan, world: World, truth: Truth) -> Iterator[Effect]:
    if _held_by_another(plan, truth) or isinstance(truth.seat, Unknown):
        return
    match truth.stable, truth.weights, truth.seen:
        case Known(fleet), _, _ if fleet.wanted < world.stable:
            yield EnsureFleet(side=Side.STABLE, capacity=world.stable, owner=plan.release)
        case Known(fleet), Known(span), Known(seen):
            flows = _flows(span, seen, Share(ALL - span.low), seen.stable)
            needed = max(world.stable, _enough(plan, flows))
            trusted = sure(truth.primary, lambda side: side is Side.CANDIDATE) or needed > NOTHING
            carried = carries(plan, truth.candidate, Share(ALL - flows))
            if fleet.wanted > needed and trusted and carried and _mine(plan, truth):
                yield EnsureFleet(side=Side.STABLE, capacity=needed, owner=plan.release)
        case _:
            return


def _flows(span: Span, seen: Seen, configured: Share, band: Span) -> Share:
    """
    The share that flows to a side, at most.

    A band of what was seen reaches beyond the truth by its nature: where it agrees with the one
    weight that every rule has, that weight it is; where not, the band's end counts too (R05).
    """
    agreed = span.low == span.high and seen.agrees(span.low)
    return configured if agreed else max(configured, band.high)


def _silent(truth: Truth) -> bool:
    """Whether the candidate surely gets nothing, on every rule and in traffic."""
    return sure(truth.weights, lambda span: span.at(NOTHING)) and sure(
        truth.seen, lambda seen: seen.candidate.high == NOTHING
    )
