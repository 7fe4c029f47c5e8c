"""
The judge of one release: intervals in, verdicts out.

One process over all steps, never reset: a new step opens a new bake window, the
evidence goes on, and the chance of ever stopping a healthy release stays at
most alpha (R31). A `Stream` is a fold over what was pushed and nothing else, so
the same header and intervals give the same bits again (R30).

An interval passes through here in this order: read (`inputs.py`), mute what is
warming up, measure the split (`brakes.py`), bet and let evidence in
(`table.py`, `lanes.py`), learn stable's rates, say what is known (`verdict.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf, log
from typing import Any

from crossfade.judge import budget, past
from crossfade.judge.brakes import Flow, brakes
from crossfade.judge.inputs import Counts, Seen, read_header, read_interval
from crossfade.judge.lanes import SICK_STABLE, Outage, Traffic, outage_shares
from crossfade.judge.process import Brakes
from crossfade.judge.table import Beat, Row, Starts
from crossfade.judge.types import BadCountsError, Verdict
from crossfade.judge.verdict import Standing, Weighed, say, weigh

CUTS_AFTER_S = 30.0
"""Without a history: so much of stable's latency is seen before any is judged."""
POOL_ROWS = 1000
"""As many of stable's intervals are kept while its latency cannot be cut."""
EPSILON = 1e-6


class Stream:
    """The judge's memory of one release. Open it with `open_stream`."""

    def __init__(self, header: Mapping[str, Any]) -> None:
        self._settings = settings = read_header(header)
        self._tables = past.first_tables(settings)
        self._pool: list[Row] = past.history_rows(settings)
        self._pool_s = CUTS_AFTER_S if self._pool else 0.0
        self._cuts_due = any(rule.kind == "latency" for rule in settings.rules)
        self._minutes = past.minutes(settings)
        past.temper(self._minutes, self._tables)
        self._find_cuts()
        alike = past.instance_share(self._minutes, self._tables)
        self._share = past.UNLIKE_SHARE if settings.careful else alike
        lasting = settings.method.lasting
        self._outage_starts = Starts(first=budget.OUTAGE_FIRST_START, lasting=lasting)
        self._outage, self._traffic, self._traffic_starts = Outage(), Traffic(), Starts(lasting=lasting)
        self._flow = Flow(settings.weight)
        self._born: dict[str, float] = {}
        self._fresh = False
        self._instances = 1
        self._latency_c: Row = ()
        self._latency_b: Row = ()
        self._standing = Standing(settings=settings, weight=settings.weight, bake_s=settings.bake_s)

    def push(self, interval: Mapping[str, Any]) -> Verdict:
        """What is known after one more closed interval of settled data.

        Raises `BadCountsError` for counts that cannot be, and for an interval that overlaps what
        was judged; the stream is then unchanged. An arm that is None could not be
        read: the interval is dropped for both.
        """
        weighed = self._take(interval)
        return say(self._standing, self._tables, weighed, self._outage)

    def feed(self, interval: Mapping[str, Any]) -> bool:
        """Whether it has failed by the end of one more interval: `push` without the words, and
        twice as fast. For a long recorded stream of which only the end is wanted.
        """
        self._take(interval)
        return self.blame is not None

    @property
    def blame(self) -> str | None:
        """The gate or lane that stopped the release; None: it has not failed."""
        return self._standing.blame

    def _take(self, interval: Mapping[str, Any]) -> Weighed:
        seen = read_interval(interval, len(self._settings.edges_ms))
        standing = self._standing
        if standing.end is not None and seen.start < standing.end - EPSILON:
            raise BadCountsError(
                f"interval {seen.start:g}-{seen.end:g} overlaps what was judged up to {standing.end:g}"
            )
        self._turn(seen)
        standing.end = seen.end
        standing.unread = seen.candidate is None or seen.stable is None
        if seen.candidate is not None and seen.stable is not None:
            self._judge(seen, seen.candidate, seen.stable)
        return weigh(
            standing,
            self._tables,
            outage=(self._outage, self._outage_starts.unused),
            traffic=(self._traffic, self._traffic_starts.unused),
        )

    def _turn(self, seen: Seen) -> None:
        """Begin a step, if this interval does."""
        standing = self._standing
        weight = standing.weight if seen.weight is None else seen.weight
        step = standing.step if seen.step is None else seen.step
        if seen.bake_s is not None:
            standing.bake_s = seen.bake_s
        first = standing.end is None
        if weight > standing.weight and not seen.candidate_instances:
            self._born.pop("", None)
        if not first and (weight != standing.weight or step != standing.step):
            standing.begin_step()
            self._fresh = True
            for table in self._tables:
                table.begin_step()
        if weight != standing.weight:
            self._flow.begin_step(weight)
        standing.weight, standing.step = weight, step

    def _judge(self, seen: Seen, candidate: Counts, stable: Counts) -> None:
        instances = seen.candidate_instances or (("", candidate),)
        names = [name for name, _ in instances]
        answering = sum(1 for _, counts in instances if counts.requests > 0.0)
        self._instances = max(self._instances, answering)
        warm = self._warm(seen, instances)
        requests = [counts.requests for _, counts in instances]
        wanted = self._flow.wanted(names, stable.requests)
        surge = self._flow.surge(wanted, sum(requests), stable.requests, seen.end)
        self._standing.per_instance = self._instances >= 2
        self._standing.quiet = not self._settings.careful and past.is_quiet(self._tables)
        beat = self._beat(seen, surge=surge)
        self._judge_tables(instances, warm, stable, beat)
        self._judge_lanes(seen, instances, wanted, stable, beat.brakes)
        self._flow.learn(names, requests, stable.requests, seen.seconds)
        for table in self._tables:
            table.learn(stable, seen.seconds)
        if self._cuts_due and stable.latency:
            self._pool = [*self._pool[-POOL_ROWS:], stable.latency]
            self._pool_s += seen.seconds
            self._find_cuts()
        self._standing.saw(candidate, stable, seen.seconds, names)

    def _beat(self, seen: Seen, *, surge: bool) -> Beat:
        standing = self._standing
        return Beat(
            seconds=seen.seconds,
            bake_s=standing.bake_s,
            brakes=brakes(
                flow=self._flow.share,
                bake_s=standing.bake_s,
                seconds=seen.seconds,
                quiet=standing.quiet,
                per_instance=standing.per_instance,
                share=self._share,
            ),
            surge=surge,
            instances=max(self._instances, 2),
            latency_c=self._latency_c,
            latency_b=self._latency_b,
        )

    def _warm(self, seen: Seen, instances: Sequence[tuple[str, Counts]]) -> list[tuple[str, Counts]]:
        """The instances whose latency counts: those that have taken traffic for long enough."""
        warm = []
        for name, counts in instances:
            if counts.requests > 0.0:
                self._born.setdefault(name, seen.start)
            born = self._born.get(name, seen.start)
            if seen.start >= born + self._settings.warm_up_s - EPSILON:
                warm.append((name, counts))
        return warm

    def _judge_tables(
        self,
        instances: Sequence[tuple[str, Counts]],
        warm: Sequence[tuple[str, Counts]],
        stable: Counts,
        beat: Beat,
    ) -> None:
        if warm:
            for _, counts in warm:
                self._latency_c = _add(self._latency_c, counts.latency)
            self._latency_b = _add(self._latency_b, stable.latency)
            beat.latency_c, beat.latency_b = self._latency_c, self._latency_b
        for table in self._tables:
            judged = warm if table.kind.rule.kind == "latency" else instances
            if judged:
                table.judge(judged, stable, beat)

    def _judge_lanes(
        self,
        seen: Seen,
        instances: Sequence[tuple[str, Counts]],
        wanted: Sequence[float],
        stable: Counts,
        now: Brakes,
    ) -> None:
        bake_s, fresh, self._fresh = self._standing.bake_s, self._fresh, False
        rules = self._settings.rules
        sick = stable.requests > 0.0 and stable.errors / stable.requests > SICK_STABLE
        shares = outage_shares(
            [counts for _, counts in instances],
            wanted,
            by_traffic=self._settings.method.outage_by_traffic,
        )
        if sick:
            shares = [None if share is None else 0.0 for share in shares]
        _, v = self._outage_starts.beat(seen.seconds, new_step=fresh, bake_s=bake_s, block_s=0.0)
        weight = budget.outage_weight(rules) or 1.0
        self._outage.step(
            [name for name, _ in instances],
            shares,
            [counts.requests if self._settings.method.splits_by_requests else inf for _, counts in instances],
            per_instance=self._standing.per_instance,
            seconds=seen.seconds,
            v=v,
            need=log(1.0 / (weight * self._settings.alpha)),
            instances=max(self._instances, 2),
        )
        opens, v = self._traffic_starts.beat(seen.seconds, new_step=fresh, bake_s=bake_s, block_s=now.block_s)
        self._traffic.step(
            sum(counts.requests for _, counts in instances),
            stable.requests,
            self._standing.weight,
            now.cap,
            opens=opens,
            v=v,
        )

    def _find_cuts(self) -> None:
        """Cut latency as soon as stable's is known well enough; before, none is judged."""
        if not self._cuts_due or self._pool_s < CUTS_AFTER_S - EPSILON:
            return
        found = past.latency_tables(self._settings, self._pool)
        if found:
            past.temper(self._minutes, found)
            self._tables.extend(found)
            self._cuts_due = False
            self._pool = []


def _add(total: Row, row: Row) -> Row:
    if not total or not row:
        return total or row
    return tuple([a + b for a, b in zip(total, row, strict=True)])


def open_stream(header: Mapping[str, Any]) -> Stream:
    """A judge for one release; `types.Header` names the fields, all but `edges_ms` have defaults.

    Raises `BadCountsError` for a header that cannot be meant.
    """
    return Stream(header)


def replay(header: Mapping[str, Any], intervals: Iterable[Mapping[str, Any]]) -> list[Verdict]:
    """Verdicts of a stored release, to the same bits (R30)."""
    stream = open_stream(header)
    return [stream.push(interval) for interval in intervals]
