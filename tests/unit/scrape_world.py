"""Instances that show counters, and a release that is judged by scraping them; virtual time."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from signals_world import PLAN, START, Health, Memory, Paced, arm

from crossfade.release.state import State
from crossfade.release.values import Say, Side, Verdict
from crossfade.signals import Alarms, ReleaseSignals
from crossfade.signals.arms import Address
from crossfade.signals.fetching import Page
from crossfade.signals.scrape import CounterSlots, Scrape


def page(text: str) -> Page:
    return Page(kind="text/plain; version=0.0.4", text=text)


@dataclass
class Fleet:
    """Instances of both sides whose counters are what `signals_world` would have counted."""

    now: float = START
    candidate_errors: float = 0.002
    slower: float = 1.0
    rate: int = 300
    hung: set[str] = field(default_factory=set)
    answers: dict[str, str] = field(default_factory=dict)
    """Instance -> a page it shows instead."""
    total: dict[str, Counter[str]] = field(default_factory=dict)
    upto: int = int(START) - 60
    asked: list[str] = field(default_factory=list)
    weight: float = 0.1

    def serve(self) -> None:
        for second in range(self.upto, int(self.now)):
            rng = random.Random(second)
            part = round(self.rate * self.weight) if second >= START else 0
            for name, requests, errors, slower in (
                ("s1", self.rate - part, 0.002, 1.0),
                ("c1", part // 2, self.candidate_errors, self.slower),
                ("c2", part // 2, self.candidate_errors, self.slower),
            ):
                one = arm(rng, requests, errors, slower)
                mine = self.total.setdefault(name, Counter())
                mine["200"] += one["requests"] - one["errors"]
                mine["500"] += one["errors"]
                for edge in LES:
                    mine[f"le{edge}"] += sum(one["latency"][: bisect_left(BORDERS, edge * 1000 * 0.999) + 1])
                mine["le+Inf"] += one["requests"]
        self.upto = max(self.upto, int(self.now))

    def fetch(self, url: str, _patience_s: float) -> Page:
        name = url.removeprefix("http://").split(":", maxsplit=1)[0]
        self.asked.append(name)
        if name in self.hung:
            raise TimeoutError
        if name in self.answers:
            return page(self.answers[name])
        self.serve()
        mine = self.total[name]
        lines = [
            f'http_requests_total{{code="{code}"}} {mine[code]}' for code in ("200", "500") if mine[code]
        ]
        lines += [
            f'http_request_duration_seconds_bucket{{le="{edge}"}} {mine[f"le{edge}"]}'
            for edge in (*LES, "+Inf")
        ]
        return page("\n".join([*lines, f"process_start_time_seconds {START - 500}", ""]))

    def addresses(self, _plan: Any) -> dict[Side, list[Address]]:
        return {
            Side.STABLE: [Address(name="s1", host="s1", port=80)],
            Side.CANDIDATE: [Address(name=name, host=name, port=80) for name in ("c1", "c2")],
        }


BORDERS = tuple(0.5 * 1.25 ** (k / 2) for k in range(100))
LES = tuple(round(BORDERS[k] / 1000, 7) for k in range(20, 60, 2))


def at_once(job: Any) -> Future[Page]:
    done: Future[Page] = Future()
    try:
        done.set_result(job())
    except (OSError, ValueError) as error:
        done.set_exception(error)
    return done


class Desk:
    def __init__(self, fleet: Fleet, factor: float = 1.0, every_s: float = 5.0) -> None:
        self.fleet, self.pace = fleet, Paced(factor)
        self.plan = replace(PLAN, judging={**PLAN.judging, "source": {"every_s": every_s}})
        self.source = Scrape(
            fleet.addresses, self.pace, fetch=fleet.fetch, submit=at_once, now=lambda: self.fleet.now
        )
        self.signals = ReleaseSignals(
            counts=self.source,
            health=Health(),
            memory=Memory(),
            pace=self.pace,
            alarms=Alarms(fetch=lambda _url, _s: "OK", monotonic=lambda: 0.0),
        )

    def run(self, since: float, until: float) -> CounterSlots:
        at = since
        while at <= until:
            self.fleet.now = START + at
            found = self.source.slots(self.plan, START, ())
            at += 0.5
        return found

    def look(self, seconds: float) -> dict[str, Verdict]:
        """One look at the clock's `seconds`; before 0 at weight 0."""
        now = self.pace.instant(START + seconds)
        self.fleet.now = START + seconds
        state = (
            State(since=self.pace.instant(START), index=1, reached=self.pace.instant(START + 0.5))
            if seconds >= 1
            else State(since=self.pace.instant(START - 60), index=0, reached=self.pace.instant(START - 50))
        )
        return {one.gate: one for one in self.signals.verdicts(self.plan, state, now)}

    def until_said(self, gate: str, say: Say, most: float = 300.0) -> tuple[float, Verdict]:
        for half in range(-100, round(most) * 2):
            found = self.look(half / 2)
            if gate in found and half >= 2 and found[gate].say is say:
                return half / 2, found[gate]
        raise AssertionError(f"never {say}: {found[gate].say} {found[gate].text}")
