"""
The one process per state folder that owns Envoy and the apps.

    python -m crossfade.dataplane.supervisor FOLDER

One loop (this thread) does everything that acts: starts, stops, writes Envoy's files. Other
threads only bring news under one lock and wake the loop: health checks (`health.py`), the access
log (`accesslog.py`), counters, and the socket (`serve.py`), whose commands land in `Supervisor`.

It may be killed at any instant. Documents are on the disk before they act; Envoy and the apps
live in sessions of their own, are recorded with pid and start time, and are taken over by the
next supervisor without a pause. Only `down` stops them.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import sys
import threading
import time
from typing import Final

from crossfade.dataplane import admission, config, ports, routes, sight, xds
from crossfade.dataplane import process as proc
from crossfade.dataplane.accesslog import AccessLog
from crossfade.dataplane.envoy import find_envoy
from crossfade.dataplane.failures import InvalidChange, UnknownService, complain
from crossfade.dataplane.fleet import Fleet
from crossfade.dataplane.member import Member, last_lines
from crossfade.dataplane.model import Applied, Counted, Observed, Proxy, Service, check
from crossfade.dataplane.proxy import ProxyProcess
from crossfade.dataplane.serve import Server
from crossfade.dataplane.store import Store, write_whole
from crossfade.dataplane.sweep import sweep

_IDLE_S: Final = 0.25
_HURRIED_S: Final = 0.05
_URGENT_S: Final = 0.01
_SAMPLE_S: Final = 0.25
_APPLY_S: Final = 2.2  # below the client's 3 s: an answer is better than silence
_LOCK_S: Final = 0.3
_DOWN_GRACE_S: Final = 5.0
_PROXY: Final = "envoy"


class Supervisor:
    """Everything that acts. Public methods are the commands of the socket; any thread."""

    def __init__(self, store: Store, program: str) -> None:
        self._store = store
        mark = store.mark()
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._fleet = Fleet(store.logs, mark, self._probed)
        self._proxy = ProxyProcess(store, program, mark)
        self._mark = mark
        self._documents: dict[str, tuple[int, Service]] = {}
        self._stamp: dict[str, tuple[int, int]] = {}
        self._published: dict[str, int] = {}  # in Envoy's files
        self._dirty = True
        self._mend = self._stopping = False
        self._selector = selectors.DefaultSelector()
        self._bell, self._ring = os.pipe()
        os.set_blocking(self._ring, False)
        os.set_blocking(self._bell, False)
        self._selector.register(self._bell, selectors.EVENT_READ, None)
        self._watched: dict[str, int] = {}
        self._dead: list[str] = []  # ended before they could be watched
        self._written: tuple[dict[str, tuple[int, Service]], xds.Members] | None = None
        self._log = AccessLog(
            store.access_log,
            proxy_seen=self._proxy.seen_alive,
            instances=self._instances_by_cluster,
            reopen=self._proxy.reopen_logs,
        )

    # --- commands --------------------------------------------------------------------------

    def services(self) -> dict[str, int]:
        """Name -> generation."""
        with self._lock:
            self._reload()
            return {name: generation for name, (generation, _) in self._documents.items()}

    def apply(self, service: Service, expect_generation: int) -> Applied:
        """Compare-and-set of a whole document; waits a little until Envoy runs with it."""
        check(service)
        with self._lock, self._store.writing(_LOCK_S):
            self._reload()
            generation, before = self._documents.get(service.name, (0, None))
            admission.expect(service.name, expect_generation, generation)
            if before is not None:
                admission.no_swap_under_traffic(before, service)
            others = [found for _, found in self._documents.values() if found.name != service.name]
            apps = {member.port for member in self._fleet.members.values()}
            service = admission.with_ports(service, before, others, apps)
            self._mend |= service == before  # the same once more: whoever asks saw that it is not so
            generation += 1
            self._store.save_service(generation, service)
            self._reload()
        self._wake()
        return self._await(service.name, generation)

    def remove(self, name: str, expect_generation: int) -> None:
        """Forgets a service whose groups are both None."""
        with self._lock, self._store.writing(_LOCK_S):
            self._reload()
            generation, service = self._find(name)
            admission.expect(name, expect_generation, generation)
            if any(service.groups.values()):
                raise InvalidChange(
                    "CF4103",
                    f"service {name} still has a group",
                    why="removing it now would stop processes that may serve",
                    fix="set weights to 0 and both groups to None first",
                )
            self._store.service_file(name).unlink()
            self._reload()
        self._wake()

    def observe(self, name: str) -> Observed:
        """What is true of a service now; see `Observed`."""
        seen = self._proxy.read_back() if self._proxy.sample() else None
        traffic = self._proxy.traffic()
        with self._lock:
            self._reload()
            generation, service = self._find(name)
            applied = self._applied(name, generation)
            found = sight.configured(service, seen)
            process = self._proxy.process
            return Observed(
                generation=generation,
                service=service,
                applied=applied,
                reason="" if applied else self._why(service, found),
                routes=found.routes,
                others=found.others,
                test_route=found.test_route,
                listener_port=found.live,
                test_port=found.test,
                instances=self._fleet.instances(name),
                restarts=self._fleet.restarts(name),
                cut=self._fleet.cut(name),
                active=sight.active(service, traffic),
                silent_s=sight.silence(service, traffic),
                envoy=Proxy(
                    pid=process.pid if process else None,
                    restarts=self._proxy.restarts,
                    rss_bytes=proc.rss_bytes(process.pid) if process else 0,
                ),
                sampled_at=time.time(),
            )

    def counts(self, name: str, since: float) -> Counted:
        """Closed seconds of a service from `since` on."""
        with self._lock:
            self._find(name)
        return self._log.counted(name, since)

    def logs(self, name: str, group: str, lines: int) -> dict[str, list[str]]:
        """The last lines of the newest instances of a group, the ended ones included."""
        return last_lines(self._store.logs, name, group, lines)

    def down(self) -> None:
        """Stops everything, and then this process."""
        with self._lock:
            self._stopping = True
        self._wake()

    # --- the loop --------------------------------------------------------------------------

    def run(self) -> None:
        """Runs until `down`."""
        self._adopt()
        self._log.start()
        threading.Thread(target=self._sample, daemon=True, name="counters").start()
        server = Server(self, self._store.socket("control.sock"))
        server.start()
        try:
            while not self._stopping:
                try:
                    self._turn()
                except (OSError, ValueError):  # disk full, a broken document: serve on, try again
                    complain()
                    time.sleep(_IDLE_S)
            self._stop_all()
        finally:
            server.stop()

    def _turn(self) -> None:
        if not self._store.folder.is_dir():
            # Nobody could ever reach or stop us again: a deleted folder is a `down`.
            self._stopping = True
            return
        gone, proxy_gone = self._wait_for_news()
        now = time.time()
        if proxy_gone:
            self._proxy.ended(now)
        started = self._proxy.start(now)
        with self._lock:
            self._reload()
            documents = dict(self._documents)
            self._fleet.reconcile({name: s for name, (_, s) in documents.items()}, now)
            members = self._fleet.endpoints()
            self._dirty = False
            # Before it acts: a successor must not take a ready instance for one that starts.
            self._record(changed=started or proxy_gone)
        self._watch_all()
        self._publish(documents, members, now)
        for member in gone:  # after the endpoints are written: looking for children takes time
            self._fleet.buried(member)
        with self._lock:
            self._fleet.leave(self._proxy.in_flight, now)
            self._record(changed=False)

    def _wait_for_news(self) -> tuple[list[Member], bool]:
        """Sleeps until something happened; the members that ended, and whether Envoy did."""
        with self._lock:
            wait = _HURRIED_S if self._fleet.hurried() else _IDLE_S
            if self._proxy.waiting:
                wait = _URGENT_S
            if self._dirty or self._dead:
                wait = 0.0
        ended, self._dead = self._dead, []
        for key, _ in self._selector.select(wait):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._bell, 4096)
            else:
                self._selector.unregister(self._watched.pop(key.data))
                ended.append(key.data)
        with self._lock:
            gone = [self._fleet.ended(key, time.time()) for key in ended if key != _PROXY]
        return [member for member in gone if member is not None], _PROXY in ended

    def _publish(self, documents: dict[str, tuple[int, Service]], members: xds.Members, now: float) -> None:
        """Envoy's files follow the documents and the living instances."""
        wanted = (documents, members)
        if wanted != self._written:
            services = [service for _, service in documents.values()]
            texts = {
                "cds.json": config.clusters(services, members),
                "rds.json": routes.routes(services, members),
                "lds.json": config.listeners(services, str(self._store.folder)),
            }
            adding = set(documents) >= set(self._published)
            mend, self._mend = self._mend, False  # before: one that is asked for meanwhile is not lost
            self._proxy.publish(texts, adding=adding, mend=mend)
            self._written = wanted
        self._proxy.confirm(now)
        with self._lock:
            self._published = {name: generation for name, (generation, _) in documents.items()}
            if not self._proxy.reason or self._proxy.process is None:
                listed = [e.port for groups in members.values() for g in groups.values() for e in g]
                self._fleet.deregistered(listed, time.time())
            self._news.notify_all()

    def _watch_all(self) -> None:
        pidfds = {key: member.pidfd for key, member in self._fleet.members.items()}
        if self._proxy.process is not None:
            pidfds[_PROXY] = self._proxy.pidfd
        for key, pidfd in pidfds.items():
            if pidfd is None:  # it ended before it could be watched
                self._dead.append(key)
            elif key not in self._watched:
                self._selector.register(pidfd, selectors.EVENT_READ, key)
                self._watched[key] = pidfd

    # --- parts -----------------------------------------------------------------------------

    def _adopt(self) -> None:
        record = self._store.started()
        self._fleet.adopt(record.get("fleet", {}))
        self._proxy.adopt(record.get("envoy", {}))
        ours = {member.process.pid for member in self._fleet.members.values()}
        if self._proxy.process is not None:
            ours.add(self._proxy.process.pid)
        # Started by a supervisor that died before it could record it: nobody knows its port.
        for pid in proc.marked(self._mark):
            with contextlib.suppress(OSError):
                if pid not in ours and os.getsid(pid) not in ours:
                    os.kill(pid, signal.SIGKILL)

    def _record(self, *, changed: bool) -> None:
        if changed or self._fleet.changed:
            fleet, envoy = self._fleet.record(), self._proxy.record()
            with contextlib.suppress(OSError):  # a full disk: the routes of users do not wait for this
                self._store.save_started({"fleet": fleet, "envoy": envoy})
                self._fleet.changed = False  # only now: what could not be written is tried again

    def _reload(self) -> None:
        """Documents may be written without us (`weights.py`): the disk is the truth."""
        stamp = self._store.stamp()
        if stamp != self._stamp:
            self._documents = self._store.services()
            self._stamp = stamp
            self._dirty = True
            self._wake()

    def _probed(self, key: str, why: str) -> None:
        with self._lock:
            changed = self._fleet.probed(key, why, time.time())
        if changed:
            self._wake()

    def _instances_by_cluster(self) -> dict[str, list[str]]:
        with self._lock:
            members = self._fleet.endpoints()
        return {
            xds.cluster(service, group, test=test): [e.id for e in endpoints]
            for service, groups in members.items()
            for group, endpoints in groups.items()
            for test in (False, True)
        }

    def _sample(self) -> None:
        while True:
            self._proxy.sample()
            time.sleep(_SAMPLE_S)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._ring, b".")

    def _await(self, name: str, generation: int) -> Applied:
        with self._news:
            self._news.wait_for(
                lambda: self._published.get(name, 0) >= generation and not self._proxy.waiting,
                _APPLY_S,
            )
            applied = self._applied(name, generation)
            service = self._documents[name][1]
        why = "" if applied else self._why(service, sight.configured(service, self._proxy.read_back()))
        return Applied(generation=generation, applied=applied, reason=why)

    def _applied(self, name: str, generation: int) -> bool:
        return self._published.get(name, 0) >= generation and not self._proxy.reason

    def _why(self, service: Service, found: sight.Configured) -> str:
        """Why Envoy does not run with it; names who holds a port that it could not get."""
        wanted = (service.listener_port, service.test_port)
        for port, got in zip(wanted, (found.live, found.test), strict=True):
            if self._proxy.process and got != port and (holder := ports.holder_of(port)):
                return f"CF4101 port {port} is held by {holder}"
        return self._proxy.reason or "Envoy has not taken it yet"

    def _find(self, name: str) -> tuple[int, Service]:
        try:
            return self._documents[name]
        except KeyError:
            raise UnknownService(
                "CF4105",
                f"there is no service {name!r} here",
                why=f"known: {', '.join(self._documents) or 'none'}",
            ) from None

    def _stop_all(self) -> None:
        """The way down: the proxy first, so that nobody is sent to an app that is leaving."""
        self._proxy.stop()
        with self._lock:
            members = list(self._fleet.members.values())
            grace = min([_DOWN_GRACE_S, *(m.spec.stop_grace_s for m in members)])
        for member in members:
            if member.prober is not None:
                member.prober.stop()
            proc.end(member.process, signal.SIGTERM)
        sweep(self._store, self._mark, grace)


def main(folder: str) -> int:
    """Exit 0 = went down as asked, 3 = another supervisor has the folder."""
    program = find_envoy()
    store = Store(folder)
    store.create()
    held = store.lock()
    if held is None:
        return 3
    for sig in (signal.SIGINT, signal.SIGHUP):
        signal.signal(sig, signal.SIG_IGN)
    me = {"pid": os.getpid(), "started": proc.start_time(os.getpid())}
    write_whole(store.pid_file, json.dumps(me))
    supervisor = Supervisor(store, program)
    signal.signal(signal.SIGTERM, lambda *_: supervisor.down())
    try:
        supervisor.run()
    except BaseException:
        complain()
        raise
    store.pid_file.unlink(missing_ok=True)
    held.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
