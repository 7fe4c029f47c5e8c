"""The alarm evaluator against the documented tables, and as a pure function of points and settings."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from cloudwatch_world import pattern
from hypothesis import given
from hypothesis import strategies as st

from crossfade.twin.cloudwatch.judging import Judged, Missing, Settings, State, enough, judge, reach

TREATMENTS: tuple[Missing, ...] = ("missing", "ignore", "breaching", "notBreaching")
KEEP = None

# Rows of the two tables of "Using Amazon CloudWatch alarms": points (oldest first, X breaches), how many
# are filled, then the state for missing, ignore, breaching, notBreaching.
THREE_OF_THREE: tuple[tuple[str, int, tuple[State | None, ...]], ...] = (
    ("0 - X - X", 0, ("OK", "OK", "OK", "OK")),
    ("0 - - - -", 2, ("OK", "OK", "OK", "OK")),
    ("- - - - -", 3, ("INSUFFICIENT_DATA", KEEP, "ALARM", "OK")),
    ("0 X X - X", 0, ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("- - X - -", 2, ("ALARM", KEEP, "ALARM", "OK")),
)
TWO_OF_THREE: tuple[tuple[str, int, tuple[State | None, ...]], ...] = (
    ("0 - X - X", 0, ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("0 0 X 0 X", 0, ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("0 - X - -", 1, ("OK", "OK", "ALARM", "OK")),
    ("- - - - 0", 2, ("OK", "OK", "ALARM", "OK")),
    ("- - - X -", 2, ("ALARM", KEEP, "ALARM", "OK")),
)
ROWS = [
    pytest.param(points, to_alarm, filled, missing, state, id=f"{to_alarm}-of-3 {points} {missing}")
    for to_alarm, rows in ((3, THREE_OF_THREE), (2, TWO_OF_THREE))
    for points, filled, states in rows
    for missing, state in zip(TREATMENTS, states, strict=True)
]


def settings(to_alarm: int = 3, periods: int = 3, missing: Missing = "missing") -> Settings:
    return Settings(
        comparison="GreaterThanThreshold", threshold=1.0, periods=periods, to_alarm=to_alarm, missing=missing
    )


@pytest.mark.parametrize(("points", "to_alarm", "filled", "missing", "state"), ROWS)
def test_the_documented_rows(points: str, to_alarm: int, filled: int, missing: Missing, state: State) -> None:
    judged = judge(pattern(points), settings(to_alarm, missing=missing))

    assert (judged.state, judged.filled) == (state, filled)


def test_an_alarm_of_five_minutes_reaches_two_periods_further_as_documented() -> None:
    assert reach(3, 300) == 5


def test_an_alarm_of_fifteen_minutes_reaches_two_periods_further_as_was_measured() -> None:
    assert reach(1, 900) == 3


@pytest.mark.parametrize("points", ["- - - - X", "- - - X -"])
def test_a_lone_new_breach_does_not_go_off_before_its_time(points: str) -> None:
    assert judge(pattern(points), settings(3)).state == "INSUFFICIENT_DATA"
    assert judge(pattern(points), settings(3, missing="ignore")).state is None


@pytest.mark.parametrize("points", ["- - - X 0", "- - X - 0", "X - - - 0"])
def test_a_good_point_that_comes_late_makes_it_ok(points: str) -> None:
    assert judge(pattern(points), settings(3)).state == "OK"


@pytest.mark.parametrize(
    ("comparison", "value", "breaches"),
    [
        ("GreaterThanThreshold", 1.0, False),
        ("GreaterThanOrEqualToThreshold", 1.0, True),
        ("LessThanThreshold", 1.0, False),
        ("LessThanOrEqualToThreshold", 1.0, True),
        ("LessThanThreshold", 0.5, True),
        ("GreaterThanThreshold", 1.5, True),
    ],
)
def test_a_comparison_compares_the_value_with_the_threshold(
    comparison: str, value: float, *, breaches: bool
) -> None:
    of = Settings(comparison=comparison, threshold=1.0, periods=1, to_alarm=1)  # type: ignore[arg-type]

    assert (judge([value], of).state == "ALARM") == breaches


@pytest.mark.parametrize(
    ("percent", "least"), [(99.0, 1000), (90.0, 100), (50.0, 20), (10.0, 100), (99.9, 10_000)]
)
def test_a_percentile_needs_ten_samples_beyond_it(percent: float, least: int) -> None:
    assert enough(percent, least)
    assert not enough(percent, least - 1)


POINT = st.sampled_from([0.0, 3.0, None])
TREATMENT = st.sampled_from(TREATMENTS)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[float | None], Settings]:
    periods = draw(st.integers(1, 6))
    points = draw(st.lists(POINT, min_size=periods, max_size=periods + 8))
    return points, settings(draw(st.integers(1, periods)), periods, draw(TREATMENT))


@given(cases())
def test_it_uses_the_newest_points_that_are_there_and_fills_no_more_than_lack(
    case: tuple[list[float | None], Settings],
) -> None:
    points, of = case
    there = [place for place, value in enumerate(points) if value is not None]

    judged = judge(points, of)

    assert list(judged.used) == there[::-1][: of.periods]
    assert judged.filled == max(of.periods - len(there), 0)


@given(cases(), TREATMENT)
def test_with_enough_points_the_treatment_of_missing_ones_is_not_asked(
    case: tuple[list[float | None], Settings], other: Missing
) -> None:
    points, of = case
    if sum(value is not None for value in points) < of.periods:
        return

    assert judge(points, of).state == judge(points, replace(of, missing=other)).state


@given(cases())
def test_all_points_there_is_m_of_the_last_n(case: tuple[list[float | None], Settings]) -> None:
    points, of = case
    whole = [value or 0.0 for value in points]
    breaching = sum(value > 1.0 for value in whole[-of.periods :])

    assert judge(whole, of).state == ("ALARM" if breaching >= of.to_alarm else "OK")


@given(cases())
def test_breaching_fires_whenever_another_treatment_does_and_not_breaching_never_alone(
    case: tuple[list[float | None], Settings],
) -> None:
    points, of = case
    states = {name: judge(points, replace(of, missing=name)).state for name in TREATMENTS}

    if "ALARM" in states.values():
        assert states["breaching"] == "ALARM"
    if states["notBreaching"] == "ALARM":
        assert set(states.values()) == {"ALARM"}


@given(cases(), st.integers(0, 20))
def test_a_worse_point_never_turns_an_alarm_off(
    case: tuple[list[float | None], Settings], place: int
) -> None:
    points, of = case
    worse = [
        3.0 if index == place % len(points) and value == 0.0 else value for index, value in enumerate(points)
    ]

    if judge(points, of).state == "ALARM":
        assert judge(worse, of).state == "ALARM"


@given(cases())
def test_only_ignore_leaves_the_state_and_only_missing_says_insufficient_data(
    case: tuple[list[float | None], Settings],
) -> None:
    points, of = case
    judged: Judged = judge(points, of)

    if judged.state is None:
        assert of.missing == "ignore"
    if judged.state == "INSUFFICIENT_DATA":
        assert of.missing == "missing"
        assert not any(value == 0.0 for value in points)


def test_nothing_but_ten_rows_are_documented() -> None:
    assert len(THREE_OF_THREE) + len(TWO_OF_THREE) == 10
    assert all(re.fullmatch(r"[0X-]( [0X-]){4}", row[0]) for row in THREE_OF_THREE + TWO_OF_THREE)
