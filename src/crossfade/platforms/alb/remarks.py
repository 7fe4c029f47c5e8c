"""What another hand did at a load balancer, in words, as far as its API tells. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from crossfade.platforms.alb import actions as routes
from crossfade.platforms.alb.model import Actions, Registered, named
from crossfade.platforms.alb.scene import Scene, staying
from crossfade.release.values import Known, Unknown


def remarks(scene: Scene) -> tuple[str, ...]:
    """A sentence for each thing at this site that no release of ours did."""
    return tuple(said for part in (_tags, _rules, _targets) for said in part(scene))


def _tags(scene: Scene) -> Iterator[str]:
    book = scene.book
    if book is None:
        return
    for text in book.garbled:
        yield f"the tag {text} of {scene.group('blue')} is not as we write it"
    for colour, name in book.services.items():
        if name != scene.site.service:
            yield f"the {colour} group is tagged as one of {name}"
    held = book.held
    if held is not None and held.release not in (scene.plan.release, *scene.plan.inherits):
        yield f"the seat is tagged as {held.release}'s"


def _rules(scene: Scene) -> Iterator[str]:
    if isinstance(scene.looked.routes, Unknown):
        return
    read = scene.looked.routes.value
    for rule in scene.site.rules:
        now = read.second.get(rule, read.first.get(rule))
        if now is None:
            yield f"{rule} was deleted"
        elif not routes.names_only(now, (scene.group("blue"), scene.group("green"))):
            yield f"{rule} forwards to {_receivers(scene, now)}"
        else:
            yield from _share(scene, rule, now)


def _share(scene: Scene, rule: str, now: Actions) -> Iterator[str]:
    asked = scene.book.asked if scene.book is not None else None
    if asked is None or not scene.ours:
        return
    wanted, found = asked.of(scene.who.candidate), routes.share(now, scene.group(scene.who.candidate))
    if not found.at(wanted):
        yield f"{rule} gives the candidate {found.high / 10:g} %, and {wanted / 10:g} % was asked for"


def _receivers(scene: Scene, now: Actions) -> str:
    found = routes.forwards(now)
    if found is None:
        return "nobody: it answers by itself" if now else "nobody"
    return ", ".join(
        f"{scene.site.colour(group) or named(group).path[0]} ({weight})" for group, weight in found.items()
    )


def _targets(scene: Scene) -> Iterator[str]:
    for side, colour in (("stable", scene.who.stable), ("candidate", scene.who.candidate)):
        targets = scene.looked.targets[colour]
        mine = {one.address for one in scene.own(side)}
        if isinstance(targets, Known) and (side == "stable" or scene.ours):
            strangers = [one for one in staying(targets.value) if one.address not in mine]
            if strangers:
                yield f"{_some(strangers)} in the {colour} group is not of this release"


def _some(targets: list[Registered]) -> str:
    named_ = ", ".join(str(one.address) for one in targets[:3])
    return named_ + (f" and {len(targets) - 3} more" if len(targets) > 3 else "")
