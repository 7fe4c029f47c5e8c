"""
A server of the user's as a place to hear: a database of ours on it, and what its log says of that.

The server must write a log that can be read by a program (jsonlog or csvlog), and the role must be allowed to
have its own statements written there and to read the log. Only databases that were not there before are
heard;
WHAT ELSE STANDS IN THE LOG IS READ OVER AND NOT KEPT. Nothing of the server's own settings is changed:
ours hang on our database and on the connections of the command.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from psycopg import conninfo as dsn

from crossfade.errors import RefusedError
from crossfade.migrations.answers import Failure
from crossfade.migrations.record.log import Entry, csv_entries, entries
from crossfade.migrations.record.places import to_the_end
from crossfade.migrations.sandbox import Server
from crossfade.migrations.wire import name

_KINDS: Final = ("jsonlog", "csvlog")
_ENDINGS: Final = {"jsonlog": ".json", "csvlog": ".csv"}
_PIECE: Final = 8 << 20
_WANTED: Final = {
    "log_statement": ("all", ("all",)),
    "log_error_verbosity": ("default", ("default", "verbose")),
    "log_min_error_statement": ("error", ("error", "warning", "notice", "info", "log")),
    "log_min_messages": ("error", ("error", "warning", "notice", "info", "log")),
    "log_parameter_max_length": ("-1", ("-1",)),
}
"""What we set, and what is as good where it is set already."""
_GRANTS_SINCE: Final = 150000
_LISTED: Final = "SELECT name, size FROM pg_catalog.pg_ls_logdir() ORDER BY modification, name"
_READ: Final = (
    "SELECT pg_catalog.encode(pg_catalog.pg_read_binary_file("
    "pg_catalog.current_setting('log_directory') || '/' || $1, $2::int8, $3::int8, true), 'base64')"
)


class YourPlace:
    """A database on the server of a DSN, for as long as we hear."""

    yours = True

    def __init__(self, address: str) -> None:
        """Raises RefusedError where it leads nowhere, or where its log cannot be heard (CF9227)."""
        self._server = Server.of(address)
        self._home = tempfile.TemporaryDirectory(prefix="crossfade-")
        self.scratch = Path(self._home.name)
        try:
            self.version = self._server.version
            self.others = frozenset(
                row[0] or "" for row in self._ask("SELECT datname FROM pg_catalog.pg_database")
            )
            self._kind = self._log_kind()
            database = self._server.create()
            self._settings = self._set_up(database.name)
            self.conninfo = dsn.make_conninfo(address, dbname=database.name)
            self._recorded = database.name
            options = " ".join(f"-c {key}={value}" for key, value in self._settings.items())
            self._beside = dsn.make_conninfo(address, **({"options": options} if options else {}))
            self._pieces: dict[str, bytearray] = {}
            self._skipped = self._sizes()
            self._begin = 0
        except BaseException:
            self.close()
            raise

    def environment(self) -> Mapping[str, str]:
        parts = {key: str(value) for key, value in dsn.conninfo_to_dict(self.conninfo).items() if value}
        options = " ".join(f"-c {key}={value}" for key, value in self._settings.items())
        told = {
            "DATABASE_URL": _url(parts),
            "PGHOST": parts.get("host", ""),
            "PGPORT": parts.get("port", "5432"),
            "PGUSER": parts.get("user", ""),
            "PGDATABASE": parts["dbname"],
            "PGPASSWORD": parts.get("password", ""),
            "PGOPTIONS": " ".join(filter(None, (os.environ.get("PGOPTIONS"), options))),
        }
        return {key: value for key, value in told.items() if value}

    def copy(self) -> str:
        return dsn.make_conninfo(self.conninfo, dbname=self._server.create(self._recorded).name)

    def listen(self) -> None:
        self._begin = len(self._lines())

    def entries(self) -> tuple[Entry, ...]:
        told = self._lines()[self._begin :]
        return tuple(csv_entries(told) if self._kind == "csvlog" else entries(told))

    def close(self) -> None:
        self._server.close()
        self._home.cleanup()

    def _ask(self, sql: str) -> tuple[tuple[str | None, ...], ...]:
        return self._server.admin.ask(sql)

    def _log_kind(self) -> str:
        """Which of its logs can be read. Raises RefusedError (CF9227) with what is to be granted or set."""
        (role, collects, written), *_ = self._ask(
            "SELECT current_user, pg_catalog.current_setting('logging_collector'), "
            "pg_catalog.current_setting('log_destination')"
        )
        kinds = [one for one in _KINDS if one in (written or "")]
        if collects != "on" or not kinds:
            raise _unheard(
                f"its log is no file that a program can read: log_destination is {written}, "
                f"logging_collector {collects}",
                "log_destination = 'jsonlog' (csvlog before PostgreSQL 15) with logging_collector = on; "
                "or a dump of pg_stat_statements of it: --from dump.csv",
            )
        wanted = list(self._grants(role or ""))
        if wanted:
            raise _unheard(f"the role {role} may not hear there", "; ".join(wanted))
        return kinds[0]

    def _grants(self, role: str) -> list[str]:
        """What the role lacks, each as the statement that gives it; run in the database of the DSN."""
        who, admin = name(role), self._server.admin
        missing = []
        if isinstance(admin.attempt("SELECT FROM pg_catalog.pg_ls_logdir() LIMIT 1"), Failure):
            missing.append(f"GRANT pg_monitor TO {who}")
        reading = "pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)"
        if self._ask(f"SELECT pg_catalog.has_function_privilege('{reading}', 'EXECUTE')") != (("t",),):
            missing.append(f"GRANT EXECUTE ON FUNCTION {reading} TO {who}")
        for setting, value in self._unset().items():
            if not isinstance(admin.attempt(f"SET {setting} = '{value}'"), Failure):
                admin.attempt(f"RESET {setting}")
            elif self.version >= _GRANTS_SINCE:
                missing.append(f"GRANT SET ON PARAMETER {setting} TO {who}")
            else:
                missing.append(
                    f"ALTER ROLE {who} SUPERUSER, for {setting} (PostgreSQL 15 can grant it alone)"
                )
        return missing

    def _unset(self) -> dict[str, str]:
        """What is not yet as we need it."""
        now = {key: self._ask(f"SHOW {key}")[0][0] for key in _WANTED}
        return {key: value for key, (value, fine) in _WANTED.items() if now[key] not in fine}

    def _set_up(self, database: str) -> dict[str, str]:
        settings = self._unset()
        for key, value in settings.items():
            self._ask(f"ALTER DATABASE {name(database)} SET {key} = '{value}'")
        return settings

    def _sizes(self) -> dict[str, int]:
        """The files of the log in the order in which they were written."""
        ending = _ENDINGS[self._kind]
        listed = [(row[0] or "", int(row[1] or 0)) for row in self._ask(_LISTED)]
        return {called: size for called, size in listed if called.endswith(ending)}

    def _lines(self) -> list[str]:
        return to_the_end(self._beside, self._read)

    def _read(self) -> list[str]:
        """All that was written since we came, whole lines only."""
        sizes = self._sizes()
        before = {called for called, piece in self._pieces.items() if piece}
        if not before <= sizes.keys():
            raise _cut(", ".join(sorted(before - sizes.keys())))
        for called, size in sizes.items():
            begin, piece = self._skipped.get(called, 0), self._pieces.setdefault(called, bytearray())
            if size < begin + len(piece):
                raise _cut(called)
            while begin + len(piece) < size:
                piece += self._piece(called, begin + len(piece))
        written = b"".join(self._pieces[called] for called in sizes)
        return [one.decode("utf-8", "replace") for one in written.splitlines(keepends=True)]

    def _piece(self, called: str, begin: int) -> bytes:
        said = self._server.admin.ask(_READ, [called, str(begin), str(_PIECE)])[0][0]
        if not said:
            raise _cut(called)
        return base64.b64decode(said)


def _url(parts: Mapping[str, str]) -> str:
    """A DSN as an address: drivers other than libpq read nothing else."""
    who = quote(parts.get("user", ""), safe="")
    secret = f":{quote(parts['password'], safe='')}" if "password" in parts else ""
    more = {
        key: value
        for key, value in parts.items()
        if key not in {"user", "password", "dbname", "host", "port"}
    }
    host, port = parts.get("host", ""), parts.get("port", "")
    if host.startswith("/"):
        more = {"host": host, **({"port": port} if port else {}), **more}
        place = ""
    else:
        place = f"{host}:{port}" if port else host
    query = f"?{urlencode(more, quote_via=quote)}" if more else ""
    return f"postgresql://{who}{secret}@{place}/{quote(parts['dbname'], safe='')}{query}"


def _unheard(why: str, fix: str) -> RefusedError:
    return RefusedError("CF9227", "the server of --sandbox-dsn cannot be heard", why, fix)


def _cut(called: str) -> RefusedError:
    return RefusedError(
        "CF9228", "the recording is not whole",
        f"{called} of the server's log was emptied or taken away meanwhile",
        "run it again; let the server keep its log for longer: log_truncate_on_rotation, log_rotation_age",
    )  # fmt: skip
