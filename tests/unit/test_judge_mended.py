"""Mistakes that adversarial tests found in the judge, each with the input that showed it."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.judge import BadCountsError, HealthSample, open_stream, replay, unhealthy

EDGES = [100.0, 125.0, 156.25, 200.0, 250.0]


def arm(requests: float, errors: float = 0.0, row: list[float] | None = None) -> dict[str, Any]:
    return {"requests": requests, "errors": errors, "latency": row or [requests, 0, 0, 0, 0, 0]}


def spell(index: int, seconds: float, **more: Any) -> dict[str, Any]:
    return {"start": index * seconds, "end": (index + 1) * seconds, **more}


def header(**more: Any) -> dict[str, Any]:
    return {"edges_ms": EDGES, "bake_s": 60, "weight": 0.1, "gates": {"errors": {}}, **more}


@pytest.mark.parametrize(
    "bad",
    [
        {"candidate": {"requests": "abc"}},
        {"candidate": {"requests": 10**400}},
        {"candidate": {"requests": 1, "latency": [10**400, 0, 0, 0, 0, 0]}},
        {"candidate": [1]},
        {"candidate": 5},
        {"candidate": {"requests": 5, "kpi": ["ok"]}},
        {"candidate_instances": {"c1": arm(5)}},
        {"candidate_instances": [["a"]]},
    ],
)
def test_R24_garbage_of_any_shape_is_refused_by_name(bad: dict[str, Any]) -> None:
    with pytest.raises(BadCountsError):
        open_stream(header()).push({**spell(0, 5.0, candidate=arm(5), stable=arm(45)), **bad})


def test_a_bucket_that_was_emptied_by_rounding_divides_nothing() -> None:
    """Two instances at 1e14 requests, then a moment without any."""
    history = [spell(-i, 5.0, stable=arm(500, 1, [400, 50, 25, 15, 8, 2])) for i in range(1, 60)]
    asked = header(gates=None, history=history)
    row = [0.8e14, 0.1e14, 5e12, 3e12, 1.5e12, 5e11]
    kinds = [(arm(0), 0.001), (arm(1), 3600.0), (arm(1e14, 0, row), 0.001)]
    life, now = [], 0.0
    for one, seconds in kinds * 4:
        half = {key: [x / 2 for x in v] if isinstance(v, list) else v / 2 for key, v in one.items()}
        split = [["c0", half], ["c1", half]]
        life.append({"start": now, "end": now + seconds, "stable": one, "candidate_instances": split})
        now += seconds

    assert replay(asked, life)[-1]["verdict"] != "fail"


@pytest.mark.parametrize("gates", [{"errors": {}}, {"ok": {}}])
def test_a_stable_idle_for_a_day_and_a_half_in_one_interval(gates: dict[str, Any]) -> None:
    said = replay(
        header(gates=gates), [spell(i, 130_000.0, candidate=arm(0), stable=arm(0)) for i in range(3)]
    )

    assert said[-1]["verdict"] == "inconclusive"


def test_R31_arms_that_are_alike_pass_on_edges_closer_than_half_a_percent() -> None:
    edges, row = [100 * 1.004**i for i in range(40)], [50.0] * 41
    asked = header(edges_ms=edges, weight=0.5, gates={"latency": {"at_most": 1.0}})
    both = {"candidate": arm(2050, 0, row), "stable": arm(2050, 0, row)}

    assert replay(asked, [spell(i, 5.0, **both) for i in range(60)])[-1]["verdict"] != "fail"


def test_R31_four_instances_that_hardly_get_traffic_are_no_outage() -> None:
    """4 errors in 1,004 requests, stable the same share."""
    split = [["big", arm(1000)], *[[f"t{n}", arm(1, 1)] for n in range(4)]]
    life = [spell(i, 5.0, stable=arm(9036, 36), candidate_instances=split) for i in range(60)]

    assert replay(header(), life)[-1]["verdict"] != "fail"


def test_the_interval_shown_holds_the_ratio_shown() -> None:
    said = replay(header(), [spell(0, 5.0, candidate=arm(1e7, 103_000), stable=arm(1e7, 100_000))])[-1]
    low, ratio, high = said["low"] or 0.0, said["ratio"] or 0.0, said["high"] or 0.0

    assert low <= ratio <= high


def test_R24_no_gate_passes_in_a_step_without_requests_of_the_candidate() -> None:
    stream = open_stream(header(bake_s=10, alpha=0.2, gates={"errors": {"must_see": 0.3}}))
    for index in range(60):
        stream.push(spell(index, 5.0, candidate=arm(500), stable=arm(4500, 4), step="a"))
    for index in range(60, 63):
        said = stream.push(spell(index, 5.0, candidate=arm(0), stable=arm(4500, 4), step="b"))

    assert said["gates"]["errors"]["verdict"] == "inconclusive"


def test_lone_restarts_stay_a_failure_when_stable_restarts_later() -> None:
    first = HealthSample(at=0, total=2, unhealthy=0, restarts=2, stable_restarts=0)
    later = HealthSample(at=5, total=2, unhealthy=0, restarts=0, stable_restarts=1)

    assert [unhealthy([first])["verdict"], unhealthy([first, later])["verdict"]] == ["fail", "fail"]


def test_a_verdict_is_short_however_sure_it_is() -> None:
    life = [spell(i, 5.0, candidate=arm(50_000, 50_000), stable=arm(450_000)) for i in range(300)]

    assert len(replay(header(), life)[-1]["text"]) < 200


def test_R24_a_candidate_that_has_stopped_answering_never_passes() -> None:
    """Healthy for most of the bake, then silent: the lane of missing traffic is slow by then."""
    stream = open_stream(header(bake_s=600))
    for index in range(118):
        stream.push(spell(index, 5.0, candidate=arm(250), stable=arm(2250, 2)))
    for index in range(118, 120):
        said = stream.push(spell(index, 5.0, candidate=arm(0), stable=arm(2250, 2)))

    assert said["verdict"] == "inconclusive"
    assert "stopped answering" in said["text"]


@pytest.mark.parametrize("lost", ["stable", "the candidate's latency"])
def test_R24_a_step_does_not_pass_on_what_another_step_has_seen(lost: str) -> None:
    stream = open_stream(header(bake_s=600, gates={"errors": {}, "latency": {"must_see": 5}}))
    row = [4500.0, 300, 150, 30, 10, 10]
    for index in range(120):
        small = [one / 10 for one in row]
        stream.push(spell(index, 5.0, candidate=arm(500, 0, small), stable=arm(5000, 4, row), step="a"))
    for index in range(120, 140):
        b = arm(0) if lost == "stable" else arm(5000, 4, row)
        c = arm(500, 50 if lost == "stable" else 0, [0.0] * 6)
        said = stream.push(spell(index, 5.0, candidate=c, stable=b, step="b", bake_s=60))

    assert said["verdict"] == "inconclusive"


def test_R31_rare_requests_in_long_intervals_are_no_outage() -> None:
    """One request of the candidate in five minutes; a failed one is one failure, not twenty bets."""
    life = [spell(i, 300.0, candidate=arm(1, float(i == 3)), stable=arm(9)) for i in range(12)]

    assert replay(header(), life)[-1]["verdict"] != "fail"


def test_instances_that_wander_by_the_minute_temper_the_evidence() -> None:
    def history(requests: float) -> list[dict[str, Any]]:
        found = []
        for i in range(180):
            slow = [requests * share for share in ((0.2, 0.0) if i // 12 % 2 else (0.0, 0.2))]
            one = [[f"s{n}", arm(requests, 0, [requests - s, 0, 0, s, 0, 0])] for n, s in enumerate(slow)]
            whole = arm(2 * requests, 0, [2 * requests - sum(slow), 0, 0, sum(slow), 0, 0])
            found.append(spell(i - 180, 5.0, stable=whole, stable_instances=one))
        return found

    stream = open_stream(header(gates={"latency": {"at": [0.9]}}, history=history(50.0)))

    assert max(table.temper for table in stream._tables) > 1.0
