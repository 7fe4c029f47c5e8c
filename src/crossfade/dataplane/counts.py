"""
What clients got, per second: access-log lines in, closed slots out.

`Ledger` is pure (time is an argument). A request belongs to the second in which it ended. A slot
is closed once the log was read beyond it by `LAG_S`; a line that comes later still is put into
the oldest open slot, so that nothing is lost and a closed slot never changes.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from crossfade.dataplane.model import EDGES_MS, GROUPS, Counted, Counts, Interval

LAG_S: Final = 0.3  # Envoy flushes every 50 ms; the rest is for a busy machine
KEEP_S: Final = 7_500  # a little over two hours
_NO_INSTANCE: Final = ""
_SERVER_ERROR: Final = 500
_SWITCHED: Final = 101


@dataclass(slots=True)
class _Tally:
    requests: int = 0
    app_errors: int = 0
    proxy_errors: int = 0
    injected: int = 0
    latency: array[int] = field(default_factory=lambda: array("I", bytes(4 * (len(EDGES_MS) + 1))))

    def add(self, other: _Tally) -> None:
        self.requests += other.requests
        self.app_errors += other.app_errors
        self.proxy_errors += other.proxy_errors
        self.injected += other.injected
        self.latency = array("I", map(int.__add__, self.latency, other.latency))

    def frozen(self) -> Counts:
        return Counts(
            requests=self.requests,
            app_errors=self.app_errors,
            proxy_errors=self.proxy_errors,
            injected=self.injected,
            latency=tuple(self.latency),
        )


_Key = tuple[str, str, str]  # service, group or "group.test" or "", instance or ""


class Ledger:
    """Slots of one second of all services. Not thread-safe: its owner holds a lock."""

    def __init__(self, now: float) -> None:
        self.known_from = float(math.floor(now))
        self.watermark = self.known_from
        self._slots: dict[int, dict[_Key, _Tally]] = {}
        self._turn: dict[str, int] = {}

    def add(self, line: Mapping[str, Any], instances: Mapping[str, Iterable[str]]) -> None:
        """Counts one parsed line of the access log.

        `instances`: cluster -> ids that serve it now. An injected error reaches no instance; it is
        dealt out in turn over these, as the proxy would have dealt the request.
        """
        took_us = line.get("d")
        took_ms = took_us / 1000 if took_us is not None else float(line.get("ms") or 0)
        ended = float(line["t"]) + took_ms / 1000
        cluster = line.get("c") or ""
        service, _, side = str(line["s"]).rpartition(".")
        group = cluster.removeprefix(f"{service}.") or (".test" if side == "test" else "")
        details = str(line.get("x") or "")
        fault = {"FI", "DI"} & set(str(line.get("f") or "").split(","))
        instance = line.get("i") or _NO_INSTANCE
        if details == "fault_filter_abort":
            instance = self._deal(cluster, tuple(instances.get(cluster, ())))
        stood_in = instance.partition("-")[0]
        if group in GROUPS and stood_in in GROUPS:
            group = stood_in  # who answered for a group of which nobody lives: it says nothing of that group
        slot = self._slots.setdefault(max(math.floor(ended), int(self.watermark)), {})
        tally = slot.setdefault((service, group, instance), _Tally())
        tally.requests += 1
        tally.injected += bool(fault)
        # A websocket or an event stream lasts as long as its user likes: its latency is its beginning.
        begun_us = line.get("h") if _lasts(line) else None
        tally.latency[bisect_left(EDGES_MS, took_ms if begun_us is None else begun_us / 1000)] += 1
        failed = int(line.get("r") or 0) >= _SERVER_ERROR
        if details in ("via_upstream", "fault_filter_abort"):
            tally.app_errors += failed
        else:
            tally.proxy_errors += failed or details.startswith("upstream_reset_after")

    def read_up_to(self, now: float) -> None:
        """The log was read to its end at `now`: closes what is older than the lag."""
        self.watermark = max(self.watermark, float(math.floor(now - LAG_S)))
        oldest = self.watermark - KEEP_S
        if self.known_from < oldest:
            for slot in [slot for slot in self._slots if slot < oldest]:
                del self._slots[slot]
            self.known_from = oldest

    def since(self, service: str, start: float, problem: str) -> Counted:
        """The closed slots of a service that start at or after `start`."""
        first = math.ceil(max(start, self.known_from))
        intervals = tuple(
            interval
            for slot in range(first, int(self.watermark))
            if (interval := self._interval(slot, service)) is not None
        )
        return Counted(
            intervals=intervals,
            known_from=self.known_from,
            watermark=self.watermark,
            problem=problem,
        )

    def _interval(self, slot: int, service: str) -> Interval | None:
        groups: dict[str, _Tally] = {}
        instances: dict[str, dict[str, Counts]] = {}
        test: dict[str, _Tally] = {}
        unrouted = 0
        for (name, group, instance), tally in self._slots.get(slot, {}).items():
            if name != service:
                continue
            if group in GROUPS:
                groups.setdefault(group, _Tally()).add(tally)
                if instance != _NO_INSTANCE:
                    instances.setdefault(group, {})[instance] = tally.frozen()
            elif group.endswith(".test"):
                test.setdefault(group.removesuffix(".test"), _Tally()).add(tally)
            else:
                unrouted += tally.requests
        if not groups and not test and not unrouted:
            return None
        return Interval(
            start=float(slot),
            end=slot + 1.0,
            groups={name: tally.frozen() for name, tally in groups.items()},
            instances=instances,
            test={name: tally.frozen() for name, tally in test.items()},
            unrouted=unrouted,
        )

    def _deal(self, cluster: str, ids: tuple[str, ...]) -> str:
        if not ids:
            return _NO_INSTANCE
        turn = self._turn[cluster] = self._turn.get(cluster, -1) + 1
        return ids[turn % len(ids)]


def _lasts(line: Mapping[str, Any]) -> bool:
    return line.get("r") == _SWITCHED or str(line.get("k") or "").startswith("text/event-stream")
