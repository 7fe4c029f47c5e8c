"""What the demo's app shows under `/metrics`: its requests by code, and how long they took."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Final

BOUNDS_S: Final = (0.005, 0.01, 0.02, 0.03, 0.045, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.25, 0.31, 0.4)
LONG_S: Final = (0.5, 0.625, 0.78, 1.0, 1.25, 1.6, 2.0, 2.5, 5.0, 10.0)
EDGES_S: Final = (*BOUNDS_S, *LONG_S)
"""Upper bounds of the buckets; some a factor 1.25 apart, so that a limit of 1.25x can be judged."""


class Counters:
    """Counted since the process began, in the names that most client libraries use."""

    def __init__(self, started: float) -> None:
        """`started`: epoch."""
        self._started = started
        self._codes: Counter[int] = Counter()
        self._buckets = [0] * (len(EDGES_S) + 1)
        self._seconds = 0.0

    def add(self, status: int, seconds: float) -> None:
        self._codes[status] += 1
        self._buckets[bisect_left(EDGES_S, seconds)] += 1
        self._seconds += seconds

    def text(self) -> str:
        """In Prometheus' text format."""
        lines = [
            "# TYPE process_start_time_seconds gauge",
            f"process_start_time_seconds {self._started:.3f}",
            "# TYPE http_requests_total counter",
            *(f'http_requests_total{{code="{code}"}} {count}' for code, count in sorted(self._codes.items())),
            "# TYPE http_request_duration_seconds histogram",
        ]
        below = 0
        for edge, count in zip((*map(str, EDGES_S), "+Inf"), self._buckets, strict=True):
            below += count
            lines.append(f'http_request_duration_seconds_bucket{{le="{edge}"}} {below}')
        lines.append(f"http_request_duration_seconds_sum {self._seconds:.6f}")
        lines.append(f"http_request_duration_seconds_count {below}")
        return "\n".join(lines) + "\n"
