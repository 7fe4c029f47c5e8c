"""
boto3's sessions: as the normal chain finds them, or a twin's, which knows nothing of this machine's settings.

A role that `crossfade.yaml` names is assumed, unless we are it already; its credentials renew themselves.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from crossfade.aws.door import Where

SESSION_NAME: Final = "crossfade"

_TWIN_KEY: Final = "crossfade-twin"
_NOTHING: Final = (None, None, None, None)


def session_of(where: Where, config: Any) -> Any:
    """
    A session for the account of `where`; `config`: how its own calls are made.

    Raises what botocore raises: for settings that cannot be read, for a role that may not be assumed.
    """
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra, and slow to import

    session = _twins(where) if where.endpoint is not None else boto3.session.Session(region_name=where.region)
    return session if where.role is None else _as_role(session, where, config)


def _twins(where: Where) -> Any:
    """Past profiles, files and credentials of whoever runs it: none of them may reach a twin."""
    import boto3  # noqa: PLC0415  # as above
    from botocore.session import Session  # type: ignore[import-untyped]  # noqa: PLC0415  # as above

    no_file = (None, None, os.devnull, None)
    core = Session(
        session_vars={"profile": _NOTHING, "config_file": no_file, "credentials_file": no_file},
    )
    return boto3.session.Session(
        botocore_session=core,
        region_name=where.region,
        aws_access_key_id=_TWIN_KEY,
        aws_secret_access_key=_TWIN_KEY,
    )


def _as_role(session: Any, where: Where, config: Any) -> Any:
    import boto3  # noqa: PLC0415  # as above
    from botocore.credentials import (  # type: ignore[import-untyped]  # noqa: PLC0415  # as above
        AssumeRoleCredentialFetcher,
        DeferredRefreshableCredentials,
    )
    from botocore.session import Session  # noqa: PLC0415  # as above

    sts = session.client("sts", endpoint_url=where.endpoint, config=config)
    if f":assumed-role/{where.role}/" in sts.get_caller_identity()["Arn"]:
        return session
    partition = session.get_partition_for_region(where.region)
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=lambda name, **more: session.client(
            name, **{**more, "endpoint_url": where.endpoint, "config": config}
        ),
        source_credentials=session.get_credentials(),
        role_arn=f"arn:{partition}:iam::{where.account}:role/{where.role}",
        extra_args={"RoleSessionName": SESSION_NAME},
    )
    core = Session(session_vars={"profile": _NOTHING} if where.endpoint is not None else None)
    core._credentials = DeferredRefreshableCredentials(  # noqa: SLF001  # the only way botocore has
        fetcher.fetch_credentials, "assume-role"
    )
    return boto3.session.Session(botocore_session=core, region_name=where.region)
