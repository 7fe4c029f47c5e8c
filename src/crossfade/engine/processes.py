"""
Whether a process that was written down still lives.

A pid means something only where it was given: the same number is somebody else in the next
container, on the next machine, after the next start. So the birth that is written beside it names
that place too, and of a process of another place only its own heartbeat tells.
"""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")


@cache
def place() -> str:
    """Where our pids mean something: this start of this machine, this container; empty where nobody says."""
    try:
        boot = BOOT.read_text(encoding="ascii").strip()
        return f"{boot[:13]}.{NAMESPACE.stat().st_ino:x}"
    except OSError:
        return ""


def birth(pid: int) -> str:
    """When and where this process began; empty where it does not run or cannot be asked."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name in parentheses may hold blanks and parentheses itself; state and start time follow it.
    after = stat.rpartition(")")[2].split()
    return "" if after[0] in ("Z", "X") else f"{place()}/{after[19]}"


def near(born: str, at: str) -> bool:
    """Whether a process of this birth, on the host `at`, is one whose pid we may look for."""
    there, told, _ = born.rpartition("/")
    return there == place() if told else at == host()


def alive(pid: int, born: str) -> bool:
    """Whether that very process runs; a pid that another one has now does not count."""
    if born:
        return birth(pid) == born
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def host() -> str:
    """The name of the machine, or of the container, that we run in."""
    return socket.gethostname()
