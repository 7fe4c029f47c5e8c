"""R33 and R34: the controller dies at every point, and at pairs of points, in virtual time."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from heart_run import Run, a_run
from heart_world import KINDS
from strategies import LONG

from crossfade.release.values import EventType, HookSay, RunHook, Say, Verb

Trace = list[tuple[str, str | None, int | None]]
ENDINGS = ("good", "bad", "aborted")


def release(kind: str, ending: str, crashes: frozenset[int] = frozenset(), down: float = 7) -> Run:
    """One release from its opening to its end; the story outside hangs on its events, not on the clock."""
    run = a_run(kind)
    run.crash_at, run.down = set(crashes), timedelta(seconds=down)
    said = False
    for _ in range(1500):
        if run.ended:
            return run
        step = run.state.step(run.plan)
        if step.approval and run.state.hold is not None and not run.inbox:
            run.say(Verb.APPROVE, step=step.name)
        if ending == "bad":
            run.world.says = {"errors": Say.FAIL} if step.world.weight > 0 else {}
            if kind == "first":
                run.world.hook_says = HookSay.FAILED
        if ending == "aborted" and run.state.index >= 1 and run.state.reached is not None and not said:
            said = True
            run.say(Verb.ABORT)
        run.tick()
    raise AssertionError(run.state)


SOONER = [
    kind if kind in ("canary", "first") else pytest.param(kind, marks=pytest.mark.long) for kind in KINDS
]
"""These walk in seconds; the others have no kind of step that the long form does not walk too."""


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", SOONER)
def test_R33_killed_at_any_point_the_trace_is_the_same(kind: str, ending: str) -> None:
    whole = release(kind, ending)
    expected = whole.trace()
    for point in range(1, whole.points + 1):
        assert release(kind, ending, frozenset({point})).trace() == expected, point


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", SOONER)
def test_R33_killed_at_two_points_for_longer_than_any_deadline_the_trace_is_the_same(
    kind: str, ending: str
) -> None:
    """All pairs are walked by the long form; here as many by chance as time allows."""
    whole = release(kind, ending)
    expected = whole.trace()
    for _ in range(4 * LONG):
        pair = frozenset(random.sample(range(1, whole.points + 2), 2))
        assert release(kind, ending, pair, down=3600).trace() == expected, pair


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_R33_killed_at_every_pair_of_points_the_trace_is_the_same(kind: str, ending: str) -> None:
    whole = release(kind, ending)
    expected = whole.trace()
    for one in range(1, whole.points + 1):
        for two in range(one + 1, whole.points + 2):
            assert release(kind, ending, frozenset({one, two}), down=3600).trace() == expected, (one, two)


def test_R33_a_hook_is_run_again_under_its_one_key_when_its_start_was_lost() -> None:
    run = a_run().at("verifying")
    run.until(lambda run: EventType.HOOK_STARTED in run.types())
    run.world.hooks.clear()
    run.to_the_end()
    runs = [effect for effect in run.world.writes if effect == RunHook(key="r-us:before:0")]

    assert len(runs) == 2
    assert run.types().count(EventType.HOOK_PASSED) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_R34_every_effect_done_twice_equals_once(kind: str) -> None:
    once, twice = release(kind, "good"), a_run(kind)
    twice.double = 10**6
    while not twice.ended:
        if twice.state.hold is not None:
            twice.say(Verb.APPROVE, step=twice.state.step(twice.plan).name)
        twice.tick()

    assert twice.trace() == once.trace() or kind == "approvals"
    assert twice.world.honest() == once.world.honest()
