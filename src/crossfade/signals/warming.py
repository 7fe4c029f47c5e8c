"""
The hook `warm_up`: requests from configured paths, sent alike to the idle candidate and to stable.

It stands before the first weight, where no user can be hurt: it fills what a new build fills with
its first requests, and compares the two builds on the very same requests. `asking.py` sends them,
`trial.py` judges them, `warmed.py` finds the words. What was judged is written beside the hook's log,
so that `crossfade gate judge --counts FILE` says it again (R30).

    passed   judged, nothing wrong; or too few to judge, and then it says so (R32): a warm-up is no promise
    failed   worse than stable, and not warming any more; or a path that neither side answers

A run whose process is gone is run again under the same key, from its beginning.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from crossfade.errors import CrossfadeError
from crossfade.release.plan import Plan
from crossfade.release.values import HookResult, HookSay, Side
from crossfade.signals.asking import PATIENCE_S, Asker, Way, refused
from crossfade.signals.source import Pace
from crossfade.signals.trial import Trial
from crossfade.signals.warmed import said

MOST_RATE: Final = 150.0
"""Pairs in a real second. A demo's clock asks for more; fewer are sent then, and it is said."""

KEY_HEADER: Final = "x-crossfade-key"

Ways = Callable[[Plan], "Mapping[Side, Way] | None"]
"""How the two sides of a release are reached; None: by its test route alone. May raise `CrossfadeError`."""

Mirror = Callable[[Plan, float], None]
"""Sends the idle candidate a copy of this share of production's GET and HEAD requests; 0 ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Schedule:
    """What is sent when, in real seconds."""

    paths: tuple[str, ...]
    seconds: float
    size: int
    asked: int
    """How many the user's rate means."""
    mirror: float
    until: float
    """Monotonic: the deadline of the hook."""

    @classmethod
    def of(cls, asked: Mapping[str, Any], factor: float, limit: float) -> _Schedule:
        seconds = float(asked["for_s"]) / factor
        wanted = round(float(asked["for_s"]) * float(asked["rate"]))
        return cls(
            paths=tuple(asked["paths"]),
            seconds=seconds,
            size=max(2, min(wanted, round(MOST_RATE * seconds))),
            asked=wanted,
            mirror=float(asked.get("mirror") or 0.0),
            until=time.monotonic() + limit,
        )

    @property
    def fewer(self) -> int:
        """How many were asked for, where that is more than may be sent; else 0."""
        return self.asked if self.size < self.asked else 0

    @property
    def gap(self) -> float:
        return self.seconds / self.size


class Warming:
    """Runs warm-ups; one object serves many releases, each run is its own."""

    def __init__(
        self,
        *,
        pace: Pace,
        edges_ms: Sequence[float],
        aside: Mapping[str, str],
        ways: Ways | None = None,
        mirror: Mirror | None = None,
    ) -> None:
        """
        `aside`: the headers by which a request on the platform's test route reaches stable.

        `ways` finds both sides of a release that is elsewhere; None where the test route is all it needs.
        """
        self._pace = pace
        self._edges = edges_ms
        self._aside = aside
        self._ways = ways or (lambda _plan: None)
        self._mirror = mirror

    def __call__(
        self,
        plan: Plan,
        key: str,
        asked: Mapping[str, Any],
        *,
        url: str,
        limit: float,
        stop: threading.Event,
        record: Path,
    ) -> HookResult:
        """
        One run, to its end or to `limit` real seconds; RUNNING where `stop` ended it.

        `record` is the file of what was judged; it is written anew.
        """
        schedule = _Schedule.of(asked, self._pace.factor, limit)
        if schedule.mirror and self._mirror is None:
            return _failed("`mirror` is not possible on this platform; leave it out and name paths")
        try:
            ways = self._ways(plan) or self._by_test_route(url)
        except CrossfadeError as error:
            return _failed(f"the way in is not known: {error.what}: {error.why}")
        if why := refused(ways[Side.CANDIDATE].url, stop):
            return _failed(f"the test route does not answer: {why}")
        judging = {**plan.judging, "alpha": float(asked["alpha"])}
        trial = Trial(
            schedule.size,
            judging,
            self._edges,
            with_stable=plan.stable is not None,
            again=lambda: time.monotonic() + schedule.seconds / 2 + PATIENCE_S < schedule.until,
        )
        try:
            asker = Asker(_marked(ways, key, with_stable=plan.stable is not None))
            whole = self._run(plan, schedule, trial, asker, stop)
        except CrossfadeError as error:
            return _failed(f"copies of production's requests: {error.what}: {error.why}".rstrip(": "))
        if stop.is_set():
            return HookResult(say=HookSay.RUNNING)
        files = _keep(trial, record)
        if not whole:
            return _failed(f"no end within {plan.limits.hook}: {trial.sent:,} of {trial.wanted:,} requests")
        return said(trial, files, fewer=schedule.fewer, with_stable=bool(plan.stable))

    def _by_test_route(self, url: str) -> Mapping[Side, Way]:
        return {Side.CANDIDATE: Way(url=url), Side.STABLE: Way(url=url, headers=self._aside)}

    def _run(
        self, plan: Plan, schedule: _Schedule, trial: Trial, asker: Asker, stop: threading.Event
    ) -> bool:
        """With copies of production's requests meanwhile, where they are asked for."""
        mirror = self._mirror if schedule.mirror else None
        if mirror is not None:
            mirror(plan, schedule.mirror)
        try:
            with asker:
                return _drive(asker, trial, schedule, stop)
        finally:
            if mirror is not None:
                mirror(plan, 0.0)


def _marked(ways: Mapping[Side, Way], key: str, *, with_stable: bool) -> Mapping[Side, Way]:
    """The sides there are, each request under the hook's key."""
    sides = (Side.CANDIDATE, Side.STABLE) if with_stable else (Side.CANDIDATE,)
    return {side: replace(ways[side], headers={KEY_HEADER: key, **ways[side].headers}) for side in sides}


def _drive(asker: Asker, trial: Trial, schedule: _Schedule, stop: threading.Event) -> bool:
    """Sends the schedule and hands over what comes; False where the time was over before its end."""
    begin, number = time.monotonic(), 0
    while not trial.over and not stop.is_set():
        now = time.monotonic()
        if now >= schedule.until:
            return False
        due = begin + number * schedule.gap
        if number < trial.wanted and now >= due:
            # Who is first alternates for each path by itself.
            again, at = divmod(number, len(schedule.paths))
            if not asker.send(number, schedule.paths[at], stable_first=again % 2 == 1):
                trial.add(number, None)
            number += 1
            continue
        if number >= trial.wanted and not asker.waiting:
            break
        for pair in asker.take(min(due - now, 0.2) if number < trial.wanted else 0.2):
            trial.add(pair.number, pair)
    trial.end()
    return True


def _keep(trial: Trial, record: Path) -> tuple[Path, ...]:
    """A file for each part that was judged, the last one's being `record`; as `gate judge` reads them."""
    if not trial.parts:
        return ()
    for old in record.parent.glob(f"{record.stem}.*.jsonl"):
        old.unlink()
    earlier = (record.with_suffix(f".{number}.jsonl") for number in range(1, len(trial.parts)))
    files = (*earlier, record)
    for file, part in zip(files, trial.parts, strict=True):
        file.write_text("".join(json.dumps(line) + "\n" for line in (part.header, *part.intervals)))
    return files


def _failed(text: str) -> HookResult:
    return HookResult(say=HookSay.FAILED, text=text)
