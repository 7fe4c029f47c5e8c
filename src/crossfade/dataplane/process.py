"""
Processes that outlive their starter: started in a session of their own, watched by pidfd,
recognised after a restart of the supervisor by pid AND start time, never by pid alone.

Every process carries a mark of its state folder in its environment, which its children inherit:
so nothing that we started can hide when the folder is taken down, and nothing else is touched.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MARK = "CROSSFADE_FOLDER_ID"
_LEASH = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):  # else it has died already
    os.execv(sys.argv[2], sys.argv[2:])
"""
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that we started, now or in an earlier life; leader of its own group."""

    pid: int
    started: str  # boot id and ticks since that boot: a pid may be given again, this is not


def spawn(command: Sequence[str], *, folder: str, env: Mapping[str, str], log: Path, mark: str) -> Process:
    """Starts a program, its output appended to `log`. Raises OSError when it cannot be run."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        child = subprocess.Popen(  # noqa: S603, RUF100
            command,
            cwd=folder,
            env={**env, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is not meant for it
        )
    child.returncode = 0  # we reap by pid ourselves; Popen must not warn about it
    return Process(pid=child.pid, started=start_time(child.pid) or "")


def leashed(command: Sequence[str]) -> list[str]:
    """
    The same program, killed with whoever starts it, even by kill -9.

    It hangs on the THREAD that calls `spawn`: one that lives as long as the program should.
    """
    return [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid()), *command]


def start_time(pid: int) -> str | None:
    """When a process was started, unique over restarts of the machine; None = gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()  # the name before it may hold anything
    return None if fields[0] in "ZX" else f"{_boot()}:{fields[19]}"


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def alive(process: Process) -> bool:
    """Whether exactly this process still runs."""
    return start_time(process.pid) == process.started


def open_pidfd(process: Process) -> int | None:
    """A descriptor that becomes readable when the process ends; None = it has ended.

    The start time is compared after opening: a recycled pid is not taken for ours.
    """
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return None
    if alive(process):
        return fd
    os.close(fd)
    return None


def reap(process: Process, mark: str) -> str:
    """Collects an ended process, and ends what it left behind in its group; says how it ended."""
    # A zombie still holds its number, so the group is ours for as long as we have not waited.
    for member in marked(mark):
        if _group_of(member) == process.pid and member != process.pid:
            with contextlib.suppress(OSError):
                os.kill(member, signal.SIGKILL)
    try:
        pid, status = os.waitpid(process.pid, os.WNOHANG)
    except ChildProcessError:
        return "ended; how is unknown, it was started by an earlier supervisor"
    if pid == 0:
        return "ended"
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit {code}"
    return f"killed by {signal.Signals(-code).name}"


def end(process: Process, sig: signal.Signals) -> None:
    """Signals the process's whole group, if the process is still this one."""
    if alive(process):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, sig)


def marked(mark: str) -> list[int]:
    """All living processes that carry the mark, children of our children included."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                environment = Path(f"/proc/{entry.name}/environ").read_bytes()
                if wanted in environment.split(b"\0"):
                    found.append(int(entry.name))
    return found


def command_of(pid: int) -> str:
    """The command line of a process, shortened; empty when it cannot be read."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()[:120]


def rss_bytes(pid: int) -> int:
    """Resident memory of a process and all its descendants, as far as they can be read."""
    total, waiting, seen = 0, [pid], set[int]()
    while waiting and len(seen) < 1000:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        with contextlib.suppress(OSError, ValueError, IndexError):
            statm = Path(f"/proc/{here}/statm").read_text(encoding="ascii").split()
            total += int(statm[1]) * _PAGE
            children = Path(f"/proc/{here}/task/{here}/children").read_text(encoding="ascii")
            waiting += [int(child) for child in children.split()]
    return total


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return -1
