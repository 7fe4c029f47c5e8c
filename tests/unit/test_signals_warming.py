"""A warm-up judged: what warms, what is judged, what must repeat, and how it is said."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from crossfade.cli.gate import gate
from crossfade.dataplane import EDGES_MS
from crossfade.demo.behaviour import service_time
from crossfade.judge import replay
from crossfade.release.values import HookResult, HookSay, Side
from crossfade.signals.asking import Answer, Pair
from crossfade.signals.trial import LEAST, PIECES, Trial
from crossfade.signals.warmed import said

GATES: dict[str, Any] = {"errors": {"at_most": 1.5, "max": None}, "latency": {"at_most": 1.25, "max": []}}
OK = Answer(200, 12.0)

Answers = Callable[[int, random.Random], Answer]


def healthy(_number: int, rng: random.Random) -> Answer:
    return Answer(200, 1000.0 * service_time(rng, slow=False))


def slow(_number: int, rng: random.Random) -> Answer:
    """p99 is three times stable's, the median the same."""
    return Answer(200, 1000.0 * service_time(rng, slow=True))


def failing(share: float) -> Answers:
    return lambda number, rng: healthy(number, rng) if rng.random() >= share else Answer(500, 2.0)


def cold_for(pairs: int, *, status: int = 200) -> Answers:
    """Ten times slower, or failing, in its first requests; then as good as stable."""

    def answer(number: int, rng: random.Random) -> Answer:
        warm = healthy(number, rng)
        return warm if number >= pairs else Answer(status, 10.0 * warm.ms)

    return answer


def trial(size: int, *, alpha: float = 0.001, stable: bool = True, again: bool = True) -> Trial:
    return Trial(size, {"gates": GATES, "alpha": alpha}, EDGES_MS, with_stable=stable, again=lambda: again)


def ran(
    candidate: Answers,
    size: int = 1200,
    *,
    stable: Answers | None = healthy,
    seed: int = 1,
    again: bool = True,
    paths: tuple[str, ...] = ("/", "/search?q=secret"),
) -> Trial:
    """All pairs of a schedule, each side with chance of its own."""
    one, rng = trial(size, stable=stable is not None, again=again), random.Random(seed)
    number = 0
    while number < one.wanted and not one.over:
        answers = {Side.CANDIDATE: candidate(number, rng)}
        if stable is not None:
            answers[Side.STABLE] = stable(number, rng)
        one.add(number, Pair(number=number, path=paths[number % len(paths)], answers=answers))
        number += 1
    one.end()
    return one


def told(one: Trial, *, fewer: int = 0, stable: bool = True) -> HookResult:
    return said(one, (Path("hook-R1.jsonl"),) * len(one.parts), fewer=fewer, with_stable=stable)


class TestVerdicts:
    def test_an_identical_build_passes_and_its_numbers_are_told(self) -> None:
        result = told(ran(healthy))

        assert result.say is HookSay.PASSED
        assert "1,200 requests to each side, the last 600: errors 0 of 600 (stable 0)" in result.text
        assert "counts: logs/hook-R1.jsonl" in result.text

    def test_p99_times_three_fails_with_the_ratio_in_words(self) -> None:
        one = ran(slow)
        result = told(one)

        assert result.say is HookSay.FAILED
        assert "x of stable's (" in result.text
        assert "600 before were not judged" in result.text
        assert "stops at 1000" in result.text
        assert one.over

    def test_five_percent_errors_fail_and_name_the_path(self) -> None:
        result = told(ran(failing(0.05)))

        assert result.say is HookSay.FAILED
        assert result.text.startswith("errors ")
        assert "500 on /" in result.text

    def test_a_dead_candidate_is_stopped_long_before_the_end(self) -> None:
        one = ran(lambda *_: Answer(0, 10_000.0))

        assert told(one).say is HookSay.FAILED
        assert one.sent < 750

    @pytest.mark.parametrize("seed", range(20))
    def test_identical_builds_pass_whatever_the_chance(self, seed: int) -> None:
        for size in (50, 200, 600):
            assert told(ran(healthy, size, seed=seed)).say is HookSay.PASSED

    def test_one_stall_of_the_candidate_is_not_proof(self) -> None:
        def stalls(number: int, rng: random.Random) -> Answer:
            return Answer(200, 2000.0) if 900 <= number < 930 else healthy(number, rng)

        assert told(ran(stalls)).say is HookSay.PASSED


class TestCold:
    def test_what_is_slow_in_the_first_half_only_is_warm_and_told(self) -> None:
        result = told(ran(cold_for(590)))

        assert result.say is HookSay.PASSED
        assert "while cold p99 " in result.text

    def test_what_fails_in_the_first_half_only_passes_and_is_counted(self) -> None:
        result = told(ran(cold_for(300, status=503)))

        assert result.say is HookSay.PASSED
        assert "300 of 600 failed" in result.text

    def test_a_failure_has_to_repeat_so_that_a_longer_warm_up_is_no_bad_build(self) -> None:
        one = ran(cold_for(900))
        result = told(one)

        assert [part.failed for part in one.parts] == [True, False]
        assert result.say is HookSay.PASSED
        assert "600 before these were worse: still warming" in result.text

    def test_it_goes_on_while_each_part_is_better_than_the_one_before(self) -> None:
        """A cache that fills: each of the candidate's misses makes the next one rarer."""

        def filling(number: int, rng: random.Random) -> Answer:
            miss = rng.random() < 0.995**number
            return Answer(200, healthy(number, rng).ms + (80.0 if miss else 0.0))

        one = ran(filling, 400)

        assert [part.failed for part in one.parts][-2:] == [True, False]
        assert told(one).say is HookSay.PASSED

    def test_a_bad_build_that_warms_as_well_is_bad_when_it_is_warm(self) -> None:
        def both(number: int, rng: random.Random) -> Answer:
            miss = rng.random() < 0.99**number
            return Answer(200, slow(number, rng).ms + (80.0 if miss else 0.0))

        assert [told(ran(both, seed=seed)).say for seed in range(5)] == [HookSay.FAILED] * 5

    def test_R32_still_warming_when_the_time_is_over_is_said(self) -> None:
        def fades(number: int, rng: random.Random) -> Answer:
            return Answer(200, 10.0 * healthy(number, rng).ms if rng.random() < 0.998**number else 5.0)

        one = trial(400)
        one._again = lambda: len(one.parts) < 2
        rng = random.Random(1)
        for number in range(2000):
            if not one.over:
                answers = {Side.CANDIDATE: fades(number, rng), Side.STABLE: healthy(number, rng)}
                one.add(number, Pair(number=number, path="/", answers=answers))
        result = told(one)

        assert one.over
        assert one.fading
        assert result.say is HookSay.PASSED
        assert "still warming, so not judged" in result.text

    def test_without_time_for_twice_once_is_enough(self) -> None:
        one = ran(slow, again=False)

        assert len(one.parts) == 1
        assert told(one).say is HookSay.FAILED

    def test_a_build_that_is_cold_all_the_while_is_not_judged_by_its_latency(self) -> None:
        """Of fifty requests nobody can say whether a slow one is cold or bad."""
        result = told(ran(cold_for(1000), 50))

        assert result.say is HookSay.PASSED
        assert "too few to judge latency, warmed only" in result.text

    def test_errors_are_judged_of_any_number(self) -> None:
        assert told(ran(lambda *_: Answer(500, 1.0), 50)).say is HookSay.FAILED


class TestTooFew:
    def test_R32_too_few_to_judge_says_so_and_how_many_more(self) -> None:
        result = told(ran(healthy, 2 * LEAST))

        assert result.say is HookSay.PASSED
        assert "too few to be sure of must_see of errors and latency (" in result.text
        assert "more would do)" in result.text

    def test_fewer_than_asked_for_is_said(self) -> None:
        assert "(of 9,000 asked for" in told(ran(healthy), fewer=9000).text

    def test_without_gates_it_only_warms_and_says_so(self) -> None:
        judging: dict[str, Any] = {"gates": {}, "alpha": 0.001}
        one = Trial(40, judging, EDGES_MS, with_stable=True, again=lambda: True)
        for number in range(40):
            answers = {Side.CANDIDATE: OK, Side.STABLE: OK}
            one.add(number, Pair(number=number, path="/", answers=answers))

        assert "no gate that could judge it, warmed only" in told(one).text


class TestPaths:
    def test_a_path_that_neither_side_answers_fails_by_name_and_without_its_query(self) -> None:
        def answer(number: int, rng: random.Random) -> Answer:
            return healthy(number, rng) if number % 2 == 0 else Answer(404, 1.0)

        result = told(ran(answer, 100, stable=answer))

        assert result.say is HookSay.FAILED
        assert "never answered well by either side: /search (404)" in result.text
        assert "secret" not in result.text

    def test_a_path_that_only_stable_fails_is_no_fault_of_the_candidate(self) -> None:
        assert told(ran(healthy, stable=lambda *_: Answer(404, 1.0))).say is HookSay.PASSED

    def test_a_path_that_only_the_candidate_lost_is(self) -> None:
        def lost(number: int, rng: random.Random) -> Answer:
            return healthy(number, rng) if number % 2 == 0 else Answer(404, 1.0)

        assert "404 on /search" in told(ran(lost)).text

    def test_quick_errors_of_stable_do_not_make_the_candidate_look_slow(self) -> None:
        def half(number: int, rng: random.Random) -> Answer:
            return healthy(number, rng) if number % 2 == 0 else Answer(503, 0.5)

        assert told(ran(healthy, stable=half)).say is HookSay.PASSED


class TestFirstRelease:
    def test_without_a_stable_it_only_warms(self) -> None:
        result = told(ran(slow, stable=None), stable=False)

        assert result.say is HookSay.PASSED
        assert "no stable to compare with" in result.text

    def test_without_a_stable_errors_are_judged_by_themselves(self) -> None:
        assert told(ran(failing(0.2), stable=None), stable=False).say is HookSay.FAILED
        assert told(ran(failing(0.01), stable=None), stable=False).say is HookSay.PASSED


class TestInputs:
    def test_R30_the_stored_inputs_give_the_same_verdict_again(self, tmp_path: Path) -> None:
        part = ran(slow).parts[-1]
        lines = [part.header, *part.intervals]
        file = tmp_path / "counts.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        came = CliRunner().invoke(gate, ["judge", "--counts", str(file)], standalone_mode=False)

        assert came.return_value == 4
        assert json.loads(came.output.splitlines()[-1]) == part.said
        assert replay(part.header, part.intervals)[-1] == part.said

    def test_pairs_may_come_in_any_order(self) -> None:
        forward, shuffled = trial(400), trial(400)
        pairs = [Pair(number=n, path="/", answers={Side.CANDIDATE: OK, Side.STABLE: OK}) for n in range(400)]
        for pair in pairs:
            forward.add(pair.number, pair)
        random.Random(3).shuffle(pairs)
        for pair in pairs:
            shuffled.add(pair.number, pair)

        assert forward.parts[0].intervals == shuffled.parts[0].intervals
        assert len(forward.parts[0].intervals) == PIECES

    def test_a_pair_that_was_left_out_is_left_out_for_both(self) -> None:
        one = trial(100)
        for number in range(100):
            answers = {Side.CANDIDATE: OK, Side.STABLE: OK}
            one.add(number, None if number % 3 else Pair(number=number, path="/", answers=answers))

        last = one.parts[-1]
        assert sum(i["stable"]["requests"] for i in last.intervals) == len(last.pairs) == 17
        assert one.sent == 34
