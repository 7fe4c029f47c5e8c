"""The stranger's script of examples/twin, as its README says: splits are fair, nothing is lost."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from crossfade.testing import Twin

pytestmark = pytest.mark.real

SCRIPT = Path(__file__).parents[2] / "examples" / "twin" / "shift.py"


def run(twin: Twin, *words: str, patience: float = 100) -> tuple[int, str]:
    env = {
        **os.environ,
        "AWS_ENDPOINT_URL": twin.endpoint,
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "twin",
        "AWS_SECRET_ACCESS_KEY": "twin",
        "NO_PROXY": "127.0.0.1",
    }
    words = (sys.executable, str(SCRIPT), *words)
    said = subprocess.run(words, env=env, capture_output=True, text=True, timeout=patience, check=False)
    return said.returncode, said.stdout + said.stderr


def test_weights_are_followed_and_nothing_is_lost_while_they_flip() -> None:
    with Twin() as twin:
        code, said = run(twin, "--flips", "8", "--requests", "2000", "--sample", "600", "--grace", "0.3")
        shifts = twin.actions(name="ModifyRule") + twin.actions(name="ModifyListener")
        left = twin.client("elbv2").describe_load_balancers()["LoadBalancers"]

    assert code == 0, said
    assert "lost 0" in said
    assert said.count("  ok") == 6
    assert len(shifts) == 6 + 8
    assert left == []


def test_without_an_endpoint_it_touches_no_account() -> None:
    env = {key: value for key, value in os.environ.items() if key != "AWS_ENDPOINT_URL"}

    said = subprocess.run(
        [sys.executable, str(SCRIPT)], env=env, capture_output=True, text=True, timeout=60, check=False
    )

    assert said.returncode != 0
    assert "AWS_ENDPOINT_URL is not set" in said.stderr


@pytest.mark.long
@pytest.mark.timeout(900)
def test_none_of_two_hundred_thousand_requests_is_lost_over_160_flips() -> None:
    with Twin() as twin:
        code, said = run(twin, "--flips", "160", "--requests", "205000", "--grace", "0.1", patience=800)

    sent = int(re.search(r"requests ([\d,]+), lost 0", said)[1].replace(",", ""))  # type: ignore[index]
    assert code == 0, said
    assert sent >= 200_000
