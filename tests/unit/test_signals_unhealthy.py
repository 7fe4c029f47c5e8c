"""The gate on the candidate's instances: unwell for too long, or starting over and over."""

from __future__ import annotations

from datetime import timedelta

from signals_world import Desk, Health

from crossfade.release.values import Say

WELL = [("c1", "ready", 0), ("c2", "ready", 0)]
SICK = [("c1", "ready", 0), ("c2", "unhealthy", 0)]


def test_healthy_instances_pass_for_as_long_as_the_step_was_watched() -> None:
    desk = Desk()
    found = desk.look(20, desk.baking(index=0))["unhealthy"]

    assert found.say is Say.PASS
    assert found.covers == timedelta(seconds=19.5)
    assert found.text == "2 of 2 healthy"


def test_unhealthy_for_the_limit_fails_and_for_less_holds() -> None:
    desk = Desk()
    state = desk.baking(index=0)
    desk.look(10, state)
    desk.health.candidate = SICK

    said = [desk.look(now, state)["unhealthy"].say for now in (11, 40, 41)]

    assert said == [Say.NOT_YET, Say.NOT_YET, Say.FAIL]


def test_R27_since_when_an_instance_is_unwell_survives_the_controller() -> None:
    desk = Desk(health=Health(candidate=SICK))
    state = desk.baking(index=0)
    desk.look(10, state)

    assert desk.again().look(41, state)["unhealthy"].say is Say.FAIL


def test_instances_that_come_or_go_by_our_own_hand_are_not_unhealthy() -> None:
    leaving = [*WELL, ("c3", "starting", 0), ("c4", "draining", 0), ("c5", "stopping", 2)]
    found = Desk(health=Health(candidate=leaving)).look(20, Desk().baking(index=0))["unhealthy"]

    assert found.say is Say.PASS


def test_two_restarts_in_a_step_in_which_stable_had_none_are_a_crash_loop() -> None:
    desk = Desk()
    state = desk.baking(index=0)
    desk.look(10, state)
    desk.health.candidate = [("c1", "ready", 1), ("c9", "ready", 1)]
    found = desk.look(30, state)["unhealthy"]

    assert found.say is Say.FAIL
    assert found.text == "2 restarts of the candidate, none of stable"


def test_restarts_that_stable_has_too_are_the_machines_fault() -> None:
    desk = Desk()
    state = desk.baking(index=0)
    desk.look(10, state)
    desk.health.candidate = [("c1", "ready", 1), ("c9", "ready", 1)]
    desk.health.stable = [("s2", "ready", 1)]

    assert desk.look(30, state)["unhealthy"].say is Say.PASS


def test_restarts_before_the_first_look_are_not_this_steps() -> None:
    desk = Desk(health=Health(candidate=[("c1", "ready", 4)]))

    assert desk.look(20, desk.baking(index=0))["unhealthy"].say is Say.PASS


def test_R24_no_instance_at_all_and_no_answer_are_no_data_with_words_of_their_own() -> None:
    empty, broken = Desk(health=Health(candidate=[])), Desk(health=Health(problem=OSError("refused")))
    state = empty.baking(index=0)

    nobody, nothing = empty.look(20, state)["unhealthy"], broken.look(20, state)["unhealthy"]

    assert (nobody.say, nothing.say) == (Say.NO_DATA, Say.NO_DATA)
    assert nobody.text != nothing.text
