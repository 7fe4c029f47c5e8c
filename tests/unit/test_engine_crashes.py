"""R33: kill -9 at any place, and restart: the same events, the same end."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from engine_world import Life, folder

from crossfade.release.state import Outcome
from crossfade.release.values import NOTHING, EnsureWeight, RunHook, Side

KINDS = {"good": 1001, "bad at 10 %": 100, "bad at 50 %": 500}


def _life(bad_at: int, deaths: tuple[int, ...] = ()) -> tuple[object, int, Life]:
    with folder() as where:
        life = Life(where, bad_at=bad_at, deaths=deaths).to_the_end()
        said = (life.trace(), life.store.verify())
        life.store.close()
    return said, life.deaths.count, life


def _right_end(life: Life, bad_at: int) -> None:
    good = bad_at > 1000
    assert life.world.sizes[Side.STABLE] == (0 if good else 1000)
    assert life.world.sizes[Side.CANDIDATE] == (1000 if good else 0)
    assert life.world.weight == (1000 if good else 0)
    raised = [w.weight for w in life.world.writes if isinstance(w, EnsureWeight)]
    assert raised == sorted(raised), "absolute writes may repeat, never in another order"


@pytest.mark.parametrize("kind", KINDS)
class TestR33:
    def test_R33_every_single_crash_point_leaves_the_same_trace(self, kind: str) -> None:
        whole, points, _ = _life(KINDS[kind])
        for point in range(1, points + 1):
            said, _, life = _life(KINDS[kind], (point,))

            assert said == whole, f"death {point}: {life.deaths.places[point - 1]}"
            assert life.controllers == 2
            _right_end(life, KINDS[kind])

    def test_R33_double_crash_points_leave_the_same_trace(self, kind: str) -> None:
        whole, points, _ = _life(KINDS[kind])
        pairs = list(itertools.combinations(range(1, points + 3), 2))
        chosen = random.Random(33).sample(pairs, 60)
        _pairs_agree(KINDS[kind], whole, chosen)

    @pytest.mark.long
    @pytest.mark.timeout(1200)
    def test_R33_all_double_crash_points_leave_the_same_trace(self, kind: str) -> None:
        whole, points, _ = _life(KINDS[kind])
        pairs = list(itertools.combinations(range(1, points + 3), 2))
        began = time.perf_counter()
        _pairs_agree(KINDS[kind], whole, pairs)
        print(f"{kind}: {len(pairs)} double crash schedules in {time.perf_counter() - began:.1f} s")


def _pairs_agree(bad_at: int, whole: object, pairs: list[tuple[int, int]]) -> None:
    for pair in pairs:
        said, _, life = _life(bad_at, pair)

        assert said == whole, f"deaths {pair}"
        _right_end(life, bad_at)


def test_R33_a_day_without_a_controller_counts_against_no_deadline() -> None:
    with folder() as where:
        whole = Life(where).to_the_end().trace()
    with folder() as where:
        life = Life(where)
        for looks in (3, 7, 12, 20, 30):
            for _ in range(looks):
                life.look()
            life.clock.advance(86_400)
            life.controller = life.born()
        life.to_the_end()

        assert life.trace() == whole
        assert life.store.row("R1").outcome is Outcome.SUCCEEDED
        life.store.close()


def test_R33_a_hook_that_was_started_before_the_crash_keeps_its_key() -> None:
    _, points, _ = _life(1001)
    for point in range(1, points + 1):
        _, _, life = _life(1001, (point,))
        keys = {write.key for write in life.world.writes if isinstance(write, RunHook)}

        assert keys == {"R1:before:0"}
    assert NOTHING == 0
