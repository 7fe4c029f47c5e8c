"""
What `deploy` would open and meet now, found by looking only: `bootstrap.py` for `plan`.

Nothing is started, no folder is made, no event is written. A platform that is not running
is said to be so; a service that was never up is planned as its first release.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crossfade.bootstrap import House
from crossfade.dataplane import Client, Silent, connect
from crossfade.dataplane.envoy import find_envoy
from crossfade.dataplane.store import Store
from crossfade.errors import CrossfadeError
from crossfade.platforms.local import LocalPlatform
from crossfade.platforms.local_counts import LocalCounts
from crossfade.release.plan import Plan
from crossfade.release.policy import Objection, Record, Waivers, objections
from crossfade.release.values import Known, Seat, Truth, Unknown
from crossfade.signals import CountsSource
from crossfade.spec import LocalPlatform as LocalSettings
from crossfade.spec import NoGates, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """A release that was not opened: what it would do, and what it would meet."""

    plan: Plan
    truth: Truth
    objections: tuple[Objection, ...]
    """Why it would be refused now, whoever else holds the service left aside."""
    counts: CountsSource


def foresee(house: House, spec: Spec, text: str, releaser: str) -> Foresight | None:
    """
    What opening this revision would meet now; None where the service runs it already.

    Raises `UsageError` where the text means no revision.
    """
    known = house.begun
    past = house.store.releases(spec.service) if known else ()
    plan = house.compiled(spec, text, releaser, past)
    if plan is None:
        return None
    side = house.database_of(spec) if known else None
    if side is not None:
        plan = replace(plan, footing=side.footing(plan))
    looked = _here(house, plan) if isinstance(spec.platform, LocalSettings) else _there(house, spec, plan)
    truth = looked.truth
    held = any(row.outcome is None for row in past)
    found = objections(
        plan,
        # What is seen under a running release, or before there is a platform, is not what opening will meet.
        _clear() if held or plan.stable is None else truth,
        house.sites.before(plan, house.clock.now()),
        house.record(spec, plan) if known else Record(endings={}),
        Waivers(),
        no_gates=spec.gates.reason if isinstance(spec.gates, NoGates) else None,
        preconditions=side.objections(plan) if side is not None else (),
    )
    return Foresight(
        plan=plan,
        truth=truth,
        objections=(*looked.unfit, *_once(found, fix=looked.fix)),
        counts=looked.counts,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    truth: Truth
    counts: CountsSource
    unfit: tuple[Objection, ...]
    """What of the platform itself speaks against a release."""
    fix: str
    """What helps where it cannot be read."""


def _here(house: House, plan: Plan) -> _Looked:
    platform = LocalPlatform(house.folder, line=lambda: _running(house.folder))
    truth = platform.observe(plan).truth
    fix = "crossfade local up" if isinstance(truth.pair, Unknown) else "crossfade status"
    return _Looked(truth=truth, counts=LocalCounts(platform), unfit=tuple(_no_envoy()), fix=fix)


def _there(house: House, spec: Spec, plan: Plan) -> _Looked:
    """Behind a load balancer. Raises `PlatformError` and `AccessError` where it cannot be asked at all."""
    return _Looked(
        truth=house.sites.of_plan(plan).observe(plan).truth,
        counts=house.sites.counts_of(plan),
        unfit=house.sites.preflight(spec),
        fix="crossfade doctor",
    )


def _no_envoy() -> Iterator[Objection]:
    try:
        find_envoy()
    except CrossfadeError as error:
        yield Objection(id=error.id, what=error.what, why=error.why, fix=error.fix)


def _once(found: Sequence[Objection], *, fix: str) -> tuple[Objection, ...]:
    """A platform that cannot be read is one objection, however many facts are missed."""
    blind = [objection for objection in found if objection.id == "CF3006"]
    kept = [objection for objection in found if objection.id != "CF3006"]
    return (*(replace(objection, fix=fix) for objection in blind[:1]), *kept)


def _running(folder: Path) -> Client:
    """The supervisor that runs; nothing is started, and nothing written, to find it."""
    # Without a pid file there is none, and `connect` would make a place for its socket.
    found = connect(folder) if Store(folder).pid_file.exists() else None
    if found is None:
        why = "only looked at, not started"
        raise Silent("CF4104", "the platform is not running here", why, "crossfade local up")
    return found


def _clear() -> Truth:
    """Nobody in the way, and nothing known that speaks against a release."""
    later = Unknown("it is looked at when the release opens")
    return Truth(
        pair=Known(True),
        seat=Known(Seat(holder=None)),
        weights=later,
        seen=later,
        stable=later,
        candidate=later,
        primary=later,
        test=later,
    )
