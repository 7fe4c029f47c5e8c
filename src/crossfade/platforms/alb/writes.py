"""
An effect as the calls that make it so. Pure; what is not the effect's stays (R10).

AWS has neither transactions nor compare-and-set. So each effect is a short list of calls, each absolute
and harmless when the rest does not follow: what is wanted is noted in a tag *before* the routes are
written, so that silence is never counted from an older write than the last; the seat is claimed by one
call and used at the next look at the earliest, so that of two that claim at once one finds the other.

Each function here refuses what would touch another's targets or send users to nobody, whatever
the heart decided. `alb.py` proves the fence and makes the calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NoReturn, assert_never

from crossfade.errors import PlatformError
from crossfade.platforms.alb import actions as routes
from crossfade.platforms.alb import tags
from crossfade.platforms.alb.facts import (
    HALF,
    configured,
    facts,
    inherited,
    revision_on,
    routed_to_candidate,
    test_reaches,
)
from crossfade.platforms.alb.model import (
    BLUE,
    Deregister,
    Listed,
    Register,
    Registered,
    Route,
    Tag,
    Write,
)
from crossfade.platforms.alb.scene import Scene, staying
from crossfade.platforms.alb.targets import identity
from crossfade.release.values import (
    ALL,
    NOTHING,
    EnsureFleet,
    EnsurePrimary,
    EnsureTest,
    EnsureWeight,
    Known,
    Share,
    Side,
    Unknown,
    sure,
)

BATCH: Final = 200
"""Targets in one call."""


FencedEffect = EnsureWeight | EnsureFleet | EnsurePrimary | EnsureTest


def writes(scene: Scene, effect: FencedEffect, now: float) -> tuple[Write, ...]:
    """
    What this effect wants done; nothing where it is so already.

    Raises `PlatformError` where the effect is not this release's to have.
    """
    match effect:
        case EnsureWeight(weight=weight):
            return tuple(_weight(scene, weight, now))
        case EnsureFleet(side=Side.CANDIDATE, capacity=capacity, owner=owner):
            if capacity == NOTHING:
                return tuple(_cleared(scene, owner))
            return tuple(_grown(scene, capacity, now))
        case EnsureFleet(capacity=capacity):
            return tuple(_stable(scene, capacity))
        case EnsurePrimary(side=side):
            return tuple(_primary(scene, side))
        case EnsureTest(on=on):
            return tuple(_tested(scene, now, on=on))
        case _:
            assert_never(effect)


def home(scene: Scene, now: float) -> tuple[Write, ...]:
    """
    All traffic to stable, at once and without a look at what else is true.

    A release that never took the seat has nothing to bring home. A rule that names others than our
    pair is left alone (R49).
    """
    span = configured(scene)
    away = not (isinstance(span, Known) and span.value.at(NOTHING))
    if scene.book is not None and not scene.ours:
        if not away:
            return ()
        _ours(scene)
    asked = scene.book.asked if scene.book is not None else None
    said_so = asked is not None and asked.of(scene.who.candidate) == NOTHING
    if not away and said_so and not routed_to_candidate(scene):
        return ()
    # Users first: a note that does not follow makes the proof of silence slower, never wrong. What reads
    # home while another weight was asked for may be an old answer: it is written last, after the note.
    first = tuple(_routed(scene, NOTHING, always=False))
    again = () if said_so else tuple(one for one in _routed(scene, NOTHING, always=True) if one not in first)
    return (*first, *_noted(scene, NOTHING, now), *again)


# --- weights -------------------------------------------------------------------------------


def _weight(scene: Scene, weight: Share, now: float) -> Iterator[Write]:
    book = _read(scene)
    left_behind = book.held is not None and book.held.release in scene.plan.inherits and weight == NOTHING
    if not left_behind:
        _ours(scene)
    if not sure(facts(scene.plan, scene.looked).pair, bool):
        _refuse("CF4201", "the rules do not surely name our two sides", "not one write is made (R49)")
    _reach(scene, weight)
    yield from _noted(scene, weight, now)
    yield from _routed(scene, weight, always=False)


def _reach(scene: Scene, weight: Share) -> None:
    """No traffic to a side that has nobody registered (R01); what cannot be read is not trusted to have."""
    sides = [(scene.who.candidate, weight)]
    if scene.plan.stable is not None:
        sides.append((scene.who.stable, Share(ALL - weight)))
    for colour, part in sides:
        if not part:
            continue
        match scene.looked.targets[colour]:
            case Known(targets) if staying(targets):
                continue
            case Known():
                _refuse("CF4202", f"no traffic is sent to {colour}", "no target is registered there")
            case Unknown(why):
                if not (colour == scene.who.stable and weight == NOTHING):  # home is where users were before
                    _refuse(
                        "CF4203", f"no traffic is sent to {colour}", f"its targets could not be read: {why}"
                    )


def _noted(scene: Scene, weight: Share, now: float) -> Iterator[Write]:
    said = tags.weight(scene.who.candidate, weight, now)
    yield Tag(colour=BLUE, tags=tuple(said.items()))


def _routed(scene: Scene, weight: Share, *, always: bool) -> Iterator[Write]:
    """Each rule once, then the test route where it follows; `always`: also what reads so already."""
    if isinstance(scene.looked.routes, Unknown):
        return
    read = scene.looked.routes.value.first
    candidate, stable = scene.group(scene.who.candidate), scene.group(scene.who.stable)
    for rule in scene.site.rules:
        actions = read.get(rule)
        if actions is None or not routes.names_only(actions, (candidate, stable)):
            continue
        wanted = routes.weighted(actions, candidate=candidate, stable=stable, weight=weight)
        if always or wanted != actions:
            yield Route(arn=rule, actions=wanted)
    if scene.book is not None and scene.book.test_open and weight > NOTHING:
        return
    yield from _pointed(scene, weight > HALF)


def _pointed(scene: Scene, candidate: bool) -> Iterator[Write]:
    """The test route at one side, where it is not there already and names nobody else."""
    if isinstance(scene.looked.routes, Unknown):
        return
    pair = scene.group(scene.who.candidate), scene.group(scene.who.stable)
    actions = scene.looked.routes.value.first.get(scene.site.test)
    if actions is None or not routes.names_only(actions, pair):
        return
    to, beside = pair if candidate else pair[::-1]
    wanted = routes.pointed(actions, to=to, beside=beside)
    if wanted != actions:
        yield Route(arn=scene.site.test, actions=wanted)


def _tested(scene: Scene, now: float, *, on: bool) -> Iterator[Write]:
    _ours_or_nobodys(scene)
    reaches, span = routed_to_candidate(scene), configured(scene)
    if reaches is None or isinstance(span, Unknown):
        _refuse(
            "CF4201", "the test route is not ours to write", "it is gone, or names others than our two groups"
        )
    if on:
        _reach_test(scene)
    book = _read(scene)
    if book.test_open is not on:
        yield Tag(colour=BLUE, tags=tuple(tags.test(now, is_open=on).items()))
    yield from _pointed(scene, on or span.value.low > HALF)


def _reach_test(scene: Scene) -> None:
    match scene.looked.targets[scene.who.candidate]:
        case Known(targets) if staying(targets):
            return
        case _:
            _refuse(
                "CF4202", "the test route is not opened", "no target of the candidate is surely registered"
            )


# --- targets -------------------------------------------------------------------------------


def _grown(scene: Scene, capacity: Share, now: float) -> Iterator[Write]:
    """The candidate's own size. The first time, the seat is claimed and nothing else is done."""
    if not scene.ours:
        yield _claim(scene, now)
        return
    yield from _sized(scene, "candidate", scene.who.candidate, capacity)


def _claim(scene: Scene, now: float) -> Write:
    truth = facts(scene.plan, scene.looked)
    if not sure(truth.seat, lambda seat: seat.holder is None) or not sure(truth.pair, bool):
        held = scene.book.held if scene.book is not None else None
        _refuse(
            "CF4201",
            f"the candidate's seat of {scene.site.service} is not free",
            f"it is held by {held.release if held is not None else 'unknown'}",
        )
    book = _read(scene)
    wanted = tags.seat(scene.plan.release, scene.who.candidate, now)
    made = tags.Build(identity=str(scene.plan.artifact.get("identity", "")), revision=scene.plan.candidate)
    wanted |= tags.build(scene.who.candidate, made)
    if scene.plan.stable is not None:
        there = book.builds.get(scene.who.stable)
        if there is None:
            found = revision_on(scene, scene.who.stable) or scene.plan.stable
            known = identity(one.address for one in scene.own("stable"))
            wanted |= tags.build(scene.who.stable, tags.Build(identity=known, revision=found))
        wanted[tags.PRIMARY] = scene.who.stable
    return Tag(colour=BLUE, tags=tuple(wanted.items()))


def _cleared(scene: Scene, owner: str) -> Iterator[Write]:
    """Only its own candidate, or what an ended release of this service left (R13)."""
    book = _read(scene)
    holder = book.held.release if book.held is not None else None
    if owner != holder or owner not in (scene.plan.release, *scene.plan.inherits):
        _refuse(
            "CF4201",
            f"the candidate's targets of {scene.site.service} are not {scene.plan.release}'s to delete",
            f"they belong to {holder or 'nobody known'}",
        )
    if book.primary == scene.who.candidate:
        _refuse("CF4201", f"{scene.site.service}: the trusted side is not deleted", "it is primary")
    _unweighted(scene, scene.who.candidate)
    if test_reaches(scene, scene.who.candidate):
        yield from _led_away(scene, scene.who.candidate)
        return
    own = {one.address for one in scene.own("candidate")} if scene.ours else inherited(scene)
    there = _there(scene, scene.who.candidate)
    leaving = tuple(_as_listed(one) for one in staying(there) if one.address in own)
    yield from _batched(scene.who.candidate, leaving)


def _stable(scene: Scene, capacity: Share) -> Iterator[Write]:
    """Stable keeps its own targets, only the count changes; none at all is retirement."""
    if capacity == NOTHING:
        _ours(scene)
        if _read(scene).primary != scene.who.candidate:
            _refuse("CF4201", f"{scene.site.service}: the trusted side is not retired", "it is primary")
        _unweighted(scene, scene.who.stable)
        if test_reaches(scene, scene.who.stable):
            yield from _led_away(scene, scene.who.stable)
            return
    else:
        _ours_or_nobodys(scene)
        if revision_on(scene, scene.who.stable) != scene.plan.stable:
            _refuse(
                "CF4202",
                f"{scene.plan.stable} of {scene.site.service} cannot grow",
                "another revision is there",
            )
    yield from _sized(scene, "stable", scene.who.stable, capacity)


def _sized(scene: Scene, side: str, colour: str, capacity: Share) -> Iterator[Write]:
    """The first so many of the list are registered, and no others of it."""
    own, there = scene.own(side), staying(_there(scene, colour))
    count = -(-capacity * len(own) // ALL)
    present = {one.address for one in there}
    wanted = tuple(one for one in own[:count] if one.address not in present)
    keep = {one.address for one in own[:count]}
    surplus = tuple(one for one in own[count:] if one.address in present and one.address not in keep)
    for start in range(0, len(wanted), BATCH):
        yield Register(colour=colour, targets=wanted[start : start + BATCH])
    yield from _batched(colour, surplus)


def _batched(colour: str, leaving: tuple[Listed, ...]) -> Iterator[Write]:
    for start in range(0, len(leaving), BATCH):
        yield Deregister(colour=colour, targets=leaving[start : start + BATCH])


def _as_listed(target: Registered) -> Listed:
    return Listed(address=target.address, zone="all" if target.zone == "all" else "")


def _unweighted(scene: Scene, colour: str) -> None:
    """Whether surely no rule sends a side anything: before its last target goes (R05)."""
    share = NOTHING if colour == scene.who.candidate else ALL
    if not sure(configured(scene), lambda known: known.at(share)):
        _refuse("CF4202", f"{colour} keeps its targets", "a rule may still send it traffic")


def _led_away(scene: Scene, colour: str) -> Iterator[Write]:
    """First the test route, alone: targets go at a later look, when nothing comes any more."""
    found = tuple(_pointed(scene, colour == scene.who.stable))
    if not found:
        _refuse("CF4202", f"{colour} keeps its targets", "the test route reaches it and is not ours to write")
    yield from found


def _there(scene: Scene, colour: str) -> tuple[Registered, ...]:
    targets = scene.looked.targets[colour]
    if isinstance(targets, Unknown):
        why = f"they could not be read: {targets.why}"
        _refuse("CF4203", f"the targets of {colour} are left as they are", why)
    return targets.value


def _primary(scene: Scene, side: Side) -> Iterator[Write]:
    _ours_or_nobodys(scene)
    colour = scene.who.candidate if side is Side.CANDIDATE else scene.who.stable
    if _read(scene).primary != colour:
        yield Tag(colour=BLUE, tags=((tags.PRIMARY, colour),))


# --- whose it is ---------------------------------------------------------------------------


def _read(scene: Scene) -> tags.Ledger:
    if scene.book is None:
        _refuse(
            "CF4203", "nothing was written", "the tags could not be read, so nobody knows whose the seat is"
        )
    return scene.book


def _ours(scene: Scene) -> None:
    if not scene.ours:
        held = scene.book.held if scene.book is not None else None
        _refuse(
            "CF4201",
            f"the candidate's seat of {scene.site.service} is not {scene.plan.release}'s",
            f"it is held by {held.release if held is not None else 'nobody'}",
        )


def _ours_or_nobodys(scene: Scene) -> None:
    """The pair's switches: the seat is ours, or surely nobody's that is still there."""
    seat = facts(scene.plan, scene.looked).seat
    if not sure(seat, lambda known: known.holder in (None, scene.plan.release, *scene.plan.inherits)):
        _ours(scene)


def _refuse(error_id: str, what: str, why: str) -> NoReturn:
    raise PlatformError(error_id, what, why, "nothing was written; look: crossfade status")
