"""`migrate lint` is not silent where it must speak, and does not cry where nobody waits."""

from __future__ import annotations

import pytest

from crossfade.migrations.lint.check import lint, schema_of

LOCKS = "SET lock_timeout = '2s';"
BODY = "LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DROP TABLE t'; END $$"


def rules(sql: str, name: str = "m.sql", pg: int = 18) -> set[str]:
    return {one.rule for one in lint(LOCKS + sql, name, pg=pg)}


def whats(sql: str, rule: str) -> list[str]:
    return [one.what for one in lint(LOCKS + sql, "m.sql") if one.rule == rule]


MUST_SPEAK = {
    # every name counts, not the first
    "CREATE TEMP TABLE x (); DROP TABLE x, customers": "drop-object",
    "CREATE TEMP TABLE x (); TRUNCATE x, customers": "data-loss",
    "CREATE TEMP TABLE x (); LOCK x, customers": "lock-table",
    "CREATE TABLE x (); DROP INDEX a, b": "drop-index",
    # names
    'ALTER TABLE "my.table" ALTER c SET NOT NULL': "set-not-null",
    'ALTER TABLE "My ""T""" ALTER "c d" TYPE bigint': "change-type",
    'ALTER TABLE t ALTER "type" DROP DEFAULT': "drop-default",
    "ALTER TABLE t ALTER type DROP NOT NULL": "drop-not-null",
    'ALTER TABLE t ADD "check" int NOT NULL': "not-null-without-default",
    'CREATE TABLE "T" (); CREATE INDEX ON t (a)': "create-index",
    # types that are not known
    "ALTER TABLE t ALTER c TYPE text": "maybe-rewrite",
    "ALTER TABLE t ALTER c SET DATA TYPE varchar(9)": "change-type",
    "ALTER TABLE t ALTER c TYPE text USING upper(c)": "change-type",
    'ALTER TABLE t ALTER c TYPE text COLLATE "C"': "change-type",
    # statements in statements
    "WITH a AS (SELECT 1) UPDATE t SET a = 1": "whole-table-dml",
    "WITH a AS (UPDATE t SET a = b RETURNING a) SELECT * FROM a": "whole-table-dml",
    "WITH RECURSIVE a AS MATERIALIZED (DELETE FROM t RETURNING a) SELECT * FROM a": "whole-table-dml",
    "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a": "many-rows-inserted",
    "WITH a AS (SELECT strange()) SELECT 1": "not-readable",
    "EXPLAIN ANALYZE UPDATE t SET a = 1": "whole-table-dml",
    "EXPLAIN (ANALYZE, BUFFERS) DELETE FROM t": "whole-table-dml",
    "EXPLAIN ANALYZE WITH a AS (UPDATE t SET a = b RETURNING a) SELECT 1": "whole-table-dml",
    "UPDATE t SET a = (SELECT b FROM u WHERE u.id = 7)": "whole-table-dml",
    "INSERT INTO t SELECT * FROM u ON CONFLICT (id) DO UPDATE SET a = 1": "whole-table-dml",
    "SELECT * FROM t FOR UPDATE": "whole-table-dml",
    # a table that may have been there
    "CREATE TABLE IF NOT EXISTS t (a int); CREATE INDEX ON t (a)": "create-index",
    "CREATE TABLE IF NOT EXISTS t (a varchar(9)); ALTER TABLE t ALTER a TYPE varchar(20)": "change-type",
    "CREATE INDEX ON t (a); CREATE TABLE t (a int)": "create-index",
    "CREATE TABLE app.t (a int); CREATE INDEX ON t (a)": "create-index",
    # functions
    f"CREATE FUNCTION f() RETURNS void {BODY}; SELECT f()": "not-readable",
    "SELECT app.f(1)": "not-readable",
    "SELECT 1 FROM strange(2)": "not-readable",
    "INSERT INTO t VALUES (strange(1))": "not-readable",
    "UPDATE t SET a = strange(a) WHERE id = 1": "not-readable",
    "CREATE TABLE t AS SELECT strange(1) FROM u": "not-readable",
    "CREATE FUNCTION lower(t) RETURNS text LANGUAGE sql AS 'DELETE FROM t'; SELECT lower(t) FROM t": "not-readable",
    "SELECT query_to_xml('DROP TABLE t', true, true, '')": "not-readable",
    "ALTER EXTENSION e UPDATE": "not-readable",
    "ALTER TABLE t SPLIT PARTITION p INTO (q, r)": "not-readable",
    # domains
    "ALTER DOMAIN d SET NOT NULL": "domain-constraint",
    "ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0)": "domain-constraint",
    "ALTER DOMAIN d VALIDATE CONSTRAINT c": "domain-constraint",
    "ALTER DOMAIN d RENAME TO e": "rename-object",
    "ALTER DOMAIN d DROP NOT NULL": "drop-not-null",
    "ALTER DOMAIN d SET SCHEMA s": "rename-object",
    # the rest of ALTER
    "ALTER TABLE t SET ACCESS METHOD heap": "rebuild",
    "ALTER TABLE t ALTER COLUMN c SET EXPRESSION AS (a * 3)": "computed-column",
    "ALTER TABLE t SET TABLESPACE s": "rebuild",
    "ALTER INDEX i SET TABLESPACE s": "rebuild",
    "ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b": "rebuild",
    "ALTER FUNCTION f() SET SCHEMA s": "rename-object",
    "ALTER VIEW v SET SCHEMA s": "rename-object",
    "ALTER VIEW v RENAME COLUMN a TO b": "rename-object",
    "ALTER TYPE e SET SCHEMA s": "rename-object",
    "ALTER TYPE e DROP ATTRIBUTE a": "rename-object",
    "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING": "instead-rule",
    "CREATE POLICY p ON t AS RESTRICTIVE USING (a)": "row-security",
    "ALTER POLICY p ON t USING (false)": "row-security",
    "ALTER TABLE t ALTER c DROP IDENTITY": "drop-default",
    "ALTER TABLE t ALTER c SET GENERATED ALWAYS": "tighter",
    "ALTER TABLE t ALTER c DROP EXPRESSION": "drop-default",
    "ALTER TABLE t DISABLE TRIGGER ALL": "trigger",
    "ALTER ROLE app NOLOGIN": "revoke",
    "ALTER USER app CONNECTION LIMIT 3": "revoke",
    "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM app": "revoke",
    "ALTER TABLE t ALTER CONSTRAINT c ENFORCED": "add-foreign-key",
    "ALTER TABLE t NO INHERIT p": "detach-partition",
    "ALTER TABLE t INHERIT p": "replace-object",
    "ALTER VIEW v SET (security_invoker = true)": "replace-object",
    "REFRESH MATERIALIZED VIEW v WITH NO DATA": "drop-object",
    "ALTER MATERIALIZED VIEW v SET ACCESS METHOD heap": "rebuild",
    "ALTER FOREIGN TABLE t DROP COLUMN c": "not-readable",
    "ALTER EVENT TRIGGER e DISABLE": "trigger",
    "ALTER GROUP g DROP USER u": "revoke",
    "ALTER ROLE app SET default_transaction_read_only = on": "revoke",
    "ALTER TABLE t ALTER c SET GENERATED BY DEFAULT SET INCREMENT BY 3": "change-sequence",
    "ALTER TABLE t ALTER c FROB": "not-readable",
    "ALTER TABLE t SET FROB": "not-readable",
    "COPY (SELECT strange()) TO STDOUT": "not-readable",
    "ALTER TABLE t RENAME TO u; CREATE VIEW s.t AS SELECT * FROM u": "rename-table",
    "BEGIN; ALTER TABLE t RENAME TO u; COMMIT; CREATE VIEW t AS SELECT * FROM u": "rename-table",
    "ALTER TABLE t RENAME TO u; CREATE VIEW t AS SELECT * FROM u": "replace-object",
    # constraints
    "ALTER TABLE t ADD PRIMARY KEY USING INDEX made_before": "set-not-null",
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a) NOT VALID; ALTER TABLE t ALTER b SET NOT NULL": "set-not-null",
    "ALTER TABLE t ADD CHECK (a IS NOT NULL) NOT VALID; ALTER TABLE t ALTER a SET NOT NULL": "set-not-null",
    "ALTER TABLE t ADD CHECK (a IS NOT NULL OR b) ; ALTER TABLE t ALTER a SET NOT NULL": "set-not-null",
    "ALTER TABLE t ADD CHECK (a IS NOT NULL AND b OR c); ALTER TABLE t ALTER a SET NOT NULL": "set-not-null",
    "ALTER TABLE t ADD CHECK (a IS NOT NULL); ALTER TABLE t DROP a; ALTER TABLE t ADD a int;"
    "ALTER TABLE t ALTER a SET NOT NULL": "set-not-null",
    "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a); ALTER TABLE t ADD PRIMARY KEY USING INDEX i": "set-not-null",
    "ALTER TABLE t ADD UNIQUE (a) DEFERRABLE": "add-unique",
    "ALTER TABLE t ADD c int DEFAULT 0 REFERENCES o (id)": "column-with-constraint",
    "ALTER TABLE t ADD c uuid DEFAULT strange()": "volatile-default",
    "DROP INDEX CONCURRENTLY i; BEGIN; DROP INDEX CONCURRENTLY j; COMMIT": "concurrently-in-transaction",
}


@pytest.mark.parametrize("sql", MUST_SPEAK)
def test_it_is_not_silent(sql: str) -> None:
    assert MUST_SPEAK[sql] in rules(sql)


def test_all_that_is_dropped_is_named() -> None:
    assert whats("CREATE TEMP TABLE x (); DROP TABLE x, c, d", "drop-object") == ["table c", "table d"]
    assert whats("DROP FUNCTION f(int, text), g", "drop-object") == ["function f", "function g"]


QUIET = {
    # our own way to NOT NULL
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL); ALTER TABLE t ALTER a SET NOT NULL": "set-not-null",
    'ALTER TABLE t ADD CONSTRAINT c CHECK ("A" IS NOT NULL) NOT VALID; COMMIT; ALTER TABLE t VALIDATE CONSTRAINT c;'
    'BEGIN; ALTER TABLE t ALTER "A" SET NOT NULL; COMMIT': "set-not-null",
    # types that are known
    "CREATE TABLE t (a varchar(9)); ALTER TABLE t ALTER a TYPE varchar(20)": "change-type",
    "ALTER TABLE t ADD a varchar(9); ALTER TABLE t ALTER a TYPE varchar(20)": "change-type",
    "ALTER TABLE t ADD a varchar(9); ALTER TABLE t ALTER a TYPE text": "maybe-rewrite",
    "ALTER TABLE t ADD a numeric(9, 2); ALTER TABLE t ALTER a TYPE numeric(12, 2)": "change-type",
    "ALTER TABLE t ADD a character varying(9); ALTER TABLE t ALTER a TYPE varchar(20) USING a::varchar": "change-type",
    "SET timezone = 'UTC'; ALTER TABLE t ADD a timestamp; ALTER TABLE t ALTER a TYPE timestamptz": "change-type",
    # what only looks like a call
    "ALTER TABLE t ADD c varchar(20) DEFAULT ''::character varying(20)": "volatile-default",
    "ALTER TABLE t ADD c timestamptz DEFAULT now()::timestamptz(3)": "volatile-default",
    "ALTER TABLE t ADD c int DEFAULT 0 REFERENCES o(id)": "volatile-default",
    "ALTER TABLE t ADD c numeric DEFAULT CAST('1' AS numeric(9, 2))": "volatile-default",
    "ALTER TABLE t ADD c timestamptz DEFAULT current_timestamp(3)": "volatile-default",
    "ALTER TABLE t ADD c text DEFAULT pg_catalog.lower('A')": "volatile-default",
    "ALTER TABLE t ADD c int DEFAULT 0 CHECK (strange(c))": "volatile-default",
    "ALTER TYPE e OWNER TO o": "rename-object",
    # names of tables that the file makes
    "CREATE TABLE public.t (a int); CREATE INDEX ON t (a)": "create-index",
    "CREATE TABLE t (a int); CREATE INDEX ON public.t (a)": "create-index",
    'CREATE TABLE "t" (a int); CREATE INDEX ON T (a)': "create-index",
    "SET search_path = app; CREATE TABLE t (a int); CREATE INDEX ON app.t (a)": "create-index",
    "CREATE TABLE t (a int); ALTER TABLE t RENAME TO u; CREATE INDEX ON u (a)": "create-index",
    "CREATE TEMP TABLE t (a int); UPDATE t SET a = 1": "whole-table-dml",
    # functions of PostgreSQL
    "SELECT set_config('lock_timeout', '2s', false)": "not-readable",
    "SELECT pg_catalog.setval('s', (SELECT max(id) FROM t), true)": "not-readable",
    "WITH a (x, y) AS (VALUES (1, 2)), b (z) AS (SELECT 1) SELECT count(*) FILTER (WHERE x > 1) FROM a": "not-readable",
    "INSERT INTO t (a, b) VALUES (lower('A'), now()), (DEFAULT, 1) ON CONFLICT (a) DO NOTHING": "not-readable",
    "SELECT r.a FROM jsonb_to_recordset('[]') AS r(a int) JOIN generate_series(1, 3) g(n) USING (n)": "not-readable",
    "MERGE INTO t USING u ON (t.a = 1) WHEN NOT MATCHED THEN INSERT (a) VALUES (1)": "not-readable",
    "UPDATE t SET (a, b) = (1, 2) WHERE id IN (1, 2) AND EXISTS (VALUES (1))": "not-readable",
    # what the migration itself made
    "CREATE VIEW v AS SELECT 1; DROP VIEW v": "drop-object",
    "CREATE TYPE e AS ENUM ('a'); ALTER TYPE e RENAME TO f": "rename-object",
    "CREATE TABLE t (a int); LOCK t, u IN ACCESS SHARE MODE; LOCK v IN ROW SHARE MODE": "several-locks",
    "ALTER TABLE t SET (fillfactor = 7), SET WITHOUT CLUSTER, ALTER c SET STATISTICS 7": "not-readable",
    "ALTER TABLE t ALTER c RESET (n_distinct), ALTER c SET STORAGE MAIN, REPLICA IDENTITY FULL": "not-readable",
    # a constraint that is not checked
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT ENFORCED": "add-check",
    "ALTER TABLE t ADD CONSTRAINT c NOT NULL a NOT VALID": "set-not-null",
}


@pytest.mark.parametrize("sql", QUIET)
def test_it_does_not_cry(sql: str) -> None:
    assert QUIET[sql] not in rules(sql)


def test_an_unknown_clause_is_not_passed_over() -> None:
    assert rules("ALTER TABLE t FROB c") == {"not-readable"}
    assert "not-readable" in rules("FROB t")


@pytest.mark.parametrize(
    ("sql", "since"),
    [
        ("ALTER TABLE t SET ACCESS METHOD heap", 15),
        ("ALTER TABLE t ALTER c SET EXPRESSION AS (a + 1)", 17),
        ("ALTER TABLE t ADD c int GENERATED ALWAYS AS (a + 1) VIRTUAL", 18),
        ("ALTER TABLE t ADD c int GENERATED ALWAYS AS (a + 1)", 18),
        ("ALTER TABLE t ADD CONSTRAINT c NOT NULL a NOT VALID", 18),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT ENFORCED", 18),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a) NULLS NOT DISTINCT", 15),
        ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", 15),
    ],
)
def test_what_a_server_is_too_old_for_is_said(sql: str, since: int) -> None:
    assert "newer-server" not in rules(sql, pg=since)
    assert "newer-server" in rules(sql, pg=since - 1)


DUMP = """
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.t (id bigint NOT NULL, a varchar(9), n integer, at timestamp with time zone, s text);
CREATE TABLE i (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, "like" text, c public.d);
CREATE TABLE j (LIKE i INCLUDING ALL);
ALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (id);
ALTER TABLE public.t ADD CONSTRAINT n_there CHECK ((n IS NOT NULL));
ALTER TABLE public.t ADD CONSTRAINT s_there CHECK ((s IS NOT NULL)) NOT VALID;
CREATE UNIQUE INDEX t_id ON public.t USING btree (id);
CREATE TABLE public.p (k integer) PARTITION BY LIST (k);
CREATE TABLE public.rest (k integer);
ALTER TABLE ONLY public.p ATTACH PARTITION public.rest DEFAULT;
CREATE DOMAIN public.d AS integer CONSTRAINT c CHECK ((VALUE > 0));
CREATE FUNCTION public.f() RETURNS void LANGUAGE sql AS $$SELECT 1$$;
"""


@pytest.mark.parametrize(
    ("sql", "rule", "alone", "told"),
    [
        ("ALTER TABLE t ALTER a TYPE varchar(20)", "change-type", True, False),
        ("ALTER TABLE t ALTER a TYPE varchar(5)", "change-type", True, True),
        ("ALTER TABLE t ALTER n TYPE text", "change-type", False, True),
        ('ALTER TABLE t ALTER s TYPE text COLLATE "C"', "change-type", True, False),
        ("ALTER TABLE t ALTER n SET NOT NULL", "set-not-null", True, False),
        ("ALTER TABLE t ALTER s SET NOT NULL", "set-not-null", True, True),
        ("ALTER TABLE t ADD PRIMARY KEY USING INDEX t_id", "set-not-null", True, False),
        ("DELETE FROM t WHERE n = 0", "whole-table-dml", False, True),
        ("DELETE FROM t WHERE id = 0", "whole-table-dml", False, False),
        ("DELETE FROM i WHERE \"like\" = 'x'", "whole-table-dml", False, True),
        ("DELETE FROM j WHERE \"like\" = 'x'", "whole-table-dml", False, False),
        ("ALTER TABLE i ALTER c TYPE d", "change-type", True, False),
        ("CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)", "beside-default-partition", False, True),
        ("ALTER TABLE t ADD c d", "column-of-domain", False, True),
        ("ALTER TABLE t ADD c public.d NOT NULL DEFAULT 1", "column-of-domain", False, True),
        ("CREATE INDEX ON t (a)", "create-index", True, True),
        ("DROP FUNCTION f()", "drop-object", True, True),
        ("SELECT f()", "not-readable", True, True),
    ],
)
def test_what_the_schema_says_is_known(sql: str, rule: str, alone: bool, told: bool) -> None:
    known = schema_of(DUMP, "schema.sql")
    assert (rule in rules(sql)) is alone
    for _ in range(2):  # what one migration does is not known to the next
        assert (rule in {one.rule for one in lint(sql, "m.sql", schema=known)}) is told
