"""
Where the state is when it is off this machine: a prefix in a bucket of a pinned account.

In `crossfade.yaml` the account stands in `aws:`; a URL that stands for itself, as `--state` takes
it, says it too: `s3://bucket/prefix?account=123456789012&region=eu-west-1`. Standard library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)
_SAID = ("account", "region", "endpoint", "role")


class NoPlaceError(ValueError):
    """The text names no place in a bucket; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Place:
    """One prefix of one bucket, and the account that it must belong to."""

    bucket: str
    prefix: str
    account: str
    region: str
    endpoint: str | None = None
    """A twin's; None = AWS itself."""
    role: str | None = None
    """Name of a role of that account which is assumed; None = whoever the normal chain finds."""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def url(self) -> str:
        """All of it, so that another process needs nothing else."""
        said = {"account": self.account, "region": self.region}
        if self.endpoint is not None:
            said["endpoint"] = self.endpoint
        if self.role is not None:
            said["role"] = self.role
        return f"s3://{self.bucket}/{quote(self.prefix)}?{urlencode(said, safe=':/')}"


def is_place(text: str) -> bool:
    """Whether this means a bucket and no folder."""
    return text.strip().lower().startswith("s3://")


def s3_place(
    text: str,
    *,
    account: str | None = None,
    region: str | None = None,
    endpoint: str | None = None,
    role: str | None = None,
) -> S3Place:
    """
    The place that a URL names; what it leaves out is as given.

    Raises `NoPlaceError`, also where it names another account than the one given.
    """
    parts = urlsplit(text.strip())
    prefix = parts.path.strip("/")
    said = dict(parse_qsl(parts.query, keep_blank_values=True))
    given = {"account": account, "region": region, "endpoint": endpoint, "role": role}
    if not _BUCKET.fullmatch(parts.netloc) or ".." in parts.netloc:
        raise NoPlaceError(f"`{parts.netloc}` is not the name of a bucket")
    if parts.fragment or any(not part.strip() or part in (".", "..") for part in prefix.split("/") if prefix):
        raise NoPlaceError(f"`{parts.path}` is not a plain prefix")
    if not prefix.isprintable():
        raise NoPlaceError("the prefix has characters that cannot be printed")
    for name, value in said.items():
        if name not in _SAID:
            raise NoPlaceError(f"`{name}` is unknown; {', '.join(_SAID)} may be said")
        if given[name] not in (None, value):
            raise NoPlaceError(f"it says {name} {value}, and `aws.{name}` is {given[name]}")
    found = {name: said.get(name) or given[name] for name in _SAID}
    if found["account"] is None or not _ACCOUNT.fullmatch(found["account"]):
        raise NoPlaceError("it says no account of twelve digits that the bucket has to belong to")
    if not found["region"]:
        raise NoPlaceError("it says no region")
    return S3Place(
        bucket=parts.netloc,
        prefix=prefix,
        account=found["account"],
        region=found["region"],
        endpoint=found["endpoint"],
        role=found["role"],
    )
