"""`migrate lint --schema`: what hangs on a column, what is refused, what is replaced in one go (R37)."""

from __future__ import annotations

import pytest

from crossfade.migrations.lint.check import lint, schema_of

TABLE = "CREATE TABLE t (id int PRIMARY KEY, name varchar(50), other varchar(50)"


def rules(sql: str, schema: str) -> list[str]:
    known = schema_of(schema, "schema.sql")
    found = lint(f"SET lock_timeout = '1s';\n{sql}", "m.sql", schema=known)
    return [one.rule for one in found if one.rule != "several-locks"]


class TestAWiderType:
    """No row is written, and still every row may be read: seen on PostgreSQL 18, by the proof."""

    @pytest.mark.parametrize(
        ("schema", "found"),
        [
            (f"{TABLE});", []),
            (f"{TABLE}); CREATE INDEX i ON t (name);", []),
            (f"{TABLE}, CHECK (name <> ''));", ["change-type"]),
            (f"{TABLE}, CHECK (other <> ''));", []),
            (f"{TABLE}, b varchar CHECK (name <> ''));", ["change-type"]),
            (f"{TABLE}); ALTER TABLE t ADD CONSTRAINT c CHECK (name <> '');", ["change-type"]),
            (f"{TABLE}); CREATE INDEX i ON t (lower(name));", ["change-type"]),
            (f"{TABLE}); CREATE INDEX i ON t (lower(other), name);", ["change-type"]),
            (f"{TABLE}); CREATE INDEX i ON t (lower(other));", []),
            (f"{TABLE}); CREATE INDEX i ON t (name) WHERE other <> '';", ["change-type"]),
            (f"{TABLE}); CREATE INDEX i ON t (id) WHERE name <> '';", ["change-type"]),
            (f"{TABLE}, l int GENERATED ALWAYS AS (length(name)) STORED);", ["refused"]),
            (f"{TABLE}); CREATE VIEW v AS SELECT name FROM t;", ["refused"]),
            (f"{TABLE}); CREATE VIEW v AS SELECT other FROM t;", []),
            (f"{TABLE}); CREATE VIEW v AS SELECT name FROM t; DROP VIEW v;", []),
        ],
    )
    def test_R37_what_hangs_on_the_column_is_looked_at(self, schema: str, found: list[str]) -> None:
        assert rules("ALTER TABLE t ALTER name TYPE varchar(60);", schema) == found


F = "CREATE FUNCTION f(a int) RETURNS text LANGUAGE sql AS 'SELECT 1'"
PARTS = "CREATE TABLE p (at date NOT NULL) PARTITION BY RANGE (at);"


@pytest.mark.parametrize(
    ("sql", "schema", "found"),
    [
        ("CREATE INDEX CONCURRENTLY i ON p (at);", PARTS, ["refused"]),
        ("CREATE INDEX CONCURRENTLY i ON t (name);", f"{TABLE});", []),
        ("ALTER TABLE t ADD n bigint DEFAULT (SELECT count(*) FROM p);", f"{TABLE});", ["refused"]),
        ("ALTER TABLE t ALTER id SET DEFAULT (SELECT 1);", f"{TABLE});", ["refused"]),
        ("CREATE INDEX i ON ONLY p (at);", PARTS, []),
        ("CREATE INDEX i ON ONLY t (name);", f"{TABLE});", ["create-index"]),
        ("CREATE INDEX IF NOT EXISTS i ON t (name);", f"{TABLE}); CREATE INDEX i ON t (name);", []),
        (
            "CREATE INDEX IF NOT EXISTS j ON t (name);",
            f"{TABLE}); CREATE INDEX i ON t (name);",
            ["create-index"],
        ),
        ("ALTER INDEX i RENAME TO j;", f"{TABLE}); CREATE INDEX i ON t (name);", []),
        ("ALTER INDEX t_pkey RENAME TO j;", f"{TABLE});", ["rename-object"]),
        ("ALTER TABLE t ALTER l DROP EXPRESSION;", f"{TABLE});", ["drop-default"]),
        ("ALTER FUNCTION f(int) STRICT;", "SELECT 1;", ["replace-object"]),
        ("ALTER FUNCTION f(int) SET search_path = '';", "SELECT 1;", ["replace-object"]),
        ("ALTER FUNCTION f(int) COST 7;", "SELECT 1;", []),
        (f"{F};", f"{F.replace('int', 'bigint')};", ["replace-object"]),
        (f"{F};", "SELECT 1;", []),
        ("ALTER DOMAIN d DROP DEFAULT;", "CREATE DOMAIN d AS int DEFAULT 1;", ["drop-default"]),
    ],
)
def test_R37_what_is_there_decides(sql: str, schema: str, found: list[str]) -> None:
    assert rules(sql, schema) == found


class TestReplaced:
    """What takes the name of what goes, in the same transaction, is another one and not nothing."""

    @pytest.mark.parametrize(
        ("sql", "found"),
        [
            ("DROP VIEW v; CREATE VIEW v AS SELECT 1;", ["replace-object"]),
            ("DROP VIEW v; CREATE VIEW w AS SELECT 1;", ["drop-object"]),
            ("DROP VIEW v CASCADE; CREATE VIEW v AS SELECT 1;", ["drop-object"]),
            ("COMMIT; DROP VIEW v; BEGIN; CREATE VIEW v AS SELECT 1;", ["drop-object"]),
            ("CREATE VIEW v AS SELECT 1; DROP VIEW v;", []),
            (
                "DROP FUNCTION f(int); CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
                ["drop-object"],
            ),
            ("DROP TABLE t; CREATE TABLE t (id int);", ["drop-object", "data-loss"]),
            ("DROP TABLE t; ALTER TABLE u RENAME TO t;", ["replace-object", "data-loss", "rename-table"]),
            ("ALTER TABLE t RENAME TO o; ALTER TABLE n RENAME TO t;", ["replace-object", "rename-table"]),
            ("ALTER TABLE t RENAME TO o;", ["rename-table"]),
            (
                "ALTER TABLE t RENAME TO p; ALTER TABLE p RENAME a TO b; CREATE VIEW t AS SELECT b a FROM p;",
                ["replace-object"],
            ),
            ("ALTER TABLE t RENAME a TO b;", ["rename-column"]),
            (
                "ALTER TABLE t RENAME TO o; ALTER TABLE n RENAME TO t; ALTER TABLE t RENAME a TO b;",
                ["replace-object", "rename-table", "rename-column"],
            ),
        ],
    )
    def test_R37_it_is_said_as_what_it_is(self, sql: str, found: list[str]) -> None:
        assert rules(f"BEGIN; {sql} COMMIT;", "SELECT 1;") == found
