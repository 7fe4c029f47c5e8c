"""
`Scrape`: counts straight from the instances, every few seconds: what makes a stop in seconds possible.

Each instance shows its own counters; all of both sides are asked at the same time (R29), by threads that
no look waits for: a look sends what is due and takes what has come. What the counters mean stands in
`counters.py`, how they are spelt in `exposition.py`, how they are named in `conventions.py`.

LIMITS: what an instance counted between its last scrape and its death is not seen; requests that reach no
instance are not either (target health, and the traffic lane, see those). `WORKERS` instances at once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from crossfade.errors import CrossfadeError, PlatformError
from crossfade.release.plan import Plan
from crossfade.release.values import Side
from crossfade.signals.arms import Address, AddressesOf
from crossfade.signals.conventions import Given, Reading, choose, reading
from crossfade.signals.counters import GONE, Tally, Who
from crossfade.signals.exposition import ACCEPT, OPEN_METRICS, Series, samples
from crossfade.signals.fetching import Page, fetch, reason
from crossfade.signals.source import Arm, Pace

WORKERS: Final = 16

PATIENCE_S: Final = 2.0
"""Real seconds in which an instance has to show its counters."""

KEPT_S: Final = 1500.0
"""Clock seconds of counts that are kept: a release's history, and what was not judged yet."""

OVER_S: Final = 300.0
"""Real seconds after which a release that nobody looks at is forgotten."""

Fetch = Callable[[str, float], Page]
Submit = Callable[[Callable[[], Page]], "Future[Page]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a release's instances are scraped, as its plan says."""

    path: str = "/metrics"
    every_s: float = 5.0
    """Seconds of the clock."""
    port: int | None = None
    """None: the one that serves."""
    given: Given = field(default_factory=Given)

    @classmethod
    def of(cls, plan: Plan) -> How:
        asked: Any = plan.judging.get("source") or {}
        return cls(
            path=str(asked.get("path") or "/metrics"),
            every_s=float(asked.get("every_s") or 5.0),
            port=asked.get("port"),
            given=Given.of(plan),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterSlot:
    """One closed slot."""

    start: float
    stable: Arm | None
    candidate: Arm | None
    stable_instances: Sequence[tuple[str, Arm]] = ()
    candidate_instances: Sequence[tuple[str, Arm]] = ()
    aside: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterSlots:
    intervals: Sequence[CounterSlot]
    known_from: float
    watermark: float
    problem: str
    slot_s: float
    closes_s: float


@dataclass(slots=True, kw_only=True)
class _Watched:
    """One release's scrapes."""

    how: How
    every_s: float
    """Real seconds."""
    tally: Tally
    sent: int = -1
    """The slot at whose beginning the last scrape was sent."""
    out: dict[Who, Future[Page]] = field(default_factory=dict)
    """Instances that are being asked."""
    problem: str = ""
    last: float = 0.0


class Scrape:
    """Implements `CountsSource` of `crossfade.signals`; one object for all releases of a process."""

    def __init__(
        self,
        addresses: AddressesOf,
        pace: Pace,
        *,
        fetch: Fetch | None = None,
        submit: Submit | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._addresses = addresses
        self._pace = pace
        self._fetch = fetch or _scraped
        self._pool: ThreadPoolExecutor | None = None
        self._submit = submit or self._in_pool
        self._now = now
        self._watched: dict[str, _Watched] = {}

    def name(self, plan: Plan) -> str:
        return f"scrape of {How.of(plan).path}"

    def close(self) -> None:
        """Ends the threads; whoever is being asked is not waited for."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def watch(self, plan: Plan) -> None:
        """Scrapes what is due, with or without traffic: stable's present becomes the release's history."""
        now = self._now()
        self._watched = {name: one for name, one in self._watched.items() if one.last > now - OVER_S}
        how = How.of(plan)
        one = self._watched.setdefault(
            plan.release,
            _Watched(how=how, every_s=how.every_s / self._pace.factor, tally=Tally(own=how.given.own)),
        )
        one.last = now
        self._take(one)
        self._send(one, plan, now)

    def edges_ms(self, plan: Plan) -> Sequence[float]:
        """The edges that both versions' buckets have. Raises `PlatformError` while there are none."""
        self.watch(plan)
        found = self._watched[plan.release].tally.edges_ms()
        if not found and judges_latency(plan):
            raise no_buckets(self.name(plan))
        return found

    def slots(self, plan: Plan, since: float, edges_ms: Sequence[float]) -> CounterSlots:
        """Closed slots that start at or after `since` (real epoch). Never raises."""
        self.watch(plan)
        one = self._watched[plan.release]
        closes_s = one.every_s * (GONE + 1) + PATIENCE_S
        return counter_slots(
            one.tally, since, edges_ms, slot_s=one.every_s, closes_s=closes_s, problem=one.problem
        )

    def _in_pool(self, job: Callable[[], Page]) -> Future[Page]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="crossfade-scrape")
        return self._pool.submit(job)

    def _send(self, one: _Watched, plan: Plan, now: float) -> None:
        slot = math.floor(now / one.every_s)
        if one.out or slot <= one.sent:
            return
        try:
            listed = self._addresses(plan)
        except CrossfadeError as error:
            one.problem = error.what
            return
        one.sent = slot
        for side, addresses in listed.items():
            for address in addresses:
                one.out[side, address.name] = self._submit(self._job(one.how, address))
        if not one.out:
            one.tally.take(slot, {})

    def _job(self, how: How, address: Address) -> Callable[[], Page]:
        host = f"[{address.host}]" if ":" in address.host else address.host
        url = f"http://{host}:{how.port or address.port}{how.path}"
        return lambda: self._fetch(url, PATIENCE_S)

    def _take(self, one: _Watched) -> None:
        """What was sent, once all of it has come: no part of a scrape is judged."""
        if not one.out or not all(future.done() for future in one.out.values()):
            return
        found: dict[Who, Mapping[Series, float] | str] = {
            who: _shown(future, one.how.given) for who, future in one.out.items()
        }
        one.out = {}
        one.problem = take(one.tally, one.sent, found, one.how.given)
        one.tally.forget_before(one.sent - math.ceil(KEPT_S / one.how.every_s))


def take(tally: Tally, slot: int, found: Mapping[Who, Mapping[Series, float] | str], given: Given) -> str:
    """Puts one scrape of both sides into the tally; what makes it useless, or nothing."""
    shown = {who: values for who, values in found.items() if not isinstance(values, str)}
    for side in Side:
        own = [series for who, values in shown.items() if who[0] is side for series in values]
        # Chosen once: other names in mid-release would begin all counters anew. A version that names its
        # requests otherwise than the one before is read by its own names, once it shows any.
        if side not in tally.names and (names := choose(given, own)) is not None:
            tally.names[side] = names
    other = next(iter(tally.names.values()), None)
    readings: dict[Who, Reading | None] = {}
    for who in found:
        names = tally.names.get(who[0], other)
        values = shown.get(who)
        readings[who] = None if values is None else reading(values, names, given.own)
    tally.take(slot, readings)
    for side in Side:
        texts = [(who[1], why) for who, why in found.items() if who[0] is side and isinstance(why, str)]
        if texts and len(texts) == sum(who[0] is side for who in found):
            name, why = texts[0]
            return f"no instance of {side.value} shows its counters; {name}: {why}"
    if other is None and shown:
        return "no instance shows HTTP requests under a name known here; `requests` in `signals` gives yours"
    return ""


def counter_slots(
    tally: Tally, since: float, edges_ms: Sequence[float], *, slot_s: float, closes_s: float, problem: str
) -> CounterSlots:
    """The tally's closed slots at their real times; slot k starts at k times its length."""
    first = tally.until if tally.first is None else tally.first
    begin = max(first, math.ceil(since / slot_s - 0.01))
    if tally.first is None:
        return CounterSlots(
            intervals=(), known_from=since, watermark=since, problem=problem, slot_s=slot_s, closes_s=closes_s
        )
    return CounterSlots(
        intervals=tuple(
            CounterSlot(
                start=slot * slot_s,
                stable=tally.arm(slot, Side.STABLE, edges_ms),
                candidate=tally.arm(slot, Side.CANDIDATE, edges_ms),
                stable_instances=tally.instances(slot, Side.STABLE, edges_ms),
                candidate_instances=tally.instances(slot, Side.CANDIDATE, edges_ms),
                aside={"readings without an answer": tally.missing(slot)} if tally.missing(slot) else {},
            )
            for slot in range(begin, tally.until)
        ),
        known_from=first * slot_s,
        watermark=tally.until * slot_s,
        problem=problem,
        slot_s=slot_s,
        closes_s=closes_s,
    )


def judges_latency(plan: Plan) -> bool:
    gates: Any = plan.judging.get("gates") or {}
    return "latency" in gates


def no_buckets(where: str) -> PlatformError:
    return PlatformError(
        "CF4402",
        "there is no latency histogram that both versions show",
        f"looked for in the {where}; the latency gate needs its buckets",
        "name it as `latency` in `signals`, or let the gate observe",
    )


def _shown(future: Future[Page], given: Given) -> Mapping[Series, float] | str:
    try:
        page = future.result()
        return samples(page.text, given.wanted, open_metrics=page.kind.startswith(OPEN_METRICS))
    except (OSError, ValueError) as error:
        return reason(error)


def _scraped(url: str, patience_s: float) -> Page:
    return fetch(url, patience_s, {"Accept": ACCEPT})
