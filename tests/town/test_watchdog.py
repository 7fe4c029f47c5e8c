"""The dead man's switch under traffic: a runner dies at 10 %, nothing is restarted, and nobody is lost."""

from __future__ import annotations

import signal

import pytest

from crossfade.release.state import Outcome
from town import CANARY, Town, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

LONG_BAKE = CANARY.replace("10%, bake: 20s", "10%, bake: 600s")
HASTE = ("--gone-for", "20s")


def test_a_runner_that_dies_at_10_percent_is_taken_back_by_a_watchdog_and_nobody_is_lost(town: Town) -> None:
    town.write(strategy=LONG_BAKE)
    town.first()
    nothing = town.run("watchdog", "--once", *HASTE)
    with town.users():
        process = town.start("deploy", "v2", "--output", "plain")
        town.wait_for("baking")
        driven = town.run("watchdog", "--once", *HASTE)
        process.kill()
        process.wait()
        too_soon = town.run("watchdog", "--once", *HASTE)
        watching = town.start("watchdog", *HASTE)
        other = town.start("watchdog", "--gone-for", "20s", "--json")
        until(lambda: outcome(town) is not None, 60, lambda: town.run("status").out)
        for one in (watching, other):
            one.send_signal(signal.SIGTERM)
        codes = [watching.wait(30), other.wait(30)]
    turned = [event for event in town.events() if event["type"] == "rollback.started"]
    said = (town.folder / "said-watchdog---gone-for.txt").read_text()

    assert [nothing.code, driven.code, too_soon.code] == [0, 0, 0]
    assert "no release here was left alone" in driven.out
    assert outcome(town) is Outcome.ROLLED_BACK
    assert len(turned) == 1
    assert turned[0]["actor"] == "watchdog"
    assert f"process {process.pid} on " in turned[0]["reason"]
    assert codes == [0, 0]
    assert said.count("turning it back") == 1, said
    assert "RELEASE rolled_back" in said or "release.rolled_back" in said, said
    assert town.receipt().failed_by_release_machinery == 0
    assert town.run("history", "--verify").code == 0


@pytest.mark.long
def test_a_paused_release_is_left_to_a_controller_that_lives_and_taken_from_a_dead_one(town: Town) -> None:
    town.write(strategy=LONG_BAKE)
    town.first()
    with town.users():
        process = town.start("deploy", "v2", "--output", "plain")
        town.wait_for("baking")
        town.run("pause", "--reason", "lunch")
        left = town.run("watchdog", "--once", *HASTE)
        process.kill()
        process.wait()
        taken = town.run("watchdog", "--once", "--gone-for", "20s", "--within", "10s")
        until(
            lambda: "turning it back" in town.run("watchdog", "--once", *HASTE).out, 60, lambda: "not taken"
        )

    assert left.code == taken.code == 0
    assert outcome(town) is Outcome.ROLLED_BACK
    assert town.receipt().failed_by_release_machinery == 0


@pytest.mark.long
def test_what_was_promoted_is_seen_through_when_its_runner_is_gone(town: Town) -> None:
    town.write(strategy=CANARY.replace("keep_old: 20s", "keep_old: 300s"))
    town.first()
    with town.users():
        process = town.start("deploy", "v2", "--output", "plain")
        town.wait_for("keeping", 60)
        process.kill()
        process.wait()
        taken = [town.run("watchdog", "--once", *HASTE)]
        while "to its end" not in taken[-1].out and len(taken) < 40:
            taken.append(town.run("watchdog", "--once", *HASTE, patience=120))
    heard = [event for event in town.events() if event["type"] == "command.received"]

    assert taken[-1].code == 0, taken[-1]
    assert "RELEASE succeeded" in taken[-1].out
    assert [(event["verb"], event["actor"]) for event in heard] == [("resume", "watchdog")]
    assert outcome(town) is Outcome.SUCCEEDED
    assert town.receipt().failed_by_release_machinery == 0


def outcome(town: Town) -> Outcome | None:
    house = town.house
    try:
        return house.store.releases(limit=1)[0].outcome
    finally:
        house.store.close()
