"""
What a load balancer says by itself: error pages, fixed responses, redirects. All of it bears its name as
server; what a target answers does not.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

from crossfade.dataplane import pieces
from crossfade.dataplane.sticky import woken
from crossfade.twin.balancer.model import FixedResponse, Redirect

REDIRECTS: Final = "redirects"
"""The filter, asleep on each listener, that a redirect's route wakes."""

SERVER: Final = "awselb/2.0"

_SCRIPT: Final = """\
function envoy_on_request(handle)
  local headers = handle:headers()
  local authority = headers:get(":authority") or ""
  local path, query = string.match(headers:get(":path"), "^([^?]*)%%??(.*)$")
  local parts = {
    protocol = "%(protocol)s", port = "%(port)s", query = query,
    host = string.match(authority, "^(%%[.*%%])") or string.match(authority, "^[^:]*"),
    path = string.gsub(path, "^/", ""),
  }
  local function filled(text) return (string.gsub(text, "#{(%%l+)}", parts)) end
  local asked = filled(%(query)s)
  local location = string.lower(filled(%(to_protocol)s)) .. "://" .. filled(%(host)s)
    .. ":" .. filled(%(to_port)s) .. filled(%(path)s)
  if asked ~= "" then location = location .. "?" .. asked end
  local said = {[":status"] = "%(status)d", ["location"] = location, ["content-type"] = "text/html"}
  handle:respond(said, %(body)s)
end
"""


def page(status: int) -> str:
    """The page of an error, as a load balancer writes it."""
    title = f"{status} {_phrase(status)}"
    lines = (
        "<html>",
        f"<head><title>{title}</title></head>",
        "<body>",
        f"<center><h1>{title}</h1></center>",
        "</body>",
        "</html>",
        "",
    )
    return "\r\n".join(lines)


def mappers() -> list[dict[str, Any]]:
    """What becomes of the proxy's own answers: refused or broken off = 502, too slow = 504."""
    no_connection = {
        "name": "cel",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": "response.code_details.contains('connection_timeout')",
        },
    }
    return [
        _signed({"filter": {"extension_filter": no_connection}, "status_code": 504}, page(504)),
        _signed(pieces.with_flags(["UF", "UC", "UR", "LR", "UPE"], 502), page(502)),
        _signed(pieces.with_flags(["UT", "SI"], 504), page(504)),
        _signed(pieces.with_flags(["UH", "UO", "NC"], 503), page(503)),
        _signed({"filter": {"status_code_filter": {"comparison": _any_status()}}}),
    ]


def _signed(mapper: dict[str, Any], body: str = "") -> dict[str, Any]:
    said = {**mapper, "headers_to_add": [pieces.overwriting("server", SERVER)]}
    if body:
        said["body"] = {"inline_string": body}
        said["body_format_override"] = {
            "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
            "content_type": "text/html",
        }
    return said


def _any_status() -> dict[str, Any]:
    return {"op": "GE", "value": {"default_value": 0, "runtime_key": "crossfade.any_status"}}


def answer(status: int) -> dict[str, Any]:
    """A route's part that answers with an error page."""
    return fixed(FixedResponse(status=status, content_type="text/html", body=page(status)))


def fixed(said: FixedResponse) -> dict[str, Any]:
    """A route's part that answers as it was told."""
    reply: dict[str, Any] = {"status": said.status}
    if said.body:
        reply["body"] = {"inline_string": said.body}
    headers = [pieces.overwriting("content-type", said.content_type)] if said.body else []
    return {"direct_response": reply, "response_headers_to_add": headers}


def redirect(to: Redirect, *, port: int) -> dict[str, Any]:
    """A route's part that sends elsewhere; `port` is where its listener is served."""
    script = _SCRIPT % {
        "protocol": "http",
        "port": port,
        "to_protocol": _lua(to.protocol),
        "host": _lua(to.host),
        "to_port": _lua(to.port),
        "path": _lua(to.path),
        "query": _lua(to.query.removeprefix("?")),
        "status": to.status,
        "body": _lua(page(to.status)),
    }
    return {
        "direct_response": {"status": to.status},
        "typed_per_filter_config": {REDIRECTS: woken(script)},
    }


def _lua(text: str) -> str:
    """A text as a literal of Lua: nothing in it can end the literal."""
    return '"' + re.sub(r"[^A-Za-z0-9]", lambda found: _bytes(found.group()), text) + '"'


def _bytes(letter: str) -> str:
    return "".join(f"\\{byte:03d}" for byte in letter.encode())


def _phrase(status: int) -> str:
    known = {
        301: "Moved Permanently",
        302: "Found",
        503: "Service Temporarily Unavailable",
        504: "Gateway Time-out",
    }
    return known.get(status) or HTTPStatus(status).phrase
