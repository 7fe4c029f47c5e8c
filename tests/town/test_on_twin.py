"""A release behind a load balancer, by the CLI, on a twin: through boto3 to the last request of a user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cloud import Cloud

from crossfade.demo.behaviour import Behaviour
from crossfade.testing import Twin

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

EASY = """
signals: {scrape: {every: 5s}}
gates:
  errors: {must_see: 90%}
  latency: {at: [p99], must_see: 90x}
judging: {warm_up: 1s}
"""
"""What is found out here is whether everything is connected, not how sharp the judge is."""


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with Twin(clock=20) as twin:
        made = Cloud(tmp_path, twin)
        try:
            yield made
        finally:
            made.close()


@pytest.mark.long  # `tests/long/on_twin.py --short` is the same at CI
def test_a_slow_release_is_caught_at_its_first_weight_and_nobody_is_lost(cloud: Cloud) -> None:
    cloud.build("v1")
    cloud.build("v2", Behaviour.SLOW)
    cloud.serve("v1")
    cloud.write(more=EASY)
    with cloud.users(250):
        said = cloud.run("deploy", "v2", "--output", "plain", patience=200)
    receipt = cloud.receipt()

    assert said.code == 4, said
    assert "GATE failed step=1/3 weight=10% gate=latency" in said.out
    assert cloud.weights() == [(999, 0)]
    assert receipt.requests > 1000
    assert receipt.failed_by_release_machinery == receipt.dropped_connections == 0
