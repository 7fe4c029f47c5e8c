"""Journals for the renderers' tests: one plan, events at stated seconds, written as the heart writes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from crossfade.release.plan import Plan, PlannedGate, Step
from crossfade.release.roads import compile_roads
from crossfade.release.shape import shape_of
from crossfade.release.values import Cause, Event, EventType, Share
from crossfade.spec import Canary, Deadlines, WeightStep

SCREENS = Path(__file__).parent / "screens"

T0 = datetime(2026, 11, 24, 12, 3, 0, tzinfo=UTC)
RELEASE = "01JD7QGZ5R8M2K4V6X9Y7F3AQK"
HOOK = f"{RELEASE}:before:0"

LATENCY: dict[str, object] = {
    "verdict": "fail",
    "evidence": 8300.0,
    "bound": 100.0,
    "ratio": 3.1,
    "low": 2.6,
    "high": 3.8,
    "limit": 1.25,
    "n_stable": 2700.0,
    "n_candidate": 300.0,
    "observed_stable": 0.01,
    "observed_candidate": 34 / 300,
    "cut_ms": 248.0,
    "limit_ms": 310.0,
    "at": 0.99,
    "window_s": 50.0,
    "text": "p99 is 3.1x of stable's",
}
ERRORS: dict[str, object] = {
    "verdict": "not_yet",
    "evidence": 0.4,
    "bound": 100.0,
    "ratio": 0.9,
    "limit": 1.5,
    "n_stable": 2700.0,
    "n_candidate": 300.0,
    "observed_stable": 0.003,
    "observed_candidate": 0.0027,
    "window_s": 50.0,
}


@dataclass(frozen=True, slots=True)
class Entry:
    seq: int
    service: str
    release: str
    event: Event
    prev_hash: str = "ab" * 32


def plan(**changed: Any) -> Plan:
    """A canary of 10 % and 50 %, then all; three gates, one hook."""
    gates = (
        PlannedGate(name="errors", observe=False, traffic=True),
        PlannedGate(name="latency", observe=False, traffic=True),
        PlannedGate(name="unhealthy", observe=False, traffic=False),
    )
    bake = timedelta(minutes=5)
    steps = tuple(WeightStep(weight=weight, bake=bake, max_bake=3 * bake) for weight in (100, 500))
    on, back = compile_roads(
        shape_of(Canary(steps=steps, keep_old=timedelta(minutes=10)), instances=4),
        gates=gates,
        deadlines=Deadlines(
            ready=timedelta(minutes=10),
            hook=bake,
            no_data=bake,
            hold=timedelta(hours=4),
            rollback=bake,
        ),
        before=(HOOK,),
    )
    said: dict[str, Any] = {
        "release": RELEASE,
        "service": "shop",
        "stable": "v2",
        "candidate": "v3",
        "on": on,
        "back": back,
        "gates": gates,
        "hooks": {HOOK: {"http": "/healthz"}},
        "strategy": "canary",
        "break_glass": "cp home.yaml envoy/routes.yaml",
    }
    return Plan(**(said | changed))


def first_road(*, after: tuple[str, ...]) -> tuple[Step, ...]:
    """The road on of a service's first release."""
    steps = (WeightStep(weight=100, bake=timedelta(0), max_bake=timedelta(0)),)
    shape = shape_of(Canary(steps=steps, keep_old=timedelta(0)), instances=4)
    minute = timedelta(minutes=1)
    limits = Deadlines(ready=minute, hook=minute, no_data=minute, hold=minute, rollback=minute)
    return compile_roads(shape, gates=(), deadlines=limits, before=(HOOK,), after=after, first=True)[0]


def at(kind: EventType, later: float, **fields: Any) -> Event:
    """An event this long after the release was opened."""
    return Event(type=kind, ts=T0 + timedelta(seconds=later), **fields)


def journal(events: Iterable[Event]) -> list[Entry]:
    return [Entry(n, "shop", RELEASE, event) for n, event in enumerate(events, 1)]


def ready() -> list[Event]:
    """Opened, the candidate up, its hook passed; no weight has moved."""
    return [
        at(EventType.RELEASE_OPENED, 0, actor="ada", message="shop v2 -> v3, canary"),
        at(EventType.CANDIDATE_REQUESTED, 0, step="provisioning", weight=Share(0)),
        at(EventType.CANDIDATE_READY, 6, step="provisioning", weight=Share(0)),
        at(EventType.VERIFY_REQUESTED, 6, step="verifying", weight=Share(0)),
        at(EventType.VERIFY_VERIFIED, 7, step="verifying", weight=Share(0)),
        at(EventType.HOOK_STARTED, 7, step="verifying", key=HOOK),
    ]


def baking() -> list[Event]:
    """In the bake of the first step."""
    return [
        *ready(),
        at(EventType.HOOK_PASSED, 8, step="verifying", key=HOOK, message="200 in 4 ms"),
        at(EventType.WEIGHT_REQUESTED, 9, step="10 %", weight=Share(100)),
        at(EventType.WEIGHT_VERIFIED, 10, step="10 %", weight=Share(100)),
        at(EventType.BAKE_STARTED, 10, step="10 %", weight=Share(100)),
    ]


def passed(step: str, weight: int, seconds: float) -> list[Event]:
    """The verdicts that moved it on from this step."""
    fine: dict[str, object] = {"verdict": "pass", "evidence": 0.2, "ratio": 1.01, "limit": 1.25, "at": 0.99}
    said: dict[str, Any] = {"step": step, "weight": Share(weight)}
    return [
        at(EventType.GATE_PASSED, seconds, gate="errors", numbers=ERRORS | {"verdict": "pass"}, **said),
        at(EventType.GATE_PASSED, seconds, gate="latency", numbers=LATENCY | fine, **said),
        at(EventType.GATE_PASSED, seconds, gate="unhealthy", message="0 of 2", **said),
    ]


def promoted() -> list[Event]:
    """Everything on the candidate, the old version kept."""
    return [
        *baking(),
        *passed("10 %", 100, 310),
        at(EventType.WEIGHT_REQUESTED, 310, step="50 %", weight=Share(500)),
        at(EventType.WEIGHT_VERIFIED, 311, step="50 %", weight=Share(500)),
        at(EventType.BAKE_STARTED, 311, step="50 %", weight=Share(500)),
        *passed("50 %", 500, 611),
        at(EventType.PROMOTE_REQUESTED, 611, step="promoting", weight=Share(1000)),
        at(EventType.PROMOTE_VERIFIED, 612, step="promoting", weight=Share(1000)),
        at(EventType.KEEP_OLD_STARTED, 612, step="keeping", weight=Share(1000)),
    ]


def succeeded() -> list[Event]:
    return [
        *promoted(),
        at(EventType.RETIRE_REQUESTED, 1212, step="retiring", weight=Share(1000)),
        at(EventType.RETIRE_VERIFIED, 1214, step="retiring", weight=Share(1000)),
        at(EventType.RELEASE_SUCCEEDED, 1214),
    ]


def turned(cause: Cause, seconds: float = 60.4, step: str = "10 %", weight: int = 100, **more: Any) -> Event:
    return at(EventType.ROLLBACK_STARTED, seconds, step=step, weight=Share(weight), cause=cause, **more)


def home(seconds: float = 60.409) -> list[Event]:
    """Back, settled, cleared, ended."""
    return [
        at(EventType.ROLLBACK_VERIFIED, seconds, step="rolling back", weight=Share(0)),
        at(EventType.CLEAR_REQUESTED, seconds + 20, step="clearing", weight=Share(0)),
        at(EventType.CLEAR_VERIFIED, seconds + 21, step="clearing", weight=Share(0)),
        at(EventType.RELEASE_ROLLED_BACK, seconds + 21),
    ]


def failed_gate() -> list[Event]:
    """Latency fails at 10 %, as in the story of the first hour."""
    said: dict[str, Any] = {
        "gate": "latency",
        "message": "latency p99: 3.10x of stable's (limit 1.25x)",
        "numbers": LATENCY,
    }
    failed = at(EventType.GATE_FAILED, 60.4, step="10 %", weight=Share(100), **said)
    return [*baking(), failed, turned(Cause.GATE, **said)]


def rolled_back(cause: Cause = Cause.GATE, **more: Any) -> list[Event]:
    if cause is Cause.GATE:
        return [*failed_gate(), *home()]
    return [*baking(), turned(cause, **more), *home()]


def asked(verb: str, seconds: float, actor: str, reason: str, **more: Any) -> Event:
    """A command as the inbox hands it over."""
    said: dict[str, Any] = {"key": f"c{seconds:g}", "step": "10 %"} | more
    return at(EventType.COMMAND_RECEIVED, seconds, verb=verb, actor=actor, reason=reason, **said)


def held(hold: str, message: str) -> list[Event]:
    """Baked at 10 %, and not going on."""
    said: dict[str, Any] = {"step": "10 %", "weight": Share(100)}
    first = at(EventType.BAKE_EXTENDED, 310, gate="errors", numbers=ERRORS, **said)
    unsure = at(EventType.GATE_INCONCLUSIVE, 910, gate="errors", numbers=ERRORS, **said)
    told = at(EventType.HOLD_STARTED, 911, key=hold, message=message, **said)
    return [*baking(), *((first, unsure) if hold == "inconclusive" else ()), told]


def stuck() -> list[Event]:
    """Turned back, and traffic does not come home."""
    missing = "the candidate's weight is 10 %, not 0 %"
    return [*failed_gate(), at(EventType.RELEASE_STUCK, 361, step="rolling back", message=missing)]


def screens(name: str) -> dict[str, str]:
    """The expected screens of a file by title, each after a line `### title`."""
    parts = (SCREENS / f"{name}.txt").read_text().split("### ")[1:]
    return {title: body.rstrip("\n") for title, _, body in (part.partition("\n") for part in parts)}
