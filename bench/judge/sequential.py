"""
Tests from the textbook beside our judge: what is lost without brakes, and what no judge may beat.

`RepeatedZ` is what a careful person writes in an afternoon, `IidProcess` is our
judge's bet without its brakes, `Oracle` knows the answer and only has to prove it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log, sqrt
from statistics import NormalDist
from typing import Any

from bench.judge.minutes import (
    LATENCY,
    Arm,
    Header,
    Interval,
    Minutes,
    Pair,
    Point,
    before,
    gates_of,
    pair_of,
)
from crossfade.judge.bet import THETAS, Bet
from crossfade.judge.budget import KINDS
from crossfade.judge.cuts import Cut, choose, slower
from crossfade.judge.inputs import Rule, read_rules

Z_LEVEL = 0.01
"""One-sided level of each look, as if it were the only one."""
SLOW_SHARE = 0.01
"""Requests are slow beyond the first edge that at most so many of stable's exceed: its p99."""
LEARN_S = 30.0
"""Without a history: so much of stable's latency is seen before it is cut."""
LEAST_SHARE = 1e-9
"""Nothing is impossible: one stray success must not silence the oracle for ever."""


def _sure(counts: Pair | None) -> Pair:
    return counts or (0.0, 0.0)


class RepeatedZ:
    """A two-proportion z-test on cumulative counts at every minute's end, each at one-sided 1 %.

    Tests errors, every KPI, and requests slower than stable's p99 (of the history, or
    else of the first minute). No correction for the looks or for their number.
    """

    name = "z each minute"

    def __init__(self, header: Header) -> None:
        self._gates = gates_of(header)
        self._edges: Sequence[float] = header.get("edges_ms") or ()
        self._edge = self._slow_edge(before(header).latency)
        self._minutes = Minutes()
        self._sums: dict[str, list[float]] = {gate: [0.0] * 4 for gate in self._gates}
        self._limit = NormalDist().inv_cdf(1.0 - Z_LEVEL)
        self._stopped = False

    def push(self, interval: Interval) -> bool:
        """True from the first look on that rejects."""
        ended = None if self._stopped else self._minutes.add(interval)
        if ended is not None:
            candidate, stable = ended
            if self._edge is None:
                self._edge = self._slow_edge(stable.latency)
            for gate, sums in self._sums.items():
                for index, count in enumerate((*self._pair(candidate, gate), *self._pair(stable, gate))):
                    sums[index] += count
                self._stopped |= z_of(*sums) > self._limit
        return self._stopped

    def _pair(self, point: Point, gate: str) -> Pair:
        if gate != LATENCY:
            return _sure(point.pair(gate))
        return (0.0, 0.0) if self._edge is None else slower(point.latency, self._edge)

    def _slow_edge(self, row: Sequence[float]) -> int | None:
        requests = sum(row)
        edges = range(len(self._edges) if requests > 0.0 else 0)
        return next((edge for edge in edges if slower(row, edge)[0] <= SLOW_SHARE * requests), None)


def z_of(e_c: float, n_c: float, e_b: float, n_b: float) -> float:
    """The pooled two-proportion z, positive where the candidate fails more; 0 without a contrast."""
    if n_c <= 0.0 or n_b <= 0.0:
        return 0.0
    pooled = (e_c + e_b) / (n_c + n_b)
    variance = pooled * (1.0 - pooled) * (1.0 / n_c + 1.0 / n_b)
    return (e_c / n_c - e_b / n_b) / sqrt(variance) if variance > 0.0 else 0.0


class _Table:
    """One table of the process: a product of bets per theta, nothing held back."""

    __slots__ = ("_bet", "_cut", "_gate", "_logs", "weight")

    def __init__(self, rule: Rule, weight: float, past: Pair, cut: Cut | None = None) -> None:
        # A cut has its tolerance in the ratio of its edges already.
        self._bet = Bet(1.0 if cut else rule.at_most, *past)
        self._gate, self._cut = rule.name, cut
        self._logs = [0.0] * len(THETAS)
        self.weight = weight

    def add(self, candidate: Arm, stable: Arm, seconds: float) -> None:
        cut = self._cut
        if cut is None:
            c, b = _sure(pair_of(candidate, self._gate)), _sure(pair_of(stable, self._gate))
        else:
            c = slower(candidate.get("latency", ()), cut.candidate)
            b = slower(stable.get("latency", ()), cut.stable)
        rows = self._bet.evidence([c], *b)
        self._logs = [log_e + row[0] for log_e, row in zip(self._logs, rows, strict=True)]
        self._bet.learn(*b, seconds)

    def value(self) -> float:
        """The e-value: the mean over thetas. Capped far beyond any 1/alpha, where `exp` ends."""
        return sum(exp(min(log_e, 500.0)) for log_e in self._logs) / len(THETAS)


class IidProcess:
    """The sequential test for independent requests: our bet, looked at after every interval.

    E = sum of weight * mean over odds ratios of the product of bets; stops at 1/alpha.
    The false stops are at most alpha where requests are independent and the arms
    differ by nothing but chance. No cap per block, no floor, no restarts, no lanes.
    """

    name = "iid e-process"

    def __init__(self, header: Header) -> None:
        self._limit = 1.0 / header.get("alpha", Z_LEVEL)
        self._edges: Sequence[float] = header.get("edges_ms") or ()
        rules = read_rules(header.get("gates"))
        past = before(header)
        present = {rule.kind for rule in rules}
        whole = sum(KINDS[kind] for kind in present)
        self._tables: list[_Table] = []
        self._waiting: tuple[Rule, float] | None = None
        for rule in rules:
            same = sum(other.kind == rule.kind for other in rules)
            weight = KINDS[rule.kind] / whole / same
            if rule.kind == "latency":
                self._waiting = rule, weight
            else:
                self._tables.append(_Table(rule, weight, _sure(past.pair(rule.name))))
        self._rows: list[Arm] = []
        self._seen_s = 0.0
        self._open(past.latency)
        self._stopped = False

    def push(self, interval: Interval) -> bool:
        """True from the first interval on with E >= 1/alpha."""
        if self._stopped:
            return True
        candidate, stable = interval["candidate"], interval["stable"]
        seconds = interval["end"] - interval["start"]
        for table in self._tables:
            table.add(candidate, stable, seconds)
        if self._waiting is not None:
            self._rows.append(stable)
            self._seen_s += seconds
            if self._seen_s >= LEARN_S:
                self._open(Point(self._rows).latency)
        # A gate that has not been bet on keeps its stake.
        unused = self._waiting[1] if self._waiting else 0.0
        self._stopped = unused + sum(t.weight * t.value() for t in self._tables) >= self._limit
        return self._stopped

    def _open(self, row: Sequence[float]) -> None:
        if self._waiting is None or not row:
            return
        rule, weight = self._waiting
        cuts = choose(row, self._edges, rule.at_most, rule.at)
        if cuts:
            self._waiting = None
        for cut in cuts:
            self._tables.append(_Table(rule, weight / len(cuts), slower(row, cut.stable), cut))


class Oracle:
    """Knows both rates exactly and tests "bad candidate" against "both alike": the limit for two arms.

    `header["truth"]` holds what the release changes: for `errors` and KPIs (stable's
    rate, the candidate's), for `latency` (stable's share per bucket, the candidate's),
    and as `since`, if not from the start, the second from which on. The null is the
    one nearest to it, both arms at the rate pooled by trials; several changed entries
    multiply, as they do where the world draws them independently. Without a truth it
    never stops.

    Nobody has this knowledge. No comparison of two arms that keeps alpha is faster on
    average; an absolute threshold that happens to lie right may be.
    """

    name = "two-arm oracle"

    def __init__(self, header: Header) -> None:
        truth: Mapping[str, Any] = header.get("truth") or {}
        self._limit = -log(header.get("alpha", Z_LEVEL))
        self._since: float = truth.get("since", 0.0)
        self._shares: dict[str, tuple[list[float], list[float]]] = {}
        for gate, (stable, candidate) in ((g, v) for g, v in truth.items() if g != "since"):
            if gate == LATENCY:
                self._shares[gate] = list(stable), list(candidate)
            else:
                self._shares[gate] = [stable, 1.0 - stable], [candidate, 1.0 - candidate]
        self._log_e = 0.0
        self._stopped = False

    def push(self, interval: Interval) -> bool:
        """True from the first interval on with a likelihood ratio of 1/alpha."""
        if not self._stopped and interval["start"] >= self._since:
            for gate, (stable, candidate) in self._shares.items():
                c, b = _row(interval["candidate"], gate), _row(interval["stable"], gate)
                self._log_e += log_ratio(c, b, candidate, stable)
            self._stopped = bool(self._shares) and self._log_e >= self._limit
        return self._stopped


def _row(arm: Arm, gate: str) -> Sequence[float]:
    if gate == LATENCY:
        row: Sequence[float] = arm.get("latency", ())
        return row
    failures, trials = _sure(pair_of(arm, gate))
    return failures, trials - failures


def log_ratio(c: Sequence[float], b: Sequence[float], p_c: Sequence[float], p_b: Sequence[float]) -> float:
    """Log likelihood of counts per outcome under (p_c, p_b) against both at the pooled shares.

    The pooled shares are the null nearest in KL divergence, so the ratio's mean is at
    most 1 wherever the arms are alike. 0 when an arm is empty.
    """
    n_c, n_b = sum(c), sum(b)
    if n_c <= 0.0 or n_b <= 0.0:
        return 0.0
    w = n_c / (n_c + n_b)
    total = 0.0
    for count_c, count_b, share_c, share_b in zip(c, b, p_c, p_b, strict=True):
        if count_c <= 0.0 and count_b <= 0.0:
            continue
        bad, good = max(share_c, LEAST_SHARE), max(share_b, LEAST_SHARE)
        null = w * bad + (1.0 - w) * good
        total += count_c * log(bad / null) + count_b * log(good / null)
    return total
