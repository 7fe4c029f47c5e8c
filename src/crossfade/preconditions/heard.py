"""
What a framework's own command does to a schema, heard on a copy of it: `alembic upgrade 0042` as statements.

The copy has the schema, and of the rows only those in which frameworks count their migrations: without
them a command would begin from the first.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.errors import RefusedError
from crossfade.migrations.catalog import BOOKKEEPING
from crossfade.migrations.lexer import Kind, meaningful
from crossfade.migrations.load import load
from crossfade.migrations.record.listen import Recorder
from crossfade.migrations.record.log import Heard
from crossfade.migrations.script import Script, Statement, Unit, read_statements
from crossfade.migrations.wire import Session, literal, name
from crossfade.spec.change_models import CommandPart

_TABLES: Final = """
SELECT n.nspname, c.relname
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND lower(c.relname) = ANY ($1::text[]) AND n.nspname !~ '^pg_'
"""
_NUMBERED: Final = """
SELECT attname, pg_catalog.pg_get_serial_sequence($1, attname)
FROM pg_catalog.pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
AND pg_catalog.pg_get_serial_sequence($1, attname) IS NOT NULL
"""
_MOST_ROWS: Final = 10_000
_CHANGES: Final = frozenset({"begin", "start", "commit", "end", "rollback"})


def counted(session: Session) -> tuple[str, ...]:
    """Statements that bring the rows in which frameworks count, and where their numbers stand."""
    wanted = "{" + ",".join(sorted(BOOKKEEPING)) + "}"
    found: list[str] = []
    for schema, table in session.ask(_TABLES, [wanted]):
        called = name(schema or "", table or "")
        rows = session.ask(f"SELECT * FROM {called} LIMIT {_MOST_ROWS}")  # noqa: S608  quoted by `name`
        into = f"INSERT INTO {called} OVERRIDING SYSTEM VALUE VALUES"
        found += [f"{into} ({', '.join(map(literal, row))})" for row in rows]
        found += [
            f"SELECT pg_catalog.setval({literal(sequence)}, max({name(column or '')})) FROM {called}"  # noqa: S608
            for column, sequence in session.ask(_NUMBERED, [called])
        ]
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a command is run, and the variables in which it finds its database."""

    home: str
    variables: tuple[str, ...]


def heard_script(part: CommandPart, schema: Sequence[Statement], rows: Sequence[str], place: Place) -> Script:
    """The statements that the command sends, in their transactions. Raises RefusedError where it fails."""
    with Recorder(variables=place.variables) as recorder:
        with recorder.connect() as session:
            load(session, schema, "the schema of the database")
            for row in rows:
                session.ask(row)
        recorder.listen()
        code = recorder.run(shlex.split(part.command), folder=place.home)
        if code:
            raise RefusedError(
                "CF9301",
                f"the command failed on a copy of the schema: {part.command}",
                f"it ended with {code}",
                "its own words stand above; it finds the copy in DATABASE_URL",
            )
        return script_of_heard([written_out(one) for one in recorder.heard() if one.failed is None])


def written_out(one: Heard) -> str:
    """A statement with its values in it: a migration is run as text."""
    if not one.values:
        return one.text
    pieces, at = [], 0
    for token in meaningful(one.text):
        number = int(token.value) if token.kind is Kind.PARAM else 0
        if 0 < number <= len(one.values):
            pieces += [one.text[at : token.start], literal(one.values[number - 1])]
            at = token.end
    return "".join((*pieces, one.text[at:]))


def script_of_heard(texts: Sequence[str]) -> Script:
    """The statements of a session as the transactions that they were; what was rolled back never was."""
    units: list[Unit] = []
    open_: list[Statement] | None = None
    for text in texts:
        for statement in read_statements(text, "the command"):
            told = [token.value for token in meaningful(statement.text)]
            word = told[0] if told else ""
            if word in {"savepoint", "release"} or (word == "rollback" and "to" in told):
                continue
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
    """What only looks is no part of a migration."""
    lead = statement.lead[:1]
    writes = {token.value for token in statement.tokens} & {"insert", "update", "delete", "merge"}
    return lead in {("select",), ("show",)} or (lead == ("with",) and not writes)
