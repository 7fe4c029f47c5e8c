"""What only a twin answers: its clock and its ports. Past every proxy, on this machine alone."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from crossfade.errors import AccessError

ANSWERS_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinTime:
    """`factor` twin seconds pass in a real one; at the real epoch `real` its clock shows `twin`."""

    factor: float
    real: float
    twin: float


def twin_time(endpoint: str) -> TwinTime:
    """The twin's clock now. Raises `AccessError` CF4304 where there is no twin."""
    said = _asked(endpoint, "/twin/clock")
    return TwinTime(factor=float(said["factor"]), real=float(said["real"]), twin=float(said["twin"]))


def twin_ports(endpoint: str) -> Mapping[str, int]:
    """Listener ARN to the port on 127.0.0.1 where it is served. Raises `AccessError` CF4304."""
    return {arn: int(port) for arn, port in _asked(endpoint, "/twin/ports").items()}


def twin_preset(endpoint: str) -> str:
    """How it behaves: `instant`, `typical`, `bad-day`. Raises `AccessError` CF4304."""
    return str(_asked(endpoint, "/twin").get("preset", ""))


def _asked(endpoint: str, path: str) -> Mapping[str, Any]:
    past_proxies = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with past_proxies.open(f"{endpoint.rstrip('/')}{path}", timeout=ANSWERS_S) as reply:
            found: Mapping[str, Any] = json.load(reply)
    except (OSError, ValueError) as error:
        raise AccessError(
            "CF4304",
            f"there is no twin at {endpoint}",
            str(error),
            "crossfade twin up, then give the endpoint it prints",
        ) from error
    return found
