"""The examination of one service: which looks there are, and in which order. What fails hides no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from crossfade.dataplane import connect
from crossfade.dataplane.store import Store
from crossfade.doctor import here
from crossfade.doctor.check import Check, Look, examined, ok
from crossfade.doctor.gates import gates
from crossfade.doctor.signals import signals
from crossfade.platforms.local import LocalPlatform as LocalAdapter
from crossfade.spec import Spec
from crossfade.spec.aws_models import AlbPlatform
from crossfade.spec.models import LocalPlatform


def examine(spec: Spec) -> Iterator[Check]:
    """Every check that this service has."""
    match spec.platform:
        case LocalPlatform() as local:
            yield from _local(spec, local)
        case AlbPlatform() as alb:
            from crossfade.doctor.on_aws import on_aws  # noqa: PLC0415  # boto3 is an extra

            yield from on_aws(spec, alb)


def _local(spec: Spec, local: LocalPlatform) -> Iterator[Check]:
    folder = spec.state if isinstance(spec.state, Path) else spec.folder / ".crossfade"
    looks: list[tuple[str, Look]] = [
        ("envoy", here.envoy),
        ("command", lambda: _command(spec, local, folder)),
        ("platform", lambda: here.platform(local, folder)),
        ("state", lambda: here.state(folder)),
        ("signals", lambda: signals(spec, _instances(spec, folder))),
        ("gates", lambda: gates(spec)),
    ]
    yield from examined(looks)


def _command(spec: Spec, local: LocalPlatform, folder: Path) -> Iterator[Check]:
    """As a release would resolve it."""
    LocalAdapter(folder).prepare(spec, "doctor")
    yield ok("command", local.command)


def _instances(spec: Spec, folder: Path) -> list[tuple[str, int]]:
    """Those that serve now; none where nothing runs."""
    client = connect(folder) if Store(folder).pid_file.exists() else None
    if client is None or spec.service not in client.services():
        return []
    seen = client.observe(spec.service).instances
    return [("127.0.0.1", one.port) for one in seen if one.state == "ready" and one.port is not None]
