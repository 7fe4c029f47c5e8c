"""
What is counted once a minute: healthy and unhealthy targets, connections. Samples of AWS/ApplicationELB.

Targets are counted at every change too, so that the largest and the smallest number of a minute are true.
Minutes are the twin's; those that a jump of the clock left out get what was true before it.
Pure: time is an argument. NOT THREAD-SAFE.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crossfade.twin.balancer.metrics import NAMESPACE
from crossfade.twin.metrics import Sink

_MINUTE_S: Final = 60
_MOST_MINUTES: Final = 3 * 60  # after a longer jump the rest stays without data

Hosts = Mapping[tuple[str, str], tuple[int, int]]
"""(load balancer, group) -> how many targets are healthy, and how many are not."""

Connections = Mapping[str, tuple[int, int]]
"""Load balancer -> connections ever since, and those open now."""


class Census:
    """Remembers what was counted last."""

    def __init__(self, sink: Sink, now: float) -> None:
        self._sink = sink
        self._minute = int(now // _MINUTE_S)
        self._hosts: Hosts = {}
        self._ever: dict[str, int] = {}

    def minutes(self, now: float) -> range:
        """The minutes that have begun since the last count."""
        minute = int(now // _MINUTE_S)
        return range(max(self._minute, minute - _MOST_MINUTES) + 1, minute + 1)

    def count_hosts(self, now: float, hosts: Hosts) -> None:
        """To be called often; records at a minute's begin, and what has changed."""
        for minute in self.minutes(now):
            for pair, numbers in self._hosts.items():
                self._record_hosts(pair, numbers, at=float(minute * _MINUTE_S))
        for pair, numbers in hosts.items():
            if self._hosts.get(pair) != numbers:
                self._record_hosts(pair, numbers, at=now)
        self._hosts = dict(hosts)

    def count_connections(self, now: float, connections: Connections) -> None:
        """To be called once a minute, at its end."""
        for balancer, (ever, active) in connections.items():
            before = self._ever.get(balancer, 0)
            fresh = ever - before if ever >= before else ever  # Envoy was started anew
            self._ever[balancer] = ever
            for name, number in (("NewConnectionCount", fresh), ("ActiveConnectionCount", active)):
                if number:
                    self._record(name, {"LoadBalancer": balancer}, float(number), at=now)

    def turn(self, now: float) -> None:
        """The minutes up to now are counted."""
        self._minute = int(now // _MINUTE_S)

    def _record_hosts(self, pair: tuple[str, str], numbers: tuple[int, int], at: float) -> None:
        dimensions = {"LoadBalancer": pair[0], "TargetGroup": pair[1]}
        for name, number in zip(("HealthyHostCount", "UnHealthyHostCount"), numbers, strict=True):
            self._record(name, dimensions, float(number), at=at)

    def _record(self, name: str, dimensions: Mapping[str, str], value: float, *, at: float) -> None:
        self._sink.record(NAMESPACE, name, dimensions, at=at, value=value, unit="Count")
