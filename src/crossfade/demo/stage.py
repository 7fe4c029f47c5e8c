"""
Where the story plays: on this machine, or on a laptop AWS behind a load balancer of it.

A stage makes the place and the builds, and takes all of it down; who releases is the same.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from crossfade.bootstrap import House
from crossfade.clocks import set_clock
from crossfade.dataplane import down
from crossfade.demo import builds
from crossfade.spec.load import load_spec


class Stage(Protocol):
    """One place for one telling."""

    words: str
    """What the first line says of it."""
    compression: float
    longest: timedelta
    """Hard end of the traffic, whatever happens."""

    def open(self, folder: Path, ends: ExitStack) -> House:
        """The place with its `crossfade.yaml`; what `ends` holds takes it down."""
        ...

    def ready(self, revision: str) -> None:
        """The build is there to be released."""
        ...

    def port(self, house: House) -> int:
        """Where users come in, once somebody serves."""
        ...


class Here:
    """Processes on this machine."""

    words = "no account, no root"
    longest = timedelta(seconds=115)

    def __init__(self, *, app: str | None, bad: str, compression: float) -> None:
        self.compression = compression
        self._app, self._bad = app, bad

    def open(self, folder: Path, ends: ExitStack) -> House:
        builds.write(folder, app=self._app, bad=self._bad)
        set_clock(folder / ".crossfade", self.compression)
        house = House(load_spec(folder / "crossfade.yaml").state)
        ends.callback(house.store.close)
        ends.callback(down, house.folder)
        return house

    def ready(self, revision: str) -> None:
        """The platform starts it."""

    def port(self, house: House) -> int:
        return int((house.platform.listener("shop") or "").rpartition(":")[2])
