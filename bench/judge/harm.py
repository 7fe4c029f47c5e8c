"""
Harmful releases: how soon is each seen? And what happens to the candidate alone in a healthy one.

`EFFECTS` begin with the first request unless they are late (180 s). `GIVEN`: the nasty thing
happens to the candidate in every run after a clean history, so that its figures are rates
given the event and not rates of releases.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from bench.judge import worlds
from bench.judge.healthy import add_extra
from bench.judge.worlds import (
    ERRORS,
    KPI_FAILED,
    Bend,
    Life,
    window,
)

LATE_S = (150.0, 210.0)
"""A late harm begins at any time in here: no raster of ours or of a peer's may meet it."""


def bad(life: Life, *, late: bool = False, **what: float) -> None:
    """The candidate does `what`: errors, slow, scale, tail, kpi, hang; `late`: after some minutes."""
    course = life.candidate
    since_s = life.every * round(life.rng.uniform(*LATE_S) / life.every) if late else 0.0
    on = course.seconds > since_s + 1e-9
    for name, value in what.items():
        getattr(course, name)[:, on] = value
    life.header["truth"] = {**_truth(what), "since": since_s}


def _truth(what: Mapping[str, float]) -> dict[str, Any]:
    """The rates of both arms, for the oracle."""
    truth: dict[str, Any] = {}
    if "errors" in what:
        truth["errors"] = [ERRORS, what["errors"]]
    if "kpi" in what:
        truth["kpi"] = [KPI_FAILED, what["kpi"]]
    if what.keys() & {"slow", "scale", "tail"}:
        usual = worlds.mass(0.0)
        slow = what.get("slow", 0.0)
        sick = worlds.mass(what.get("scale", 0.0), tail=what.get("tail", 0.0) > 0.0)
        truth["latency"] = [usual.tolist(), (sick * (1.0 - slow) + worlds.SLOW * slow).tolist()]
    return truth


EFFECTS: Mapping[str, Bend] = {
    "errors 0.1 -> 0.5 %": partial(bad, errors=0.005),
    "errors 0.1 -> 1 %": partial(bad, errors=0.01),
    "errors 0.1 -> 2 %": partial(bad, errors=0.02),
    "crash": partial(bad, errors=1.0),
    "p99 x 3": partial(bad, tail=1.0),
    "p50 + 50 %": partial(bad, scale=math.log(1.5)),
    "2 % of requests slow": partial(bad, slow=0.02),
    "KPI 97 -> 90 %": partial(bad, kpi=0.1),
    "90 % hang": partial(bad, hang=0.9),
    "late p99 x 3": partial(bad, tail=1.0, late=True),
    "late errors 1 %": partial(bad, errors=0.01, late=True),
    "late crash": partial(bad, errors=1.0, late=True),
    "late 90 % hang": partial(bad, hang=0.9, late=True),
}
HARMLESS_TO_PASS = ("errors 0.1 -> 0.5 %",)
"""Below `must_see` (1 % more): a pass is no mistake."""


def lone(life: Life) -> None:
    """One candidate instance fails 20 % for two minutes."""
    start = life.rng.uniform(0.0, 300.0)
    ill = window(life.candidate, start, 120.0)
    life.candidate.errors[0] = ERRORS * (1.0 - ill) + 0.2 * ill


def shock(life: Life) -> None:
    """30-150 failing requests more, in 10 s, over the whole candidate."""
    add_extra(life, life.candidate, life.rng.uniform(0.0, 500.0), int(life.rng.integers(30, 151)), 10.0)


def blip(life: Life) -> None:
    """40 % of the candidate's usual requests fail for 10 s."""
    ill = window(life.candidate, life.rng.uniform(0.0, 500.0), 10.0)
    life.candidate.errors[:] = life.candidate.errors * (1.0 - ill) + 0.4 * ill


def zone(life: Life) -> None:
    """Half of each side's instances fail 5 % for one to three minutes."""
    start, length = life.rng.uniform(0.0, 400.0), life.rng.uniform(60.0, 180.0)
    for course in (life.stable, life.candidate):
        half = max(1, len(course.errors) // 2)
        ill = window(course, start, length)
        course.errors[:half] = course.errors[:half] * (1.0 - ill) + 0.05 * ill


def neighbour(life: Life) -> None:
    """A fifth of the candidate's instances (at least one) has 10 % slow requests."""
    life.candidate.slow[: max(1, len(life.candidate.errors) // 5)] = 0.1


def cold_cache(life: Life, *, warm_up_s: float) -> None:
    """A cache shared by all new instances is cold: 30 % slow for 30 s."""
    life.candidate.slow[:] = 0.3 * window(life.candidate, 0.0, 30.0)
    life.header["warm_up_s"] = warm_up_s


def warming(life: Life, *, warm_up_s: float) -> None:
    """New instances begin with 60 % slow requests, fading with 20 s; so much of latency is ignored."""
    life.candidate.slow[:] = 0.6 * np.exp(-(life.candidate.seconds - life.every) / 20.0)
    life.header["warm_up_s"] = warm_up_s


GIVEN: Mapping[str, Bend] = {
    "one instance sick 120 s": lone,
    "shock on the whole arm": shock,
    "blip of the whole arm": blip,
    "zone of both arms": zone,
    "noisy neighbour": neighbour,
    "cold cache, all judged": partial(cold_cache, warm_up_s=0.0),
    "cold cache, 30 s ignored": partial(cold_cache, warm_up_s=30.0),
    "warm-up, 75 s ignored": partial(warming, warm_up_s=75.0),
    "warm-up, 90 s ignored": partial(warming, warm_up_s=90.0),
}
