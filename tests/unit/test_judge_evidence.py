"""What one interval may prove: exact, by going through every outcome of small cases."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.judge import METHOD, METHODS
from crossfade.judge.bet import THETAS, Bet, Limit, project, shift
from crossfade.judge.inputs import Counts, read_rules
from crossfade.judge.lanes import Outage, Traffic
from crossfade.judge.process import Brakes
from crossfade.judge.table import Beat, Kind, Table

SHARE = st.floats(0.001, 0.9)


def chance(failures: int, trials: int, p: float) -> float:
    return math.comb(trials, failures) * p**failures * (1.0 - p) ** (trials - failures)


class TestOneInterval:
    @settings(max_examples=60, deadline=None)
    @given(
        p=SHARE,
        below=st.floats(0.05, 1.0),
        rho=st.sampled_from([1.0, 1.25, 1.5, 2.0, 5.0]),
        aimed_at=SHARE,
        n_c=st.integers(1, 5),
        n_b=st.integers(1, 7),
    )
    def test_R31_evidence_has_mean_at_most_1_for_every_candidate_that_is_acceptable(
        self, *, p: float, below: float, rho: float, aimed_at: float, n_c: int, n_b: int
    ) -> None:
        p_c = shift(p, rho * below)
        bet = Bet(rho, failures=aimed_at * 100, trials=100)
        means = [0.0] * len(THETAS)
        for e_c, e_b in itertools.product(range(n_c + 1), range(n_b + 1)):
            likely = chance(e_c, n_c, p_c) * chance(e_b, n_b, p)
            for k, row in enumerate(bet.evidence([(e_c, n_c)], e_b, n_b)):
                means[k] += likely * math.exp(sum(row))

        assert max(means) <= 1.0 + 1e-9

    def test_R31_each_instances_part_alone_has_mean_at_most_1(self) -> None:
        bet = Bet(1.5, failures=10, trials=100)
        means = [0.0] * len(THETAS)
        for e_1, e_2, e_b in itertools.product(range(3), range(4), range(6)):
            likely = chance(e_1, 2, 0.3) * chance(e_2, 3, 0.2) * chance(e_b, 5, 0.25)
            for k, row in enumerate(bet.evidence([(e_1, 2), (e_2, 3)], e_b, 5)):
                means[k] += likely * math.exp(row[0])

        assert max(means) <= 1.0 + 1e-9

    def test_instances_add_up_to_the_arm(self) -> None:
        bet = Bet(1.25)
        whole = bet.evidence([(3, 40)], 2, 90)
        split = bet.evidence([(1, 10), (2, 30)], 2, 90)

        assert [sum(row) for row in split] == pytest.approx([row[0] for row in whole])

    def test_an_arm_without_requests_proves_nothing(self) -> None:
        bet = Bet(1.5)

        assert bet.evidence([(5, 5)], 0, 0) == [[0.0]] * len(THETAS)
        assert bet.evidence([(0, 0)], 1, 9) == [[0.0]] * len(THETAS)

    @settings(deadline=None)
    @given(p=SHARE, q=SHARE, w=st.floats(0.01, 0.99), rho=st.floats(1.0, 20.0))
    def test_the_projection_lies_on_the_line_and_keeps_the_pooled_mean(
        self, p: float, q: float, w: float, rho: float
    ) -> None:
        b0, c0 = project(p, q, w, rho)

        assert c0 == pytest.approx(shift(b0, rho))
        assert w * c0 + (1 - w) * b0 == pytest.approx(w * q + (1 - w) * p)

    def test_R31_a_limit_holds_for_every_share_below_it(self) -> None:
        limit = Limit(0.02)
        for p in (0.0001, 0.01, 0.02):
            means = [0.0] * len(THETAS)
            for e in range(9):
                for k, row in enumerate(limit.evidence([(e, 8)])):
                    means[k] += chance(e, 8, p) * math.exp(row[0])

            assert max(means) <= 1.0 + 1e-12

    def test_a_wrong_aim_costs_power_only(self) -> None:
        sharp, blunt = Bet(1.5, 1, 1000), Bet(1.5, 300, 1000)
        hit = max(row[0] for row in sharp.evidence([(10, 100)], 1, 900))
        missed = max(row[0] for row in blunt.evidence([(10, 100)], 1, 900))

        assert hit > missed


def brakes(*, per_instance: bool) -> Brakes:
    return Brakes(
        per_instance=per_instance,
        cap=2.3,
        block_s=15.0,
        depth=2.3,
        refill=0.77,
        share=0.75,
    )


class TestManyIntervals:
    @pytest.mark.parametrize("form", ["blocks", "instances", "from blocks to instances"])
    @pytest.mark.parametrize(("method", "floor"), [("1", 0.05), ("2", 0.05), ("2", 0.0)])
    def test_R31_a_table_has_mean_at_most_1_over_every_path(
        self, form: str, method: str, floor: float
    ) -> None:
        """Two instances, one request each, three requests of stable, three intervals."""
        rule = read_rules({"errors": {"ignore_below": floor}})[0]
        p, p_c = 0.3, shift(0.3, 1.5)
        outcomes = [
            (chance(a, 1, p_c) * chance(b, 1, p_c) * chance(s, 2, p), a, b, s)
            for a, b, s in itertools.product(range(2), range(2), range(3))
        ]
        mean = 0.0
        for path in itertools.product(outcomes, repeat=3):
            table = Table(kind=Kind(rule=rule, weight=1.0), alpha=0.01, method=METHODS[method])
            likely = 1.0
            for index, (weight, a, b, s) in enumerate(path):
                likely *= weight
                table.judge(
                    [
                        ("a", Counts(requests=1, errors=a, kpi={})),
                        ("b", Counts(requests=1, errors=b, kpi={})),
                    ],
                    Counts(requests=2, errors=s, kpi={}),
                    Beat(
                        seconds=15.0,
                        bake_s=60.0,
                        brakes=brakes(per_instance=form == "instances" or (form[:4] == "from" and index > 0)),
                        surge=False,
                        instances=2,
                        latency_c=(),
                        latency_b=(),
                    ),
                )
                table.learn(Counts(requests=2, errors=s, kpi={}), 15.0)
                if index == 1:
                    table.begin_step()
            mean += likely * math.exp(table.log_m)

        assert mean <= 1.0 + 1e-9

    @pytest.mark.parametrize("seconds", [5.0, 60.0, 300.0])
    def test_R31_the_outage_lane_has_mean_at_most_1_over_every_path(self, seconds: float) -> None:
        """One request per instance: a long interval is no more bets than that."""
        mean = 0.0
        p = 0.15
        for path in itertools.product(itertools.product(range(2), range(2)), repeat=4):
            lane, unused, likely = Outage(), 1.0, 1.0
            for index, (a, b) in enumerate(path):
                v = (0.7, 0.0, 0.1, 0.05)[index]
                unused -= v
                likely *= chance(a, 1, p) * chance(b, 1, p)
                lane.step(
                    ["a", "b"],
                    [float(a), float(b)],
                    [1.0, 1.0],
                    per_instance=True,
                    seconds=seconds,
                    v=v,
                    need=6.9,
                    instances=2,
                )
            mean += likely * math.exp(lane.log_m(unused))

        assert mean <= 1.0 + 1e-9

    def test_one_block_may_add_only_the_cap(self) -> None:
        lane = Traffic()
        lane.step(0.0, 10_000.0, 0.1, 2.3, opens=True, v=0.7)
        lane.step(0.0, 10_000.0, 0.1, 2.3, opens=False, v=0.0)

        assert lane.log_m(0.3) == pytest.approx(math.log(0.7 * math.exp(2.3) + 0.3))

    def test_one_instance_alone_may_bring_only_its_share(self) -> None:
        rule = read_rules({"errors": {}})[0]
        table = Table(kind=Kind(rule=rule, weight=0.4), alpha=0.01, method=METHODS[METHOD], past=(1, 1000))
        for _ in range(60):
            table.judge(
                [("a", Counts(requests=50, errors=25, kpi={})), ("b", Counts(requests=50, errors=0, kpi={}))],
                Counts(requests=900, errors=1, kpi={}),
                Beat(
                    seconds=5.0,
                    bake_s=300.0,
                    brakes=brakes(per_instance=True),
                    surge=False,
                    instances=2,
                    latency_c=(),
                    latency_b=(),
                ),
            )

        assert table.log_m < math.log(100 / 0.4)
        assert table.alone("a") > math.log(100 / 0.4)
        assert table.alone("b") < 0.0
