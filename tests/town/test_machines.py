"""State off the machine: what one runner began is seen, continued and taken back from any other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import Cloud, Machine, at_10_percent, cloud

from town import until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(420)]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Cloud]:
    with cloud(tmp_path) as one:
        yield one


def past(machine: Machine, made: Cloud) -> list[tuple[str, str]]:
    """Revision and outcome of every release, newest first, from the bucket alone."""
    said = machine.run("history", "--json", "--state", made.url)
    assert said.code == 0, said
    return [(one["candidate"], one["outcome"]) for one in json.loads(said.out)["releases"]]


def empty(made: Cloud, name: str) -> Machine:
    """A machine without a checkout."""
    (made.folder / name).mkdir()
    return Machine(made.folder / name)


def test_a_runner_dies_at_10_percent_with_its_folder_and_a_watchdog_elsewhere_restores(made: Cloud) -> None:
    runner, elsewhere = made.machine("runner"), empty(made, "elsewhere")
    first = runner.run("deploy", "v1", "--output", "plain")
    watch = ("watchdog", "--once", "--state", made.url, "--gone-for", "20s")
    with made.users():
        process = runner.start("deploy", "v2", "--output", "plain")
        at_10_percent(made, process)
        alive = elsewhere.run(*watch, apart=True)
        runner.lost(process)
        taken = [elsewhere.run(*watch, apart=True, patience=170)]
        while "turning it back" not in taken[-1].out and len(taken) < 30:
            taken.append(elsewhere.run(*watch, apart=True, patience=170))
    asked, bad = made.answers()

    assert first.code == 0, first
    assert (alive.code, "no release here was left alone" in alive.out) == (0, True), alive
    assert taken[-1].code == 0, taken[-1]
    assert "RELEASE rolled_back" in taken[-1].out
    assert "actor=watchdog" in taken[-1].out
    assert made.weights() == {0, 999}
    assert past(elsewhere, made) == [("v2", "rolled_back"), ("v1", "succeeded")]
    assert elsewhere.run("history", "--verify", "--state", made.url).out == "the journal is whole\n"
    assert asked > 500
    assert bad == []
    assert list(elsewhere.folder.iterdir()) == [], "looking leaves nothing"


def test_another_machine_goes_on_with_what_a_lost_runner_began(made: Cloud) -> None:
    runner, other = made.machine("runner", bake="5m"), made.machine("other", bake="5m")
    runner.run("deploy", "v1", "--output", "plain")
    with made.users():
        process = runner.start("deploy", "v2", "--output", "plain")
        at_10_percent(made, process)
        seen = other.run("status", apart=True)
        held = other.run("deploy", "v4", "--output", "plain", apart=True)
        runner.lost(process)
        resumed = other.run(
            "resume", "--reason", "the runner is gone", "--output", "plain", apart=True, patience=200
        )
    asked, bad = made.answers()

    assert "driven by    process " in seen.out
    assert held.code == 8, held
    assert resumed.code == 0, resumed
    assert "adopting" in resumed.err
    assert "RELEASE succeeded" in resumed.out
    assert past(other, made) == [("v2", "succeeded"), ("v1", "succeeded")]
    assert asked > 500
    assert bad == []


def test_R22_of_two_runners_that_race_for_a_service_one_wins_and_the_other_exits_8(made: Cloud) -> None:
    one, two = made.machine("one"), made.machine("two")
    one.run("deploy", "v1", "--output", "plain")
    runners = {
        one: one.start("deploy", "v2", "--output", "plain"),
        two: two.start("deploy", "v4", "--output", "plain"),
    }
    until(lambda: any(one.poll() is not None for one in runners.values()), 60, lambda: "both run on")
    loser = next(machine for machine, process in runners.items() if process.poll() is not None)
    winner = two if loser is one else one
    said = (loser.folder / "said.txt").read_text()
    back = loser.run("abort", "--reason", "enough", "--output", "quiet", patience=170)
    runners[winner].wait(60)

    assert runners[loser].returncode == 8, said
    assert "CF5022 " in said
    assert "holds shop" in said
    assert back.code == 0, back
    assert runners[winner].returncode == 5
    assert len(past(loser, made)) == 2
