"""
What can be wrong with a revision of the demo's app, and how long its answers take.

A good revision answers with log-normal times, as services do: half within 12 ms, one in a
hundred later than 60 ms. Each bad one differs in one way that a release has to survive.
`app` behaves so.
"""

from __future__ import annotations

import math
import random
from enum import StrEnum

MEDIAN = 0.012  # seconds; half of the answers take no longer
P99 = 0.060  # seconds
SIGMA = math.log(P99 / MEDIAN) / 2.3263  # of the log-normal; 2.3263 is the 99 % point of N(0, 1)
SLOW_FACTOR = 3.0
SLOW_FROM = MEDIAN * math.exp(1.1750 * SIGMA)  # the 88 % point: the slowest 12 % begin here
LEAK = 256 * 1024  # bytes kept per request by `leaking`
LEAK_LIMIT = 512 * 1024 * 1024  # where a leak ends in an exit 137, as under an OOM killer
ERROR_SHARE = 0.05
HANG_SHARE = 0.30
CRASH_AFTER = (2.0, 4.0)  # seconds from the first request under traffic
SLOW_STOP = 20.0  # seconds before `slow-stop` obeys SIGTERM


class Behaviour(StrEnum):
    """What is wrong with this revision; one thing at most."""

    GOOD = "good"
    SLOW = "slow"  # the slowest 12 % take three times as long; never an error
    ERRORING = "erroring"  # 5 % are answered 500
    CRASH_LOOP = "crash-loop"  # healthy, then exits by itself 2 to 4 s after the first request
    LEAKING = "leaking"  # keeps 256 kB per request
    HANGING = "hanging"  # never answers 30 % of the requests
    ONE_PATH = "one-path"  # /checkout is answered 500
    NEVER_READY = "never-ready"  # /healthz is 503 for ever
    SLOW_STOP = "slow-stop"  # takes 20 s to obey SIGTERM


def service_time(rng: random.Random, *, slow: bool) -> float:
    """Seconds one answer takes: log-normal, p50 12 ms, p99 60 ms; `slow` triples the top 12 %."""
    drawn = MEDIAN * math.exp(rng.gauss(0.0, SIGMA))
    return drawn * SLOW_FACTOR if slow and drawn >= SLOW_FROM else drawn
