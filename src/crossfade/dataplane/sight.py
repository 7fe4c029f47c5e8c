"""What Envoy says about one service, put into our words. Pure; unknown stays None."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from crossfade.dataplane.envoy import Traffic
from crossfade.dataplane.model import GROUPS, Service
from crossfade.dataplane.routes import RULE
from crossfade.dataplane.xds import cluster, seat

ReadBack = tuple[dict[str, dict[str, dict[str, int]]], dict[str, int]]
"""Listener -> name of a route -> cluster -> weight, and listener -> bound port."""

Seen = tuple[Traffic, dict[str, float]]
"""The counters, and when each cluster last got a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """Routes and ports of one service as Envoy runs them; `routes` None = it did not say."""

    routes: Mapping[str, int] | None = None
    others: tuple[Mapping[str, int], ...] = ()
    test_route: str | None = None
    live: int | None = None
    test: int | None = None


def configured(service: Service, seen: ReadBack | None) -> Configured:
    """The part of Envoy's own dump that is about one service; a rule that is missing makes all unread."""
    if seen is None:
        return Configured()
    routes, bound = seen
    name = service.name
    live, test = seat(name, test=False), seat(name, test=True)
    ports = Configured(live=bound.get(live), test=bound.get(test))
    found = {route: weights for route, weights in routes.get(live, {}).items() if route.startswith(RULE)}
    wanted = {f"{RULE} {number}" for number in range(len(service.rules))}
    if not wanted <= set(found):
        return ports
    rules = [{group: weights.get(cluster(name, group), 0) for group in GROUPS} for weights in found.values()]
    open_to = routes.get(test, {}).get("test", {})
    return replace(
        ports,
        routes=rules[0],
        others=tuple(rule for rule in rules[1:] if rule != rules[0]),
        test_route=next((g for g in GROUPS if cluster(name, g, test=True) in open_to), None),
    )


def active(service: Service, seen: Seen | None) -> dict[str, int] | None:
    """Requests in flight per group, those that an injected delay still holds included."""
    if seen is None:
        return None
    traffic, _ = seen
    held = traffic.faults.get(seat(service.name, test=False), 0)
    return {
        group: traffic.active.get(cluster(service.name, group), 0) + (held if group in service.fault else 0)
        for group in GROUPS
    }


def silence(service: Service, seen: Seen | None) -> dict[str, float] | None:
    """Seconds without a new request per group, up to the last look at the counters.

    One that goes on, however long, is not new; one that an injected delay holds, or that waits for a
    connection, is still to come.

    A cluster that Envoy does not know yet was not watched: its silence has not begun.
    """
    if seen is None:
        return None
    traffic, when = seen
    held = traffic.faults.get(seat(service.name, test=False), 0)
    coming = {
        group: traffic.waiting.get(cluster(service.name, group), 0) + (held if group in service.fault else 0)
        for group in GROUPS
    }
    return {
        group: 0.0 if coming[group] else traffic.at - when.get(cluster(service.name, group), traffic.at)
        for group in GROUPS
    }
