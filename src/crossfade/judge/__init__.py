"""
The judge: is the candidate worse than stable, and how sure is that?

Pure statistics, standard library only: no I/O, no clock, no randomness. Counts
of both arms go in interval by interval, a verdict comes out after each. All
gates of a release share one budget for false stops, valid at every look (R31).

    stream = open_stream({"edges_ms": [...], "alpha": 0.01, "bake_s": 300, "weight": 0.1})
    for interval in intervals:
        verdict = stream.push(interval)

`stream.py` is the place to start reading.
"""

from crossfade.judge.ahead import plan
from crossfade.judge.gauges import HealthSample, HealthVerdict, unhealthy
from crossfade.judge.leaks import MemorySample, MemoryVerdict, memory
from crossfade.judge.methods import METHOD, METHODS
from crossfade.judge.stream import Stream, open_stream, replay
from crossfade.judge.types import (
    Arm,
    BadCountsError,
    GateVerdict,
    Header,
    Interval,
    KpiCounts,
    Needs,
    Say,
    Verdict,
)

__all__ = [
    "METHOD",
    "METHODS",
    "Arm",
    "BadCountsError",
    "GateVerdict",
    "Header",
    "HealthSample",
    "HealthVerdict",
    "Interval",
    "KpiCounts",
    "MemorySample",
    "MemoryVerdict",
    "Needs",
    "Say",
    "Stream",
    "Verdict",
    "memory",
    "open_stream",
    "plan",
    "replay",
    "unhealthy",
]
