"""
Errors of AWS as ours, told apart by their codes, never by their texts.

Two questions decide: may the same call be made again, and whose fault is it. An unknown code is
the platform's, may be repeated, and keeps its code in the message.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from crossfade.errors import AccessError, CrossfadeError, PlatformError

THROTTLED: Final = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
    }
    | {"TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded", "LimitExceededException"}
    | {"RequestThrottledException", "SlowDown", "PriorRequestNotComplete", "EC2ThrottledException"}
)
DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "OptInRequired", "NotAuthorized"}
    | {"UnrecognizedClientException", "InvalidClientTokenId", "SignatureDoesNotMatch", "InvalidAccessKeyId"}
    | {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "IncompleteSignature", "AuthFailure"}
    | {"MissingAuthenticationToken", "InvalidToken", "Forbidden", "403"}
)


def code_of(error: BaseException) -> str:
    """The code of a botocore `ClientError`; empty for anything else."""
    reply = getattr(error, "response", None)
    found = reply.get("Error", {}).get("Code", "") if isinstance(reply, dict) else ""
    return str(found)


@contextmanager
def calling(service: str, operation: str, on: str = "") -> Iterator[None]:
    """
    Around one call: what botocore raises leaves as `AccessError` (CF4305) or `PlatformError`.

    CF4306 throttled: nothing was done. CF4307 no answer: it may have been done. CF4308 refused, with
    AWS's own code.
    """
    from botocore.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra
        BotoCoreError,
        ClientError,
        ConfigNotFound,
        ConfigParseError,
        CredentialRetrievalError,
        NoCredentialsError,
        PartialCredentialsError,
        ProfileNotFound,
    )

    what = f"{service}:{operation}" + (f" on {on}" if on else "")
    try:
        yield
    except ClientError as error:
        raise _answered(what, error) from error
    except (
        NoCredentialsError,
        PartialCredentialsError,
        CredentialRetrievalError,
        ProfileNotFound,
        ConfigNotFound,
        ConfigParseError,
    ) as error:
        raise AccessError(
            "CF4305",
            f"{what} was not called: there are no credentials",
            str(error),
            "aws sts get-caller-identity tells what the normal chain finds",
        ) from error
    except BotoCoreError as error:
        raise PlatformError(
            "CF4307",
            f"{what} was not answered",
            f"{type(error).__name__}: {error}; it may or may not have been done",
            "the next look tells; nothing further is done until it has been read",
        ) from error


def _answered(what: str, error: BaseException) -> CrossfadeError:
    code = code_of(error)
    reply = getattr(error, "response", {})
    said = str(reply.get("Error", {}).get("Message", ""))
    status = reply.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in DENIED:
        return AccessError(
            "CF4305", f"{what} was denied ({code})", said, "crossfade render iam prints what is needed"
        )
    if code in THROTTLED:
        return PlatformError(
            "CF4306", f"{what} was throttled ({code})", said, "it is tried again at the next look"
        )
    if status >= 500:
        why = f"{said or 'no reason given'}; it may or may not have been done"
        return PlatformError("CF4307", f"{what} failed in AWS ({code})", why, "the next look tells")
    return PlatformError("CF4308", f"{what} was refused ({code})", said, "the message is AWS's own")
