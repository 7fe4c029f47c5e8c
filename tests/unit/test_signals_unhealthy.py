"""The gate on the candidate's instances: unwell for too long, starting over and over, or leaking."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from signals_world import PLAN, Desk, Health, Paced

from crossfade.release.values import Say, Verdict

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


MB = 1_000_000
UNHEALTHY = {"unhealthy": {"max": 0, "hold_for_s": 30.0, "memory_bytes": 512 * MB}}
WATCHED = replace(PLAN, judging={**PLAN.judging, "unhealthy": UNHEALTHY})


def leaking(desk: Desk, until: float, *, since: float = 0.0, every: float = 1.0) -> Verdict:
    """A look each second of clock at a candidate of which one instance grows 30 MB a minute."""
    state, at = desk.baking(), since
    while True:
        desk.health.bytes = {"c1": int((60 + at / 2) * MB), "c2": 60 * MB, "s1": 50 * MB}
        found = desk.look(at, state, WATCHED)["unhealthy"]
        at += every
        if at > until or found.say is Say.FAIL:
            return found


def test_a_leak_fails_the_gate_in_words_of_memory() -> None:
    found = leaking(Desk(), 200)

    assert found.say is Say.FAIL
    assert found.text.startswith("memory of instance c1 grows 30 MB a minute: 512 MB in 14 minutes; stable's")
    assert set(found.numbers) == {"memory"}


def test_memory_is_judged_only_where_a_limit_was_given() -> None:
    desk = Desk()
    state = desk.baking()
    for at in range(0, 200, 5):
        desk.health.bytes = {"c1": at * 10 * MB, "c2": 60 * MB, "s1": 50 * MB}
        found = desk.look(at, state)["unhealthy"]

    assert found.say is Say.PASS
    assert "memory" not in found.text
    assert sum("health" in entry for entry in desk.memory.intervals("r1")) == 1


def test_before_traffic_memory_says_nothing_and_keeps_nobody_waiting() -> None:
    desk = Desk()
    desk.health.bytes = {"c1": 60 * MB, "s1": 50 * MB}
    found = desk.look(20, desk.baking(index=0), WATCHED)["unhealthy"]

    assert (found.say, found.text) == (Say.PASS, "2 of 2 healthy")


def test_a_good_candidate_waits_for_the_gauge_and_passes_with_both_words() -> None:
    desk = Desk()
    state = desk.baking()
    desk.health.bytes = {"c1": 60 * MB, "c2": 60 * MB, "s1": 50 * MB}
    said = [desk.look(at, state, WATCHED)["unhealthy"] for at in range(0, 80, 5)]

    assert said[0].say is Say.NOT_YET
    assert said[0].text == "memory 60 MB of 512 MB, watched for 0 s of 60 s after the warm-up"
    assert said[-1].say is Say.PASS
    assert said[-1].text == "2 of 2 healthy; memory 60 MB of 512 MB, does not grow"


def test_the_worse_of_states_and_memory_is_the_verdict() -> None:
    desk = Desk(health=Health(candidate=SICK))
    desk.health.bytes = {"c1": 60 * MB, "c2": 60 * MB, "s1": 50 * MB}
    state = desk.baking()
    said = [desk.look(at, state, WATCHED)["unhealthy"] for at in (0, 10, 40)]

    assert [one.say for one in said] == [Say.NOT_YET, Say.NOT_YET, Say.FAIL]
    assert said[-1].text == "more than 0 of the candidate's instances unhealthy for 40 s"


def test_R24_memory_that_cannot_be_read_is_no_data() -> None:
    found = Desk().look(20, Desk().baking(), WATCHED)["unhealthy"]

    assert found.say is Say.NO_DATA
    assert found.text == "the memory of the candidate's instances could not be read"


def test_R27_what_memory_showed_survives_the_controller() -> None:
    whole, killed = Desk(), Desk()
    before = leaking(killed, 60)
    after = leaking(killed.again(), 80, since=61)
    expected = leaking(whole, 80)

    assert before.say is Say.NOT_YET
    assert (after.say, after.text, after.numbers) == (expected.say, expected.text, expected.numbers)


def test_on_a_fast_clock_memory_is_judged_by_seconds_of_the_clock() -> None:
    fast = Desk(pace=Paced(10.0))
    found = leaking(fast, 300, every=10.0)

    assert found.say is Say.FAIL
    assert "grows 30 MB a minute" in found.text
