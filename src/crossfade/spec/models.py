"""
What `crossfade.yaml` means, as frozen values with every default filled in.

Standard library only, so that the heart may read them. `load.py` makes them
from a file; `lint --resolved` prints them. Ratios are plain factors (`1.5x` is
1.5), shares are fractions (`0.1%` is 0.001), weights are thousandths.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path


class Mode(StrEnum):
    """What a failed gate does: stop the release, or only be reported."""

    STOP = "stop"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPlatform:
    """Processes on this machine behind our own Envoy."""

    command: str
    """Shell words; `{port}` and `{revision}` are filled in per instance."""
    port: int
    """Production listener; 0 takes a free one."""
    test_port: int = 0
    """Test listener, reaches the candidate only; 0 takes a free one."""
    instances: int = 2
    health: str = "/"
    """Path that answers 2xx or 3xx when an instance can serve."""
    stop_grace: timedelta = timedelta(seconds=30)
    """From SIGTERM, sent after drain, to SIGKILL."""
    drain: timedelta = timedelta(seconds=30)
    """Longest wait for requests in flight before SIGTERM."""


Platform = LocalPlatform


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightStep:
    weight: int
    """Thousandths of production traffic on the candidate."""
    bake: timedelta
    max_bake: timedelta
    """How long an inconclusive bake may be extended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalStep:
    """The release waits for a person at the weight of the step before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    steps: tuple[WeightStep | ApprovalStep, ...]
    keep_old: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueGreen:
    bake: timedelta
    max_bake: timedelta
    keep_old: timedelta


Strategy = Canary | BlueGreen


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsGate:
    """Failure odds of the candidate against stable, and an absolute limit."""

    name: str = "errors"
    at_most: float = 1.5
    ignore_below: float = 0.001
    must_see: float = 0.01
    max: float | None = None
    """Absolute share of failed requests that the candidate may never exceed."""
    mode: Mode = Mode.STOP


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyGate:
    """Requests slower than `at_most` times stable's quantile (judged on time, not on odds)."""

    name: str = "latency"
    at_most: float = 1.25
    at: tuple[float, ...] = (0.5, 0.95, 0.99)
    must_see: float = 2.0
    max: tuple[tuple[float, timedelta], ...] = ()
    """Absolute limits: (quantile, time), e.g. p99 at most 800 ms."""
    mode: Mode = Mode.STOP


@dataclass(frozen=True, slots=True, kw_only=True)
class UnhealthyGate:
    """Instances of the candidate that stay unhealthy, crash, or run out of memory."""

    name: str = "unhealthy"
    max: int = 0
    hold_for: timedelta = timedelta(seconds=30)
    memory: int | None = None
    """Bytes at which an instance is lost: growth towards it is judged. None: memory is not watched."""
    mode: Mode = Mode.STOP


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmsGate:
    """Alarms elsewhere, each a URL that answers OK, ALARM or INSUFFICIENT_DATA."""

    name: str
    urls: tuple[str, ...]
    mode: Mode = Mode.STOP


Gate = ErrorsGate | LatencyGate | UnhealthyGate | AlarmsGate


@dataclass(frozen=True, slots=True, kw_only=True)
class NoGates:
    """`gates: none` written out, with the reason that is shown everywhere."""

    reason: str


class Preset(StrEnum):
    """How patient the judge is: see docs/judge.md."""

    NORMAL = "normal"
    CAREFUL = "careful"


class OnNoData(StrEnum):
    ROLLBACK = "rollback"
    HOLD = "hold"


class OnInconclusive(StrEnum):
    HOLD = "hold"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    false_stops: float = 0.01
    """Chance that a healthy release is stopped, over all gates and all looks."""
    warm_up: timedelta = timedelta(seconds=75)
    """Latency of new instances is ignored for so long after they take traffic."""
    preset: Preset = Preset.NORMAL
    no_data: OnNoData = OnNoData.ROLLBACK
    inconclusive: OnInconclusive = OnInconclusive.HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    ready: timedelta = timedelta(minutes=10)
    hook: timedelta = timedelta(minutes=5)
    no_data: timedelta = timedelta(minutes=5)
    hold: timedelta = timedelta(hours=4)
    rollback: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpHook:
    """Passes when the path answers 2xx on the test listener."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHook:
    """Passes when the command exits 0."""

    command: str


Hook = HttpHook | CommandHook


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    before_traffic: tuple[Hook, ...] = ()
    after_traffic: tuple[Hook, ...] = ()
    on_rollback: tuple[Hook, ...] = ()


class OnInterrupt(StrEnum):
    ROLLBACK = "rollback"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One service's `crossfade.yaml`, complete."""

    service: str
    folder: Path
    """Where the file lies: commands run there, relative paths start there."""
    state: Path
    """The state folder, absolute."""
    platform: Platform
    strategy: Strategy
    gates: tuple[Gate, ...] | NoGates
    judging: Judging = field(default_factory=Judging)
    deadlines: Deadlines = field(default_factory=Deadlines)
    hooks: Hooks = field(default_factory=Hooks)
    on_interrupt: OnInterrupt = OnInterrupt.ROLLBACK
    sources: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)
    """(key path, `file:line`) of everything that was written; what is not here is a default."""
