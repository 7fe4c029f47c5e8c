"""
Counters that only rise, per instance, as counts per slot. Pure; time is the number of a slot.

What a counter's next value means, told apart here:

    no smaller                   so many more
    smaller, or its process new  the program began anew: all it shows was counted since
    a new series                 of an instance that was there before: counted since
                                 of a new instance: where it begins, and nothing more
    no reading                   waited for; the next one brings what was missed, spread evenly
    none for `GONE` slots        the instance is left out, and how often is told

An instance whose slot is waited for holds the slots of all back: both sides are always of one time (R29).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Final

from crossfade.release.values import Side
from crossfade.signals.conventions import KNOWN, Names, OwnPair, Reading, edges_of, failed, upper
from crossfade.signals.exposition import Series
from crossfade.signals.source import Arm

GONE: Final = 3
"""Slots without a reading after which an instance is not waited for any more."""

SAME_START_S: Final = 1.0
"""Starts of a process that are nearer than this are one: some libraries work it out anew each time."""


MOST_TIMES: Final = 1.5
SOME: Final = 20.0
"""A histogram may count half as much again as the requests, and some more: both are not read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What an instance did in a slot; fractions where it was spread."""

    requests: float = 0.0
    errors: float = 0.0
    below: Mapping[float, float] = field(default_factory=dict)
    """Requests not slower than an edge in ms, by edge; endless: all of them. Empty: not known."""
    own: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Figures of the user's own: total, and what failed."""

    def part(self, share: float) -> Delta:
        return Delta(
            requests=self.requests * share,
            errors=self.errors * share,
            below={edge: count * share for edge, count in self.below.items()},
            own={name: (total * share, failed * share) for name, (total, failed) in self.own.items()},
        )

    def row(self, edges_ms: Sequence[float]) -> Sequence[float]:
        """
        Requests per bucket; empty where an edge that is asked for is not among the instance's.

        What lies between two asked edges is added up: more buckets are read as fewer.
        """
        borders = [_same(edge) for edge in edges_ms] + [inf]
        if not edges_ms or any(border not in self.below for border in borders):
            return ()
        sums = [self.below[border] for border in borders]
        row = [high - low for low, high in zip([0.0, *sums], sums, strict=False)]
        return row if min(row) >= 0.0 else ()

    def arm(self, edges_ms: Sequence[float]) -> Arm:
        return arm_of([self], self.row(edges_ms))


def arm_of(parts: Collection[Delta], row: Sequence[float]) -> Arm:
    """What some instances did together, as the judge takes it."""
    names = {name for part in parts for name in part.own}
    own = {name: [part.own.get(name, (0.0, 0.0)) for part in parts] for name in sorted(names)}
    return {
        "requests": sum(part.requests for part in parts),
        "errors": sum(part.errors for part in parts),
        "latency": list(row),
        "kpi": {
            name: {"total": sum(total for total, _ in pairs), "failed": sum(failed for _, failed in pairs)}
            for name, pairs in own.items()
        },
    }


def between(before: Reading, after: Reading, names: Names, own: Mapping[str, OwnPair]) -> Delta:
    """What happened from one reading of an instance to the next."""
    anew = began_anew(before, after)
    requests = _rises({} if anew else before.requests, after.requests)
    below: dict[float, float] = {}
    for series, rise in _rises({} if anew else before.buckets, after.buckets).items():
        edge = _same(upper(series) * names.ms)
        below[edge] = below.get(edge, 0.0) + rise
    if below.get(inf, 0.0) > MOST_TIMES * sum(requests.values()) + SOME:
        below = {}  # buckets that count far more than the requests are not theirs alone
    return Delta(
        requests=sum(requests.values()),
        errors=sum(rise for series, rise in requests.items() if failed(series, names)),
        below=below,
        own={name: _pair(before, after, name, pair, anew=anew) for name, pair in own.items()},
    )


def _pair(before: Reading, after: Reading, name: str, pair: OwnPair, *, anew: bool) -> tuple[float, float]:
    """Total and failed. What is under way counts as failed where both are not counted at the same moment."""
    none: tuple[Mapping[Series, float], Mapping[Series, float]] = ({}, {})
    old, new = none if anew else before.own.get(name, none), after.own.get(name, none)
    total, part = (sum(_rises(a, b).values()) for a, b in zip(old, new, strict=True))
    failed = part if pair.part_is_failure else total - part
    return max(total, failed), max(failed, 0.0)


def _same(edge_ms: float) -> float:
    """An edge as it is compared: 0.005 s and 5 ms are one."""
    return edge_ms if edge_ms == inf else round(edge_ms, 6)


def began_anew(before: Reading, after: Reading) -> bool:
    """Whether another process answers: it says so, or a counter fell."""
    starts = (before.started, after.started)
    if starts[0] is not None and starts[1] is not None and abs(starts[1] - starts[0]) > SAME_START_S:
        return True
    pairs = [(before.requests, after.requests), (before.buckets, after.buckets)]
    for name, old in before.own.items():
        pairs += zip(old, after.own.get(name, ({}, {})), strict=True)
    return any(new.get(series, value) < value for old, new in pairs for series, value in old.items())


def _rises(before: Mapping[Series, float], after: Mapping[Series, float]) -> Mapping[Series, float]:
    return {series: value - before.get(series, 0.0) for series, value in after.items()}


def is_count(reading: Reading) -> bool:
    """Whether all values are counts; a NaN or an endless one is no reading (R24)."""
    own = [value for pair in reading.own.values() for part in pair for value in part.values()]
    values = (*reading.requests.values(), *reading.buckets.values(), *own)
    return all(isfinite(value) and value >= 0.0 for value in values)


@dataclass(slots=True)
class _Known:
    """One instance: its last reading and the slot at whose beginning it was taken."""

    slot: int
    reading: Reading


Who = tuple[Side, str]
"""An instance of a side."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """
    Readings of both sides in, closed slots out.

    A reading with number k was taken at the beginning of slot k; the reading k + 1 tells what was in slot k.
    """

    names: dict[Side, Names] = field(default_factory=dict)
    """Where each side's requests are; a version may name them otherwise than the one before."""
    own: Mapping[str, OwnPair] = field(default_factory=dict)
    """Figures of the user's own."""
    first: int | None = None
    """The first slot there can be counts of."""
    until: int = 0
    """The first slot that is not closed."""
    left_out: dict[int, Counter[Side]] = field(default_factory=dict)
    """Slot -> how many instances of a side it is without."""
    _known: dict[Who, _Known] = field(default_factory=dict)
    _shown: set[Side] = field(default_factory=set)
    """Sides of which an instance was ever read."""
    _done: dict[int, dict[Who, Delta]] = field(default_factory=dict)

    def take(self, slot: int, readings: Mapping[Who, Reading | None], *, waits: bool = False) -> None:
        """
        All instances there are at the beginning of a slot; None: it could not be read.

        One that is not listed any more was taken out on purpose and is waited for by nobody; unless the
        list comes from the readings themselves (`waits`).
        """
        if self.first is None:
            self.first = self.until = slot
        for who in [who for who in self._known if who not in readings]:
            if waits:
                self._miss(slot, who)
            else:
                del self._known[who]
        for side in self._shown if waits else ():
            if not any(who[0] is side for who in (*readings, *self._known)):
                self.left_out.setdefault(slot, Counter())[side] += 1  # gone altogether is not silent
        for who, found in readings.items():
            if found is not None and is_count(found):
                self._read(slot, who, found)
            else:
                self._miss(slot, who)
        self.until = max(self.until, min((known.slot for known in self._known.values()), default=slot))

    def arm(self, slot: int, side: Side, edges_ms: Sequence[float]) -> Arm | None:
        """A side in a closed slot; None where it has instances and none could be read."""
        parts = self._parts(slot, side).values()
        if not parts and slot in self.left_out and self.left_out[slot][side]:
            return None
        rows = [part.row(edges_ms) for part in parts if part.requests]
        # Where one that served shows no buckets, the others' would pass for all.
        whole = all(rows)
        return arm_of(parts, [sum(column) for column in zip(*rows, strict=True)] if whole else [])

    def instances(self, slot: int, side: Side, edges_ms: Sequence[float]) -> tuple[tuple[str, Arm], ...]:
        return tuple((name, part.arm(edges_ms)) for name, part in sorted(self._parts(slot, side).items()))

    def edges_ms(self) -> tuple[float, ...]:
        """The edges that all instances have whose buckets have been seen; none: there are no buckets."""
        shown = [
            edges
            for (side, _), known in self._known.items()
            if (edges := edges_of(known.reading, self._names(side)))
        ]
        return tuple(sorted(frozenset.intersection(*shown))) if shown else ()

    def missing(self, slot: int) -> int:
        """How many instances of both sides a slot is without."""
        return self.left_out[slot].total() if slot in self.left_out else 0

    def forget_before(self, slot: int) -> None:
        """Slots that nobody will ask for."""
        for old in [one for one in self._done if one < slot]:
            del self._done[old]
        for old in [one for one in self.left_out if one < slot]:
            del self.left_out[old]
        if self.first is not None:
            self.first = max(self.first, min(slot, self.until))

    def _names(self, side: Side) -> Names:
        return self.names.get(side) or next(iter(self.names.values()), KNOWN[0])

    def _parts(self, slot: int, side: Side) -> Mapping[str, Delta]:
        return {name: delta for (own, name), delta in self._done.get(slot, {}).items() if own is side}

    def _read(self, slot: int, who: Who, found: Reading) -> None:
        known = self._known.get(who)
        if known is not None and slot > known.slot:
            delta = between(known.reading, found, self._names(who[0]), self.own)
            share = 1.0 / (slot - known.slot)
            for one in range(known.slot, slot):
                self._done.setdefault(one, {})[who] = delta if share == 1.0 else delta.part(share)
        self._known[who] = _Known(slot, found)
        self._shown.add(who[0])

    def _miss(self, slot: int, who: Who) -> None:
        known = self._known.get(who)
        if known is not None and slot - known.slot < GONE:
            return
        if known is not None:
            del self._known[who]
        for one in range(slot if known is None else known.slot, slot + 1):
            self.left_out.setdefault(one, Counter())[who[0]] += 1
