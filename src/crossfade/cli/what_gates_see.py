"""
What the gates of a plan will be able to see: traffic and history in, for each gate and weight an answer.

The judge's own planning is asked at each weight; what earlier bakes have shown counts on, as it
does when the release runs. Nothing here reads a platform: `plan.py` brings the counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from crossfade.judge import BadCountsError
from crossfade.judge import plan as needs_of
from crossfade.release.ahead import Ahead, Stop
from crossfade.release.plan import Plan, Proof
from crossfade.release.values import ALL, Share
from crossfade.signals.framing import NEAR, frames
from crossfade.signals.past import ENOUGH_S, history_entry
from crossfade.signals.source import Slots

LOOK_BACK: Final = timedelta(minutes=15)
"""How much of the service's past tells its traffic, in the clock's time."""

LEAST_S: Final = 10.0
"""Seconds of the clock that have to be known before their traffic is called the service's."""

EVEN: Final = Share(ALL // 2)
"""The weight at which the same traffic shows most."""

ASSUMED_ERRORS: Final = 0.001
"""Stable's share of failures where it has no history; the judge's own default."""


class Sees(StrEnum):
    """Whether a bake can see what its gate must see, with 90 % power."""

    YES = "yes"
    CARRIED = "carried"
    """Not alone, but together with the bakes before."""
    EXTENDED = "extended"
    """Not in the bake, but before its longest extension ends."""
    BLIND = "blind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests a second of the clock, and what stable did with them; None: not known, and `why`."""

    per_s: float | None
    source: str
    """`measured`, `given` or `unknown`."""
    over_s: float = 0.0
    """Seconds it was measured over."""
    why: str = ""
    errors: float | None = None
    """Stable's share of failures in its history."""
    history: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    edges_ms: Sequence[float] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One gate at one weight."""

    step: str
    weight: Share
    gate: str
    must_see: float
    at: tuple[float, ...]
    """Quantiles of a latency gate."""
    alone_s: float | None
    """Seconds it takes at this weight for something that begins here; None: never."""
    missing_s: float | None
    """The same, less what earlier bakes have shown of something that was there from the start."""
    requests: float | None
    """Requests to the candidate in `alone_s`."""
    bake_s: float
    max_bake_s: float
    past: bool
    """Against stable's past: it takes no traffic at this weight."""
    sees: Sees
    even_s: float | None = None
    """Where it is blind: seconds it would take at an even split; None: not even there, or it is one."""


def traffic_of(slots: Slots, edges_ms: Sequence[float], *, begin: float, factor: float) -> Traffic:
    """Traffic and history from closed seconds that start at `begin` (real epoch) or later."""
    if slots.problem:
        return Traffic(per_s=None, source="unknown", why=slots.problem)
    first = max(begin, slots.known_from)
    over_s = math.floor((slots.watermark - first) / slots.slot_s + NEAR) * slots.slot_s * factor
    found = list(frames(slots, first, factor, len(edges_ms) + 1))
    history = [
        history_entry(frame, slots.watermark, factor)
        for frame in found
        if frame.stable is not None and frame.stable["requests"]
    ]
    requests = sum(float(_requests(slot.stable) + _requests(slot.candidate)) for slot in slots.intervals)
    if over_s < LEAST_S:
        why = f"the platform has counted for only {max(over_s, 0.0):.0f} s"
        return Traffic(per_s=None, source="unknown", why=why)
    if not requests:
        return Traffic(per_s=None, source="unknown", why=f"no request came in the last {over_s:.0f} s")
    served = sum(entry["stable"]["requests"] for entry in history)
    failed = sum(entry["stable"]["errors"] for entry in history)
    return Traffic(
        per_s=requests / over_s,
        source="measured",
        over_s=over_s,
        errors=failed / served if served else None,
        history=history,
        edges_ms=edges_ms,
    )


def sights_of(plan: Plan, ahead: Ahead, traffic: Traffic) -> tuple[tuple[Sight, ...], str]:
    """Each gate of counts in force at each weight; empty with the reason where nothing can be said."""
    gates = plan.judging.get("gates")
    judged = [stop for stop in ahead.stops if stop.step.proof is Proof.PASSED]
    if not isinstance(gates, Mapping) or not gates:
        return (), "no gate reads requests"
    if not judged:
        return (), "there is no stable revision to compare with"
    if traffic.per_s is None:
        return (), f"the traffic is not known: {traffic.why}"
    asker = _Asker(plan, gates, traffic)
    try:
        return tuple(_walk(asker, judged)), ""
    except BadCountsError as error:
        return (), str(error)


def bakes_of(sights: Sequence[Sight]) -> dict[str, timedelta]:
    """Step to how long its bake takes at this traffic: until its slowest gate has seen enough."""
    longest: dict[str, float] = {}
    for sight in sights:
        longest[sight.step] = max(longest.get(sight.step, 0.0), _stays(sight))
    return {step: timedelta(seconds=seconds) for step, seconds in longest.items()}


def _stays(sight: Sight) -> float:
    missing = sight.max_bake_s if sight.missing_s is None else sight.missing_s
    return min(max(sight.bake_s, missing), sight.max_bake_s)


class _Asker:
    """The judge's planning with everything but the weight filled in."""

    def __init__(self, plan: Plan, gates: Mapping[str, Any], traffic: Traffic) -> None:
        self.plan, self.gates, self.traffic = plan, gates, traffic
        self.warm_up_s = _number(plan.judging.get("warm_up_s"))
        source: Any = plan.judging.get("source") or {}
        self.sums = source.get("kind") == "cloudwatch"
        """Whether only whole sides are counted, and no instance by itself."""

    def needs(self, weight: float, times: float, stop: Stop) -> Mapping[str, Any]:
        """`times`: requests of both arms together per request that really comes."""
        return needs_of(
            self.gates,
            alpha=_number(self.plan.judging.get("alpha")) or 0.01,
            weight=weight,
            requests_per_s=(self.traffic.per_s or 0.0) * times,
            bake_s=stop.step.bake.total_seconds(),
            history=self.traffic.history,
            edges_ms=self.traffic.edges_ms,
            stable_errors=ASSUMED_ERRORS if self.traffic.errors is None else self.traffic.errors,
            instances=1 if self.sums else stop.new,
            preset=str(self.plan.judging.get("preset", "normal")),
        )


def _walk(asker: _Asker, judged: Sequence[Stop]) -> list[Sight]:
    shown: dict[str, float] = {}
    found: list[Sight] = []
    before = Share(0)
    for index, stop in enumerate(judged):
        weight, times, past = _arms(stop, before, judged[index - 1] if index else None)
        muted = asker.warm_up_s if index == 0 else 0.0
        here = [
            _sight(asker, stop, gate, need, shown.get(gate, 0.0), muted=_muted(gate, muted), past=past)
            for gate, need in asker.needs(weight, times, stop).items()
        ]
        stays = max((_stays(sight) for sight in here), default=0.0)
        for sight in here:
            quiet = _muted(sight.gate, muted)
            if sight.alone_s is not None:
                gained = max(stays - quiet, 0.0) / max(sight.alone_s - quiet, 1e-9)
                shown[sight.gate] = shown.get(sight.gate, 0.0) + gained
            blind = sight.sees is Sees.BLIND and stop.step.world.weight < EVEN
            even = asker.needs(EVEN / ALL, 1.0, stop)[sight.gate]["seconds"] if blind else None
            found.append(replace(sight, even_s=None if even is None else even + quiet))
        before = stop.step.world.weight
    return found


def _arms(stop: Stop, before: Share, previous: Stop | None) -> tuple[float, float, bool]:
    """
    The candidate's share of both arms, how many arms' requests come per real one, and whether one is past.

    After 100 % stable's arm is its own past: the share 1 - w that it took before, w being the
    weight before, or 0 where that bake was too short to be used.
    """
    weight = stop.step.world.weight
    if weight < ALL:
        return weight / ALL, 1.0, False
    short = previous is None or previous.step.bake.total_seconds() < ENOUGH_S
    w = 0.0 if short else before / ALL
    return 1.0 / (2.0 - w), 2.0 - w, True


def _muted(gate: str, muted: float) -> float:
    """Latency of new instances is ignored while they warm up; errors are not."""
    return muted if gate == "latency" else 0.0


def _sight(
    asker: _Asker, stop: Stop, gate: str, need: Mapping[str, Any], shown: float, *, muted: float, past: bool
) -> Sight:
    asked = asker.gates[gate]
    bake, max_bake = stop.step.bake.total_seconds(), stop.step.max_bake.total_seconds()
    seconds = need["seconds"]
    missing: float | None = 0.0
    if shown < 1.0:
        missing = None if seconds is None else seconds * (1.0 - shown) + muted
    alone = None if seconds is None else seconds + muted
    if missing is None or missing > max_bake:
        sees = Sees.BLIND
    elif missing > bake:
        sees = Sees.EXTENDED
    else:
        sees = Sees.YES if alone is not None and alone <= bake else Sees.CARRIED
    return Sight(
        step=stop.step.name,
        weight=stop.step.world.weight,
        gate=gate,
        must_see=float(asked["must_see"]),
        at=tuple(asked.get("at", ())),
        alone_s=alone,
        missing_s=missing,
        requests=need["requests"],
        bake_s=bake,
        max_bake_s=max_bake,
        past=past,
        sees=sees,
    )


def _requests(arm: Mapping[str, object] | None) -> float:
    return _number(arm["requests"]) if arm is not None else 0.0


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
