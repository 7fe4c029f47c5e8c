"""
Starts a PostgreSQL of our own and takes it away again.

It runs in a private folder (0700) under a socket there, opens no port, writes nothing to stay
(fsync off), and dies with its parent: Linux kills it, and the next start sweeps the folder of one
that was killed with kill -9. PostgreSQL refuses root, so as root it runs as `nobody`; where `nobody`
may not read the binaries (a venv under /root) they are COPIED into the private folder: no
permission of any folder is ever changed.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from crossfade.errors import RefusedError
from crossfade.migrations.sandbox.binaries import Binaries, choose
from crossfade.migrations.sandbox.server import Server

_PREFIX: Final = "crossfade-pg-"
_START_S: Final = 60.0
_STOP_S: Final = 5.0
_MEMORY_NEEDED: Final = 2 << 30  # clones of a big schema must fit; docker's default of 64 MB does not
_SOCKET_PATH_MAX: Final = 90  # the system's limit is 107, the file's own name takes a part
_PR_SET_PDEATHSIG: Final = 1

_SETTINGS: Final = {
    "listen_addresses": "",
    "port": "5432",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "checkpoint_timeout": "1h",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_worker_processes": "0",
    "max_parallel_workers": "0",
    "autovacuum": "off",
    "jit": "off",
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "fatal",
    "max_prepared_transactions": "5",
    "allow_in_place_tablespaces": "on",
}


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whom the server runs as, where that is not us."""

    uid: int
    gid: int


class Sandbox:
    """A running PostgreSQL of our own; `server` makes databases on it. A context manager."""

    def __init__(self, major: int | None = None, *, settings: Mapping[str, str] | None = None) -> None:
        self.binaries = choose(major)
        self._settings = {**_SETTINGS, **(settings or {})}
        self._owner = _unprivileged()
        base = _base()
        _sweep(base)
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        self._held = _hold(self.folder)
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._give(self.folder)
            self.binaries = self._reachable(self.binaries)
            self._initialise()
            self._process = self._start()
            self.server = self._wait(self._process)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def stop(self) -> None:
        """End it and take its folder away; may be called twice."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        _remove(self.folder)
        with contextlib.suppress(OSError):
            self._held.close()

    def _give(self, path: Path) -> None:
        if self._owner:
            os.chown(path, self._owner.uid, self._owner.gid)

    def _reachable(self, binaries: Binaries) -> Binaries:
        """The binaries, or a copy of them that the server's user can run."""
        if self._owner is None or _may_run(self._owner, binaries.program("postgres")):
            return binaries
        libraries = binaries.root.parent.parent / f"{binaries.root.parent.name}.libs"
        home = self.folder / "wheel" / binaries.root.parent.name
        shutil.copytree(
            binaries.root, home / binaries.root.name, ignore=shutil.ignore_patterns("include", "*.a")
        )
        if libraries.is_dir():
            shutil.copytree(libraries, home.parent / libraries.name)
        return Binaries(root=home / binaries.root.name, version=binaries.version)

    def _initialise(self) -> None:
        locale = ["--locale=C.UTF-8"]
        if self.binaries.major >= 17:
            locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command: list[str | Path] = [
            self.binaries.program("initdb"),
            *("-D", self.folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8"),
            *("--no-sync", "--no-instructions", "--wal-segsize=4", *locale),
        ]
        code, said = _with_its_children(command, self._as_owner())
        if code:
            raise _not_started(said[-600:])
        conf = self.folder / "data" / "postgresql.conf"
        lines = [f"{key} = '{value}'" for key, value in self._settings.items()]
        lines.append(f"unix_socket_directories = '{self.folder}'")
        with conf.open("a") as file:
            file.write("\n".join(["", *lines, ""]))

    def _as_owner(self) -> dict[str, Any]:
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        common: dict[str, Any] = {"cwd": self.folder, "env": environment, "stdin": subprocess.DEVNULL}
        if self._owner:
            common |= {"user": self._owner.uid, "group": self._owner.gid, "extra_groups": []}
        return common

    def _start(self) -> subprocess.Popen[bytes]:
        log = (self.folder / "log").open("wb")
        with log:
            return subprocess.Popen(
                [self.binaries.program("postgres"), "-D", self.folder / "data"],
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509 after setuid, which clears it; no lock is taken
                **self._as_owner(),
            )

    def _wait(self, process: subprocess.Popen[bytes]) -> Server:
        until = time.monotonic() + _START_S
        info = f"host='{self.folder}' port=5432 user=postgres connect_timeout=10 client_encoding=UTF8"
        while time.monotonic() < until:
            if process.poll() is not None:
                break
            if (self.folder / ".s.PGSQL.5432").exists():
                with contextlib.suppress(RefusedError):
                    return Server(info, own=True)
            time.sleep(0.005)
        raise _not_started((self.folder / "log").read_text(errors="replace")[-600:])


def _with_its_children(command: list[str | Path], how: dict[str, Any]) -> tuple[int, str]:
    """Run to its end, which is near even if we are broken off: killed, it leaves shared memory behind."""
    output = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, **how
    ) as process:
        try:
            said, _ = process.communicate()
        except BaseException:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=_STOP_S)
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, said.decode(errors="replace")


def _remove(folder: Path) -> None:
    """Take it away, though a killed process may still make a last file in it."""
    until = time.monotonic() + _STOP_S
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists() or time.monotonic() > until:
            return
        time.sleep(0.01)


def _not_started(why: str) -> RefusedError:
    return RefusedError(
        "CF9207",
        "the PostgreSQL of the proof did not start",
        why.strip() or f"it said nothing for {_START_S:.0f} s",
        "--sandbox-dsn names a server of yours instead",
    )


def _unprivileged() -> _Owner | None:
    if os.geteuid() != 0:
        return None
    for who in ("nobody", "daemon"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(who)
            return _Owner(entry.pw_uid, entry.pw_gid)
    raise _not_started("PostgreSQL refuses root, and there is no user `nobody` on this machine")


def _base() -> Path:
    """Memory where there is plenty of it, else the folder for temporary files; short enough for a socket."""
    memory = Path("/dev/shm")  # noqa: S108 a private folder is made in it
    with contextlib.suppress(OSError):
        free = os.statvfs(memory)
        if os.access(memory, os.W_OK) and free.f_bavail * free.f_frsize >= _MEMORY_NEEDED:
            return memory
    usual = Path(tempfile.gettempdir())
    return usual if len(str(usual)) < _SOCKET_PATH_MAX - len(_PREFIX) - 10 else Path("/tmp")  # noqa: S108 as above


def _hold(folder: Path) -> IO[bytes]:
    """A lock that lives as long as we do: what nobody holds, the next start sweeps."""
    file = (folder / "held").open("wb")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def _sweep(base: Path) -> None:
    for folder in base.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (folder / "held").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


def _may_run(owner: _Owner, program: Path) -> bool:
    """Whether the server's user reaches the program, asked of the system and not of permission bits."""
    try:
        done = subprocess.run(
            [program, "--version"],
            user=owner.uid,
            group=owner.gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            check=False,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _die_with(parent: int) -> Callable[[], None] | None:
    """For the child, after it gave up root: die when the thread that started it does."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask
