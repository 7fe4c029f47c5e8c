"""
The pair, its rules and its test way behind the load balancer, and what makes releases there worse.

Pure: found in, checks out. What stands in the way of a release is the platform's own preflight to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from crossfade.doctor.check import Check, State, ok
from crossfade.platforms.alb.found import Found, Group, Way

_DELAY = "deregistration_delay.timeout_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What crossfade.yaml names, by ARN."""

    rules: tuple[str, ...]
    test: str
    blue: str
    green: str
    ready: timedelta
    """How long a release waits for what it has asked for."""

    @property
    def pair(self) -> frozenset[str]:
        return frozenset((self.blue, self.green))


def balancer(found: Found, groups: tuple[Group, Group], named: Named) -> Iterator[Check]:
    """Everything about the pair; `groups` are blue and green, whether a rule names them or not."""
    yield from _groups(groups, named)
    yield from _rules(found, named)
    yield from _test(found, named)
    yield from _serving(found, groups, named)


def _groups(groups: tuple[Group, Group], named: Named) -> Iterator[Check]:
    blue, green = groups
    yield ok("target groups", f"{blue.name} ({_states(blue)}), {green.name} ({_states(green)})")
    if blue.check != green.check:
        keys = sorted(
            key for key in {**blue.check, **green.check} if blue.check.get(key) != green.check.get(key)
        )
        yield _warn(
            "health checks", f"{blue.name} and {green.name} are not checked alike: {', '.join(keys)}",
            "the same build would be healthy on one side and not on the other",
            f"aws elbv2 modify-target-group --target-group-arn {green.arn} …",
        )  # fmt: skip
    for one in groups:
        yield from _attributes(one, named)


def _attributes(group: Group, named: Named) -> Iterator[Check]:
    delay = timedelta(seconds=int(group.attributes.get(_DELAY, "300")))
    if delay > named.ready:
        yield _warn(
            "draining", f"{group.name} keeps a deregistered target for {delay.total_seconds():.0f} s",
            f"a release waits {named.ready.total_seconds():.0f} s (deadlines.ready) and would be late",
            _attribute(group, _DELAY, "30"),
        )  # fmt: skip


def _attribute(group: Group, key: str, value: str) -> str:
    return (
        f"aws elbv2 modify-target-group-attributes --target-group-arn {group.arn} "
        f"--attributes Key={key},Value={value}"
    )


def _states(group: Group) -> str:
    """`2 healthy, 1 draining`; `empty`."""
    counted = {state: group.states.count(state) for state in dict.fromkeys(sorted(group.states))}
    return ", ".join(f"{number} {state}" for state, number in counted.items()) or "empty"


def _rules(found: Found, named: Named) -> Iterator[Check]:
    there = [way for arn in named.rules if (way := found.way(arn)) is not None and way.groups & named.pair]
    if there:
        yield ok("rules", "; ".join(f"{way.said} {_weights(way, named)}" for way in there))
    shares = {_share(way, named.green) for way in there}
    if len(shares) > 1:
        yield _warn(
            "weights", "rules of this service send different shares: "
            + "; ".join(f"{way.said} {_weights(way, named)}" for way in there),
            "nobody knows which version serves", "set them alike before the first release",
        )  # fmt: skip


def _share(way: Way, arn: str) -> float:
    """This group's part of what the way forwards."""
    weights = dict(way.forwards)
    whole = sum(weights.values())
    if len(weights) == 1:
        return float(arn in weights)
    return weights.get(arn, 0) / whole if whole else 0.0


def _weights(way: Way, named: Named) -> str:
    green = _share(way, named.green)
    sticky = f", users stay for {way.sticky_s} s" if way.sticky_s else ""
    return f"blue {100 * (1 - green):g} %, green {100 * green:g} %{sticky}"


def _test(found: Found, named: Named) -> Iterator[Check]:
    way = found.way(named.test)
    if way is not None:
        yield ok("test way", way.said)


def _serving(found: Found, groups: tuple[Group, Group], named: Named) -> Iterator[Check]:
    """Whether who serves is well, and whether the other side is free."""
    ways = [way for arn in named.rules if (way := found.way(arn)) is not None and way.forwards]
    if not ways:
        return
    for one in groups:
        share = max(_share(way, one.arn) for way in ways)
        healthy = one.states.count("healthy")
        if share > 0.0 and not healthy:
            yield Check(
                name="who serves", state=State.FAIL, id="CF3003",
                said=f"{one.name} gets {100 * share:g} % and has no healthy target ({_states(one)})",
                why="there would be no way back to it (R03)",
                fix=f"aws elbv2 describe-target-health --target-group-arn {one.arn}",
            )  # fmt: skip
        elif share == 0.0 and one.states:
            yield _warn(
                "the free side", f"{one.name} has targets without traffic: {_states(one)}",
                "a release registers its candidate there, and takes away only what its own past left (R13)",
                "deregister them if they are nobody's",
            )  # fmt: skip


def _warn(name: str, said: str, why: str, fix: str) -> Check:
    return Check(name=name, state=State.WARN, said=said, why=why, fix=fix)
