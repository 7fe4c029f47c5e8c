"""
Requests per target group, minute by minute, from CloudWatch; a minute counts once it is closed.

A load balancer publishes a minute late, and a group without requests in a minute has no point in it at
all: what is missing is not yet there, or zero. A minute is *closed*, its missing points zero, when it is
SETTLED_S old and a newer point of either group has come; or when it is OLD_S old. A whole service that
falls silent at once looks like metrics that stopped: where its own past says that requests should have
come, that is a problem and no zero (R24). One request, of anybody, tells the two apart.

LIMITS: minutes. A source that counts in seconds implements the same port, and every step is proved sooner.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import floor
from typing import Any, Final, Protocol

from crossfade.errors import CrossfadeError, PlatformError
from crossfade.platforms.alb.model import COLOURS, Flowed, Minute, Site, named

MINUTE_S: Final = 60
LOOK_BACK_S: Final = 15 * MINUTE_S
"""How much of the past is told: silence that lasts so long has lasted long enough."""

PAST_S: Final = 180 * MINUTE_S
"""How much of it is read, to know what is usual; more minutes cost nothing more."""

SETTLED_S: Final = 150.0
"""After its end a minute is believed, if something newer has come: what AWS takes to publish, mostly."""

OLD_S: Final = 300.0
"""After its end a minute is taken as it is: nothing of it is published any more."""

EXPECTED: Final = 50.0
"""So many requests missing, by the service's own past, are no accident."""

EVERY_S: Final = 10.0
"""Seconds of the clock between two questions: a minute does not close more often."""

MOST_SITES: Final = 250
"""In one question: AWS takes 500 series and answers some 100,000 points."""

FORGOTTEN_S: Final = 300.0
"""Who has not been looked at for so long is not asked about any more."""

REFUSED: Final = "CF4308"
"""What AWS will not answer however often it is asked."""

Key = tuple[str, ...]
"""A load balancer and its pair of groups."""

Points = Mapping[int, Mapping[str, float]]
"""Begin of a minute to the requests of each group that has a point in it."""


class Flow(Protocol):
    """Requests of both groups over closed periods. Never raises: what fails is a `problem`."""

    def read(self, site: Site, now: float) -> Flowed: ...


class Metrics(Protocol):
    """What is used of the gateway."""

    def metrics(
        self, queries: Sequence[Mapping[str, Any]], start: datetime, end: datetime
    ) -> Iterable[Mapping[str, Any]]: ...


class CloudWatchFlow:
    """
    Implements `Flow` for every site of an account, however many releases are under way.

    One question in `EVERY_S` is about all sites that were looked at lately: a look mostly finds its answer
    here. What one site's series make of it (a part that is missing) is that site's problem alone.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._wanted: dict[Key, tuple[Site, float]] = {}
        """By pair of groups: the site, and when it was last looked at."""
        self._read: dict[Key, tuple[float, Flowed]] = {}

    def read(self, site: Site, now: float) -> Flowed:
        """Closed minutes up to now."""
        with self._lock:
            mine = _key(site)
            lately = {key: one for key, one in self._wanted.items() if abs(now - one[1]) < FORGOTTEN_S}
            self._wanted = {**lately, mine: (site, now)}
            if self._fresh(mine, now):
                return self._read[mine][1]
            self._ask(self._with_others(site, now), now)
            return self._read[mine][1]

    def _fresh(self, key: Key, now: float) -> bool:
        if key not in self._read:
            return False
        at, found = self._read[key]
        return not found.problem and 0 <= now - at < EVERY_S

    def _with_others(self, site: Site, now: float) -> list[Site]:
        """This site, and all others that would soon ask; but what failed is asked again by itself."""
        mine = _key(site)
        if mine in self._read and self._read[mine][1].problem:
            return [site]
        others = [one for key, (one, _) in self._wanted.items() if key != mine and self._soon(key, now)]
        return [site, *others][:MOST_SITES]

    def _soon(self, key: Key, now: float) -> bool:
        return not self._fresh(key, now + EVERY_S / 2)

    def _ask(self, sites: Sequence[Site], now: float) -> None:
        """What comes of one question, for each of these sites; the first one has asked."""
        end = floor(now / MINUTE_S) * MINUTE_S + MINUTE_S
        try:
            answers = tuple(
                self._metrics.metrics(
                    [query(site, colour, number) for number, site in enumerate(sites) for colour in COLOURS],
                    datetime.fromtimestamp(end - MINUTE_S - PAST_S, UTC),
                    datetime.fromtimestamp(end, UTC),
                )
            )
        except CrossfadeError as error:
            if len(sites) > 1 and error.id == REFUSED:
                # One site that cannot be asked about must not blind the others.
                self._ask(sites[:1], now)
                return
            failed = Flowed(problem=f"{error.what}: {error.why}")
            self._read |= {_key(site): (now, failed) for site in sites}
            return
        for number, site in enumerate(sites):
            self._read[_key(site)] = (now, told(_of(number, answers), now))


def _key(site: Site) -> Key:
    return site.balancer, *(site.groups[colour] for colour in COLOURS)


def _of(number: int, answers: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """One site's answers, each under its colour."""
    ids = {f"{colour}_{number}": colour for colour in COLOURS}
    return tuple({**answer, "Id": ids[answer["Id"]]} for answer in answers if answer["Id"] in ids)


def told(answers: Sequence[Mapping[str, Any]], now: float) -> Flowed:
    """The closed minutes in one site's answers; a `problem` where they are not whole."""
    try:
        _prove_whole(answers)
        return closed(points(answers), now)
    except CrossfadeError as error:
        return Flowed(problem=f"{error.what}: {error.why}")


def query(site: Site, colour: str, number: int = 0) -> dict[str, Any]:
    """One group's requests in each minute. Dimensions are exact: no sum is made over others."""
    return {
        "Id": f"{colour}_{number}",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/ApplicationELB",
                "MetricName": "RequestCount",
                "Dimensions": [
                    {"Name": "TargetGroup", "Value": named(site.groups[colour]).group},
                    {"Name": "LoadBalancer", "Value": site.balancer},
                ],
            },
            "Period": MINUTE_S,
            "Stat": "Sum",
        },
        "ReturnData": True,
    }


def _prove_whole(answers: Iterable[Mapping[str, Any]]) -> None:
    """A group that was answered in part, or not at all, is not silent (R24); its last page says which."""
    last = {answer["Id"]: str(answer.get("StatusCode", "")) for answer in answers}
    parts = {colour: last.get(colour) or "missing" for colour in COLOURS}
    if bad := [f"{colour}: {word}" for colour, word in parts.items() if word != "Complete"]:
        raise PlatformError(
            "CF4401",
            "cloudwatch:GetMetricData answered in part or not at all",
            ", ".join(bad),
            "it is asked again",
        )


def points(answers: Iterable[Mapping[str, Any]]) -> Points:
    """The answers by minute, whatever page and order they came in."""
    found: dict[int, dict[str, float]] = {}
    for answer in answers:
        times, values = answer.get("Timestamps", ()), answer.get("Values", ())
        for time, value in zip(times, values, strict=True):
            start = floor(_epoch(time) / MINUTE_S) * MINUTE_S
            found.setdefault(start, {})[answer["Id"]] = float(value)
    return found


def _epoch(time: Any) -> float:
    return float(time.timestamp()) if isinstance(time, datetime) else float(time)


def closed(read: Points, now: float) -> Flowed:
    """Every minute of the look-back that is closed; a `problem` where metrics seem to have stopped."""
    newest = max(read, default=None)
    first = floor((now - LOOK_BACK_S) / MINUTE_S) * MINUTE_S
    minutes: list[Minute] = []
    for start in range(first, floor(now), MINUTE_S):
        age = now - (start + MINUTE_S)
        followed = newest is not None and newest > start
        if not (age >= OLD_S or (age >= SETTLED_S and followed)):
            break
        there = read.get(start, {})
        counts = {colour: round(there.get(colour, 0.0)) for colour in COLOURS}
        minutes.append(Minute(start=float(start), end=float(start + MINUTE_S), requests=counts))
    problem = _stopped(read, minutes)
    return Flowed(problem=problem) if problem else Flowed(minutes=tuple(minutes))


def _stopped(read: Points, minutes: Sequence[Minute]) -> str:
    """Why the silence at the end is none; empty where it may well be one."""
    if not read or not minutes:
        return ""
    oldest, newest = min(read), max(read)
    silent = (minutes[-1].start - newest) / MINUTE_S
    usual = sum(sum(there.values()) for there in read.values()) * MINUTE_S / (newest + MINUTE_S - oldest)
    if usual * silent < EXPECTED:
        return ""
    until = datetime.fromtimestamp(newest + MINUTE_S, UTC)
    return f"no point since {until:%H:%M} UTC, and {usual:.0f} requests a minute before; a request would tell"
