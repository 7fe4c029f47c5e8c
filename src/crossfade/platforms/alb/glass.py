"""Routes as commands of the `aws` tool, for a night without Crossfade. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

from crossfade.aws import Where
from crossfade.platforms.alb.actions import writable
from crossfade.platforms.alb.model import Actions, is_rule


def commands(where: Where, wanted: Mapping[str, Actions]) -> str:
    """One shell line that writes each of these routes, whether or not the ones before it could be."""
    return "; ".join(_command(where, arn, actions) for arn, actions in wanted.items())


def _command(where: Where, arn: str, actions: Actions) -> str:
    at = ("--region", where.region, *(("--endpoint-url", where.endpoint) if where.endpoint else ()))
    given = json.dumps(writable(actions), separators=(",", ":"))
    asked = (
        ("modify-rule", "--rule-arn", arn, "--actions", given)
        if is_rule(arn)
        else ("modify-listener", "--listener-arn", arn, "--default-actions", given)
    )
    return shlex.join(("aws", *at, "elbv2", *asked))
