"""The door to AWS, against moto: whose credentials a client has."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3  # type: ignore[import-untyped]
import pytest
from moto import mock_aws

from crossfade.aws import Door, Where
from crossfade.errors import AccessError

ACCOUNT = "123456789012"


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield


def test_without_a_role_it_is_whoever_the_normal_chain_finds() -> None:
    who = Door(Where(account=ACCOUNT, region="eu-west-1")).prove()

    assert who.account == ACCOUNT
    assert "assumed-role" not in who.arn


def test_a_named_role_is_assumed_for_every_client() -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    boto3.client("iam", region_name="eu-west-1").create_role(
        RoleName="crossfade-release", AssumeRolePolicyDocument=json.dumps(trust)
    )
    door = Door(Where(account=ACCOUNT, region="eu-west-1", role="crossfade-release"))

    assert door.prove().arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/crossfade-release/crossfade"
    assert door.client("elbv2")._request_signer._credentials.method == "assume-role"


def test_R47_another_account_is_refused() -> None:
    with pytest.raises(AccessError, match=f"are of account {ACCOUNT}, not of 210987654321"):
        Door(Where(account="210987654321", region="eu-west-1")).prove()
