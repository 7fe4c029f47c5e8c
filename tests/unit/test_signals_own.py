"""Figures of one's own: pairs of counts, metrics with a limit, alarms by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_world import ARMS, Balancer, FakeCloudWatch
from scrape_world import Desk as ScrapeDesk
from scrape_world import Fleet, page
from signals_world import PLAN, START, Health, Memory, Paced

from crossfade.release.plan import PlannedGate
from crossfade.release.state import State
from crossfade.release.values import Instant, Say, Side, Verdict
from crossfade.signals import Alarms, ReleaseSignals
from crossfade.signals.cloudwatch import CloudWatch
from crossfade.signals.fetching import Page
from crossfade.signals.measured import LATE, Limits, Measured, metric_now, metric_verdict
from crossfade.signals.named_alarms import EVERY, NamedAlarms

BEGIN = 1_800_000_000.0
NOON = datetime.fromtimestamp(BEGIN, UTC)
KPI = {
    "total": "Shop/CheckoutAll",
    "part": "Shop/CheckoutOk",
    "part_is_failure": False,
    "dimensions": {"TargetGroup": "{target_group}"},
}
QUEUE = {"metric": "Shop/Queue", "stat": "Average", "max": 100.0, "min": None, "hold_for_s": 120.0}


def planned(name: str, **judging: Any) -> Any:
    """The world's plan with one gate more, on its first step with traffic."""
    step = replace(PLAN.on[1], gates=(*PLAN.on[1].gates, name), bake=timedelta(minutes=10))
    gates: Any = {**PLAN.judging["gates"], **judging.pop("gates", {})}  # type: ignore[dict-item]
    return replace(
        PLAN,
        on=(PLAN.on[0], step, *PLAN.on[2:]),
        gates=(*PLAN.gates, PlannedGate(name=name, observe=False, traffic=True)),
        judging={**PLAN.judging, **judging, "gates": gates},
    )


class Desk:
    """A release on a load balancer, with whatever else is put into CloudWatch."""

    def __init__(self, plan: Any, **traffic: Any) -> None:
        self.plan, self.seconds = plan, 0.0
        self.watch = FakeCloudWatch(now=lambda: BEGIN + self.seconds)
        self.balancer = Balancer(
            self.watch, rate=60.0, weight=lambda at: 0.1 if at >= BEGIN else 0.0, **traffic
        )
        self.balancer.until(BEGIN - 1800, BEGIN + 1500)
        source = CloudWatch(self.watch, lambda _plan: ARMS, Paced(), now=lambda: BEGIN + self.seconds)
        self.signals = ReleaseSignals(
            counts=source,
            health=Health(),
            memory=Memory(),
            pace=Paced(),
            alarms=Alarms(fetch=lambda *_: "OK", named=NamedAlarms(self.watch)),
            measures=source,
        )

    def checkouts(self, group: str, share: float, since: float = 0.0) -> None:
        """Twenty checkouts a minute, of which a share fails."""
        for start in range(int(BEGIN + since), int(BEGIN + 1500), 60):
            of = {"TargetGroup": group}
            self.watch.record("CheckoutAll", 1, start, of, count=200, namespace="Shop")
            self.watch.record("CheckoutOk", 1, start, of, count=round(200 * (1 - share)), namespace="Shop")

    def look(self, seconds: float) -> dict[str, Verdict]:
        self.seconds = seconds
        state = State(since=self.at(1), index=1, reached=self.at(4))
        return {one.gate: one for one in self.signals.verdicts(self.plan, state, self.at(seconds))}

    def at(self, seconds: float) -> Instant:
        return NOON + timedelta(seconds=seconds)

    def until_said(self, gate: str, say: Say) -> tuple[float, Verdict]:
        for seconds in range(5, 1500, 10):
            found = self.look(seconds)[gate]
            if found.say is say:
                return seconds, found
        raise AssertionError(f"never {say}: {found.say} {found.text}")


class TestPairs:
    PLAN = planned("checkout", gates={"checkout": {"must_see": 0.05}}, kpi={"checkout": KPI})

    def test_a_candidate_whose_checkouts_fail_is_stopped_though_all_its_answers_are_200(self) -> None:
        desk = Desk(self.PLAN)
        desk.checkouts(ARMS.stable, 0.03, since=-1800)
        desk.checkouts(ARMS.candidate, 0.15)
        seconds, found = desk.until_said("checkout", Say.FAIL)

        assert seconds <= 600
        assert "checkout: 15 % of the candidate's" in found.text
        assert desk.look(seconds)["errors"].say is not Say.FAIL

    def test_checkouts_that_fail_on_both_sides_alike_pass(self) -> None:
        desk = Desk(self.PLAN)
        desk.checkouts(ARMS.stable, 0.03, since=-1800)
        desk.checkouts(ARMS.candidate, 0.03)

        assert desk.until_said("checkout", Say.PASS)[0] <= 1000

    def test_R24_a_pair_that_nobody_publishes_is_never_a_pass(self) -> None:
        desk = Desk(self.PLAN)
        said = {desk.look(seconds)["checkout"].say for seconds in range(5, 1400, 20)}

        assert Say.PASS not in said
        assert Say.FAIL not in said

    def test_in_observation_it_is_told_and_stops_nothing(self) -> None:
        plan = planned(
            "checkout", gates={"checkout": {"must_see": 0.05, "mode": "observe"}}, kpi={"checkout": KPI}
        )
        observed = replace(
            plan, gates=(*PLAN.gates, PlannedGate(name="checkout", observe=True, traffic=True))
        )
        desk = Desk(observed)
        desk.checkouts(ARMS.stable, 0.03, since=-1800)
        desk.checkouts(ARMS.candidate, 0.15)
        seconds, _ = desk.until_said("checkout", Say.FAIL)
        found = desk.look(1000)

        assert seconds <= 600
        assert {found["errors"].say, found["latency"].say} == {Say.PASS}

    def test_counters_of_instances_are_a_pair_too(self) -> None:
        kpi = {
            "total": 'checkouts_total{kind!="test"}',
            "part": "checkouts_failed_total",
            "part_is_failure": True,
            "dimensions": {},
        }
        fleet = Selling()
        desk = ScrapeDesk(fleet)
        plan = planned("checkout", gates={"checkout": {"must_see": 0.05}}, kpi={"checkout": kpi})
        desk.plan = replace(plan, judging={**plan.judging, "source": {"every_s": 5.0}})
        seconds, found = desk.until_said("checkout", Say.FAIL)

        assert seconds <= 60
        assert found.numbers["source"] == "scrape of /metrics"


class Selling(Fleet):
    """Instances that sell, ten a second each; the candidate's fail to one in five."""

    def fetch(self, url: str, patience_s: float) -> Page:
        shown = super().fetch(url, patience_s)
        name = url.removeprefix("http://").split(":", maxsplit=1)[0]
        sold = int(self.now - START + 1000) * 10
        failed = sold // 5 if name.startswith("c") else sold // 50
        own = f'checkouts_total{{kind="shop"}} {sold}\ncheckouts_total{{kind="test"}} {sold * 9}\n'
        return page(f"{shown.text}{own}checkouts_failed_total {failed}\n")


class TestMetric:
    PLAN = planned("queue", metrics={"queue": {**QUEUE, "dimensions": {}}})

    def queue(self, value: float, since: float, until: float = 1500) -> Desk:
        desk = Desk(self.PLAN)
        for start in range(-1800, 1500, 60):
            bad = since <= start < until
            desk.watch.record("Queue", value if bad else 20.0, BEGIN + start, {}, namespace="Shop")
        return desk

    def test_outside_its_limit_for_long_enough_it_fails(self) -> None:
        desk = self.queue(400.0, since=120)
        seconds, found = desk.until_said("queue", Say.FAIL)

        assert 240 + 120 <= seconds <= 240 + 120 + 60
        assert "Average of Shop/Queue was 400 and is to be at most 100, for 120 s" in found.text

    def test_one_odd_minute_is_no_trouble(self) -> None:
        desk = self.queue(400.0, since=120, until=180)
        said = [desk.look(seconds)["queue"].say for seconds in range(5, 1400, 20)]

        assert Say.FAIL not in said
        assert said[-1] is Say.PASS

    def test_R28_what_was_before_the_step_is_not_its_fault(self) -> None:
        desk = self.queue(400.0, since=-600, until=0)
        said = {desk.look(seconds)["queue"].say for seconds in range(5, 800, 20)}

        assert Say.FAIL not in said

    def test_R24_a_metric_without_points_is_no_data(self) -> None:
        desk = Desk(self.PLAN)
        said = [desk.look(seconds)["queue"].say for seconds in range(5, 1000, 20)]

        assert said[0] is Say.NOT_YET
        assert said[-1] is Say.NO_DATA
        assert Say.PASS not in said

    def test_R18_it_speaks_before_traffic_only_where_it_is_not_of_one_side(self) -> None:
        firing, fine = self.queue(400.0, since=-1800), self.queue(400.0, since=1400)
        sided = planned("queue", metrics={"queue": {**QUEUE, "dimensions": {"Version": "{revision}"}}})

        assert firing.signals.before(self.PLAN, firing.at(0))["queue"] is Say.FAIL
        assert fine.signals.before(self.PLAN, fine.at(0))["queue"] is Say.PASS
        assert "queue" not in firing.signals.before(sided, firing.at(0))

    def test_without_an_account_it_has_no_data_and_says_so(self) -> None:
        desk = self.queue(1.0, since=0)
        desk.signals = ReleaseSignals(
            counts=desk.signals._counts, health=Health(), memory=Memory(), pace=Paced()
        )

        assert "no" in desk.look(100)["queue"].text
        assert desk.look(110)["queue"].say is Say.NO_DATA

    @given(
        st.lists(st.floats(-1e6, 1e6), max_size=12),
        st.floats(-1e6, 1e6),
        st.integers(1, 5),
        st.booleans(),
    )
    def test_it_fails_exactly_where_so_many_points_in_a_row_are_outside(
        self, values: list[float], limit: float, many: int, low: bool
    ) -> None:
        period = timedelta(minutes=1)
        points = tuple((NOON + period * k, value) for k, value in enumerate(values))
        until = NOON + period * len(values)
        found = Measured(points=points, until=until, period=period)
        limits = Limits(max=None if low else limit, min=limit if low else None, hold_for=many * period)
        state = State(since=NOON, index=0, reached=NOON)
        said = metric_verdict(found, limits, "it", state, until)
        bad = [value < limit if low else value > limit for value in values]
        runs = [all(bad[k : k + many]) for k in range(len(bad) - many + 1)]

        assert (said.say is Say.FAIL) is any(runs)
        assert said.covers == until - NOON
        if values:
            assert (said.say is Say.PASS) is (not any(runs) and not bad[-1])
            assert (metric_now(found, limits) is Say.FAIL) is (len(bad) >= many and all(bad[-many:]))
        assert metric_verdict(found, limits, "it", state, until + LATE + period * 2).say is not Say.PASS


class TestAlarms:
    def asked(self, watch: FakeCloudWatch, *names: str, at: float = 0.0) -> tuple[Say, str]:
        found = self.alarms(watch).gate([{"name": name} for name in names], NOON + timedelta(seconds=at))
        return found.say, found.text

    def alarms(self, watch: FakeCloudWatch) -> Alarms:
        return Alarms(fetch=lambda *_: "OK", named=NamedAlarms(watch))

    def test_R24_ok_firing_unsure_and_missing_are_four_answers(self) -> None:
        watch = FakeCloudWatch(now=lambda: BEGIN)
        watch.alarms = {"a": "OK", "b": "ALARM", "c": "INSUFFICIENT_DATA", "composite:d": "ALARM"}

        assert self.asked(watch, "a")[0] is Say.PASS
        assert self.asked(watch, "b") == (Say.FAIL, "the alarm b is in ALARM: because ALARM")
        assert self.asked(watch, "c")[0] is Say.NO_DATA
        assert "INSUFFICIENT_DATA" in self.asked(watch, "c")[1]
        assert self.asked(watch, "e") == (Say.NO_DATA, "there is no alarm e in CloudWatch")
        assert self.asked(watch, "d")[0] is Say.FAIL

    def test_the_worst_of_a_gate_s_alarms_is_what_it_says(self) -> None:
        watch = FakeCloudWatch(now=lambda: BEGIN)
        watch.alarms = {"a": "OK", "b": "ALARM"}
        alarms = Alarms(fetch=lambda *_: "INSUFFICIENT_DATA", named=NamedAlarms(watch))
        found = alarms.gate(["http://x/", {"name": "a"}, {"name": "b"}], NOON)

        assert found.say is Say.FAIL
        assert set(found.states) == {"http://x/", "a", "b"}

    @pytest.mark.parametrize("code", ["ThrottlingException", "AccessDenied", "InternalFailure"])
    def test_R24_a_question_that_fails_is_no_data_and_is_asked_again(self, code: str) -> None:
        watch = FakeCloudWatch(now=lambda: BEGIN)
        watch.alarms, watch.fails = {"a": "OK"}, code
        alarms = self.alarms(watch)
        found = [alarms.gate([{"name": "a"}], NOON + timedelta(seconds=at)) for at in range(5)]
        watch.fails = ""

        assert {one.say for one in found} == {Say.NO_DATA}
        assert "DescribeAlarms" in found[0].text
        assert len(watch.calls) == 1
        assert alarms.gate([{"name": "a"}], NOON + EVERY).say is Say.PASS

    def test_all_gates_of_all_releases_are_one_question_each_ten_seconds(self) -> None:
        watch = FakeCloudWatch(now=lambda: BEGIN)
        watch.alarms = {f"a{number}": "OK" for number in range(250)}
        alarms = self.alarms(watch)
        names = [{"name": f"a{number}"} for number in range(250)]
        for at in range(60):
            for gate in range(5):
                alarms.gate(names[gate * 50 : gate * 50 + 50], NOON + timedelta(seconds=at))
        first, later = watch.calls[:5], watch.calls[5:]

        assert len(first) == 5 or len(later) % 3 == 0
        assert len(later) <= 6 * 3 + 10
        assert max(len(call["AlarmNames"]) for call in later) == 100

    def test_pages_are_read_to_the_end(self) -> None:
        watch = FakeCloudWatch(now=lambda: BEGIN)
        watch.alarms = {f"a{number}": "OK" for number in range(90)} | {"z": "ALARM"}
        watch.page = 7

        assert self.asked(watch, *(f"a{number}" for number in range(90)), "z")[0] is Say.FAIL

    def test_without_an_account_an_alarm_by_name_has_no_data(self) -> None:
        found = Alarms(fetch=lambda *_: "OK").gate([{"name": "a"}], NOON)

        assert found.say is Say.NO_DATA
        assert "account" in found.text


def test_a_side_s_metric_is_found_by_its_revision_and_group() -> None:
    pair = {**KPI, "dimensions": {"Version": "{revision}", "Group": "{target_group}", "Stage": "prod"}}
    desk = Desk(planned("checkout", gates={"checkout": {}}, kpi={"checkout": pair}))
    desk.look(100)
    asked = [one["MetricStat"]["Metric"] for call in desk.watch.calls for one in call["MetricDataQueries"]]
    found = {
        tuple((d["Name"], d["Value"]) for d in one["Dimensions"])
        for one in asked
        if one["Namespace"] == "Shop"
    }

    assert found == {
        (("Group", ARMS.group(side)), ("Stage", "prod"), ("Version", version))
        for side, version in ((Side.STABLE, "v41"), (Side.CANDIDATE, "v42"))
    }
