"""Five strategies as numbers: weights, the size of either side, what is kept, what is enough."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from heart_run import Run, a_run
from heart_world import KINDS, a_plan
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from crossfade.release.decide import approved
from crossfade.release.plan import SETTLE, Kind, Limits, Proof
from crossfade.release.reconcile import carries
from crossfade.release.shape import shape_of
from crossfade.release.state import phase
from crossfade.release.values import ALL, NOTHING, EventType, Fleet, Known, Say, Share, Verb
from crossfade.release.way_back import Can, way_back
from crossfade.spec import Canary, Hybrid, Linear, Rolling, WeightStep

MINUTE = timedelta(minutes=1)
BAKE: dict[str, Any] = {"bake": MINUTE, "max_bake": MINUTE, "keep_old": MINUTE}


def rungs(strategy: object, instances: int = 4) -> list[tuple[int, int, int]]:
    """(weight, old, new) of each rung, the sizes as whole instances."""

    def count(share: int) -> int:
        return -(-share * instances // 1000)

    shape = shape_of(strategy, instances)  # type: ignore[arg-type]  # one of the five
    return [(rung.weight, count(rung.stable), count(rung.candidate)) for rung in shape.rungs]


def fleet(ready: Share) -> Fleet:
    return Fleet(wanted=ready, ready=ready, exists=ready)


class TestSizes:
    def test_a_canary_grows_with_its_weight_and_a_hybrid_is_whole_at_once(self) -> None:
        steps = tuple(WeightStep(weight=weight, bake=MINUTE, max_bake=MINUTE) for weight in (100, 500, 750))

        assert rungs(Canary(steps=steps, keep_old=MINUTE)) == [(100, 4, 2), (500, 4, 2), (750, 4, 3)]
        assert rungs(Hybrid(steps=steps, keep_old=MINUTE)) == [(100, 4, 4), (500, 4, 4), (750, 4, 4)]

    def test_linear_steps_stop_short_of_what_promotion_gives(self) -> None:
        def line(step: int, hold_back: int = 0) -> list[int]:
            strategy = Linear(step=step, every=MINUTE, max_bake=MINUTE, keep_old=MINUTE, hold_back=hold_back)
            return [weight for weight, _, _ in rungs(strategy)]

        assert line(250) == [250, 500, 750]
        assert line(300) == [300, 600, 900]
        assert line(300, hold_back=100) == [300, 600]

    def test_a_rolling_release_fills_the_room_above_then_empties_the_old_side(self) -> None:
        assert rungs(Rolling(surge=1, unavailable=0, **BAKE)) == [
            (250, 3, 1), (500, 2, 2), (750, 1, 3), (1000, 1, 4),
        ]  # fmt: skip
        assert rungs(Rolling(surge=1, unavailable=1, **BAKE)) == [(333, 2, 1), (750, 1, 3), (1000, 1, 4)]
        assert rungs(Rolling(surge=4, unavailable=0, **BAKE)) == [(1000, 4, 4)]
        assert rungs(Rolling(surge=1, unavailable=0, **BAKE), 1) == [(1000, 1, 1)]

    @examples(200)
    @given(instances=st.integers(1, 60), surge=st.integers(1, 60), missing=st.integers(0, 59))
    def test_R03_every_batch_keeps_to_its_room_and_to_what_must_stay(
        self, instances: int, surge: int, missing: int
    ) -> None:
        surge, missing = min(surge, instances), min(missing, instances - 1)
        rolling = Rolling(surge=surge, unavailable=missing, **BAKE)
        before, weights = instances, [0]
        for weight, old, new in rungs(rolling, instances):
            assert before + new <= instances + surge, "while the batch starts"
            assert old + new >= instances - missing, "when it has settled"
            assert old <= before
            before = old
            weights.append(weight)
        assert weights == sorted(set(weights))
        assert weights[-1] == ALL
        assert before >= 1, "the last of the old side is retired, not rolled away"

    @examples(100)
    @given(instances=st.integers(1, 60), surge=st.integers(1, 60), missing=st.integers(0, 59))
    def test_R03_what_each_batch_has_is_enough_for_its_weight_whatever_the_instances_round_to(
        self, instances: int, surge: int, missing: int
    ) -> None:
        surge, missing = min(surge, instances), min(missing, instances - 1)
        shape = shape_of(Rolling(surge=surge, unavailable=missing, **BAKE), instances)
        plan = replace(a_plan("rolling"), floor=shape.floor)
        for rung in shape.rungs:
            assert carries(plan, Known(fleet(rung.candidate)), rung.weight)
            assert carries(plan, Known(fleet(rung.stable)), Share(ALL - rung.weight))

    def test_what_is_enough_is_the_whole_but_where_some_may_be_missing(self) -> None:
        for kind in KINDS:
            assert (a_plan(kind, instances=4).floor == ALL) == ("thin" not in kind), kind


class TestKeeping:
    def test_a_share_held_back_is_let_go_in_a_step_of_its_own_before_the_point_of_no_return(self) -> None:
        plan = a_plan("held_back")
        promoting, keeping, letting_go, retiring = plan.on[-4:]

        assert [step.world.weight for step in plan.on[-4:]] == [950, 950, ALL, ALL]
        assert keeping.gates
        assert keeping.proof is letting_go.proof is Proof.WATCHED
        assert (letting_go.kind, letting_go.bake) == (Kind.KEEPING, SETTLE)
        assert [step.point_of_no_return for step in plan.on[-4:]] == [False, False, False, True]
        assert letting_go.world.stable == ALL
        assert retiring.world.stable == NOTHING
        assert promoting.world == keeping.world

    @pytest.mark.parametrize("step", ["keeping", "letting go"])
    def test_R16_gates_are_judged_until_the_old_version_is_retired(self, step: str) -> None:
        run = a_run("held_back").at(step)
        run.world.says = {"errors": Say.FAIL}
        run.until(lambda run: run.ended)

        assert run.state.outcome == "rolled_back"
        assert set(run.world.rules) == {NOTHING}

    def test_R14_a_newer_revision_ends_the_letting_go_too(self) -> None:
        run = a_run("held_back").at("letting go")
        run.say(Verb.SUPERSEDE)
        run.until(lambda run: run.ended)

        assert run.state.outcome == "succeeded"


class TestWayBack:
    def test_R45_a_thinned_old_side_is_minutes_away_and_says_why(self) -> None:
        run = a_run("rolling", instances=4).at("50 %")
        run.until(lambda run: run.state.reached is not None)
        found = way_back(run.plan, run.state, run.world.honest())

        assert (found.can, found.how_fast) == (Can.YES, "in minutes")
        assert "50 % of v1's capacity is healthy now, it grows first" in found.why

    def test_R03_a_rolling_release_goes_home_as_fast_as_the_old_side_grows(self) -> None:
        run = a_run("rolling", instances=4).at("75 %")
        run.until(lambda run: run.state.reached is not None)
        run.say(Verb.ABORT)
        lowest: int = ALL

        def home(run: Run) -> bool:
            nonlocal lowest
            truth = run.world.honest()
            stable, candidate = truth.stable.value.ready, truth.candidate.value.ready  # type: ignore[union-attr]  # known
            weight = max(run.world.rules)
            lowest = min(lowest, min(stable, ALL - weight) + min(candidate, weight))
            return run.ended

        run.until(home)

        assert run.state.outcome == "rolled_back"
        assert lowest == ALL, "at no moment less than the traffic needs"


class TestOtherEyes:
    def waiting(self, approvals: int) -> Run:
        run = a_run("approvals", limits=Limits(approvals=approvals))
        return run.until(lambda run: phase(run.plan, run.state) == "awaiting approval")

    @pytest.mark.parametrize("verb", [Verb.APPROVE, Verb.PROMOTE_FULL])
    def test_R44_who_released_neither_approves_nor_overrides(self, verb: Verb) -> None:
        run = self.waiting(1)
        run.say(verb, actor="ada")
        run.tick()

        assert not approved(run.plan, run.state, run.state.step(run.plan))
        declined = run.journal[-1]
        assert (declined.type, declined.actor) == (EventType.COMMAND_RECEIVED, "ada")
        assert "ada released v2" in (declined.message or "")

    def test_R44_so_many_different_people_pass_a_step_and_each_stands_in_the_journal(self) -> None:
        run = self.waiting(2)
        for actor in ("bob", "bob", "ada"):
            run.say(Verb.APPROVE, actor=actor)
            run.tick()
            assert run.state.step(run.plan).name == "10 %"
        run.say(Verb.APPROVE, actor="eve")
        run.until(lambda run: run.state.step(run.plan).name == "50 %")

        said = [event for event in run.journal if event.type is EventType.HOLD_APPROVED]
        assert [(event.actor, event.message) for event in said] == [("bob", "1 of 2"), ("eve", None)]

    def test_R48_no_policy_is_asked_on_the_way_back(self) -> None:
        run = self.waiting(2)
        run.say(Verb.ABORT, actor="ada")

        assert run.to_the_end().state.outcome == "rolled_back"

    def test_without_a_policy_anyone_passes_a_step_alone(self) -> None:
        run = self.waiting(0)
        run.say(Verb.APPROVE, actor="ada")
        run.until(lambda run: run.state.step(run.plan).name == "50 %")
