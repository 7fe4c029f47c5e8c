"""A warm-up in whole releases behind Envoy: a bad build is turned back before any user meets it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossfade.bootstrap import House
from crossfade.clocks import set_clock
from crossfade.dataplane import down
from crossfade.engine.opening import Wish
from crossfade.engine.records import Row
from crossfade.release.policy import Waivers
from crossfade.release.state import Outcome
from crossfade.release.values import EventType
from crossfade.spec.load import load_spec

pytestmark = pytest.mark.real

SPEC = """\
apiVersion: crossfade/v1
service: shop
platform:
  local:
    command: "{app} --port {{port}} --revision {{revision}} --behaviour {behaviour} --log {log}"
    port: 0
    instances: 1
    health: /healthz
    drain: 1s
    stop_grace: 1s
strategy: {{blue_green: {{bake: 20s, keep_old: 20s}}}}
gates: {{errors: {{against: stable, at_most: 2x}}}}
deadlines: {{ready: 20m, hook: 20m, no_data: 20s}}
judging: {{warm_up: 0s}}
hooks:
  before_traffic: [{{warm_up: {{paths: [/, "/checkout?card=secret"], for: 30s, rate: 5/s, mirror: 50%}}}}]
"""


class Shop:
    """One service behind a real Envoy, on a clock that runs twenty times as fast."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        set_clock(folder / ".crossfade", 20.0)
        self.house = House(folder / ".crossfade")
        self.log = folder / "apps.jsonl"

    def deploy(self, revision: str, behaviour: str) -> Row:
        """To its end; without users a blue-green release turns back when nothing is seen after its flip."""
        file = self.folder / "crossfade.yaml"
        file.write_text(
            SPEC.format(app=f"{sys.executable} -m crossfade.demo.app", behaviour=behaviour, log=self.log)
        )
        plan = self.house.open(load_spec(file), revision, Wish(actor="test", waivers=Waivers()))
        assert plan is not None
        self.house.controller().run(until=plan.release)
        return self.house.store.row(plan.release)

    def said(self, release: str, event: EventType) -> str:
        found = [
            entry.event for entry in self.house.store.entries(release=release) if entry.event.type is event
        ]
        return found[0].message or "" if found else ""

    def asked(self, revision: str, path: str) -> int:
        """How often this revision was asked for this path, by its own word."""
        lines = map(json.loads, self.log.read_text().splitlines())
        return sum(line["revision"] == revision and line["path"] == path for line in lines)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    try:
        yield made
    finally:
        made.house.hooks.close()
        made.house.store.close()
        down(tmp_path / ".crossfade")


@pytest.mark.timeout(90)
def test_R41_behind_envoy_both_sides_are_asked_and_a_bad_build_is_turned_back_before_any_user(
    shop: Shop,
) -> None:
    first = shop.deploy("v1", "good")
    bad = shop.deploy("v2", "one-path")

    assert first.outcome is Outcome.SUCCEEDED
    assert "no stable to compare with" in shop.said(first.id, EventType.HOOK_PASSED)
    assert bad.outcome is Outcome.ROLLED_BACK
    text = shop.said(bad.id, EventType.HOOK_FAILED)
    assert "500 on /checkout" in text
    assert "secret" not in text
    assert shop.said(bad.id, EventType.WEIGHT_REQUESTED) == ""
    assert shop.asked("v2", "/checkout") >= 75
    assert shop.asked("v1", "/checkout") >= shop.asked("v2", "/checkout") + 75
    assert shop.house.platform.document("shop").mirror == 0.0
