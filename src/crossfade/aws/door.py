"""
Clients for one pinned account. What would speak to any other is refused before it is asked to write.

With an `endpoint` everything goes to a twin on this machine, signed with words that are nobody's
credentials and past every proxy of the environment; without one, endpoints that the environment
names are ignored. So real credentials never reach a twin, and a twin's call never leaves it.
"""

from __future__ import annotations

import ipaddress
import json
import threading
import urllib.request
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from crossfade.aws.failures import calling
from crossfade.aws.session import session_of
from crossfade.errors import AccessError, UsageError

CONNECT_S: Final = 3.0
READ_S: Final = 3.0
TRIES: Final = 2
"""Call time-outs well below a lease: a controller that waits for AWS must not outlive its right to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which account, as `crossfade.yaml` pins it."""

    account: str
    region: str
    endpoint: str | None = None
    """A twin's; None = AWS itself."""
    role: str | None = None
    """Name of a role of the account which is assumed; None = whoever the normal chain finds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who we are there."""

    account: str
    arn: str


class Door:
    """One client for each service, made when first asked for; safe to share between threads."""

    def __init__(self, where: Where) -> None:
        """Raises `UsageError` CF4301 for an endpoint that is not on this machine."""
        if where.endpoint is not None:
            _prove_loopback(where.endpoint)
        self.where = where
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """boto3's client, with our time-outs; raises `UsageError` CF4302 where boto3 is not installed."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._made(service)
            return self._clients[service]

    def _made(self, service: str) -> Any:
        config = _config(twin=self.where.endpoint is not None)
        if self._session is None:
            self._session = session_of(self.where, config)
        return self._session.client(service, endpoint_url=self.where.endpoint, config=config)

    def prove(self) -> Identity:
        """
        Who we are, asked once before the first write.

        Raises `AccessError`: CF4303 for another account than the pinned one, CF4304 for an endpoint
        that is not a twin's, CF43xx where the credentials are missing or refused.
        """
        if self.where.endpoint is not None:
            _prove_twin(self.where.endpoint)
        with calling("sts", "GetCallerIdentity"):
            said = self.client("sts").get_caller_identity()
        found = Identity(account=said["Account"], arn=said["Arn"])
        if found.account != self.where.account:
            raise AccessError(
                "CF4303",
                f"these credentials are of account {found.account}, not of {self.where.account}",
                f"they are {found.arn}; crossfade.yaml pins `aws.account`",
                "use credentials of that account, or correct aws.account",
            )
        return found


def _config(*, twin: bool) -> Any:
    try:
        from botocore.config import Config  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise UsageError(
            "CF4302", "boto3 is not installed", str(error), "pip install 'crossfade[aws]'"
        ) from error
    return Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"total_max_attempts": TRIES, "mode": "standard"},
        ignore_configured_endpoint_urls=True,
        user_agent_extra="crossfade",
        proxies={} if twin else None,
        s3={"addressing_style": "path"} if twin else None,
    )


def _prove_loopback(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    try:
        on_this_machine = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        on_this_machine = False
    if parts.scheme != "http" or not on_this_machine:
        raise UsageError(
            "CF4301",
            f"aws.endpoint {endpoint} is not a twin's",
            "an endpoint may only be http:// on this machine's loopback",
            "leave aws.endpoint out for AWS itself, or give the endpoint that `crossfade twin up` prints",
        )


def _prove_twin(endpoint: str) -> None:
    past_proxies = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with past_proxies.open(f"{endpoint.rstrip('/')}/twin", timeout=READ_S) as reply:
            is_twin = json.load(reply).get("twin") is True
        why = "it answers, and does not say that it is one"
    except (OSError, ValueError) as error:
        is_twin, why = False, str(error)
    if not is_twin:
        raise AccessError(
            "CF4304",
            f"there is no twin at {endpoint}",
            why,
            "crossfade twin up, then give the endpoint it prints",
        )
