"""Unhealthy instances and restarts are facts, judged by plain rules."""

from __future__ import annotations

from crossfade.judge import HealthSample, unhealthy


def look(at: float, sick: int, restarts: int = 0, total: int = 2) -> HealthSample:
    return {"at": at, "total": total, "unhealthy": sick, "restarts": restarts}


def test_all_well_is_a_pass() -> None:
    assert unhealthy([look(0, 0), look(5, 0)])["verdict"] == "pass"


def test_R24_no_sample_and_no_instance_are_no_data() -> None:
    assert unhealthy([])["verdict"] == "no_data"
    assert unhealthy([look(0, 0, total=0)])["verdict"] == "no_data"


def test_unhealthy_for_long_enough_without_a_break_fails() -> None:
    assert unhealthy([look(t, 1) for t in range(0, 35, 5)])["verdict"] == "fail"
    assert unhealthy([look(t, 1) for t in range(0, 30, 5)])["verdict"] == "not_yet"
    assert unhealthy([look(t, int(t != 15)) for t in range(0, 40, 5)])["verdict"] == "not_yet"


def test_as_many_as_are_allowed_are_well() -> None:
    assert unhealthy([look(t, 1) for t in range(0, 60, 5)], max=1)["verdict"] == "pass"


def test_a_fail_stays_though_they_recovered() -> None:
    samples = [look(t, int(t < 40)) for t in range(0, 80, 5)]

    assert unhealthy(samples)["verdict"] == "fail"


def test_no_patience_means_the_first_sample_fails() -> None:
    assert unhealthy([look(0, 1)], hold_for_s=0)["verdict"] == "fail"


def test_a_crash_loop_fails_though_each_sample_looks_healthy() -> None:
    assert unhealthy([look(t, 0, 1) for t in (0, 25, 50)])["verdict"] == "fail"
    assert unhealthy([look(t, 0, 1) for t in (0, 30, 60)])["verdict"] == "pass"


def test_two_restarts_fail_when_stable_has_none() -> None:
    calm: list[HealthSample] = [
        {**look(t, 0, int(t in (0, 100))), "stable_restarts": 0} for t in (0, 50, 100)
    ]
    both: list[HealthSample] = [
        {**look(t, 0, int(t in (0, 100))), "stable_restarts": 1} for t in (0, 50, 100)
    ]

    assert unhealthy(calm)["verdict"] == "fail"
    assert unhealthy(both)["verdict"] == "pass"
