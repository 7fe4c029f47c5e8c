"""Targets: what their health checks make of them, who serves, who drains."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.twin.balancer.checks import BROKEN, TIMED_OUT, matches, mismatch
from crossfade.twin.balancer.model import HealthCheck, Target, TargetGroup
from crossfade.twin.balancer.targets import Outcome, Passed, Registry

ONE, TWO = Target(ip="127.0.0.1", port=9001), Target(ip="127.0.0.1", port=9002)
GROUP = TargetGroup(
    arn="blue",
    name="blue",
    targets=(ONE, TWO),
    health=HealthCheck(interval_s=10, healthy=3, unhealthy=2),
    deregistration_delay_s=30,
)
PASSED = Passed()


class Rig:
    def __init__(self, group: TargetGroup = GROUP, *, used: bool = True) -> None:
        self.registry = Registry()
        self.group, self.used, self.now = group, used, 1000.0
        self.want()

    def want(self, group: TargetGroup | None = None, *, used: bool | None = None) -> None:
        self.group = group or self.group
        self.used = self.used if used is None else used
        self.registry.want([self.group], {self.group.arn} if self.used else set(), self.now)

    def round(self, *answers: Outcome) -> bool:
        """One check of everybody, ten seconds after the last."""
        checks = self.registry.due(self.now, 0.1)
        changed = [self.registry.told(check, said) for check, said in zip(checks, answers, strict=True)]
        self.now += 10
        return any(changed)

    @property
    def states(self) -> list[str]:
        return [row.state for row in self.registry.rows("blue")]

    @property
    def reasons(self) -> list[str]:
        return [row.reason for row in self.registry.rows("blue")]

    @property
    def serving(self) -> list[Target]:
        return list(self.registry.serving()["blue"])


class TestStates:
    def test_a_new_target_is_registering_then_checked_then_healthy_after_one_pass(self) -> None:
        rig = Rig()
        assert rig.reasons == ["Elb.RegistrationInProgress"] * 2

        checks = rig.registry.due(rig.now, 0.1)
        assert rig.reasons == ["Elb.InitialHealthChecking"] * 2

        assert rig.registry.told(checks[0], PASSED)
        assert rig.states == ["healthy", "initial"]

    def test_thresholds_count_checks_in_a_row(self) -> None:
        rig = Rig(replace(GROUP, targets=(ONE,)))
        seen = []
        for said in (PASSED, BROKEN, PASSED, BROKEN, BROKEN, PASSED, PASSED, BROKEN, PASSED, PASSED, PASSED):
            rig.round(said)
            seen += rig.states

        expected = ["healthy"] * 4 + ["unhealthy"] * 6 + ["healthy"]
        assert seen == expected

    @pytest.mark.parametrize(
        ("said", "reason", "description"),
        [
            (TIMED_OUT, "Target.Timeout", "Request timed out"),
            (BROKEN, "Target.FailedHealthChecks", "Health checks failed"),
            (mismatch(503), "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]"),
        ],
    )
    def test_an_unhealthy_target_says_why_its_last_check_failed(
        self, said: Outcome, reason: str, description: str
    ) -> None:
        rig = Rig(replace(GROUP, targets=(ONE,)))
        rig.round(BROKEN)
        assert rig.states == ["initial"], "it was never healthy, and may still become so"
        rig.round(said)

        row = rig.registry.rows("blue")[0]
        assert (row.state, row.reason, row.description) == ("unhealthy", reason, description)

    def test_a_group_that_no_listener_uses_is_unused_and_not_checked(self) -> None:
        rig = Rig(used=False)
        assert rig.reasons == ["Target.NotInUse"] * 2
        assert not rig.registry.due(rig.now, 0.1)

        rig.want(used=True)
        assert rig.states == ["initial"] * 2

        rig.round(PASSED, PASSED)
        rig.want(used=False)
        rig.want(used=True)
        assert rig.states == ["initial"] * 2, "what was known before is not known now"

    def test_a_group_without_checks_serves_and_says_that_nobody_knows(self) -> None:
        rig = Rig(replace(GROUP, health=HealthCheck(enabled=False)))

        assert rig.reasons == ["Target.HealthCheckDisabled"] * 2
        assert rig.serving == [ONE, TWO]

    def test_an_answer_to_an_earlier_registration_is_dropped(self) -> None:
        rig = Rig()
        checks = rig.registry.due(rig.now, 0.1)
        rig.want(replace(GROUP, targets=()))
        rig.want(GROUP)

        assert not any(rig.registry.told(check, PASSED) for check in checks)
        assert rig.states == ["initial"] * 2

    def test_other_thresholds_leave_what_is_known(self) -> None:
        rig = Rig()
        rig.round(PASSED, PASSED)
        rig.want(replace(GROUP, health=replace(GROUP.health, unhealthy=5)))

        assert rig.states == ["healthy"] * 2


class TestServing:
    def test_the_healthy_serve_and_where_nobody_is_all_do(self) -> None:
        rig = Rig()
        assert rig.serving == [ONE, TWO], "fails open"
        rig.round(PASSED, BROKEN)
        assert rig.serving == [ONE]
        for _ in range(2):
            rig.round(BROKEN, BROKEN)
        assert rig.serving == [ONE, TWO], "fails open"

    def test_who_was_deregistered_gets_nothing_at_once_and_drains_for_the_whole_delay(self) -> None:
        rig = Rig()
        rig.round(PASSED, PASSED)
        rig.want(replace(GROUP, targets=(TWO,)))

        assert rig.serving == [TWO]
        assert rig.states == ["healthy", "draining"]
        assert rig.reasons[1] == "Target.DeregistrationInProgress"
        assert rig.registry.elapse(rig.now + 29.9) == []
        assert rig.registry.next_end() == rig.now + 30
        assert rig.registry.elapse(rig.now + 30) == [ONE]
        assert rig.states == ["healthy"]

    def test_who_comes_back_while_draining_is_new(self) -> None:
        rig = Rig()
        rig.round(PASSED, PASSED)
        rig.want(replace(GROUP, targets=(TWO,)))
        rig.want(GROUP)

        assert rig.states == ["initial", "healthy"]
        assert rig.registry.elapse(rig.now + 100) == []

    def test_nobody_drains_where_no_listener_sends(self) -> None:
        rig = Rig(used=False)
        rig.want(replace(GROUP, targets=(TWO,)))

        assert rig.states == ["unused"]


class TestTime:
    def test_nobody_is_asked_twice_at_once_or_before_the_floor(self) -> None:
        rig = Rig()
        checks = rig.registry.due(rig.now, 60)

        assert not rig.registry.due(rig.now + 1000, 60), "the answers are still awaited"
        for check in checks:
            rig.registry.told(check, PASSED)
        assert not rig.registry.due(rig.now + 59, 60)
        assert len(rig.registry.due(rig.now + 60, 60)) == 2

    def test_checks_that_a_jump_of_the_clock_skipped_are_made_up_for(self) -> None:
        rig = Rig(replace(GROUP, targets=(ONE,)))
        rig.round(PASSED)
        rig.now += 3600
        made = 0
        while checks := rig.registry.due(rig.now, 0.1):
            made += 1
            rig.registry.told(checks[0], BROKEN)

        assert rig.states == ["unhealthy"]
        assert 2 <= made <= 12


class TestMatcher:
    @given(st.integers(100, 599))
    def test_a_matcher_is_codes_and_ranges(self, status: int) -> None:
        assert matches("200", status) == (status == 200)
        assert matches("200-299", status) == (200 <= status <= 299)
        assert matches("200, 302,404-406", status) == (status in {200, 302, 404, 405, 406})
