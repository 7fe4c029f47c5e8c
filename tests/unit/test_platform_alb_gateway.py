"""What the gateway makes of boto3's own errors, wherever in a call they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alb_cloud import GROUPS, LISTENER, RULE, SITE
from botocore.exceptions import (  # type: ignore[import-untyped]
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
)

from crossfade.errors import AccessError, CrossfadeError, PlatformError
from crossfade.platforms.alb.gateway import ARNS_AT_ONCE, Gateway
from crossfade.platforms.alb.pace import Pace

READS: dict[str, Callable[[Gateway], Any]] = {
    "routes": lambda gateway: gateway.routes([RULE, LISTENER]),
    "rules": lambda gateway: gateway.rules(LISTENER),
    "listener": lambda gateway: gateway.listener(LISTENER),
    "groups": lambda gateway: gateway.groups(list(GROUPS.values())),
    "tags": lambda gateway: gateway.tags(SITE),
    "targets": lambda gateway: gateway.targets(GROUPS["blue"]),
}
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no sts:AssumeRole"}}, "AssumeRole")


class Closed:
    """A door behind which no client can be made: a role that may not be assumed, no credentials."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def client(self, _service: str) -> Any:
        raise self._error


class Door:
    """A client that keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def client(self, _service: str) -> Any:
        return self

    def get_paginator(self, _operation: str) -> Any:
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        [arns] = asked.values()
        self.asked.append(arns)
        yield {"Rules": [{"RuleArn": arn, "Actions": []} for arn in arns]}


def gateway(door: Any) -> Gateway:
    return Gateway(door, Pace(lambda: 0.0, lambda _: None))


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NoCredentialsError(), AccessError),
        (DENIED, AccessError),
        (EndpointConnectionError(endpoint_url="https://x"), PlatformError),
    ],
)
def test_a_client_that_cannot_be_made_is_an_error_of_ours(
    read: str, error: Exception, kind: type[CrossfadeError]
) -> None:
    with pytest.raises(kind):
        READS[read](gateway(Closed(error)))


def test_R07_many_rules_are_read_whole_a_few_at_a_time() -> None:
    door, rules = Door(), [f"{RULE}{number}" for number in range(3 * ARNS_AT_ONCE + 1)]
    found = gateway(door).routes(rules)

    assert list(found) == rules
    assert None not in found.values()
    assert max(map(len, door.asked)) == ARNS_AT_ONCE == 20
