"""Input that nobody would send on purpose is refused by name, or it proves nothing."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossfade.judge import BadCountsError, open_stream, plan, replay, unhealthy

Json = dict[str, Any]
EDGES = [100.0, 125.0, 156.25, 200.0, 250.0]
ROWS: dict[str, list[float]] = {
    "fast": [1, 0, 0, 0, 0, 0],
    "usual": [0.8, 0.1, 0.05, 0.03, 0.015, 0.005],
    "slow": [0.2, 0.1, 0.1, 0.1, 0.2, 0.3],
    "endless": [0, 0, 0, 0, 0, 1],
}
LONG = int(os.environ.get("CROSSFADE_LONG", "1"))


def often(examples: int) -> settings:
    return settings(max_examples=examples * LONG, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def an_arm(requests: float, failed: float, row: str | None, kpi: Mapping[str, float]) -> Json:
    """`failed` and the values of `kpi` are shares; above 1 there are more errors than requests."""
    made: Json = {"requests": requests, "errors": requests * failed}
    if row is not None:
        made["latency"] = [requests * part for part in ROWS[row]] if row else []
    if kpi:
        made["kpi"] = {name: {"total": requests, "failed": requests * share} for name, share in kpi.items()}
    return made


def spell(start: float, seconds: float, **arms: Any) -> Json:
    return {"start": start, "end": start + seconds, **arms}


def times(arm: Json, factor: float) -> Json:
    """The same shares at other traffic."""
    return {
        "requests": arm["requests"] * factor,
        "errors": arm["errors"] * factor,
        "latency": [count * factor for count in arm.get("latency", ())],
        "kpi": {
            name: {key: count * factor for key, count in pair.items()}
            for name, pair in arm.get("kpi", {}).items()
        },
    }


class Many(list[Any]):
    """A list that is too long to be told whole when a test fails."""

    def __repr__(self) -> str:
        return f"Many({len(self)}: {self[:3]})"


KPIS = st.sampled_from([{}, {"ok": 0.0}, {"ok": 0.03}, {"ok": 1.0}, {"ok": 0.2, "paid": 0.5}, {"paid": 2.0}])
SHARES = st.sampled_from([0.0, 0.001, 0.04, 0.3, 1.0, 1.5])
USUAL_COUNTS = st.sampled_from([0.0, 1.0, 7.5, 50.0, 1000.0])
COUNTS = st.one_of(USUAL_COUNTS, st.sampled_from([1e-12, 1e-9, 0.001, 1e9]))
ARMS = st.builds(an_arm, COUNTS, SHARES, st.sampled_from([None, "", *ROWS]), KPIS)
USUAL_ARMS = st.builds(an_arm, USUAL_COUNTS, SHARES, st.sampled_from([None, *ROWS]), KPIS)
SECONDS = st.sampled_from([0.001, 1.0, 5.0, 5.0, 5.0, 60.0, 3600.0])
GAPS = st.sampled_from([0.0, 0.0, 0.0, 0.25, 90_000.0])
IDS: st.SearchStrategy[list[str]] = st.one_of(
    st.lists(st.sampled_from(["a", "b", "c"]), unique=True), st.just([f"i{n}" for n in range(50)])
)
MORE = st.fixed_dictionaries(
    {},
    optional={
        "step": st.sampled_from(["10 %", "50 %"]),
        "weight": st.sampled_from([0.0, 0.001, 0.1, 0.5, 1.0]),
        "bake_s": st.sampled_from([0.0, 10.0, 60.0, 2000.0]),
    },
)
MODES = st.sampled_from(["stop", "observe"])
GATES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.just({}),
    st.fixed_dictionaries(
        {},
        optional={
            "errors": st.fixed_dictionaries(
                {"mode": MODES}, optional={"max": st.sampled_from([1e-6, 0.05]), "must_see": st.just(0.3)}
            ),
            "latency": st.fixed_dictionaries(
                {"mode": MODES, "at_most": st.sampled_from([1.0, 1.25])},
                optional={"max": st.just([[0.9, 190.0]]), "at": st.just([0.5])},
            ),
            "ok": st.fixed_dictionaries({"mode": MODES}, optional={"max": st.just(0.5)}),
            "paid": st.fixed_dictionaries({"mode": MODES, "at_most": st.sampled_from([1.0, 1000.0])}),
        },
    ),
)
PAST = Many(
    spell(-100_000.0 + 5 * i, 5.0, stable=an_arm(500, 0.002, "usual", {"ok": 0.03}))
    for i in (*range(30), *range(19_970, 19_999))
)
"""Begins more than a day before the release."""


@st.composite
def headers(draw: st.DrawFn, gates: st.SearchStrategy[Any] = GATES) -> Json:
    return {
        "edges_ms": EDGES,
        "alpha": draw(st.sampled_from([1e-6, 0.01, 0.2])),
        "bake_s": draw(st.sampled_from([0.0, 10.0, 300.0])),
        "weight": draw(st.sampled_from([0.0, 0.1, 1.0])),
        "gates": draw(gates),
        "warm_up_s": draw(st.sampled_from([0.0, 10.0])),
        "history": draw(st.sampled_from([[], PAST])),
    }


@st.composite
def lives(
    draw: st.DrawFn,
    arms: st.SearchStrategy[Json] = ARMS,
) -> list[Json]:
    """A release's intervals; each may come five times over, since evidence takes time."""
    found: list[Json] = []
    now = draw(st.sampled_from([0.0, -50.0, 1e9]))
    for _ in range(draw(st.integers(1, 6))):
        one: Json = dict(draw(MORE))
        names = draw(IDS)
        for side in ("candidate", "stable"):
            kind = draw(st.integers(0, 9))
            if kind > 1:
                one[side] = draw(arms)
            elif kind:
                one[side] = None
        split: bool = draw(st.booleans())
        if names and split:
            some = [draw(arms) for _ in range(3)]
            one["candidate_instances"] = Many([name, some[n % 3]] for n, name in enumerate(names))
            one.pop("candidate", None)
        seconds = draw(SECONDS)
        for _ in range(draw(st.sampled_from([1, 1, 5]))):
            begin = now + draw(GAPS)
            now = begin + seconds
            found.append({**one, "start": begin, "end": now})
    return found


def bits(said: Any) -> str:
    return json.dumps(said, allow_nan=False)


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, int | float):
        yield float(value)


def changed(key: str, value: object, side: str = "candidate") -> Callable[[Json], Json]:
    return lambda one: {**one, side: {"requests": 5, "errors": 1, key: value}}


ONE = {"requests": 1}
BAD: dict[str, Callable[[Json], Json]] = {
    **{f"requests {value}": changed("requests", value) for value in (-1, -1e-6, math.nan, math.inf, 2e15)},
    **{f"errors {value}": changed("errors", value, "stable") for value in (-3, math.nan, -math.inf, None)},
    "a bucket is NaN": changed("latency", [1, 1, math.nan, 1, 1, 1]),
    "a bucket is negative": changed("latency", [9, 0, 0, 0, 0, -1]),
    "a bucket is endless": changed("latency", [0, 0, 0, 0, math.inf, 0]),
    "a bucket is missing": changed("latency", [1, 2, 3]),
    "a KPI is negative": changed("kpi", {"ok": {"total": 5, "failed": -1}}),
    "a KPI lacks its total": changed("kpi", {"ok": {"failed": 1}}),
    "no requests": lambda one: {**one, "stable": {"errors": 0}},
    "no length": lambda one: {**one, "end": one["start"]},
    "backwards": lambda one: {**one, "end": one["start"] - 5.0},
    "no time": lambda one: {**one, "start": math.nan},
    "no end": lambda one: {**one, "end": math.inf},
    "weight above 1": lambda one: {**one, "weight": 1.01, "step": "?"},
    "weight NaN": lambda one: {**one, "weight": math.nan, "step": "?"},
    "bake below 0": lambda one: {**one, "bake_s": -1, "step": "?"},
    "twice the same id": lambda one: {**one, "candidate_instances": [["a", ONE], ["a", ONE]]},
    "one of two is reset": lambda one: {**one, "stable_instances": [["a", ONE], ["b", {"requests": -9}]]},
}


class TestWhatCannotBe:
    @often(40)
    @given(headers(), lives(), st.lists(st.tuples(st.integers(0, 9), st.sampled_from(sorted(BAD)))))
    def test_R24_a_refused_interval_leaves_no_trace(
        self, header: Json, life: list[Json], bad: list[tuple[int, str]]
    ) -> None:
        stream, said = open_stream(header), list[Any]()
        for index, one in enumerate(life):
            for at, kind in bad:
                if at == index:
                    with pytest.raises(BadCountsError):
                        stream.push(BAD[kind](one))
            said.append(stream.push(one))
            for late in ({"end": one["end"] + 5.0}, {"start": one["start"] - 5.0}, {}):
                with pytest.raises(BadCountsError):
                    stream.push({**one, **late})

        assert bits(said) == bits(replay(header, life))

    @often(40)
    @given(headers(), lives(), st.lists(st.integers(0, 9)), ARMS, st.booleans())
    def test_R24_an_interval_that_could_not_be_read_changes_no_evidence(
        self, header: Json, life: list[Json], holes: list[int], arm: Json, ours: bool
    ) -> None:
        life = [{**one, "start": 2 * one["start"], "end": one["start"] + one["end"]} for one in life]
        stream, said = open_stream(header), list[Any]()
        for index, one in enumerate(life):
            if index in holes:
                arms = {"candidate": arm, "stable": None} if ours else {"candidate": None, "stable": arm}
                unread = stream.push({"start": one["start"] - 0.0005, "end": one["start"], **arms})
                assert not said or unread["evidence"] == said[-1]["evidence"]
                assert unread["verdict"] in ("no_data", "fail")
            said.append(stream.push(one))

        assert bits(said) == bits(replay(header, life))


class TestEveryVerdict:
    @often(40)
    @given(headers(), lives())
    def test_numbers_are_finite_and_the_text_is_one_line(self, header: Json, life: list[Json]) -> None:
        for said in replay(header, life):
            assert all(math.isfinite(number) for number in numbers(said))
            assert said["evidence"] > 0.0
            assert re.search(r"\n|\bnan\b|\binf", said["text"]) is None
            assert said["needs_s"] is None or said["needs_s"] > 0.0
            for gate in said["gates"].values():
                assert gate["evidence"] > 0.0
                low, ratio, high = gate["low"], gate["ratio"], gate["high"]
                if ratio is not None and ratio < 1e6:
                    assert low is None or low <= ratio * 1.08  # 1.08: the grid's step
                    assert high is None or ratio <= high * 1.08

    @often(40)
    @given(headers(), lives())
    def test_R25_a_pass_has_requests_of_the_candidate_and_a_covered_bake(
        self, header: Json, life: list[Json]
    ) -> None:
        bake: float = header["bake_s"]
        where, covers, requests = (None, header["weight"]), 0.0, 0.0
        for index, (one, said) in enumerate(zip(life, replay(header, life), strict=True)):
            bake = one.get("bake_s", bake)
            here = (one.get("step", where[0]), one.get("weight", where[1]))
            if here != where and index:
                covers = requests = 0.0
            where = here
            split = [arm for _, arm in one.get("candidate_instances", ())]
            ours: list[Json] = split if one.get("candidate") is None else [one["candidate"]]
            if ours and one.get("stable") is not None:
                covers += one["end"] - one["start"]
                requests += sum(max(arm["requests"], arm["errors"]) for arm in ours)

            if said["verdict"] == "pass":
                assert requests > 0.0
                assert covers >= bake - 1e-3
                assert ours
                assert one["stable"] is not None

    @often(40)
    @given(headers(), lives(), USUAL_ARMS)
    def test_R11_a_fail_stays_with_its_blame(self, header: Json, life: list[Json], after: Json) -> None:
        now, bad = life[-1]["end"], an_arm(100, 1.0, "endless", {})
        good = an_arm(900, 0.0, "fast", {})
        sick = [spell(now + 5.0 * i, 5.0, candidate=bad, stable=good) for i in range(8)]
        calm = [spell(now + 1e5 + 60.0 * i, 60.0, candidate=after, stable=after) for i in range(4)]
        said = replay(header, life + sick + calm)
        first = next((i for i, one in enumerate(said) if one["verdict"] == "fail"), len(said))
        evidence = [one["evidence"] for one in said[first:]]

        assert all(one["blame"] is None for one in said[:first])
        assert {(one["verdict"], one["blame"]) for one in said[first:]} <= {("fail", said[-1]["blame"])}
        assert evidence == sorted(evidence)


EASY = {"errors": {}, "latency": {"at_most": 1.0}, "ok": {}, "paid": {"at_most": 1.0}}
NO_LIMITS = st.sampled_from([None, EASY, {"errors": {"mode": "observe"}, "latency": {}}])


class TestNoFailFromNothing:
    @often(40)
    @given(headers(NO_LIMITS), st.lists(st.tuples(ARMS, SECONDS), max_size=12), st.sampled_from([0, 1, 2, 8]))
    def test_R31_arms_that_are_alike_never_fail(
        self, header: Json, pairs: Sequence[tuple[Json, float]], instances: int
    ) -> None:
        now, life = 0.0, []
        for arm, seconds in (*pairs, *pairs):
            one = spell(now, seconds, stable=arm)
            if instances:
                part = times(arm, 1.0 / instances)
                one["candidate_instances"] = [[f"c{n}", part] for n in range(instances)]
            else:
                one["candidate"] = arm
            life.append(one)
            now += seconds

        assert all(said["verdict"] != "fail" for said in replay(header, life))
        assert all(said["instance"] is None for said in replay(header, life))

    @often(40)
    @given(
        headers(NO_LIMITS),
        st.lists(st.tuples(ARMS, SECONDS), max_size=12),
        st.sampled_from([1e-6, 0.1, 1.0, 3.0]),
        st.sampled_from([0.0, 0.5, 1.0]),
    )
    def test_R31_a_candidate_with_no_failure_more_than_stable_never_fails(
        self, header: Json, pairs: Sequence[tuple[Json, float]], traffic: float, kept: float
    ) -> None:
        """Weight 0: how much traffic it should have had is another question."""
        now, life = 0.0, []
        for stable, seconds in (*pairs, *pairs):
            ours = times(stable, traffic)
            ours["errors"] *= kept
            if ours["latency"]:
                row = [count * kept for count in ours["latency"]]
                ours["latency"] = [sum(ours["latency"]) - sum(row[1:]), *row[1:]]
            for pair in ours["kpi"].values():
                pair["failed"] *= kept
            ours["requests"] = max(stable["requests"], stable["errors"]) * traffic
            life.append(spell(now, seconds, stable=stable, candidate=ours))
            now += seconds

        assert all(said["verdict"] != "fail" for said in replay({**header, "weight": 0.0}, life))


class TestOneAnswer:
    @often(40)
    @given(headers(), lives())
    def test_R30_through_json_and_with_gates_in_another_order_the_bits_are_the_same(
        self, header: Json, life: list[Json]
    ) -> None:
        stream = open_stream(header)
        gates: Json | None = header["gates"]
        stored = json.loads(json.dumps({**header, "gates": gates and dict(reversed(gates.items()))}))

        assert bits([stream.push(one) for one in life]) == bits(replay(stored, json.loads(json.dumps(life))))

    @often(40)
    @given(headers(), lives(arms=USUAL_ARMS), st.randoms(use_true_random=False))
    def test_the_order_of_instances_does_not_matter(self, header: Json, life: list[Json], draw: Any) -> None:
        turned = [
            {**one, "candidate_instances": draw.sample(split, len(split))}
            if (split := one.get("candidate_instances"))
            else one
            for one in life
        ]
        for one, other in zip(replay(header, life), replay(header, turned), strict=True):
            near = abs(math.log(one["evidence"] / one["bound"])) < 1e-6
            assert math.log(one["evidence"]) == pytest.approx(math.log(other["evidence"]), abs=1e-6, rel=1e-6)
            assert near or (one["verdict"], one["blame"]) == (other["verdict"], other["blame"])


TRAFFIC = {
    "weight": st.sampled_from([0.0, 1e-9, 0.1, 0.999, 1.0]),
    "requests_per_s": st.sampled_from([0.0, 1e-6, 5.0, 1e12]),
    "bake_s": st.sampled_from([0.0, 60.0, 1e6]),
    "stable_errors": st.sampled_from([0.0, 0.001, 0.5, 1.0]),
    "history": st.sampled_from([[], PAST]),
}
LOOK = {"total": st.integers(0, 9), "unhealthy": st.integers(0, 9), "restarts": st.integers(0, 2)}


class TestPlanAndHealth:
    @often(40)
    @given(GATES, st.fixed_dictionaries(TRAFFIC))
    def test_R32_a_plan_is_finite_or_says_never(self, gates: Any, traffic: Json) -> None:
        said = plan(gates, edges_ms=EDGES, **traffic)

        assert all(math.isfinite(number) for number in numbers(said))
        for needs in said.values():
            seconds = needs["seconds"]
            assert (needs["requests"] is None) is (seconds is None)
            assert needs["seen"] is (seconds is not None and seconds <= traffic["bake_s"])
            assert seconds is None or 0.0 < traffic["weight"] < 1.0

    @often(40)
    @given(st.lists(st.tuples(st.floats(0, 90), st.fixed_dictionaries(LOOK))), st.integers(0, 2))
    def test_R24_health_that_failed_stays_failed(self, looks: list[tuple[float, Json]], most: int) -> None:
        times = itertools.accumulate(gap for gap, _ in looks)
        samples: Any = [{**look, "at": at} for at, (_, look) in zip(times, looks, strict=True)]
        said = [unhealthy(samples[:end], max=most)["verdict"] for end in range(len(samples) + 1)]

        assert said == sorted(said, key=lambda verdict: verdict == "fail")
        for sample, verdict in zip(samples, said[1:], strict=True):
            assert verdict != "pass" or (sample["total"] > 0 and sample["unhealthy"] <= most)
