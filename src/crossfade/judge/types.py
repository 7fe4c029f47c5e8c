"""
The words the judge speaks: what goes in, what comes out, as plain JSON.

Input and output are mappings, because intervals come from a scrape or a stored
file and verdicts go to a journal: `replay(header, intervals)` has to give the
same bits as the day it happened (R30). Counts may be fractional (some sources
interpolate). Times are seconds, latencies milliseconds, shares and ratios plain
factors.

`inputs.py` turns these into checked values; `stream.py` does the judging.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypeAlias, TypedDict

Say: TypeAlias = Literal["pass", "fail", "not_yet", "no_data", "inconclusive"]
"""`pass`: bake over, nothing wrong, and `must_see` would have been seen with 90 % power.
`inconclusive`: bake over, nothing wrong, but too little was seen to know (R32).
`no_data`: nothing arrived that could be judged (R25). `not_yet`: go on baking."""


class BadCountsError(ValueError):
    """A header or an interval that cannot be read: negative, NaN, overlapping, wrong length.

    The stream is unchanged by the refused interval.
    """


class KpiCounts(TypedDict):
    total: float
    failed: float


class Arm(TypedDict):
    """What one side did in one interval."""

    requests: float
    errors: float
    latency: NotRequired[Sequence[float]]
    """Requests per bucket, not cumulative; one more than `edges_ms`. Absent or empty: unknown."""
    kpi: NotRequired[Mapping[str, KpiCounts]]


class Interval(TypedDict):
    """Both sides over one closed interval, read in one scrape (R29)."""

    start: float
    end: float
    candidate: NotRequired[Arm | None]
    """Absent or None: could not be read. Zero requests is a reading, not an absence."""
    stable: NotRequired[Arm | None]
    step: NotRequired[str]
    weight: NotRequired[float]
    """Share of traffic meant for the candidate, 0..1; absent: as before."""
    bake_s: NotRequired[float]
    """Length of the present step's bake; absent: as before."""
    candidate_instances: NotRequired[Sequence[tuple[str, Arm]]]
    stable_instances: NotRequired[Sequence[tuple[str, Arm]]]


class Header(TypedDict, total=False):
    """What is fixed when the release opens."""

    edges_ms: Sequence[float]
    alpha: float
    """Chance that a healthy release is stopped, over all gates and all looks (default 0.01)."""
    bake_s: float
    weight: float
    gates: Mapping[str, Mapping[str, object]]
    history: Sequence[Interval]
    warm_up_s: float
    preset: str
    """`normal`, or `careful`: patient even where stable was quiet and its instances alike."""
    method: str
    """Version of the method (`methods.py`); absent: the newest."""


class GateVerdict(TypedDict):
    """One gate's part of a verdict; `limit` is the ratio that was really tested."""

    verdict: Say
    evidence: float
    """This gate's part of the release's evidence; in `mode: observe`, on a budget of its own."""
    ratio: float | None
    low: float | None
    high: float | None
    limit: float | None
    n_stable: float
    n_candidate: float
    observed_candidate: float | None
    observed_stable: float | None
    cut_ms: float | None
    limit_ms: float | None
    at: float | None


class Verdict(TypedDict):
    """What is known after an interval. The release stops when `evidence` reaches `bound`."""

    verdict: Say
    evidence: float
    bound: float
    ratio: float | None
    low: float | None
    high: float | None
    blame: str | None
    at: float | None
    instance: str | None
    """One candidate instance that alone is sick: promotion held, not rolled back."""
    needs_s: float | None
    n_stable: float
    n_candidate: float
    gates: dict[str, GateVerdict]
    text: str
    covers_s: float
    """Seconds of data of the present step."""


class Needs(TypedDict):
    """What it takes to see a gate's `must_see` with 90 % power; None: cannot be seen at all."""

    requests: float | None
    """Requests to the candidate."""
    seconds: float | None
    """Seconds of bake at the given traffic and weight."""
    seen: bool
    """Whether the given bake is long enough."""
