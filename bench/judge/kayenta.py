"""
Kayenta's judge (NetflixACAJudge), the only widely used one that compares with stable.

Every metric is a series of one-minute points. Canary is High when the whole 98 %
confidence interval of the shift between the two series (Mann-Whitney, as R's
`wilcox.test` with normal approximation and continuity correction) lies above a
band of a quarter of the estimated shift, and the means do not speak against it.
Labels become a score per group, group scores a summary score.

LIMITS. The original finds the ends of the interval with a root finder that stops
at an absolute 1e-4 and so depends on the unit; here they are exact, which is
kinder to small rates. Removing outliers is an option there, off by default, and
absent here. Noise that it adds to two constant series changes no verdict.
Spinnaker advises a freshly started baseline; here the control is stable itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum
from math import ceil, isnan, sqrt
from statistics import NormalDist, fmean, median

from bench.judge.minutes import LATENCY, Header, Interval, Minutes, Point, gates_of, quantile_ms

CONFIDENCE = 0.98
"""Hard-coded in NetflixACAJudge."""
TOLERANCE = 0.25
"""Hard-coded: half width of the band, as a part of the estimated shift."""
ALLOWED_INCREASE = 1.0
"""Default of `effectSize.allowedIncrease`: least ratio of means for High."""
NODATA_CUT = 0.5
"""From this part of metrics without data on, the score is 0."""
PASS, MARGINAL = 95.0, 75.0
"""Score thresholds of Spinnaker's canary stage: below marginal a look fails at once, below pass
the last look fails."""
LOOK_EVERY = 3
"""Minutes between looks. The window grows from the start of the canary (lookback 0)."""
QUANTILES = (0.5, 0.99)


class Label(Enum):
    """What a metric is found to be; only an increase matters for errors, KPIs and latency."""

    PASS = "pass"  # noqa: S105 - no password
    HIGH = "high"
    NODATA = "nodata"


def _sigma(x: Sequence[float], y: Sequence[float], ties: Sequence[int]) -> float:
    n, m = len(x), len(y)
    lost = sum(t**3 - t for t in ties) / ((n + m) * (n + m - 1))
    return sqrt(n * m / 12.0 * (n + m + 1 - lost))


def p_value(x: Sequence[float], y: Sequence[float]) -> float:
    """Two-sided p of the rank-sum test as R's `wilcox.test(x, y, exact=FALSE)`; 1 if all are tied."""
    above = sum((a > b) + 0.5 * (a == b) for a in x for b in y) - len(x) * len(y) / 2.0
    sigma = _sigma(x, y, tuple(Counter((*x, *y)).values()))
    if sigma <= 0.0:
        return 1.0
    z = max(abs(above) - 0.5, 0.0) / sigma
    return 2.0 * NormalDist().cdf(-z)


def interval_of_shift(
    x: Sequence[float], y: Sequence[float], confidence: float
) -> tuple[float, float, float]:
    """(lower end, estimate, upper end) of the shift from y to x, of the same test turned round.

    The statistic steps down at each difference x_i - y_j, so the ends are order
    statistics of the differences and the estimate (Hodges-Lehmann) is their
    median. On few points no shift can be rejected and the ends are the extreme
    differences: min(x) - max(y) and max(x) - min(y).
    """
    differences = sorted(a - b for a in x for b in y)
    pairs = len(differences)
    inner = (*Counter(x).values(), *Counter(y).values())
    reach = NormalDist().inv_cdf(0.5 + confidence / 2.0) * _sigma(x, y, inner) + 0.5
    low = max(ceil(pairs / 2.0 - reach), 1) - 1
    return differences[low], median(differences), differences[pairs - 1 - low]


def classify(canary: Sequence[float], control: Sequence[float]) -> Label:
    """The label of one metric; points without data are NaN and are left out."""
    x = [value for value in canary if not isnan(value)]
    y = [value for value in control if not isnan(value)]
    if not x or not y:
        return Label.NODATA
    if sorted(x) == sorted(y):
        return Label.PASS
    low, shift, _ = interval_of_shift(x, y, CONFIDENCE)
    mean = fmean(y)
    ratio = fmean(x) / mean if mean > 0.0 else ALLOWED_INCREASE
    return Label.HIGH if low > TOLERANCE * abs(shift) and ratio >= ALLOWED_INCREASE else Label.PASS


def score(groups: Mapping[str, Sequence[Label]], *, critical: bool) -> float:
    """0 to 100: the mean of the groups' shares of passed metrics, groups weighing the same.

    0 when half of the metrics have no data, or when a critical one is High. A
    group without any data counts 100.
    """
    labels = [label for group in groups.values() for label in group]
    if labels.count(Label.NODATA) >= NODATA_CUT * len(labels):
        return 0.0
    if critical and Label.HIGH in labels:
        return 0.0
    shares = []
    for group in groups.values():
        passed, high = group.count(Label.PASS), group.count(Label.HIGH)
        shares.append(passed / (passed + high) if passed + high else 1.0)
    return 100.0 * fmean(shares)


class Kayenta:
    """Looks every three minutes and at the end of the bake; stops on a failing score.

    `critical` marks every metric "fail the canary if this metric fails". It is the
    strongest way to set Kayenta up and the default here: by score alone, with equal
    groups, a tripled p99 beside a sound p50 is Marginal and stops only the last look.
    """

    name = "kayenta"

    def __init__(self, header: Header, *, critical: bool = True) -> None:
        self._edges: Sequence[float] = header.get("edges_ms") or ()
        self._bake_s: float = header.get("bake_s", 0.0)
        self._critical = critical
        self._minutes = Minutes()
        self._start: float | None = None
        self._series: dict[str, list[tuple[list[float], list[float]]]] = {}
        for gate in gates_of(header):
            if gate != LATENCY:
                self._series[gate] = [([], [])]
            elif self._edges:
                self._series[gate] = [([], []) for _ in QUANTILES]
        self._stopped = False

    def push(self, interval: Interval) -> bool:
        """True from the first failing look on."""
        if self._stopped:
            return True
        if self._start is None:
            self._start = interval["start"]
        ended = self._minutes.add(interval)
        if ended is None:
            return False
        for gate, series in self._series.items():
            if all(point.trials(gate) is None for point in ended):
                continue
            for arm, point in enumerate(ended):
                for pair, value in zip(series, self._values(point, gate), strict=True):
                    pair[arm].append(value)
        last = interval["end"] - self._start >= self._bake_s
        if last or self._minutes.number % LOOK_EVERY == 0:
            self._stopped = self._score() < (PASS if last else MARGINAL)
        return self._stopped

    def _values(self, point: Point, gate: str) -> list[float]:
        if gate == LATENCY:
            return [quantile_ms(point.latency, self._edges, quantile) for quantile in QUANTILES]
        failures, trials = point.pair(gate) or (0.0, 0.0)
        return [failures / trials if trials > 0.0 else float("nan")]

    def _score(self) -> float:
        groups = {
            gate: [classify(canary, control) for canary, control in series]
            for gate, series in self._series.items()
            if series[0][0]
        }
        return score(groups, critical=self._critical) if groups else 100.0
