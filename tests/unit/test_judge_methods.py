"""Versions of the judge's method: what was decided with one is said again with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from judge_worlds import GRID, Behaviour, World, always

from crossfade.judge import METHOD, METHODS, open_stream
from crossfade.judge.process import Shares

JUDGED = Path(__file__).parent / "judged"


@pytest.mark.parametrize("method", METHODS)
def test_R30_a_verdict_stored_by_any_method_is_said_again(method: str) -> None:
    """A release as it was judged the day the method was new."""
    first, *lines = map(json.loads, (JUDGED / f"method-{method}.jsonl").read_text().splitlines())
    stream = open_stream({**first["header"], "method": method})

    for line in lines:
        said, stored = stream.push(line["interval"]), line["verdict"]
        for name in ("verdict", "blame", "instance"):
            assert said[name] == stored[name]
        assert evidence(said) == pytest.approx(evidence(stored), rel=1e-12, abs=0.0)


def evidence(verdict: Mapping[str, Any]) -> list[float]:
    """And seconds needed; of the release and of each gate. Machines differ in the last bit of a logarithm."""
    return [
        verdict["evidence"],
        verdict["needs_s"] or 0.0,
        *[one["evidence"] for _, one in sorted(verdict["gates"].items())],
    ]


def test_the_newest_method_is_the_one_in_use() -> None:
    assert list(METHODS)[-1] == METHOD


@pytest.mark.parametrize(("method", "stopped"), [("1", True), ("2", False)])
def test_an_outage_of_both_arms_does_not_use_the_floor_up(method: str, stopped: bool) -> None:
    """`ignore_below: 0.1%`: 0.08 % of errors are excused, an hour after an outage as well."""

    def service(errors: float) -> Any:
        return lambda now: Behaviour(errors=0.06 if now < 60.0 else errors)

    world = World(rps=500, stable=service(0.00003), candidate=service(0.0008))
    before = World(rps=500, stable=always(Behaviour(errors=0.00003)))

    def run(seed: int) -> bool:
        stream = open_stream(
            {
                "edges_ms": GRID,
                "bake_s": 600.0,
                "weight": 0.1,
                "history": before.history(seed, 300.0),
                "gates": {"errors": {}},
                "method": method,
            }
        )
        return any(stream.feed(interval) for interval in world.intervals(seed, 600.0))

    assert any(run(seed) for seed in range(6)) is stopped


def test_what_was_given_up_can_be_brought_again() -> None:
    """Evidence that an instance may not hold because its share is full is no place to take it from."""
    form = Shares((1.0,))
    often: dict[str, Any] = {"v": 0.0, "seconds": 5.0, "depth": 3.0, "refill": 3.0, "most": 4.0}
    form.step([[0.0, 0.0]], ["a", "b"], **{**often, "v": 1.0})
    for _ in range(10):
        form.step([[1.0, 1.0]], ["a", "b"], **often)
    full = form.log_m(0.0)

    form.lower(3.0)
    lowered = form.log_m(0.0)
    for _ in range(10):
        form.step([[1.0, 1.0]], ["a", "b"], **often)

    assert (round(full - lowered, 9), form.log_m(0.0)) == (3.0, full)
