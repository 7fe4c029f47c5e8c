"""Quantities: each reads with its unit only, and what is printed reads back to the same value."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crossfade.spec import units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("1h30m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("250ms", timedelta(milliseconds=250)),
        ("1s500ms", timedelta(milliseconds=1500)),
        ("0s", timedelta()),
        ("365d", timedelta(days=365)),
    ],
)
def test_durations_are_numbers_with_units(text: str, expected: timedelta) -> None:
    assert units.duration(text) == expected


@pytest.mark.parametrize(
    "value",
    [10, 1.5, True, None, [], {}, "", "10", "s", "5 m", "1.5h", "30m1h", "5m5m", "-5m", "5M", "1w",
     "٣s", "366d", "999999999d", "9" * 400 + "s", "5m\n"],
)  # fmt: skip
def test_a_duration_without_its_unit_is_refused(value: object) -> None:
    with pytest.raises(units.UnitError):
        units.duration(value)


@pytest.mark.parametrize("value", [10, 0.1, "10", "%", "101%", "-1%", "1,5%", "1e1%", True, None])
def test_a_share_without_its_percent_sign_is_refused(value: object) -> None:
    with pytest.raises(units.UnitError):
        units.percent(value)


@pytest.mark.parametrize("value", [1.5, 2, "1.5", "x", "x1.5", "-1x", "1.5 x", "infx", None])
def test_a_ratio_without_its_x_is_refused(value: object) -> None:
    with pytest.raises(units.UnitError):
        units.ratio(value)


@pytest.mark.parametrize("value", [99, "99", "p", "p0", "p100", "p-1", "P99", "p99%", None])
def test_a_quantile_lies_between_p0_and_p100(value: object) -> None:
    with pytest.raises(units.UnitError):
        units.quantile(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512MB", 512_000_000),
        ("512 MB", 512_000_000),
        ("1kB", 1000),
        ("1KiB", 1024),
        ("64MiB", 2**26),
        ("1.5GiB", 3 * 2**29),
        ("0.5GB", 500_000_000),
        ("100000GB", units.LARGEST),
    ],
)
def test_sizes_are_numbers_with_units(text: str, expected: int) -> None:
    assert units.size(text) == expected


@pytest.mark.parametrize(
    "value", [512, 1.5, "512", "MB", "512mb", "512M", "1e9MB", "-1MB", "1B", "100001GB", "1TB", "", None, []]
)
def test_a_size_without_its_unit_is_refused(value: object) -> None:
    with pytest.raises(units.UnitError):
        units.size(value)


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        (512, "write `512MB` or `512GB`"),
        ("512mb", "write `512MB` or `512MiB`"),
        ("2G", "write `2GB` or `2GiB`"),
        ("5 apples", "write it like `512MB` or `1.5GiB`"),
    ],
)
def test_a_size_with_a_strange_unit_is_answered_with_what_it_may_have_meant(value: object, fix: str) -> None:
    with pytest.raises(units.UnitError) as raised:
        units.size(value)

    assert raised.value.fix == fix


@given(st.integers(0, units.LARGEST))
@example(99_999_999_999_000)
def test_printed_sizes_read_back(size: int) -> None:
    assert units.size(units.size_text(size)) == size


@pytest.mark.parametrize(("text", "expected"), [("20/s", 20.0), ("0.5/s", 0.5), ("0.000001/s", 1e-6)])
def test_rates_are_numbers_a_second(text: str, expected: float) -> None:
    assert units.rate(text) == expected


@pytest.mark.parametrize(
    "value", [20, 0.5, "20", "20/m", "0/s", "-1/s", "1e3/s", "20 /s", "10000/s", "/s", True, None, []]
)
def test_a_rate_without_its_per_second_is_refused(value: object) -> None:
    with pytest.raises(units.UnitError):
        units.rate(value)


@given(st.integers(1, 9_999_999_999))
def test_printed_rates_read_back(millionths: int) -> None:
    value = millionths / 10**6

    assert units.rate(units.rate_text(value)) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (2, 2), (1000, 1000), ("25%", Decimal("0.25")), ("0%", Decimal(0)), ("100%", Decimal(1))],
)
def test_instances_are_a_whole_number_or_a_part(value: object, expected: int | Decimal) -> None:
    found = units.instances(value)

    assert (found, type(found)) == (expected, type(expected))


WRONG: list[object] = [1.5, True, None, [], {}, "", "two", "٣"]


@pytest.mark.parametrize(
    ("value", "why", "fix"),
    [
        (-1, "it is a number from 0 to 1000, or a part of those that serve", "write it like `1` or `25%`"),
        (1001, "it is a number from 0 to 1000, or a part of those that serve", "write it like `1` or `25%`"),
        ("2", "in quotes it is a text; 2 alone could mean percent", "write `2` without quotes, or `2%`"),
        ("101%", "a share is at most 100%", "write a percentage from 0% to 100%"),
        *(
            (value, "it is a whole number of instances, or a part of those that serve",
             "write it like `1` or `25%`")
            for value in WRONG
        ),
    ],
)  # fmt: skip
def test_what_is_no_number_of_instances_is_answered_with_one(value: object, why: str, fix: str) -> None:
    with pytest.raises(units.UnitError) as raised:
        units.instances(value)

    assert (raised.value.why, raised.value.fix) == (why, fix)


def test_a_bare_number_is_answered_with_what_it_may_have_meant() -> None:
    with pytest.raises(units.UnitError) as raised:
        units.duration(300)

    assert raised.value.fix == "write `300s` or `300m`"


@given(st.integers(0, 365 * 86_400_000))
def test_printed_durations_read_back(milliseconds: int) -> None:
    value = timedelta(milliseconds=milliseconds)

    assert units.duration(units.duration_text(value)) == value


@given(st.decimals(0, 100, places=6))
def test_printed_percentages_read_back(percentage: Decimal) -> None:
    fraction = percentage / 100

    assert units.percent(units.percent_text(fraction)) == fraction
    assert float(units.percent(units.percent_text(float(fraction)))) == float(fraction)


@given(st.decimals(0, 9999, places=6))
def test_printed_ratios_read_back(factor: Decimal) -> None:
    assert units.ratio(units.ratio_text(float(factor))) == float(factor)


@given(st.decimals("0.0001", "99.9999", places=4))
def test_printed_quantiles_read_back(number: Decimal) -> None:
    value = float(number / 100)

    assert units.quantile(units.quantile_text(value)) == value
