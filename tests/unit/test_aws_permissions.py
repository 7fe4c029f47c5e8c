"""The words IAM asks for, from the words the APIs have."""

from __future__ import annotations

import botocore.session  # type: ignore[import-untyped]
import pytest

from crossfade.aws.permissions import Call, partition, permission


@pytest.mark.parametrize(
    ("service", "action", "said"),
    [
        ("elbv2", "ModifyRule", "elasticloadbalancing:ModifyRule"),
        ("cloudwatch", "GetMetricData", "cloudwatch:GetMetricData"),
        ("s3", "PutObject", "s3:PutObject"),
        ("s3", "HeadObject", "s3:GetObject"),
        ("s3", "ListObjectsV2", "s3:ListBucket"),
        ("s3", "DeleteObjects", "s3:DeleteObject"),
        ("sts", "GetCallerIdentity", None),
        ("sts", "AssumeRole", "sts:AssumeRole"),
    ],
)
def test_iam_asks_for_its_own_word(service: str, action: str, said: str | None) -> None:
    assert permission(service, action) == said
    assert Call(service=service, action=action).permission == said


def test_the_partition_of_every_region_that_botocore_knows_is_told() -> None:
    session = botocore.session.get_session()
    known = {
        region: name
        for name in session.get_available_partitions()
        for service in ("ec2", "elbv2", "s3")
        for region in session.get_available_regions(service, name)
    }

    assert len(known) > 30
    assert {region: partition(region) for region in known} == known
