"""
What a load balancer measures: lines of the access log in, samples of AWS/ApplicationELB out.

Every request counts where it belongs: RequestCount and TargetResponseTime only where a target was chosen,
HTTPCode_Target only where a target answered, HTTPCode_ELB where the load balancer answered by itself; those
are of the load balancer alone. What did not happen is not recorded, so an error series has no zeros.
A sample bears the twin's time at which its request ended. Response times are the seconds from the request's
leaving for the target to the first byte of its answer, in steps of 10 µs, so that equal ones are one sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from crossfade.twin.balancer.routes import FIXED, REDIRECT
from crossfade.twin.clock import TwinClock
from crossfade.twin.metrics import Sink

NAMESPACE: Final = "AWS/ApplicationELB"

_NOTHING: Final = b"-"
_STEP_US: Final = 10
_STEPS_PER_S: Final = 100_000
_CLIENT_LEFT: Final = 460  # as a load balancer calls it in its log
_NO_TARGET: Final = frozenset((b"UH", b"UO", b"NC"))
_OWN_5XX: Final = frozenset((500, 502, 503, 504))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What a request counts as: series of load balancer and group, and of the load balancer alone."""

    both: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    timed: bool = False


class Meter:
    """
    Counts lines into a sink. NOT THREAD-SAFE.

    `healthy` tells how many targets of a cluster share its requests (RequestCountPerTarget).
    """

    def __init__(self, sink: Sink, clock: TwinClock, healthy: Callable[[str], int]) -> None:
        self._sink, self._clock, self._healthy = sink, clock, healthy
        self.broken = 0  # lines that are none: Envoy was killed in the middle of one

    def count(self, lines: Iterable[bytes]) -> None:
        """Records every request of these lines, equal samples as one."""
        requests: Counter[tuple[int, bytes, bytes, _Kind]] = Counter()
        times: Counter[tuple[int, bytes, bytes, int]] = Counter()
        for line in lines:
            try:
                balancer, began, took, ms, answered, cluster, status, flags, route = line.split(b"\t")
                span = int(took) / 1e6 if took != _NOTHING else int(ms) / 1e3
                ended = int(self._clock.at(float(began) + span))
                kind = _kind(int(status), flags, route, cluster != _NOTHING, answered != _NOTHING)
                step = round(int(answered) / _STEP_US) if kind.timed else 0
            except ValueError:
                self.broken += 1
                continue
            requests[ended, balancer, cluster, kind] += 1
            if kind.timed:
                times[ended, balancer, cluster, step] += 1
        for (ended, balancer, cluster, kind), number in requests.items():
            self._record(float(ended), balancer.decode(), cluster.decode(), kind, number)
        for (ended, balancer, cluster, step), number in times.items():
            for dimensions in _both(balancer.decode(), cluster.decode()):
                self._sink.record(
                    NAMESPACE,
                    "TargetResponseTime",
                    dimensions,
                    at=float(ended),
                    value=step / _STEPS_PER_S,
                    count=number,
                    unit="Seconds",
                )

    def _record(self, at: float, balancer: str, cluster: str, kind: _Kind, number: int) -> None:
        for name in kind.both:
            for dimensions in _both(balancer, cluster):
                self._counted(name, dimensions, at, number)
        for name in kind.alone:
            self._counted(name, {"LoadBalancer": balancer}, at, number)
        if "RequestCount" in kind.both:
            share = 1 / max(1, self._healthy(cluster))
            for dimensions in ({"TargetGroup": cluster}, _both(balancer, cluster)[1]):
                self._counted("RequestCountPerTarget", dimensions, at, number, share)

    def _counted(
        self, name: str, dimensions: dict[str, str], at: float, number: int, value: float = 1
    ) -> None:
        self._sink.record(NAMESPACE, name, dimensions, at=at, value=value, count=number, unit="Count")


def _both(balancer: str, cluster: str) -> tuple[dict[str, str], dict[str, str]]:
    return {"LoadBalancer": balancer}, {"LoadBalancer": balancer, "TargetGroup": cluster}


@lru_cache(maxsize=4096)
def _kind(status: int, flags: bytes, route: bytes, chosen: bool, answered: bool) -> _Kind:
    """What such a request counts as; few of them differ."""
    if route == REDIRECT.encode():
        return _Kind(alone=("HTTP_Redirect_Count", *_own(status)))
    if route == FIXED.encode():
        return _Kind(alone=("HTTP_Fixed_Response_Count", *_own(status)))
    flag = set(flags.split(b","))
    if not chosen or flag & _NO_TARGET:
        return _Kind(alone=_own(status))
    if answered:
        # Of an answer that broke off, its begin is what counts.
        return _Kind(both=("RequestCount", *_code("Target", status)), timed=True)
    if status == 0:
        return _Kind(both=("RequestCount",), alone=_own(_CLIENT_LEFT))
    failed = ("TargetConnectionErrorCount",) if b"UF" in flag else ()
    return _Kind(both=("RequestCount", *failed), alone=_own(status))


def _own(status: int) -> tuple[str, ...]:
    exact = (f"HTTPCode_ELB_{status}_Count",) if status in _OWN_5XX else ()
    return (*_code("ELB", status), *exact)


def _code(whose: str, status: int) -> tuple[str, ...]:
    first = status // 100
    if first == 2 and whose == "ELB":
        return ()  # there is no such series
    return (f"HTTPCode_{whose}_{first}XX_Count",) if 2 <= first <= 5 else ()
