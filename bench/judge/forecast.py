"""
Is the forecast true? Seconds that `plan` asks for with 90 % power, beside those that nine in ten took.

The candidate does exactly what `must_see` names: 1 % more errors, or everything twice as slow at
a gate that looks at p99 only (every quantile that is asked for has to be able to see it alone).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from bench.judge.harm import bad
from bench.judge.worlds import ERRORS, Bend, Layout, draw
from crossfade.judge import open_stream, plan

MUST_SEE: dict[str, Bend] = {
    "errors": partial(bad, errors=ERRORS + 0.01),
    "latency": partial(bad, scale=math.log(2.0)),
}
LONGEST_S = 7200.0
GATES: dict[str, dict[str, object]] = {"errors": {}, "latency": {"at": [0.99]}}


def lines(*, runs: int, seeds: int = 1) -> Iterator[str]:
    """A line per gate, traffic and layout."""
    yield f"{'must_see of':<12} {'rps':>4} {'layout':<22} {'predicted':>10} {'nine in ten':>12} {'ratio':>6}"
    for name, bend in MUST_SEE.items():
        for rps in (5.0, 20.0, 50.0, 200.0):
            for layout in (Layout(), Layout(weight=0.5), Layout(instances=1, counted=False)):
                asked = predicted(name, bend, rps, layout, seeds)
                if asked is None or asked > LONGEST_S / 2.0:
                    yield f"{name:<12} {rps:>4g} {layout!s:<22} {_s(asked):>10} {'not run':>12}"
                    continue
                took = sorted(
                    measured(name, bend, rps, layout, seed=(seeds, number), bake_s=max(60.0, 3.0 * asked))
                    for number in range(runs)
                )
                late = took[math.ceil(0.9 * runs) - 1]
                yield (
                    f"{name:<12} {rps:>4g} {layout!s:<22} {_s(asked):>10} {_s(late):>12} {asked / late:>6.2f}"
                )


def predicted(name: str, bend: Bend, rps: float, layout: Layout, seeds: int) -> float | None:
    header, _ = draw(bend, seed=(seeds, 0), rps=rps, layout=layout, bake_s=60.0, every=5.0, kpi=False)
    answer = plan(
        GATES,
        weight=layout.weight,
        requests_per_s=rps,
        bake_s=600.0,
        history=header["history"],
        edges_ms=header["edges_ms"],
        instances=layout.instances if layout.counted else 1,
    )
    return answer[name]["seconds"]


def measured(
    name: str, bend: Bend, rps: float, layout: Layout, *, seed: tuple[int, int], bake_s: float
) -> float:
    """Seconds until this gate stops it; endless if it does not within the bake."""
    header, intervals = draw(bend, seed=seed, rps=rps, layout=layout, bake_s=bake_s, every=5.0, kpi=False)
    stream = open_stream({**header, "gates": GATES})
    for interval in intervals:
        if stream.feed(interval):
            return float(interval["end"]) if stream.blame == name else math.inf
    return math.inf


def _s(value: float | None) -> str:
    return "never" if value is None or value == math.inf else f"{value:.0f} s"
