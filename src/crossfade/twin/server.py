"""
A whole twin in this process: moto's applications behind the gate, served on 127.0.0.1.

ONE TWIN A PROCESS: moto's state is global, and so are the patches (all of them in `install`).
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.elbv2.models import FakeTargetGroup
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import ThreadedWSGIServer

from crossfade.twin.chaos import Chaos
from crossfade.twin.clock import TwinClock
from crossfade.twin.elbv2.refused import not_modelled
from crossfade.twin.elbv2.response import Mended
from crossfade.twin.endpoint import HOST
from crossfade.twin.faults import Faults
from crossfade.twin.gate import Gate
from crossfade.twin.plane import Balancers, Plane
from crossfade.twin.recorder import Recorder
from crossfade.twin.steering import Steering
from crossfade.twin.wanted import Wanted


class Server:
    """The API of a twin, over a balancer that serves."""

    def __init__(
        self,
        wanted: Wanted,
        *,
        clock: TwinClock,
        faults: Faults,
        balancers: Balancers,
        listening: socket.socket,
    ) -> None:
        """`listening` is closed with it."""
        self.faults, self.recorder = faults, Recorder()
        account = wanted.account or DEFAULT_ACCOUNT_ID
        plane = Plane(balancers, clock.now)
        self.steering = Steering(
            clock=clock,
            faults=faults,
            recorder=self.recorder,
            plane=plane,
            balancers=balancers,
            preset=wanted.preset,
            seed=wanted.seed,
            region=wanted.region,
            account=account,
        )
        self.gate = Gate(
            app=DomainDispatcherApplication(create_backend_app),
            steering=self.steering,
            clock=clock,
            faults=faults,
            recorder=self.recorder,
            plane=plane,
            account=account,
        )
        self.chaos = Chaos(self.gate, clock, faults, wanted.seed)
        self._undo = install(balancers)
        self._socket = listening
        self._http = _Http(HOST, 0, self.gate, _Handler, fd=self._socket.fileno())
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), daemon=True, name="api")

    @property
    def endpoint(self) -> str:
        """Where to send requests."""
        return f"http://{HOST}:{self._http.port}"

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()
        self.chaos.start()

    def stop(self) -> None:
        """No new requests; those under way are left to end."""
        self.chaos.stop()
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()
        self._socket.close()
        self._undo()


def install(balancers: Balancers) -> Callable[[], None]:
    """
    Every patch of moto's ELBv2: its responses are ours, and nobody registers targets past them.

    What it returns gives moto its own back.
    """
    from moto.elb import urls  # noqa: PLC0415  # the module whose name we change

    Mended.health = staticmethod(balancers.health)
    ours: list[tuple[Any, str, Any]] = [(urls, "ELBV2Response", Mended)]
    ours += [(FakeTargetGroup, name, _past_our_actions) for name in ("register", "deregister")]
    motos = [(place, name, getattr(place, name)) for place, name, _ in ours]
    _set(ours)
    return lambda: _set(motos)


def _set(values: Iterable[tuple[Any, str, Any]]) -> None:
    for place, name, value in values:
        setattr(place, name, value)


def _past_our_actions(group: Any, targets: Any) -> None:
    del group, targets
    not_modelled("an Auto Scaling group's targets")


class _Http(ThreadedWSGIServer):
    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's would look up a name

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # werkzeug's name
        del type, message, args


class _Handler(MotoRequestHandler):
    disable_nagle_algorithm = True
    timeout = 120

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # werkzeug's name
        """Says nothing: the recorder keeps what was asked."""
