"""
An effect as the next document of the local data plane. Pure; what is not the effect's stays (R10).

Each function here refuses what would touch another release's instances or send users to
nobody, whatever the heart decided: a write that was right for an older look is still a write.
`local.py` applies the document under its fence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn, assert_never

from crossfade.dataplane import GROUPS, Group, Preview, Service
from crossfade.errors import PlatformError
from crossfade.platforms.local_facts import Sides, needed, other, sides
from crossfade.release.plan import Plan
from crossfade.release.values import (
    ALL,
    NOTHING,
    EnsureFleet,
    EnsurePrimary,
    EnsureTest,
    EnsureWeight,
    Fact,
    Seat,
    Share,
    Side,
    sure,
)
from crossfade.spec import LocalPlatform as LocalSettings
from crossfade.spec import Spec

TOKEN = 8
"""Letters of a release's id that tell its users' numbers from those of another."""

FencedEffect = EnsureWeight | EnsureFleet | EnsurePrimary | EnsureTest


def after(plan: Plan, service: Service, seat: Fact[Seat], effect: FencedEffect, now: float) -> Service:
    """
    The document that this effect wants; the same one where it is so already.

    Raises `PlatformError` where the effect is not this release's to have.
    """
    who = sides(service, plan.release)
    match effect:
        case EnsureWeight(weight=weight):
            return _weight(plan, service, who, weight, now)
        case EnsureFleet(side=Side.CANDIDATE, capacity=capacity, owner=owner):
            if capacity == NOTHING:
                return _cleared(plan, service, who, owner)
            return _candidate(plan, service, who, seat, capacity)
        case EnsureFleet(capacity=capacity):
            return _stable(plan, service, who, capacity)
        case EnsurePrimary(side=side):
            return _primary(plan, service, who, side)
        case EnsureTest(on=on):
            _ours(plan, service, who)
            return replace(service, test_group=who.candidate if on else None)
        case _:
            assert_never(effect)


def home(plan: Plan, service: Service, now: float) -> Service:
    """All traffic to stable. A release that never took the seat has nothing to bring home."""
    who = sides(service, plan.release)
    if not who.ours and not service.weights[who.candidate]:
        return service
    _ours(plan, service, who)
    return _shared(plan, service, who, NOTHING, now)


def group_of(artifact: Any, revision: str, instances: int) -> Group:
    """A side's document from what `prepare` resolved."""
    return Group(
        revision=revision,
        command=tuple(artifact["command"]),
        folder=str(artifact["folder"]),
        instances=instances,
        health=str(artifact["health"]),
        stop_grace_s=float(artifact["stop_grace_s"]),
        drain_s=float(artifact["drain_s"]),
    )


def settings_of(spec: Spec) -> LocalSettings:
    """What the spec says about this platform. Raises `TypeError` where it names another: wiring's mistake."""
    if not isinstance(spec.platform, LocalSettings):
        raise TypeError(f"{spec.service} is not on this machine")
    return spec.platform


def artifact_of(group: Group) -> dict[str, object]:
    """What `prepare` would have resolved for a group that runs."""
    return {
        "command": list(group.command),
        "folder": group.folder,
        "instances": group.instances,
        "health": group.health,
        "stop_grace_s": group.stop_grace_s,
        "drain_s": group.drain_s,
    }


def _weight(plan: Plan, service: Service, who: Sides, weight: Share, now: float) -> Service:
    left_behind = service.tags.get("release") in plan.inherits and weight == NOTHING
    if not left_behind:
        _ours(plan, service, who)
    return _shared(plan, service, who, weight, now)


def _shared(plan: Plan, service: Service, who: Sides, weight: Share, now: float) -> Service:
    weights = {who.stable: ALL - weight, who.candidate: int(weight)}
    if weight == NOTHING and plan.stable is None and service.groups[who.stable] is None:
        weights = dict.fromkeys(GROUPS, 0)  # a service's first release has nobody to go back to
    missing = [group for group, part in weights.items() if part and service.groups[group] is None]
    if missing:
        _refuse(
            "CF4202",
            f"{service.name}: no traffic is sent to {missing[0]}, it has no instances",
            "the side was retired or cleared",
        )
    if weights == service.weights:
        return service
    tags = {**service.tags, "weighted_at": f"{now:.3f}"}
    return replace(service, weights=weights, tags=tags)


def _candidate(plan: Plan, service: Service, who: Sides, seat: Fact[Seat], capacity: Share) -> Service:
    """The candidate's own size; the first time, the seat is claimed by the same write."""
    group, count = service.groups[who.candidate], _count(plan, capacity)
    if not who.ours:
        if not sure(seat, lambda known: known.holder is None) or group is not None:
            _refuse(
                "CF4201",
                f"the candidate's seat of {service.name} is not free",
                f"it is held by {service.tags.get('release', 'unknown')}",
            )
        tags = {
            **service.tags,
            "release": plan.release,
            "candidate": who.candidate,
            f"identity.{who.candidate}": str(plan.artifact.get("identity", "")),
        }
        service = _for_single_users(plan, replace(service, tags=tags))
    wanted = (
        replace(group, instances=count)
        if group is not None
        else group_of(plan.artifact["candidate"], plan.candidate, count)
    )
    return _with(service, who.candidate, wanted)


def _for_single_users(plan: Plan, service: Service) -> Service:
    """Users keep a number under this release's own token, and staff are let through, as the plan says."""
    asked = plan.artifact["candidate"]
    preview = asked.get("preview") if isinstance(asked, Mapping) else None
    sticky = isinstance(asked, Mapping) and asked.get("sticky") and plan.stable is not None
    return replace(
        service,
        sticky=plan.release[-TOKEN:].lower() if sticky else "",
        preview=Preview(**preview) if preview else None,
    )


def _for_all(service: Service) -> Service:
    """One side serves everybody: nobody needs a number, and there is nothing to look at in advance."""
    return replace(service, sticky="", preview=None, mirror=0.0)


def _cleared(plan: Plan, service: Service, who: Sides, owner: str) -> Service:
    """Only its own candidate, or what an ended release of this service left (R13)."""
    holder = service.tags.get("release")
    if owner != holder or owner not in (plan.release, *plan.inherits):
        _refuse(
            "CF4201",
            f"the candidate's instances of {service.name} are not {plan.release}'s to delete",
            f"they belong to {holder or 'nobody known'}",
        )
    if service.tags.get("primary") == who.candidate:
        _refuse("CF4201", f"{service.name}: the trusted side is not deleted", "it is primary")
    test = None if service.test_group == who.candidate else service.test_group
    return _with(_for_all(replace(service, test_group=test)), who.candidate, None)


def _stable(plan: Plan, service: Service, who: Sides, capacity: Share) -> Service:
    """Stable keeps its own document, only the count changes; none at all is retirement."""
    group = service.groups[who.stable]
    if capacity == NOTHING:
        _ours(plan, service, who)
        if service.tags.get("primary") != who.candidate:
            _refuse("CF4201", f"{service.name}: the trusted side is not retired", "it is primary")
        return _with(_for_all(service), who.stable, None)
    if group is None or group.revision != plan.stable:
        _refuse(
            "CF4202",
            f"{plan.stable} of {service.name} cannot grow",
            "it was stopped, or another revision runs there",
        )
    return _with(service, who.stable, replace(group, instances=_count(plan, capacity)))


def _primary(plan: Plan, service: Service, who: Sides, side: Side) -> Service:
    _ours(plan, service, who)
    tags = dict(service.tags)
    group = who.candidate if side is Side.CANDIDATE else other(who.candidate)
    if service.groups[group] is not None:
        tags["primary"] = group
    else:
        tags.pop("primary", None)
    return replace(service, tags=tags)


def _ours(plan: Plan, service: Service, who: Sides) -> None:
    if not who.ours:
        _refuse(
            "CF4201",
            f"the candidate's seat of {service.name} is not {plan.release}'s",
            f"it is held by {service.tags.get('release') or 'nobody'}",
        )


def _count(plan: Plan, capacity: Share) -> int:
    """Whole instances, never less than the capacity asks for."""
    return -(-capacity * needed(plan) // ALL)


def _with(service: Service, name: str, group: Group | None) -> Service:
    return replace(service, groups={**service.groups, name: group})


def _refuse(error_id: str, what: str, why: str) -> NoReturn:
    raise PlatformError(error_id, what, why, "nothing was written; look: crossfade status")
