"""The door to AWS, held against a twin: whose credentials reach it, and as whom it goes through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crossfade.aws import Door, Where, calling
from crossfade.errors import AccessError, UsageError
from crossfade.testing import Twin

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    with Twin() as made:
        yield made


def where(twin: Twin, **more: str) -> Where:
    said = {"account": twin.account, "region": twin.region, "endpoint": twin.endpoint, **more}
    return Where(**said)


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_a_profile_of_the_environment_does_not_reach_a_twin(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "nobody-has-this")

    assert Door(where(twin)).prove().account == twin.account


def test_files_and_proxies_of_the_environment_do_not_reach_a_twin(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default]\nregion = nowhere-1\nendpoint_url = https://192.0.2.1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://192.0.2.1")
    for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://192.0.2.1:3128")

    assert Door(where(twin)).prove().account == twin.account


def test_a_role_is_assumed_and_renews_itself(twin: Twin) -> None:
    door = Door(where(twin, role="release"))

    arn = f"arn:aws:sts::{twin.account}:assumed-role/release/crossfade"
    assert door.prove().arn == arn
    assert [one["done"] for one in twin.actions(name="AssumeRole")] == [True]
    assert door.client("elbv2").describe_target_groups()["TargetGroups"] == []


def test_R47_another_account_is_refused_before_anything_is_written(twin: Twin) -> None:
    with pytest.raises(AccessError, match="not of 999999999999") as told:
        Door(where(twin, account="999999999999")).prove()

    assert told.value.id == "CF4303"


@pytest.mark.parametrize("endpoint", ["https://127.0.0.1:1", "http://192.0.2.1:80", "http://example.com"])
def test_R47_what_is_signed_for_a_twin_does_not_leave_this_machine(endpoint: str) -> None:
    with pytest.raises(UsageError) as told:
        Door(Where(account="1", region="eu-west-1", endpoint=endpoint))

    assert told.value.id == "CF4301"


def test_a_profile_that_is_not_there_is_said_to_be_a_matter_of_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this")

    with pytest.raises(AccessError, match="no credentials") as told, calling("sts", "GetCallerIdentity"):
        Door(Where(account="123456789012", region="eu-west-1")).client("sts")

    assert told.value.id == "CF4305"
