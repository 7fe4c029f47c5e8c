"""
The clock of a state folder: real time, unless a demo or a twin has written its own into it.

Every process that looks into the folder reads the same time. Part of the wiring.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from crossfade.engine.clock import ScaledClock, SystemClock
from crossfade.errors import AccessError

CLOCK_FILE: Final = "clock.json"


def clock_of(folder: Path, twin: str | None = None) -> SystemClock | ScaledClock:
    """
    The clock of this folder; where it has none, that of the `twin` in which the state lies.

    A twin's is asked for again: it may have been set forward. Without an answer it is as it was written.
    """
    said: Mapping[str, float | str] = {} if twin is None else {"endpoint": twin}
    with contextlib.suppress(FileNotFoundError):
        said = json.loads((folder / CLOCK_FILE).read_text())
    endpoint = said.get("endpoint")
    if isinstance(endpoint, str):
        from crossfade.aws.twin import twin_time

        try:
            now = twin_time(endpoint)
        except AccessError:
            pass
        else:
            return ScaledClock(factor=now.factor, start=now.real, shows=now.twin)
    if "factor" not in said:
        return SystemClock()
    shows = said.get("shows")
    return ScaledClock(
        factor=float(said["factor"]),
        start=float(said["start"]),
        shows=None if shows is None else float(shows),
    )


def set_clock(folder: Path, factor: float) -> None:
    """Give this folder a clock of its own, running from now on."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CLOCK_FILE).write_text(json.dumps({"factor": factor, "start": time.time()}))


def keep_twins_time(folder: Path, endpoint: str) -> None:
    """Give this folder the clock of its twin; where that does not answer, it keeps what it has."""
    from crossfade.aws.twin import twin_time

    try:
        now = twin_time(endpoint)
    except AccessError:
        return
    folder.mkdir(parents=True, exist_ok=True)
    said = {"factor": now.factor, "start": now.real, "shows": now.twin, "endpoint": endpoint}
    (folder / CLOCK_FILE).write_text(json.dumps(said))
