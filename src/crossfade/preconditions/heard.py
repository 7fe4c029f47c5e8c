"""
What a framework's own command does to a schema, heard on a copy of it: `alembic upgrade 0042` as statements.

The copy has the schema, and of the rows only those in which frameworks count their migrations: without
them a command would begin from the first.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from crossfade.errors import RefusedError
from crossfade.migrations.lexer import meaningful
from crossfade.migrations.load import load
from crossfade.migrations.record.listen import Recorder
from crossfade.migrations.script import Script, Statement, Unit, read_statements
from crossfade.migrations.wire import Session, literal, name
from crossfade.spec.change_models import CommandPart

_COUNTED: Final = (
    "alembic_version",
    "django_migrations",
    "schema_migrations",
    "flyway_schema_history",
    "goose_db_version",
    "pgmigrations",
    "knex_migrations",
    "_prisma_migrations",
    "ar_internal_metadata",
    "databasechangelog",
    "sequelizemeta",
    "__efmigrationshistory",
    "yoyo_migration",
)
"""Tables of frameworks, lower case, which say how far a database has come."""
_TABLES: Final = """
SELECT n.nspname, c.relname
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND lower(c.relname) = ANY ($1::text[]) AND n.nspname !~ '^pg_'
"""
_MOST_ROWS: Final = 10_000
_CHANGES: Final = frozenset({"begin", "start", "commit", "end", "rollback"})


def counted(session: Session) -> tuple[str, ...]:
    """INSERT statements of the rows in which frameworks count, from the real database."""
    wanted = "{" + ",".join(_COUNTED) + "}"
    found: list[str] = []
    for schema, table in session.ask(_TABLES, [wanted]):
        called = name(schema or "", table or "")
        rows = session.ask(f"SELECT * FROM {called} LIMIT {_MOST_ROWS}")  # noqa: S608  quoted by `name`
        into = f"INSERT INTO {called} VALUES"
        found += [f"{into} ({', '.join(map(literal, row))})" for row in rows]
    return tuple(found)


def heard_script(part: CommandPart, schema: Sequence[Statement], rows: Sequence[str], home: str) -> Script:
    """The statements that the command sends, in their transactions. Raises RefusedError where it fails."""
    with Recorder() as recorder:
        with recorder.connect() as session:
            load(session, schema, "the schema of the database")
            for row in rows:
                session.ask(row)
        recorder.listen()
        code = recorder.run(shlex.split(part.command), folder=home)
        if code:
            raise RefusedError(
                "CF9301",
                f"the command failed on a copy of the schema: {part.command}",
                f"it ended with {code}",
                "its own words stand above; it finds the copy in DATABASE_URL",
            )
        return _script([one.text for one in recorder.heard() if one.failed is None])


def _script(texts: Sequence[str]) -> Script:
    units: list[Unit] = []
    open_: list[Statement] | None = None
    for text in texts:
        for statement in read_statements(text, "the command"):
            lead = meaningful(statement.text)[:1]
            word = lead[0].value if lead else ""
            if word in {"begin", "start"}:
                open_ = []
            elif word in {"commit", "end", "rollback"}:
                if open_ and word != "rollback":
                    units.append(Unit(statements=tuple(open_), transaction=True))
                open_ = None
            elif not _asks(statement) and open_ is not None:
                open_.append(statement)
            elif not _asks(statement):
                units.append(Unit(statements=(statement,), transaction=False))
    return Script(units=tuple(units), explicit=True)


def _asks(statement: Statement) -> bool:
    """What only looks, or belongs to the session, is no part of a migration."""
    return statement.lead[:1] in {("select",), ("show",), ("set",), ("savepoint",), ("release",), ("with",)}
