"""
Alarms elsewhere: a URL that answers OK, ALARM or INSUFFICIENT_DATA, as text or `{"state": ...}`; or an
alarm of CloudWatch by its name (`named_alarms.py`).

URLs: plain GET, no proxy, no redirect, no thread. Each alarm is asked at most every 5 s of clock time,
the longest unasked first, and all of them together hold a tick up for 2 s at most. Bad, empty,
garbled and unreachable are four different answers (R24), and only OK is a pass.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from crossfade.errors import CrossfadeError
from crossfade.release.values import Instant, Say
from crossfade.signals.named_alarms import MISSING, NamedAlarms, Stated

EVERY: Final = timedelta(seconds=5)
"""Clock time between two questions to one alarm."""

PATIENCE_S: Final = 2.0
"""Real seconds in which all alarms of a tick have to answer."""

LEAST_S: Final = 0.05
"""Less patience than this is not worth a question."""

LONGEST: Final = 65_536
"""Bytes of an answer that are read at most."""

SAYS: Final = {"OK": Say.PASS, "ALARM": Say.FAIL, "INSUFFICIENT_DATA": Say.NO_DATA}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an alarm, or a gate of several, said at an instant of the clock."""

    say: Say
    text: str
    at: Instant
    states: Mapping[str, str] = field(default_factory=dict)
    """URL or name to what it answered, for evidence."""


Ref = str | Mapping[str, str]
"""A URL, or `{"name": …}` of an alarm in CloudWatch."""


class Alarms:
    """Asks alarms and keeps each answer until the next question is due."""

    def __init__(
        self,
        *,
        fetch: Callable[[str, float], str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        named: NamedAlarms | None = None,
    ) -> None:
        """`named` None: nobody can be asked for alarms of CloudWatch."""
        self._named = named
        self._fetch = fetch or get
        self._monotonic = monotonic
        self._answers: dict[str, Answer] = {}
        self._tick = monotonic()

    def begin(self) -> None:
        """A tick begins: all its questions share one patience."""
        self._tick = self._monotonic()

    def gate(self, refs: Sequence[Ref], now: Instant) -> Answer:
        """All alarms of a gate as one answer: the worst of them, told with its URL or name."""
        urls = [ref for ref in refs if isinstance(ref, str)]
        names = [ref["name"] for ref in refs if not isinstance(ref, str)]
        due = [url for url in urls if url not in self._answers or now - self._answers[url].at >= EVERY]
        due.sort(key=lambda url: self._answers[url].at.timestamp() if url in self._answers else 0.0)
        for url in due:
            left = self._tick + PATIENCE_S - self._monotonic()
            if left >= LEAST_S:
                self._answers[url] = self._ask(url, left, now)
        found = [self._answers.get(url) or _unasked(url, now) for url in urls]
        found += self._of_cloudwatch(names, now) if names else []
        if not found:
            return Answer(say=Say.NO_DATA, text="the gate names no alarm", at=now)
        worst = max(found, key=lambda answer: _BADNESS[answer.say])
        return Answer(
            say=worst.say,
            text=worst.text if worst.say is not Say.PASS else f"alarms OK: {len(found)}",
            at=min(answer.at for answer in found),
            states={url: answer.text for url, answer in zip([*urls, *names], found, strict=True)},
        )

    def _of_cloudwatch(self, names: Sequence[str], now: Instant) -> list[Answer]:
        if self._named is None:
            why = "no account is named where it could be looked for"
            return [Answer(say=Say.NO_DATA, text=f"the alarm {name}: {why}", at=now) for name in names]
        try:
            stated, at = self._named.ask(names, now)
        except CrossfadeError as error:
            why = f"cannot be asked for: {error.what}"
            return [Answer(say=Say.NO_DATA, text=f"the alarm {name} {why}", at=now) for name in names]
        return [_stated(name, stated[name], at) for name in names]

    def _ask(self, url: str, patience_s: float, now: Instant) -> Answer:
        try:
            state = self._fetch(url, patience_s)
        except TimeoutError:
            return Answer(say=Say.NO_DATA, text=f"{url} did not answer within {patience_s:.1f} s", at=now)
        except (OSError, http.client.HTTPException) as error:
            return Answer(say=Say.NO_DATA, text=f"{url} cannot be reached: {error}", at=now)
        except ValueError as error:
            return Answer(say=Say.NO_DATA, text=f"{url} is garbled: {error}", at=now)
        if not state:
            return Answer(say=Say.NO_DATA, text=f"{url} answered nothing", at=now)
        if state not in SAYS:
            return Answer(say=Say.NO_DATA, text=f"{url} is garbled: {state[:40]!r}", at=now)
        text = {
            Say.PASS: f"{url} is OK",
            Say.FAIL: f"{url} is in ALARM",
            Say.NO_DATA: f"{url} has INSUFFICIENT_DATA",
        }[SAYS[state]]
        return Answer(say=SAYS[state], text=text, at=now)


def _stated(name: str, said: Stated, at: Instant) -> Answer:
    if said.state == MISSING:
        return Answer(say=Say.NO_DATA, text=f"there is no alarm {name} in CloudWatch", at=at)
    if said.state not in SAYS:
        return Answer(say=Say.NO_DATA, text=f"the alarm {name} is garbled: {said.state[:40]!r}", at=at)
    why = f": {said.reason}" if said.reason and said.state != "OK" else ""
    word = {"OK": "is OK", "ALARM": "is in ALARM"}.get(said.state, f"has {said.state}")
    return Answer(say=SAYS[said.state], text=f"the alarm {name} {word}{why}", at=at)


_BADNESS: Final = {
    Say.PASS: 0,
    Say.NOT_YET: 1,
    Say.INCONCLUSIVE: 2,
    Say.NO_DATA: 3,
    Say.FAIL: 4,
}


def _unasked(url: str, now: Instant) -> Answer:
    return Answer(say=Say.NO_DATA, text=f"{url} was not asked: the others took too long", at=now)


def get(url: str, patience_s: float) -> str:
    """
    The state that a URL answers, within so many real seconds in all, name lookup excepted.

    Raises `OSError` (`TimeoutError` among them) where nobody answers, `ValueError` for an
    answer that is none: another status than 200, no text, JSON without a state.
    """
    until = time.monotonic() + patience_s
    place = urlsplit(url)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise ValueError("it is not an http or https URL")
    secure = place.scheme == "https"
    port = place.port or (443 if secure else 80)
    path = (place.path or "/") + (f"?{place.query}" if place.query else "")
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {place.netloc.rpartition('@')[2]}\r\n"
        "Accept: application/json, text/plain\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((place.hostname, port), timeout=_left(until)) as plain:
        plain.settimeout(_left(until))
        line = (
            ssl.create_default_context().wrap_socket(plain, server_hostname=place.hostname)
            if secure
            else plain
        )
        line.sendall(request.encode("ascii"))
        raw = b""
        while len(raw) < LONGEST:
            line.settimeout(_left(until))
            more = line.recv(8192)
            raw += more
            if not more or _complete(raw):
                break
    return _state(raw)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Read:
    """An answer that was read already, in the shape `http.client` wants."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._raw)


def _parsed(raw: bytes) -> tuple[http.client.HTTPResponse, bytes]:
    response = http.client.HTTPResponse(_Read(raw))  # type: ignore[arg-type]  # only `makefile` is used
    response.begin()
    return response, response.read()


def _complete(raw: bytes) -> bool:
    """Whether a server that keeps its line open has said everything."""
    head, found, _ = raw.partition(b"\r\n\r\n")
    if not found or b"content-length" not in head.lower():
        return False
    try:
        _parsed(raw)
    except http.client.HTTPException:
        return False
    return True


def _state(raw: bytes) -> str:
    try:
        response, body = _parsed(raw)
    except http.client.HTTPException as error:
        raise ValueError(f"no HTTP answer ({type(error).__name__})") from error
    if response.status != http.client.OK:
        raise ValueError(f"it answered {response.status}")
    text = body.decode("utf-8").strip()
    if not text.startswith("{"):
        return text
    state = json.loads(text).get("state")
    if not isinstance(state, str):
        raise ValueError('there is no text under "state"')  # noqa: TRY004  # an answer's fault, not a caller's
    return state.strip()
