"""Every strategy on this machine, as people type it: real Envoy, real processes, users all the while."""

from __future__ import annotations

import pytest

from town import Town

pytestmark = [pytest.mark.long, pytest.mark.real, pytest.mark.timeout(240)]

KEPT = "keep_old: 20s"
STRATEGIES = {
    "blue_green": f"{{blue_green: {{bake: 20s, hold_back: 5%, {KEPT}}}}}",
    "linear": f"{{linear: {{step: 40%, every: 12s, {KEPT}}}}}",
    "hybrid": f"{{hybrid: {{steps: [{{weight: 10%, bake: 12s}}, {{weight: 50%, bake: 12s}}], {KEPT}}}}}",
    "rolling": "{rolling: {surge: 1, bake: 12s}}",
    "rolling with some missing": "{rolling: {surge: 1, unavailable: 1, bake: 12s}}",
}


WEIGHTS = {
    "blue_green": [95, 100],
    "linear": [40, 80],
    "hybrid": [10, 50],
    "rolling": [25, 50, 75, 100],
    "rolling with some missing": [33.3, 75, 100],
}


def weights(town: Town) -> list[float]:
    return [event["weight"] for event in town.events() if event["type"] == "weight.verified"]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_good_release_loses_nobody_and_a_bad_one_is_sent_home(town: Town, name: str) -> None:
    town.write(strategy=STRATEGIES[name], instances=4)
    # Beside 5 % of the traffic it takes about a hundred errors to be sure: longer than this bake.
    behaviour = "crash-loop" if "hold_back" in STRATEGIES[name] else "erroring"
    town.build("v3", behaviour)
    town.first()
    with town.users(150):
        good = town.run("deploy", "v2", "--output", "plain", patience=120)
        reached = weights(town)
    of_the_good = town.receipt()
    with town.users(150):
        bad = town.run("deploy", "v3", "--output", "plain", patience=120)
    of_the_bad = town.receipt()

    assert good.code == 0, good
    assert reached == WEIGHTS[name]
    assert bad.code == 4, bad
    assert town.serving() == "v2"
    assert of_the_good.requests > 500
    assert of_the_good.failed_by_release_machinery == of_the_good.dropped_connections == 0
    # What a crashed process had in its hands is lost with it, and by nobody else's doing.
    if behaviour == "erroring":
        assert of_the_bad.failed_by_release_machinery == of_the_bad.dropped_connections == 0
