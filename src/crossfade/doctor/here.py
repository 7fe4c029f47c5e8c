"""What a release needs of this machine: Envoy and a port for `local`, a folder for the state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from crossfade.dataplane import connect
from crossfade.dataplane.envoy import find_envoy
from crossfade.dataplane.ports import claim
from crossfade.dataplane.store import Store
from crossfade.doctor.check import Check, State, failed, ok
from crossfade.engine.place import NETWORKED, file_system, prove_writable
from crossfade.errors import PlatformError, RefusedError
from crossfade.sites import refuse_lonely_state
from crossfade.spec import Spec
from crossfade.spec.models import LocalPlatform


def envoy() -> Iterator[Check]:
    """The program that carries the traffic of `local`."""
    yield ok("envoy", find_envoy())


def platform(local: LocalPlatform, folder: Path) -> Iterator[Check]:
    """Whether it runs, or could: nothing is started to find out."""
    # Without a pid file there is none, and `connect` would make a place for its socket.
    client = connect(folder) if Store(folder).pid_file.exists() else None
    if client is not None:
        names = ", ".join(client.services()) or "no service yet"
        yield ok("platform", f"runs in {folder}: {names}")
        return
    for name, port in (("port", local.port), ("test port", local.test_port)):
        if port:
            try:
                claim(port)
            except PlatformError as error:
                yield failed(name, error)
            else:
                yield ok(name, f"{port} is free")
    yield ok("platform", "does not run yet; the first deploy starts it")


def state(folder: Path) -> Iterator[Check]:
    """A folder for the journal, or a place where one can be made."""
    kind = file_system(folder)
    if kind in NETWORKED:
        yield failed(
            "state",
            RefusedError(
                "CF5001",
                f"{folder} is on a network file system ({kind})",
                "its locks do not keep two controllers apart",
                "put `state:` on a local disk",
            ),
        )
        return
    if folder.is_dir():
        prove_writable(folder)
        yield ok("state", f"{folder} can be written")
        return
    above = next(one for one in folder.parents if one.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        yield failed(
            "state",
            RefusedError(
                "CF5002", f"{folder} cannot be made", f"{above} cannot be written", "set `state:` elsewhere"
            ),
        )
        return
    yield ok("state", f"{folder} is made by the first release")


def off_this_machine(spec: Spec) -> Iterator[Check]:
    """
    On AWS the next runner has to find the journal, and a dead one leaves it to a watchdog.

    Raises `RefusedError` where a release would be refused for it.
    """
    on_aws = (
        spec.aws is not None and spec.aws.endpoint is None and not isinstance(spec.platform, LocalPlatform)
    )
    if not on_aws or not isinstance(spec.state, Path):
        return
    refuse_lonely_state(spec, spec.state)
    yield Check(
        name="state", state=State.WARN,
        said="the state is a folder of this machine, and the service is not on it",
        why="the next command may run elsewhere, know of no release, and could take none back (R33)",
        fix="state: s3://BUCKET/PREFIX in crossfade.yaml",
    )  # fmt: skip
