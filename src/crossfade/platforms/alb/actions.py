"""
A route's list of actions, read for our two groups and written anew with everything else kept. Pure.

A weight is a share of the sum of a forward's weights; the API takes whole numbers from 0 to 999, so
that 1000 to 0 is written 999 to 0. What is not ours stays as it is: other actions and their order,
the stickiness of the forward, the order of its groups (R10).

STICKINESS. A user whose cookie names a group goes there whatever its weight is. So where stickiness
is on, a side without weight is not weighted 0, it is left out: nobody can be kept on it.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final

from crossfade.platforms.alb.model import Actions
from crossfade.release.values import ALL, NOTHING, Share, Span

MOST_WEIGHT: Final = 999


def forwards(actions: Actions) -> Mapping[str, int] | None:
    """Weight by group ARN of the one action that forwards; None where none does, or several do."""
    found = [action for action in actions if action.get("Type") == "forward"]
    if len(found) != 1:
        return None
    config = found[0].get("ForwardConfig") or {}
    groups = config.get("TargetGroups")
    if not groups:
        alone = found[0].get("TargetGroupArn")
        return {alone: MOST_WEIGHT} if alone else None
    if len(groups) == 1:
        return {groups[0]["TargetGroupArn"]: MOST_WEIGHT}  # whatever its weight is, it gets everything
    return {group["TargetGroupArn"]: int(group.get("Weight", 1)) for group in groups}


def sticky(actions: Actions) -> bool:
    """Whether the forward keeps users on a group."""
    found = next((action for action in actions if action.get("Type") == "forward"), {})
    config = (found.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig") or {}
    return bool(config.get("Enabled"))


def names_only(actions: Actions | None, groups: tuple[str, str]) -> bool:
    """Whether a route forwards, and to nobody but our pair (R49)."""
    found = forwards(actions) if actions is not None else None
    return found is not None and set(found) <= set(groups)


def share(actions: Actions, group: str) -> Span:
    """The group's part of what this route forwards, in thousandths; rounded outwards where it is none."""
    found = forwards(actions) or {}
    whole, part = sum(found.values()), found.get(group, 0)
    if not whole:
        return Span(low=NOTHING, high=NOTHING)
    return Span(low=Share(part * ALL // whole), high=Share(math.ceil(part * ALL / whole)))


def weights(weight: int) -> tuple[int, int]:
    """What is written for the candidate and for stable."""
    return min(weight, MOST_WEIGHT), min(ALL - weight, MOST_WEIGHT)


def weighted(actions: Actions, *, candidate: str, stable: str, weight: int) -> Actions:
    """The same actions with this share for the candidate; the very same ones where it is so already."""
    part, rest = weights(weight)
    wanted = {candidate: part, stable: rest}
    if sticky(actions) and weight in (NOTHING, ALL):
        wanted = {group: number for group, number in wanted.items() if number}
    return _forwarding(actions, wanted)


def pointed(actions: Actions, *, to: str, beside: str) -> Actions:
    """
    A test route that reaches one group. The other stays named with weight 0.

    A group that no route names is not checked for health, and a candidate has to be healthy first.
    """
    return _forwarding(actions, {to: MOST_WEIGHT, beside: 0})


def _forwarding(actions: Actions, wanted: Mapping[str, int]) -> Actions:
    if _exactly(actions) == wanted:
        return actions
    made = []
    for action in actions:
        mine = copy.deepcopy(dict(action))
        if mine.get("Type") == "forward":
            config = dict(mine.get("ForwardConfig") or {})
            order = [*(forwards(actions) or {}), *wanted]
            config["TargetGroups"] = [
                {"TargetGroupArn": group, "Weight": wanted[group]}
                for group in dict.fromkeys(order)
                if group in wanted
            ]
            mine["ForwardConfig"] = config
        made.append(mine)
    return tuple(made)


def writable(actions: Actions) -> list[dict[str, Any]]:
    """Actions as they were read, in the form in which they may be written."""
    return [_writable(dict(action)) for action in actions]


def _writable(action: dict[str, Any]) -> dict[str, Any]:
    if action.get("ForwardConfig", {}).get("TargetGroups"):
        action.pop("TargetGroupArn", None)  # the answer says a lone group twice, a request only once
    if action.get("Type") == "authenticate-oidc":
        # The secret is never given out; without this word AWS asks for it again.
        kept = {key: said for key, said in action["AuthenticateOidcConfig"].items() if key != "ClientSecret"}
        action["AuthenticateOidcConfig"] = {**kept, "UseExistingClientSecret": True}
    return action


def _exactly(actions: Actions) -> Mapping[str, int] | None:
    """The forward's groups with their very weights; a lone group counts as all."""
    found = [action for action in actions if action.get("Type") == "forward"]
    if len(found) != 1:
        return None
    groups = (found[0].get("ForwardConfig") or {}).get("TargetGroups") or []
    if len(groups) <= 1:
        return forwards(actions)
    return {group["TargetGroupArn"]: int(group.get("Weight", 1)) for group in groups}


def fingerprint(*parts: Any) -> str:
    """Of routes and tags: the fence. Equal for equal answers of the API, in whatever order keys come."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=list)
    return hashlib.sha256(text.encode()).hexdigest()
