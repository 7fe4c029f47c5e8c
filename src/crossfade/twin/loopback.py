"""
Nothing leaves this machine: in the twin's process every connection to elsewhere is refused by the
interpreter itself, name look-ups included, whatever code asks for it.

moto can call out (HTTP subscribers of SNS, containers for Lambda, URLs in templates). The hook is
Python's audit hook: IT CANNOT BE TAKEN AWAY AGAIN, so it belongs into a process that is only a twin.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path
from typing import Any, Final

_CLOUDY: Final = (
    "AWS_",
    "BOTO",
    "MOTO_",
    "TEST_SERVER_MODE",
    "TEST_PROXY_MODE",
    "INITIAL_NO_AUTH_",
    "S3_IGNORE_",
)
_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1", ""})
_SOCKETS: Final = ("socket.connect", "socket.sendto", "socket.sendmsg")
_LOOKUPS: Final = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")


class LeavesLoopback(PermissionError):  # noqa: N818  # reads as a sentence
    """Something wanted to leave this machine."""


def keep_inside(folder: Path) -> None:
    """From now on nothing of this process reaches further than 127.0.0.1 and the sockets of its folder."""
    inside = str(folder.resolve())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _SOCKETS:
            _prove_address(event, arguments[1], inside)
        elif event in _LOOKUPS:
            host = arguments[0][0] if isinstance(arguments[0], tuple) else arguments[0]
            _prove_name(event, host)

    sys.addaudithook(hook)


def forget_the_cloud() -> None:
    """
    Takes out of the environment what could tie this process to an account or send it through a proxy.

    For the twin's own process, before moto and botocore are imported.
    """
    for name in list(os.environ):
        if name.startswith(_CLOUDY) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["NO_PROXY"] = "*"


def _prove_address(event: str, address: Any, inside: str) -> None:
    if isinstance(address, tuple):
        _prove_name(event, address[0])
    elif isinstance(address, str | bytes):
        path = os.fsdecode(address)
        if not os.path.realpath(path).startswith(inside):
            raise LeavesLoopback(f"{event} to {path}: the twin uses no sockets but its own")


def _prove_name(event: str, host: Any) -> None:
    text = os.fsdecode(host) if isinstance(host, str | bytes) else ""
    try:
        local = text in _NAMES or ipaddress.ip_address(text).is_loopback
    except ValueError:
        local = False
    if not local:
        raise LeavesLoopback(f"{event} to {text}: the twin never leaves this machine")
