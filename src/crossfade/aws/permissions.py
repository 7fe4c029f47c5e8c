"""
Which calls are made on AWS, as values: `render iam` makes the policy of them, `doctor` asks for each.

Whoever calls AWS declares it beside the code that does, as `calls(…) -> tuple[Call, …]` with the ARNs
of this very service. A test holds both sides together: a call that was not declared fails it, and so
does a declared one that nobody makes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ANY: Final = ("*",)
"""For reads whose action knows no resources: AWS then demands `*`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One line of a statement's `Condition`; all of a call's must hold."""

    operator: str
    """As IAM spells it: `StringLike`, `ForAllValues:StringEquals`."""
    key: str
    """As IAM spells it: `s3:prefix`, `aws:TagKeys`."""
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operation that we may call."""

    service: str
    """boto3's name: `elbv2`, `cloudwatch`, `s3`, `sts`."""
    action: str
    """The operation as its API names it: `ModifyRule`, `ListObjectsV2`."""
    on: tuple[str, ...] = ANY
    """ARNs; of S3 objects with their `*`."""
    mutating: bool = False
    given: tuple[Condition, ...] = ()

    @property
    def permission(self) -> str | None:
        """What IAM has to allow: `elasticloadbalancing:ModifyRule`; None where nobody can be denied."""
        return permission(self.service, self.action)


_PREFIX: Final = {"elbv2": "elasticloadbalancing", "elb": "elasticloadbalancing"}
_ALWAYS_ALLOWED: Final = frozenset({("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")})
_S3: Final = {
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadObject": "GetObject",
    "CopyObject": "PutObject",
    "DeleteObjects": "DeleteObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListObjectVersions": "ListBucketVersions",
    "ListBuckets": "ListAllMyBuckets",
}
"""S3 alone asks for other words than its operations have."""


def permission(service: str, action: str) -> str | None:
    """What IAM has to allow for an operation; None where nobody can be denied."""
    if (service, action) in _ALWAYS_ALLOWED:
        return None
    said = _S3.get(action, action) if service == "s3" else action
    return f"{_PREFIX.get(service, service)}:{said}"


def partition(region: str) -> str:
    """The second word of an ARN, for names that are made and not read: `aws`, `aws-cn`, `aws-us-gov`."""
    for begins, found in _PARTITIONS:
        if region.startswith(begins):
            return found
    return "aws"


_PARTITIONS: Final = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
)
