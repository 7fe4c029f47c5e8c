"""Errors in the words of each protocol, so that an SDK reads them as AWS's own; and JSON for `/twin`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from xml.sax.saxutils import escape

from crossfade.twin.call import Call
from crossfade.twin.cloudwatch.wire import to_cbor

NOT_MODELLED: Final = "NotModelledInTwin"
"""The code of what this twin does not do. Its status is 501, which no SDK repeats."""

_THROTTLED: Final = {
    "ec2": (503, "RequestLimitExceeded"),
    "s3": (503, "SlowDown"),
    "lambda": (429, "TooManyRequestsException"),
    "sns": (400, "Throttled"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole response."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    code: str = ""

    @property
    def line(self) -> str:
        """As WSGI wants it."""
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return f"{self.status} Error"


def throttled(call: Call, why: str) -> Answer:
    """The service's own way to say: too fast."""
    by_form = "Throttling" if call.protocol in {"query", "cbor"} else "ThrottlingException"
    status, code = _THROTTLED.get(call.service, (400, by_form))
    return error(call, status, code, f"Rate exceeded ({why})")


def error(call: Call, status: int, code: str, message: str) -> Answer:
    """An error of a service."""
    request = str(uuid.uuid4())
    fault = "Sender" if status < 500 else "Receiver"
    match call.protocol:
        case "query":
            body = (
                f"<ErrorResponse><Error><Type>{fault}</Type><Code>{escape(code)}</Code>"
                f"<Message>{escape(message)}</Message></Error><RequestId>{request}</RequestId></ErrorResponse>"
            ).encode()
            content = "text/xml"
        case "ec2":
            body = (
                f"<Response><Errors><Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
                f"</Error></Errors><RequestID>{request}</RequestID></Response>"
            ).encode()
            content = "text/xml"
        case "rest-xml":
            body = (
                f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
                f"<RequestId>{request}</RequestId></Error>"
            ).encode()
            content = "application/xml"
        case "cbor":
            body = to_cbor({"__type": code, "message": message})
            content = "application/cbor"
        case "json" | "rest-json":
            body = json.dumps({"__type": code, "message": message}).encode()
            content = "application/x-amz-json-1.1" if call.protocol == "json" else "application/json"
    headers = [("Content-Type", content), ("x-amzn-RequestId", request)]
    if call.protocol == "cbor":
        headers += [("smithy-protocol", "rpc-v2-cbor"), ("x-amzn-query-error", f"{code};{fault}")]
    if call.protocol in {"json", "rest-json"}:
        headers.append(("x-amzn-ErrorType", code))
    return _whole(status, headers, body, code)


def as_json(value: Any, status: int = 200) -> Answer:
    """A page of `/twin`."""
    return _whole(status, [("Content-Type", "application/json")], json.dumps(value).encode() + b"\n", "")


def _whole(status: int, headers: Iterable[tuple[str, str]], body: bytes, code: str) -> Answer:
    return Answer(status=status, headers=(*headers, ("Content-Length", str(len(body)))), body=body, code=code)
