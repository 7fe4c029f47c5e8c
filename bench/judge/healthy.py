"""
Healthy releases in noisy lives: the candidate is the same build as stable, every stop is false.

The first seven are what any fleet lives through; constants of the judge were chosen with
them in view. The next three (an instance sick for minutes, rates that wander) were once
outside and are inside by now. `SLOWER`: new instances on slower machines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from bench.judge.worlds import Bend, Course, Life, episodes, wander, window


def stable(_life: Life) -> None:
    """Rates that never move."""


def drift(life: Life) -> None:
    """Both arms: errors, latency and load wander, with two spikes each."""
    rng, past, now = life.rng, life.history, life.stable
    for courses in ((past,), (now, life.candidate)):
        size = len(courses[0].seconds)
        errors = wander(rng, (size,), life.every, 0.6, 120.0)
        scale = wander(rng, (size,), life.every, 0.12, 120.0)
        load = np.exp(wander(rng, (size,), life.every, 0.3, 180.0))
        begin, long = courses[0].seconds[0], courses[0].seconds[-1] - courses[0].seconds[0]
        for _ in range(2):
            errors = errors + math.log(10.0) * window(
                courses[0], begin + rng.uniform(0, long), rng.uniform(30, 60)
            )
            scale = scale + 0.4 * window(courses[0], begin + rng.uniform(0, long), rng.uniform(30, 60))
            load = load * (1.0 + window(courses[0], begin + rng.uniform(0, long), rng.uniform(10, 60)))
        for course in courses:
            course.errors[:] *= np.exp(errors)
            course.scale[:] += scale
            course.load[:] *= load


def beta(life: Life) -> None:
    """Each instance's rates are drawn anew in each interval (gamma, shape 1/2)."""
    for course in life.fleet:
        shape = course.errors.shape
        course.errors[:] *= life.rng.gamma(0.5, 2.0, shape)
        course.slow[:] += 0.005 * life.rng.gamma(0.5, 2.0, shape)
        course.scale[:] += life.rng.normal(0.0, 0.05, shape)


def retries(life: Life) -> None:
    """Failures come in clusters of four on average: one cause, retried."""
    for name in ("history", "stable", "candidate"):
        course: Course = getattr(life, name)
        setattr(life, name, replace(course, clustered=4.0))


def sticky_client(life: Life) -> None:
    """Every five minutes on average one client makes 30-150 failing requests in 10 s, to one arm."""
    rng, weight = life.rng, life.layout.weight
    for courses in ((life.history,), (life.stable, life.candidate)):
        begin, end = float(courses[0].seconds[0]), float(courses[0].seconds[-1])
        at = begin
        while (at := at + rng.exponential(300.0)) < end:
            course = courses[-1] if len(courses) > 1 and rng.random() < weight else courses[0]
            add_extra(life, course, at, int(rng.integers(30, 151)), 10.0)


def add_extra(life: Life, course: Course, start: float, number: int, length: float) -> None:
    """Spread failing requests over an arm's instances and `length` seconds."""
    share = window(course, start, length)
    if share.sum() <= 0.0:
        return
    over_time = life.rng.multinomial(number, share / share.sum())
    split = [1.0 / len(course.errors)] * len(course.errors)
    course.extra[:] += life.rng.multinomial(over_time, split).T


SICK_EVERY_S = 7400.0
"""Of one instance: at 10 %, one of two candidate instances is hit in 15 % of ten-minute releases."""


def sick(life: Life, *, mean_s: float) -> None:
    """Now and then an instance of the fleet fails 20 % of its requests and is slow in 20 %."""
    for course in life.fleet:
        ill = episodes(life.rng, course, SICK_EVERY_S, mean_s)
        course.errors[:] = course.errors * (1.0 - ill) + 0.2 * ill
        course.slow[:] += 0.2 * ill


def unlike(life: Life) -> None:
    """Instances differ for good: errors by a factor with sd 40 %, latency by 5 %."""
    rng = life.rng
    errors, scale = (
        rng.normal(0.0, 0.4, len(life.stable.errors)),
        rng.normal(0.0, 0.05, len(life.stable.errors)),
    )
    for course in (life.history, life.stable):
        course.errors[:] *= np.exp(errors)[:, None]
        course.scale[:] += scale[:, None]
    size = len(life.candidate.errors)
    life.candidate.errors[:] *= np.exp(rng.normal(0.0, 0.4, size))[:, None]
    life.candidate.scale[:] += rng.normal(0.0, 0.05, size)[:, None]


def wandering(life: Life) -> None:
    """Each instance's rates wander by themselves for a minute at a time (log sd 1)."""
    for course in life.fleet:
        course.errors[:] *= np.exp(wander(life.rng, course.errors.shape, life.every, 1.0, 60.0))
        slow = np.exp(wander(life.rng, course.errors.shape, life.every, 1.0, 60.0))
        course.slow[:] += np.minimum(0.005 * slow, 0.5)


def slower(life: Life, *, sd: float) -> None:
    """Machines differ in speed: latency of an instance by a factor with this sd, for good."""
    rng = life.rng
    scale = rng.normal(0.0, sd, len(life.stable.errors))
    for course in (life.history, life.stable):
        course.scale[:] += scale[:, None]
    life.candidate.scale[:] += rng.normal(0.0, sd, len(life.candidate.errors))[:, None]


WORLDS: Mapping[str, Bend] = {
    "stable": stable,
    "drift, both arms": drift,
    "over-dispersed": beta,
    "retries": retries,
    "sticky client": sticky_client,
    "sick ~20 s": partial(sick, mean_s=20.0),
    "instances differ": unlike,
    "sick ~60 s": partial(sick, mean_s=60.0),
    "sick ~120 s": partial(sick, mean_s=120.0),
    "rates wander": wandering,
}
SLOWER: Mapping[str, Bend] = {
    f"slower machines, sd {sd} %": partial(slower, sd=sd / 100.0) for sd in (10, 15, 20)
}
