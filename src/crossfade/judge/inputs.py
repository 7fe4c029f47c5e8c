"""
Headers and intervals, read and checked: the only door into the judge.

What cannot be a count (negative, NaN, endless) is refused here by name, before
anything changed, so that the rooms behind may calculate without looking. An
error is a request: where a source counts more errors than requests, the
requests are raised to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

from crossfade.judge.asked import limits as asked_limits
from crossfade.judge.asked import plain, quantile
from crossfade.judge.methods import METHOD, Method, method_named
from crossfade.judge.types import BadCountsError

Kind: TypeAlias = Literal["errors", "latency", "kpi"]

DEFAULTS: dict[str, dict[str, Any]] = {
    "errors": {"at_most": 1.5, "ignore_below": 0.001, "must_see": 0.01},
    "latency": {"at_most": 1.25, "ignore_below": 0.002, "must_see": 2.0, "at": (0.5, 0.95, 0.99)},
    "kpi": {"at_most": 1.25, "ignore_below": 0.0, "must_see": 0.05},
}
"""Per kind: tolerated ratio (odds of failure; time for latency), the share below which nothing
is stopped, the regression a bake has to be able to see (share of requests more; time ratio)."""
WRITTEN = {"at_most": ("x",), "must_see": ("x", "%"), "ignore_below": ("%",)}
"""Units that a setting of a gate may be written with."""
BAKE_S = 300.0
ALPHA = 0.01
WEIGHT = 0.1
LEAST_COUNT, MOST_COUNT = 1e-9, 1e15
"""What interpolation leaves below the first is nothing; above the second is no count."""
PRESETS = ("normal", "careful")
STRICTEST, LOOSEST = 1.0, 1000.0
NONSENSE = (KeyError, TypeError, AttributeError, ValueError, OverflowError)
"""What Python says of values of the wrong kind."""
RESERVED = ("outage", "traffic", "unhealthy")
"""Lanes, and the rule on states of instances (`gauges.py`): no gates of counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One gate as asked for."""

    name: str
    kind: Kind
    at_most: float
    ignore_below: float
    must_see: float
    at: tuple[float, ...] = ()
    max: tuple[tuple[float | None, float], ...] = ()
    """Absolute limits: (None, share of failures) or (quantile, milliseconds)."""
    stop: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """One arm, or one instance, in one interval."""

    requests: float = 0.0
    errors: float = 0.0
    latency: tuple[float, ...] = ()
    kpi: Mapping[str, tuple[float, float]]
    """name -> (total, failed)"""


NOTHING = Counts(kpi={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One interval; an arm that could not be read is None."""

    start: float
    end: float
    candidate: Counts | None
    stable: Counts | None
    step: str | None
    weight: float | None
    bake_s: float | None
    candidate_instances: tuple[tuple[str, Counts], ...]
    stable_instances: tuple[tuple[str, Counts], ...]

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The header with every default filled in."""

    edges_ms: tuple[float, ...]
    alpha: float
    bake_s: float
    weight: float
    warm_up_s: float
    careful: bool
    """Never trust stable's quiet past: evidence comes in as slowly, and one instance may prove as
    little, as where the service is bursty and its instances differ."""
    rules: tuple[Rule, ...]
    method: Method
    history: tuple[Seen, ...]


def read_header(header: Mapping[str, Any]) -> Settings:
    """Raises `BadCountsError` with what is wrong and where."""
    try:
        return _header(header)
    except BadCountsError:
        raise
    except NONSENSE as wrong:
        raise BadCountsError(f"the header holds what cannot be meant: {wrong}") from wrong


def _header(header: Mapping[str, Any]) -> Settings:
    method = method_named(header.get("method", METHOD))
    edges = tuple(read_number(edge, "edges_ms") for edge in header.get("edges_ms", ()))
    if any(later <= earlier for earlier, later in pairwise((0.0, *edges))):
        raise BadCountsError("edges_ms must rise, from above 0")
    alpha = read_number(header.get("alpha", ALPHA), "alpha")
    if not 0.0 < alpha < 1.0:
        raise BadCountsError(f"alpha must lie between 0 and 1, not {alpha:g}")
    return Settings(
        edges_ms=edges,
        alpha=alpha,
        bake_s=read_number(header.get("bake_s", BAKE_S), "bake_s"),
        weight=read_share(header.get("weight", WEIGHT), "weight"),
        warm_up_s=read_number(header.get("warm_up_s") or 0.0, "warm_up_s"),
        careful=_preset(header.get("preset", PRESETS[0])),
        rules=read_rules(header.get("gates")),
        method=method,
        history=tuple(read_interval(interval, len(edges)) for interval in header.get("history") or ()),
    )


def _preset(asked: Any) -> bool:
    if asked not in PRESETS:
        raise BadCountsError(f"preset is {' or '.join(PRESETS)}, not {asked!r}")
    return bool(asked == "careful")


def read_rules(gates: Mapping[str, Mapping[str, Any]] | None) -> tuple[Rule, ...]:
    """The gates in force, sorted by name, so that their order cannot matter.

    Numbers, or texts as in crossfade.yaml. No gates named: errors and latency with their defaults.
    """
    asked = {"errors": {}, "latency": {}} if gates is None else gates
    return tuple(_rule(name, asked[name] or {}) for name in sorted(asked))


def _rule(name: str, asked: Mapping[str, Any]) -> Rule:
    if name in RESERVED:
        raise BadCountsError(f"{name!r} is no gate of counts; a KPI cannot have this name")
    if not name.isprintable():
        raise BadCountsError(f"{name!r} is no name that can be printed on a line")
    kind: Kind = "errors" if name == "errors" else "latency" if name == "latency" else "kpi"
    filled = {**DEFAULTS[kind], **{key: value for key, value in asked.items() if value is not None}}
    written = {key: plain(filled[key], f"{name}.{key}", units) for key, units in WRITTEN.items()}
    at_most = read_number(written["at_most"], f"{name}.at_most")
    must_see = read_number(written["must_see"], f"{name}.must_see")
    ignore_below = read_share(written["ignore_below"], f"{name}.ignore_below")
    if not STRICTEST <= at_most <= LOOSEST:
        raise BadCountsError(f"{name}.at_most must be 1 to 1000, not {at_most:g}")
    if ignore_below > 0.5:
        raise BadCountsError(f"{name}.ignore_below must be at most half, not {ignore_below:g}")
    if kind == "latency" and must_see <= at_most:
        raise BadCountsError(f"{name}.must_see must be more than at_most {at_most:g}")
    if filled.get("mode", "stop") not in ("stop", "observe"):
        raise BadCountsError(f"{name}.mode is stop or observe, not {filled['mode']!r}")
    if kind == "latency" and not filled["at"]:
        raise BadCountsError(f"{name}.at must name a quantile")
    limits: list[tuple[float | None, float]] = []
    if kind == "latency":
        for at, limit in asked_limits(filled.get("max", ()), f"{name}.max"):
            limits.append((_inner(at, f"{name}.max"), read_number(limit, f"{name}.max")))
    elif filled.get("max") is not None:
        limits.append((None, _inner(plain(filled["max"], f"{name}.max", ("%",)), f"{name}.max")))
    return Rule(
        name=name,
        kind=kind,
        at_most=at_most,
        ignore_below=ignore_below,
        must_see=must_see,
        at=tuple(sorted({_inner(quantile(q, f"{name}.at"), f"{name}.at") for q in filled.get("at", ())})),
        max=tuple(limits),
        stop=filled.get("mode", "stop") == "stop",
    )


def read_interval(interval: Mapping[str, Any], edges: int) -> Seen:
    """Raises `BadCountsError`; `edges` is the number of bucket edges."""
    try:
        return _interval(interval, edges)
    except BadCountsError:
        raise
    except NONSENSE as missing:
        raise BadCountsError(
            f"an interval lacks something or holds what is no number: {missing}"
        ) from missing


def _interval(interval: Mapping[str, Any], edges: int) -> Seen:
    start = read_number(interval["start"], "start", below_zero=True)
    end = read_number(interval["end"], "end", below_zero=True)
    if end <= start:
        raise BadCountsError(f"an interval must have a length: start {start:g}, end {end:g}")
    candidates = _instances(interval.get("candidate_instances"), "candidate_instances", edges)
    stables = _instances(interval.get("stable_instances"), "stable_instances", edges)
    weight, bake_s = interval.get("weight"), interval.get("bake_s")
    return Seen(
        start=start,
        end=end,
        candidate=_arm(interval.get("candidate"), "candidate", candidates, edges),
        stable=_arm(interval.get("stable"), "stable", stables, edges),
        step=interval.get("step"),
        weight=None if weight is None else read_share(weight, "weight"),
        bake_s=None if bake_s is None else read_number(bake_s, "bake_s"),
        candidate_instances=candidates,
        stable_instances=stables,
    )


def total(parts: Sequence[Counts]) -> Counts:
    """Counts of several instances, or of both halves of a fleet, added up."""
    if len(parts) == 1:
        return parts[0]
    rows = [part.latency for part in parts if part.latency]
    names = sorted({name for part in parts for name in part.kpi})
    return Counts(
        requests=math.fsum(part.requests for part in parts),
        errors=math.fsum(part.errors for part in parts),
        latency=tuple(map(sum, zip(*rows, strict=True))) if rows else (),
        kpi={
            name: (
                math.fsum(part.kpi[name][0] for part in parts if name in part.kpi),
                math.fsum(part.kpi[name][1] for part in parts if name in part.kpi),
            )
            for name in names
        },
    )


def _arm(raw: Any, where: str, instances: tuple[tuple[str, Counts], ...], edges: int) -> Counts | None:
    if raw is not None:
        return _counts(raw, where, edges)
    return total([counts for _, counts in instances]) if instances else None


def _instances(raw: Any, where: str, edges: int) -> tuple[tuple[str, Counts], ...]:
    found = tuple((str(name), _counts(arm, f"{where} {name}", edges)) for name, arm in raw or ())
    if len({name for name, _ in found}) != len(found):
        raise BadCountsError(f"{where} names an instance twice")
    if not all(name.isprintable() for name, _ in found):
        raise BadCountsError(f"{where} has a name that cannot be printed on a line")
    return found


def _counts(raw: Mapping[str, Any], where: str, edges: int) -> Counts:
    errors = read_number(raw.get("errors", 0.0), f"{where} errors")
    row = raw.get("latency") or ()
    if row and len(row) != edges + 1:
        raise BadCountsError(f"{where} has {len(row)} latency buckets, {edges + 1} are expected")
    latency = tuple([count if count >= LEAST_COUNT else 0.0 for count in map(float, row)])
    if row and not (min(row) >= 0.0 and sum(row) <= MOST_COUNT):
        raise BadCountsError(f"{where} latency holds what is not a count")
    kpi = {}
    for name, pair in (raw.get("kpi") or {}).items():
        failed = read_number(pair["failed"], f"{where} {name}")
        kpi[name] = (max(read_number(pair["total"], f"{where} {name}"), failed), failed)
    return Counts(
        requests=max(read_number(raw["requests"], f"{where} requests"), errors),
        errors=errors,
        latency=latency,
        kpi=kpi,
    )


def read_number(value: Any, where: str, *, below_zero: bool = False) -> float:
    number = float(value)
    if not abs(number) <= MOST_COUNT or (number < 0.0 and not below_zero):
        raise BadCountsError(f"{where} is {number}, which is not a count")
    return number if abs(number) >= LEAST_COUNT else 0.0


def read_share(value: Any, where: str) -> float:
    number = read_number(value, where)
    if number > 1.0:
        raise BadCountsError(f"{where} is a share between 0 and 1, not {number:g}")
    return number


def _inner(value: Any, where: str) -> float:
    number = read_number(value, where)
    if not 1e-6 <= number <= 1.0 - 1e-6:
        raise BadCountsError(f"{where} must lie between 0 and 1, not {number:g}")
    return number
