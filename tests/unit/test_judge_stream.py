"""The stream of verdicts: what it says, when it holds, and that it says the same again."""

from __future__ import annotations

import copy
import json
from typing import Any

import judge_worlds as worlds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.judge import BadCountsError, Verdict, open_stream, replay
from crossfade.judge.inputs import read_rules

EDGES = [100.0, 125.0, 156.25, 200.0, 250.0]


def arm(requests: float, errors: float = 0.0, row: list[float] | None = None) -> dict[str, Any]:
    return {"requests": requests, "errors": errors, "latency": row or [requests, 0, 0, 0, 0, 0]}


def interval(index: int, candidate: Any, stable: Any, every: float = 5.0, **more: Any) -> Any:
    start = index * every
    found = {"start": start, "end": start + every, "candidate": candidate, "stable": stable}
    return {**found, **more}


def header(**more: Any) -> dict[str, Any]:
    base = {"edges_ms": EDGES, "alpha": 0.01, "bake_s": 60, "weight": 0.1}
    return {**base, "gates": {"errors": {}}, **more}


def world_header(world: worlds.World, seed: int, **more: Any) -> dict[str, Any]:
    return {
        "edges_ms": worlds.GRID,
        "alpha": 0.01,
        "bake_s": 300,
        "weight": world.weight,
        "history": world.history(seed, 300),
        **more,
    }


class TestReplay:
    def test_R30_the_same_input_gives_the_same_bits(self) -> None:
        world = worlds.World(rps=50, candidate=worlds.since(60, worlds.Behaviour(tail=3, errors=0.02)))
        asked = world_header(world, 7, gates={"errors": {}, "latency": {}, "ok": {}})
        seen = list(world.intervals(7, 120))
        first = replay(asked, seen)
        again = replay(json.loads(json.dumps(asked)), json.loads(json.dumps(seen)))

        assert json.dumps(first, allow_nan=False) == json.dumps(again, allow_nan=False)

    def test_the_input_is_not_changed(self) -> None:
        world = worlds.World(rps=20)
        asked, seen = world_header(world, 1), list(world.intervals(1, 20))
        before = copy.deepcopy((asked, seen))
        replay(asked, seen)

        assert (asked, seen) == before

    def test_the_order_of_gates_does_not_matter(self) -> None:
        world = worlds.World(rps=50, candidate=worlds.always(worlds.Behaviour(errors=0.02)))
        gates = {"errors": {}, "latency": {}, "ok": {}, "other": {"mode": "observe"}}
        turned = dict(reversed(gates.items()))
        seen = list(world.intervals(3, 60))

        assert replay(world_header(world, 3, gates=gates), seen) == replay(
            world_header(world, 3, gates=turned), seen
        )

    def test_an_unknown_method_is_refused(self) -> None:
        with pytest.raises(BadCountsError, match="method"):
            open_stream(header(method="0"))


class TestNoData:
    def test_R25_nothing_is_never_a_pass_and_never_a_fail(self) -> None:
        said = replay(header(), [interval(i, arm(0), arm(0)) for i in range(20)])

        assert [one["verdict"] for one in said] == ["no_data"] * 11 + ["inconclusive"] * 9
        assert said[-1]["evidence"] <= 1.0 + 1e-9
        assert "no request" in said[-1]["text"]

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.sampled_from(["none", "no candidate", "no stable", "empty"]), max_size=30))
    def test_R24_what_could_not_be_read_proves_nothing(self, kinds: list[str]) -> None:
        arms = {
            "none": (None, None),
            "no candidate": (None, arm(100, 50)),
            "no stable": (arm(100, 100), None),
            "empty": (arm(0), arm(0)),
        }
        said = replay(header(), [interval(i, *arms[kind]) for i, kind in enumerate(kinds)])

        assert all(one["verdict"] in ("no_data", "inconclusive") for one in said)
        assert all(one["blame"] is None for one in said)

    def test_R24_an_unreadable_interval_is_no_data_though_the_bake_is_over(self) -> None:
        stream = open_stream(header(bake_s=10, alpha=0.2, gates={"errors": {"must_see": 0.3}}))
        for index in range(60):
            last = stream.push(interval(index, arm(500, 0), arm(4500, 4)))

        assert last["verdict"] == "pass"
        assert stream.push(interval(60, None, arm(4500, 4)))["verdict"] == "no_data"

    def test_no_candidate_requests_while_stable_has_some_is_data(self) -> None:
        said = replay(header(), [interval(i, arm(0), arm(450)) for i in range(20)])
        failed = next(one for one in said if one["verdict"] == "fail")

        assert failed["blame"] == "traffic"
        assert failed["covers_s"] <= 60

    def test_a_failed_release_stays_failed(self) -> None:
        stream = open_stream(header())
        for index in range(5):
            last = stream.push(interval(index, arm(50, 50), arm(450)))
        assert last["verdict"] == "fail"
        peak = last["evidence"]
        for index in range(5, 60):
            last = stream.push(interval(index, arm(50, 0), arm(450)))

        assert last["verdict"] == "fail"
        assert last["evidence"] >= peak


class TestSteps:
    def test_R31_a_new_step_opens_a_new_bake_and_keeps_the_evidence(self) -> None:
        stream = open_stream(header(bake_s=10))
        for index in range(3):
            before = stream.push(interval(index, arm(50, 3), arm(450, 0), step="10 %", weight=0.1))
        after = stream.push(interval(3, arm(250, 0), arm(250, 0), step="50 %", weight=0.5))

        assert before["covers_s"] == 15
        assert after["covers_s"] == 5
        assert before["evidence"] > 2
        assert after["evidence"] < before["evidence"]
        assert after["evidence"] > 0.05 * before["evidence"] or after["evidence"] < 1

    def test_R31_evidence_of_two_steps_adds_up(self) -> None:
        one = open_stream(header(bake_s=1000))
        two = open_stream(header(bake_s=1000))
        for index in range(30):
            step = "a" if index < 3 else "b"
            whole = one.push(interval(index, arm(50, 1), arm(450, 1), step="a"))
            split = two.push(interval(index, arm(50, 1), arm(450, 1), step=step))
            if whole["verdict"] == "fail":
                break

        assert split["evidence"] > 0.3 * whole["evidence"]

    def test_power_is_asked_of_the_whole_release(self) -> None:
        """A short last step passes on what earlier steps have shown."""
        world = worlds.World(rps=400)
        stream = open_stream(world_header(world, 5))
        for one in world.intervals(5, 300):
            last = stream.push({**one, "step": "a"})
        assert last["verdict"] == "pass"
        later = list(world.intervals(6, 10, start=300))
        said = [stream.push({**one, "step": "b", "bake_s": 10}) for one in later]

        assert [one["verdict"] for one in said] == ["not_yet", "pass"]


class TestWords:
    def test_R32_too_little_traffic_says_so_and_what_it_takes(self) -> None:
        world = worlds.World(rps=5)
        last = replay(world_header(world, 2), world.intervals(2, 300))[-1]

        assert last["verdict"] == "inconclusive"
        assert last["needs_s"] is not None
        assert 600 < last["needs_s"] < 10_000
        assert "more at this traffic" in last["text"]

    def test_a_latency_fail_names_both_arms_and_the_ratio_tested(self) -> None:
        world = worlds.World(rps=200, candidate=worlds.always(worlds.Behaviour(tail=3)))
        said = replay(world_header(world, 4), world.intervals(4, 300))
        failed = next(one for one in said if one["verdict"] == "fail")
        gate = failed["gates"]["latency"]

        assert failed["blame"] == "latency"
        assert gate["limit"] == pytest.approx(1.25, rel=0.01)
        assert gate["cut_ms"] is not None
        assert gate["limit_ms"] == pytest.approx(1.25 * gate["cut_ms"], rel=0.01)
        assert gate["ratio"] is not None
        assert gate["ratio"] > 2
        assert (gate["observed_candidate"] or 0) > 3 * (gate["observed_stable"] or 1)
        assert "slower than" in failed["text"]

    def test_every_answer_is_plain_json(self) -> None:
        said = replay(header(), [interval(0, arm(10, 10), arm(90, 0))])

        assert json.loads(json.dumps(said, allow_nan=False)) == said


class TestGates:
    def test_an_observed_gate_reports_and_never_stops(self) -> None:
        asked = header(gates={"errors": {"mode": "observe"}})
        said = replay(asked, [interval(i, arm(50, 25), arm(450, 0)) for i in range(24)])

        assert said[-1]["gates"]["errors"]["verdict"] == "fail"
        assert all(one["verdict"] != "fail" for one in said)
        assert all(one["evidence"] < 2 for one in said)

    def test_an_absolute_limit_stops_though_stable_is_as_bad(self) -> None:
        asked = header(gates={"errors": {"max": 0.02}})
        said = replay(asked, [interval(i, arm(100, 5), arm(900, 45)) for i in range(60)])

        assert said[-1]["verdict"] == "fail"
        assert said[-1]["blame"] == "errors"

    def test_an_absolute_limit_on_latency_is_tested_on_the_next_edge(self) -> None:
        slow = [60.0, 10.0, 10.0, 10.0, 10.0, 0.0]
        asked = header(gates={"latency": {"max": [[0.9, 190.0]]}})
        said = replay(
            asked,
            [
                interval(i, arm(100, 0, [40, 0, 0, 0, 60, 0]), arm(900, 0, [9 * x for x in slow]))
                for i in range(60)
            ],
        )
        failed = next(one for one in said if one["verdict"] == "fail")

        assert failed["blame"] == "latency"
        assert open_stream(asked) is not None
        with pytest.raises(BadCountsError, match="last edge"):
            open_stream(header(gates={"latency": {"max": [[0.9, 900.0]]}}))

    def test_a_kpi_is_judged_by_its_name(self) -> None:
        sick = worlds.Behaviour(kpi_failed=0.4)
        world = worlds.World(rps=100, candidate=worlds.always(sick))
        said = replay(world_header(world, 1, gates={"errors": {}, "ok": {}}), world.intervals(1, 200))

        assert said[-1]["blame"] == "ok"

    def test_a_shared_outage_does_not_blame_the_candidate(self) -> None:
        said = replay(header(), [interval(i, arm(50, 30), arm(450, 270)) for i in range(40)])

        assert all(one["blame"] is None for one in said)

    def test_warm_up_mutes_latency_and_nothing_else(self) -> None:
        sick = worlds.Behaviour(slow=3)
        world = worlds.World(rps=200, candidate=lambda now: sick if now < 60 else worlds.GOOD)
        muted = replay(world_header(world, 1, warm_up_s=60), world.intervals(1, 120))
        heard = replay(world_header(world, 1), world.intervals(1, 120))
        crash = worlds.World(rps=200, candidate=worlds.always(worlds.Behaviour(errors=1.0)))
        crashed = replay(world_header(crash, 1, warm_up_s=60), crash.intervals(1, 20))

        assert muted[-1]["blame"] is None
        assert heard[-1]["blame"] == "latency"
        assert crashed[-1]["blame"] == "outage"

    def test_warm_up_begins_anew_with_each_new_instance(self) -> None:
        stream = open_stream(header(gates={"latency": {}}, warm_up_s=20, history=HISTORY))
        old, new = arm(50, 0, [40, 5, 3, 2, 0, 0]), arm(50, 0, [0, 0, 0, 0, 0, 50])
        for index in range(20):
            split = [["a", old]] if index < 10 else [["a", old], ["b", new if index < 14 else old]]
            stable = arm(450, 0, [360, 45, 27, 18, 0, 0])
            last = stream.push(interval(index, None, stable, candidate_instances=split, weight=0.1))

        assert last["blame"] is None
        assert last["instance"] is None

    @pytest.mark.parametrize("name", ["outage", "traffic", "unhealthy"])
    def test_a_kpi_cannot_take_a_name_that_means_something_else(self, name: str) -> None:
        with pytest.raises(BadCountsError, match=name):
            open_stream(header(gates={name: {}}))


HISTORY = [
    {"start": -100.0 + 5 * i, "end": -95.0 + 5 * i, "stable": arm(500, 1, [400, 50, 30, 15, 5, 0])}
    for i in range(20)
]


class TestOneSickInstance:
    def test_it_is_named_and_held_and_not_rolled_back(self) -> None:
        world = worlds.World(rps=300, candidate=worlds.always(worlds.Behaviour(tail=3)), sick_only=1)
        said = replay(world_header(world, 2), world.intervals(2, 300))

        assert said[-1]["verdict"] == "inconclusive"
        assert said[-1]["instance"] == "c1"
        assert said[-1]["blame"] is None
        assert "c1" in said[-1]["text"]

    def test_once_it_is_replaced_the_release_passes(self) -> None:
        world = worlds.World(rps=300, candidate=worlds.always(worlds.Behaviour(tail=3)), sick_only=1)
        stream = open_stream(world_header(world, 2))
        for one in world.intervals(2, 150):
            stream.push(one)
        healthy = worlds.World(rps=300)
        for one in healthy.intervals(3, 200, start=150):
            split = [["c0", one["candidate_instances"][0][1]], ["new", one["candidate_instances"][1][1]]]
            last = stream.push({**one, "candidate_instances": split})

        assert last["instance"] is None
        assert last["verdict"] == "pass"


class TestInput:
    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.tuples(st.floats(0, 300), st.floats(0, 1), st.floats(0, 3000), st.floats(0, 1)),
            min_size=1,
            max_size=12,
        )
    )
    def test_counts_may_be_fractional(self, rows: list[tuple[float, float, float, float]]) -> None:
        said = replay(
            header(gates=None, history=HISTORY),
            [
                interval(
                    i,
                    arm(n_c, n_c * f_c, [n_c * f_c, n_c * (1 - f_c), 0, 0, 0, 0]),
                    arm(n_b, n_b * f_b, [n_b * f_b, n_b * (1 - f_b), 0, 0, 0, 0]),
                )
                for i, (n_c, f_c, n_b, f_b) in enumerate(rows)
            ],
        )

        assert json.dumps(said, allow_nan=False)

    @pytest.mark.parametrize(
        "bad",
        [
            {"candidate": {"requests": -1, "errors": 0}},
            {"candidate": {"requests": float("nan"), "errors": 0}},
            {"candidate": {"errors": 0}},
            {"candidate": {"requests": 5, "errors": 0, "latency": [5]}},
            {"candidate": {"requests": 5, "errors": 0, "latency": [5, 0, 0, 0, 0, -1]}},
            {"end": 0.0},
            {"candidate_instances": [["a", arm(1)], ["a", arm(1)]]},
            {"weight": 1.5},
        ],
    )
    def test_R24_what_cannot_be_a_count_is_refused_and_changes_nothing(self, bad: dict[str, Any]) -> None:
        stream, other = open_stream(header()), open_stream(header())
        with pytest.raises(BadCountsError):
            stream.push({**interval(0, arm(5), arm(45)), **bad})

        said: list[Verdict] = [s.push(interval(0, arm(5), arm(45))) for s in (stream, other)]
        assert said[0] == said[1]

    def test_an_interval_is_judged_once(self) -> None:
        stream = open_stream(header())
        stream.push(interval(0, arm(5), arm(45)))
        with pytest.raises(BadCountsError, match="overlaps"):
            stream.push(interval(0, arm(5), arm(45)))

    @pytest.mark.parametrize(
        "bad",
        [
            {"alpha": 0},
            {"edges_ms": [1, 1]},
            {"gates": {"errors": {"at_most": 0.5}}},
            {"gates": {"latency": {"must_see": 1.2}}},
            {"gates": {"errors": {"mode": "loud"}}},
            {"gates": {"latency": {}}, "edges_ms": []},
        ],
    )
    def test_a_header_that_cannot_be_meant_is_refused(self, bad: dict[str, Any]) -> None:
        with pytest.raises(BadCountsError):
            open_stream(header(**bad))


class TestGatesAsWritten:
    def test_texts_of_crossfade_yaml_mean_their_numbers(self) -> None:
        written: dict[str, Any] = {
            "errors": {
                "at_most": "2x",
                "ignore_below": "0.2%",
                "must_see": "3%",
                "max": "5%",
                "against": "stable",
            },
            "latency": {"at_most": "1.25x", "at": ["p50", "p99.9"], "must_see": "2x", "max": {"p99": "0.8s"}},
            "ok": None,
        }
        meant: dict[str, Any] = {
            "errors": {"at_most": 2.0, "ignore_below": 0.002, "must_see": 0.03, "max": 0.05},
            "latency": {"at_most": 1.25, "at": [0.5, 0.999], "must_see": 2.0, "max": [[0.99, 800.0]]},
            "ok": {},
        }

        assert read_rules(written) == read_rules(meant)

    @pytest.mark.parametrize(
        "gate", [{"at_most": "1.5%"}, {"must_see": "soon"}, {"max": "2x"}, {"ignore_below": ""}]
    )
    def test_a_text_with_the_wrong_unit_is_refused(self, gate: dict[str, str]) -> None:
        with pytest.raises(BadCountsError, match="errors"):
            read_rules({"errors": gate})
