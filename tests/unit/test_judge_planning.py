"""Can a bake see what it has to see?"""

from __future__ import annotations

import judge_worlds as worlds
import pytest

from crossfade.judge import plan
from crossfade.judge.cuts import DEEP, choose, quantile_ms, share_slower


class TestPlan:
    def test_more_traffic_needs_less_time_down_to_a_few_blocks(self) -> None:
        needs = [
            plan(None, weight=0.1, requests_per_s=rps, bake_s=300)["errors"]["seconds"] or 0
            for rps in (5, 50, 500, 5000)
        ]

        assert needs[0] > 10 * needs[1] * 0.8 > needs[2] > 45
        assert needs[2] >= needs[3] >= 60

    def test_R32_five_requests_a_second_cannot_see_one_percent_in_ten_minutes(self) -> None:
        needs = plan(None, weight=0.1, requests_per_s=5, bake_s=600)["errors"]

        assert not needs["seen"]
        assert (needs["seconds"] or 0) > 1800

    def test_a_bake_of_the_planned_length_sees_nine_of_ten(self) -> None:
        """Prediction against simulation: 1.1 % errors at 50 rps, single arm."""
        from test_judge_worlds import outcome

        sick = worlds.always(worlds.Behaviour(errors=0.011))
        world = worlds.World(rps=50, candidate=sick, instances=0)
        needs = plan(None, weight=0.1, requests_per_s=50, bake_s=300)["errors"]["seconds"]
        assert needs is not None
        seconds = 5 * round(needs / 5)
        seen = sum(outcome(world, seed, seconds)[0] <= seconds for seed in range(30))

        assert seen >= 26

    def test_history_is_used_for_what_is_normal(self) -> None:
        world = worlds.World(rps=50)
        known = plan(
            {"latency": {}, "ok": {}},
            weight=0.1,
            requests_per_s=50,
            bake_s=300,
            history=world.history(1),
            edges_ms=worlds.GRID,
        )

        assert known["latency"]["seen"]
        assert known["ok"]["seconds"] is not None

    def test_warm_up_is_added_to_latency(self) -> None:
        cold = plan(None, weight=0.1, requests_per_s=50, bake_s=300, warm_up_s=75)
        warm = plan(None, weight=0.1, requests_per_s=50, bake_s=300)

        assert (cold["latency"]["seconds"] or 0) - (warm["latency"]["seconds"] or 0) == (pytest.approx(75))
        assert cold["errors"] == warm["errors"]

    @pytest.mark.parametrize("weight", [0.0, 1.0])
    def test_one_arm_alone_leaves_nothing_to_compare(self, weight: float) -> None:
        needs = plan(None, weight=weight, requests_per_s=50, bake_s=300)

        assert needs["errors"] == {"requests": None, "seconds": None, "seen": False}


class TestCuts:
    def test_cuts_lie_on_edges_near_the_quantiles_and_deep_in_the_tail(self) -> None:
        row = [1e6 * part for part in worlds.shares(worlds.GOOD)]
        cuts = choose(row, worlds.GRID, 1.25, (0.5, 0.95, 0.99))

        assert [cut.at for cut in cuts] == [0.5, 0.95, 0.99, 0.997]
        assert all(cut.ratio == pytest.approx(1.25, rel=1e-3) for cut in cuts)
        assert all(cut.cut_ms in worlds.GRID and cut.limit_ms in worlds.GRID for cut in cuts)

    def test_a_coarse_grid_names_the_ratio_it_can_test(self) -> None:
        cuts = choose([50, 50, 0, 0], [100.0, 250.0, 500.0], 1.25, (0.5,))

        assert [(cut.at, cut.ratio) for cut in cuts] == [(0.5, 2.5), (DEEP, 2.0)]

    def test_a_cut_needs_a_partner(self) -> None:
        assert choose([1, 99], [100.0], 1.25, (0.5,)) == ()

    def test_quantiles_and_shares_agree(self) -> None:
        row = [1e6 * part for part in worlds.shares(worlds.GOOD)]
        for quantile in (0.1, 0.5, 0.9, 0.99):
            at = quantile_ms(row, worlds.GRID, quantile)
            assert at is not None

            assert share_slower(row, worlds.GRID, at) == pytest.approx(1 - quantile, rel=1e-6)
