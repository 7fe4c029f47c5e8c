"""
From evidence to a verdict: has it failed, is the bake over, would it have been seen?

`fail` needs E >= 1/alpha and stays. `pass` needs the step's bake covered by
data, requests to the candidate in this step, and 90 % power for `must_see` of
every gate that may stop, from the data of the whole release. Anything less is
said as what it is (R24, R32).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import exp, log

from crossfade.judge import budget, words
from crossfade.judge.caps import Braking, block_s_of
from crossfade.judge.cuts import DEEP, share_slower
from crossfade.judge.inputs import Counts, Rule, Settings
from crossfade.judge.lanes import Outage, Traffic
from crossfade.judge.planning import (
    NO_TRAFFIC,
    Effect,
    error_effect,
    latency_effect,
    missing_s,
    need_nats,
)
from crossfade.judge.process import NEVER, log_total
from crossfade.judge.ratio import rate_ratio, time_ratio
from crossfade.judge.table import Table
from crossfade.judge.types import GateVerdict, Say, Verdict

EPSILON = 1e-6
PRESENT_S = 30.0
"""An instance not seen for longer is gone."""
SUSPECT = 1.0
"""Nats of a table against an instance below which it is not added up: it could not decide."""
LARGEST = 690.0


@dataclass(slots=True, kw_only=True)
class Standing:
    """Where the release stands, apart from the evidence."""

    settings: Settings
    weight: float
    bake_s: float
    step: str | None = None
    end: float | None = None
    unread: bool = False
    covers_s: float = 0.0
    step_c: float = 0.0
    step_b: float = 0.0
    silent: bool = True
    """No request on either side in the last interval that was read."""
    mute: bool = False
    """In it stable answered, and the candidate did not."""
    outage_c: tuple[float, float] = (0.0, 0.0)
    outage_b: tuple[float, float] = (0.0, 0.0)
    present: dict[str, float] = field(default_factory=dict)
    """Instance -> when last seen."""
    ever: set[str] = field(default_factory=set)
    """All instances of the candidate that were seen."""
    per_instance: bool = False
    """Whether there are counts of two or more candidate instances."""
    quiet: bool = False
    """Whether stable was, up to the last interval."""
    blame: str | None = None
    peak: float = NEVER
    """Log evidence when it failed, or more."""

    def begin_step(self) -> None:
        self.covers_s = self.step_c = self.step_b = 0.0
        self.outage_c = self.outage_b = (0.0, 0.0)

    def saw(self, candidate: Counts, stable: Counts, seconds: float, names: Sequence[str]) -> None:
        """An interval that was read on both sides."""
        self.covers_s += seconds
        self.step_c += candidate.requests
        self.step_b += stable.requests
        self.silent = candidate.requests <= 0.0 and stable.requests <= 0.0
        self.mute = self.settings.method.asks_of_step and candidate.requests <= 0.0 < stable.requests
        self.outage_c = (self.outage_c[0] + candidate.errors, self.step_c)
        self.outage_b = (self.outage_b[0] + stable.errors, self.step_b)
        end = self.end if self.end is not None else 0.0
        self.present.update(dict.fromkeys(names, end))
        self.ever.update(names)
        self.present = {n: at for n, at in self.present.items() if at > end - PRESENT_S}

    @property
    def over(self) -> bool:
        return self.covers_s >= self.bake_s - EPSILON

    @property
    def unanswered(self) -> bool:
        """The candidate has answered nothing: in this step, or any more."""
        return self.step_c <= 0.0 or self.mute

    @property
    def empty(self) -> bool:
        return self.step_c <= 0.0 and self.step_b <= 0.0

    @property
    def brake(self) -> Braking:
        """The brakes as a forecast sees them."""
        bucket = self.per_instance and self.settings.method.forecasts_bucket
        return Braking(block_s=block_s_of(self.bake_s), bucket=bucket, quiet=self.quiet)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One gate's or lane's share of the evidence."""

    name: str
    stop: bool
    log_e: float
    table: Table | None = None
    """The table that is shown; None for a lane, and for latency that is not cut yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """The evidence of an interval's end."""

    parts: tuple[Part, ...]
    worst: Part
    log_e: float


def weigh(
    standing: Standing,
    tables: Sequence[Table],
    *,
    outage: tuple[Outage, float],
    traffic: tuple[Traffic, float],
) -> Weighed:
    """All evidence added up; notes in `standing` that the release failed, once it has.

    `outage`, `traffic`: the lanes with their unused start weight.
    """
    settings, rules = standing.settings, standing.settings.rules
    logs = [(table, log(table.kind.weight) + table.log_m) for table in tables]
    parts = [_gate(rule, [pair for pair in logs if pair[0].kind.rule is rule]) for rule in rules]
    for name, weight, log_m in (
        ("outage", budget.outage_weight(rules), outage[0].log_m(outage[1])),
        ("traffic", budget.traffic_weight(rules), traffic[0].log_m(traffic[1])),
    ):
        parts.append(Part(name=name, stop=weight > 0.0, log_e=log(weight or 1.0) + log_m))
    log_e = log_total([part.log_e for part in parts if part.stop])
    worst = max((part for part in parts if part.stop), key=lambda part: part.log_e)
    if standing.blame is None and log_e >= log(1.0 / settings.alpha) - 1e-12:
        standing.blame = worst.name
    if standing.blame is not None:
        standing.peak = log_e = max(standing.peak, log_e)
    return Weighed(parts=tuple(parts), worst=worst, log_e=log_e)


def say(standing: Standing, tables: Sequence[Table], weighed: Weighed, outage: Outage) -> Verdict:
    """The verdict as of now."""
    settings, rules = standing.settings, standing.settings.rules
    parts, worst, log_e = weighed.parts, weighed.worst, weighed.log_e
    bound = log(1.0 / settings.alpha)
    needs = {rule.name: _missing(standing, rule, tables) for rule in rules}
    sick = None if standing.blame else _alone(standing, tables, outage)
    verdict, needs_s = _overall(standing, rules, needs, sick)
    gates = {
        part.name: _gate_verdict(standing, part, needs.get(part.name, 0.0), bound)
        for part in sorted(parts, key=lambda part: part.name)
    }
    shown = gates[standing.blame or worst.name]
    return Verdict(
        verdict=verdict,
        evidence=exp(min(log_e, LARGEST)),
        bound=1.0 / settings.alpha,
        ratio=shown["ratio"],
        low=shown["low"],
        high=shown["high"],
        blame=standing.blame,
        at=shown["at"],
        instance=sick,
        needs_s=needs_s,
        n_stable=shown["n_stable"],
        n_candidate=shown["n_candidate"],
        gates=gates,
        text=words.sentence(
            verdict,
            name=standing.blame or worst.name,
            shown=shown,
            evidence=exp(min(log_e, LARGEST)),
            bound=1.0 / settings.alpha,
            covers_s=standing.covers_s,
            bake_s=standing.bake_s,
            needs_s=needs_s,
            instance=sick,
            unread=standing.unread,
            silent=standing.silent,
            missing=standing.step_c <= 0.0,
            mute=standing.mute,
            seen_any=standing.step_c + standing.step_b > 0.0,
            lacking=[rule.name for rule in rules if rule.stop and needs[rule.name] != 0.0],
        ),
        covers_s=standing.covers_s,
    )


def _gate(rule: Rule, logs: Sequence[tuple[Table, float]]) -> Part:
    """A gate's evidence, and the table that shows it best: the worst, or the highest quantile."""
    if not logs:
        return Part(name=rule.name, stop=rule.stop, log_e=NEVER)
    worst = max(logs, key=lambda pair: pair[1])[0]
    if worst.log_m < log(2.0):
        usual = [t for t, _ in logs if t.kind.limit is None and t.kind.at != DEEP]
        worst = usual[-1] if usual else worst
    log_e = log_total([value for _, value in logs])
    return Part(name=rule.name, stop=rule.stop, log_e=log_e, table=worst)


def _overall(
    standing: Standing,
    rules: Sequence[Rule],
    needs: dict[str, float | None],
    sick: str | None,
) -> tuple[Say, float | None]:
    """(verdict, seconds more that it takes)."""
    if standing.blame is not None:
        return "fail", None
    asked = [needs[rule.name] for rule in rules if rule.stop]
    known = [seconds for seconds in asked if seconds is not None]
    more = max(known, default=0.0) if len(known) == len(asked) else None
    if standing.unread or (standing.empty and not standing.over):
        return "no_data", None
    if standing.silent:
        return ("inconclusive" if standing.over else "no_data"), more or None
    if not standing.over:
        left = standing.bake_s - standing.covers_s
        return "not_yet", None if more is None else max(left, more)
    if more is None or more > 0.0 or standing.unanswered:
        return "inconclusive", more if more is None or more > 0.0 else None
    return ("pass", None) if sick is None else ("inconclusive", None)


def _missing(standing: Standing, rule: Rule, tables: Sequence[Table]) -> float | None:
    """Seconds more until `must_see` of the gate would have been seen; None: not at this pace."""
    own = [t for t in tables if t.kind.rule is rule and t.kind.limit is None]
    if not own:
        return None
    longest = 0.0
    for table in own:
        if rule.kind == "latency" and table.kind.at == DEEP and DEEP not in rule.at:
            continue
        effect = _effect(standing.settings, rule, table)
        if effect is None:
            return None
        here = table.parts[-1]
        if standing.settings.method.asks_of_step and not (here.candidate > 0.0 and here.stable > 0.0):
            return None
        pace = next((part for part in reversed(table.parts) if part.seconds > 0.0), NO_TRAFFIC)
        need = need_nats(standing.settings.alpha, table.kind.weight)
        effect = replace(effect, temper=table.temper)
        more = missing_s(effect, table.parts, pace, need, standing.brake)
        if more is None:
            return None
        longest = max(longest, more)
    return longest


def _effect(settings: Settings, rule: Rule, table: Table) -> Effect | None:
    """The regression that must be seen, from stable's rates in this release and before."""
    seen = table.release()
    if table.kind.cut is None:
        failed, trials = seen.e_b + table.past[0], seen.n_b + table.past[1]
        return error_effect(rule, failed / trials) if trials > 0.0 else None
    if not seen.latency_b:
        return None
    row, edges, cut = seen.latency_b, settings.edges_ms, table.kind.cut
    return latency_effect(
        rule,
        share_slower(row, edges, cut.cut_ms),
        share_slower(row, edges, cut.limit_ms / rule.must_see),
    )


def _alone(standing: Standing, tables: Sequence[Table], outage: Outage) -> str | None:
    """The instance that alone has failed, while the candidate as a whole has not.

    Each instance has a process of its own, with the same weights and no share. Of k healthy ones
    any is named with chance at most alpha; a newcomer, the j-th, adds alpha / j to that.
    """
    rules, names = standing.settings.rules, sorted(standing.present)
    if len(names) < 2:
        return None
    stopping = [t for t in tables if t.kind.rule.stop]
    weight = budget.outage_weight(rules)
    known = len(standing.ever) if standing.settings.method.names_all else len(names)
    bound = log(known / standing.settings.alpha)
    found: tuple[float, str] | None = None
    for name in names:
        logs = [log(t.kind.weight) + t.alone(name) for t in stopping if t.top_alone(name) > SUSPECT]
        if weight > 0.0 and outage.form.top_alone(name) > SUSPECT:
            logs.append(log(weight) + outage.form.alone(name))
        evidence = log_total(logs) if logs else NEVER
        if evidence >= bound and (found is None or evidence > found[0]):
            found = (evidence, name)
    return None if found is None else found[1]


def _gate_verdict(standing: Standing, part: Part, needs: float | None, bound: float) -> GateVerdict:
    """One gate as shown, over the present step or since it went wrong."""
    shown = _shown(standing, part)
    verdict: Say
    if part.name == standing.blame or part.log_e >= bound - 1e-12:
        verdict = "fail"
    elif standing.unread or standing.empty:
        verdict = "inconclusive" if standing.over and not standing.unread else "no_data"
    elif not standing.over:
        verdict = "not_yet"
    elif standing.unanswered:
        verdict = "inconclusive"
    else:
        verdict = "pass" if needs is not None and needs <= 0.0 else "inconclusive"
    shown["verdict"] = verdict
    shown["evidence"] = exp(min(max(part.log_e, -LARGEST), LARGEST))
    return shown


def _shown(standing: Standing, part: Part) -> GateVerdict:
    if part.table is None:
        return _lane(standing, part.name)
    table, edges = part.table, standing.settings.edges_ms
    book, kind = table.shown(), table.kind
    ratio: float | None
    low: float | None
    high: float | None
    if kind.limit is not None:
        ratio = low = high = None
    elif kind.cut is not None and kind.at is not None:
        ratio, low, high = time_ratio(book.latency_c, book.latency_b, edges, kind.at)
    else:
        ratio, low, high = rate_ratio(book.e_c, book.n_c, book.e_b, book.n_b)
    tested = kind.limit if kind.limit is not None else kind.rule.at_most
    return GateVerdict(
        verdict="not_yet",
        evidence=1.0,
        ratio=ratio,
        low=low,
        high=high,
        limit=kind.cut.ratio if kind.cut is not None else tested,
        n_stable=book.n_b,
        n_candidate=book.n_c,
        observed_candidate=book.e_c / book.n_c if book.n_c > 0.0 else None,
        observed_stable=book.e_b / book.n_b if book.n_b > 0.0 else None,
        cut_ms=kind.cut.cut_ms if kind.cut is not None else None,
        limit_ms=kind.limit_ms,
        at=kind.at,
    )


def _lane(standing: Standing, name: str) -> GateVerdict:
    """A lane as shown, or latency before it is cut: the present step's shares."""
    candidate: float | None = None
    stable: float | None = None
    limit: float | None = None
    if name == "outage":
        (e_c, n_c), (e_b, n_b) = standing.outage_c, standing.outage_b
        candidate = e_c / n_c if n_c > 0.0 else None
        stable = e_b / n_b if n_b > 0.0 else None
    elif name == "traffic":
        whole = standing.step_c + standing.step_b
        candidate = standing.step_c / whole if whole > 0.0 else None
        stable = standing.step_b / whole if whole > 0.0 else None
        limit = standing.weight / 2.0
    lane = name in {"outage", "traffic"}
    return GateVerdict(
        verdict="not_yet",
        evidence=1.0,
        ratio=None,
        low=None,
        high=None,
        limit=limit,
        n_stable=standing.step_b if lane else 0.0,
        n_candidate=standing.step_c if lane else 0.0,
        observed_candidate=candidate,
        observed_stable=stable,
        cut_ms=None,
        limit_ms=None,
        at=None,
    )
