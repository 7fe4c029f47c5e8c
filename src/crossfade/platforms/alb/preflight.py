"""
What would make a release at this site unsafe or impossible, found by reading alone.

Asked once before a release opens, and by `doctor`. `read` makes the calls, `objections` is pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossfade.platforms.alb import actions as routes
from crossfade.platforms.alb.line import Line
from crossfade.platforms.alb.model import BLUE, COLOURS, GREEN, Actions, Site, Tags, named
from crossfade.platforms.alb.tags import SERVICE, ledger
from crossfade.release.policy import Objection
from crossfade.spec import Rolling, Strategy

ANOMALY: Final = "load_balancing.algorithm.anomaly_mitigation"
ALIKE: Final = (
    ("VpcId", "network"),
    ("Protocol", "protocol"),
    ("ProtocolVersion", "version of the protocol"),
    ("TargetType", "kind of target"),
)
"""What two groups that stand in for each other must have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything about a site that a release relies on."""

    routes: Mapping[str, Actions | None]
    tags: Tags
    groups: Mapping[str, Mapping[str, Any]]
    """Colour to the group as the API describes it."""
    attributes: Mapping[str, Mapping[str, str]]
    others: Mapping[str, Actions]
    """Every other route of the load balancer, by ARN."""


def read(line: Line, site: Site) -> Seen:
    """Raises `PlatformError` and `AccessError` where something cannot be read."""
    described = {one["TargetGroupArn"]: one for one in line.groups(list(site.groups.values()))}
    groups = {colour: described[arn] for colour, arn in site.groups.items() if arn in described}
    balancers = {arn for group in groups.values() for arn in group.get("LoadBalancerArns", ())}
    return Seen(
        routes=line.routes(site.routes),
        tags=line.tags(site),
        groups=groups,
        attributes={colour: line.attributes(site.groups[colour]) for colour in groups},
        others=dict(_others(line, site, sorted(balancers))),
    )


def _others(line: Line, site: Site, balancers: Sequence[str]) -> Iterator[tuple[str, Actions]]:
    """All listeners, all rules, all pages (R07). A default rule is written under its listener."""
    ours = set(site.routes)
    for balancer in balancers:
        for listener in line.listeners(balancer):
            arn = listener["ListenerArn"]
            if arn not in ours:
                yield arn, tuple(listener.get("DefaultActions", ()))
            for rule in line.rules(arn):
                if not rule.get("IsDefault") and rule["RuleArn"] not in ours:
                    yield rule["RuleArn"], tuple(rule.get("Actions", ()))


def objections(site: Site, seen: Seen, strategy: Strategy) -> tuple[Objection, ...]:
    """Every reason at once."""
    return tuple(
        found
        for part in (_claimed, _groups, _attributes, _routes, _test, _foreign, _sticky)
        for found in part(site, seen, strategy)
    )


def _claimed(site: Site, seen: Seen, _strategy: Strategy) -> Iterator[Objection]:
    for colour, name in ledger(seen.tags).services.items():
        if name != site.service:
            yield Objection(
                id="CF4424",
                what=f"the {colour} group belongs to {name}",
                why=f"its tag {SERVICE} says so; each service has two groups of its own",
                fix="name other groups, or remove the tag if that service is gone",
            )


def _groups(site: Site, seen: Seen, _strategy: Strategy) -> Iterator[Objection]:
    for colour in COLOURS:
        group = seen.groups.get(colour)
        if group is None:
            yield Objection(
                id="CF4431",
                what=f"the {colour} group is not there",
                why=f"nothing answers to {site.groups[colour]}",
                fix=f"create it, or correct platform.alb.target_groups.{colour}",
            )
        elif group.get("TargetType") != "ip":
            yield Objection(
                id="CF4433",
                what=f"the {colour} group takes {group.get('TargetType')} targets",
                why="a revision is a list of addresses, and those go into groups of type ip",
                fix="create both groups with --target-type ip",
            )
    if set(seen.groups) == set(COLOURS):
        for key, noun in ALIKE:
            one, two = seen.groups[BLUE].get(key), seen.groups[GREEN].get(key)
            if one != two:
                yield Objection(
                    id="CF4433",
                    what=f"the two groups differ in their {noun}: {one} and {two}",
                    why="each has to take over all that the other serves",
                    fix="create both alike",
                )


def _attributes(_site: Site, seen: Seen, _strategy: Strategy) -> Iterator[Objection]:
    for colour, attributes in seen.attributes.items():
        if attributes.get(ANOMALY) == "on":
            yield Objection(
                id="CF4434",
                what=f"anomaly mitigation is on in the {colour} group",
                why="it sends less traffic to targets that fail, so a bad candidate looks better than it is",
                fix=f"set {ANOMALY} to off on both groups",
            )


def _routes(site: Site, seen: Seen, _strategy: Strategy) -> Iterator[Objection]:
    pair = (site.groups[BLUE], site.groups[GREEN])
    for rule in site.rules:
        actions = seen.routes.get(rule)
        if actions is None:
            yield Objection(
                id="CF4431",
                what=f"{rule} is not there",
                why="it was deleted, or never was",
                fix="correct platform.alb.rules",
            )
        elif not routes.names_only(actions, pair):
            named_ = ", ".join(routes.forwards(actions) or ()) or "nobody"
            yield Objection(
                id="CF4431",
                what=f"{rule} does not forward to our two groups alone",
                why=f"it forwards to {named_}; rules that name others are not written (R49)",
                fix=f"make it forward to {pair[0]}",
            )


def _test(site: Site, seen: Seen, _strategy: Strategy) -> Iterator[Objection]:
    actions = seen.routes.get(site.test)
    pair = (site.groups[BLUE], site.groups[GREEN])
    if actions is None or not routes.names_only(actions, pair):
        yield Objection(
            id="CF4431",
            what="the test route does not forward to our two groups alone",
            why="it is not there" if actions is None else "it answers by itself, or names a third group",
            fix=f"make {site.test} forward to {pair[0]}",
        )
    elif routes.sticky(actions):
        yield Objection(
            id="CF4434",
            what="the test route keeps its users on a group",
            why="who has tried one version could not try the other",
            fix=f"turn stickiness off on {site.test}",
        )


def _foreign(site: Site, seen: Seen, _strategy: Strategy) -> Iterator[Objection]:
    """A rule that we do not know and that names a group of ours would never shift with the others."""
    for arn, actions in seen.others.items():
        met = [colour for colour, group in site.groups.items() if group in (routes.forwards(actions) or {})]
        if met:
            yield Objection(
                id="CF4432",
                what=f"{named(arn).kind.value} {arn} forwards to the {' and '.join(met)} group too",
                why="its requests would stay where they are while the others shift",
                fix="add it to platform.alb.rules, or make it forward elsewhere",
            )


def _sticky(site: Site, seen: Seen, strategy: Strategy) -> Iterator[Objection]:
    if not isinstance(strategy, Rolling):
        return
    for rule in site.rules:
        actions = seen.routes.get(rule)
        if actions is not None and routes.sticky(actions):
            yield Objection(
                id="CF4434",
                what=f"a rolling release behind stickiness: {rule} keeps users on a group",
                why="stable shrinks with its share, and users who stay there would be too many for it",
                fix="take another strategy, or turn group stickiness off",
            )
