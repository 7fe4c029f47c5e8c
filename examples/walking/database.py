"""A throw-away PostgreSQL with an empty database `shop`."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from crossfade.migrations.sandbox import Sandbox


@contextmanager
def throwaway() -> Iterator[str]:
    """Its DSN; it is there as long as the block lasts, and then gone with its rows."""
    with Sandbox() as sandbox:
        sandbox.server.admin.ask("CREATE DATABASE shop")
        yield f"postgresql://postgres@/shop?host={sandbox.folder}"


def keep() -> None:
    """Say where it is, and keep it until Ctrl-C."""
    with throwaway() as dsn, suppress(KeyboardInterrupt):
        print(f"export DATABASE_URL={shlex.quote(dsn)}", flush=True)
        print("# a throw-away PostgreSQL, here until Ctrl-C; paste the line above into your other terminals")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
