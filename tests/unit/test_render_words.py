"""Numbers, times and strangers' text, said once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.cli.render import words
from crossfade.engine.opening import new_id


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("two\nlines\r\nand\ttab", "two lines and tab"),
        ("\x1b]0;new title\x07seen", "seen"),
        ("\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x9b2Jcleared", "cleared"),
        ("a title without an end \x1b]0;hides nothing", "a title without an end 0;hides nothing"),
        ("left\u202eright\u2028next", "left right next"),
        ("bell\x07 del\x7f nul\x00", "bell del nul"),
    ],
)
def test_a_strangers_text_is_made_one_harmless_line(hostile: str, shown: str) -> None:
    assert words.clean(hostile) == shown


@given(st.text())
def test_whatever_the_text_no_control_is_left(text: str) -> None:
    said = words.clean(text)

    assert said.isprintable()
    assert len(said) <= words.CLIP


def test_two_releases_of_one_moment_are_called_differently() -> None:
    at = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
    names = {words.short(new_id(at + second)) for second in range(60)}

    assert len(names) == 60
    assert {len(name) for name in names} == {6}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.009, "9 ms"),
        (0.4, "0.4 s"),
        (5, "5 s"),
        (50.4, "50 s"),
        (59.7, "1m"),
        (150, "2m30s"),
        (300, "5m"),
        (3900, "1h05m"),
        (14400, "4h"),
        (259200, "3d"),
        (270000, "3d3h"),
    ],
)
def test_a_length_of_time_is_said_as_people_say_it(seconds: float, said: str) -> None:
    assert words.duration(timedelta(seconds=seconds)) == said


def test_times_are_utc_whatever_zone_they_come_in() -> None:
    berlin = datetime(2026, 11, 24, 5, 7, 32, 999_900, tzinfo=timezone(timedelta(hours=1)))

    assert words.stamp(berlin) == "2026-11-24T04:07:32Z"
    assert words.stamp(berlin, millis=True) == "2026-11-24T04:07:32.999Z"


@pytest.mark.parametrize(
    ("share", "bar"),
    [(0, "-" * 10), (1, "#" + "-" * 9), (500, "#####-----"), (999, "#########-"), (1000, "#" * 10)],
)
def test_a_bar_is_empty_only_at_nothing_and_full_only_at_all(share: int, bar: str) -> None:
    assert words.bar(share, 10) == bar


def test_evidence_grows_by_its_logarithm_and_is_full_only_where_it_stops() -> None:
    def at(evidence: float) -> str | None:
        return words.progress({"evidence": evidence, "bound": 100.0})

    assert (at(0.2), at(10.0), at(99.99), at(100.0), at(8300.0)) == ("0 %", "50 %", "99 %", "100 %", "100 %")
    assert words.progress({"evidence": 3.0}) is None


def test_what_is_no_number_is_no_number() -> None:
    for value in (None, "3", True, float("nan"), float("inf")):
        assert words.number({"x": value}, "x") is None


def test_a_quantile_has_one_name_however_it_is_written() -> None:
    assert [words.quantile(at) for at in (0.99, "p99", 99, 0.997, None, True)] == [
        "p99",
        "p99",
        "p99",
        "p99.7",
        None,
        None,
    ]
