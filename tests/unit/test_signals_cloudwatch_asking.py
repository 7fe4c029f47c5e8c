"""One question to CloudWatch for all releases, how it fails, and what the judge makes of the answers."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from metrics_world import ARMS, BEGIN, EDGES, Desk, Release

from crossfade.errors import PlatformError
from crossfade.release.values import Say
from crossfade.signals.cloudwatch import CloudWatch
from crossfade.signals.cloudwatch_asked import Metric, asked
from crossfade.signals.cloudwatch_metrics import EVERY_S, RETRY_S


class TestAsking:
    def test_one_question_serves_all_releases_until_the_next_is_due(self) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 600, BEGIN + 1200)
        desk.at(600)
        names = [f"r{number}" for number in range(4)]
        for name in names:
            desk.slots(plan=name)
        at_first = len(desk.watch.calls)
        for seconds in range(600, 900):
            desk.at(seconds)
            for name in names:
                desk.slots(plan=name)

        assert at_first == 1  # they are the same series
        assert len(desk.watch.calls) - at_first == 300 // EVERY_S - 1

    def test_five_hundred_series_are_one_call_and_more_are_two(self) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 600, BEGIN + 1200)

        def arms(plan: Any) -> Any:
            return replace(ARMS, candidate=f"targetgroup/{plan.release}/1")

        desk.source = CloudWatch(desk.watch, arms, desk.pace, now=lambda: desk.real)
        own = len(asked(ARMS, EDGES).candidate.metrics)
        shared = len(asked(ARMS, EDGES).metrics) - own
        for number in range((500 - shared) // own):
            desk.slots(plan=f"r{number}")
        desk.watch.calls.clear()
        desk.at(EVERY_S)
        desk.slots(plan="r0")
        assert len(desk.watch.calls) == 1
        desk.slots(plan="one-more")
        desk.watch.calls.clear()
        desk.at(2 * EVERY_S)
        desk.slots(plan="r0")
        assert len(desk.watch.calls[0]["MetricDataQueries"]) == 500
        assert len(desk.watch.calls) == 2

    def test_pages_are_read_to_the_end(self) -> None:
        whole, paged = Desk(), Desk()
        for desk in (whole, paged):
            desk.balancer.until(BEGIN - 600, BEGIN + 600)
        paged.watch.page = 7

        assert whole.settled(0, 1000).intervals == paged.settled(0, 1000).intervals

    @pytest.mark.parametrize(
        ("code", "told"), [("ThrottlingException", "throttled"), ("AccessDenied", "denied")]
    )
    def test_R24_a_question_that_fails_is_a_problem_with_its_reason_and_is_asked_again(
        self, code: str, told: str
    ) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 600, BEGIN + 1200)
        desk.watch.fails = code
        desk.at(600)
        assert told in desk.slots().problem
        for seconds in range(600, 605):
            desk.at(seconds)
            desk.slots()
        assert len(desk.watch.calls) == 1
        desk.watch.fails = ""
        desk.at(600 + RETRY_S)
        assert not desk.slots().problem

    def test_one_release_s_question_that_is_refused_blinds_no_other(self) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 600, BEGIN + 1200)
        desk.at(600)
        bad = Metric(namespace="Shop", name="No:Such", dimensions=(), stat="Sum")
        desk.watch.refuses = "No:Such"
        desk.slots()
        with pytest.raises(Exception, match="refused"):
            desk.source.metrics.read("bad", (bad,), BEGIN)
        for seconds in range(600, 900, 10):
            desk.at(seconds)
            found = desk.slots()
            with pytest.raises(Exception, match="refused"):
                desk.source.metrics.read("bad", (bad,), BEGIN)

        assert not found.problem
        assert found.watermark >= BEGIN + 660

    def test_one_release_s_series_that_never_comes_whole_blinds_no_other(self) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 600, BEGIN + 1200)
        desk.at(600)
        bad = Metric(namespace="Shop", name="Torn", dimensions=(), stat="Sum")
        desk.watch.partial = "Torn"
        desk.slots()
        for seconds in range(600, 900, 10):
            desk.at(seconds)
            with pytest.raises(PlatformError, match="in part"):
                desk.source.metrics.read("bad", (bad,), BEGIN)
            found = desk.slots()

        assert not found.problem
        assert found.watermark >= BEGIN + 660

    def test_R24_an_answer_in_part_is_neither_zero_nor_empty(self) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 600, BEGIN + 1200)
        desk.watch.partial = "HTTPCode_Target_5XX_Count"

        assert "in part" in desk.settled(0, 600).problem

    def test_R22_a_release_that_is_over_is_not_asked_for_any_more(self) -> None:
        desk = Desk()
        desk.balancer.until(BEGIN - 600, BEGIN + 600)
        own = Metric(namespace="Shop", name="Own", dimensions=(), stat="Sum")
        desk.source.metrics.read("over", (own,), BEGIN)
        desk.at(2000)
        desk.slots()
        named = [one["MetricStat"]["Metric"] for one in desk.watch.calls[-1]["MetricDataQueries"]]

        assert "Own" not in {one["MetricName"] for one in named}

    def test_a_long_release_reads_what_is_new_and_not_its_whole_past_again(self) -> None:
        desk = Desk(rate=1.0)
        desk.balancer.until(BEGIN - 600, BEGIN + 4 * 3600)
        for seconds in range(600, 4 * 3600, 600):
            desk.at(seconds)
            desk.slots(since=seconds - 300)
        call = desk.watch.calls[-1]

        assert (call["EndTime"] - call["StartTime"]).total_seconds() <= 1800


class TestJudged:
    @pytest.mark.parametrize("factor", [1.0, 7.0])
    def test_a_good_release_passes_once_its_bake_is_settled(self, factor: float) -> None:
        release = Release(factor, rate=60.0)
        seconds, found = release.until_said("errors", Say.PASS)

        assert 600 + 120 <= seconds <= 600 + 60 + 180 + 20
        assert found.numbers["source"] == "cloudwatch"
        assert {one.say for one in release.look(seconds).values()} == {Say.PASS}

    def test_p99_three_times_as_long_is_seen_though_no_percentile_was_ever_asked_for(self) -> None:
        release = Release(rate=60.0, slower=3.0)
        seconds, found = release.until_said("latency", Say.FAIL)

        assert seconds <= 480
        assert "slower than" in found.text
        stats = {
            query["MetricStat"]["Stat"]
            for call in release.desk.watch.calls[1:]
            for query in call["MetricDataQueries"]
        }
        assert not any(stat.startswith("p") for stat in stats)

    def test_a_candidate_that_refuses_connections_is_stopped(self) -> None:
        seconds, _ = Release(rate=60.0, refused=0.3).until_said("errors", Say.FAIL)

        assert seconds <= 420

    def test_a_candidate_whose_answers_never_come_is_stopped(self) -> None:
        seconds, _ = Release(rate=60.0, silent=0.3).until_said("errors", Say.FAIL)

        assert seconds <= 420

    def test_R27_a_restarted_controller_asks_for_the_same_buckets_and_says_the_same(self) -> None:
        one, two = Release(rate=30.0), Release(rate=30.0)
        for seconds in range(5, 1000, 10):
            if seconds == 505:
                two.desk.source = CloudWatch(
                    two.desk.watch, lambda _plan: ARMS, two.desk.pace, now=lambda: two.desk.real
                )
                two.signals = two.controller()
            first, second = one.look(seconds), two.look(seconds)
        entries = two.memory.entries["r1"]

        assert first == second
        assert one.memory.entries["r1"] == entries
        assert random.Random(0).choice(entries)  # there are some

    def test_R25_cloudwatch_gone_in_mid_bake_is_no_data_and_never_a_pass(self) -> None:
        release = Release(rate=60.0)
        for seconds in range(5, 300, 10):
            release.look(seconds)
        release.desk.watch.fails = "InternalFailure"
        for seconds in range(300, 1500, 10):
            found = release.look(seconds)
            assert found["errors"].say is not Say.PASS
        assert found["errors"].say is Say.NO_DATA
        assert "GetMetricData" in found["errors"].text
