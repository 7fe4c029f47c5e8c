"""
One table: its counts, its bet, its brakes, and what of it is shown.

A gate is one or more tables: errors and a KPI are one, latency is one per cut,
every absolute limit is one more. A table's evidence is the smaller of "worse than
stable" and "worse than the floor": both must be proved, and neither may run far ahead
of the other, so that what proved one yesterday cannot wait for the other today.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, log

from crossfade.judge import budget
from crossfade.judge.bet import THETAS, Bet, Limit
from crossfade.judge.cuts import Cut, slower
from crossfade.judge.inputs import Counts, Rule
from crossfade.judge.methods import Method
from crossfade.judge.noise import Dispersion
from crossfade.judge.planning import NO_TRAFFIC, Part
from crossfade.judge.process import Blocks, Brakes, Shares

PRIOR = (1.0 / len(THETAS),) * len(THETAS)
MOST_NEED = 10.0
EXCURSION, SHOWN_FROM = 2.0, log(3.0)
"""Nats of a recent excursion, and log evidence, from which the counts since it began are shown
and not those of the whole step.
"""
SHOWN_THETA = 2
Row = tuple[float, ...]
Pair = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a table counts and tests."""

    rule: Rule
    weight: float
    """Part of the budget; in `mode: observe` part of a budget of the gate's own."""
    cut: Cut | None = None
    limit: float | None = None
    """An absolute limit, as a share; None: against stable."""
    limit_cut: int | None = None
    """Edge of an absolute limit on latency."""
    limit_ms: float | None = None
    at: float | None = None

    def counts(self, arm: Counts, *, candidate: bool) -> Pair:
        """(failures, trials) of one arm or instance."""
        if self.cut is not None:
            return slower(arm.latency, self.cut.candidate if candidate else self.cut.stable)
        if self.limit_cut is not None:
            return slower(arm.latency, self.limit_cut)
        if self.rule.kind == "errors":
            return arm.errors, arm.requests
        total, failed = arm.kpi.get(self.rule.name, (0.0, 0.0))
        return failed, total


@dataclass(slots=True)
class Starts:
    """When start weight is spent: most on the first block, some on each step, the rest on a
    30 s raster for ever. Each spends a part of what is left, and the n-th mark at most 1/n:
    what is left falls like 1/n, and a break after hours is still found soon.
    """

    first: float = budget.FIRST_START
    unused: float = 1.0
    lasting: bool = True
    """Whether the raster thins out with the age of the release; else it is used up in time."""
    _marks: float = 1.0
    _pending: float = 0.0
    _since: float = inf
    _used: float = inf
    _begun: bool = False

    def beat(self, seconds: float, *, new_step: bool, bake_s: float, block_s: float) -> tuple[bool, float]:
        """(a block begins, start weight to be spent with it) for an interval about to be judged.

        `block_s` 0: every interval is a block.
        """
        part = 0.0
        if not self._begun:
            part, self._begun, self._since = self.first, True, 0.0
        elif new_step:
            part, self._since = budget.STEP_START, 0.0
        elif self._since >= budget.RASTER_S - 1e-9:
            raster = budget.RASTER_S / (bake_s + budget.RASTER_S)
            self._marks += 1.0
            part, self._since = min(raster, budget.STEP_START), 0.0
            if self.lasting:
                part = min(part, 1.0 / self._marks)
        self._pending += (self.unused - self._pending) * part
        self._since += seconds
        opens = self._used >= block_s - 1e-9
        self._used = seconds if opens else self._used + seconds
        if not opens:
            return False, 0.0
        v, self._pending = self._pending, 0.0
        self.unused -= v
        return True, v


@dataclass(slots=True)
class Book:
    """What was seen since some moment, both arms alike."""

    e_c: float = 0.0
    n_c: float = 0.0
    e_b: float = 0.0
    n_b: float = 0.0
    latency_c: Row = ()
    latency_b: Row = ()

    def minus(self, earlier: Book) -> Book:
        return Book(
            self.e_c - earlier.e_c,
            self.n_c - earlier.n_c,
            self.e_b - earlier.e_b,
            self.n_b - earlier.n_b,
            _less(self.latency_c, earlier.latency_c),
            _less(self.latency_b, earlier.latency_b),
        )


def _less(row: Row, earlier: Row) -> Row:
    if not earlier or not row:
        return row
    return tuple([max(a - b, 0.0) for a, b in zip(row, earlier, strict=True)])


@dataclass(slots=True)
class Beat:
    """What all tables are told about an interval."""

    seconds: float
    bake_s: float
    brakes: Brakes
    surge: bool
    instances: int
    latency_c: Row
    """Judged latency of the candidate and of stable in the release up to now, for the books."""
    latency_b: Row


@dataclass(slots=True)
class Table:
    """The state of one table."""

    kind: Kind
    alpha: float
    method: Method
    past: Pair = (0.0, 0.0)
    starts: Starts = field(init=False)
    noise: Dispersion = field(default_factory=Dispersion)
    temper: float = 1.0
    """What evidence is divided by, 1 or more. `exp(l / t)` has mean <= 1 where `exp(l)` has (Jensen)."""
    parts: list[Part] = field(default_factory=lambda: [NO_TRAFFIC])
    """Traffic judged, one part per step."""
    bet: Bet = field(init=False)
    _limits: list[Limit] = field(init=False)
    _forms: list[Blocks | Shares] = field(init=False)
    _total: Book = field(default_factory=Book)
    _step: Book = field(default_factory=Book)
    _quiet: Book = field(default_factory=Book)
    _excursion: float = 0.0
    _fresh: bool = False

    def __post_init__(self) -> None:
        self.starts = Starts(lasting=self.method.lasting)
        rule, limit = self.kind.rule, self.kind.limit
        self.bet = Bet(1.0 if rule.kind == "latency" else rule.at_most, *self.past)
        if limit is not None:
            self._limits = [Limit(limit)]
        else:
            self._limits = [Limit(rule.ignore_below)] if rule.ignore_below > 0.0 else []
        size = len(self._limits) + (limit is None)
        self._forms = [Blocks(PRIOR) for _ in range(size)]

    def judge(self, candidate: Sequence[tuple[str, Counts]], stable: Counts, beat: Beat) -> None:
        """One interval. `candidate`: instances not in warm-up, or the arm under one name."""
        names = [name for name, _ in candidate]
        pairs = [self.kind.counts(counts, candidate=True) for _, counts in candidate]
        failures, trials = self.kind.counts(stable, candidate=False)
        rows = [limit.evidence(pairs) for limit in self._limits]
        if self.kind.limit is None:
            rows.append(self.bet.evidence(pairs, failures, trials))
        if trials <= 0.0 and self.kind.limit is None:
            rows = [[[0.0] * len(pairs) for _ in THETAS] for _ in rows]
        if self.temper > 1.0:
            rows = [[[gain / self.temper for gain in row] for row in form] for form in rows]
        if beat.surge:
            rows = [[[min(gain, 0.0) for gain in row] for row in form] for form in rows]
        self._keep(pairs, failures, trials, rows[-1][SHOWN_THETA], beat)
        self._let_in(names, rows, beat)

    def _let_in(self, names: Sequence[str], rows: Sequence[Sequence[Sequence[float]]], beat: Beat) -> None:
        brakes = beat.brakes
        block_s = 0.0 if brakes.per_instance else brakes.block_s
        opens, v = self.starts.beat(beat.seconds, new_step=self._fresh, bake_s=beat.bake_s, block_s=block_s)
        self._fresh = False
        need = log(1.0 / (self.alpha * self.kind.weight * budget.FIRST_START))
        most = brakes.share * min(MOST_NEED, need) / (beat.instances / 2.0) ** 0.5
        for index, row in enumerate(rows):
            form = self._forms[index]
            if brakes.per_instance and isinstance(form, Blocks):
                form = self._forms[index] = form.shares()
            if isinstance(form, Blocks):
                form.step(row, brakes.cap, opens=opens, v=v)
            else:
                form.step(
                    row,
                    names,
                    v=v,
                    seconds=beat.seconds,
                    depth=brakes.depth,
                    refill=brakes.refill,
                    most=most,
                )
        self._keep_abreast()

    def _keep_abreast(self) -> None:
        """Neither form may bank more than some nats that the other lacks."""
        levels = [form.log_m(self.starts.unused) for form in self._forms]
        most = min(levels) + self.method.most_lead
        for form, level in zip(self._forms, levels, strict=True):
            if level > most:
                form.lower(level - most)

    def _keep(
        self,
        pairs: Sequence[Pair],
        failures: float,
        trials: float,
        gains: Sequence[float],
        beat: Beat,
    ) -> None:
        """Totals for what is shown, and the traffic for the question of power."""
        if self._excursion <= 0.0:
            self._quiet = self._total
        self._excursion = max(0.0, self._excursion + sum(gains))
        old, trials_c = self._total, sum(n for _, n in pairs)
        self._total = Book(
            old.e_c + sum(e for e, _ in pairs),
            old.n_c + trials_c,
            old.e_b + failures,
            old.n_b + trials,
            beat.latency_c,
            beat.latency_b,
        )
        last = self.parts.pop()
        self.parts.append(
            Part(
                candidate=last.candidate + trials_c,
                stable=last.stable + trials,
                seconds=last.seconds + beat.seconds,
            )
        )

    def learn(self, stable: Counts, seconds: float) -> None:
        """Stable's counts, judged or not."""
        failures, trials = self.kind.counts(stable, candidate=False)
        self.bet.learn(failures, trials, seconds)
        self.noise.add(failures, trials)

    def begin_step(self) -> None:
        """A new bake window: the books turn a page, the evidence stays (R31)."""
        self._step, self._excursion, self._fresh = self._total, 0.0, True
        self.parts.append(NO_TRAFFIC)

    @property
    def log_m(self) -> float:
        """Log evidence of the table, before its part of the budget."""
        return min(form.log_m(self.starts.unused) for form in self._forms)

    def alone(self, name: str) -> float:
        """Log evidence against one instance, without the share; 0 where none is known."""
        return min(form.alone(name) if isinstance(form, Shares) else 0.0 for form in self._forms)

    def top_alone(self, name: str) -> float:
        """At least `alone`, and cheap."""
        return min(form.top_alone(name) if isinstance(form, Shares) else 0.0 for form in self._forms)

    def shown(self) -> Book:
        """Counts since it went wrong, if it did, else of the present step."""
        wrong = self._excursion >= EXCURSION and self.log_m >= SHOWN_FROM
        since = self._quiet if wrong else self._step
        return self._total.minus(since)

    def release(self) -> Book:
        """Counts of the whole release."""
        return self._total
