"""
What was read of a load balancer, as facts of truth. Pure: a look in, `Truth` out.

Sides are fixed by the plan; who holds the seat and whom the platform trusts stand in tags
(`tags.py`). Capacity is counted in a revision's own targets. Traffic is `seen.py`.
`writes.py` goes the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crossfade.platforms.alb import actions as routes
from crossfade.platforms.alb.model import (
    COLOURS,
    Actions,
    Address,
    Listed,
    Looked,
    Registered,
    Routes,
    Tags,
    artifact_of,
    listed,
)
from crossfade.platforms.alb.remarks import remarks
from crossfade.platforms.alb.scene import Scene, scene_of, staying
from crossfade.platforms.alb.seen import REACHES_ALL_S, seen, sooner
from crossfade.platforms.alb.tags import ledger
from crossfade.platforms.alb.targets import found_as
from crossfade.release.plan import Plan
from crossfade.release.values import (
    ALL,
    NOTHING,
    Fact,
    Fleet,
    Known,
    Seat,
    Seen,
    Share,
    Side,
    Span,
    Truth,
    Unknown,
    sure,
)

AGREES_S: Final = 5.0
"""Seconds after a weight was written from which on it is believed to be read back."""

OLD_ANSWER_S: Final = 20.0
"""Seconds after a write in which another reading than it may be an old answer of AWS's own."""

CLAIMED_S: Final = 60.0
"""Seconds for which a claim holds an empty seat: its release registers at its next look, if it lives."""

HALF: Final = Share(ALL // 2)


def facts(plan: Plan, looked: Looked) -> Truth:
    """One look as truth; each part that could not be read is unknown by itself (R06)."""
    scene = scene_of(plan, looked)
    span = configured(scene)
    return Truth(
        pair=_pair(scene),
        seat=_seat(scene),
        weights=_believed(scene, span),
        seen=_seen(scene, span),
        stable=_fleet(scene, "stable", scene.who.stable),
        candidate=_candidate(scene),
        primary=_primary(scene),
        test=_test(scene),
        remarks=remarks(scene),
    )


def _seen(scene: Scene, span: Fact[Span]) -> Fact[Seen]:
    """As the load balancer counts it; where that is not known yet, as the instances do."""
    looked, book = scene.looked, scene.book
    asked_at = book.asked_at if book is not None else None
    staff, sticky = routed_to_candidate(scene) is not False, _sticky(scene)
    found = seen(
        looked.flow,
        span,
        now=looked.at,
        sides=scene.who,
        weighted_at=asked_at,
        tested_at=book.tested_at if book is not None else None,
        staff=staff,
        untouched=_untouched(scene),
        sticky=sticky,
    )
    if isinstance(span, Known) and sure(found, lambda known: known.agrees(span.value.low)):
        return found
    near = sooner(
        looked.near, span, now=looked.at, sides=scene.who, weighted_at=asked_at, staff=staff, sticky=sticky
    )
    return found if near is None else Known(near)


# --- routes --------------------------------------------------------------------------------


def readings(read: Routes, rules: tuple[str, ...]) -> tuple[Actions | None, ...]:
    """Every reading of every production route: all rules, and both reads of each (R07)."""
    return tuple(answers[rule] for answers in (read.first, read.second) for rule in rules if rule in answers)


def configured(scene: Scene) -> Fact[Span]:
    """Lowest and highest share of the candidate over all readings."""
    match scene.looked.routes:
        case Unknown():
            return scene.looked.routes
        case Known(read):
            group = scene.group(scene.who.candidate)
            found = [
                routes.share(actions, group)
                for actions in readings(read, scene.site.rules)
                if actions is not None
            ]
            if not found:
                return Unknown("none of the rules is there any more")
            return Known(Span(low=min(one.low for one in found), high=max(one.high for one in found)))


def _believed(scene: Scene, span: Fact[Span]) -> Fact[Span]:
    """
    The share as configured, once it may be believed.

    AWS may answer with what was before: right after a write neither its effect nor its contrary is
    taken for the truth.
    """
    asked = scene.book.asked if scene.book is not None else None
    if isinstance(span, Unknown) or asked is None:
        return span
    age = max(0.0, scene.looked.at - asked.at)
    wanted = asked.of(scene.who.candidate)
    as_asked = span.value.at(wanted)
    if as_asked and age < AGREES_S:
        return Unknown(
            f"{wanted / 10:g} % was written {age:.0f} s ago; it is believed after {AGREES_S:.0f} s"
        )
    if not as_asked and age < OLD_ANSWER_S:
        return Unknown(
            f"{wanted / 10:g} % was written {age:.0f} s ago and reads {_said(span.value)}: "
            "an old answer, not yet done, or another hand"
        )
    return span


def _said(span: Span) -> str:
    low, high = f"{span.low / 10:g} %", f"{span.high / 10:g} %"
    return low if low == high else f"{low} to {high}"


def _sticky(scene: Scene) -> bool:
    if isinstance(scene.looked.routes, Unknown):
        return False
    read = readings(scene.looked.routes.value, scene.site.rules)
    return any(actions is not None and routes.sticky(actions) for actions in read)


def _pair(scene: Scene) -> Fact[bool]:
    """Whether every production route names our two groups alone, and they carry the plan's revisions."""
    match scene.looked.routes, scene.looked.tags:
        case Unknown(), _:
            return scene.looked.routes
        case _, Unknown():
            return scene.looked.tags
        case Known(read), Known(tags):
            pair = (scene.group(COLOURS[0]), scene.group(COLOURS[1]))
            named = all(routes.names_only(actions, pair) for actions in readings(read, scene.site.rules))
            return Known(named and _carried(scene, tags))


def _carried(scene: Scene, tags: Tags) -> bool:
    book = scene.book or ledger(tags)
    claimed = all(service == scene.site.service for service in book.services.values())
    stable = revision_on(scene, scene.who.stable)
    candidate = book.builds.get(scene.who.candidate)
    stable_right = scene.plan.stable is None or stable == scene.plan.stable
    candidate_right = not scene.ours or (candidate is not None and candidate.revision == scene.plan.candidate)
    return claimed and stable_right and candidate_right


def revision_on(scene: Scene, colour: str) -> str | None:
    """The revision a group carries: what its tag says, else the name of what was found there."""
    build = scene.book.builds.get(colour) if scene.book is not None else None
    if build is not None:
        return build.revision
    match scene.looked.targets[colour]:
        case Known(targets) if staying(targets):
            return found_as(target.address for target in staying(targets))
        case _:
            return None


# --- the seat ------------------------------------------------------------------------------


def _seat(scene: Scene) -> Fact[Seat]:
    """Free is derived, so that no ended release has to clean up after itself."""
    if scene.book is None:
        assert isinstance(scene.looked.tags, Unknown)  # noqa: S101  # a ledger is read from tags alone
        return scene.looked.tags
    if scene.ours:
        return Known(Seat(holder=scene.plan.release))
    targets, span = scene.looked.targets[scene.who.candidate], configured(scene)
    if isinstance(targets, Unknown):
        return targets
    if isinstance(span, Unknown):
        return span
    held, primary = scene.book.held, scene.book.primary
    fresh = held is not None and 0 <= scene.looked.at - held.since < CLAIMED_S
    empty = not targets.value and span.value.at(NOTHING)
    if empty and not fresh and primary != scene.who.candidate:
        return Known(Seat(holder=None))
    holder = held.release if held is not None else None
    strangers = [str(one.address) for one in targets.value if one.address not in inherited(scene)]
    if holder is None or strangers:
        there = f"unknown ({', '.join(strangers[:3])} in {scene.who.candidate})" if strangers else "unknown"
        return Known(Seat(holder=there))
    return Known(Seat(holder=holder))


def inherited(scene: Scene) -> frozenset[Address]:
    """What ended releases of this service have registered as candidates: it may be cleared (R13)."""
    left = artifact_of(scene.plan, "left")
    return frozenset(one.address for one in listed(left))


def _primary(scene: Scene) -> Fact[Side]:
    if scene.book is None:
        assert isinstance(scene.looked.tags, Unknown)  # noqa: S101  # see `_seat`
        return scene.looked.tags
    return Known(Side.CANDIDATE if scene.book.primary == scene.who.candidate else Side.STABLE)


def _untouched(scene: Scene) -> bool:
    """Whether no weight was written since the candidate came, which was when its group was silent."""
    book = scene.book
    return scene.ours and book is not None and book.held is not None and book.held.since >= book.asked_at


def routed_to_candidate(scene: Scene) -> bool | None:
    """Whether the test route reaches the candidate; None where it is not known, or reaches strangers."""
    if isinstance(scene.looked.routes, Unknown):
        return None
    actions = scene.looked.routes.value.first.get(scene.site.test)
    pair = (scene.group(COLOURS[0]), scene.group(COLOURS[1]))
    if actions is None or not routes.names_only(actions, pair):
        return None
    return routes.share(actions, scene.group(scene.who.candidate)).high > NOTHING


def test_reaches(scene: Scene, colour: str) -> bool:
    """Whether the test route, whoever wrote it, sends this group anything."""
    if isinstance(scene.looked.routes, Unknown):
        return True
    actions = scene.looked.routes.value.first.get(scene.site.test)
    return actions is not None and routes.share(actions, scene.group(colour)).high > NOTHING


def _test(scene: Scene) -> Fact[bool]:
    """
    Whether the test route is open for the candidate.

    Closed, it follows whoever has most of the traffic: past promotion it reaches the candidate and is
    no test any more. Where it still reaches a candidate that has less, it is as good as open.
    """
    span = configured(scene)
    if isinstance(span, Unknown) or scene.book is None:
        return span if isinstance(span, Unknown) else Unknown("the tags could not be read")
    reaches = routed_to_candidate(scene)
    if reaches is None:
        return Unknown("the test route is gone, or does not forward to our two groups alone")
    open_now = reaches and (scene.book.test_open or span.value.low <= HALF)
    age = scene.looked.at - scene.book.tested_at if scene.book.tested_at is not None else REACHES_ALL_S
    if open_now and 0 <= age < REACHES_ALL_S:
        # A smoke test that some node still sends to the old version proves nothing of the new one.
        return Unknown("the test route was opened a moment ago; not every node may know it")
    return Known(open_now)


# --- targets -------------------------------------------------------------------------------


def _candidate(scene: Scene) -> Fact[Fleet]:
    """The candidate's own targets; with a stranger among them nobody knows what its users meet (R13)."""
    targets = scene.looked.targets[scene.who.candidate]
    if isinstance(targets, Known) and scene.ours:
        mine = {one.address for one in scene.own("candidate")}
        strangers = [str(one.address) for one in staying(targets.value) if one.address not in mine]
        if strangers:
            return Unknown(
                f"{', '.join(strangers[:3])} in {scene.who.candidate} is not of {scene.plan.candidate}: "
                "another hand registered it"
            )
    if isinstance(targets, Known) and not scene.ours:
        # Before the seat is ours the group is another's, or an ended release's, or empty.
        return Known(_counted(targets.value, max(len(targets.value), 1)))
    return _fleet(scene, "candidate", scene.who.candidate)


def _fleet(scene: Scene, side: str, colour: str) -> Fact[Fleet]:
    targets = scene.looked.targets[colour]
    if isinstance(targets, Unknown):
        return targets
    mine: Mapping[Address, Listed] = {one.address: one for one in scene.own(side)}
    return Known(_counted(tuple(one for one in targets.value if one.address in mine), max(len(mine), 1)))


def _counted(targets: tuple[Registered, ...], whole: int) -> Fleet:
    """Capacity, rounded down: never more than there is."""
    there = staying(targets)
    ready = sum(target.state == "healthy" for target in there)
    return Fleet(
        wanted=Share(len(there) * ALL // whole),
        ready=Share(ready * ALL // whole),
        exists=Share(max(1, len(targets) * ALL // whole)) if targets else NOTHING,
    )
