"""Counts become verdicts about the step a release stands on, and about nothing else."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from signals_world import PLAN, START, Counts, Desk, Paced, Second

from crossfade.judge import replay
from crossfade.release.state import Outcome, Road, State
from crossfade.release.values import Say, Verdict
from crossfade.signals import recorded


def says(found: dict[str, Verdict]) -> dict[str, Say]:
    return {gate: verdict.say for gate, verdict in found.items()}


class TestWindow:
    def test_a_good_release_passes_when_its_bake_is_covered_by_data_and_not_before(self) -> None:
        desk = Desk()
        state = desk.baking()

        early, late = desk.look(40, state), desk.look(75, state)

        assert {early["errors"].say, early["latency"].say} == {Say.NOT_YET}
        assert set(says(late).values()) == {Say.PASS}
        assert late["errors"].covers >= timedelta(seconds=60) > early["errors"].covers
        assert {verdict.since for verdict in late.values()} == {state.reached}

    def test_R28_seconds_of_the_change_itself_are_judged_by_nobody(self) -> None:
        desk = Desk()
        desk.look(30, desk.baking(reached=7.9))

        first = recorded(desk.memory.intervals("r1"))

        assert first is not None
        assert first.intervals[0]["slot"] == [int(START) + 9, int(START) + 14]

    def test_R28_a_second_that_is_not_closed_is_waited_for_and_never_read_as_zero(self) -> None:
        desk = Desk()
        state = desk.baking()

        assert desk.look(5.9, state)["errors"].text.startswith("settling")
        assert desk.look(6.4, state)["errors"].covers == timedelta(seconds=5)

    def test_a_world_not_reached_is_settling(self) -> None:
        found = Desk().look(30, State(since=Desk().at(0), index=1))

        assert (found["errors"].say, found["latency"].say) == (Say.NOT_YET, Say.NOT_YET)
        assert "settling" in found["errors"].text

    def test_a_foreign_hand_begins_a_new_window(self) -> None:
        desk = Desk()
        desk.look(50, desk.baking())

        found = desk.look(80, replace(desk.baking(since=55, reached=60), drifts=1))

        assert found["errors"].covers <= timedelta(seconds=20)
        assert found["errors"].say is Say.NOT_YET

    def test_at_weight_0_only_gates_without_traffic_speak(self) -> None:
        assert set(Desk().look(10, Desk().baking(index=0))) == {"unhealthy", "paging"}

    def test_on_the_road_back_and_after_the_end_nothing_is_judged(self) -> None:
        desk, state = Desk(), Desk().baking()

        assert not desk.look(10, replace(state, outcome=Outcome.CLOSED))
        assert not desk.look(10, replace(state, road=Road.BACK))

    def test_a_clock_five_times_as_fast_judges_one_real_second_as_five(self) -> None:
        desk = Desk(pace=Paced(5.0))
        found = desk.look(80, desk.baking())

        stored = recorded(desk.memory.intervals("r1"))

        assert stored is not None
        assert {one["slot"][1] - one["slot"][0] for one in stored.intervals} == {1}
        assert {round(one["end"] - one["start"], 6) for one in stored.intervals} == {5.0}
        assert found["errors"].covers == timedelta(seconds=5 * len(stored.intervals))


class TestBad:
    def test_errors_of_the_candidate_fail_and_stay_failed(self) -> None:
        desk = Desk(Counts(candidate_errors=0.2))
        state = desk.baking()

        found = desk.look(60, state)

        assert found["errors"].say is Say.FAIL
        assert found["errors"].numbers["evidence"] >= found["errors"].numbers["bound"]  # type: ignore[operator]
        desk.counts.problem = "gone"
        assert desk.look(62, state)["errors"].say is Say.FAIL
        assert desk.again().look(64, replace(state, reached=None))["errors"].say is Say.FAIL

    def test_a_slow_candidate_fails_latency(self) -> None:
        found = Desk(Counts(slower=3.0)).look(75, Desk().baking())

        assert found["latency"].say is Say.FAIL
        assert found["latency"].numbers["ratio"] == pytest.approx(3.0, rel=0.4)
        assert found["errors"].say is not Say.FAIL

    def test_an_observed_gate_carries_no_failure_of_the_release(self) -> None:
        gates = tuple(replace(gate, observe=gate.name == "errors") for gate in PLAN.gates)
        judging = {**PLAN.judging, "gates": {"errors": {"mode": "observe"}, "latency": {}}}
        desk = Desk(Counts(candidate_errors=0.2))

        found = desk.look(60, desk.baking(), replace(PLAN, gates=gates, judging=judging))

        assert found["latency"].say is not Say.FAIL


class TestNoData:
    """R24: bad, empty, garbled and unreachable are four different answers, and R25: none is a pass."""

    def test_R24_unreachable(self) -> None:
        desk = Desk(Counts(problem="the supervisor does not answer"))
        found = desk.look(30, desk.baking())["errors"]

        assert found.say is Say.NO_DATA
        assert found.text == "the counts cannot be read: the supervisor does not answer"

    def test_R24_a_source_that_stands_still(self) -> None:
        desk = Desk(Counts(stopped_at=START + 20))
        state = desk.baking()

        assert desk.look(30, state)["errors"].say is Say.NOT_YET
        found = desk.look(45, state)["errors"]

        assert found.say is Say.NO_DATA
        assert "no new counts" in found.text

    @pytest.mark.parametrize("value", [math.nan, -1, math.inf, "many", None])
    def test_R24_garbled_is_stored_as_unread_and_judging_goes_on(self, value: object) -> None:
        def garble(second: Second) -> Second:
            bad = second.start == START + 22
            return replace(second, candidate_instances=(), candidate={"requests": value}) if bad else second

        desk = Desk(Counts(garble=garble))
        state = desk.baking()
        desk.look(20, state)

        bad = desk.look(28, state)["errors"]
        later = desk.look(64, state)["errors"]

        assert bad.say is Say.NO_DATA
        assert "garbled" in bad.text
        assert later.say is Say.NOT_YET
        assert desk.look(80, state)["errors"].say is Say.PASS

    def test_R29_one_side_missing_drops_the_interval_for_both(self) -> None:
        def garble(second: Second) -> Second:
            return replace(second, stable=None) if second.start == START + 22 else second

        desk = Desk(Counts(garble=garble))
        found = desk.look(28, desk.baking())["errors"]
        stored = recorded(desk.memory.intervals("r1"))

        assert found.say is Say.NO_DATA
        assert "both are left out" in found.text
        assert stored is not None
        assert {stored.intervals[-1]["stable"], stored.intervals[-1]["candidate"]} == {None}

    def test_R32_no_traffic_is_not_yet_then_inconclusive_and_never_blind(self) -> None:
        desk = Desk(Counts(rate=0))
        state = desk.baking()

        early, late = desk.look(40, state), desk.look(75, state)

        assert (early["errors"].say, late["errors"].say) == (Say.NOT_YET, Say.INCONCLUSIVE)
        assert early["errors"].text
        assert late["errors"].text

    def test_R32_too_little_traffic_says_how_much_more_time_it_takes(self) -> None:
        desk = Desk(Counts(rate=40))
        found = desk.look(75, desk.baking())["errors"]

        assert found.say is Say.INCONCLUSIVE
        assert found.numbers["needs_s"] is None or float(str(found.numbers["needs_s"])) > 0

    def test_counts_lost_before_known_from_are_no_part_of_the_bake(self) -> None:
        desk = Desk(Counts(known_from=START + 30))
        found = desk.look(75, desk.baking())["errors"]

        assert found.covers == timedelta(seconds=40)
        assert found.say is Say.NOT_YET


class TestMemory:
    def test_R27_R30_a_restarted_controller_says_the_same_and_judges_no_second_twice(self) -> None:
        through, broken = Desk(), Desk()
        state = through.baking()
        for now in range(5, 80, 3):
            last = through.look(now, state)
            broken = broken.again()
            again = broken.look(now, state)

        assert again == last
        assert broken.memory.entries == through.memory.entries
        slots = [entry["slot"] for entry in through.memory.intervals("r1") if "slot" in entry]
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(slots))

    def test_R30_the_stored_intervals_replay_to_the_same_answer(self) -> None:
        desk = Desk(Counts(candidate_errors=0.2))
        found = desk.look(60, desk.baking())["errors"]

        stored = recorded(desk.memory.intervals("r1"))
        assert stored is not None
        again = replay(stored.header, stored.intervals)

        assert again[-1]["verdict"] == "fail"
        assert again[-1]["evidence"] == found.numbers["evidence"]

    def test_the_history_is_stables_quarter_of_an_hour_up_to_the_first_write(self) -> None:
        desk = Desk()
        desk.look(20, desk.baking(since=0.0, reached=3.0))

        stored = recorded(desk.memory.intervals("r1"))
        assert stored is not None
        history = stored.header["history"]

        assert (history[-1]["end"] - history[0]["start"]) == 900
        assert history[-1]["end"] <= -3
        assert "candidate" not in history[0]


class TestPast:
    """After 100 % stable has no traffic: its own past is the baseline, and that is said (R29)."""

    def test_after_a_canary_the_last_live_window_is_the_baseline(self) -> None:
        desk = Desk(Counts(weight=lambda at: 0.1 if at < START + 70 else 1.0))
        desk.look(70, desk.baking())

        found = desk.look(140, desk.baking(index=2, since=70, reached=71))

        assert found["errors"].say is Say.PASS
        assert found["errors"].numbers["baseline"] == "past"
        assert found["errors"].text.endswith("against v41's last 65 s, which is weaker")

    def test_blue_green_is_judged_against_the_minutes_before_the_flip(self) -> None:
        desk = Desk(Counts(weight=lambda at: 0.0 if at < START else 1.0))
        found = desk.look(160, desk.baking(index=2))

        assert found["errors"].say is Say.PASS
        assert "v41's last 300 s" in found["errors"].text

    def test_a_bad_candidate_is_caught_against_the_past(self) -> None:
        desk = Desk(Counts(weight=lambda at: 0.0 if at < START else 1.0, candidate_errors=0.1))

        assert desk.look(75, desk.baking(index=2))["errors"].say is Say.FAIL

    def test_R30_the_past_replays_alike(self) -> None:
        counts = Counts(weight=lambda at: 0.0 if at < START else 1.0)
        one, many = Desk(counts), Desk(counts)
        for now in range(5, 130, 9):
            last = one.look(now, one.baking(index=2))
            many = many.again()
            again = many.look(now, many.baking(index=2))

        assert again == last
        assert one.memory.entries == many.memory.entries


def test_the_port_never_raises() -> None:
    class Broken(Counts):
        def slots(self, plan: object, since: float, edges_ms: object) -> object:  # type: ignore[override]
            raise RuntimeError("surprise")

    desk = Desk(Broken())
    desk.health.problem = OSError("no line")
    found = desk.look(30, desk.baking())

    assert {found[gate].say for gate in ("errors", "latency", "unhealthy")} == {Say.NO_DATA}
    assert "surprise" in found["errors"].text
    assert "no line" in found["unhealthy"].text
