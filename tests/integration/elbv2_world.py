"""Calls to the twin's ELBv2 and what came of them: what its tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from twin_world import Shop, World

from crossfade.twin.balancer.model import Forward


def code(call: Callable[..., Any], **arguments: Any) -> str:
    """The code with which a call is refused; empty = it was not."""
    try:
        call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def status(call: Callable[..., Any], **arguments: Any) -> int:
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return int(error.value.response["ResponseMetadata"]["HTTPStatusCode"])


def group(shop: Shop, name: str, **more: Any) -> str:
    made = {"Protocol": "HTTP", "Port": 80, "VpcId": shop.vpc, "TargetType": "ip", **more}
    return str(shop.elb.create_target_group(Name=name, **made)["TargetGroups"][0]["TargetGroupArn"])


def weights(w: World, rule: str) -> tuple[tuple[str, int], ...]:
    """What the balancer was told."""
    for balancer in w.balancers.wanted.balancers:
        for listener in balancer.listeners:
            for one in listener.rules:
                if one.arn == rule and isinstance(one.action, Forward):
                    return one.action.groups
    return ()
