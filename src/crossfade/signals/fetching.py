"""
One GET within so many seconds in all, for whoever reads text over HTTP: scrapes, Prometheus.

No proxy of the environment, no redirect. Everything that is not a whole answer of 200 raises.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

MOST_BYTES: Final = 8 * 1024 * 1024
"""More than this is not read; a program that shows so much has to be asked for less."""

_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a URL answered."""

    kind: str
    """Its content type, in small letters."""
    text: str


class TooLongError(ValueError):
    """More than `MOST_BYTES`."""


def fetch(url: str, patience_s: float, headers: Mapping[str, str]) -> Page:
    """
    The page of a URL.

    Raises `OSError` (`TimeoutError` among them) where nobody answers in time, `ValueError` for an
    answer that is none: another status than 200, no text, too long.
    """
    until = time.monotonic() + patience_s
    place = urlsplit(url)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise ValueError(f"{url} is not an http or https URL")
    link: http.client.HTTPConnection
    if place.scheme == "https":
        context = ssl.create_default_context()
        link = http.client.HTTPSConnection(place.hostname, place.port, timeout=patience_s, context=context)
    else:
        link = http.client.HTTPConnection(place.hostname, place.port, timeout=patience_s)
    try:
        path = (place.path or "/") + (f"?{place.query}" if place.query else "")
        link.request("GET", path, headers={**headers, "Connection": "close"})
        answer = link.getresponse()
        if answer.status != http.client.OK:
            raise ValueError(f"it answered {answer.status}")
        return Page(
            kind=(answer.getheader("Content-Type") or "").lower(),
            text=_body(link, answer, until).decode("utf-8"),
        )
    except http.client.HTTPException as error:
        raise ValueError(f"no HTTP answer ({type(error).__name__})") from error
    finally:
        link.close()


def _body(link: http.client.HTTPConnection, answer: http.client.HTTPResponse, until: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("it did not end in time")
        if link.sock is not None:
            link.sock.settimeout(left)
        part = answer.read1(_CHUNK)
        if not part:
            break
        size += len(part)
        if size > MOST_BYTES:
            raise TooLongError(f"it is longer than {MOST_BYTES} bytes")
        parts.append(part)
    if answer.length:
        raise ValueError(f"it was cut off: {answer.length} bytes are missing")
    return b"".join(parts)


def reason(error: BaseException) -> str:
    """Why a page could not be read, for people."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return str(error) or type(error).__name__
