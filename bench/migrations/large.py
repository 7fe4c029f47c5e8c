"""
A large schema: 300 tables that refer to each other, 1,000 statements, one migration proved against them.

    ./dev bench migrations large [--tables N] [--statements N] [--migration SQL]

Everything is made from numbers, the same each time. Seconds are of the proof alone; the ratio is to the
schema with one INSERT and one SELECT in every table, the least that any proof by running must do.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence

from crossfade.migrations.prove import Question, Version, prove
from crossfade.migrations.sandbox import Sandbox, Server
from crossfade.migrations.script import read_script, read_statements

MIGRATION = "SET lock_timeout = '2s'; ALTER TABLE t7 DROP COLUMN note;"


def schema(tables: int) -> str:
    """Tables of eight columns: keys, texts, money, times, a CHECK, a label, and a parent each."""
    return "CREATE TYPE mood AS ENUM ('calm', 'busy', 'gone');\n" + "\n".join(
        f"CREATE TABLE t{at} (id bigserial PRIMARY KEY, name varchar(80) NOT NULL, email text UNIQUE, "
        "amount numeric(12,2) NOT NULL DEFAULT 0 CHECK (amount >= 0), "
        "made timestamptz NOT NULL DEFAULT now(), "
        "state mood NOT NULL DEFAULT 'calm', note text, "
        f"parent bigint {f'REFERENCES t{at // 2}(id)' if at else ''});\n"
        f"CREATE INDEX ON t{at} (parent); CREATE INDEX ON t{at} (made);"
        for at in range(tables)
    )


def statements(count: int, tables: int) -> str:
    """What an application sends: rows by key, joins, lists, sums, inserts, updates, deletes."""
    return "\n".join(_statements(count, tables))


def _statements(count: int, tables: int) -> Iterator[str]:
    for at in range(count):
        table, parent = at % tables, (at % tables) // 2
        yield (
            f"SELECT id, name, amount, note FROM t{table} WHERE id = $1;",
            f"INSERT INTO t{table} (name, email, amount, parent) VALUES ($1, $2, $3, $4) RETURNING id;",
            f"UPDATE t{table} SET name = $1, state = $2 WHERE id = $3 AND amount >= $4;",
            f"SELECT a.name, b.name FROM t{table} a JOIN t{parent} b ON b.id = a.parent WHERE a.made > $1;",
            f"SELECT state, count(*), sum(amount) FROM t{table} WHERE name LIKE $1 GROUP BY state;",
            f"DELETE FROM t{table} WHERE parent = $1 AND state = $2;",
        )[(at // tables + at) % 6]


def least(server: Server, tables: int) -> float:
    """Seconds of the schema, a row and a look in every table: what cannot be done without."""
    began = time.monotonic()
    database = server.create()
    with database.connect() as session:
        session.ask(schema(tables))
        for at in range(tables):
            session.ask(f"INSERT INTO t{at} (name) VALUES ('x')")
            session.ask(f"SELECT * FROM t{at}")
    server.drop(database)
    return time.monotonic() - began


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the seconds of the proof, and how many times the least they are."""
    parser = argparse.ArgumentParser(prog="bench migrations large")
    parser.add_argument("--tables", type=int, default=300)
    parser.add_argument("--statements", type=int, default=1000)
    parser.add_argument("--migration", default=MIGRATION)
    given = parser.parse_args(arguments)
    old = read_statements(statements(given.statements, given.tables), "old.sql")
    question = Question(
        schema=read_statements(schema(given.tables), "schema.sql"),
        schema_name="schema.sql",
        old=(Version(name="old.sql", statements=old),),
        new=Version(name="new.sql", statements=old),
        migration=read_script(given.migration, "migration.sql"),
    )
    with Sandbox() as sandbox:
        yard = least(sandbox.server, given.tables)
        print(f"the least: {yard:.2f} s")
        verdict = prove(question, sandbox.server)
        ratio = verdict.seconds / yard
        print(f"the proof: {verdict.seconds:.2f} s, {ratio:.1f} x the least: {verdict.phase}")
    return 0
