"""What all of Envoy's files share: the names of things, and a version that is a hash of the content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

TYPE: Final = "type.googleapis.com/envoy."


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An instance that may get requests."""

    id: str
    port: int
    ip: str = "127.0.0.1"


Members = Mapping[str, Mapping[str, tuple[Endpoint, ...]]]
"""service -> group -> its endpoints."""


def cluster(service: str, group: str, *, test: bool = False) -> str:
    """The stable name of a group's cluster.

    The test listener has one of its own, so that its requests never look like production traffic.
    """
    return f"{service}.{group}.test" if test else f"{service}.{group}"


def seat(service: str, *, test: bool) -> str:
    """The name of a listener, of its virtual host and of its entry in the seat header."""
    return f"{service}.test" if test else f"{service}.live"


def versioned(resources: list[Any]) -> str:
    """A complete xDS file, its version being the hash of its resources."""
    body = json.dumps(resources, separators=(",", ":"), sort_keys=True)
    version = hashlib.sha256(body.encode()).hexdigest()[:16]
    return f'{{"version_info":"{version}","resources":{body}}}\n'


def version_of(text: str) -> str:
    """The version inside a file's text; empty where there is none."""
    try:
        return str(json.loads(text)["version_info"])
    except (ValueError, KeyError, TypeError):
        return ""
