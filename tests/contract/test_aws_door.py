"""The door: whoever is behind it, it opens onto the one pinned account, and says why where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from alb_world import ACCOUNT, REGION, Twin, twin

from crossfade.aws import Door, Where
from crossfade.errors import AccessError, UsageError
from crossfade.twin.faults import Fault


@pytest.fixture(scope="module")
def cloud() -> Iterator[Twin]:
    with twin() as made:
        yield made


@pytest.fixture
def where(cloud: Twin) -> Iterator[Where]:
    yield Where(account=ACCOUNT, region=REGION, endpoint=cloud.endpoint)
    cloud.faults.remove()


def test_R47_who_we_are_is_said_and_another_account_is_refused(where: Where) -> None:
    assert Door(where).prove().account == ACCOUNT

    with pytest.raises(AccessError) as refused:
        Door(replace(where, account="999999999999")).prove()
    assert refused.value.id == "CF4303"


def test_R47_an_endpoint_that_is_no_twin_is_not_asked_for_anything(where: Where) -> None:
    with pytest.raises(AccessError) as nobody:
        Door(replace(where, endpoint="http://127.0.0.1:9")).prove()
    assert nobody.value.id == "CF4304"

    with pytest.raises(UsageError) as elsewhere:
        Door(replace(where, endpoint="http://elasticloadbalancing.eu-west-1.amazonaws.com"))
    assert elsewhere.value.id == "CF4301"


def test_a_role_is_assumed_once_for_all_clients(cloud: Twin, where: Where) -> None:
    door = Door(replace(where, role="release/crossfade-release"))
    since = cloud.server.recorder.since(0)[1]

    who = door.prove()
    door.client("elbv2").describe_load_balancers()
    door.client("cloudwatch").list_metrics()

    assert who.account == ACCOUNT
    assert ":assumed-role/crossfade-release/crossfade" in who.arn or ":assumed-role/release/" in who.arn
    actions, _ = cloud.server.recorder.since(since)
    assert [one.action for one in actions].count("AssumeRole") == 1


def test_a_role_that_may_not_be_assumed_is_a_permission_that_is_missing(cloud: Twin, where: Where) -> None:
    cloud.faults.add(
        Fault(kind="fail_before", probability=1.0, status=403, code="AccessDenied", action="AssumeRole")
    )

    with pytest.raises(AccessError) as denied:
        Door(replace(where, role="crossfade-release")).prove()

    assert denied.value.id == "CF4305"
    assert "AssumeRole" in denied.value.what
