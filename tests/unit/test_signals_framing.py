"""Frames: whatever the seconds hold, a frame is made of counts, or it says that it could not be read."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signals_world import START, Counts, Desk, Read, Second

from crossfade.release.values import Say
from crossfade.signals.framing import frames, size

GOOD = {"requests": 30, "errors": 1, "latency": [20, 9, 1]}
NONE: dict[str, Any] = {
    "negative requests": {**GOOD, "requests": -30},
    "negative errors": {**GOOD, "errors": -1},
    "negative bucket": {**GOOD, "latency": [20, -9, 1]},
    "NaN": {**GOOD, "requests": math.nan},
    "NaN in a bucket": {**GOOD, "latency": [20, math.nan, 1]},
    "endless": {**GOOD, "errors": math.inf},
    "a number beyond all floats": {**GOOD, "requests": 10**400},
    "a bucket too few": {**GOOD, "latency": [20, 9]},
    "text": {**GOOD, "requests": "many"},
    "no mapping": [30, 1],
    "a number": 30,
    "no errors": {"requests": 30},
}
PLACES = ("stable", "candidate", "stable_instances", "candidate_instances")


def second(at: int, **bad: Any) -> Second:
    named = (("a", GOOD), ("b", GOOD))
    return replace(Second(float(at), GOOD, GOOD, named, named), **bad)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.integers(0, 19), st.tuples(st.sampled_from(sorted(NONE)), st.sampled_from(PLACES))),
    st.sets(st.integers(0, 19)),
)
def test_R24_one_second_that_holds_no_counts_makes_its_frame_unread_and_no_other(
    bad: dict[int, tuple[str, str]], silent: set[int]
) -> None:
    seconds = {at: second(at) for at in range(20) if at not in silent}
    for at, (kind, place) in bad.items():
        arm = NONE[kind]
        seconds[at] = second(at, **{place: (("a", GOOD), ("b", arm)) if "_" in place else arm})
    found = list(frames(Read(list(seconds.values()), 0.0, 20.0, ""), 0, 1.0, 3))

    assert [frame.start for frame in found] == [0, 5, 10, 15]
    for frame in found:
        inside = range(int(frame.start), int(frame.end))
        assert bool(frame.bad) is any(at in bad for at in inside)
        assert (frame.stable is None) is (frame.candidate is None) is bool(frame.bad)
        if not frame.bad:
            there = sum(1 for at in inside if at not in silent)
            assert frame.stable == frame.candidate
            assert frame.stable == {key: count(GOOD[key], there) for key in GOOD}
            assert [arm for _, arm in frame.candidate_instances] == [frame.stable] * (2 if there else 0)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(0.1, 120.0),
    st.floats(1.0, 50.0),
    st.floats(0.0, 1e9),
    st.floats(0.0, 40.0),
    st.integers(1, 40),
)
def test_R28_slots_of_any_length_are_each_in_one_frame_and_none_from_before_the_step(
    slot_s: float, factor: float, anchor: float, begin: float, many: int
) -> None:
    """Sources that sum up by the minute, on a clock that runs faster: borders lie on no whole second."""
    end = START + anchor
    borders = [end - (many - k) * slot_s for k in range(many + 1)]
    there = [replace(second(0), start=at) for at in borders[:-1]]
    since = borders[0] + begin
    found = list(frames(Read(there, borders[0], end, "", slot_s), since, factor, 3))
    parts = size(factor, slot_s)

    assert parts * slot_s * factor <= 5.0 or parts == 1 or parts * slot_s * factor < 7.5
    least = sum(1 for at in borders[:-1] if at >= since)
    most = sum(1 for at in borders[:-1] if at >= since - 0.02 * slot_s)
    assert least - parts < parts * len(found) <= most
    for frame in found:
        assert frame.start >= since - 0.02 * slot_s
        assert frame.stable == {key: count(GOOD[key], parts) for key in GOOD}
    assert all(abs(a.end - b.start) < 1e-6 for a, b in pairwise(found))


def test_figures_of_ones_own_are_summed_like_the_rest_and_garbled_like_the_rest() -> None:
    def own(total: float, failed: float) -> dict[str, Any]:
        return {**GOOD, "kpi": {"checkout": {"total": total, "failed": failed}}}

    seconds = [Second(float(at), own(10, 1), own(5, 0), aside={"lost": 0.5}) for at in range(5)]
    seconds += [Second(float(at), own(10, -1), GOOD) for at in range(5, 10)]
    good, bad = frames(Read(seconds, 0.0, 10.0, ""), 0, 1.0, 3)

    assert good.stable is not None
    assert good.candidate is not None
    assert good.stable["kpi"] == {"checkout": {"total": 50, "failed": 5}}
    assert good.candidate["kpi"] == {"checkout": {"total": 25, "failed": 0}}
    assert good.aside == {"lost": 2.5}
    assert "garbled" in bad.bad


def count(value: Any, times: int) -> Any:
    return [part * times for part in value] if isinstance(value, list) else value * times


@pytest.mark.parametrize("reset", [-30, -30_000])
def test_R24_a_counter_that_began_anew_is_unread_and_judging_goes_on(reset: int) -> None:
    """A small drop would vanish in the sum over five seconds."""

    def garble(second: Second) -> Second:
        if second.start != START + 22 or second.candidate is None:
            return second
        (name, arm), *others = second.candidate_instances
        return replace(second, candidate_instances=((name, {**arm, "requests": reset}), *others))

    desk = Desk(Counts(garble=garble))
    state = desk.baking()
    bad = desk.look(28, state)["errors"]

    assert bad.say is Say.NO_DATA
    assert "garbled" in bad.text
    assert desk.look(80, state)["errors"].say is Say.PASS


@pytest.mark.parametrize("arm", [{"requests": 10**400, "errors": 0}, {"requests": -1, "errors": 0}, 5])
def test_R24_garbled_seconds_before_the_release_are_no_history_and_stop_no_judge(arm: Any) -> None:
    desk = Desk(
        Counts(garble=lambda second: replace(second, stable=arm) if second.start < START - 500 else second)
    )

    assert desk.look(80, desk.baking())["errors"].say is Say.PASS
