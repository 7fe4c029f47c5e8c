"""
What `crossfade.yaml` means, as frozen values with every default filled in.

Standard library only, so that the heart may read them. `load.py` makes them
from a file; `lint --resolved` prints them. Ratios are plain factors (`1.5x` is
1.5), shares are fractions (`0.1%` is 0.001), weights are thousandths.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from crossfade.spec.aws_models import AlbPlatform, Aws
from crossfade.spec.database_models import Database
from crossfade.spec.places import S3Place
from crossfade.spec.signal_models import AccessLog, KpiGate, MetricGate, Mode, Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Requests that are this service's; all rules of a service shift together."""

    host: str = ""
    """Exact host; empty = any."""
    path: str = "/"
    """Prefix of the path, on the border of a segment."""


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
    rules: tuple[Rule, ...] = (Rule(),)


Platform = LocalPlatform | AlbPlatform


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


class PreviewKind(StrEnum):
    HEADER = "header"
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Production requests that carry this reach the candidate before anybody else does: for staff."""

    kind: PreviewKind
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traffic:
    """What every strategy says about the old version's end and about single users."""

    keep_old: timedelta
    """How long the old version stays warm after promotion."""
    sticky: bool = False
    """A user stays on a version: by cookie, moved at most once and only forward, recalled by a rollback."""
    preview: Preview | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _HeldBack(_Traffic):
    hold_back: int = 0
    """Thousandths that stable keeps until `keep_old` ends: a live baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary(_HeldBack):
    """A growing share of traffic; the candidate grows with it."""

    steps: tuple[WeightStep | ApprovalStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hybrid(_HeldBack):
    """A growing share of traffic onto a candidate of full size from the first step on."""

    steps: tuple[WeightStep | ApprovalStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(_HeldBack):
    """Equal steps."""

    step: int
    """Thousandths by which each step is higher than the one before."""
    every: timedelta
    """The bake of each step."""
    max_bake: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueGreen(_HeldBack):
    """All traffic at once, onto a second set of full size."""

    bake: timedelta
    max_bake: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling(_Traffic):
    """Batch by batch: the old side shrinks as the new one grows, so the way back takes minutes."""

    surge: int | Decimal
    """Instances that may run beyond those the service needs, or a part of them; at least one."""
    unavailable: int | Decimal
    """Instances that may be missing of those it needs, or a part of them."""
    bake: timedelta
    """After each batch."""
    max_bake: timedelta


Strategy = Canary | BlueGreen | Linear | Rolling | Hybrid


def surging(part: int | Decimal, instances: int) -> int:
    """A surge as whole instances, rounded up, so that there is one."""
    return part if isinstance(part, int) else math.ceil(part * instances)


def missing_of(part: int | Decimal, instances: int) -> int:
    """What may be missing as whole instances, rounded down."""
    return part if isinstance(part, int) else math.floor(part * instances)


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
    """Alarms elsewhere, none of which may fire."""

    name: str
    urls: tuple[str, ...] = ()
    """Each answers OK, ALARM or INSUFFICIENT_DATA."""
    names: tuple[str, ...] = ()
    """Alarms of CloudWatch, of metrics or composite."""
    mode: Mode = Mode.STOP


Gate = ErrorsGate | LatencyGate | UnhealthyGate | AlarmsGate | KpiGate | MetricGate


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


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """Passes when idle candidate and stable, sent the same requests, are judged alike."""

    paths: tuple[str, ...]
    """Paths asked in turn, by GET, on both sides."""
    hold_for: timedelta = timedelta(seconds=60)
    """How long; the second half is judged."""
    rate: float = 20.0
    """Requests per second to each side."""
    mirror: float = 0.0
    """Share of production GET and HEAD requests that the idle candidate gets a copy of meanwhile."""


Hook = HttpHook | CommandHook | WarmUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    before_traffic: tuple[Hook, ...] = ()
    after_traffic: tuple[Hook, ...] = ()
    on_rollback: tuple[Hook, ...] = ()
    hand_over: tuple[Hook, ...] = ()
    """What a version works on beside requests goes over to the other: at promotion, and at a rollback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    approvals: int = 0
    """
    How many people pass an approval step, none of them the one who released (four eyes).

    0: anyone passes it alone.
    """


class OnInterrupt(StrEnum):
    ROLLBACK = "rollback"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One service's `crossfade.yaml`, complete."""

    service: str
    folder: Path
    """Where the file lies: commands run there, relative paths start there."""
    state: Path | S3Place
    """The state folder, absolute, or a place in a bucket."""
    platform: Platform
    strategy: Strategy
    gates: tuple[Gate, ...] | NoGates
    signals: Signals = field(default_factory=AccessLog)
    """Who counts requests."""
    judging: Judging = field(default_factory=Judging)
    deadlines: Deadlines = field(default_factory=Deadlines)
    hooks: Hooks = field(default_factory=Hooks)
    policy: Policy = field(default_factory=Policy)
    database: Database | None = None
    """The schema that versions run on."""
    aws: Aws | None = None
    """The account, for whatever is on AWS."""
    after: tuple[str, ...] = ()
    """Services of the same state folder whose release has to be over, and well, before this one begins."""
    on_interrupt: OnInterrupt = OnInterrupt.ROLLBACK
    sources: tuple[tuple[str, str], ...] = field(default=(), compare=False, repr=False)
    """(key path, `file:line`) of everything that was written; what is not here is a default."""
