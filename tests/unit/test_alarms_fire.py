"""The rendered alarms over real figures: what fires, what stays quiet, and limits from what was normal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from cloudwatch_world import START, World

from crossfade.aws.figures import DAY_S, figures
from crossfade.cli.render_alarms import all_alarms
from crossfade.errors import PlatformError
from crossfade.render import alarms as made
from crossfade.render.alarm_limits import WINDOWS, Limit, Past

PAIR = made.Pair(
    service="shop", balancer="app/web/1", blue="targetgroup/shop-blue/2", green="targetgroup/shop-green/3"
)
BALANCER = {"LoadBalancer": PAIR.balancer}
BLUE, GREEN = ({**BALANCER, "TargetGroup": group} for group in (PAIR.blue, PAIR.green))
FIVE = Limit(value=5.0, because="so said", from_history=False)
FAST = Limit(value=0.5, because="so said", from_history=False)
MINUTE = WINDOWS[0]


class Watched:
    """A CloudWatch with the five alarms, and traffic by the minute."""

    def __init__(self, publish_delay: float = 0.0, *, alarms: bool = True) -> None:
        self.world = World(publish_delay=lambda: publish_delay)
        self.world.at(0)
        every = (
            made.failed_alarm(PAIR, FIVE),
            made.balancer_alarm(PAIR, FIVE),
            made.p99_alarm(PAIR, FAST, MINUTE, None),
            made.unhealthy(PAIR, "blue"),
            made.unhealthy(PAIR, "green"),
        )
        for alarm in every if alarms else ():
            self.world.call("PutMetricAlarm", **alarm)

    def minutes(self, first: int, last: int, traffic: Callable[[int], None]) -> None:
        """The traffic of each, and alarms looked at after each."""
        for minute in range(first, last):
            traffic(minute)
            self.world.at(60 * (minute + 1))
            self.world.cloudwatch.tick()

    def requests(
        self, minute: int, of: Mapping[str, str], count: int, seconds: float = 0.1, errors: int = 0
    ) -> None:
        self.world.record(minute, 1.0, count=count, of=of)
        self.world.record(minute, 1.0, count=count, of=BALANCER)
        self.world.record(minute, seconds, name="TargetResponseTime", count=count, of=of, unit="Seconds")
        if errors:
            self.world.record(minute, 1.0, name="HTTPCode_Target_5XX_Count", count=errors, of=of)

    @property
    def states(self) -> dict[str, str]:
        alarms = self.world.call("DescribeAlarms")["MetricAlarms"]
        return {one["AlarmName"].removeprefix("shop-"): one["StateValue"] for one in alarms}

    @property
    def firing(self) -> set[str]:
        return {name for name, state in self.states.items() if state == "ALARM"}


@pytest.mark.parametrize("serves", [BLUE, GREEN])
class TestWhicheverColourServes:
    def test_clean_traffic_on_one_group_is_ok_in_every_alarm(self, serves: Mapping[str, str]) -> None:
        watched = Watched()
        watched.minutes(0, 8, lambda at: watched.requests(at, serves, 1000))

        assert watched.states == dict.fromkeys(
            ("5xx", "balancer-5xx", "p99", "unhealthy-blue", "unhealthy-green"), "OK"
        )

    def test_failures_of_two_minutes_are_let_pass(self, serves: Mapping[str, str]) -> None:
        watched = Watched()
        for at in range(12):
            watched.minutes(
                at, at + 1, lambda at: watched.requests(at, serves, 1000, errors=90 if at in {6, 7} else 0)
            )
            assert watched.firing == set()

    def test_failures_of_three_minutes_fire_until_they_are_over(self, serves: Mapping[str, str]) -> None:
        watched = Watched()
        watched.minutes(0, 6, lambda at: watched.requests(at, serves, 1000))
        watched.minutes(6, 10, lambda at: watched.requests(at, serves, 1000, errors=60))
        assert watched.firing == {"5xx"}
        watched.minutes(10, 14, lambda at: watched.requests(at, serves, 1000))
        assert watched.firing == set()

    def test_a_slow_candidate_of_ten_percent_fires_beside_a_quick_stable(
        self, serves: Mapping[str, str]
    ) -> None:
        watched = Watched()
        candidate = GREEN if serves is BLUE else BLUE

        def canary(at: int) -> None:
            watched.requests(at, serves, 3600)
            watched.requests(at, candidate, 400, seconds=0.9)

        watched.minutes(0, 6, canary)

        assert watched.firing == {"p99"}


class TestSmallNumbers:
    def test_one_failure_of_three_requests_is_no_outage(self) -> None:
        watched = Watched()
        watched.minutes(0, 8, lambda at: watched.requests(at, BLUE, 3, errors=1))

        assert watched.firing == set()

    def test_the_p99_of_a_few_requests_is_not_believed(self) -> None:
        watched = Watched()
        watched.minutes(0, 8, lambda at: watched.requests(at, BLUE, 299, seconds=9.0))

        assert watched.firing == set()

    def test_no_traffic_at_all_is_ok_and_not_a_lack_of_data(self) -> None:
        watched = Watched()
        watched.minutes(0, 8, lambda _: None)

        assert set(watched.states.values()) == {"OK"}


class TestWhatIsSeen:
    def test_failures_of_both_groups_are_added_up(self) -> None:
        watched = Watched()

        def half(at: int) -> None:
            watched.requests(at, BLUE, 500, errors=30)
            watched.requests(at, GREEN, 500, errors=30)

        watched.minutes(0, 6, half)

        assert watched.firing == {"5xx"}

    def test_refused_connections_are_failures(self) -> None:
        watched = Watched()

        def refused(at: int) -> None:
            watched.requests(at, BLUE, 1000)
            watched.world.record(at, 1.0, name="TargetConnectionErrorCount", count=60, of=GREEN)

        watched.minutes(0, 6, refused)

        assert watched.firing == {"5xx"}

    def test_what_the_load_balancer_answers_itself_is_an_alarm_of_its_own(self) -> None:
        watched = Watched()

        def empty(at: int) -> None:
            watched.world.record(at, 1.0, name="HTTPCode_ELB_5XX_Count", count=100, of=BALANCER)

        watched.minutes(0, 6, empty)

        assert watched.firing == {"balancer-5xx"}

    def test_a_neighbour_on_the_load_balancer_is_not_in_the_services_own_figure(self) -> None:
        watched = Watched()
        other = {**BALANCER, "TargetGroup": "targetgroup/blog/9"}
        watched.minutes(0, 6, lambda at: watched.requests(at, other, 1000, errors=500))

        assert watched.firing == set()

    @pytest.mark.parametrize(("group", "name"), [(BLUE, "unhealthy-blue"), (GREEN, "unhealthy-green")])
    def test_an_unhealthy_host_fires_the_alarm_of_its_group(
        self, group: Mapping[str, str], name: str
    ) -> None:
        watched = Watched()
        watched.minutes(0, 6, lambda at: watched.world.record(at, 1.0, name="UnHealthyHostCount", of=group))

        assert watched.firing == {name}

    def test_figures_that_come_ninety_seconds_late_still_fire(self) -> None:
        watched = Watched(publish_delay=90.0)
        watched.minutes(0, 7, lambda at: watched.requests(at, BLUE, 1000, errors=60))

        assert watched.firing == {"5xx"}


class Client:
    """boto3's, as far as the past is asked for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.asked: list[tuple[float, float]] = []

    def get_metric_data(self, **asked: Any) -> Mapping[str, Any]:
        start, end = asked["StartTime"].timestamp(), asked["EndTime"].timestamp()
        self.asked.append((start - START, end - START))
        return self.world.call("GetMetricData", **{**asked, "StartTime": start, "EndTime": end})


def past_of(client: Client, days: float) -> Callable[[made.Watched], Past]:
    def asked(watched: made.Watched) -> Past:
        until = START + days * DAY_S
        read = figures(client, watched.of_the_past, START, until)
        return Past(since=START, until=until, value=read["watched"], requests=read["requests"])

    return asked


class TestLimitsFromCloudwatch:
    def test_they_are_what_the_alarms_own_figures_were(self) -> None:
        watched = Watched(alarms=False)
        for minute in range(1440):
            group = BLUE if minute < 720 else GREEN
            watched.requests(minute, group, 400, seconds=0.8 if minute % 10 < 6 else 0.2, errors=4)
        watched.world.at(1.25 * DAY_S)
        client, said = Client(watched.world), list[str]()
        template = all_alarms(PAIR, past_of(client, 1.25), say=said.append)
        limits = {
            name: one["Properties"]["Threshold"]
            for name, one in template["Resources"].items()
            if "Unhealthy" not in name
        }

        assert limits == {"Alarm5xx": 1.3, "AlarmBalancer5xx": 1.0, "AlarmP99": 1.0}
        assert said[0] == "shop-5xx  above 1.3 %: from the last 1.25 d, in which it would not have fired"
        assert client.asked[:2] == [(0.0, DAY_S), (DAY_S, 1.25 * DAY_S)]

    def test_a_quiet_service_is_watched_over_longer_periods(self) -> None:
        watched = Watched(alarms=False)
        for minute in range(1440):
            watched.requests(minute, BLUE, 100, seconds=0.2)
        watched.world.at(DAY_S)
        template = all_alarms(PAIR, past_of(Client(watched.world), 1), say=lambda _: None)
        alarm = template["Resources"]["AlarmP99"]["Properties"]

        assert alarm["Threshold"] == 0.25
        assert {one["MetricStat"]["Period"] for one in alarm["Metrics"] if "MetricStat" in one} == {300}
        assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (2, 3)
        assert "as in 0 % of the past periods" in alarm["AlarmDescription"]

    def test_without_any_past_every_limit_is_a_labelled_default(self) -> None:
        watched = Watched(alarms=False)
        watched.world.at(DAY_S)
        template = all_alarms(PAIR, past_of(Client(watched.world), 1), say=lambda _: None)
        said = [one["Properties"]["AlarmDescription"] for one in template["Resources"].values()]

        assert all("a default: in the last 1 d only 0 periods had" in one for one in said[:3])

    def test_an_answer_that_is_not_whole_is_no_past(self) -> None:
        class Broken:
            def get_metric_data(self, **_: Any) -> Mapping[str, Any]:
                return {"MetricDataResults": [{"Id": "watched", "StatusCode": "InternalError"}]}

        with pytest.raises(PlatformError, match="did not answer watched whole"):
            figures(Broken(), [{"Id": "watched"}], START, START + 60)
