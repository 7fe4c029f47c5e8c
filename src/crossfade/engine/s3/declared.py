"""What the store calls on its bucket, for the policy and for `doctor`."""

from __future__ import annotations

from crossfade.aws.permissions import Call, partition
from crossfade.spec.places import S3Place


def calls(place: S3Place) -> tuple[Call, ...]:
    """
    Every call, on this prefix alone.

    The right to list is the bucket's and has no prefix as its condition: without that right S3 answers
    403 of an object that is not there, and it asks for it where no prefix is said.
    """
    bucket = f"arn:{partition(place.region)}:s3:::{place.bucket}"
    objects = (f"{bucket}/{place.prefix}/*".replace("//*", "/*"),)
    return (
        Call(service="sts", action="GetCallerIdentity"),
        Call(service="s3", action="GetObject", on=objects),
        Call(service="s3", action="PutObject", on=objects, mutating=True),
        Call(service="s3", action="ListObjectsV2", on=(bucket,)),
    )
