"""
`Prometheus`: counts of both versions from the counters that a Prometheus has scraped, its past included.

`promql.py` says what is asked and what the answers mean, `counters.py` what counters mean. Questions are
asked by threads that no look waits for, as in `scrape.py`.

LIMITS: as late as Prometheus scrapes (`every`), and `LAG_S` more. No credentials: it is asked as it is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from crossfade.errors import CrossfadeError
from crossfade.release.plan import Plan
from crossfade.release.values import Side
from crossfade.signals import promql
from crossfade.signals.arms import ArmsOf
from crossfade.signals.conventions import Given, Names, Reading, choose, reading
from crossfade.signals.counters import GONE, Tally, Who
from crossfade.signals.fetching import Page, TooLongError, fetch, reason
from crossfade.signals.scrape import CounterSlots, counter_slots, judges_latency, no_buckets
from crossfade.signals.source import Pace
from crossfade.spec.selectors import Matcher

WORKERS: Final = 8

PATIENCE_S: Final = 5.0
"""Real seconds in which Prometheus has to answer."""

LAG_S: Final = 5.0
"""Real seconds after an instant until what was scraped at it can be read; no more than one scrape."""

KEPT_S: Final = 1500.0
"""Clock seconds of counts that are kept."""

LOOK_BACK_S: Final = 1200.0
"""Clock seconds before the first look that are read: stable's past."""

OVER_S: Final = 300.0
"""Real seconds after which a release that nobody looks at is forgotten."""

Fetch = Callable[[str, float], Page]
Submit = Callable[[Callable[[], Page]], "Future[Page]"]
Key = tuple[Side, str]
"""A side and which question about it."""


@dataclass(slots=True, kw_only=True)
class _Watched:
    """One release's questions."""

    given: Given
    url: str
    every_s: float
    """Real seconds."""
    sides: Mapping[Side, tuple[Matcher, ...]]
    tally: Tally
    next: int
    """The first slot at whose beginning nothing was read yet."""
    asked: range = range(0)
    """Slots that are being asked for."""
    out: dict[Key, Future[Page]] = field(default_factory=dict)
    tried: float = -math.inf
    problem: str = ""
    last: float = 0.0


class Prometheus:
    """Implements `CountsSource` of `crossfade.signals`; one object for all releases of a process."""

    def __init__(
        self,
        pace: Pace,
        *,
        arms: ArmsOf | None = None,
        fetch: Fetch | None = None,
        submit: Submit | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`arms`: where conditions may name target groups."""
        self._pace = pace
        self._arms = arms
        self._fetch = fetch or _got
        self._pool: ThreadPoolExecutor | None = None
        self._submit = submit or self._in_pool
        self._now = now
        self._watched: dict[str, _Watched] = {}

    def name(self, plan: Plan) -> str:
        asked: Any = plan.judging["source"]
        return f"prometheus at {asked['url']}"

    def close(self) -> None:
        """Ends the threads; whoever is being asked is not waited for."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def watch(self, plan: Plan) -> None:
        """Asks for what is due, and takes what has come."""
        try:
            one = self._of(plan)
        except CrossfadeError:
            return  # told by whoever needs the counts
        self._take(one)
        self._send(one)

    def edges_ms(self, plan: Plan) -> Sequence[float]:
        """The edges that both versions' buckets have. Raises `CrossfadeError` while there are none."""
        one = self._of(plan)
        self.watch(plan)
        found = one.tally.edges_ms()
        if not found and judges_latency(plan):
            raise no_buckets(self.name(plan))
        return found

    def slots(self, plan: Plan, since: float, edges_ms: Sequence[float]) -> CounterSlots:
        """Closed slots that start at or after `since` (real epoch). Never raises."""
        self.watch(plan)
        try:
            one = self._of(plan)
        except CrossfadeError as error:
            return counter_slots(
                Tally(), since, edges_ms, slot_s=1.0, closes_s=LAG_S, problem=f"{error.what}: {error.why}"
            )
        closes_s = one.every_s * (GONE + 1) + LAG_S + PATIENCE_S
        return counter_slots(
            one.tally, since, edges_ms, slot_s=one.every_s, closes_s=closes_s, problem=one.problem
        )

    def _of(self, plan: Plan) -> _Watched:
        now = self._now()
        self._watched = {name: one for name, one in self._watched.items() if one.last > now - OVER_S}
        if plan.release not in self._watched:
            self._watched[plan.release] = self._begun(plan, now)
        one = self._watched[plan.release]
        one.last = now
        return one

    def _begun(self, plan: Plan, now: float) -> _Watched:
        asked: Any = plan.judging["source"]
        every_s = float(asked["every_s"]) / self._pace.factor
        given = Given.of(plan)
        names_groups = any("{target_group}" in asked[side.value] for side in Side)
        arms = self._arms(plan) if self._arms is not None and names_groups else None
        return _Watched(
            given=given,
            url=str(asked["url"]),
            every_s=every_s,
            sides={side: promql.conditions(plan, side, arms) for side in Side},
            tally=Tally(own=given.own),
            next=math.floor((now - LOOK_BACK_S / self._pace.factor) / every_s),
        )

    def _in_pool(self, job: Callable[[], Page]) -> Future[Page]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="crossfade-prometheus")
        return self._pool.submit(job)

    def _send(self, one: _Watched) -> None:
        now = self._now()
        lag_s = min(one.every_s, LAG_S)
        newest = math.floor((now - lag_s) / one.every_s)
        if one.out or newest < one.next or now < one.tried + lag_s:
            return
        one.tried = now
        one.asked = range(one.next, newest + 1)
        other = next(iter(one.tally.names.values()), None)
        for side in Side:
            names = one.tally.names.get(side)
            if names is None:
                self._ask(one, side, "discovery", promql.discovery(one.given, one.sides[side]), newest)
            if names is not None or other is not None:
                self._ask_side(one, side, names or other)

    def _ask_side(self, one: _Watched, side: Side, names: Names | None) -> None:
        if names is None:
            return
        asked = promql.questions(names, one.given, one.sides[side])
        for word, query in (("series", asked.series), ("buckets", asked.buckets), ("newest", asked.newest)):
            if query:
                self._ask(one, side, word, query, one.asked[0])

    def _ask(self, one: _Watched, side: Side, word: str, query: str, first: int) -> None:
        begin, end = first * one.every_s, one.asked[-1] * one.every_s
        url = promql.address(one.url, query, begin, end, one.every_s)
        one.out[side, word] = self._submit(lambda: self._fetch(url, PATIENCE_S))

    def _take(self, one: _Watched) -> None:
        """What was asked, once all of it has come."""
        if not one.out or not all(future.done() for future in one.out.values()):
            return
        out, one.out = one.out, {}
        try:
            answers = {key: promql.rows(future.result().text) for key, future in out.items()}
        except TooLongError as error:
            one.problem = reason(error)
            one.next = one.asked[-1]  # the past is too much to read: from now on, then
            return
        except (OSError, ValueError) as error:
            one.problem = reason(error)
            return
        one.problem = ""
        before = dict(one.tally.names)
        for side in Side:
            if side not in before and (side, "discovery") in answers:
                chosen = choose(one.given, promql.shown(answers[side, "discovery"]))
                if chosen is not None:
                    one.tally.names[side] = chosen
        if not one.tally.names:
            one.problem = (
                "it has no HTTP requests of either version under a name known here; "
                "`requests` in `signals` gives yours"
            )
        elif before:
            self._count(one, answers, before)
        else:
            one.tried = -math.inf  # the names are known now: the past is asked for at once

    def _count(self, one: _Watched, answers: Mapping[Key, promql.Rows], before: Mapping[Side, Names]) -> None:
        """Readings of every slot that was asked for, with the names that they were asked by."""
        other = next(iter(before.values()))
        found = {
            side: promql.readings(
                {word: rows for (whose, word), rows in answers.items() if whose is side},
                one.asked,
                one.every_s,
                before.get(side, other),
            )
            for side in Side
        }
        for slot in one.asked:
            read: dict[Who, Reading | None] = {
                (side, name): reading(values, before.get(side, other), one.given.own)
                for side in Side
                for name, values in found[side][slot].items()
            }
            one.tally.take(slot, read, waits=True)
        one.next = one.asked[-1] + 1
        one.tally.forget_before(one.next - math.ceil(KEPT_S / self._pace.factor / one.every_s))


def _got(url: str, patience_s: float) -> Page:
    return fetch(url, patience_s, {"Accept": "application/json"})
