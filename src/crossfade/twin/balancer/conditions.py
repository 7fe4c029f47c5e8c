"""
The conditions of a rule as Envoy's header matchers, one for each; all of a rule must hold.

Everything a condition can look at is a header here: host and path are (`:path` with its query string), and
the address of the client is stamped by the listener before routing, so that no client can forge it.
LIMITS: a header that comes several times is compared as one, joined by commas. Nothing is percent-decoded.
Listeners are on 127.0.0.1, so IPv6 ranges hold for nobody.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any, Final, assert_never

from crossfade.twin.balancer.model import Condition

SOURCE_HEADER: Final = "x-crossfade-source"
"""Stamped by the listener: the address from which the client connects."""


CLIENT: Final = "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"


def matchers(conditions: Iterable[Condition]) -> list[dict[str, Any]] | None:
    """What a request's headers must match; None when no request can."""
    found = []
    for condition in conditions:
        pattern = _pattern(condition)
        if pattern is None:
            return None
        found.append({"name": _looks_at(condition), "string_match": {"safe_regex": {"regex": pattern}}})
    return found


def _looks_at(condition: Condition) -> str:
    match condition.kind:
        case "host-header":
            return ":authority"
        case "path-pattern" | "query-string":
            return ":path"
        case "http-header":
            return condition.header
        case "http-request-method":
            return ":method"
        case "source-ip":
            return SOURCE_HEADER
        case _:
            assert_never(condition.kind)


def _pattern(condition: Condition) -> str | None:
    """A regular expression (RE2) over the whole value; None when it can match nothing."""
    match condition.kind:
        case "host-header":
            return rf"(?i){_any(_glob(value, '.') for value in condition.values)}(?::[0-9]+)?"
        case "path-pattern":
            return rf"{_any(_glob(value, '[^?]') for value in condition.values)}(?:\?.*)?"
        case "http-header":
            return f"(?i){_any(_glob(value, '.') for value in condition.values)}"
        case "http-request-method":
            return _any(re.escape(value) for value in condition.values)
        case "query-string":
            return rf"(?i)[^?]*\?(?:.*&)?{_any(_pair(value) for value in condition.values)}(?:&.*)?"
        case "source-ip":
            ranges = [found for value in condition.values if (found := _range(value)) is not None]
            return _any(ranges) if ranges else None
        case _:
            assert_never(condition.kind)


def _any(patterns: Iterable[str]) -> str:
    return f"(?:{'|'.join(patterns)})"


def _glob(text: str, one: str, *, escapes: bool = False) -> str:
    """`*` = any number of characters, `?` = exactly one; `one` is what such a character may be."""
    found = []
    letters = iter(text)
    for letter in letters:
        if letter == "\\" and escapes:
            found.append(re.escape(next(letters, letter)))
        elif letter == "*":
            found.append(one + "*")
        elif letter == "?":
            found.append(one)
        else:
            found.append(re.escape(letter))
    return "".join(found)


def _pair(text: str) -> str:
    """One `key=value` of a query string, or a value under any key."""
    key, given, value = text.partition("=")
    if not given:
        key, value = "*", text
    return f"{_glob(key, '[^&=]', escapes=True)}={_glob(value, '[^&]', escapes=True)}"


def _range(text: str) -> str | None:
    """The addresses of an IPv4 range, as text; None for IPv6."""
    network = ipaddress.ip_network(text, strict=False)
    if isinstance(network, ipaddress.IPv6Network):
        return None
    first, last = network.network_address.packed, network.broadcast_address.packed
    return r"\.".join(_octet(low, high) for low, high in zip(first, last, strict=True))


def _octet(low: int, high: int) -> str:
    if (low, high) == (0, 255):
        return "[0-9]+"
    return _any(str(value) for value in range(low, high + 1))
