"""
The twin's load balancers: asked by the API side, done by one Envoy.

Three threads of ours beside the callers': the keeper (alone starts Envoy, which dies with it; brings what
time alone changes into force), the health checks (`checks.py`) and the reader of the access log. All of
them meet under one lock; whoever holds it may compile and publish.

A change that Envoy refuses is taken back as a whole, so that later ones are not lost with it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from crossfade.dataplane import process as proc
from crossfade.dataplane.envoy import Admin, find_envoy
from crossfade.dataplane.failures import complain
from crossfade.dataplane.proxy import ProxyProcess
from crossfade.dataplane.store import Store
from crossfade.twin.balancer.census import Hosts
from crossfade.twin.balancer.checks import FLOOR_S, Checker
from crossfade.twin.balancer.compile import Files, compiled, is_here
from crossfade.twin.balancer.cut import cut
from crossfade.twin.balancer.failures import BalancerError
from crossfade.twin.balancer.measuring import Measuring
from crossfade.twin.balancer.model import Balancing, Listener, LoadBalancer, Ports, TargetGroup, TargetHealth
from crossfade.twin.balancer.names import balancer_name, group_name
from crossfade.twin.balancer.plan import Plan, Seat, named_by
from crossfade.twin.balancer.routing import Routing
from crossfade.twin.balancer.seats import Seats
from crossfade.twin.balancer.targets import Check, Outcome, Registry
from crossfade.twin.clock import TwinClock
from crossfade.twin.metrics import Sink

_PATIENCE_S: Final = 30.0  # real, on a busy machine; usually it takes 5 ms, a start 200
_BREATH_S: Final = 0.1
_ASK_S: Final = 0.005
_GRACE_S: Final = 2.0


class Balancers:
    """
    Every load balancer of one twin; `folder` is theirs alone.

    `propagation` is asked for each listener whose rules change: twin seconds until they are in force, 0 = at
    once. `start` raises BalancerError or Unsupported (no Envoy for this machine); `stop` may be repeated.
    """

    def __init__(self, folder: Path, clock: TwinClock, sink: Sink, propagation: Callable[[], float]) -> None:
        self._clock, self._sink, self._propagation = clock, sink, propagation
        self._store = Store(folder)
        self._applying = threading.Lock()  # one after the other: a change that is refused is taken back
        self._news = threading.Condition(threading.RLock())  # guards all below
        self._wanted = Balancing()
        self._kept: dict[str, TargetGroup] = {}  # gone, but a rule still in force names them
        self._registry, self._routing, self._seats = Registry(), Routing(), Seats()
        self._files: Files | None = None  # as Envoy was last given them
        self._proxy: ProxyProcess | None = None
        self._measuring: Measuring | None = None
        self._stale = False  # others serve than Envoy was told
        self._over = self._closed = False
        self._bell, self._ring = os.pipe()
        os.set_blocking(self._ring, False)
        os.set_blocking(self._bell, False)
        self._checker = Checker(self._due, self._told, lambda: clock.factor)
        self._keeper = threading.Thread(target=self._keep, daemon=True, name="twin-balancers")

    # --- asked -----------------------------------------------------------------------------

    def apply(self, wanted: Balancing) -> None:
        """
        From now on the load balancers do this. Thread-safe; repeating it changes nothing.

        Returns when Envoy runs with it, or, where rules propagate, with what is in force by now.
        Raises BalancerError when Envoy refuses it: then all is as before.
        """
        with self._applying, self._news:
            if self._over:
                raise BalancerError("the load balancers were stopped")
            before, routing = self._wanted, self._routing.copy()
            self._take(wanted)
            try:
                self._enforce()
            except BalancerError:
                self._routing = routing
                self._take(before)
                with contextlib.suppress(BalancerError):
                    self._enforce()
                raise

    def ports(self) -> Ports:
        """Listener (ARN) -> the port on 127.0.0.1 where it is served."""
        with self._news:
            return self._seats.ports()

    def health(self, group_arn: str) -> tuple[TargetHealth, ...]:
        """The targets of a group, those that drain last; empty for an unknown group."""
        with self._news:
            self._let_go()
            return self._registry.rows(group_arn)

    def start(self) -> None:
        """Starts Envoy with whatever was applied by now, and returns when it serves."""
        program = find_envoy()
        try:
            self._start(program)
        except BaseException:
            self.stop()
            raise

    def _start(self, program: str) -> None:
        self._store.create()
        mark = self._store.mark()
        self._store.access_log.unlink(missing_ok=True)
        self._measuring = Measuring(
            self._store.access_log,
            Admin(self._store.socket("admin.sock")),
            self._clock,
            self._sink,
            self._hosts,
        )
        with self._news:
            self._proxy = ProxyProcess(self._store, program, mark, leashed=True)
            self._keeper.start()
            self._measuring.start()
            self._checker.start()
            self._enforce()

    def stop(self) -> None:
        """Ends Envoy and all threads."""
        with self._news:
            if self._over:
                return
            self._over = True
        if self._keeper.ident is not None:
            self._wake()
            self._keeper.join()
        if self._checker.ident is not None:
            self._checker.stop()
        if self._measuring is not None and self._measuring.ident is not None:
            self._measuring.stop()  # after Envoy has written its last line
        if self._proxy is not None:
            self._store.forget_sockets()
        with self._news:
            self._closed = True
            os.close(self._bell)
            os.close(self._ring)

    # --- doing it; the lock is held ----------------------------------------------------------

    def _take(self, wanted: Balancing) -> None:
        """Everybody learns of it; Envoy not yet."""
        now = self._clock.now()
        listeners = [listener for _, listener in _listeners(wanted)]
        self._routing.want([(one.arn, one.rules) for one in listeners], now, self._propagation)
        self._wanted = wanted
        self._seats.want([(one.arn, one.port) for one in listeners], self._targets())
        self._register(now)

    def _register(self, now: float) -> None:
        known = {group.arn: group for group in self._wanted.groups}
        ahead = {arn for _, listener in _listeners(self._wanted) for arn in self._named(listener)}
        self._kept = {
            arn: group for arn, group in {**self._kept, **known}.items() if arn in ahead or arn in known
        }
        self._registry.want(self._kept.values(), ahead, now)

    def _named(self, listener: Listener) -> set[str]:
        """The groups to which a listener sends, or will send."""
        arn = listener.arn
        rules = (self._routing.in_force(arn), *self._routing.coming(arn))
        return {group for some in rules for group in named_by(some)}

    def _targets(self) -> set[int]:
        return {target.port for group in self._wanted.groups for target in group.targets}

    def _enforce(self) -> None:
        """Publishes, and waits until Envoy runs it. Raises BalancerError."""
        self._publish()
        if self._proxy is None:
            return  # it is served from the start
        until = time.monotonic() + _PATIENCE_S
        while self._proxy.waiting or self._proxy.reason:
            if not self._proxy.waiting and not self._moved(self._proxy.reason):
                raise BalancerError(self._proxy.reason)
            if time.monotonic() > until or self._over:
                raise BalancerError(f"{self._proxy.reason} within {_PATIENCE_S:g} s")
            self._wake()
            self._news.wait(_ASK_S)

    def _moved(self, reason: str) -> bool:
        """Whether somebody had taken a listener's port since it was chosen, and it was given another."""
        if "cannot bind" not in reason or self._proxy is None:
            return False
        seen = self._proxy.read_back()
        if seen is None or not self._seats.move(self._targets(), seen[1].values()):
            return False
        self._publish()
        return True

    def _publish(self) -> None:
        """Gives Envoy what is in force. A cluster goes only when no route names it any more."""
        if self._proxy is None:
            return
        ports = self._seats.ports()
        plan = Plan(
            seats=tuple(
                self._seat(balancer, listener, ports[listener.arn])
                for balancer, listener in _listeners(self._wanted)
            ),
            groups=self._kept,
            serving=self._registry.serving(),
            pace=self._clock.factor,
        )
        files = compiled(plan, str(self._store.folder))
        self._stale = False
        if files == self._files:
            return
        before = self._files.clusters if self._files is not None else {}
        leaving = [cluster for name, cluster in before.items() if name not in files.clusters]
        try:
            self._proxy.publish(self._texts(files, files.cds(leaving)), adding=True)
            if leaving and not self._proxy.waiting and not self._proxy.reason:
                self._proxy.publish(self._texts(files, files.cds()), adding=True)
        except OSError as error:
            self._files, self._stale = None, True  # nobody knows what is on the disk
            raise BalancerError(f"the files of Envoy cannot be written: {error}") from error
        self._files = files

    def _seat(self, balancer: LoadBalancer, listener: Listener, port: int) -> Seat:
        return Seat(
            listener=replace(listener, rules=self._routing.in_force(listener.arn)),
            balancer=balancer.arn,
            idle_timeout_s=balancer.idle_timeout_s,
            port=port,
            coming=self._routing.coming(listener.arn),
        )

    @staticmethod
    def _texts(files: Files, cds: str) -> dict[str, str]:
        return {"cds.json": cds, "rds.json": files.rds, "lds.json": files.lds}

    def _let_go(self) -> None:
        """Drains that are over end whatever is still open, unless somebody serves there again."""
        over = self._registry.elapse(self._clock.now())
        proxy = self._proxy
        if not over or proxy is None or proxy.process is None or proxy.pidfd is None:
            return
        serving = {target.port for targets in self._registry.serving().values() for target in targets}
        for target in over:
            if is_here(target) and target.port not in serving:
                cut(proxy.process.pid, proxy.pidfd, target.port)

    # --- the thread that measures --------------------------------------------------------------

    def _hosts(self) -> Hosts:
        with self._news:
            tally = self._registry.tally()
            return {
                (balancer_name(balancer.arn), group_name(arn)): tally[arn]
                for balancer, listener in _listeners(self._wanted)
                for arn in self._named(listener)
                if arn in tally
            }

    # --- the checks' thread -------------------------------------------------------------------

    def _due(self) -> list[Check]:
        with self._news:
            return self._registry.due(self._clock.now(), FLOOR_S * self._clock.factor)

    def _told(self, check: Check, outcome: Outcome) -> None:
        with self._news:
            if self._registry.told(check, outcome):
                self._stale = True
                self._wake()

    # --- the keeper ---------------------------------------------------------------------------

    def _wake(self) -> None:
        with self._news, contextlib.suppress(BlockingIOError):
            if not self._closed:  # the number may be somebody else's by now
                os.write(self._ring, b".")

    def _keep(self) -> None:
        """Alone starts Envoy: it hangs on the thread that did."""
        while True:
            with self._news:
                if self._over:
                    break
                try:
                    self._turn()
                except (OSError, ValueError, BalancerError):  # disk full: serve on, try again
                    complain()
                self._news.notify_all()
                wait = self._until_next()
            self._sleep(wait)
        if self._proxy is not None:
            self._end(self._proxy)

    @staticmethod
    def _end(proxy: ProxyProcess) -> None:
        if proxy.process is None or proxy.pidfd is None:
            return
        proxy.stop()
        if not _readable(proxy.pidfd, _GRACE_S):
            proc.end(proxy.process, signal.SIGKILL)
            _readable(proxy.pidfd, _GRACE_S)
        proxy.ended(time.time())

    def _turn(self) -> None:
        proxy, now, real = self._proxy, self._clock.now(), time.time()
        if proxy is None:
            return
        if proxy.pidfd is not None and _readable(proxy.pidfd):
            proxy.ended(real)
        proxy.start(real)
        changed = self._routing.elapse(now)
        if changed:
            self._register(now)
        self._let_go()
        if changed or self._stale:
            self._publish()
        proxy.confirm(real)

    def _until_next(self) -> float:
        if self._proxy is not None and self._proxy.waiting:
            return _ASK_S
        due = [when for when in (self._routing.next_change(), self._registry.next_end()) if when is not None]
        ahead = min((self._clock.real_seconds(when - self._clock.now()) for when in due), default=_BREATH_S)
        return min(max(ahead, 0.0), _BREATH_S)

    def _sleep(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        if self._proxy is not None and self._proxy.pidfd is not None:
            poll.register(self._proxy.pidfd, select.POLLIN)
        poll.poll(seconds * 1000)
        with contextlib.suppress(BlockingIOError):
            os.read(self._bell, 4096)


def _listeners(balancing: Balancing) -> list[tuple[LoadBalancer, Listener]]:
    return [(balancer, listener) for balancer in balancing.balancers for listener in balancer.listeners]


def _readable(fd: int, within_s: float = 0) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(within_s * 1000))
