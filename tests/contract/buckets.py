"""A bucket behind real HTTP: moto in this process, asked by boto3 through our door."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from crossfade.aws import Door, Where
from crossfade.engine.s3 import S3Objects

ACCOUNT = "123456789012"
REGION = "eu-west-1"

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


class OneAtATime:
    """
    What a twin answers of itself, and before moto a lock.

    moto looks at the condition of a write and then writes; S3 does both at once.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/twin":
            start_response("200 OK", [("content-type", "application/json")])
            return [b'{"twin": true}']
        with self._lock:
            return list(self._app(environ, start_response))


@cache
def door() -> Door:
    """To one server for all tests of this process: clients are slow to make. It ends with the process."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # the base class's name
            """Not a word."""

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
