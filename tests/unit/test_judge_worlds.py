"""How the judge does in worlds with known answers; seeds are fixed, figures are counts."""

from __future__ import annotations

from typing import Any

import judge_worlds as worlds
import pytest

from crossfade.judge import open_stream


def outcome(
    world: worlds.World, seed: int, seconds: float = 300, *, history: bool = True, **more: Any
) -> tuple[float, str | None, str]:
    """(when it failed or infinity, blame, last verdict)."""
    stream = open_stream(
        {
            "edges_ms": worlds.GRID,
            "bake_s": seconds,
            "weight": world.weight,
            "history": world.history(seed, 300) if history else [],
            **more,
        }
    )
    last = "no_data"
    for one in world.intervals(seed, seconds):
        said = stream.push(one)
        last = said["verdict"]
        if last == "fail":
            return said["covers_s"], said["blame"], last
    return float("inf"), None, last


def times(world: worlds.World, seeds: int, **more: Any) -> list[float]:
    return sorted(outcome(world, seed, **more)[0] for seed in range(seeds))


@pytest.mark.parametrize(("rps", "instances", "seeds"), [(50, 2, 40), (50, 0, 40), (500, 2, 12)])
def test_R31_healthy_releases_are_not_stopped(rps: float, instances: int, seeds: int) -> None:
    failed = [t for t in times(worlds.World(rps=rps, instances=instances), seeds) if t < 1e9]

    assert len(failed) <= 1


def test_an_identical_build_passes() -> None:
    assert outcome(worlds.World(rps=200), 1)[2] == "pass"


@pytest.mark.parametrize(("instances", "median", "slowest"), [(2, 55, 110), (0, 75, 140)])
def test_p99_tripled_is_caught_within_a_minute_at_50_rps(
    instances: int, median: float, slowest: float
) -> None:
    sick = worlds.always(worlds.Behaviour(tail=3))
    found = times(worlds.World(rps=50, candidate=sick, instances=instances), 20)

    assert found[10] <= median
    assert found[-1] <= slowest


def test_a_crash_is_caught_in_two_scrapes() -> None:
    sick = worlds.always(worlds.Behaviour(errors=1.0))

    found = times(worlds.World(rps=50, candidate=sick), 10)

    assert found[7] == 10
    assert found[9] <= 15


def test_one_percent_of_errors_is_caught_at_500_rps() -> None:
    sick = worlds.always(worlds.Behaviour(errors=0.01))

    assert times(worlds.World(rps=500, candidate=sick), 8)[-1] <= 60


def test_hung_requests_are_caught_by_what_is_missing() -> None:
    sick = worlds.always(worlds.Behaviour(hang=0.9))

    assert outcome(worlds.World(rps=50, candidate=sick), 1)[:2] == (50, "traffic")


@pytest.mark.parametrize(
    "both",
    [
        worlds.Behaviour(slow=3),
        worlds.Behaviour(tail=3, errors=0.02),
        worlds.Behaviour(errors=0.4),
    ],
)
def test_R29_what_hits_both_arms_is_not_the_releases_fault(both: worlds.Behaviour) -> None:
    when = worlds.since(100, both)
    world = worlds.World(rps=200, candidate=when, stable=when)

    assert [outcome(world, seed, 200)[1] for seed in range(6)] == [None] * 6


def test_a_tolerated_slowdown_is_tolerated() -> None:
    """Words mean what they say: 1.2 times slower is within 1.25x."""
    sick = worlds.always(worlds.Behaviour(slow=1.2))

    assert times(worlds.World(rps=500, candidate=sick), 4) == [float("inf")] * 4


def test_without_a_history_latency_is_cut_by_stables_first_half_minute() -> None:
    sick = worlds.always(worlds.Behaviour(tail=3))
    world = worlds.World(rps=100, candidate=sick)
    found = times(world, 8, history=False)

    assert found[0] > 30
    assert found[-1] <= 150


def test_a_late_regression_is_found_as_well() -> None:
    sick = worlds.since(180, worlds.Behaviour(tail=3))
    found = times(worlds.World(rps=50, candidate=sick), 10)

    assert found[0] > 180
    assert found[-1] <= 290
