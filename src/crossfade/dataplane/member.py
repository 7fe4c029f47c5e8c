"""One process, the seat it has in its group, and the words for both: what `fleet.py` moves."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from crossfade.dataplane import process as proc
from crossfade.dataplane.codec import encode
from crossfade.dataplane.health import Prober
from crossfade.dataplane.model import Group, Instance, InstanceState

FIRST_WAIT_S: Final = 0.2  # before the first restart; doubles from there


@dataclass(slots=True)
class Member:
    """One living process."""

    service: str
    group: str
    id: str
    process: proc.Process
    port: int
    spec: Group
    state: InstanceState = "starting"
    since: float = 0.0
    misses: int = 0
    why: str = ""
    registered: bool = False  # it was in the endpoints at some time
    out_since: float | None = None  # Envoy runs without it since
    told: float | None = None  # SIGTERM was sent
    killed: bool = False
    place: Place | None = None
    prober: Prober | None = None
    pidfd: int | None = None

    @property
    def seat(self) -> tuple[str, str]:
        """Whose it is: service and group."""
        return self.service, self.group


@dataclass(slots=True)
class Place:
    """A seat for one process after another."""

    member: Member | None = None
    restarts: int = -1  # starts after the first
    last_exit: str = ""
    wait_s: float = FIRST_WAIT_S
    start_at: float = 0.0
    since: float = 0.0


@dataclass(slots=True)
class Crew:
    key: str
    spec: Group
    places: list[Place] = field(default_factory=list)


def key_of(group: Group) -> str:
    """What makes two groups the same program; numbers and patience do not."""
    same = (group.revision, group.command, group.folder, dict(group.env), group.health)
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()


def logs_of(logs: Path, service: str, group: str) -> list[Path]:
    """The log files of a group's instances, newest first."""
    name = re.compile(rf"{re.escape(service)}-{group}-(\d+)\.log")
    found = [(int(m[1]), path) for path in logs.iterdir() if (m := name.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def last_lines(logs: Path, service: str, group: str, lines: int) -> dict[str, list[str]]:
    """The ends of the newest five logs of a group, by instance id, newest first."""
    found = {}
    for path in logs_of(logs, service, group)[:5]:
        with contextlib.suppress(OSError), path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64_000))
            text = file.read().decode(errors="replace")
            found[path.stem.removeprefix(f"{service}-")] = text.splitlines()[-lines:]
    return found


def fill(part: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        part = part.replace(name, value)
    return part


def empty_seat(group: str, spec: Group, place: Place, number: int) -> Instance:
    return Instance(
        group=group,
        id=f"{group}-waiting-{number}",
        pid=None,
        port=None,
        revision=spec.revision,
        state="starting",
        since=place.since,
        restarts=max(0, place.restarts),
        last_exit=place.last_exit,
        rss_bytes=0,
    )


def shown(member: Member) -> Instance:
    place = member.place
    return Instance(
        group=member.group,
        id=member.id,
        pid=member.process.pid,
        port=member.port,
        revision=member.spec.revision,
        state=member.state,
        since=member.since,
        restarts=place.restarts if place else 0,
        last_exit=place.last_exit if place else "",
        rss_bytes=proc.rss_bytes(member.process.pid),
    )


def recorded(member: Member) -> dict[str, Any]:
    """What the next supervisor needs to take a member over."""
    return {
        "service": member.service,
        "group": member.group,
        "id": member.id,
        "pid": member.process.pid,
        "started": member.process.started,
        "port": member.port,
        "spec": encode(member.spec),
        "state": member.state,
        "since": member.since,
        "registered": member.registered,
        "out_since": member.out_since,
        "told": member.told,
        "restarts": member.place.restarts if member.place else 0,
        "last_exit": member.place.last_exit if member.place else "",
        "seated": member.place is not None,
    }
