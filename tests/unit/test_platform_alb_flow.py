"""Which minutes of CloudWatch are closed, and what a missing point in them means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from alb_cloud import BEGIN, GROUPS, SITE
from hypothesis import given
from hypothesis import strategies as st

from crossfade.errors import PlatformError
from crossfade.platforms.alb.flow import (
    EVERY_S,
    FORGOTTEN_S,
    LOOK_BACK_S,
    MINUTE_S,
    MOST_SITES,
    OLD_S,
    SETTLED_S,
    CloudWatchFlow,
    Points,
    closed,
    points,
    query,
)
from crossfade.platforms.alb.model import COLOURS, Site

NOW = BEGIN - BEGIN % MINUTE_S
"""On the minute."""


def minutes_ago(number: int) -> int:
    return int(NOW) - MINUTE_S * number


def told(*ago: int, blue: float = 10, green: float = 10) -> Points:
    return {minutes_ago(one): {"blue": blue, "green": green} for one in ago}


def starts(read: Points, now: float = NOW) -> list[int]:
    found = closed(read, now)
    assert not found.problem
    return [round((NOW - minute.start) / MINUTE_S) for minute in found.minutes]


class TestClosed:
    def test_R28_a_minute_is_believed_when_it_is_settled_and_something_newer_came(self) -> None:
        everything = told(*range(1, 16))

        assert SETTLED_S == 150
        assert starts(everything)[-1] == 4  # ended 180 s ago; the next one 120 s ago

    def test_R24_a_minute_after_the_newest_point_is_waited_for(self) -> None:
        late = told(*range(5, 16), blue=1, green=1)

        assert starts(late)[-1] == 6  # nothing newer than the fifth has come yet
        assert starts(late, NOW + MINUTE_S)[-1] == 5  # it ended OLD_S ago: nothing of it comes any more
        assert OLD_S == 300

    def test_a_missing_point_in_a_closed_minute_is_no_request(self) -> None:
        read = {minutes_ago(one): {"blue": 10.0} for one in range(1, 16)}

        assert all(minute.requests == {"blue": 10, "green": 0} for minute in closed(read, NOW).minutes)

    def test_a_service_that_never_had_a_request_is_idle_and_no_problem(self) -> None:
        found = closed({}, NOW)

        assert not found.problem
        assert found.minutes
        assert all(not any(minute.requests.values()) for minute in found.minutes)

    def test_R24_a_busy_service_that_falls_silent_at_once_has_metrics_that_stopped(self) -> None:
        found = closed(told(*range(7, 16), blue=100, green=0), NOW)

        assert found.minutes == ()
        assert "no point since" in found.problem
        hours_ago = told(*range(100, 180), blue=1, green=0)
        assert "no point since" in closed({**hours_ago}, NOW).problem

    def test_a_service_of_a_request_now_and_then_may_well_be_silent(self) -> None:
        found = closed(told(9, 13, blue=1, green=0), NOW)

        assert not found.problem
        assert found.minutes[-1].requests == {"blue": 0, "green": 0}

    @given(
        read=st.dictionaries(
            st.integers(0, 20).map(minutes_ago),
            st.dictionaries(st.sampled_from(["blue", "green"]), st.integers(1, 9).map(float), min_size=1),
        ),
        later=st.floats(0, 59.9),
    )
    def test_closed_minutes_are_of_the_past_and_without_a_hole(self, read: Points, later: float) -> None:
        now = NOW + later
        found = closed(read, now).minutes

        assert all(now - minute.end >= SETTLED_S for minute in found)
        assert all(now - minute.start <= LOOK_BACK_S + MINUTE_S for minute in found)
        assert all(one.end == two.start for one, two in pairwise(found))

    @given(ended=st.integers(0, 14), factor=st.integers(1, 5))
    def test_what_closes_a_minute_never_opens_it_again(self, ended: int, factor: int) -> None:
        read = told(*range(ended, 16))
        before = {minute.start for minute in closed(read, NOW).minutes}
        after = {minute.start for minute in closed(read, NOW + 10 * factor).minutes}

        problem = closed(read, NOW + 10 * factor).problem
        assert problem or {start for start in before if start >= NOW + 10 * factor - LOOK_BACK_S} <= after


class TestAnswers:
    def test_dimensions_are_those_of_the_group_and_its_balancer(self) -> None:
        metric = query(SITE, "green")["MetricStat"]["Metric"]

        assert metric["Dimensions"] == [
            {"Name": "TargetGroup", "Value": "targetgroup/shop-green/7"},
            {"Name": "LoadBalancer", "Value": "app/front/1"},
        ]

    def test_answers_may_come_in_pieces_and_in_any_order(self) -> None:
        def piece(name: str, *minutes: int) -> Mapping[str, Any]:
            times = [datetime.fromtimestamp(minutes_ago(one), UTC) for one in minutes]
            return {"Id": name, "Timestamps": times, "Values": [float(one) for one in minutes]}

        found = points([piece("blue", 3, 1), piece("green", 1), piece("blue", 2)])

        assert found == {
            minutes_ago(3): {"blue": 3.0},
            minutes_ago(2): {"blue": 2.0},
            minutes_ago(1): {"blue": 1.0, "green": 1.0},
        }


def page(colour: str, status: str = "Complete", *minutes: int, number: int = 0) -> Mapping[str, Any]:
    times = [datetime.fromtimestamp(minutes_ago(one), UTC) for one in minutes]
    return {
        "Id": f"{colour}_{number}",
        "StatusCode": status,
        "Timestamps": times,
        "Values": [9.0] * len(times),
    }


class Asked:
    def __init__(self) -> None:
        self.times: list[tuple[datetime, datetime]] = []
        self.ids: list[list[str]] = []
        self.fails = False
        self.refuses = 0
        """So many series, and the question is none that AWS takes."""
        self.pages = [[page(colour) for colour in COLOURS]]

    def metrics(
        self, queries: Sequence[Mapping[str, Any]], start: datetime, end: datetime
    ) -> Sequence[Mapping[str, Any]]:
        self.times.append((start, end))
        self.ids.append([query["Id"] for query in queries])
        if self.refuses and len(queries) >= self.refuses:
            raise PlatformError("CF4308", "it was refused", "ValidationError")
        if self.fails:
            raise PlatformError("CF4306", "it was throttled", "Rate exceeded")
        return [one for page in self.pages for one in page]


class TestAsking:
    def test_whole_minutes_are_asked_for_and_not_more_often_than_they_change(self) -> None:
        asked = Asked()
        flow = CloudWatchFlow(asked)

        for later in (0.0, EVERY_S / 2, EVERY_S + 1):
            flow.read(SITE, NOW + 7 + later)

        assert len(asked.times) == 2
        assert all(one.timestamp() % MINUTE_S == 0 for pair in asked.times for one in pair)

    def test_R06_what_cannot_be_asked_is_a_problem_and_is_asked_again(self) -> None:
        asked = Asked()
        flow = CloudWatchFlow(asked)
        asked.fails = True

        assert "throttled" in flow.read(SITE, NOW).problem
        asked.fails = False
        assert not flow.read(SITE, NOW + 1).problem

    @pytest.mark.parametrize(
        "green", [[page("green", "InternalError")], [page("green", "PartialData", 9)], []]
    )
    def test_R24_a_group_that_was_not_answered_to_its_end_is_not_silent(self, green: list[Any]) -> None:
        asked = Asked()
        asked.pages = [[page("blue", "Complete", *range(16)), *green]]

        assert "green" in CloudWatchFlow(asked).read(SITE, NOW).problem

    def test_an_answer_of_several_pages_is_whole_when_its_last_one_says_so(self) -> None:
        asked = Asked()
        asked.pages = [
            [page("blue", "Complete", 4), page("green", "PartialData", 6)],
            [page("green", "Complete", 5, 4)],
        ]
        found = CloudWatchFlow(asked).read(SITE, NOW)

        assert not found.problem
        assert [one.requests["green"] for one in found.minutes[-2:]] == [9, 9]

    @pytest.mark.parametrize("back", [1.0, 3600.0])
    def test_a_clock_that_went_back_is_no_reason_to_believe_an_old_answer(self, back: float) -> None:
        asked = Asked()
        flow = CloudWatchFlow(asked)
        flow.read(SITE, NOW)

        flow.read(SITE, NOW - back)

        assert len(asked.times) == 2


def others(count: int) -> list[Site]:
    """Services behind the same load balancer, each with groups of its own."""
    return [
        replace(SITE, service=f"s{n}", groups={c: f"{GROUPS[c]}{n}" for c in COLOURS}) for n in range(count)
    ]


class Answering(Asked):
    """Answers every series; that of one group, `torn`, in part."""

    torn = ""

    def metrics(
        self, queries: Sequence[Mapping[str, Any]], start: datetime, end: datetime
    ) -> Sequence[Mapping[str, Any]]:
        self.pages = [[self._page(query) for query in queries]]
        return super().metrics(queries, start, end)

    def _page(self, query: Mapping[str, Any]) -> Mapping[str, Any]:
        colour, _, number = query["Id"].partition("_")
        group = query["MetricStat"]["Metric"]["Dimensions"][0]["Value"]
        status = "PartialData" if group == self.torn else "Complete"
        return page(colour, status, *range(16), number=int(number))


class TestManySites:
    @pytest.mark.parametrize("count", [1, 10, 100])
    def test_one_question_serves_all_that_are_looked_at(self, count: int) -> None:
        asked, sites = Answering(), others(count)
        flow = CloudWatchFlow(asked)
        for site in sites:
            flow.read(site, NOW)
        asked.ids.clear()
        for later in range(0, 60, 3):
            for site in sites:
                assert not flow.read(site, NOW + EVERY_S + later).problem

        assert len(asked.ids) == 5
        assert {len(ids) for ids in asked.ids} == {2 * count}

    def test_AWS_takes_no_more_than_500_series_in_one(self) -> None:
        asked, sites = Answering(), others(MOST_SITES + 20)
        flow = CloudWatchFlow(asked)
        for now in (NOW, NOW + EVERY_S):
            found = [flow.read(site, now) for site in sites]

        assert not any(one.problem for one in found)
        assert max(map(len, asked.ids)) == 500

    def test_R24_one_that_is_answered_in_part_blinds_no_other(self) -> None:
        asked, sites = Answering(), others(3)
        flow = CloudWatchFlow(asked)
        for site in sites:
            flow.read(site, NOW)
        asked.torn = "targetgroup/shop-green/71"
        found = [flow.read(site, NOW + EVERY_S) for site in sites]

        assert [bool(one.problem) for one in found] == [False, True, False]

    def test_R24_one_that_cannot_be_asked_about_blinds_no_other(self) -> None:
        asked, sites = Answering(), others(3)
        flow = CloudWatchFlow(asked)
        for site in sites:
            flow.read(site, NOW)
        asked.refuses = 4
        found = [flow.read(site, NOW + EVERY_S) for site in sites]

        assert not any(one.problem for one in found)

    def test_who_is_not_looked_at_any_more_is_not_asked_about(self) -> None:
        asked, (one, over) = Answering(), others(2)
        flow = CloudWatchFlow(asked)
        flow.read(over, NOW)
        flow.read(one, NOW + FORGOTTEN_S - 1)
        flow.read(one, NOW + FORGOTTEN_S + EVERY_S)

        assert list(map(len, asked.ids)) == [2, 4, 2]
