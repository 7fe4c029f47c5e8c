"""
Work that a person may break off.

A call into the database library hears no signal until the server answers. So the work runs beside, the main
thread waits and hears, and `stop` takes from the work what it waits for.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, TypeVar

T = TypeVar("T")

_LOOK_S: Final = 0.05
_END_S: Final = 10.0


def attended(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """The work's result, or what it raised. KeyboardInterrupt once it was stopped, for SIGTERM as well."""
    told: list[T] = []
    raised: list[BaseException] = []
    over = threading.Event()  # `Thread.join` may take a thread for ended once a signal broke into it

    def run() -> None:
        try:
            told.append(work())
        except BaseException as error:  # noqa: BLE001 raised again below, in the thread that asked
            raised.append(error)
        finally:
            over.set()

    worker = threading.Thread(target=run, daemon=True)
    with terminable():
        try:
            worker.start()
            while not over.wait(_LOOK_S):
                pass
        except BaseException:
            stop()
            over.wait(_END_S)
            raise
    if raised:
        raise raised[0]
    return told[0]


@contextmanager
def terminable() -> Iterator[None]:
    """Whatever is open is closed at SIGTERM as at SIGINT: it raises KeyboardInterrupt."""
    before = _on_terminate(_interrupted)
    try:
        yield
    finally:
        _on_terminate(before)


def _interrupted(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


_Handler = Callable[[int, FrameType | None], object] | int | None


def _on_terminate(handler: _Handler) -> _Handler:
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, handler if handler is not None else signal.SIG_DFL)
