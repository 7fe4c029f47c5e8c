"""
The reader of Envoy's access log: follows the file (`logfile.py`), feeds the ledger.

A silent log and an unreadable one are two answers: `problem` is empty only while the file is
there, Envoy writes it, and we have read to its end. At the start the files of an earlier
supervisor are read again, so a restart forgets nothing that is still on the disk (R27).
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from crossfade.dataplane.counts import Ledger
from crossfade.dataplane.logfile import LogFile
from crossfade.dataplane.model import Counted

_POLL_S: Final = 0.05
_UNSEEN_S: Final = 1.0  # four looks at its counters failed


class AccessLog(threading.Thread):
    """Follows one access log for as long as the supervisor lives."""

    def __init__(
        self,
        path: Path,
        *,
        proxy_seen: Callable[[], float],
        instances: Callable[[], Mapping[str, Iterable[str]]],
        reopen: Callable[[], None],
    ) -> None:
        super().__init__(daemon=True, name="access-log")
        self._path = path
        self._file = LogFile(path, reopen)
        self._proxy_seen, self._instances = proxy_seen, instances
        self._lock = threading.Lock()
        self._ledger = Ledger(time.time())
        self._problem = "the access log was not read yet"
        self._broken = 0

    def counted(self, service: str, since: float) -> Counted:
        """The closed slots of a service from `since` on."""
        with self._lock:
            return self._ledger.since(service, since, self._problem)

    def run(self) -> None:
        self._recall()
        while True:
            try:
                self._round()
            except Exception as error:  # noqa: BLE001  # a dead reader would look like silence
                self._problem = f"the access log cannot be read: {error!r}"
            time.sleep(_POLL_S)

    def _recall(self) -> None:
        with contextlib.suppress(OSError, ValueError, LookupError):
            for path in (self._file.older, self._path):
                if path.exists() and path.stat().st_size:
                    with path.open("rb") as file:
                        first = json.loads(file.readline())
                    self._ledger = Ledger(float(first["t"]))
                    break
        with contextlib.suppress(OSError):
            for lines in self._file.renamed_lines():
                self._count(lines)

    def _round(self) -> None:
        # Asked before reading. What a frozen Envoy has not written is not silence, so a second is
        # closed only if Envoy was seen alive after it.
        now = time.time()
        seen = self._proxy_seen()
        problem = "" if now - seen < _UNSEEN_S else "Envoy does not answer"
        for lines in self._file.lines():
            self._count(lines)
        self._close(self._file.problem or problem, seen)

    def _close(self, problem: str, seen: float) -> None:
        with self._lock:
            self._problem = problem
            if not problem:
                self._ledger.read_up_to(seen)

    def _count(self, lines: list[bytes]) -> None:
        parsed = [line for raw in lines if (line := self._parse(raw)) is not None]
        instances = self._instances()
        with self._lock:
            for line in parsed:
                self._ledger.add(line, instances)

    def _parse(self, raw: bytes) -> dict[str, Any] | None:
        try:
            line = json.loads(raw)
            float(line["t"])
            str(line["s"])
        except (ValueError, TypeError, LookupError):
            self._broken += 1  # Envoy was killed in the middle of a line
            return None
        return line if isinstance(line, dict) else None
