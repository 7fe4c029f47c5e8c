"""
A role of the pinned account, assumed by whoever the normal chain of credentials finds.

Credentials of a role end after an hour; they are asked for again by themselves, so that a release that
takes longer does not lose its hands. Who is the role already assumes nothing.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from crossfade.aws.failures import calling
from crossfade.aws.permissions import partition

SESSION: Final = "crossfade"
"""The name under which the role's calls stand in CloudTrail."""


def assumed(session: Any, sts: Any, account: str, role: str) -> Any:
    """
    A boto3 session that acts as the role; the same one where it does so already.

    Raises `AccessError` CF4305 where there are no credentials or the role may not be assumed.
    """
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra, and slow to import
    from botocore.credentials import (  # type: ignore[import-untyped]  # noqa: PLC0415
        DeferredRefreshableCredentials,
    )
    from botocore.session import Session  # type: ignore[import-untyped]  # noqa: PLC0415

    with calling("sts", "GetCallerIdentity"):
        who = str(sts.get_caller_identity()["Arn"])
    if re.fullmatch(rf"arn:[a-z-]+:sts::{account}:assumed-role/{re.escape(role.rpartition('/')[2])}/.*", who):
        return session
    arn = f"arn:{partition(session.region_name)}:iam::{account}:role/{role}"

    def fresh() -> dict[str, str]:
        with calling("sts", "AssumeRole", arn):
            said = sts.assume_role(RoleArn=arn, RoleSessionName=SESSION)["Credentials"]
        ends = said["Expiration"]
        return {
            "access_key": said["AccessKeyId"],
            "secret_key": said["SecretAccessKey"],
            "token": said["SessionToken"],
            "expiry_time": ends.isoformat() if isinstance(ends, datetime) else str(ends),
        }

    core = Session()
    core._credentials = DeferredRefreshableCredentials(fresh, method="assume-role")  # noqa: SLF001  # as botocore's own guide does
    return boto3.session.Session(botocore_session=core, region_name=session.region_name)
