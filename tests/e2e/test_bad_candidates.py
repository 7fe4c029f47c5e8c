"""What is wrong with the revision: it never becomes healthy, it crashes, it is slow to leave."""

from __future__ import annotations

import pytest
from house import House

pytestmark = pytest.mark.real


def test_a_good_release_loses_nothing_and_ends_with_the_new_revision_alone(house: House) -> None:
    house.first()
    house.build("v2")
    with house.users():
        done = house.run("deploy", "v2")

    assert done.code == 0, done.said
    assert "can go back" in done.said
    assert "undo without crossfade" in done.err
    assert house.revisions() == {"v2"}
    house.unharmed()
    house.whole()


def test_a_revision_that_never_gets_healthy_is_rolled_back_and_no_weight_ever_moved(house: House) -> None:
    house.first()
    house.spec(deadlines="ready: 30s")
    house.build("v2", "never-ready")
    with house.users():
        done = house.run("deploy", "v2")

    assert done.code == 4, done.said
    assert house.one("rollback.started")["cause"] == "late"
    assert not {"weight.requested", "weight.verified", "bake.started"} & set(house.types())
    assert set(house.unharmed().by_revision) == {"v1"}
    assert house.revisions() == {"v1"}
    why = house.run("explain")
    assert why.code == 0
    assert "v2" in why.out
    assert "late" in why.out or "not reached" in why.out


def test_a_candidate_that_crashes_under_traffic_is_rolled_back_and_only_its_own_requests_are_lost(
    house: House,
) -> None:
    house.first()
    house.spec(steps="{weight: 50%, bake: 3m}")
    house.build("v2", "crash-loop")
    with house.users():
        done = house.run("deploy", "v2")

    assert done.code == 4, done.said
    assert house.one("rollback.started")["cause"] in ("gate", "lost")
    gone = {int(line["pid"]) for line in house.app_lines() if line["revision"] == "v2"}
    found = house.receipt(dict.fromkeys(gone, "exited"))
    assert found.by_revision["v2"].requests > 0
    assert found.by_revision["v1"].failed == 0, found
    assert house.revisions() == {"v1"}
    print(found)
    assert found.failed_by_release_machinery == 0, found
