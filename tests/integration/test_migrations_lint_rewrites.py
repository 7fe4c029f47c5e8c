"""What `migrate lint` says to write instead: on a real PostgreSQL it leads to the same schema, and lint is content."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crossfade.migrations.lint.check import Finding, lint
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.sandbox.server import Database
from crossfade.migrations.script import read_script

Rows = tuple[tuple[str | None, ...], ...]

SCHEMA = """
CREATE TABLE o (id bigint PRIMARY KEY, "Other Id" int UNIQUE);
CREATE SEQUENCE numbers;
CREATE TABLE t (id bigint, a int, b int, "C c" text, o_id bigint, o2 int, d date);
CREATE INDEX t_d ON t (d);
CREATE SCHEMA app;
CREATE TABLE app."My.Table" (a int, b text);
CREATE MATERIALIZED VIEW seen AS SELECT 1 AS one;
CREATE UNIQUE INDEX seen_one ON seen (one);
INSERT INTO o VALUES (1, 1);
INSERT INTO t VALUES (1, 1, 1, 'c', 1, 1, '2020-02-02'), (2, 2, 2, 'd', 1, NULL, NULL);
"""

REWRITTEN = {
    "ALTER TABLE t ADD CHECK (a > 0)": "add-check",
    "ALTER TABLE t ADD CHECK (a > 0 AND b > 0)": "add-check",
    'ALTER TABLE t ADD CONSTRAINT "A Check" CHECK (length("C c") < 9)': "add-check",
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NO INHERIT": "add-check",
    "ALTER TABLE app.\"My.Table\" ADD CHECK (b <> 'it''s; -- no')": "add-check",
    "ALTER TABLE t ADD FOREIGN KEY (o_id) REFERENCES o (id)": "add-foreign-key",
    "ALTER TABLE ONLY t ADD CONSTRAINT f FOREIGN KEY (o_id) REFERENCES o ON DELETE CASCADE ON UPDATE SET NULL"
    " DEFERRABLE INITIALLY DEFERRED": "add-foreign-key",
    'ALTER TABLE t ADD FOREIGN KEY (o2) REFERENCES o ("Other Id")': "add-foreign-key",
    "ALTER TABLE t ADD UNIQUE (a)": "add-unique",
    "ALTER TABLE t ADD UNIQUE (a, b)": "add-unique",
    "ALTER TABLE t ADD UNIQUE NULLS NOT DISTINCT (a) INCLUDE (b, d) DEFERRABLE INITIALLY DEFERRED": "add-unique",
    "ALTER TABLE t ADD UNIQUE NULLS DISTINCT (a) NOT DEFERRABLE": "add-unique",
    'ALTER TABLE t ADD CONSTRAINT "U u" UNIQUE ("C c") WITH (fillfactor = 70)': "add-unique",
    "ALTER TABLE t ADD UNIQUE (a) USING INDEX TABLESPACE pg_default": "add-unique",
    "ALTER TABLE t ADD PRIMARY KEY (id)": "add-unique",
    'ALTER TABLE t ADD CONSTRAINT p PRIMARY KEY (id, "C c") DEFERRABLE': "add-unique",
    "ALTER TABLE t ALTER a SET NOT NULL": "set-not-null",
    'ALTER TABLE t ALTER COLUMN "C c" SET NOT NULL': "set-not-null",
    'ALTER TABLE app."My.Table" ALTER a SET NOT NULL': "set-not-null",
    "ALTER TABLE t ADD CONSTRAINT n NOT NULL a": "set-not-null",
    'CREATE INDEX ON t (lower("C c") DESC) WHERE a > 0': "create-index",
    "CREATE UNIQUE INDEX IF NOT EXISTS i ON ONLY t USING btree (a) INCLUDE (b)": "create-index",
    "DROP INDEX IF EXISTS t_d": "drop-index",
    "ALTER TABLE t ADD COLUMN n bigint DEFAULT nextval('numbers')": "volatile-default",
    "ALTER TABLE t ADD n uuid NOT NULL DEFAULT gen_random_uuid()": "volatile-default",
    "ALTER TABLE t ADD COLUMN n numeric(9, 2) DEFAULT (random() * 9)::numeric(9, 2)": "volatile-default",
    "ALTER TABLE t ADD COLUMN IF NOT EXISTS n int UNIQUE": "column-with-constraint",
    'ALTER TABLE t ADD COLUMN "N n" varchar(9) COLLATE "C" DEFAULT \'x\' NOT NULL CHECK ("N n" <> \'\')': "column-with-constraint",
    "ALTER TABLE t ADD COLUMN n bigint DEFAULT 1 CONSTRAINT f REFERENCES o (id) ON DELETE SET NULL"
    " CONSTRAINT k CHECK (n > 0)": "column-with-constraint",
    "REFRESH MATERIALIZED VIEW seen": "refresh-view",
}
"""A statement, and the rule whose words are run in its place."""

CONSTRAINTS = """
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated, condeferrable, condeferred
FROM pg_constraint WHERE conrelid >= 16384 ORDER BY 1, 2
"""
INDEXES = """
SELECT indrelid::regclass, pg_get_indexdef(indexrelid), indisvalid, indimmediate, indisprimary
FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE indrelid >= 16384 AND relkind <> 't' ORDER BY 1, 2
"""
COLUMNS = """
SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull, attcollation, pg_get_expr(adbin, adrelid)
FROM pg_attribute LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum) JOIN pg_class c ON c.oid = attrelid
WHERE attrelid >= 16384 AND relkind = 'r' AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2
"""


@pytest.fixture(scope="module")
def before() -> Iterator[Database]:
    with Sandbox(18) as sandbox:
        made = sandbox.server.create()
        run(made, SCHEMA)
        yield made


def run(database: Database, sql: str) -> list[Rows]:
    """The schema that it leads to."""
    session = database.connect()
    script = read_script(sql, "m.sql")
    apart = not script.explicit and "CONCURRENTLY" in sql  # as a runner does it
    for unit in (script.apart() if apart else script).units:
        statements = [one.text for one in unit.statements]
        for one in ["BEGIN", *statements, "COMMIT"] if unit.transaction else statements:
            session.ask(one)
    left = [session.ask(one) for one in (CONSTRAINTS, INDEXES, COLUMNS)]
    session.close()
    return left


def found(sql: str, rule: str) -> Finding:
    (one,) = [one for one in lint(f"SET lock_timeout = '2s'; {sql}", "m.sql") if one.rule == rule]
    return one


@pytest.mark.parametrize("sql", REWRITTEN)
def test_r37_what_is_to_be_written_instead_leads_to_the_same_schema(sql: str, before: Database) -> None:
    rule = REWRITTEN[sql]
    instead = found(sql, rule).instead

    meant, written = before.clone(), before.clone()
    try:
        backfilled = instead.replace("-- a backfill of n, and then:", "UPDATE t SET n = DEFAULT;")
        assert run(written, backfilled) == run(meant, sql)
    finally:
        meant.drop()
        written.drop()
    again = {one.rule for one in lint(instead, "m.sql")}
    assert rule not in again
    assert not again & {"set-not-null", "validate-in-same-transaction", "create-index", "not-readable"}


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("ALTER TABLE t RENAME TO u", "rename-table"),
        ('ALTER TABLE app."My.Table" RENAME TO u', "rename-table"),
        ("ALTER TABLE t SET SCHEMA app", "rename-table"),
    ],
)
def test_r37_an_old_version_still_finds_what_was_renamed(sql: str, rule: str, before: Database) -> None:
    table = sql.split()[2]
    written = before.clone()
    instead = found(sql, rule).instead
    try:
        run(written, instead)
        session = written.connect()
        session.ask(f"INSERT INTO {table} (a) VALUES (7)")
        assert session.ask(f"SELECT count(*) FROM {table} WHERE a = 7") == (("1",),)
        session.close()
    finally:
        written.drop()
    assert {one.rule for one in lint(instead, "m.sql")} == {"replace-object", "no-lock-timeout"}
