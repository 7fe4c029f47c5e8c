"""`demo --twin`: the same story behind a load balancer of a laptop AWS, to the same receipt."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(600)]


def test_the_good_one_is_promoted_the_bad_one_caught_and_nothing_is_lost() -> None:
    words = [sys.executable, "-m", "crossfade", "demo", "--twin", "--json", "--rate", "100"]
    told = subprocess.run(words, check=False, capture_output=True, text=True)
    receipt = json.loads(told.stdout.splitlines()[-1])

    assert told.returncode == 0, told.stderr
    assert [one["outcome"] for one in receipt["releases"]] == ["succeeded", "rolled_back"]
    assert receipt["failed_by_release_machinery"] == receipt["dropped_connections"] == 0
    assert receipt["time_compression"] == 20.0
    assert receipt["releases"][1]["restore_s"] is not None
