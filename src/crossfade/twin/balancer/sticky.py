"""
The two cookies that keep a user: AWSALBTG on a target group, AWSALB on a target.

A group's cookie names the group; a request that brings it goes there, whatever the weights say now, for as
long as the action names that group. So a weight of 0 recalls nobody who is kept. A target's cookie is
Envoy's own (`stateful_session`), and is made anew when that target does not serve any more.
LIMITS: cookies are not encrypted, and say their age in real seconds (twin seconds shortened by the clock).
"""

from __future__ import annotations

import hashlib
import math
from typing import Any, Final

from crossfade.dataplane import pieces
from crossfade.dataplane.xds import TYPE

FILTER: Final = "target-cookie"
GROUP_COOKIE: Final = "AWSALBTG"
TARGET_COOKIE: Final = "AWSALB"

_SESSION: Final = TYPE + "extensions.filters.http.stateful_session.v3.StatefulSession"
_PER_ROUTE: Final = TYPE + "extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute"
_COOKIE: Final = TYPE + "extensions.http.stateful_session.cookie.v3.CookieBasedSessionState"


def brings(group: str) -> dict[str, Any]:
    """A matcher of requests whose cookie names this group (an ARN)."""
    pair = f"{GROUP_COOKIE}(?:CORS)?={_value(group)}"
    return {"name": "cookie", "string_match": {"safe_regex": {"regex": rf"(?:.*;\s*)?{pair}\s*(?:;.*)?"}}}


def keeps(group: str, span_s: float, pace: float) -> list[dict[str, Any]]:
    """The headers of an answer that keep its user on this group for so many twin seconds."""
    pair = f"{_value(group)}; Max-Age={_real(span_s, pace)}; Path=/"
    cookies = (f"{GROUP_COOKIE}={pair}", f"{GROUP_COOKIE}CORS={pair}; SameSite=None; Secure")
    return [pieces.appending("set-cookie", cookie) for cookie in cookies]


def listener_filter() -> dict[str, Any]:
    """The filter that keeps a user on a target, where the group asks for it (`per_group`)."""
    return {"name": FILTER, "typed_config": {"@type": _SESSION}}


def per_group(span_s: float, pace: float) -> dict[str, Any]:
    """What a group that keeps its users on a target says to the filter."""
    cookie = {"name": TARGET_COOKIE, "path": "/", "ttl": f"{_real(span_s, pace)}s"}
    state = {
        "name": "envoy.http.stateful_session.cookie",
        "typed_config": {"@type": _COOKIE, "cookie": cookie},
    }
    return {FILTER: {"@type": _PER_ROUTE, "stateful_session": {"session_state": state}}}


def _value(group: str) -> str:
    return hashlib.sha256(group.encode()).hexdigest()[:40]


def _real(span_s: float, pace: float) -> int:
    return max(1, math.ceil(span_s / pace))
