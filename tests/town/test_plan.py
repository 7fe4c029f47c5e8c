"""`crossfade plan` on a real service: it tells the release that comes, and touches nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from town import Said, Town, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

ROLLING = "{rolling: {surge: 1, bake: 10s}}"
MOVING = (
    "journal.db-wal",
    "journal.db-shm",
    "access.log",
    "apps.jsonl",
    "client.jsonl",
    "client.jsonl.stats",
)
"""What SQLite keeps beside an open file, and what users and apps write while they are served."""


def content(folder: Path) -> dict[str, str]:
    """Every file by the hash of what is in it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name.removesuffix(".stats") not in MOVING
    }


def planned(town: Town, *words: str) -> dict[str, Any]:
    said = town.run("plan", *words, "--output", "json")
    assert said.code == 0, said
    found: dict[str, Any] = json.loads(said.out)
    return found


def ids(said: dict[str, Any]) -> list[str]:
    return [one["id"] for one in said["objections"]]


def test_a_service_that_was_never_up_is_planned_as_its_first_release_and_nothing_is_made(town: Town) -> None:
    before = content(town.folder)
    said = planned(town, "v1")
    code = town.run("plan", "v1", "--exit-code").code

    assert (said["would"], said["stable"], code) == ("release", None, 10)
    assert [step["step"] for step in said["steps"]] == ["provisioning", "verifying", "promoting"]
    assert content(town.folder) == before
    assert [path.name for path in town.state.iterdir()] == ["clock.json"]


@pytest.mark.long
def test_what_was_planned_is_what_happens_and_planning_changes_nothing(town: Town) -> None:
    town.write(strategy=ROLLING, instances=3)
    town.first()
    with town.users():
        until(lambda: planned(town, "v2")["detection"] != [], 40.0, lambda: "no traffic was measured")
        before, journal = content(town.folder), town.events()
        said, screen = planned(town, "v2"), town.run("plan", "v2", "--exit-code")
        after = content(town.folder)
        done = town.run("deploy", "v2", "--output", "quiet", patience=120)
    happened = [event["step"] for event in town.events() if event["type"] == "weight.verified"]

    assert after == before
    assert journal[-1]["type"] == "release.succeeded"
    assert (screen.code, done.code) == (10, 0), (screen, done)
    assert "v1 -> v2   rolling on local, 3 instances" in screen.out
    assert max(len(line) for line in screen.out.splitlines() if str(town.folder) not in line) <= 100
    assert said["traffic"]["source"] == "measured"
    assert said["way_back"]["now"].startswith("can go back: yes, to v1, in seconds")
    assert {step["step"] for step in said["steps"] if step["kind"] == "shifting"} == set(happened)
    assert town.receipt().failed_by_release_machinery == 0


@pytest.mark.long
def test_each_reason_to_refuse_is_told_before_deploy_says_it(town: Town) -> None:
    town.build("v3", "never-ready")
    assert town.run("plan", "v9").code == 2
    town.first()
    nothing: Said = town.run("plan", "v1", "--exit-code")
    town.write(more="deadlines: {ready: 20s}")
    bad = town.run("deploy", "v3", "--output", "quiet", patience=90)
    again = planned(town, "v3")
    code, refused = town.run("plan", "v3", "--exit-code").code, town.run("deploy", "v3", "--output", "quiet")
    assert town.run("local", "down", "--yes").code == 0
    stopped = planned(town, "v2", "--traffic", "50/s")

    assert (nothing.code, nothing.out) == (0, "v1 is what shop runs already: nothing to do\n")
    assert (bad.code, ids(again)) == (4, ["CF3021"])
    assert (code, refused.code) == (11, 11)
    assert "CF3021" in refused.err
    assert ids(stopped) == ["CF3006"]
    assert stopped["objections"][0]["fix"] == "crossfade local up"
    assert stopped["traffic"] == {
        "requests_per_s": 50.0,
        "source": "given",
        "over_s": 0.0,
        "why": None,
        "stable_errors": None,
    }
    assert stopped["detection"] != []
    assert stopped["way_back"]["now"].startswith("can go back: unknown")
    assert (town.state / "down").exists(), "it was not started to look"


@pytest.mark.long
def test_R22_a_running_release_is_named_and_the_plan_is_shown_all_the_same(town: Town) -> None:
    town.first()
    assert town.run("deploy", "v2", "--detach").code == 130
    said, code = planned(town, "v4"), town.run("plan", "v4", "--exit-code").code
    assert town.run("abort", "--reason", "enough").code == 0
    town.wait_for("rolled_back")

    assert ids(said) == ["CF5022"]
    assert code == 11
    assert said["candidate"] == "v4"
    assert said["steps"] != []


def test_a_rate_without_its_unit_is_refused(town: Town) -> None:
    said = town.run("plan", "v1", "--traffic", "50")

    assert said.code == 2
    assert "50/s" in said.err
