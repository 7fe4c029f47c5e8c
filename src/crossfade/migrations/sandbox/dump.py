"""The schema of a database as DDL, by the `pg_dump` of the wheel: never a row."""

from __future__ import annotations

import os
import subprocess
from typing import Final

from psycopg import ProgrammingError
from psycopg import conninfo as dsn

from crossfade.errors import RefusedError
from crossfade.migrations.sandbox.binaries import Binaries

_PATIENCE_S: Final = 120
_VARIABLES: Final = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "options": "PGOPTIONS",
    "service": "PGSERVICE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
"""An address goes by the environment: a command line can be read by everybody on the machine."""


def dump_schema(binaries: Binaries, address: str, *, without: tuple[str, ...] = ()) -> str:
    """
    DDL of the database at this address; `without` leaves out schemas by name.

    Raises RefusedError: CF9227 where the address cannot be read, CF9228 where it cannot be dumped.
    """
    try:
        told = dsn.conninfo_to_dict(address)
    except ProgrammingError as error:
        raise RefusedError(
            "CF9227", "the database's address cannot be read", str(error).strip(),
            "postgresql://user@host:5432/database",
        ) from None  # fmt: skip
    named = {_VARIABLES[key]: str(value) for key, value in told.items() if key in _VARIABLES and value}
    left_out = [f"--exclude-schema={name}" for name in without]
    try:
        done = subprocess.run(
            [binaries.program("pg_dump"), "--schema-only", "--no-password", *left_out],
            env={"PATH": os.environ.get("PATH", ""), "PGCONNECT_TIMEOUT": "10", **named},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_PATIENCE_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _not_dumped(str(error)) from None
    if done.returncode:
        raise _not_dumped(done.stderr.strip()[-600:])
    return done.stdout


def _not_dumped(why: str) -> RefusedError:
    return RefusedError(
        "CF9228",
        "the schema of the database cannot be read",
        why,
        "the role needs USAGE on the schemas and SELECT on their tables; the server may be no newer than 18",
    )
