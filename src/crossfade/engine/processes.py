"""Whether a process that was written down still lives: by its pid and the moment it began."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def birth(pid: int) -> str:
    """When this process began, as the kernel counts it; empty where it does not run or cannot be asked."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name in parentheses may hold blanks and parentheses itself; state and start time follow it.
    after = stat.rpartition(")")[2].split()
    return "" if after[0] in ("Z", "X") else after[19]


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
