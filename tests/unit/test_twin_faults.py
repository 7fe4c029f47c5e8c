"""Faults hit whom they are meant for, as often as they say, the same way for the same seed."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from crossfade.twin.buckets import Buckets, limits_of
from crossfade.twin.call import Call
from crossfade.twin.faults import BadFault, Fault, Faults, Kind, fault_of
from crossfade.twin.presets import PRESETS


def call(action: str = "ModifyRule", service: str = "elbv2", resource: str = "arn:rule") -> Call:
    return Call(service=service, action=action, region="eu-west-1", protocol="query", resource=resource)


def ends(faults: Faults, asked: Call) -> str:
    fault = faults.fate(asked).ends
    return fault.kind if fault else ""


class TestWhom:
    def test_service_action_and_resource_must_all_fit(self) -> None:
        faults = Faults(0, [Fault(kind="throttle", service="elbv2", action="Modify*", resource="*:rule")])

        assert ends(faults, call()) == "throttle"
        assert ends(faults, call(action="CreateRule")) == ""
        assert ends(faults, call(service="ecs")) == ""
        assert ends(faults, call(resource="arn:listener")) == ""

    def test_the_first_of_several_that_end_a_call_wins_and_the_next_waits(self) -> None:
        faults = Faults(0, [Fault(kind="fail_after", count=1), Fault(kind="throttle", count=1)])

        assert [ends(faults, call()) for _ in range(3)] == ["fail_after", "throttle", ""]

    def test_stale_reads_are_for_describes_of_elbv2(self) -> None:
        faults = Faults(0, [Fault(kind="stale", delay=(5, 5))])

        assert faults.fate(call("DescribeRules")).stale == 5
        assert faults.fate(call("ModifyRule")).stale == 0
        assert faults.fate(call("DescribeVpcs", service="ec2")).stale == 0


class TestHowOften:
    def test_a_count_is_spent_by_the_calls_that_are_hit(self) -> None:
        faults = Faults(0, [Fault(kind="fail_before", action="ModifyRule", count=2)])

        seen = [ends(faults, call(name)) for name in ("CreateRule", *["ModifyRule"] * 3)]

        assert seen == ["", "fail_before", "fail_before", ""]
        assert faults.all() == ()

    def test_the_same_seed_hits_the_same_calls_whatever_runs_in_between(self) -> None:
        def drawn(seed: int, *, noise: bool) -> list[str]:
            faults = Faults(seed, [Fault(kind="fail_before", action="ModifyRule", probability=0.3)])
            if noise:
                faults.add(Fault(kind="latency", action="DescribeRules", delay=(0, 1)))
            seen = []
            for _ in range(60):
                if noise:
                    faults.fate(call("DescribeRules"))
                seen.append(ends(faults, call()))
            return seen

        assert drawn(1, noise=False) == drawn(1, noise=True)
        assert drawn(1, noise=False) != drawn(2, noise=False)

    @given(st.floats(0, 1), st.integers(0, 1000))
    def test_a_probability_is_kept(self, probability: float, seed: int) -> None:
        faults = Faults(seed, [Fault(kind="throttle", probability=probability)])

        hits = sum(ends(faults, call()) != "" for _ in range(400))

        assert abs(hits - 400 * probability) <= 5.5 * (400 * probability * (1 - probability)) ** 0.5 + 1e-9

    def test_delays_are_drawn_evenly_between_their_ends(self) -> None:
        faults = Faults(3, [Fault(kind="propagation", delay=(2, 10))])

        drawn = [faults.propagation() for _ in range(300)]

        assert 2 <= min(drawn) < 3
        assert 9 < max(drawn) <= 10

    def test_without_a_fault_nothing_is_late(self) -> None:
        assert (Faults(0).propagation(), Faults(0).publish_delay()) == (0, 0)


ODD = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.floats(), max_size=3)
)
NAMES = ("service", "action", "resource", "probability", "count", "delay", "status", "code", "others", "id")


@given(
    st.fixed_dictionaries(
        {"kind": st.sampled_from([*get_args(Kind), "meteor"])}, optional=dict.fromkeys(NAMES, ODD)
    )
)
def test_what_is_posted_becomes_a_fault_that_can_be_drawn_or_is_refused(posted: dict[str, Any]) -> None:
    try:
        fault = fault_of(posted)
    except BadFault as why:
        event(f"refused: {str(why)[:20]}")
        return
    fate = Faults(1, [fault]).fate(call())

    assert math.isfinite(fate.latency + fate.stale)
    assert "id" not in posted


def test_every_fault_of_a_preset_could_have_been_posted() -> None:
    for preset in PRESETS.values():
        for fault in preset.faults:
            said = {key: value for key, value in fault.line().items() if key != "id"}

            assert fault_of(said) == fault


class TestBuckets:
    def left(self, buckets: Buckets, asked: Call, tries: int, *, others: float = 0.0) -> int:
        return sum(buckets.take(asked, "1", others=others) == "" for _ in range(tries))

    @pytest.mark.parametrize(
        ("action", "burst", "refill"),
        [
            ("ModifyRule", 20, 3),
            ("CreateTargetGroup", 20, 3),
            ("RegisterTargets", 20, 4),
            ("DeregisterTargets", 20, 4),
            ("DescribeTargetHealth", 40, 10),
        ],
    )
    def test_elbv2_has_the_numbers_of_its_guide(self, action: str, burst: int, refill: int) -> None:
        now = [1000.0]
        buckets = Buckets(lambda: now[0])

        first = self.left(buckets, call(action), 60)
        now[0] += 1
        second = self.left(buckets, call(action), 60)
        now[0] += 3600
        third = self.left(buckets, call(action), 60)

        assert (first, second, third) == (burst, refill, burst)

    def test_regions_and_accounts_do_not_share(self) -> None:
        buckets = Buckets(lambda: 0.0)
        elsewhere = Call(service="elbv2", action="ModifyRule", region="us-east-1", protocol="query")

        assert self.left(buckets, call(), 30) == 20
        assert self.left(buckets, elsewhere, 30) == 20
        assert buckets.take(call(), "2") == ""

    def test_others_leave_only_their_rest(self) -> None:
        now = [0.0]
        buckets = Buckets(lambda: now[0])

        first = self.left(buckets, call(), 30, others=0.5)
        now[0] += 2
        second = self.left(buckets, call(), 30, others=0.5)

        assert (first, second) == (10, 3)

    def test_a_refused_call_costs_nothing(self) -> None:
        buckets = Buckets(lambda: 0.0)
        self.left(buckets, call(), 500)

        assert self.left(buckets, call("DescribeRules"), 60) == 20

    def test_a_service_without_published_limits_has_none(self) -> None:
        assert limits_of(call("GetCallerIdentity", service="sts")) == ()
        assert [one.name for one in limits_of(call())] == ["elbv2 mutating", "elbv2 whole account"]
