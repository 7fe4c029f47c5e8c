"""
A twin of a test's own: a child process, so that moto's global state and the lock on the outside world stay
in it. It hangs on a pipe: however the test ends, even killed, the twin and its Envoy end too.

    with Twin(preset="bad-day", seed=7, clock=10) as twin:
        elb = twin.client("elbv2")
        twin.fault("fail_after", action="ModifyRule", count=1)
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Any, Final, Self
from urllib.error import HTTPError

from crossfade.errors import PlatformError

_READY_S: Final = 60.0  # on a busy machine; usually about 3
_GRACE_S: Final = 10.0


class Twin:
    """`crossfade twin up` in a process of its own. `clock`: twin seconds per real second."""

    def __init__(
        self,
        preset: str = "instant",
        *,
        seed: int = 0,
        clock: float = 1.0,
        port: int = 0,
        region: str = "eu-west-1",
        account: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """`env` is added to the environment of the child."""
        self.region = region
        self._words = [
            *("--preset", preset, "--seed", str(seed), "--clock", str(clock)),
            *("--port", str(port), "--region", region),
            *(("--account", account) if account else ()),
        ]
        self._env = {**os.environ, **(env or {})}
        self._facts: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when it answers. Raises PlatformError CF4312 with the child's own words."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed by stop
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crossfade", "twin", "up", "--json", "--leash", *self._words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=self._env,
        )
        line = _first_line(self._process, _READY_S)
        if not line:
            said = self.log
            self.stop()
            raise PlatformError("CF4312", "the twin did not come up", said.strip() or "it said nothing")
        self._facts = json.loads(line)

    def stop(self) -> None:
        """Ends it and all that it started; may be repeated."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError):
                process.terminate()
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    @property
    def endpoint(self) -> str:
        """For `endpoint_url`, `AWS_ENDPOINT_URL` and `aws.endpoint`."""
        return str(self._facts["endpoint"])

    @property
    def pid(self) -> int:
        """Of the child."""
        return int(self._facts["pid"])

    @property
    def account(self) -> str:
        """The account that it is."""
        return str(self._facts["account"])

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it said when it was ready."""
        return self._facts

    @property
    def log(self) -> str:
        """What it wrote to stderr."""
        if self._log is None:
            return ""
        return os.pread(self._log.fileno(), 1_000_000, 0).decode(errors="replace")

    def client(self, service: str, **more: Any) -> Any:
        """boto3's client of a service, past proxies and whatever AWS variables are set; `more` is boto3's."""
        import boto3  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra
        from botocore.config import Config  # type: ignore[import-untyped]  # noqa: PLC0415

        own = Config(
            proxies={},
            s3={"addressing_style": "path"},
            connect_timeout=5,
            ignore_configured_endpoint_urls=True,
        )
        given = more.pop("config", None)
        said = {
            "region_name": self.region,
            "aws_access_key_id": "twin",
            "aws_secret_access_key": "twin",
            **more,
        }
        return boto3.client(
            service, endpoint_url=self.endpoint, config=own.merge(given) if given else own, **said
        )

    def ports(self) -> dict[str, int]:
        """Listener ARN, and the port asked for as text -> port on 127.0.0.1."""
        found: dict[str, int] = self.ask("GET", "/twin/ports")
        return found

    def actions(self, since: int = 0, *, name: str = "") -> list[dict[str, Any]]:
        """What was asked of it after a number, in order; only one action's with `name`."""
        every = self.ask("GET", f"/twin/actions?since={since}")["actions"]
        return [one for one in every if name in {"", one["action"]}]

    def fault(self, kind: str, **what: Any) -> str:
        """Puts a fault in force (`crossfade.twin.faults` has the kinds); its id."""
        return str(self.ask("POST", "/twin/faults", {"kind": kind, **what})["id"])

    def mend(self, fault_id: str | None = None) -> None:
        """Ends one fault, or all, those of the preset too."""
        self.ask("DELETE", f"/twin/faults/{fault_id}" if fault_id else "/twin/faults")

    def advance(self, seconds: float) -> None:
        """Jumps forward in twin time."""
        self.ask("POST", "/twin/clock", {"advance": seconds})

    def now(self) -> float:
        """The twin's epoch seconds."""
        return float(self.ask("GET", "/twin/clock")["now"])

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """A request to `/twin…`; raises PlatformError CF4312 with the twin's words when it refuses."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310  # an endpoint on 127.0.0.1, which our child told us
            f"{self.endpoint}{path}", data=data, method=method
        )
        past_proxies = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with past_proxies.open(request, timeout=_READY_S) as reply:
                return json.load(reply)
        except HTTPError as error:
            raise PlatformError(
                "CF4312", f"the twin refused {method} {path}", error.read().decode()
            ) from error


def _first_line(process: subprocess.Popen[bytes], patience: float) -> bytes:
    """The first line of its output; empty when it ended or took too long."""
    output = process.stdout.fileno() if process.stdout is not None else -1
    until, got = time.monotonic() + patience, b""
    while not got.endswith(b"\n"):
        left = until - time.monotonic()
        if left <= 0 or not select.select([output], [], [], left)[0]:
            return b""
        some = os.read(output, 65536)
        if not some:
            return b""
        got += some
    return got
