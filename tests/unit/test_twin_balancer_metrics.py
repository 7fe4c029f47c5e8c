"""What a load balancer measures, from lines of its log, and once a minute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import pytest

from crossfade.twin.balancer.census import Census
from crossfade.twin.balancer.metrics import NAMESPACE, Meter
from crossfade.twin.clock import TwinClock

LB, TG = "app/shop/1", "targetgroup/blue/2"
BOTH, ALONE = (("LoadBalancer", LB), ("TargetGroup", TG)), (("LoadBalancer", LB),)
Series = tuple[str, tuple[tuple[str, str], ...]]


class Sums:
    """A sink that adds up."""

    def __init__(self) -> None:
        self.counts: defaultdict[Series, float] = defaultdict(float)
        self.sums: defaultdict[Series, float] = defaultdict(float)
        self.samples: list[tuple[str, float, float, float, str]] = []

    def record(
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        *,
        at: float,
        value: float,
        count: float = 1.0,
        unit: str = "None",
    ) -> None:
        assert namespace == NAMESPACE
        series = (name, tuple(sorted(dimensions.items())))
        self.counts[series] += count
        self.sums[series] += value * count
        self.samples.append((name, at, value, count, unit))

    def names(self) -> set[str]:
        return {name for name, _ in self.counts}


def line(
    status: int = 200,
    *,
    flags: str = "-",
    route: str = "forward",
    cluster: str = TG,
    answered: str = "2004",
    took: str = "3000",
    began: float = 1000.0,
    ms: int = 3,
) -> bytes:
    fields = (LB, f"{began:.6f}", took, str(ms), answered, cluster, str(status), flags, route)
    return "\t".join(fields).encode()


def counted(*lines: bytes, healthy: int = 2, factor: float = 1) -> Sums:
    sums = Sums()
    clock = TwinClock(factor, wall=lambda: 1000.0)
    Meter(sums, clock, lambda _: healthy).count(lines)
    return sums


class TestRequests:
    def test_an_answer_of_a_target_counts_for_its_group_and_its_load_balancer(self) -> None:
        sums = counted(line(), line(), line(status=503))

        for dimensions in (BOTH, ALONE):
            assert sums.counts["RequestCount", dimensions] == 3
            assert sums.counts["HTTPCode_Target_2XX_Count", dimensions] == 2
            assert sums.counts["HTTPCode_Target_5XX_Count", dimensions] == 1
            assert sums.counts["TargetResponseTime", dimensions] == 3
            assert sums.sums["TargetResponseTime", dimensions] == pytest.approx(0.006)
        assert not any("ELB" in name for name in sums.names())

    def test_requests_per_target_are_dealt_out_over_the_healthy(self) -> None:
        sums = counted(*[line()] * 6, healthy=3)

        assert sums.sums["RequestCountPerTarget", (("TargetGroup", TG),)] == pytest.approx(2)
        assert sums.sums["RequestCountPerTarget", BOTH] == pytest.approx(2)

    @pytest.mark.parametrize(
        ("said", "names"),
        [
            (
                line(502, flags="UF", answered="-"),
                {
                    "RequestCount",
                    "TargetConnectionErrorCount",
                    "HTTPCode_ELB_5XX_Count",
                    "HTTPCode_ELB_502_Count",
                },
            ),
            (
                line(502, flags="UC", answered="-"),
                {"RequestCount", "HTTPCode_ELB_5XX_Count", "HTTPCode_ELB_502_Count"},
            ),
            (
                line(504, flags="SI", answered="-"),
                {"RequestCount", "HTTPCode_ELB_5XX_Count", "HTTPCode_ELB_504_Count"},
            ),
            (line(503, flags="UH", answered="-"), {"HTTPCode_ELB_5XX_Count", "HTTPCode_ELB_503_Count"}),
            (
                line(503, route="nobody", cluster="-", answered="-"),
                {"HTTPCode_ELB_5XX_Count", "HTTPCode_ELB_503_Count"},
            ),
            (line(400, flags="DPE", route="-", cluster="-", answered="-"), {"HTTPCode_ELB_4XX_Count"}),
            (line(0, flags="DC", answered="-", took="-"), {"RequestCount", "HTTPCode_ELB_4XX_Count"}),
            (line(200, route="fixed", cluster="-", answered="-"), {"HTTP_Fixed_Response_Count"}),
            (
                line(503, route="fixed", cluster="-", answered="-"),
                {"HTTP_Fixed_Response_Count", "HTTPCode_ELB_5XX_Count", "HTTPCode_ELB_503_Count"},
            ),
            (
                line(301, route="redirect", cluster="-", answered="-"),
                {"HTTP_Redirect_Count", "HTTPCode_ELB_3XX_Count"},
            ),
            (
                line(200, flags="UC", answered="2000"),
                {"RequestCount", "HTTPCode_Target_2XX_Count", "TargetResponseTime"},
            ),
        ],
    )
    def test_what_the_load_balancer_says_by_itself_is_its_own(self, said: bytes, names: set[str]) -> None:
        sums = counted(said)

        assert sums.names() - {"RequestCountPerTarget"} == names
        for name, dimensions in sums.counts:
            assert name.startswith("HTTPCode_ELB") <= (dimensions == ALONE)

    def test_equal_samples_are_one_and_units_are_those_of_the_service(self) -> None:
        sums = counted(*[line()] * 5, line(answered="2010"), line(answered="777777"))
        times = sorted((v, n, unit) for name, _, v, n, unit in sums.samples if name == "TargetResponseTime")

        assert times[::2] == times[1::2], "the same for load balancer and group"
        assert times[::2] == [(0.002, 5, "Seconds"), (0.00201, 1, "Seconds"), (0.77778, 1, "Seconds")]
        assert {unit for name, *_, unit in sums.samples if name != "TargetResponseTime"} == {"Count"}

    def test_a_request_counts_when_it_ended_on_the_twins_clock(self) -> None:
        sums = counted(line(began=1001.0, took="2000000"), factor=60)

        assert {at for _, at, *_ in sums.samples} == {1000 + 3 * 60}

    def test_half_a_line_is_passed_over(self) -> None:
        sums = counted(b"", b"app/shop/1\t12", b"\xff\t" * 8, line())

        assert sums.counts["RequestCount", ALONE] == 1


class TestMinutes:
    def test_hosts_are_counted_at_each_minute_and_at_each_change(self) -> None:
        sums = Sums()
        census = Census(sums, 30.0)
        for now, numbers in ((31.0, (2, 0)), (40.0, (1, 1)), (50.0, (1, 1)), (61.0, (1, 1)), (62.0, (1, 1))):
            census.count_hosts(now, {(LB, TG): numbers})
            census.turn(now)

        found = [(name, at, value) for name, at, value, *_ in sums.samples]
        assert found == [
            ("HealthyHostCount", 31.0, 2),
            ("UnHealthyHostCount", 31.0, 0),
            ("HealthyHostCount", 40.0, 1),
            ("UnHealthyHostCount", 40.0, 1),
            ("HealthyHostCount", 60.0, 1),
            ("UnHealthyHostCount", 60.0, 1),
        ]
        assert set(sums.counts) == {("HealthyHostCount", BOTH), ("UnHealthyHostCount", BOTH)}

    def test_minutes_that_the_clock_jumped_over_have_what_was_true_before(self) -> None:
        sums = Sums()
        census = Census(sums, 0.0)
        census.count_hosts(1.0, {(LB, TG): (2, 0)})
        census.count_hosts(301.0, {(LB, TG): (0, 2)})

        found = [(at, value) for name, at, value, *_ in sums.samples if name == "HealthyHostCount"]
        assert found == [(1, 2), (60, 2), (120, 2), (180, 2), (240, 2), (300, 2), (301, 0)]

    def test_a_group_that_is_not_used_any_more_is_not_counted(self) -> None:
        sums = Sums()
        census = Census(sums, 0.0)
        census.count_hosts(1.0, {(LB, TG): (2, 0)})
        census.count_hosts(2.0, {})
        census.count_hosts(61.0, {})

        assert len(sums.samples) == 2

    def test_new_connections_are_the_difference_and_nothing_is_not_recorded(self) -> None:
        sums = Sums()
        census = Census(sums, 0.0)
        for now, numbers in ((60.0, (10, 4)), (120.0, (15, 0)), (180.0, (15, 0)), (240.0, (3, 1))):
            census.count_connections(now, {LB: numbers})

        found = [(name, at, value) for name, at, value, *_ in sums.samples]
        assert found == [
            ("NewConnectionCount", 60.0, 10),
            ("ActiveConnectionCount", 60.0, 4),
            ("NewConnectionCount", 120.0, 5),
            ("NewConnectionCount", 240.0, 3),
            ("ActiveConnectionCount", 240.0, 1),
        ]
