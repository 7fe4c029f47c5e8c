"""
What goes wrong, by plan: which call is delayed, throttled, failed before or after it was done, or answered
with what was true a while ago.

A fault says whom it hits (service, action, resource; `*` and `?` match anything), how often
(`probability`, or the next `count` calls) and what happens. All draws come from one seed, for each fault
its own, so the n-th call that a fault could hit is hit or not whatever other calls ran in between.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from fnmatch import fnmatchcase
from itertools import count
from typing import Any, Final, Literal, get_args

from crossfade.twin.call import Call

Kind = Literal[
    "latency", "limits", "throttle", "fail_before", "fail_after", "drop_before", "drop_after", "stale",
    "propagation", "publish_delay", "chaos",
]  # fmt: skip

KINDS: Final[Mapping[str, str]] = {
    "latency": "the answer comes `delay` later",
    "limits": "AWS's own token buckets, of which the rest of the account uses the share `others`",
    "throttle": "refused as throttled, not done",
    "fail_before": "answered `status` and `code`, not done",
    "fail_after": "done, then answered `status` and `code`",
    "drop_before": "not done, and the connection closed without an answer",
    "drop_after": "done, and the connection closed without an answer",
    "stale": "a Describe of ELBv2 answers what was true `delay` ago",
    "propagation": "new routing is in force `delay` after the API said so",
    "publish_delay": "a load balancer's metrics of a minute can be read `delay` after its end",
    "chaos": "another hand changes the weights of a rule, once in each `delay`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`delay`: from and to, in twin seconds, drawn evenly; `count` None = for ever."""

    kind: Kind
    service: str = "*"
    action: str = "*"
    resource: str = "*"
    probability: float = 1.0
    count: int | None = None
    delay: tuple[float, float] = (0.0, 0.0)
    status: int = 500
    code: str = "InternalFailure"
    others: float = 0.0
    id: str = ""

    def hits(self, call: Call) -> bool:
        """Whether the call is one of those it is meant for."""
        return (
            fnmatchcase(call.service, self.service)
            and fnmatchcase(call.action, self.action)
            and (self.resource == "*" or any(fnmatchcase(one, self.resource) for one in call.names()))
        )

    def line(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "delay": list(self.delay)}

    def words(self) -> str:
        """For people, in one line."""
        low, high = self.delay
        span = f"{low:g} s" if low == high else f"{low:g}-{high:g} s"
        said = (
            f"{self.probability * 100:g} % of calls" if self.probability < 1 else "",
            f"next {self.count}" if self.count is not None else "",
            span if high else "",
            f"others {self.others * 100:g} %" if self.others else "",
        )
        more = ", ".join(filter(None, said))
        return f"{self.kind}: {KINDS[self.kind]}" + (f" ({more})" if more else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one call."""

    latency: float = 0.0
    others: float | None = None  # None = no token buckets
    ends: Fault | None = None  # what the caller gets instead of the answer
    stale: float = 0.0


_EVERYWHERE: Final = ("propagation", "publish_delay", "chaos")
_ENDS: Final = ("throttle", "fail_before", "drop_before", "fail_after", "drop_after")


class Faults:
    """The faults in force. Thread-safe."""

    def __init__(self, seed: int, faults: Iterable[Fault] = ()) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._live: dict[str, _Live] = {}
        for one in faults:
            self.add(one)

    def add(self, fault: Fault) -> Fault:
        """Puts it in force, under an id."""
        with self._lock:
            named = replace(fault, id=f"f{next(self._numbers)}")
            self._live[named.id] = _Live(named, random.Random(f"{self._seed}/{named.id}"))  # noqa: S311
            return named

    def remove(self, fault_id: str | None = None) -> int:
        """Ends one, or all; how many."""
        with self._lock:
            gone = [fault_id] if fault_id is not None else list(self._live)
            return sum(self._live.pop(one, None) is not None for one in gone)

    def all(self) -> tuple[Fault, ...]:
        """Those in force, with the count that is left."""
        with self._lock:
            return tuple(replace(one.fault, count=one.left) for one in self._live.values())

    def fate(self, call: Call) -> Fate:
        """Draws what becomes of a call; a fault with a count has one less afterwards."""
        latency, stale = 0.0, 0.0
        others: float | None = None
        ends: Fault | None = None
        with self._lock:
            for one in list(self._live.values()):
                fault = one.fault
                if not fault.hits(call):
                    continue
                if fault.kind == "limits":
                    others = max(others or 0.0, fault.others)
                elif fault.kind == "latency":
                    latency += self._drawn(one)
                elif fault.kind == "stale" and call.service == "elbv2" and call.reads:
                    stale = max(stale, self._drawn(one))
                elif fault.kind in _ENDS and ends is None and self._happens(one):
                    ends = fault
        return Fate(latency=latency, others=others, ends=ends, stale=stale)

    def propagation(self) -> float:
        """Twin seconds until a new routing is in force; the longest of what is drawn."""
        return max(self._drawn_of("propagation"), default=0.0)

    def publish_delay(self) -> float:
        """Twin seconds from the end of a minute until its metrics can be read; the longest drawn."""
        return max(self._drawn_of("publish_delay"), default=0.0)

    def chaos(self) -> tuple[tuple[Fault, float], ...]:
        """The hands that are at work, each with its next pause in twin seconds."""
        with self._lock:
            return tuple(
                (one.fault, one.rng.uniform(*one.fault.delay))
                for one in self._live.values()
                if one.fault.kind == "chaos"
            )

    def spend(self, fault_id: str) -> bool:
        """Whether this fault happens now; counts it."""
        with self._lock:
            one = self._live.get(fault_id)
            return one is not None and self._happens(one)

    def _drawn_of(self, kind: Kind) -> list[float]:
        with self._lock:
            return [self._drawn(one) for one in list(self._live.values()) if one.fault.kind == kind]

    def _drawn(self, one: _Live) -> float:
        return one.rng.uniform(*one.fault.delay) if self._happens(one) else 0.0

    def _happens(self, one: _Live) -> bool:
        if one.rng.random() >= one.fault.probability:
            return False
        if one.left is not None:
            one.left -= 1
            if one.left <= 0:
                self._live.pop(one.fault.id, None)
        return True


@dataclass(slots=True)
class _Live:
    fault: Fault
    rng: random.Random
    left: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.fault.count


class BadFault(ValueError):  # noqa: N818  # reads as a sentence
    """What was posted is not a fault; the message says why."""


def fault_of(data: Any) -> Fault:
    """A fault as posted; raises `BadFault` with what is wrong and what may be said."""
    if not isinstance(data, dict):
        raise BadFault("a fault is a JSON object")
    known = {one.name for one in fields(Fault)} - {"id"}
    if strange := sorted(set(data) - known):
        raise BadFault(f"unknown: {', '.join(strange)}; a fault has {', '.join(sorted(known))}")
    kind = data.get("kind")
    if kind not in get_args(Kind):
        raise BadFault(f"kind is {kind!r}; it is one of {', '.join(get_args(Kind))}")
    given = dict(data)
    given["delay"] = _delay(data.get("delay", 0))
    fault = Fault(**given)
    _prove(fault)
    return fault


def _delay(value: Any) -> tuple[float, float]:
    pair = value if isinstance(value, list) else [value, value]
    if len(pair) != 2 or not all(_number(one) for one in pair) or not 0 <= pair[0] <= pair[1]:
        raise BadFault("delay is twin seconds, or [from, to]")
    return float(pair[0]), float(pair[1])


def _prove(fault: Fault) -> None:
    texts = (fault.service, fault.action, fault.resource, fault.code)
    if not all(isinstance(one, str) and one for one in texts):
        raise BadFault("service, action, resource and code are texts")
    if not _number(fault.probability) or not 0 <= fault.probability <= 1:
        raise BadFault("probability is between 0 and 1")
    if fault.count is not None and (not _whole(fault.count) or fault.count < 1):
        raise BadFault("count is a whole number of calls, at least 1")
    if not _whole(fault.status) or not 400 <= fault.status <= 599:
        raise BadFault("status is an HTTP error, 400 to 599")
    if not _number(fault.others) or not 0 <= fault.others < 1:
        raise BadFault("others is a share, at least 0 and below 1")
    if fault.kind in _EVERYWHERE and (fault.service, fault.action) != ("*", "*"):
        raise BadFault(f"{fault.kind} is of no single call: it takes neither service nor action")
    if fault.kind == "chaos" and fault.delay[1] <= 0:
        raise BadFault("chaos needs a delay: how long it pauses between two edits")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
