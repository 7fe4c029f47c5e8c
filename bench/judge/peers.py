"""
The judges that people use today, small and faithful, to stand beside ours in one simulated release.

Written from reading their sources and documents; thresholds are those of the
documents' own examples. All are deaf to what they cannot see: between two minute
ends nothing is judged. In their favour, metrics arrive without delay here and are
never lost. `kayenta.py` holds the one with a file of its own, `sequential.py` the
tests from the textbook; `minutes.py` says what a minute is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from bench.judge.kayenta import Kayenta
from bench.judge.minutes import LATENCY, Header, Interval, Minutes, Point, gates_of, quantile_ms
from bench.judge.sequential import IidProcess, Oracle, RepeatedZ

SUCCESS = 0.99
"""Least share of answered requests: `request-success-rate` of 99 in Flagger's documents
(usage/metrics, and nearly every tutorial). Argo's example says 95 %, which none of the effects
here but a crash would reach; it is given 99 % as well."""
P99_MS = 500.0
"""Most at the 99th percentile: `request-duration` of 500 ms in the same documents."""
KPI_SUCCESS = 0.95
"""Least share of a KPI that succeeds: the `successCondition: result >= 0.95` of Argo's example
(docs/features/analysis.md). No document has a KPI; at a usual failure of 3 % it leaves 2 points."""

FAILURE_LIMIT = 3
"""`failureLimit: 3` of Argo's example: the fourth failed measurement of one metric fails the run."""
CONSECUTIVE_ERROR_LIMIT = 4
"""Argo's default (`utils/defaults`): more errors in a row than this, so the fifth, end the run."""
ERROR_RETRY_S = 10.0
"""Argo's `DefaultErrorRetryInterval`: a measurement that was an error is repeated so soon."""

FLAGGER_THRESHOLD = 5
"""`threshold: 5` of Flagger's tutorials: failed checks before rollback. Its default is 1."""

DATAPOINTS, TO_ALARM = 3, 2
"""The M of N form that CloudWatch offers against alarms on a single spike; 2 of 3 is a usual choice."""


class Peer(Protocol):
    """Made from the header of a release, fed its intervals in order."""

    @property
    def name(self) -> str: ...

    def push(self, interval: Interval) -> bool:
        """True from the moment it would stop the release."""


class _Thresholds:
    """Whether a minute of the candidate keeps the limits above."""

    def __init__(self, header: Header) -> None:
        self.edges = tuple(header.get("edges_ms") or ())
        self.gates = tuple(gate for gate in gates_of(header) if gate != LATENCY or self.edges)

    def p99(self, point: Point) -> float:
        return quantile_ms(point.latency, self.edges, 0.99)

    def keeps(self, point: Point, gate: str) -> bool:
        """For a point with trials."""
        if gate == LATENCY:
            return self.p99(point) <= P99_MS
        failures, trials = point.pair(gate) or (0.0, 1.0)
        return 1.0 - failures / trials >= (SUCCESS if gate == "errors" else KPI_SUCCESS)


class Argo:
    """Argo Rollouts with a background AnalysisTemplate, one Prometheus measurement a minute.

    A minute without requests makes the query 0/0; NaN is not `>= 0.99`, so the
    measurement FAILS (`utils/evaluate` knows no NaN). Only while the candidate has
    never had a request is there no series at all: the empty result is an ERROR,
    repeated every 10 s, and the fifth in a row ends the run.

    LIMITS. The first measurement is at the end of the first minute, as with
    `initialDelay: 60s`. A measurement that succeeds on a repeat is not counted, and
    does not move the next one from the minute's end.
    """

    name = "argo"

    def __init__(self, header: Header) -> None:
        self._limits = _Thresholds(header)
        self._minutes = Minutes()
        self._failures = dict.fromkeys(self._limits.gates, 0)
        self._unseen = set(self._limits.gates)
        self._erring: dict[str, float] = {}
        self._stopped = False

    def push(self, interval: Interval) -> bool:
        """True from the measurement on that fails the run."""
        if not self._stopped:
            self._repeat(interval)
            ended = self._minutes.add(interval)
            if ended is not None:
                self._measure(ended[0], interval["end"])
        return self._stopped

    def _repeat(self, interval: Interval) -> None:
        for gate, since in list(self._erring.items()):
            if Point([interval["candidate"]]).trials(gate):
                del self._erring[gate]
                self._unseen.discard(gate)
            elif interval["end"] >= since + CONSECUTIVE_ERROR_LIMIT * ERROR_RETRY_S:
                self._stopped = True

    def _measure(self, point: Point, now_s: float) -> None:
        for gate in self._limits.gates:
            trials = point.trials(gate)
            if trials is None:
                continue
            if trials > 0.0:
                self._unseen.discard(gate)
                self._failures[gate] += not self._limits.keeps(point, gate)
            elif gate in self._unseen:
                self._erring.setdefault(gate, now_s)
            else:
                self._failures[gate] += 1
        self._stopped |= any(count > FAILURE_LIMIT for count in self._failures.values())


class Flagger:
    """Flagger: a tick a minute; one failed metric makes it one failed check, however many fail.

    Failed checks are never taken back. The tick that finds `threshold` of them rolls
    back before it checks anything: one minute later than the check that filled the
    count. No traffic is a failed check ("no values found"; NaN is no value either,
    since flagger#1095).

    LIMITS. The weight stays what the world says; Flagger would hold it after a
    failed check and raise it after a good one.
    """

    name = "flagger"

    def __init__(self, header: Header) -> None:
        self._limits = _Thresholds(header)
        self._minutes = Minutes()
        self._failed = 0
        self._stopped = False

    def push(self, interval: Interval) -> bool:
        """True from the tick on that rolls back."""
        ended = None if self._stopped else self._minutes.add(interval)
        if ended is not None:
            if self._failed >= FLAGGER_THRESHOLD:
                self._stopped = True
            else:
                self._failed += not all(self._passes(ended[0], gate) for gate in self._limits.gates)
        return self._stopped

    def _passes(self, point: Point, gate: str) -> bool:
        trials = point.trials(gate)
        if trials is None:
            return True
        if trials <= 0.0:
            return False
        if gate == LATENCY:
            # The original cuts to whole milliseconds before it compares.
            return int(self._limits.p99(point)) <= P99_MS
        return self._limits.keeps(point, gate)


class Alarm:
    """CloudWatch alarms, one per metric of the candidate; a deployment is stopped by any of them.

    Missing data is not breaching: a minute without requests counts as a good one.

    LIMITS. CloudWatch gets a minute's metrics two or three minutes late, which is not
    modelled, and skips missing points where its evaluation range holds enough real
    ones. Its percentile is of raw times, here it is of buckets.
    """

    name = "alarm 2 of 3"

    def __init__(self, header: Header) -> None:
        self._limits = _Thresholds(header)
        self._minutes = Minutes()
        self._breaches = {gate: deque([False] * DATAPOINTS, DATAPOINTS) for gate in self._limits.gates}
        self._stopped = False

    def push(self, interval: Interval) -> bool:
        """True from the first minute on that puts an alarm into ALARM."""
        ended = None if self._stopped else self._minutes.add(interval)
        if ended is not None:
            for gate, breaches in self._breaches.items():
                missing = not ended[0].trials(gate)
                breaches.append(not missing and not self._limits.keeps(ended[0], gate))
                self._stopped |= sum(breaches) >= TO_ALARM
        return self._stopped


PEERS: Mapping[str, Callable[[Header], Peer]] = {
    peer.name: peer for peer in (Argo, Flagger, Alarm, Kayenta, RepeatedZ, IidProcess, Oracle)
}
"""Name -> made from the header of a release."""
