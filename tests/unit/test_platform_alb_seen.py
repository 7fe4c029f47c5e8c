"""What traffic shows of the weights: bands, silence, and when neither can be told."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.platforms.alb.model import Flowed, Minute, Sides
from crossfade.platforms.alb.seen import seen, sooner
from crossfade.release.values import ALL, NOTHING, Fact, Known, Seen, Share, Span, Unknown

WHO = Sides(stable="blue", candidate="green")
NOW = 1_800_000_000.0
NOBODY = Span(low=NOTHING, high=NOTHING)


def span(weight: int) -> Span:
    return Span(low=Share(weight), high=Share(weight))


def flow(*minutes: tuple[int, int]) -> Flowed:
    """(stable, candidate) in each minute, the last one ending three minutes ago."""
    ends = NOW - 180
    made = [
        Minute(start=ends - 60 * back, end=ends - 60 * (back - 1), requests={"blue": one, "green": two})
        for back, (one, two) in zip(range(len(minutes), 0, -1), minutes, strict=True)
    ]
    return Flowed(minutes=tuple(made))


def told(
    flowed: Flowed,
    weight: int,
    *,
    ago: float = 3600,
    tested_ago: float = 3600,
    staff: bool = False,
    untouched: bool = False,
    sticky: bool = False,
) -> Fact[Seen]:
    return seen(
        flowed,
        Known(span(weight)),
        now=NOW,
        sides=WHO,
        weighted_at=NOW - ago,
        tested_at=NOW - tested_ago,
        staff=staff,
        untouched=untouched,
        sticky=sticky,
    )


def agrees(fact: Fact[Seen], weight: int) -> bool:
    assert isinstance(fact, Known), fact
    return fact.value.agrees(Share(weight))


class TestBands:
    @pytest.mark.parametrize("weight", [1, 10, 100, 500, 900])
    @pytest.mark.parametrize("whole", [60, 6_000, 600_000])
    def test_R02_traffic_agrees_with_the_weight_that_made_it(self, weight: int, whole: int) -> None:
        lot = random.Random(weight * whole)
        part = sum(lot.random() < weight / 1000 for _ in range(min(whole, 6_000))) * max(whole // 6_000, 1)
        minutes = [(whole - part, part)] * 5

        assert agrees(told(flow(*minutes), weight), weight)

    def test_traffic_contradicts_a_weight_that_has_not_reached_it(self) -> None:
        fact = told(flow(*[(600, 0)] * 5), 100)

        assert not agrees(fact, 100)

    def test_R28_only_minutes_that_began_after_the_weight_speak_of_it(self) -> None:
        old, new = (600, 0), (540, 60)

        assert agrees(told(flow(old, old, old, new), 100, ago=4 * 60), 100)
        fact = told(flow(old, old, old, old), 100, ago=3 * 60 - 1)
        assert isinstance(fact, Unknown)
        assert "no minute since the last weight" in fact.why

    def test_a_minute_in_which_the_weight_was_on_its_way_leaves_the_band_soon(self) -> None:
        """At 60,000 requests a minute half a minute of the old weight would show for a quarter of an hour."""
        mixed, new = (57_000, 3_000), (54_000, 6_000)

        assert not agrees(told(flow(mixed, new, new), 100), 100)
        assert agrees(told(flow(mixed, new, new, new), 100), 100)

    def test_R06_unknown_weights_tags_or_metrics_leave_it_unknown(self) -> None:
        some = flow(*[(540, 60)] * 5)
        no = Unknown("nobody answers")

        def asked(flowed: Flowed, configured: Fact[Span], at: float | None) -> Fact[Seen]:
            return seen(
                flowed,
                configured,
                now=NOW,
                sides=WHO,
                weighted_at=at,
                tested_at=at,
                staff=False,
                untouched=False,
                sticky=False,
            )

        assert asked(some, no, 0.0) == no
        assert isinstance(asked(some, Known(span(100)), None), Unknown)
        assert isinstance(asked(Flowed(problem="throttled"), Known(span(100)), 0.0), Unknown)


class TestSilence:
    def test_R05_nothing_is_silent_before_the_weight_could_reach_every_node(self) -> None:
        """The minute that began with the write is not counted, nor is one alone."""
        for ago in (60, 180, 180 + 89, 180 + 60 + 89):
            fact = told(flow(*[(0, 600)] * 15), 1000, ago=ago)
            assert isinstance(fact, Unknown), ago

        assert agrees(told(flow(*[(0, 600)] * 15), 1000, ago=180 + 2 * 60 + 30), 1000)

    def test_R05_one_request_in_it_is_no_silence(self) -> None:
        quiet = (0, 600)

        assert agrees(told(flow(*[quiet] * 5), 1000), 1000)
        for where in range(5):
            minutes = [quiet] * 5
            minutes[where] = (1, 600)
            assert not agrees(told(flow(*minutes), 1000), 1000)

    def test_a_node_that_was_late_is_silent_when_chance_would_have_broken_it(self) -> None:
        """200 requests a minute do not stay away for two by chance; one a minute may well, for nine."""
        quiet = (0, 600)

        assert agrees(told(flow((200, 400), quiet, quiet), 1000), 1000)
        assert not agrees(told(flow((1, 600), *[quiet] * 9), 1000), 1000)
        assert agrees(told(flow((1, 600), *[quiet] * 10), 1000), 1000)

    def test_without_any_traffic_both_sides_are_silent_and_no_weight_is_contradicted(self) -> None:
        fact = told(flow(*[(0, 0)] * 5), 100)

        assert fact == Known(Seen(stable=NOBODY, candidate=NOBODY))
        assert agrees(fact, 100)

    def test_R05_a_test_route_that_was_just_closed_may_still_lead_to_the_candidate(self) -> None:
        fact = told(flow(*[(600, 0)] * 15), 0, tested_ago=200)

        assert isinstance(fact, Unknown)

    def test_requests_of_the_test_route_are_no_traffic_of_a_candidate_without_weight(self) -> None:
        minutes = flow(*[(600, 7)] * 5)

        assert agrees(told(minutes, 0, staff=True, untouched=True), 0)
        assert not agrees(told(minutes, 0, staff=True), 0)
        assert not agrees(told(minutes, 0, untouched=True), 0)

    def test_a_side_of_an_idle_service_that_only_the_test_route_asks_contradicts_nothing(self) -> None:
        assert agrees(told(flow(*[(0, 7)] * 5), 0, staff=True, untouched=True), 0)

    @given(
        minutes=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=15),
        weight=st.sampled_from([0, 1, 500, 999, 1000]),
        ago=st.floats(0, 2000),
        sticky=st.booleans(),
    )
    def test_R05_a_side_is_nobodys_only_where_the_last_two_minutes_say_so(
        self, minutes: list[tuple[int, int]], weight: int, ago: float, sticky: bool
    ) -> None:
        fact = told(flow(*minutes), weight, ago=ago, sticky=sticky)

        if isinstance(fact, Known) and fact.value.stable == NOBODY:
            assert len(minutes) >= 2
            assert all(one == 0 for one, _ in minutes[-2:])
        if isinstance(fact, Known) and fact.value.candidate == NOBODY:
            assert len(minutes) >= 2
            assert all(two == 0 for _, two in minutes[-2:])


class TestStaff:
    def test_more_than_its_share_is_no_contradiction_while_staff_ask_the_candidate(self) -> None:
        minutes = flow(*[(540, 160)] * 5)

        assert agrees(told(minutes, 100, staff=True), 100)
        assert not agrees(told(minutes, 100), 100)

    def test_less_than_its_share_is_one_all_the_same(self) -> None:
        assert not agrees(told(flow(*[(600, 10)] * 5), 100, staff=True), 100)

    def test_R05_all_of_the_traffic_is_asked_for_silence(self) -> None:
        assert not agrees(told(flow(*[(1, 600)] * 5), 1000, staff=True), 1000)


class TestStickiness:
    def test_users_who_stay_say_nothing_of_where_new_ones_go(self) -> None:
        assert agrees(told(flow(*[(590, 10)] * 5), 500, sticky=True), 500)

    def test_a_candidate_that_nobody_reaches_is_no_candidate_with_half_of_the_new_users(self) -> None:
        assert not agrees(told(flow(*[(600, 0)] * 5), 500, sticky=True), 500)

    def test_R05_at_the_ends_silence_is_asked_for_all_the_same(self) -> None:
        assert not agrees(told(flow(*[(1, 599)] * 5), 1000, sticky=True), ALL)
        assert agrees(told(flow(*[(0, 600)] * 5), 1000, sticky=True), ALL)


def seconds(*slots: tuple[int, int], long: float = 5.0) -> Flowed:
    """(stable, candidate) as the instances counted them, the last slot ending now."""
    made = [
        Minute(start=NOW - long * back, end=NOW - long * (back - 1), requests={"blue": one, "green": two})
        for back, (one, two) in zip(range(len(slots), 0, -1), slots, strict=True)
    ]
    return Flowed(minutes=tuple(made))


def near(
    flowed: Flowed, weight: int, *, ago: float = 60, staff: bool = False, sticky: bool = False
) -> Seen | None:
    return sooner(
        flowed,
        Known(span(weight)),
        now=NOW,
        sides=WHO,
        weighted_at=NOW - ago,
        staff=staff,
        sticky=sticky,
    )


class TestWhatInstancesCount:
    """Their own counters show a share in seconds, never a silence."""

    def test_a_share_that_they_agree_with_is_seen_half_a_minute_after_it_was_written(self) -> None:
        counted = seconds(*[(180, 20)] * 12)

        found = near(counted, 100, ago=31)
        assert found is not None
        assert found.agrees(Share(100))
        assert near(counted, 100, ago=25) is None

    def test_one_that_they_do_not_agree_with_is_left_to_the_load_balancer(self) -> None:
        assert near(seconds(*[(180, 20)] * 12), 500) is None
        assert near(seconds(*[(200, 0)] * 12), 100) is None

    @pytest.mark.parametrize("weight", [0, 1000])
    def test_R05_silence_is_never_theirs_to_prove(self, weight: int) -> None:
        silent = (200, 0) if weight == 0 else (0, 200)

        assert near(seconds(*[silent] * 12), weight) is None

    def test_R06_nothing_counted_proves_nothing(self) -> None:
        assert near(seconds(*[(0, 0)] * 12), 100) is None
        assert near(Flowed(), 100) is None
        assert near(Flowed(problem="no instance shows its counters"), 100) is None

    def test_what_was_counted_before_the_write_proves_nothing(self) -> None:
        assert near(seconds(*[(180, 20)] * 12), 100, ago=5) is None

    def test_users_who_stay_on_a_side_say_nothing_of_new_ones(self) -> None:
        assert near(seconds(*[(180, 20)] * 12), 100, sticky=True) is None

    @given(
        part=st.integers(1, 999),
        rate=st.integers(20, 400),
        seed=st.integers(0, 2**32),
        other=st.integers(1, 999),
    )
    def test_a_share_far_from_the_traffic_is_never_seen(
        self, part: int, rate: int, seed: int, other: int
    ) -> None:
        rng = random.Random(seed)
        slots = []
        for _ in range(12):
            candidate = sum(rng.random() < part / 1000 for _ in range(rate))
            slots.append((rate - candidate, candidate))
        found = near(seconds(*slots), other)

        if abs(part - other) > 250:
            assert found is None
