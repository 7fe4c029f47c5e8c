"""What Envoy says about one service, put into our words. Pure; unknown stays None."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crossfade.dataplane.config import cluster, seat
from crossfade.dataplane.envoy import Traffic
from crossfade.dataplane.model import GROUPS, Service

ReadBack = tuple[dict[str, dict[str, int]], dict[str, int]]
"""Listener -> cluster -> weight, and listener -> bound port."""

Seen = tuple[Traffic, dict[str, float]]
"""The counters, and when each cluster was last busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """Routes and ports of one service as Envoy runs them; `routes` None = it did not say."""

    routes: Mapping[str, int] | None = None
    test_route: str | None = None
    live: int | None = None
    test: int | None = None


def configured(name: str, seen: ReadBack | None) -> Configured:
    """The part of Envoy's own dump that is about one service."""
    if seen is None:
        return Configured()
    routes, bound = seen
    live, test = seat(name, test=False), seat(name, test=True)
    if live not in routes:
        return Configured(live=bound.get(live), test=bound.get(test))
    open_to = routes.get(test, {})
    return Configured(
        routes={group: routes[live].get(cluster(name, group), 0) for group in GROUPS},
        test_route=next((g for g in GROUPS if cluster(name, g, test=True) in open_to), None),
        live=bound.get(live),
        test=bound.get(test),
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
    """Seconds without a request per group, up to the last look at the counters.

    A cluster that Envoy does not know yet was not watched: its silence has not begun.
    """
    busy = active(service, seen)
    if seen is None or busy is None:
        return None
    traffic, when = seen
    return {
        group: 0.0 if busy[group] else traffic.at - when.get(cluster(service.name, group), traffic.at)
        for group in GROUPS
    }
