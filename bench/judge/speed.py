"""One judged interval, against summing the same histograms."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

from crossfade.judge import open_stream

GRID = [0.5 * 1.25 ** (k / 2) for k in range(106)]


def lines(*, short: bool) -> Iterator[tuple[str, str, str]]:
    """Ms per pushed interval of 5 s, two candidate instances, 500 requests/s."""
    rounds = 60 if short else 400
    rng = random.Random(7)
    fed = [_interval(rng, number) for number in range(rounds)]
    stream = open_stream({"edges_ms": GRID, "alpha": 0.01, "bake_s": rounds * 5.0, "weight": 0.1})
    start = time.perf_counter()
    for interval in fed:
        stream.push(interval)
    ours = (time.perf_counter() - start) / rounds
    start = time.perf_counter()
    for interval in fed:
        for arm in (
            interval["stable"],
            interval["candidate"],
            *(one for _, one in interval["candidate_instances"]),
        ):
            sum(arm["latency"])
    plain = (time.perf_counter() - start) / rounds
    yield (
        "judge, one interval, 2 instances",
        f"{ours * 1e3:.2f} ms",
        f"{ours / plain:.0f} x summing its buckets",
    )


def _interval(rng: random.Random, number: int) -> dict[str, Any]:
    halves = [_arm(rng, 125), _arm(rng, 125)]
    whole = {
        "requests": 250,
        "errors": sum(half["errors"] for half in halves),
        "latency": [a + b for a, b in zip(halves[0]["latency"], halves[1]["latency"], strict=True)],
    }
    return {
        "start": number * 5.0,
        "end": number * 5.0 + 5.0,
        "stable": _arm(rng, 2250),
        "candidate": whole,
        "candidate_instances": [["a", halves[0]], ["b", halves[1]]],
    }


def _arm(rng: random.Random, requests: int) -> dict[str, Any]:
    latency = [0] * (len(GRID) + 1)
    for _ in range(requests):
        latency[min(len(GRID), max(0, int(rng.gauss(29, 6))))] += 1
    return {"requests": requests, "errors": int(rng.random() < 0.1), "latency": latency}
