"""The account's few changes a second go to ways back first, and never more of them than AWS allows."""

from __future__ import annotations

import contextlib

import pytest

from crossfade.errors import PlatformError
from crossfade.platforms.alb_pace import CHANGES, TARGETS, WAITS_S, Pace


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.at += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(clock, clock.sleep)


def granted(pace: Pace, operation: str = "modify_rule", until: float | None = None) -> bool:
    with contextlib.suppress(PlatformError), pace.change(operation, until):
        return True
    return False


def test_a_change_that_is_put_off_says_so_and_asks_nothing(pace: Pace) -> None:
    while granted(pace):
        pass

    with pytest.raises(PlatformError) as later, pace.change("modify_rule", None):
        raise AssertionError
    assert later.value.id == "CF4427"


def test_a_change_that_can_wait_leaves_a_reserve(pace: Pace, clock: Clock) -> None:
    for limit, operation in ((CHANGES, "add_tags"), (TARGETS, "register_targets")):
        made = sum(granted(pace, operation) for _ in range(40))

        assert made == limit.burst - limit.reserve
    clock.at += 10
    assert sum(granted(pace) for _ in range(40)) == CHANGES.burst - CHANGES.reserve


def test_a_way_back_waits_for_its_tokens_and_no_longer_than_a_look_may_take(pace: Pace, clock: Clock) -> None:
    begin, until = clock.at, clock.at + WAITS_S

    made = sum(granted(pace, until=until) for _ in range(100))

    assert made == int(CHANGES.burst + WAITS_S * CHANGES.per_s)
    assert clock.at - begin <= WAITS_S


def test_changes_of_targets_and_of_rules_are_counted_apart(pace: Pace) -> None:
    while granted(pace, "register_targets"):
        pass

    assert granted(pace, "modify_rule")


def test_others_who_spend_are_noticed_by_a_throttled_answer(pace: Pace, clock: Clock) -> None:
    with pytest.raises(PlatformError, match="throttled"), pace.change("modify_rule", None):
        raise PlatformError("CF4306", "ModifyRule was throttled", "Rate exceeded")

    assert not granted(pace)
    assert not granted(pace, until=clock.at)
    assert granted(pace, until=clock.at + 1)


def test_another_failure_says_nothing_of_the_budget(pace: Pace) -> None:
    with pytest.raises(PlatformError, match="no answer"), pace.change("modify_rule", None):
        raise PlatformError("CF4307", "no answer", "it may have been done")

    assert granted(pace)


def test_a_hundred_ways_back_pass_every_ramp_and_take_what_aws_allows(pace: Pace, clock: Clock) -> None:
    """20 at once and 3 a second: 80 more take 27 s, whatever twenty ramps ask for meanwhile."""
    begin, home, ramps = clock.at, 0, 0
    while home < 100:
        ramps += sum(granted(pace) for _ in range(20)) if home else 0
        until = clock.at + WAITS_S
        while home < 100 and granted(pace, until=until):
            home += 1

    assert ramps == 0
    assert clock.at - begin == pytest.approx((100 - CHANGES.burst) / CHANGES.per_s, abs=0.5)


def test_a_clock_that_goes_back_gives_no_tokens(pace: Pace, clock: Clock) -> None:
    while granted(pace):
        pass
    clock.at -= 100

    assert not granted(pace)
