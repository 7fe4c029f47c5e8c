"""
The thread that measures: reads the access log many times a second, counts hosts and connections each minute.

It asks Envoy for its counters over a connection of its own, and nobody waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from crossfade.dataplane.envoy import Admin
from crossfade.dataplane.failures import complain
from crossfade.dataplane.logfile import LogFile
from crossfade.twin.balancer.census import Census, Hosts
from crossfade.twin.balancer.metrics import Meter
from crossfade.twin.clock import TwinClock
from crossfade.twin.metrics import Sink

_LOOK_S: Final = 0.1
_COUNTERS: Final = (
    r"^(http\..*\.downstream_cx_(total|active)|cluster\.targetgroup/.*\.upstream_cx_(total|active))$"
)


class Measuring(threading.Thread):
    """
    Measures until it is stopped, and what Envoy wrote last is read then.

    `hosts` counts the targets now; it names every load balancer and group that is used, by short names.
    """

    def __init__(
        self, log: Path, admin: Admin, clock: TwinClock, sink: Sink, hosts: Callable[[], Hosts]
    ) -> None:
        super().__init__(daemon=True, name="twin-metrics")
        self._admin, self._clock, self._hosts = admin, clock, hosts
        self._seen: Hosts = {}
        self._log = LogFile(log, self._reopen)
        self._meter = Meter(sink, clock, self._healthy)
        self._census = Census(sink, clock.now())
        self._over = threading.Event()

    def stop(self) -> None:
        """Ends the thread, and waits for it."""
        self._over.set()
        self.join()

    def run(self) -> None:
        while True:
            last = self._over.wait(_LOOK_S)
            try:
                self._round()
            except Exception:  # noqa: BLE001  # a dead reader would look like silence
                complain()
            if last:
                break
        self._log.close()
        self._admin.close()

    def _round(self) -> None:
        now = self._clock.now()
        self._seen = self._hosts()
        self._census.count_hosts(now, self._seen)
        for lines in self._log.lines():
            self._meter.count(lines)
        if self._census.minutes(now):
            self._census.turn(now)
            self._census.count_connections(now, self._connections())

    def _healthy(self, cluster: str) -> int:
        return max((numbers[0] for (_, group), numbers in self._seen.items() if group == cluster), default=0)

    def _connections(self) -> Mapping[str, tuple[int, int]]:
        """From clients, and to the targets of all its groups; empty where Envoy does not say."""
        try:
            found = {name: int(value) for name, value in self._admin.stats(_COUNTERS)}
        except OSError:
            return {}
        groups: dict[str, set[str]] = {}
        for balancer, group in self._seen:
            groups.setdefault(balancer, set()).add(group)

        def both(balancer: str, what: str) -> int:
            names = [f"http.{balancer}.downstream_cx_{what}"]
            names += [f"cluster.{group}.upstream_cx_{what}" for group in groups[balancer]]
            return sum(found.get(name, 0) for name in names)

        return {balancer: (both(balancer, "total"), both(balancer, "active")) for balancer in groups}

    def _reopen(self) -> None:
        try:
            self._admin.get("/reopen_logs", "POST")
        except OSError:  # asked again in the next round
            return
