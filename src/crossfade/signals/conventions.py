"""
Under which names programs count their HTTP requests, and what of a reading is a request, an error, a time.

A name that a user gives is taken; without one, the first convention is that an instance shows. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from crossfade.release.plan import Plan
from crossfade.signals.exposition import Series
from crossfade.spec.selectors import Matcher, all_hold, matchers

STARTED: Final = "process_start_time_seconds"
"""The instant a process began, as most client libraries show it: a restart is certain where it changes."""

_BUCKET: Final = "_bucket"
_LE: Final = "le"


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A counter of the user's own."""

    name: str
    conditions: tuple[Matcher, ...] = ()

    @classmethod
    def of(cls, text: str) -> Own:
        """From `name` or `name{conditions}`. Raises `ValueError`."""
        name, _, inside = text.strip().partition("{")
        return cls(name=name.strip(), conditions=matchers("{" + inside) if inside else ())

    def of_all(self, found: Mapping[Series, float]) -> Mapping[Series, float]:
        """The series that it means."""
        return {
            series: value
            for series, value in found.items()
            if series.name == self.name and all_hold(self.conditions, series.label)
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPair:
    """What is counted, and what of it went well or failed."""

    total: Own
    part: Own
    part_is_failure: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Where one program's requests are."""

    requests: str
    """A counter, one series for each kind of answer."""
    errors: tuple[Matcher, ...]
    """Which of its series have failed."""
    latency: str = ""
    """A histogram, without `_bucket`; empty: none."""
    ms: float = 1000.0
    """Milliseconds of one of its units."""

    @property
    def wanted(self) -> frozenset[str]:
        """Names of everything that has to be read."""
        own = {self.requests, STARTED}
        return frozenset(own | {self.latency + _BUCKET} if self.latency else own)


def unit_ms(histogram: str) -> float:
    """By its name, as the conventions have it: seconds unless it says otherwise."""
    return 1.0 if histogram.endswith(("_milliseconds", "_ms", "_millis")) else 1000.0


def _histogram(name: str, code: str) -> Names:
    """A histogram whose own count is the requests."""
    return Names(requests=f"{name}_count", errors=matchers(code), latency=name, ms=unit_ms(name))


def _counter(name: str, code: str, latency: str) -> Names:
    return Names(requests=name, errors=matchers(code), latency=latency, ms=unit_ms(latency))


KNOWN: Final = (
    _histogram("http_server_request_duration_seconds", 'http_response_status_code=~"5.."'),
    _histogram("http_server_requests_seconds", 'status=~"5.."'),
    _counter("http_requests_total", 'code=~"5.."', "http_request_duration_seconds"),
    _counter("http_requests_total", 'status=~"5..|5xx"', "http_request_duration_seconds"),
    _counter("http_requests_total", 'status_code=~"5.."', "http_request_duration_seconds"),
    _histogram("http_request_duration_seconds", 'code=~"5.."'),
    _histogram("http_request_duration_seconds", 'status=~"5..|5xx"'),
    _histogram("http_request_duration_seconds", 'status_code=~"5.."'),
    _counter("flask_http_request_total", 'status=~"5.."', "flask_http_request_duration_seconds"),
    _counter("starlette_requests_total", 'status_code=~"5.."', "starlette_request_duration_seconds"),
    _counter("istio_requests_total", 'response_code=~"5.."', "istio_request_duration_milliseconds"),
)
"""OpenTelemetry, Micrometer, Prometheus' own libraries and what is written with them; the first that fits."""

CODES: Final = ("code", "status", "status_code", "http_response_status_code", "response_code")
"""Labels in which the code of an answer stands."""

ALL_NAMES: Final = frozenset(name for one in KNOWN for name in one.wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One instance's counters at one moment."""

    requests: Mapping[Series, float]
    buckets: Mapping[Series, float]
    """Cumulative, each series with its `le`."""
    own: Mapping[str, tuple[Mapping[Series, float], Mapping[Series, float]]] = field(default_factory=dict)
    """Figures of the user's own: total and part."""
    started: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a user has written of the names; empty is left to the conventions."""

    requests: str = ""
    errors: str = ""
    latency: str = ""
    own: Mapping[str, OwnPair] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan) -> Given:
        """What a plan carries of them."""
        asked: Any = plan.judging.get("source") or {}
        pairs: Any = plan.judging.get("kpi") or {}
        return cls(
            requests=str(asked.get("requests") or ""),
            errors=str(asked.get("errors") or ""),
            latency=str(asked.get("latency") or ""),
            own={
                name: OwnPair(
                    total=Own.of(pair["total"]),
                    part=Own.of(pair["part"]),
                    part_is_failure=bool(pair["part_is_failure"]),
                )
                for name, pair in pairs.items()
            },
        )

    @property
    def wanted(self) -> frozenset[str]:
        """Names that may have to be read."""
        own = {one.name for pair in self.own.values() for one in (pair.total, pair.part)}
        latency = {self.latency + _BUCKET} if self.latency else set()
        return frozenset(own | (ALL_NAMES | latency if not self.requests else _named(self, ()).wanted))


def choose(given: Given, shown: Collection[Series]) -> Names | None:
    """The names that fit what instances show; None where nothing does."""
    there = frozenset(one.name for one in shown)
    if given.requests:
        return _named(given, shown) if given.requests in there else None
    for known in KNOWN:
        codes = {one.label for one in known.errors}
        mine = [one for one in shown if one.name == known.requests]
        if mine and (given.errors or all(any(one.label(code) for one in mine) for code in codes)):
            latency = given.latency or (known.latency if known.latency + _BUCKET in there else "")
            errors = matchers(given.errors) if given.errors else known.errors
            return Names(
                requests=known.requests, errors=errors, latency=latency, ms=unit_ms(latency or known.latency)
            )
    return None


def _named(given: Given, shown: Collection[Series]) -> Names:
    errors = given.errors or _code_of(given.requests, shown)
    latency = given.latency or (
        given.requests.removesuffix("_count") if given.requests.endswith("_count") else ""
    )
    return Names(requests=given.requests, errors=matchers(errors), latency=latency, ms=unit_ms(latency))


def _code_of(requests: str, shown: Collection[Series]) -> str:
    """The label with the answer's code: the first that the counter has."""
    mine = [one for one in shown if one.name == requests]
    for label in CODES:
        if any(one.label(label) for one in mine):
            return f'{label}=~"5..|5xx"'
    return 'code=~"5.."'


def reading(
    found: Mapping[Series, float], names: Names | None, own: Mapping[str, OwnPair] | None = None
) -> Reading:
    """The part of an instance's samples that is asked for; no requests while nobody shows where they are."""
    pairs = {name: (pair.total.of_all(found), pair.part.of_all(found)) for name, pair in (own or {}).items()}
    if names is None:
        return Reading(requests={}, buckets={}, own=pairs)
    started = [value for series, value in found.items() if series.name == STARTED]
    bucket = names.latency + _BUCKET
    return Reading(
        requests={series: value for series, value in found.items() if series.name == names.requests},
        buckets={
            series: value
            for series, value in found.items()
            if names.latency and series.name == bucket and series.label(_LE)
        },
        own=pairs,
        started=started[0] if started else None,
    )


def edges_of(read: Reading, names: Names) -> frozenset[float]:
    """Upper edges of the histogram's buckets in ms, the endless one left out."""
    edges = {upper(series) * names.ms for series in read.buckets}
    return frozenset(round(edge, 6) for edge in edges if edge != inf and edge > 0)


def upper(series: Series) -> float:
    """The upper edge of a bucket in the histogram's own unit; raises `ValueError`."""
    return float(series.label(_LE).replace("Inf", "inf"))


def failed(series: Series, names: Names) -> bool:
    return all_hold(names.errors, series.label)
