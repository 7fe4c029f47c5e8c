"""
Closes the connections of Envoy to one address, when a target's deregistration delay is over.

Envoy has no call for it: a cluster that lost an endpoint lets its requests end, however long they take. So
the connection itself is shut down, through a copy of Envoy's own descriptor; Envoy sees the target hang up.
LINUX ONLY (5.6 or newer), and where the system allows a process to look into its child: some containers
do not, and there such requests go on to their end.
"""

from __future__ import annotations

import ctypes
import os
import socket
from typing import Final

from crossfade.dataplane.ports import descriptors_to

_PIDFD_GETFD: Final = 438  # the same number on every architecture


def cut(pid: int, pidfd: int, port: int) -> int:
    """Hangs up every connection of this process to a local port; how many there were."""
    done = 0
    for descriptor in descriptors_to(pid, port):
        copy = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, pidfd, descriptor, 0)
        if copy < 0:
            continue
        try:
            with socket.socket(fileno=os.dup(copy)) as connection:
                connection.shutdown(socket.SHUT_RDWR)
                done += 1
        except OSError:  # it has just ended by itself
            continue
        finally:
            os.close(copy)
    return done
