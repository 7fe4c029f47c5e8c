"""
Through this gate goes every request to the twin: recognised, delayed, throttled, failed by plan, or done;
and written down. `/twin…` steers the twin itself and is never delayed, failed or recorded.

Order, as in AWS: how long it takes, whether there is a token for it, whether it fails before it was done,
then the action, then whether its answer is lost.
"""

from __future__ import annotations

import re
import socket
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from crossfade.twin.answers import NOT_MODELLED, Answer, error, throttled
from crossfade.twin.buckets import Buckets
from crossfade.twin.call import Call, Environ, recognise
from crossfade.twin.clock import TwinClock
from crossfade.twin.faults import Fate, Fault, Faults
from crossfade.twin.plane import Plane
from crossfade.twin.recorder import Action, Recorder, harmless

ACTOR: Final = "crossfade.actor"
"""In the environment of a request that the twin itself makes, as another hand."""

StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

_CODES: Final = (
    re.compile(rb"<Code>([^<]+)</Code>"),
    re.compile(rb'"__type"\s*:\s*"(?:[^"#]*#)?([^"]+)"'),
)


@dataclass(frozen=True, slots=True)
class _Outcome:
    answer: Answer | None  # None = the connection is closed without one
    done: bool
    throttled: bool = False
    fault: str = ""


class Gate:
    """The WSGI application of a twin."""

    def __init__(
        self,
        *,
        app: Application,
        steering: Callable[[Environ], Answer],
        clock: TwinClock,
        faults: Faults,
        recorder: Recorder,
        plane: Plane,
        account: str,
    ) -> None:
        self._app = app
        self._steering = steering
        self._clock = clock
        self._faults = faults
        self._recorder = recorder
        self._plane = plane
        self._account = account
        self._buckets = Buckets(clock.now)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == "/twin" or path.startswith("/twin/"):
            return _send(self._steering(environ), start_response)
        begun = time.monotonic()
        call = _of_moto(path) or recognise(environ)
        actor = environ.get(ACTOR, "client")
        fate = self._faults.fate(call) if actor == "client" else Fate()
        if fate.latency:
            time.sleep(self._clock.real_seconds(fate.latency))
        outcome = self._outcome(call, fate, environ)
        self._write(call, fate, outcome, actor, begun)
        if outcome.answer is None:
            _hang_up(environ)
            raise ConnectionAbortedError("dropped by a fault")
        return _send(outcome.answer, start_response)

    def _outcome(self, call: Call, fate: Fate, environ: Environ) -> _Outcome:
        if fate.others is not None:
            empty = self._buckets.take(call, self._account, others=fate.others)
            if empty:
                return _Outcome(throttled(call, empty), done=False, throttled=True)
        ends = fate.ends
        kind = ends.kind if ends else ""
        match kind:
            case "throttle":
                return _Outcome(throttled(call, "a fault"), done=False, throttled=True, fault=kind)
            case "drop_before":
                return _Outcome(None, done=False, fault=kind)
            case "fail_before":
                return _Outcome(_failed(call, ends), done=False, fault=kind)
        answer = self._plane.perform(call, lambda: self._run(call, environ), stale=fate.stale)
        done = answer.status < 400
        match kind:
            case "drop_after":
                return _Outcome(None, done=done, fault=kind)
            case "fail_after":
                return _Outcome(_failed(call, ends), done=done, fault=kind)
        return _Outcome(answer, done=done)

    def _run(self, call: Call, environ: Environ) -> Answer:
        """Moto's answer; what it does not have, or breaks over, is 501 and says so."""
        said: list[Any] = []
        try:
            chunks = self._app(environ, lambda status, headers, _=None: said.extend((status, headers)))
            body = b"".join(chunks)
            if (close := getattr(chunks, "close", None)) is not None:
                close()
        except Exception as broken:  # noqa: BLE001  # moto raises whatever it meets
            return _missing(call, broken)
        status, headers = int(said[0].split()[0]), tuple(said[1])
        if status in {404, 405, 500} and _is_page(headers, body):
            return _missing(call, None)
        return Answer(status=status, headers=headers, body=body, code=_code(body) if status >= 400 else "")

    def _write(self, call: Call, fate: Fate, outcome: _Outcome, actor: str, begun: float) -> None:
        answer = outcome.answer
        self._recorder.write(
            lambda seq: Action(
                seq=seq,
                at=self._clock.now(),
                service=call.service,
                action=call.action,
                region=call.region,
                account=self._account,
                resource=call.resource,
                params=harmless(call.service, call.params),
                status=answer.status if answer else 0,
                code=answer.code if answer else "ConnectionClosed",
                done=outcome.done,
                throttled=outcome.throttled,
                fault=outcome.fault,
                stale=round(fate.stale, 3),
                actor=actor,
                agent=call.agent,
                took_ms=round((time.monotonic() - begun) * 1000, 1),
            )
        )


def _of_moto(path: str) -> Call | None:
    """Moto's own pages, reset among them."""
    if not path.startswith("/moto-api"):
        return None
    return Call(service="moto-api", action=path, region="", protocol="rest-json")


def _failed(call: Call, fault: Fault | None) -> Answer:
    status, code = (fault.status, fault.code) if fault else (500, "InternalFailure")
    return error(call, status, code, "The request could not be processed (a fault of the twin)")


def _missing(call: Call, broken: Exception | None) -> Answer:
    name = f"{call.service}:{call.action}"
    if broken is None or isinstance(broken, NotImplementedError):
        return error(call, 501, NOT_MODELLED, f"{name} is not in this twin; see /twin/not_modelled")
    if type(broken).__name__ == "NotModelledError":
        return error(call, 501, NOT_MODELLED, f"{name}: {broken} is not modelled by this twin")
    if type(broken).__name__ == "ParamValidationError":
        return error(call, 400, "ValidationError", str(broken))
    traceback.print_exception(broken)
    return error(call, 501, NOT_MODELLED, f"{name}: moto broke over it: {type(broken).__name__}: {broken}")


def _is_page(headers: Iterable[tuple[str, str]], body: bytes) -> bool:
    """Whether an error is a web page of the server, not an answer of a service."""
    content = next((value for name, value in headers if name.lower() == "content-type"), "")
    return content.startswith("text/html") and body[:200].lower().startswith((b"<!doctype", b"<html"))


def _code(body: bytes) -> str:
    for pattern in _CODES:
        if (found := pattern.search(body)) is not None:
            return found[1].decode("utf-8", "replace")
    return "Unknown"


def _send(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    start_response(answer.line, list(answer.headers))
    return [answer.body]


def _hang_up(environ: Environ) -> None:
    connection = environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        connection.shutdown(socket.SHUT_RDWR)
