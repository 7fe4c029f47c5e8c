"""
What is asked of a Prometheus about one side of a release, and what its answers mean. Pure.

Counters are read as they are and subtracted here (`counters.py`): PromQL's own `increase` guesses beyond
the ends of its window, and a guess is no count. Three questions make a reading: the series of requests,
the buckets summed up per instance, and how old the newest sample was: for five minutes Prometheus goes on
telling a value that nobody measured again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Final
from urllib.parse import urlencode

from crossfade.release.plan import Plan
from crossfade.release.values import Side
from crossfade.signals.arms import Arms
from crossfade.signals.conventions import CODES, STARTED, Given, Names
from crossfade.signals.exposition import Series
from crossfade.spec.selectors import Matcher, matchers

INSTANCE: Final = ("instance", "pod")
"""Labels that tell instances apart; the first that a series has."""

_BUCKET: Final = "_bucket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """PromQL for one side."""

    series: str
    buckets: str
    """Empty where there is no histogram."""
    newest: str


def conditions(plan: Plan, side: Side, arms: Arms | None) -> tuple[Matcher, ...]:
    """What is this side's alone, filled in."""
    asked: Any = plan.judging["source"]
    words = {"{revision}": (plan.stable or "") if side is Side.STABLE else plan.candidate}
    if arms is not None:
        words |= {"{target_group}": arms.group(side), "{load_balancer}": arms.load_balancer}
    return tuple(_filled(one, words) for one in matchers(str(asked[side.value])))


def _filled(one: Matcher, words: Mapping[str, str]) -> Matcher:
    value = one.value
    for word, meant in words.items():
        value = value.replace(word, re.escape(meant) if one.op in ("=~", "!~") else meant)
    return replace(one, value=value)


def discovery(given: Given, of_side: Sequence[Matcher]) -> str:
    """What counters this side shows, each kind of them once."""
    return f"group by (__name__, {', '.join(CODES)}) ({_select(given.wanted, of_side)})"


def questions(names: Names, given: Given, of_side: Sequence[Matcher]) -> Questions:
    own = {one.name for pair in given.own.values() for one in (pair.total, pair.part)}
    who = ", ".join(INSTANCE)
    buckets = _select({names.latency + _BUCKET}, of_side) if names.latency else ""
    return Questions(
        series=_select({names.requests, STARTED} | own, of_side),
        buckets=f"sum by (le, {who}) ({buckets})" if buckets else "",
        newest=f"max by ({who}) (timestamp({_select({names.requests}, of_side)}))",
    )


def _select(names: Collection[str], of_side: Sequence[Matcher]) -> str:
    name = Matcher("__name__", "=~", "|".join(re.escape(one) for one in sorted(names)))
    return "{" + ", ".join(str(one) for one in (name, *of_side)) + "}"


def address(url: str, query: str, first: float, last: float, step: float) -> str:
    """Where a question about several instants is asked."""
    asked = {"query": query, "start": f"{first:.3f}", "end": f"{last:.3f}", "step": f"{step:.3f}"}
    return f"{url.rstrip('/')}/api/v1/query_range?{urlencode(asked)}"


Rows = Sequence[tuple[Mapping[str, str], Sequence[tuple[float, float]]]]
"""Labels, and values by time."""


def rows(text: str) -> Rows:
    """An answer's series. Raises `ValueError` with what Prometheus said where it is none."""
    said = json.loads(text)
    if not isinstance(said, dict) or said.get("status") != "success":
        why = said.get("error") if isinstance(said, dict) else None
        raise ValueError(f"Prometheus refused the question: {why or text[:80]!r}")
    try:
        if said["data"]["resultType"] != "matrix":
            raise ValueError(f"{said['data']['resultType']!r} is not what was asked for")
        return [
            (
                {str(key): str(value) for key, value in one["metric"].items()},
                [(float(at), float(value)) for at, value in one.get("values", ())],
            )
            for one in said["data"]["result"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the answer is garbled: {error!r}") from error


def shown(found: Rows) -> frozenset[Series]:
    """The series that a discovery found."""
    return frozenset(_series(labels) for labels, _ in found)


def readings(
    answers: Mapping[str, Rows], slots: Iterable[int], slot_s: float, names: Names
) -> Mapping[int, Mapping[str, Mapping[Series, float]]]:
    """
    Slot -> instance -> the value of every series at the slot's beginning.

    `answers`: of `series`, `buckets` and `newest`. An instance whose newest sample is older than two slots
    is not there: what is told of it is the past.
    """
    found: dict[int, dict[str, dict[Series, float]]] = {slot: {} for slot in slots}
    for labels, values in answers["newest"]:
        for at, newest in values:
            slot = round(at / slot_s)
            if slot in found and isfinite(newest) and at - newest <= 2.0 * slot_s:
                found[slot][_instance(labels)] = {}
    for labels, values in answers["series"]:
        _put(found, _instance(labels), _series(labels), values, slot_s)
    for labels, values in answers.get("buckets", ()):
        named = {**labels, "__name__": names.latency + _BUCKET}
        _put(found, _instance(labels), _series(named), values, slot_s)
    return found


def _put(
    found: Mapping[int, Mapping[str, dict[Series, float]]],
    instance: str,
    series: Series,
    values: Sequence[tuple[float, float]],
    slot_s: float,
) -> None:
    for at, value in values:
        mine = found.get(round(at / slot_s), {}).get(instance)
        if mine is not None:
            mine[series] = value


def _instance(labels: Mapping[str, str]) -> str:
    return next((labels[label] for label in INSTANCE if labels.get(label)), "all")


def _series(labels: Mapping[str, str]) -> Series:
    own = {key: value for key, value in labels.items() if key != "__name__" and key not in INSTANCE}
    return Series(labels.get("__name__", ""), tuple(sorted(own.items())))
