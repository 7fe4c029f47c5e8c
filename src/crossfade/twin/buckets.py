"""
Throttling as AWS does it: token buckets per account, region and group of actions, in twin time.

ELBv2's numbers are from its user guide (a burst, refilled per second): mutating actions, target
registration and Describes each have a bucket, and all of them together drain a fourth one of the whole
account. A group whose burst is not published is taken to hold one second of its rate.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from crossfade.twin.call import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One bucket: `burst` calls at once, `per_second` afterwards."""

    name: str
    burst: float
    per_second: float


_ELB_TARGETS: Final = Limit(name="elbv2 targets", burst=20, per_second=4)
_ELB_READS: Final = Limit(name="elbv2 describe", burst=40, per_second=10)
_ELB_WRITES: Final = Limit(name="elbv2 mutating", burst=20, per_second=3)
_ELB_ALL: Final = Limit(name="elbv2 whole account", burst=40, per_second=10)

_BY_ACTION: Final = {
    ("elbv2", "RegisterTargets"): _ELB_TARGETS,
    ("elbv2", "DeregisterTargets"): _ELB_TARGETS,
    ("cloudwatch", "GetMetricData"): Limit(name="cloudwatch GetMetricData", burst=50, per_second=50),
    ("cloudwatch", "PutMetricData"): Limit(name="cloudwatch PutMetricData", burst=500, per_second=500),
    ("cloudwatch", "DescribeAlarms"): Limit(name="cloudwatch DescribeAlarms", burst=9, per_second=9),
    **{
        ("cloudwatch", action): Limit(name=f"cloudwatch {action}", burst=3, per_second=3)
        for action in ("PutMetricAlarm", "PutCompositeAlarm", "SetAlarmState")
    },
    **{
        ("ecs", action): Limit(name="ecs services", burst=50, per_second=5)
        for action in ("UpdateService", "CreateService")
    },
    ("ecs", "RegisterTaskDefinition"): Limit(name="ecs task definitions", burst=20, per_second=1),
    ("ecs", "DescribeServices"): Limit(name="ecs DescribeServices", burst=100, per_second=20),
    **{
        ("ecs", action): Limit(name="ecs tasks", burst=100, per_second=20)
        for action in ("DescribeTasks", "ListTasks")
    },
    **{
        ("ecs", action): Limit(name="ecs run and stop", burst=100, per_second=40)
        for action in ("RunTask", "StopTask")
    },
}


def limits_of(call: Call) -> tuple[Limit, ...]:
    """The buckets that a call takes a token from; none where AWS publishes no limit that we know."""
    own = _BY_ACTION.get((call.service, call.action))
    if call.service != "elbv2":
        return (own,) if own else ()
    return (own or (_ELB_READS if call.reads else _ELB_WRITES), _ELB_ALL)


class Buckets:
    """
    What is left of each bucket. Thread-safe.

    A call that finds one of its buckets empty takes from none: AWS does not say, and this is the kinder
    reading.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._left: dict[tuple[str, str, str], tuple[float, float]] = {}  # -> tokens, as of when
        self._lock = threading.Lock()

    def take(self, call: Call, account: str, *, others: float = 0.0) -> str:
        """The bucket that was empty, or nothing; `others` = the share that the rest of the account uses."""
        with self._lock:
            now = self._now()
            wanted = [
                (limit, (account, call.region, limit.name), limit.burst * (1 - others))
                for limit in limits_of(call)
            ]
            filled = {key: self._filled(limit, key, room, others, now) for limit, key, room in wanted}
            for limit, key, _ in wanted:
                if filled[key] < 1:
                    return limit.name
            for key, tokens in filled.items():
                self._left[key] = (tokens - 1, now)
        return ""

    def _filled(
        self, limit: Limit, key: tuple[str, str, str], room: float, others: float, now: float
    ) -> float:
        tokens, since = self._left.get(key, (room, now))
        return min(room, tokens + max(0.0, now - since) * limit.per_second * (1 - others))

    def left(self) -> Iterable[tuple[str, float]]:
        """Bucket -> tokens when it was last drawn from."""
        with self._lock:
            return [("/".join(key), tokens) for key, (tokens, _) in self._left.items()]
