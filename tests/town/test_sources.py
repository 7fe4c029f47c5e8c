"""Releases judged by what the instances count themselves: the same story, told by another source."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from town import Town

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

APP = Path(__file__).with_name("counting_app.py")


def builds(town: Town) -> None:
    for revision, bad in (("v1", 0.0), ("v2", 0.0), ("v3", 0.5)):
        script = town.folder / "builds" / revision
        words = " ".join(map(shlex.quote, (sys.executable, str(APP))))
        script.write_text(f'#!/bin/sh\nexec {words} --bad {bad} "$@"\n')
        script.chmod(0o755)
    town.write(command='"builds/{revision} --port {port}"', more="signals: {scrape: {every: 5s}}")


@pytest.mark.long
def test_a_bad_release_is_stopped_by_its_own_counters_and_a_good_one_is_not(town: Town) -> None:
    builds(town)
    town.first()
    with town.users(150):
        good = town.run("deploy", "v2", "--output", "quiet")
        bad = town.run("deploy", "v3", "--output", "quiet")
    told = json.loads(town.run("explain", "--json").out)
    replayed = town.run("gate", "replay")

    assert good.code == 0, good
    assert bad.code == 4, bad
    assert "scrape of /metrics" in json.dumps(told)
    assert replayed.code == 0, replayed


def test_plan_tells_who_counts_and_how_soon_that_stops_a_release(town: Town) -> None:
    builds(town)
    town.first()
    with town.users(50):
        said = town.run("plan", "v2", "--traffic", "50/s")

    assert said.code == 0, said
    assert "counted by" in said.out
    assert "scrape" in said.out
