"""
The app processes of all services: which should run, which may get requests, which must go.

    starting ──ok──► ready ◄──ok / 3 misses──► unhealthy          (in the endpoints: ready; and
        │              │                          │                unhealthy if nobody is ready)
        └──────────────┴────────► draining ──silent or late──► stopping ──► gone

An instance is out of the endpoints before it is told to stop, and told to stop only when nothing
is in flight (R09). What lives longer than `drain_s` (a websocket, a stream) meets SIGTERM, and so the
chance to say goodbye, and is counted in `cut`. `Fleet` holds the state and knows nothing of Envoy: the
supervisor asks it for `members`, and tells it what was deregistered (`deregistered`) and what is in
flight.
NOT THREAD-SAFE: its owner holds one lock.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from crossfade import sessions
from crossfade.dataplane import process as proc
from crossfade.dataplane.codec import decode
from crossfade.dataplane.failures import tell
from crossfade.dataplane.health import Prober
from crossfade.dataplane.member import (
    FIRST_WAIT_S,
    Crew,
    Member,
    Place,
    empty_seat,
    fill,
    key_of,
    logs_of,
    recorded,
    shown,
)
from crossfade.dataplane.model import GROUPS, Group, Instance, InstanceState, Service
from crossfade.dataplane.ports import free_port
from crossfade.dataplane.xds import Endpoint

MISSES: Final = 3
_LONGEST_WAIT_S: Final = 5.0
_PROVED_S: Final = 10.0  # served so long = the next failure is a new story, wait little again
_SETTLED_S: Final = 0.1  # Envoy's workers follow its main thread within milliseconds
_LOGS_KEPT: Final = 10


class Fleet:
    """All processes of one folder."""

    def __init__(self, logs: Path, mark: str, told: Callable[[str, str], None]) -> None:
        self._logs, self._mark, self._told = logs, mark, told
        self._crews: dict[tuple[str, str], Crew] = {}
        self.members: dict[str, Member] = {}  # by unique "service/id"
        self._next = 1
        self._cut: dict[tuple[str, str], int] = {}
        self.changed = False  # what is recorded on the disk is older than this

    # --- what should run -------------------------------------------------------------------

    def reconcile(self, services: Mapping[str, Service], now: float) -> None:
        """Starts what is missing, takes out what is too much. Repeating it changes nothing."""
        for name, group in list(self._crews):
            if name not in services:
                self._dismiss(self._crews.pop((name, group)), now)
        for service in services.values():
            for group in GROUPS:
                self._reconcile_group(service.name, group, service.groups[group], now)
        for member in list(self.members.values()):
            if member.state == "starting" and now - member.since > member.spec.ready_timeout_s:
                self._give_up(member, now)

    def _reconcile_group(self, service: str, group: str, spec: Group | None, now: float) -> None:
        crew = self._crews.get((service, group))
        if crew is not None and (spec is None or crew.key != key_of(spec)):
            self._dismiss(self._crews.pop((service, group)), now)
            crew = None
        if spec is None:
            return
        if crew is None:
            crew = self._crews[service, group] = Crew(key=key_of(spec), spec=spec)
        crew.spec = spec
        for place in crew.places:
            if place.member is not None:
                place.member.spec = spec
        for place in self._surplus(crew, spec.instances):
            crew.places.remove(place)
            if place.member is not None:
                self._retire(place.member, now)
        while len(crew.places) < spec.instances:
            crew.places.append(Place(since=now))
        for place in crew.places:
            if place.member is None and now >= place.start_at:
                self._start(service, group, place, spec, now)

    @staticmethod
    def _surplus(crew: Crew, wanted: int) -> list[Place]:
        def worth(place: Place) -> tuple[bool, bool]:
            member = place.member
            return (member is not None and member.state == "ready", member is not None)

        youngest_first = crew.places[::-1]
        order = sorted(youngest_first, key=worth)  # stable
        return order[: max(0, len(crew.places) - wanted)]

    def _dismiss(self, crew: Crew, now: float) -> None:
        for place in crew.places:
            if place.member is not None:
                self._retire(place.member, now)

    def _start(self, service: str, group: str, place: Place, spec: Group, now: float) -> None:
        port = free_port(member.port for member in self.members.values())
        instance = f"{group}-{self._next}"
        self._next += 1
        values = {"{port}": str(port), "{revision}": spec.revision}
        told = {"PORT": str(port), "CROSSFADE_REVISION": spec.revision}
        named = {sessions.VARIABLE: sessions.session_name(service, spec.revision)}
        env = {**os.environ, **named, **spec.env, **told}
        place.restarts += 1
        place.since = now
        self.changed = True
        self._tidy_logs(service, group)
        try:
            process = proc.spawn(
                [fill(part, values) for part in spec.command],
                folder=spec.folder,
                env=env,
                log=self._logs / f"{service}-{instance}.log",
                mark=self._mark,
            )
        except OSError as error:
            place.last_exit = f"cannot be started: {error}"
            self._wait(place, now)
            return
        member = Member(service, group, instance, process, port, spec, since=now, place=place)
        place.member = member
        self._watch(member)

    def _watch(self, member: Member) -> None:
        key = f"{member.service}/{member.id}"
        self.members[key] = member
        member.pidfd = proc.open_pidfd(member.process)
        if member.state in ("starting", "ready", "unhealthy"):
            member.prober = Prober(member.port, member.spec.health, lambda why: self._told(key, why))
            member.prober.start()

    # --- what was seen ---------------------------------------------------------------------

    def probed(self, key: str, why: str, now: float) -> bool:
        """A health check answered (`why` empty = healthy). True when the endpoints change."""
        member = self.members.get(key)
        if member is None or member.state in ("draining", "stopping"):
            return False
        member.why = why
        member.misses = member.misses + 1 if why else 0
        if not why and member.state != "ready":
            return self._enter(member, "ready", now)
        if member.misses >= MISSES and member.state == "ready":
            return self._enter(member, "unhealthy", now)
        return False

    def ended(self, key: str, now: float) -> Member | None:
        """A process has ended: it is out at once; `buried` tells how, when that is known."""
        member = self.members.pop(key, None)
        if member is None:
            return None
        self.changed = True
        if member.prober is not None:
            member.prober.stop()
        place = member.place
        if place is not None and place.member is member:
            if member.state == "ready" and now - member.since > _PROVED_S:
                place.wait_s = FIRST_WAIT_S
            place.member = None
            place.since = now
            self._wait(place, now)
        return member

    def buried(self, member: Member) -> None:
        """Collects an ended process and records how it ended."""
        if member.pidfd is not None:
            os.close(member.pidfd)
            member.pidfd = None
        how = proc.reap(member.process, self._mark)
        if member.place is not None:
            member.place.last_exit = f"{how} ({member.why})" if member.why else how

    # --- who may get requests --------------------------------------------------------------

    def endpoints(self) -> dict[str, dict[str, tuple[Endpoint, ...]]]:
        """Service -> group -> endpoints: the ready ones; if there are none, the unhealthy ones."""
        found: dict[str, dict[str, tuple[Endpoint, ...]]] = {}
        for (service, group), crew in self._crews.items():
            here = [place.member for place in crew.places if place.member is not None]
            ready = [m for m in here if m.state == "ready"]
            serving = ready or [m for m in here if m.state == "unhealthy"]
            for member in serving:
                member.registered = True
            found.setdefault(service, {})[group] = tuple(Endpoint(id=m.id, port=m.port) for m in serving)
        return found

    def deregistered(self, listed: Iterable[int], now: float) -> None:
        """Envoy now runs with these ports only: the drain of all others begins here."""
        ports = set(listed)
        for member in self.members.values():
            if member.state == "draining" and member.out_since is None and member.port not in ports:
                member.out_since, self.changed = now, True

    # --- leaving ---------------------------------------------------------------------------

    def leave(self, in_flight: Callable[[int], int], now: float) -> None:
        """One step of the way out for everybody on it; `in_flight`: port -> open requests."""
        for member in self.members.values():
            if member.state == "draining" and self._drained(member, in_flight, now):
                self._enter(member, "stopping", now)
                member.told = now
                proc.end(member.process, signal.SIGTERM)
            elif member.state == "stopping" and not member.killed:
                if member.told is None:
                    member.told = now
                if now - member.told > member.spec.stop_grace_s:
                    member.killed = True
                    proc.end(member.process, signal.SIGKILL)

    def _drained(self, member: Member, in_flight: Callable[[int], int], now: float) -> bool:
        if not member.registered:
            return True
        if member.out_since is None or now - member.out_since < _SETTLED_S:
            return False
        left = in_flight(member.port)
        if left and now - member.out_since > member.spec.drain_s:
            self._cut[member.seat] = self._cut.get(member.seat, 0) + left
            tell(
                f"{member.service} {member.id}: its drain of {member.spec.drain_s:g} s is over, "
                f"{left} connections that were still open are closed by SIGTERM"
            )
            return True
        return not left

    def leaving(self) -> bool:
        """Whether anybody is on the way out."""
        return any(m.state in ("draining", "stopping") for m in self.members.values())

    def hurried(self) -> bool:
        """Whether something will change by time alone soon: a start, a drain, a restart."""
        return self.leaving() or any(
            place.member is None or place.member.state == "starting"
            for crew in self._crews.values()
            for place in crew.places
        )

    def _retire(self, member: Member, now: float) -> None:
        member.place = None
        if member.prober is not None:
            member.prober.stop()
        self._enter(member, "draining", now)

    def _give_up(self, member: Member, now: float) -> None:
        member.why = f"not healthy within {member.spec.ready_timeout_s:g} s: {member.why}"
        if member.prober is not None:
            member.prober.stop()
        member.told = now
        self._enter(member, "stopping", now)
        proc.end(member.process, signal.SIGTERM)

    def _enter(self, member: Member, state: InstanceState, now: float) -> bool:
        member.state, member.since, self.changed = state, now, True
        return True

    @staticmethod
    def _wait(place: Place, now: float) -> None:
        place.start_at = now + place.wait_s
        place.wait_s = min(place.wait_s * 2, _LONGEST_WAIT_S)

    # --- telling ---------------------------------------------------------------------------

    def instances(self, service: str) -> tuple[Instance, ...]:
        """All instances of a service: living, leaving, and places that wait for a start."""
        found = []
        for (name, group), crew in self._crews.items():
            if name == service:
                found += [
                    empty_seat(group, crew.spec, place, number)
                    for number, place in enumerate(crew.places)
                    if place.member is None
                ]
        found += [shown(m) for m in self.members.values() if m.service == service]
        return tuple(sorted(found, key=lambda item: (item.group, item.id)))

    def restarts(self, service: str) -> dict[str, int]:
        """Starts after the first, per group, over the present places."""
        found = dict.fromkeys(GROUPS, 0)
        for (name, group), crew in self._crews.items():
            if name == service:
                found[group] = sum(max(0, place.restarts) for place in crew.places)
        return found

    def cut(self, service: str) -> dict[str, int]:
        """Connections that were still open when an instance's drain was over, per group, ever since."""
        return {group: self._cut.get((service, group), 0) for group in GROUPS}

    def _tidy_logs(self, service: str, group: str) -> None:
        kept = {f"{m.service}-{m.id}.log" for m in self.members.values()}
        for path in logs_of(self._logs, service, group)[_LOGS_KEPT:]:
            if path.name not in kept:
                path.unlink(missing_ok=True)

    # --- for the next supervisor -----------------------------------------------------------

    def record(self) -> dict[str, Any]:
        """Everything the next supervisor needs to take these processes over."""
        return {
            "next": self._next,
            "members": [recorded(m) for m in self.members.values()],
            "cut": [[*seat, number] for seat, number in self._cut.items()],
        }

    def adopt(self, record: Mapping[str, Any]) -> None:
        """Takes over what an earlier supervisor recorded, as far as it still lives."""
        self._next = int(record.get("next", 1))
        self._cut = {(service, group): int(number) for service, group, number in record.get("cut", ())}
        for item in record.get("members", ()):
            process = proc.Process(pid=item["pid"], started=item["started"])
            if not proc.alive(process):
                continue
            spec = decode(Group, item["spec"])
            member = Member(item["service"], item["group"], item["id"], process, item["port"], spec)
            member.state, member.since = item["state"], item["since"]
            member.registered = item["registered"]
            # Users were promised a drain of that length, not one per supervisor.
            member.out_since, member.told = item.get("out_since"), item.get("told")
            if item["seated"]:
                crew = self._crews.setdefault(member.seat, Crew(key=key_of(spec), spec=spec))
                member.place = Place(member=member, restarts=item["restarts"], last_exit=item["last_exit"])
                crew.places.append(member.place)
            self._watch(member)
