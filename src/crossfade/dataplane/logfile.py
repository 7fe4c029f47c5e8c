"""
A log that another process writes: read to its end again and again, renamed away when it is full.

At most two files of `ROTATE_BYTES` are on the disk, a busy second more or less. NOT THREAD-SAFE.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

ROTATE_BYTES: Final = 16_000_000
_CHUNK: Final = 256 * 1024


class LogFile:
    """`reopen` asks the writer to begin a new file; it may be asked again and again."""

    def __init__(self, path: Path, reopen: Callable[[], None]) -> None:
        self._path, self._reopen = path, reopen
        self.older = path.with_name(path.name + ".1")
        self.problem = ""  # why nothing can be read, where that is not just silence
        self._file: IO[bytes] | None = None
        self._rest = b""
        self._renamed = False

    def lines(self) -> Iterator[list[bytes]]:
        """All lines that came since the last time. Raises OSError."""
        self.problem = ""
        if self._file is None:
            if not self._path.exists():
                # Envoy makes the file with its first listener; before that nobody can be served.
                return
            self._file = self._path.open("rb")
        yield from self._read(self._file)
        here = self._path.stat() if self._path.exists() else None
        if here is None:
            # Envoy makes the new file with its next line: after our own renaming that is silence.
            self._reopen()
            self.problem = "" if self._renamed else f"{self._path} is gone"
            return
        if here.st_ino != _inode(self._file):
            self._renamed = False
            # Envoy writes the new file only after its last write to the old one.
            yield from self._read(self._file)
            self._file.close()
            self._file = self._path.open("rb")
            self._rest = b""
            yield from self._read(self._file)
        elif here.st_size > ROTATE_BYTES:
            self._path.rename(self.older)
            self._renamed = True
            self._reopen()

    def renamed_lines(self) -> Iterator[list[bytes]]:
        """The lines of the file that was renamed away last. Raises OSError where there is none."""
        with self.older.open("rb") as file:
            yield from self._read(file)
        self._rest = b""

    def close(self) -> None:
        """Lets the file go."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self, file: IO[bytes]) -> Iterator[list[bytes]]:
        while chunk := file.read(_CHUNK):
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            yield lines


def _inode(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_ino
