"""
A bucket as the store sees it: objects that are created once, or replaced only as they were last seen.

`If-None-Match: *` creates and `If-Match: <etag>` replaces; S3 decides between two writers, so a
412 is the answer to having come second. Whatever else S3 says leaves as a `StoreAwayError`: a
controller that cannot write must not go on, and must not fall over either.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol

from crossfade.aws import Door, calling
from crossfade.aws.failures import code_of
from crossfade.engine.records import StoreAwayError
from crossfade.errors import AccessError, PlatformError

ACTIONS: Final = ("s3:GetObject", "s3:PutObject", "s3:ListBucket")
"""What the store calls, for a policy. Without ListBucket S3 says 403 of an object that is not there."""

_SECOND: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "OperationAborted"})
_MISSING: Final = frozenset({"NoSuchKey", "404"})
_SAME: Final = frozenset({"304", "NotModified"})
_ELSEWHERE: Final = frozenset({"PermanentRedirect", "301", "AuthorizationHeaderMalformed"})


class SecondError(Exception):
    """Somebody else wrote first: nothing was written."""


class StoreDeniedError(StoreAwayError, AccessError):
    """The credentials do not allow it, or not any more."""

    exit_code = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An object as it was read."""

    body: bytes
    etag: str


class Objects(Protocol):
    """The part of S3 that the store uses; keys are below the store's own prefix."""

    @property
    def name(self) -> str:
        """Its URL."""
        ...

    @property
    def skew(self) -> timedelta:
        """How far this machine's clock is off S3's at least, by the last answer."""
        ...

    def get(self, key: str, known: Found | None = None) -> Found | None:
        """The object; `known` itself where it is still that, None where there is none."""
        ...

    def put(self, key: str, body: bytes, replaces: str | None = None) -> str:
        """
        Creates the object, or replaces the one of this etag; the new etag.

        Raises `SecondError` where it is there already, or is another by now.
        """
        ...

    def keys(self, prefix: str) -> tuple[str, ...]:
        """All keys that begin so, sorted. Never asked on the way of a tick."""
        ...


class S3Objects:
    """`Objects` in a bucket of the pinned account, through the one door to AWS."""

    def __init__(self, door: Door, bucket: str, prefix: str) -> None:
        self._door = door
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._skew = timedelta(0)
        self._proved = False

    @property
    def name(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    @property
    def skew(self) -> timedelta:
        return self._skew

    def get(self, key: str, known: Found | None = None) -> Found | None:
        asked = {"IfNoneMatch": known.etag} if known is not None else {}
        try:
            with self._asking("GetObject", key) as said:
                reply = self._client().get_object(**self._of(key), **asked)
                body = reply["Body"].read()
                said.append(reply)
        except _AnswerError as answer:
            if answer.code in _SAME:
                return known
            if answer.code in _MISSING:
                return None
            raise answer.ours from answer
        return Found(body=body, etag=str(reply["ETag"]))

    def put(self, key: str, body: bytes, replaces: str | None = None) -> str:
        condition = {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces}
        kind = "application/json" if key.endswith(".json") else "application/gzip"
        try:
            with self._asking("PutObject", key) as said:
                reply = self._client().put_object(**self._of(key), Body=body, ContentType=kind, **condition)
                said.append(reply)
        except _AnswerError as answer:
            if answer.code in _SECOND or (answer.code in _MISSING and replaces is not None):
                raise SecondError(key) from answer
            raise answer.ours from answer
        return str(reply["ETag"])

    def keys(self, prefix: str) -> tuple[str, ...]:
        found: list[str] = []
        where = {"Bucket": self._bucket, "ExpectedBucketOwner": self._door.where.account}
        asked: dict[str, Any] = {**where, "Prefix": self._prefix + prefix}
        while True:
            try:
                with self._asking("ListObjectsV2", prefix) as said:
                    reply = self._client().list_objects_v2(**asked)
                    said.append(reply)
            except _AnswerError as answer:
                raise answer.ours from answer
            found += [one["Key"].removeprefix(self._prefix) for one in reply.get("Contents", ())]
            if not reply.get("IsTruncated"):
                return tuple(sorted(found))
            asked["ContinuationToken"] = reply["NextContinuationToken"]

    def _client(self) -> Any:
        """Only after the account was proved to be the pinned one (R47)."""
        if not self._proved:
            self._door.prove()
            self._proved = True
        return self._door.client("s3")

    def _of(self, key: str) -> dict[str, str]:
        account = self._door.where.account
        return {"Bucket": self._bucket, "Key": self._prefix + key, "ExpectedBucketOwner": account}

    @contextmanager
    def _asking(self, operation: str, key: str) -> Iterator[list[Any]]:
        """One call: its answer's time is compared with ours, its refusal becomes `_AnswerError`."""
        began, said = time.time(), list[Any]()
        try:
            with calling("s3", operation, f"{self.name}/{key}"):
                yield said
        except (AccessError, PlatformError) as error:
            raise _AnswerError(self._ours(error), code_of(error.__cause__ or error)) from error
        self._skew = _off(said[-1], began)

    def _ours(self, error: AccessError | PlatformError) -> StoreAwayError:
        cause = error.__cause__
        code = code_of(cause) if cause is not None else ""
        if code == "RequestTimeTooSkewed":
            return skewed(self.name, error.why)
        if isinstance(error, AccessError):
            return StoreDeniedError(error.id, error.what, error.why, self._allow(error))
        if code == "NoSuchBucket":
            where = self._door.where
            return StoreAwayError(
                "CF5041",
                f"there is no bucket {self._bucket} in account {where.account}",
                error.why,
                f"aws s3 mb s3://{self._bucket} --region {where.region}, or correct `state:`",
            )
        if code in _ELSEWHERE:
            return StoreAwayError(
                "CF5041",
                f"the bucket {self._bucket} is not in {self._door.where.region}",
                error.why,
                "a bucket in the region of `aws.region`, so that both are reached or neither is",
            )
        return StoreAwayError(
            "CF5042",
            f"{self.name} cannot be read or written now",
            f"{error.id} {error.what}: {error.why}",
            "nothing to do where it passes; a release with traffic goes back to stable where it lasts",
            busy=True,
        )

    def _allow(self, error: AccessError) -> str:
        if error.id != "CF4305":
            return error.fix
        return f"allow {', '.join(ACTIONS)} on {self.name}, a bucket of account {self._door.where.account}"


class _AnswerError(Exception):
    """S3's own code, and what it is to us where nobody knows better."""

    def __init__(self, ours: StoreAwayError, code: str) -> None:
        super().__init__(code)
        self.ours = ours
        self.code = code


def skewed(name: str, why: str) -> StoreAwayError:
    """Leases are by our clocks: one that is far off must not hold any."""
    return StoreAwayError(
        "CF5043",
        f"the clock of this machine is wrong: {name} tells another time",
        why,
        "set the clock, e.g. start systemd-timesyncd or chrony",
    )


def _off(reply: Any, began: float) -> timedelta:
    """
    By how much our clock is off at least.

    The answer's date, cut to whole seconds, was taken after `began` and before now.
    """
    said = reply["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        there = parsedate_to_datetime(said).timestamp()
    except ValueError:
        return timedelta(0)
    return timedelta(seconds=max(0.0, there - time.time(), began - (there + 1)))
