"""One decision, against copying and comparing the state it decides about."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator

from crossfade.release import decide
from crossfade.release.state import fold, opened
from crossfade.release.values import Event, EventType
from crossfade.testing import NOON, ManualClock, PerfectWorld, small_plan


def lines(*, short: bool) -> Iterator[tuple[str, str, str]]:
    """µs per decision while provisioning."""
    rounds = 300 if short else 5_000
    plan = small_plan()
    state = fold(plan, opened(NOON), [Event(type=EventType.CANDIDATE_REQUESTED, ts=NOON)])
    truth = PerfectWorld(ManualClock()).observe(plan).truth
    ours = _each(lambda: decide(plan, state, truth, NOON), rounds)
    plain = _each(lambda: copy.deepcopy(truth) == truth, rounds)
    yield "decide, one look", f"{ours * 1e6:.0f} us", f"{ours / plain:.2f} x a deep copy of the truth"


def _each(call: Callable[[], object], rounds: int) -> float:
    start = time.perf_counter()
    for _ in range(rounds):
        call()
    return (time.perf_counter() - start) / rounds
