"""
One twin, put together: its clock, its balancers, its CloudWatch, its API; started and ended in that order.

`up` is what `crossfade twin up` does, in a process of its own: outside is locked out, signals end it, and
nothing is left behind. Killed with -9 it cannot clean up: Envoy then ends by itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from crossfade.errors import UsageError
from crossfade.twin.clock import TwinClock
from crossfade.twin.endpoint import listening
from crossfade.twin.faults import Faults
from crossfade.twin.folder import lasting_folder
from crossfade.twin.loopback import forget_the_cloud, keep_inside
from crossfade.twin.presets import PRESETS
from crossfade.twin.wanted import Wanted

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def running(wanted: Wanted, folder: Path) -> Iterator[dict[str, Any]]:
    """
    A twin that answers until the block ends; yields what it says of itself.

    Raises `UsageError` CF4310 without the extra, CF4311 for a taken port; PlatformError CF4100 without
    an Envoy for this machine.
    """
    opened = listening(wanted.port)
    with _the_extra(opened):
        from crossfade.twin.balancer.service import Balancers  # noqa: PLC0415  # after the extra is known
        from crossfade.twin.cloudwatch import install  # noqa: PLC0415
        from crossfade.twin.server import Server  # noqa: PLC0415
    clock = TwinClock(wanted.factor)
    faults = Faults(wanted.seed, PRESETS[wanted.preset].faults)
    with contextlib.ExitStack() as ends:
        cloudwatch = install(clock, publish_delay=faults.publish_delay, seed=wanted.seed)
        balancers = Balancers(folder, clock, cloudwatch, faults.propagation)
        server = Server(wanted, clock=clock, faults=faults, balancers=balancers, listening=opened)
        ends.callback(balancers.stop)
        balancers.start()
        ends.callback(cloudwatch.stop)
        cloudwatch.start()
        ends.callback(server.stop)
        server.start()
        yield {
            "endpoint": server.endpoint,
            **server.steering.facts(),
            "in_force": [one.words() for one in faults.all()],
        }


def up(wanted: Wanted, *, ready: Callable[[dict[str, Any]], None], leash: bool = False) -> None:
    """Runs a twin until a signal; with `leash`, also until its standard input is closed."""
    forget_the_cloud()
    over = threading.Event()
    ended = [signal.signal(one, lambda _number, _frame: over.set()) for one in _SIGNALS]
    try:
        with lasting_folder() as folder, running(wanted, folder) as facts:
            keep_inside(folder)
            if leash:
                threading.Thread(target=_hang_on, args=(over,), daemon=True, name="leash").start()
            ready(facts)
            over.wait()
    finally:
        for number, handler in zip(_SIGNALS, ended, strict=True):
            signal.signal(number, handler)


def _hang_on(over: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):  # not sys.stdin: its lock would be held when the interpreter ends
            pass
    over.set()


@contextmanager
def _the_extra(opened: socket.socket) -> Iterator[None]:
    try:
        import boto3  # type: ignore[import-untyped]  # noqa: F401, PLC0415  # an extra
        import flask_cors  # noqa: F401, PLC0415
        import moto  # noqa: F401, PLC0415

        yield
    except ImportError as error:
        opened.close()
        raise UsageError(
            "CF4310", "the twin is not installed", str(error), "pip install 'crossfade[twin]'"
        ) from error
