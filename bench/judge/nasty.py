"""
Nasty worlds of our own, reported as they came out: no constant was chosen with them in view.

All are healthy: the candidate is the same build as stable. They were written when all constants stood
but those of tempering, which came later and was chosen on "rates wander" and "slower machines".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.judge.worlds import Bend, Life, wander, window


def pauses(life: Life) -> None:
    """Stop the world: every instance by itself stands still for 1-3 s about every 45 s, and
    whatever it was asked meanwhile is slow.
    """
    for course in life.fleet:
        begin, end = float(course.seconds[0] - course.every), float(course.seconds[-1])
        for instance in range(len(course.slow)):
            at = begin
            while (at := at + life.rng.exponential(45.0)) < end:
                course.slow[instance] += window(course, at, life.rng.uniform(1.0, 3.0))
        course.slow[:] = np.minimum(course.slow, 1.0)


def brown_out(life: Life) -> None:
    """A dependency of both arms fails 5-30 % for 20-60 s, three times in ten minutes; each
    instance meets it through a connection pool of its own, more or less often (log sd 0.5).
    """
    rng = life.rng
    for courses in ((life.history,), (life.stable, life.candidate)):
        begin, end = float(courses[0].seconds[0]), float(courses[0].seconds[-1])
        at = begin
        while (at := at + rng.exponential(200.0)) < end:
            length, failing = rng.uniform(20.0, 60.0), rng.uniform(0.05, 0.3)
            for course in courses:
                ill = window(course, at, length)
                own = failing * np.exp(rng.normal(0.0, 0.5, len(course.errors)))
                course.errors[:] += np.outer(np.minimum(own, 0.9), ill)
        for course in courses:
            course.errors[:] = np.minimum(course.errors, 1.0)


def rush(life: Life) -> None:
    """Load triples within two minutes and stays; queues make everything up to half slower, on
    some instances more than on others; failures rise with the wait.
    """
    start = life.rng.uniform(0.0, 300.0)
    ramp = np.clip((life.stable.seconds - start) / 120.0, 0.0, 1.0)
    for course in (life.stable, life.candidate):
        size = len(course.errors)
        feel = np.exp(life.rng.normal(0.0, 0.2, size))[:, None]
        sway = wander(life.rng, course.errors.shape, life.every, 0.05, 60.0)
        course.load[:] *= 1.0 + 2.0 * ramp
        course.scale[:] += 0.4 * ramp * feel + sway * ramp
        course.errors[:] *= 1.0 + 9.0 * ramp * feel


WORLDS: Mapping[str, Bend] = {
    "stop-the-world pauses": pauses,
    "brown-out of a dependency": brown_out,
    "rush hour": rush,
}
