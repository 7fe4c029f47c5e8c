"""
The state folder: what is wanted, what was started, where the sockets are.

    services/NAME.json   {"generation": n, "service": {...}}   written before it acts, fsynced
    started.json         processes with pid and start time, for the next supervisor
    {c,l,r}ds.json       what Envoy runs         logs/   access log, Envoy's, the apps'
    spare/               room on the disk, taken beforehand: a full one must not stop a way back

Every write is a complete file renamed into place: a reader sees the old or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

from crossfade.dataplane.codec import decode, encode
from crossfade.dataplane.model import Service

_SOCKET_PATH_LIMIT: Final = 90  # sun_path holds 108 bytes; the rest is for the file's name
SPARES: Final = 8
SPARE_BYTES: Final = 64 << 10  # the routes of about a hundred services
_FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT))


def write_whole(path: Path, text: str, *, durable: bool = False) -> None:
    """
    Replaces a file by renaming; `durable` = it is on the disk when this returns.

    On a full disk a spare of the state folder becomes the file. Raises OSError.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        _write(fresh, "wb", text.encode(), durable=durable)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        if error.errno not in _FULL or not _take_spare(path.parent, fresh):
            raise
        _write(fresh, "r+b", text.encode(), durable=durable)
    fresh.replace(path)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _write(path: Path, mode: str, text: bytes, *, durable: bool) -> None:
    with path.open(mode) as out:
        out.write(text)
        out.truncate()
        if durable:
            out.flush()
            os.fsync(out.fileno())


def _take_spare(folder: Path, to: Path) -> bool:
    """
    Makes one spare the file `to`; False where none is left.

    It keeps its room while it is written over: freed, the room would be gone to whoever fills the disk.
    """
    for spare in (*folder.glob("spare/*"), *folder.parent.glob("spare/*")):
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            spare.replace(to)
            return True
    return False


class Store:
    """One state folder. Holds no state of its own but the paths."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).resolve()
        self.logs = self.folder / "logs"
        self.access_log = self.logs / "access.log"
        self.envoy_log = self.logs / "envoy.log"
        self.supervisor_log = self.logs / "supervisor.log"
        self.lock_file = self.folder / "supervisor.lock"
        self.pid_file = self.folder / "supervisor.json"

    def create(self) -> None:
        """Makes the folder with its parts, for this user only."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for part in (self.logs, self.folder / "services"):
            part.mkdir(exist_ok=True)

    def lay_in(self) -> None:
        """Fills up the spares. Raises OSError where there is no room: then nothing should be begun."""
        spares = self.folder / "spare"
        spares.mkdir(parents=True, exist_ok=True)
        for spare in (spares / str(number) for number in range(SPARES)):
            if not spare.exists():
                try:
                    # Bytes by chance: no file system packs them or leaves them out.
                    _write(spare, "wb", os.urandom(SPARE_BYTES), durable=True)
                except OSError:
                    spare.unlink(missing_ok=True)
                    raise

    def lock(self) -> IO[str] | None:
        """The supervisor's lock, held while the file stays open; None = somebody has it.

        The kernel frees it with its holder's death, so it cannot be stale.
        """
        file = self.lock_file.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file

    def mark(self) -> str:
        """The folder's own id, under which its processes are known; made once."""
        path = self.folder / "id"
        with contextlib.suppress(FileNotFoundError):
            return path.read_text(encoding="ascii").strip()
        write_whole(path, uuid.uuid4().hex)
        return path.read_text(encoding="ascii").strip()

    def socket(self, name: str) -> str:
        """Where a socket of this folder lives: in it, or in a short recorded one if it is deep."""
        if len(os.fsencode(self.folder)) < _SOCKET_PATH_LIMIT:
            return str(self.folder / name)
        record = self.folder / "sockets"
        short = record.read_text(encoding="utf-8").strip() if record.exists() else ""
        if not short or not Path(short).is_dir():
            short = tempfile.mkdtemp(prefix="crossfade-")  # mode 0700
            write_whole(record, short)
        return f"{short}/{name}"

    def forget_sockets(self) -> None:
        """Removes the sockets, and their own folder where they had one; the folder may be gone."""
        record = self.folder / "sockets"
        short = record.read_text(encoding="utf-8").strip() if record.exists() else ""
        for name in ("control.sock", "admin.sock"):
            Path(short or self.folder, name).unlink(missing_ok=True)
        if short:
            with contextlib.suppress(OSError):
                Path(short).rmdir()
            record.unlink(missing_ok=True)

    def service_file(self, name: str) -> Path:
        """Where the desired document of a service is."""
        return self.folder / "services" / f"{name}.json"

    def services(self) -> dict[str, tuple[int, Service]]:
        """All desired documents with their generations, by name, in order."""
        found = {}
        for path in sorted((self.folder / "services").glob("*.json")):
            with contextlib.suppress(FileNotFoundError):
                data = json.loads(path.read_text(encoding="utf-8"))
                found[path.stem] = (int(data["generation"]), decode(Service, data["service"]))
        return found

    def stamp(self) -> dict[str, tuple[int, int]]:
        """Changes whenever a desired document was written by anybody."""
        found = {}
        for entry in os.scandir(self.folder / "services"):
            if entry.name.endswith(".json"):
                with contextlib.suppress(FileNotFoundError):
                    seen = entry.stat()
                    found[entry.name] = (seen.st_ino, seen.st_mtime_ns)
        return found

    def save_service(self, generation: int, service: Service) -> None:
        """Persists a desired document; it is on the disk when this returns."""
        text = json.dumps({"generation": generation, "service": encode(service)}, indent=1)
        write_whole(self.service_file(service.name), text + "\n", durable=True)

    @contextlib.contextmanager
    def writing(self, patience_s: float = 1.0) -> Iterator[None]:
        """The lock around "read the generation, write the document".

        After the patience it goes on without: a frozen supervisor must not stop a person who
        breaks the glass, and each write is whole in any case.
        """
        with (self.folder / "services.lock").open("w") as lock:
            until = time.monotonic() + patience_s
            while time.monotonic() < until:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.01)
            yield

    def started(self) -> dict[str, Any]:
        """What the last supervisor had started; empty where there was none."""
        return read_json(self.folder / "started.json")

    def save_started(self, data: dict[str, Any]) -> None:
        """Records what was started, for the next supervisor."""
        write_whole(self.folder / "started.json", json.dumps(data))


def read_json(path: Path) -> dict[str, Any]:
    """An object in a file; empty when there is no such file or it is broken."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
