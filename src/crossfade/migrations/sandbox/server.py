"""
Databases on a PostgreSQL server: made, cloned, dropped.

On a server of yours (`--sandbox-dsn`) all databases carry our prefix and are dropped at the end, roles
that a schema made too; NO DATABASE THAT WAS THERE BEFORE IS TOUCHED. The role of the DSN must be allowed to
create databases, and had better be a superuser: locks of other sessions and privileges are looked at.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from psycopg import ProgrammingError
from psycopg import conninfo as dsn

from crossfade.errors import RefusedError, UsageError
from crossfade.migrations.answers import Failure
from crossfade.migrations.wire import Session, name

_OLDEST: Final = 130000
_KEPT: Final = 100  # databases of 8 MB each


class Database:
    """One database of ours."""

    def __init__(self, server: Server, called: str, search_path: str = "") -> None:
        self._server = server
        self.name = called
        self.search_path = search_path
        """Where sessions look for names, if the schema's own file said so; clones inherit it."""

    def connect(self) -> Session:
        session = self._server.connect(self.name)
        if self.search_path:
            session.ask("SELECT pg_catalog.set_config('search_path', $1, false)", [self.search_path])
        return session

    @contextmanager
    def visited(self) -> Iterator[Session]:
        """A session that is gone for the server as well when this ends: it would not copy before."""
        session = self.connect()
        try:
            yield session
        finally:
            session.leave()

    def clone(self) -> Database:
        """A copy, in some ten milliseconds; nobody may be connected to the original."""
        made = self._server.create(template=self.name)
        made.search_path = self.search_path
        return made

    def drop(self) -> None:
        self._server.drop(self)


class Server:
    """A PostgreSQL server on which we make databases. `own`: it is our sandbox and dies as a whole."""

    def __init__(self, conninfo: str, *, own: bool = False) -> None:
        self._conninfo = conninfo
        self._own = own
        self._admin = self.connect(None)
        self._made: list[str] = []
        self._numbers = itertools.count()
        self._stem = f"crossfade_{os.getpid()}_{secrets.token_hex(3)}"
        self._roles = self._all_roles()
        self.version = self._admin.version

    @classmethod
    def of(cls, conninfo: str) -> Server:
        """A server of the user's own."""
        try:
            dsn.conninfo_to_dict(conninfo)
        except ProgrammingError as error:
            raise UsageError(
                "CF9208",
                "--sandbox-dsn cannot be read",
                str(error).strip(),
                "postgresql://user@host:5432/postgres",
            ) from None
        server = cls(dsn.make_conninfo(conninfo, connect_timeout=10, client_encoding="UTF8"))
        try:
            server._check()
        except RefusedError:
            server.close()
            raise
        return server

    def _check(self) -> None:
        """Whether a proof can run there at all."""
        if self.version < _OLDEST:
            raise RefusedError(
                "CF9218",
                f"the server of --sandbox-dsn is PostgreSQL {self.version // 10000}",
                f"a proof needs {_OLDEST // 10000} or later",
                "name a server of the version that runs in production, or leave --sandbox-dsn away",
            )
        if self._admin.ask("SELECT pg_catalog.pg_backend_pid()")[0][0] != str(self._admin.pid):
            raise RefusedError(
                "CF9217",
                "--sandbox-dsn leads to a pooler",
                "a proof watches locks of its own sessions, and makes databases that a pooler does not know",
                "the address of the server itself",
            )

    def interrupt(self) -> None:
        """End whatever our sessions do now; from another thread than theirs."""
        with Session(dsn.make_conninfo(self._conninfo)) as session:
            session.attempt(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity "
                "WHERE pg_catalog.starts_with(datname, $1)",
                [self._stem],
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def admin(self) -> Session:
        return self._admin

    @property
    def made_roles(self) -> frozenset[str]:
        """Roles that were not there when we came."""
        return self._all_roles() - self._roles

    def connect(self, database: str | None) -> Session:
        named = {} if database is None else {"dbname": database}
        if self._own and database is None:
            named = {"dbname": "postgres"}
        return Session(dsn.make_conninfo(self._conninfo, **named))

    def create(self, template: str = "template0") -> Database:
        called = f"{self._stem}_{next(self._numbers)}"
        said = self._admin.attempt(
            f"CREATE DATABASE {name(called)} TEMPLATE {name(template)} STRATEGY file_copy"
            if self.version >= 150000
            else f"CREATE DATABASE {name(called)} TEMPLATE {name(template)}"
        )
        if isinstance(said, Failure):
            raise RefusedError(
                "CF9209",
                "no database could be made for the proof",
                str(said),
                "the role of --sandbox-dsn needs CREATEDB, and the disk room for a few copies of the schema",
            )
        self._made.append(called)
        return Database(self, called)

    def drop(self, database: Database) -> None:
        """Take a database away. Our own server goes as a whole: it keeps some rather than wait."""
        self._drop([database.name])

    @contextmanager
    def tidy(self) -> Iterator[None]:
        """Every database that is made meanwhile is taken away at the end; of our own server as by `drop`."""
        before = len(self._made)
        try:
            yield
        finally:
            with contextlib.suppress(RefusedError):  # a server that is gone holds none
                self._drop(self._made[before:])

    def _drop(self, databases: Sequence[str]) -> None:
        if self._own and len(self._made) < _KEPT:
            return
        for called in databases:
            self._admin.attempt(f"DROP DATABASE IF EXISTS {name(called)} WITH (FORCE)")
            self._made.remove(called)

    def close(self) -> None:
        """Drop what we made. On our own server there is nothing to do: it goes as a whole."""
        if not self._own:
            for called in self._made:
                self._admin.attempt(f"DROP DATABASE IF EXISTS {name(called)} WITH (FORCE)")
            for role in self.made_roles:
                self._admin.attempt(f"DROP ROLE IF EXISTS {name(role)}")
        self._admin.close()

    def _all_roles(self) -> frozenset[str]:
        return frozenset(row[0] or "" for row in self._admin.ask("SELECT rolname FROM pg_catalog.pg_roles"))
