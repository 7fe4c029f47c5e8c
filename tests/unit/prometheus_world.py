"""A Prometheus that tells what was scraped as Prometheus tells it, and a release that is judged by it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from signals_world import PLAN, START, Health, Memory, Paced

from crossfade.release.state import State
from crossfade.release.values import Say, Verdict
from crossfade.signals import Alarms, ReleaseSignals
from crossfade.signals.arms import Arms
from crossfade.signals.fetching import Page
from crossfade.signals.prometheus import Prometheus
from crossfade.signals.scrape import CounterSlots
from crossfade.spec.selectors import all_hold, matchers

ARMS = Arms(load_balancer="app/x/1", stable="targetgroup/a/1", candidate="targetgroup/b/2")
SOURCE = {
    "kind": "prometheus",
    "url": "http://p:9090/",
    "every_s": 15.0,
    "stable": 'version="{revision}"',
    "candidate": 'version="{revision}"',
}
LOOK_BACK = 300.0
EDGES = (50.0, 500.0, 1000.0, 5000.0)
Labels = Mapping[str, str]


@dataclass
class FakePrometheus:
    """Samples by series, told as Prometheus tells them: the newest of five minutes, unless it went stale."""

    samples: dict[tuple[tuple[str, str], ...], list[tuple[float, float | None]]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    answer: Callable[[str], Page] | None = None

    def scrape(self, at: float, labels: Labels, value: float | None) -> None:
        """None: a stale marker."""
        self.samples.setdefault(tuple(sorted(labels.items())), []).append((at, value))

    def fetch(self, url: str, _patience_s: float) -> Page:
        place = urlsplit(url)
        assert (place.netloc, place.path) == ("p:9090", "/api/v1/query_range")
        asked = {key: one[0] for key, one in parse_qs(place.query).items()}
        self.asked[asked["query"].split("{")[0]] += 1
        if self.answer is not None:
            return self.answer(asked["query"])
        first, last, step = (float(asked[key]) for key in ("start", "end", "step"))
        times = [first + k * step for k in range(int((last - first) / step + 1e-6) + 1)]
        found = [
            {"metric": dict(labels), "values": [[at, str(value)] for at, value in values]}
            for labels, values in self._evaluated(asked["query"], times)
        ]
        said = {"status": "success", "data": {"resultType": "matrix", "result": found}}
        return Page(kind="application/json", text=json.dumps(said))

    def _evaluated(self, query: str, times: list[float]) -> list[tuple[Labels, list[tuple[float, float]]]]:
        told = re.fullmatch(r"(?:(group|sum|max) by \(([^)]*)\) \((timestamp\()?)?(\{.*?\})\)*", query)
        assert told, query
        kept, conditions = {one.strip() for one in (told[2] or "").split(",")}, matchers(told[4])
        grouped: dict[tuple[tuple[str, str], ...], dict[float, list[float]]] = {}
        for labels in self.samples:
            if not all_hold(conditions, lambda name, own=dict(labels): own.get(name, "")):  # type: ignore[misc]
                continue
            group = tuple(pair for pair in labels if pair[0] in kept) if told[1] else labels
            for at in times:
                newest = self._at(labels, at)
                if newest is not None:
                    value = newest[0] if told[3] else newest[1]
                    grouped.setdefault(group, {}).setdefault(at, []).append(value)
        fold = {"group": lambda _: 1.0, "sum": sum, "max": max, None: lambda one: one[0]}[told[1]]
        return [
            (dict(group), [(at, fold(values)) for at, values in sorted(by_time.items())])  # type: ignore[operator]
            for group, by_time in grouped.items()
        ]

    def _at(self, labels: tuple[tuple[str, str], ...], at: float) -> tuple[float, float] | None:
        there = [one for one in self.samples[labels] if at - LOOK_BACK < one[0] <= at]
        return None if not there or there[-1][1] is None else (there[-1][0], there[-1][1])


@dataclass
class Fleet:
    """Programs of two versions, scraped every 15 s."""

    fake: FakePrometheus
    errors: float = 0.0
    slower: float = 0.0
    """Share of the candidate's requests that take two seconds."""
    upto: float = START - 3000
    total: dict[str, Counter[str]] = field(default_factory=dict)
    down: dict[str, float] = field(default_factory=dict)
    """Program -> since when it cannot be scraped: a stale marker, and nothing more."""
    silent_since: float = float("inf")
    """Since when Prometheus scrapes nobody at all."""

    def until(self, end: float) -> None:
        while self.upto + 15 <= end:
            self.upto += 15
            at = self.upto
            for name, version, rate in (("s1", "v41", 2700), ("c1", "v42", 150), ("c2", "v42", 150)):
                if version == "v42" and at < START - 30:
                    continue
                mine = self.total.setdefault(name, Counter())
                sick = version == "v42"
                bad = round(rate * self.errors) if sick else rate // 500
                slow = round(rate * self.slower) if sick else rate // 500
                mine["200"] += rate - bad
                mine["500"] += bad
                fast = rate - slow
                for le, count in (
                    ("0.05", min(rate // 2, fast)),
                    ("0.5", fast),
                    ("1", fast),
                    ("5", rate),
                    ("+Inf", rate),
                ):
                    mine[f"le{le}"] += count
                self._scraped(at, name, version, mine)

    def _scraped(self, at: float, name: str, version: str, mine: Counter[str]) -> None:
        if at >= self.silent_since:
            return
        gone = self.down.get(name)
        if gone is not None and at >= gone + 15:
            return
        for key, count in mine.items():
            who = {"instance": name, "version": version, "job": "shop"}
            if key.startswith("le"):
                labels = {"__name__": "http_request_duration_seconds_bucket", "le": key[2:], **who}
            else:
                labels = {"__name__": "http_requests_total", "code": key, "path": "/", **who}
            self.fake.scrape(at, labels, None if gone is not None and at >= gone else float(count))


def at_once(job: Any) -> Future[Page]:
    done: Future[Page] = Future()
    try:
        done.set_result(job())
    except (OSError, ValueError) as error:
        done.set_exception(error)
    return done


class Desk:
    def __init__(self, fleet: Fleet | None = None, **source: Any) -> None:
        self.fleet = fleet or Fleet(FakePrometheus())
        self.now = START
        self.plan = replace(PLAN, judging={**PLAN.judging, "source": {**SOURCE, **source}})
        self.source = Prometheus(
            Paced(), arms=lambda _: ARMS, fetch=self.fleet.fake.fetch, submit=at_once, now=lambda: self.now
        )
        self.signals = ReleaseSignals(
            counts=self.source,
            health=Health(),
            memory=Memory(),
            pace=Paced(),
            alarms=Alarms(fetch=lambda *_: "OK", monotonic=lambda: 0.0),
        )

    def run(self, since: float, until: float, edges: tuple[float, ...] = EDGES) -> CounterSlots:
        for half in range(int(since * 2), int(until * 2) + 1):
            self.now = START + half / 2
            self.fleet.until(self.now)
            found = self.source.slots(self.plan, START - 600, edges)
        return found

    def until_said(self, gate: str, say: Say, most: int = 400) -> tuple[float, Verdict]:
        pace = Paced()
        state = State(since=pace.instant(START), index=1, reached=pace.instant(START + 0.5))
        for seconds in range(1, most):
            self.now = START + seconds
            self.fleet.until(self.now)
            said = self.signals.verdicts(self.plan, state, pace.instant(self.now))
            found = next(one for one in said if one.gate == gate)
            if found.say is say:
                return seconds, found
        raise AssertionError(f"never {say}: {found.say} {found.text}")
