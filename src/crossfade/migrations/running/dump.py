"""
The schema of the real database as pg_dump prints it; never a row.

The pg_dump of the wheel is used, and its locks are those of a reader. The password goes through the
environment: a command line is everybody's to read.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from psycopg import pq

from crossfade.errors import RefusedError
from crossfade.migrations.running.ledger import SCHEMA
from crossfade.migrations.sandbox.binaries import available, choose

_LONGEST_S: Final = 300
_NOT_FROM_OUTSIDE: Final = ("PGOPTIONS", "PGSERVICE", "PGTARGETSESSIONATTRS")


def schema_of(dsn: str, version: int) -> str:
    """
    DDL of all but our own tables; what a dual write is made of is there, or its triggers would not load.

    Raises RefusedError (CF9203, CF9264).
    """
    program = choose(None).program("pg_dump")
    if version // 10000 > choose(None).major:
        raise _not_dumped(f"the wheel's pg_dump is older than PostgreSQL {version // 10000}")
    environment = {key: value for key, value in os.environ.items() if key not in _NOT_FROM_OUTSIDE}
    for option in pq.Conninfo.parse(dsn.encode()):
        if option.val is not None and option.envvar is not None:
            environment[option.envvar.decode()] = option.val.decode()
    command: list[str | Path] = [
        program,
        "--schema-only",
        f"--exclude-table={SCHEMA}.*",
        "--lock-wait-timeout=2s",
    ]
    try:
        said = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            check=False,
            timeout=_LONGEST_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _not_dumped(type(error).__name__) from None
    if said.returncode:
        words = said.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _not_dumped(words[0] if words else "it gave no reason")
    return said.stdout.decode("utf-8", "replace")


def major_for(version: int) -> int | None:
    """The sandbox that is most like the server; None where the wheel's newest has to do."""
    major = version // 10000
    return major if major in available() else None


def _not_dumped(why: str) -> RefusedError:
    return RefusedError(
        "CF9264", "the schema of the database could not be dumped", why, "it is judged by its words instead"
    )
