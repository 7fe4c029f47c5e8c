"""A bucket behind real HTTP: moto in this process, asked by boto3 through our door."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import Any

from crossfade.aws import Door, Where
from crossfade.engine.s3 import S3Objects

ACCOUNT = "123456789012"
REGION = "eu-west-1"

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass
class Weather:
    """What becomes of the calls on one bucket."""

    refuses: tuple[str, str] | None = None
    """Status line and code of every answer, before anything is done."""
    swallows: int = 0
    """So many writes are done and answered with a 500."""
    clock: timedelta = timedelta(0)
    """How far its clock is ahead of ours."""
    calls: list[str] = field(default_factory=list)


WEATHER: dict[str, Weather] = {}
"""By bucket."""


class OneAtATime:
    """
    What a twin answers of itself, and before moto a lock and the weather.

    moto looks at the condition of a write and then writes; S3 does both at once.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/twin":
            start_response("200 OK", [("content-type", "application/json")])
            return [b'{"twin": true}']
        weather = WEATHER.get(environ["PATH_INFO"].split("/")[1], Weather())
        weather.calls.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        if weather.refuses is not None:
            return _error(start_response, *weather.refuses)

        def dated(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            at = format_datetime(datetime.now(UTC) + weather.clock, usegmt=True)
            others = [(name, value) for name, value in headers if name.lower() != "date"]
            return start_response(status, [*others, ("Date", at)], *rest)

        with self._lock:
            if weather.swallows and environ["REQUEST_METHOD"] == "PUT":
                weather.swallows -= 1
                list(self._app(environ, lambda *_: None))
                return _error(start_response, "500 Internal Server Error", "InternalError")
            return list(self._app(environ, dated))


def _error(start_response: Any, status: str, code: str) -> list[bytes]:
    start_response(status, [("content-type", "application/xml")])
    return [f"<Error><Code>{code}</Code><Message>said so</Message></Error>".encode()]


@cache
def door() -> Door:
    """To one server for all tests of this process: clients are slow to make. It ends with the process."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # the base class's name
            """Not a word."""

        def send_response(self, code: int, message: str | None = None) -> None:
            """Without the date of this machine: the weather has its own."""
            self.send_response_only(code, message)

    app = OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return Door(Where(account=ACCOUNT, region=REGION, endpoint=f"http://127.0.0.1:{server.server_port}"))


_numbers = itertools.count()


def new_bucket() -> str:
    """An empty bucket; its name."""
    client, name = door().client("s3"), f"state-{next(_numbers)}"
    # The first answer of moto may take longer than our door waits: asked again, the bucket is there.
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def objects_in(bucket: str, prefix: str = "prod") -> S3Objects:
    return S3Objects(door(), bucket, prefix)
