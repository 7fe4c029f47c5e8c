"""
Evidence let in slowly: the two forms of a sequential process.

Both are a mixture over effects and start times, `X <- (X + v) * exp(l)`, with
brakes that only ever lower it. So each lies below a supermartingale on every
path, starts at 1 and passes 1/alpha with chance at most alpha (Ville), whatever
the brakes look at. The brakes are for what independence does not cover:
bursts, retries, one sick instance.

`Blocks`: one block of 15 s may add `cap`; where there are no counts per instance.
`Shares`: the arm draws from a bucket that refills, and one instance alone may
bring only a share; a `Blocks` may become a `Shares`, not the other way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, log1p

from crossfade.judge.caps import SCRAPE_S

NEVER = -inf
BAD_SCRAPE = 0.5
"""Nats per 5 s from which a scrape counts as bad."""
BAD_RUN = 4.0
"""Bad scrapes in a row that release the brake."""
RUN_REFILL = 3.0
BIRTH = 0.5
"""Start weight of an instance's own process when it is first seen; the rest follows the table's."""
LOG_BIRTH = log(BIRTH)


def log_add(a: float, b: float) -> float:
    if a < b:
        a, b = b, a
    return a if b == NEVER else a + log1p(exp(b - a))


def log_total(values: Sequence[float]) -> float:
    top = max(values)
    return top if top == NEVER else top + log(sum([exp(value - top) for value in values]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Brakes:
    """How fast evidence may come in, as of this interval."""

    per_instance: bool
    """Whether counts of two or more candidate instances are there."""
    cap: float
    """Nats a block may add."""
    block_s: float
    depth: float
    """Nats the bucket holds."""
    refill: float
    """Nats the bucket gains in 5 s."""
    share: float
    """Part of the way to the threshold that one instance may bring alone."""


class Blocks:
    """The first form: evidence of the closed blocks and of the open one, per alternative."""

    __slots__ = ("_closed", "_open", "_prior")

    def __init__(self, prior: Sequence[float]) -> None:
        self._prior = [log(weight) for weight in prior]
        self._closed = [NEVER] * len(prior)
        self._open = [0.0] * len(prior)

    def step(self, rows: Sequence[Sequence[float]], cap: float, *, opens: bool, v: float) -> None:
        """One interval; `opens`: a new block begins, and `v` of start weight with it."""
        if opens:
            for k, opened in enumerate(self._open):
                self._closed[k] += opened
                self._open[k] = 0.0
                if v > 0.0:
                    self._closed[k] = log_add(self._closed[k], log(v))
        for k, row in enumerate(rows):
            self._open[k] = min(self._open[k] + sum(row), cap)

    def log_m(self, unused: float) -> float:
        parts = [p + c + o for p, c, o in zip(self._prior, self._closed, self._open, strict=True)]
        parts.append(log(unused) if unused > 0.0 else NEVER)
        return log_total(parts)

    def lower(self, nats: float) -> None:
        """Give evidence up."""
        self._closed = [one - nats for one in self._closed]

    def shares(self) -> Shares:
        """The same evidence in the second form, belonging to no instance."""
        form = Shares([exp(p) for p in self._prior])
        form.base = [c + o for c, o in zip(self._closed, self._open, strict=True)]
        return form


class Shares:
    """The second form: evidence held per instance."""

    __slots__ = ("_alone", "_held", "_names", "_prior", "_run", "_tokens", "base")

    def __init__(self, prior: Sequence[float]) -> None:
        size = len(prior)
        self._prior = [log(weight) for weight in prior]
        self.base = [NEVER] * size
        """Log start weight, and evidence that belongs to no instance."""
        self._names: dict[str, int] = {}
        """Each instance's place in the rows below."""
        self._held: list[list[float]] = [[] for _ in prior]
        self._alone: list[list[float]] = [[] for _ in prior]
        """Each instance's process for itself, without the share: is it sick alone?"""
        self._tokens: list[float | None] = [None] * size
        self._run = [0.0] * size

    def step(
        self,
        rows: Sequence[Sequence[float]],
        names: Sequence[str],
        *,
        v: float,
        seconds: float,
        depth: float,
        refill: float,
        most: float,
    ) -> None:
        """One interval; `most`: nats that one instance may hold."""
        scrapes = seconds / SCRAPE_S
        unit = min(1.0, scrapes)
        if v > 0.0:
            self._start(log(v))
        places = self._places(names)
        for k, row in enumerate(rows):
            total = sum(row)
            self._run[k] = self._run[k] + unit if total >= BAD_SCRAPE * unit else 0.0
            rate = max(refill, RUN_REFILL) if self._run[k] >= BAD_RUN - 1e-9 else refill
            before = self._tokens[k]
            tokens = depth if before is None else min(before + rate * scrapes, depth)
            factor = 1.0
            if total > tokens:
                positive = sum([gain for gain in row if gain > 0.0])
                factor = 1.0 - (total - tokens) / positive
            held, alone = self._held[k], self._alone[k]
            taken = 0.0
            for place, gain in zip(places, row, strict=True):
                old = held[place]
                let = gain * factor if gain > 0.0 else gain
                new = old + let if let <= 0.0 else max(old, min(old + let, most))
                held[place] = new
                taken += new - old
                alone[place] += let
            self._tokens[k] = min(max(tokens - taken, 0.0), depth)

    def _places(self, names: Sequence[str]) -> list[int]:
        known = self._names
        for name in names:
            if name not in known:
                known[name] = len(known)
                for held, alone in zip(self._held, self._alone, strict=True):
                    held.append(0.0)
                    alone.append(LOG_BIRTH)
        return [known[name] for name in names]

    def _start(self, log_v: float) -> None:
        for k, held in enumerate(self._held):
            whole = sum(held) + self.base[k]
            after = log_add(whole, log_v)
            if log_v > whole:
                self._held[k] = [0.0] * len(held)
                self.base[k] = after
            else:
                self.base[k] += after - whole
            born = log_v + log(1.0 - BIRTH)
            self._alone[k] = [log_add(one, born) for one in self._alone[k]]

    def log_m(self, unused: float) -> float:
        parts = [p + b + sum(h) for p, b, h in zip(self._prior, self.base, self._held, strict=True)]
        parts.append(log(unused) if unused > 0.0 else NEVER)
        return log_total(parts)

    def lower(self, nats: float) -> None:
        """Give evidence up; that of instances first, which they can bring again."""
        for k, held in enumerate(self._held):
            positive = sum([one for one in held if one > 0.0])
            taken = min(nats, positive)
            if taken > 0.0:
                left = 1.0 - taken / positive
                self._held[k] = [one * left if one > 0.0 else one for one in held]
            self.base[k] -= nats - taken

    def alone(self, name: str) -> float:
        """Log evidence against this one instance."""
        place = self._names.get(name)
        if place is None:
            return NEVER
        return log_total([p + a[place] for p, a in zip(self._prior, self._alone, strict=True)])

    def top_alone(self, name: str) -> float:
        """Largest log evidence of any alternative against one instance: at least `alone`."""
        place = self._names.get(name)
        return NEVER if place is None else max([alone[place] for alone in self._alone])
