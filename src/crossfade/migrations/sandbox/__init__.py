"""
A throw-away PostgreSQL: found in a wheel, started in a private folder, gone with its parent.

`binaries.py` finds what is installed, `launch.py` runs it, `server.py` makes databases and clones
of them, on the sandbox or on any server a DSN names.
"""

from crossfade.migrations.sandbox.binaries import Binaries, available
from crossfade.migrations.sandbox.launch import Sandbox
from crossfade.migrations.sandbox.server import Database, Server

__all__ = ["Binaries", "Database", "Sandbox", "Server", "available"]
