"""
Which rules, test way and pair of groups a service's `platform.alb` is, from what stands there. Pure.

Nothing is guessed that would send users elsewhere: what is missing or ambiguous is said, all of it at
once, with the commands that mend it. A way in that names both groups is production and shifts; one that
names a single group is for staff if it asks for a header or listens on another port.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.errors import RefusedError, UsageError
from crossfade.platforms.alb.commands import Shell
from crossfade.platforms.alb.found import Found, Group, Way

TEST_HEADER: Final = "x-crossfade"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What goes into crossfade.yaml."""

    rules: tuple[Way, ...]
    test: Way
    blue: Group
    green: Group
    aside: tuple[Way, ...] = ()
    """Ways of the same load balancer that have nothing to do with the pair."""


def choose(found: Found, asked: str, shell: Shell, *, test: str | None, free: Sequence[Group] = ()) -> Choice:
    """
    The service that `asked`, a listener's or a rule's ARN, leads to; `free` groups have no load balancer.

    Raises `RefusedError` CF3061 where something has to be created first, CF3062 where the groups cannot be
    a pair, `UsageError` CF1902 where more than one is meant.
    """
    way = _asked(found, asked)
    pair = _groups(found, way)
    routes = [one for one in found.ways if one.groups & pair]
    _unmixed(found, routes, pair)
    staff = _staff(found, routes, way, test)
    users = tuple(one for one in routes if one is not staff and (one is way or not _for_staff(one, way)))
    lacking = [*_lacking(found, way, users, shell, free)]
    strays = [one for one in routes if one is not staff and one not in users]
    lacking += [(f"{one.said} is neither for users nor the test", [shell.without(one)]) for one in strays]
    if staff is None:
        lacking.append(("no way in is for staff alone", shell.test_rule(way, found.ways, TEST_HEADER)))
    if lacking or staff is None:
        what = "; ".join(said for said, _ in lacking)
        commands = "\n       ".join(line for _, lines in lacking for line in lines)
        raise RefusedError(
            "CF3061",
            what,
            "a release moves weight between two groups by rules it knows, and tries out where no user is",
            f"run these, then init again:\n       {commands}",
        )
    blue, green = _colours([found.groups[arn] for arn in sorted(pair)])
    return Choice(
        rules=users,
        test=staff,
        blue=blue,
        green=green,
        aside=tuple(one for one in found.ways if not one.groups & pair),
    )


def _asked(found: Found, asked: str) -> Way:
    """A listener stands for its default action, or for its only rule that forwards."""
    way = found.way(asked)
    if way is None:
        raise UsageError(
            "CF1902", f"{asked} is not there", "its load balancer has no such rule", _list(found.ways)
        )
    if way.forwards or way.priority is not None:
        return way
    rules = [
        one for one in found.ways if one.listener == way.listener and one.forwards and one.header is None
    ]
    if len({one.groups for one in rules}) == 1:
        return rules[0]
    raise UsageError(
        "CF1902",
        f"{way.said} answers by {way.kind or 'nothing'}, and {len(rules)} rules of it forward",
        "one service is meant",
        _list(rules) if rules else "name a listener or rule that forwards to target groups",
    )


def _list(ways: Iterable[Way]) -> str:
    lines = (f"\n       crossfade init --from alb:{one.arn}   # {one.said}" for one in ways if one.forwards)
    return "name the one that is meant:" + "".join(lines)


def _groups(found: Found, way: Way) -> frozenset[str]:
    if not way.forwards:
        raise _no_pair(
            f"{way.said} answers by {way.kind or 'nothing'}", "only what forwards to groups can shift"
        )
    if len(way.groups) > 2:
        names = ", ".join(found.groups[arn].name for arn in sorted(way.groups))
        raise _no_pair(f"{way.said} forwards to {len(way.groups)} groups", f"a release needs two: {names}")
    for arn in sorted(way.groups):
        group = found.groups[arn]
        if group.kind != "ip":
            why = "candidates are registered as ip:port, which a group keeps from its creation on"
            raise _no_pair(f"target group {group.name} is of type {group.kind}", why)
    return way.groups


def _unmixed(found: Found, routes: Sequence[Way], pair: frozenset[str]) -> None:
    for one in routes:
        if beyond := one.groups - pair:
            names = ", ".join(found.groups[arn].name for arn in sorted(beyond))
            what = f"{one.said} forwards to this pair and to {names} as well"
            raise _no_pair(what, "weights of a third group would be somebody else's")


def _no_pair(what: str, why: str) -> RefusedError:
    return RefusedError("CF3062", what, why, "make a pair of ip groups for this service, and name its rule")


def _staff(found: Found, routes: Sequence[Way], way: Way, test: str | None) -> Way | None:
    """Where staff and smoke tests come in."""
    if test is not None:
        named = found.way(test)
        if named is None or named not in routes or named is way:
            why = "it forwards to none of the two groups" if named is not way else "users come this way"
            raise UsageError("CF1902", f"--test {test} is not a way to try the candidate", why, _list(routes))
        return named
    alone = [one for one in routes if one is not way and _for_staff(one, way)]
    first = [one for one in alone if len(one.groups) == 1] or alone
    if len(first) > 1:
        options = "".join(f"\n       --test {one.arn}   # {one.said}" for one in first)
        raise UsageError("CF1902", "several ways could be the test", "one is meant", f"name it:{options}")
    return first[0] if first else None


def _for_staff(one: Way, way: Way) -> bool:
    """With a header that users do not send; or at another port, for a single group."""
    return one.header not in {None, way.header} or (one.port != way.port and len(one.groups) == 1)


def _lacking(
    found: Found, way: Way, users: Sequence[Way], shell: Shell, free: Sequence[Group]
) -> Iterator[tuple[str, list[str]]]:
    """What of the pair has to be there first, and how it is made."""
    groups = sorted(way.groups)
    if len(groups) == 1:
        only = found.groups[groups[0]]
        other = next((one for one in free if _siblings(only.name, one.name)), None)
        if other is None:
            groups.append(Shell.NEW)
            yield f"there is one target group, {only.name}", shell.group_like(only, _other_name(only.name))
        else:
            groups.append(other.arn)
            yield f"there is one target group, {only.name}, and {other.name} is not used yet", []
    for one in users:
        for missing in [arn for arn in groups if arn not in one.groups]:
            yield f"{one.said} names one group only", [shell.naming_both(one, missing)]


_OTHER: Final = {"blue": "green", "green": "blue", "a": "b", "b": "a", "1": "2", "2": "1"}
_LAST_WORD: Final = re.compile(r"(?:(.*)[-_])?([^-_]+)")
_LONGEST: Final = 32
"""Letters of a group's name, as AWS has it."""


def _parted(name: str) -> tuple[str, str]:
    """`shop` and `blue` of `shop-blue`; the whole name where it ends in no colour."""
    found = _LAST_WORD.fullmatch(name)
    if found is None or found[2].lower() not in _OTHER:
        return name, ""
    return found[1] or "", found[2].lower()


def _siblings(one: str, other: str) -> bool:
    """Whether the names say that these two are a pair."""
    (stem, colour), (other_stem, other_colour) = _parted(one), _parted(other)
    return stem == other_stem and _OTHER.get(colour, "green") == other_colour


def _other_name(name: str) -> str:
    """What the other side of this group is called."""
    stem, colour = _parted(name)
    end = _OTHER.get(colour, "green")
    return f"{stem[: _LONGEST - 1 - len(end)].rstrip('-')}-{end}" if stem else end


def service_name(choice: Choice) -> str:
    """What both groups are called but for their colours; empty where that is nothing."""
    stems = {_parted(one.name)[0] for one in (choice.blue, choice.green)}
    return stems.pop().lower() if len(stems) == 1 else ""


def _colours(groups: Sequence[Group]) -> tuple[Group, Group]:
    """By their names where those say so, else by the alphabet."""
    first, second = sorted(groups, key=lambda one: one.name)
    turned = _parted(second.name)[1] == "blue" or _parted(first.name)[1] == "green"
    return (second, first) if turned else (first, second)
