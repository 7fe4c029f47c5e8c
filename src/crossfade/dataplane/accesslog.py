"""
The reader of Envoy's access log: follows the file, feeds the ledger, rotates.

A silent log and an unreadable one are two answers: `problem` is empty only while the file is
there, Envoy writes it, and we have read to its end. At the start the files of an earlier
supervisor are read again, so a restart forgets nothing that is still on the disk (R27).
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Final

from crossfade.dataplane.counts import Ledger
from crossfade.dataplane.model import Counted

_POLL_S: Final = 0.05
_UNSEEN_S: Final = 1.0  # four looks at its counters failed
_ROTATE_BYTES: Final = 16_000_000
_CHUNK: Final = 256 * 1024


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
        self._older = path.with_name(path.name + ".1")
        self._proxy_seen, self._instances, self._reopen = proxy_seen, instances, reopen
        self._lock = threading.Lock()
        self._ledger = Ledger(time.time())
        self._problem = "the access log was not read yet"
        self._file: IO[bytes] | None = None
        self._rest = b""
        self._renamed = False
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
            for path in (self._older, self._path):
                if path.exists() and path.stat().st_size:
                    with path.open("rb") as file:
                        first = json.loads(file.readline())
                    self._ledger = Ledger(float(first["t"]))
                    break
        with contextlib.suppress(OSError), self._older.open("rb") as file:
            self._read(file)
            self._rest = b""

    def _round(self) -> None:
        # Asked before reading. What a frozen Envoy has not written is not silence, so a second is
        # closed only if Envoy was seen alive after it.
        now = time.time()
        seen = self._proxy_seen()
        problem = "" if now - seen < _UNSEEN_S else "Envoy does not answer"
        if self._file is None:
            if not self._path.exists():
                # Envoy makes the file with its first listener; before that nobody can be served.
                self._close(problem, seen)
                return
            self._file = self._path.open("rb")
        self._read(self._file)
        here = self._path.stat() if self._path.exists() else None
        if here is None:
            # Envoy makes the new file with its next line: after our own renaming that is silence.
            self._reopen()
            self._close(problem if self._renamed else f"{self._path} is gone", seen)
            return
        if here.st_ino != _inode(self._file):
            self._renamed = False
            # Envoy writes the new file only after its last write to the old one.
            self._read(self._file)
            self._file.close()
            self._file = self._path.open("rb")
            self._rest = b""
            self._read(self._file)
        elif here.st_size > _ROTATE_BYTES:
            self._path.rename(self._older)
            self._renamed = True
            self._reopen()
        self._close(problem, seen)

    def _close(self, problem: str, seen: float) -> None:
        with self._lock:
            self._problem = problem
            if not problem:
                self._ledger.read_up_to(seen)

    def _read(self, file: IO[bytes]) -> None:
        while chunk := file.read(_CHUNK):
            *lines, self._rest = (self._rest + chunk).split(b"\n")
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


def _inode(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_ino
