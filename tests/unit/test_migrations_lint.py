"""`migrate lint`: each rule is met by what it is about, and not by what is harmless beside it."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.migrations.lint.check import lint, schema_of
from crossfade.migrations.lint.rules import RULES

CATALOGUES = sorted((Path(__file__).parents[1] / "integration" / "migrations").glob("catalogue*.toml"))
DOCS = Path(__file__).parents[2] / "docs" / "lint.md"

CASES: dict[str, tuple[str, str]] = {
    "change-type": ("ALTER TABLE t ALTER c TYPE bigint", "ALTER TABLE t ALTER COLUMN c TYPE text"),
    "refused": (
        "CREATE TABLE p (a int) PARTITION BY HASH (a); CREATE INDEX CONCURRENTLY i ON p (a)",
        "ALTER TABLE t ADD COLUMN c int DEFAULT 7",
    ),
    "set-not-null": (
        "ALTER TABLE t ALTER COLUMN c SET NOT NULL",
        "ALTER TABLE t ADD CHECK (c > 0) NOT VALID",
    ),
    "volatile-default": (
        "ALTER TABLE t ADD COLUMN c uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE t ADD COLUMN c timestamptz NOT NULL DEFAULT now()",
    ),
    "computed-column": (
        "ALTER TABLE t ADD COLUMN c bigserial",
        "ALTER TABLE t ADD COLUMN c int GENERATED ALWAYS AS (a * 2) VIRTUAL",
    ),
    "column-with-constraint": (
        "ALTER TABLE t ADD COLUMN c int UNIQUE",
        "ALTER TABLE t ADD COLUMN c bigint REFERENCES o (id)",
    ),
    "add-check": (
        "ALTER TABLE t ADD CONSTRAINT r CHECK (c > 0)",
        "ALTER TABLE t ADD CONSTRAINT r CHECK (c > 0) NOT VALID",
    ),
    "add-foreign-key": (
        "ALTER TABLE t ADD FOREIGN KEY (c) REFERENCES o (id)",
        "ALTER TABLE t ADD FOREIGN KEY (c) REFERENCES o (id) NOT VALID",
    ),
    "add-unique": (
        "ALTER TABLE t ADD CONSTRAINT u UNIQUE (c)",
        "ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX i",
    ),
    "add-exclude": (
        "ALTER TABLE t ADD CONSTRAINT x EXCLUDE USING gist (c WITH &&)",
        "CREATE TABLE t (c int4range, EXCLUDE USING gist (c WITH &&))",
    ),
    "attach-partition": (
        "ALTER TABLE t ATTACH PARTITION p FOR VALUES FROM (1) TO (2)",
        "CREATE TABLE p PARTITION OF t FOR VALUES FROM (1) TO (2)",
    ),
    "create-index": ("CREATE UNIQUE INDEX i ON t (c)", "CREATE UNIQUE INDEX CONCURRENTLY i ON t (c)"),
    "rebuild": ("VACUUM FULL t", "REINDEX INDEX CONCURRENTLY i"),
    "refresh-view": ("REFRESH MATERIALIZED VIEW v", "REFRESH MATERIALIZED VIEW CONCURRENTLY v"),
    "lock-table": ("LOCK TABLE t IN SHARE ROW EXCLUSIVE MODE", "LOCK TABLE t IN ROW EXCLUSIVE MODE"),
    "domain-constraint": (
        "ALTER DOMAIN d ADD CONSTRAINT r CHECK (VALUE > 0)",
        "ALTER DOMAIN d ADD CONSTRAINT r CHECK (VALUE > 0) NOT VALID",
    ),
    "whole-table-dml": ("UPDATE t SET a = b WHERE a IS NULL", "UPDATE t SET a = 1 WHERE id = 7"),
    "validate-in-same-transaction": (
        "ALTER TABLE t ADD CONSTRAINT r CHECK (c > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT r",
        "BEGIN; ALTER TABLE t ADD CHECK (c > 0) NOT VALID; COMMIT; ALTER TABLE t VALIDATE CONSTRAINT r",
    ),
    "concurrently-in-transaction": (
        "BEGIN; CREATE INDEX CONCURRENTLY i ON t (c); COMMIT",
        "CREATE INDEX CONCURRENTLY i ON t (c); CREATE INDEX CONCURRENTLY j ON t (d)",
    ),
    "enum-value-used": (
        "ALTER TYPE e ADD VALUE 'x'; INSERT INTO t (c) VALUES ('x')",
        "ALTER TYPE e ADD VALUE 'x'; INSERT INTO t (c) VALUES ('y')",
    ),
    "drop-column": ("ALTER TABLE t DROP c", "ALTER TABLE t DROP CONSTRAINT c"),
    "rename-column": ("ALTER TABLE t RENAME a TO b", "ALTER TABLE t ADD COLUMN b text"),
    "rename-table": ("ALTER TABLE t RENAME TO u", "CREATE VIEW u AS SELECT * FROM t"),
    "drop-object": ("DROP VIEW v CASCADE", "CREATE OR REPLACE VIEW v AS SELECT 1"),
    "rename-object": ("ALTER FUNCTION f(int) RENAME TO g", "ALTER FUNCTION f(int) STABLE"),
    "not-null-without-default": (
        "ALTER TABLE t ADD COLUMN c int NOT NULL",
        "ALTER TABLE t ADD COLUMN c int NOT NULL DEFAULT 0",
    ),
    "drop-default": ("ALTER TABLE t ALTER c DROP DEFAULT", "ALTER TABLE t ALTER c SET STATISTICS 100"),
    "revoke": ("REVOKE SELECT ON t FROM app", "GRANT SELECT ON t TO app"),
    "row-security": ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "ALTER TABLE t DISABLE ROW LEVEL SECURITY"),
    "rename-enum-value": ("ALTER TYPE e RENAME VALUE 'a' TO 'b'", "ALTER TYPE e ADD VALUE 'b'"),
    "detach-partition": (
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "CREATE TABLE p PARTITION OF t DEFAULT",
    ),
    "drop-not-null": ("ALTER TABLE t ALTER c DROP NOT NULL", "ALTER TABLE t ALTER c SET STORAGE MAIN"),
    "drop-constraint": ("ALTER TABLE t DROP CONSTRAINT r", "ALTER TABLE t ADD COLUMN r int"),
    "change-default": ("ALTER TABLE t ALTER c SET DEFAULT 3", "ALTER TABLE t ADD COLUMN c int DEFAULT 3"),
    "new-enum-value": ("ALTER TYPE e ADD VALUE 'x'", "CREATE TYPE e AS ENUM ('x')"),
    "trigger": (
        "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    ),
    "data-loss": ("TRUNCATE t", "DROP VIEW v"),
    "drop-index": ("DROP INDEX i", "DROP INDEX CONCURRENTLY i"),
    "index-may-be-invalid": (
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (c)",
        "CREATE INDEX CONCURRENTLY i ON t (c)",
    ),
    "no-lock-timeout": (
        "ALTER TABLE t ADD COLUMN c int",
        "SET lock_timeout = '2s'; ALTER TABLE t ADD COLUMN c int",
    ),
    "several-locks": (
        "ALTER TABLE t ADD COLUMN c int; ALTER TABLE u ADD COLUMN c int",
        "ALTER TABLE t ADD COLUMN c int; ALTER TABLE t ADD COLUMN d int",
    ),
    "column-of-domain": (
        "CREATE DOMAIN d AS int CHECK (VALUE > 0); ALTER TABLE t ADD COLUMN c d",
        "CREATE DOMAIN d AS int; ALTER TABLE t ADD COLUMN c d",
    ),
    "beside-default-partition": (
        "CREATE TABLE x PARTITION OF t DEFAULT; ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1)",
        "ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1)",
    ),
    "newer-server": (
        "ALTER TABLE t SET ACCESS METHOD heap2",
        "ALTER TABLE t SET (fillfactor = 70)",
    ),
    "tighter": ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (c)", "CREATE INDEX CONCURRENTLY i ON t (c)"),
    "change-sequence": ("ALTER SEQUENCE s INCREMENT BY 10", "ALTER SEQUENCE s OWNED BY t.c"),
    "change-owner": ("ALTER TABLE t OWNER TO o", "ALTER TYPE e OWNER TO o"),
    "replace-object": ("CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE VIEW v AS SELECT 1"),
    "instead-rule": (
        "CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING",
        "CREATE RULE r AS ON INSERT TO t DO ALSO NOTIFY t",
    ),
    "maybe-rewrite": ("ALTER TABLE t ALTER c TYPE text", "ALTER TABLE t ALTER c SET STATISTICS 9"),
    "many-rows-inserted": ("INSERT INTO t SELECT * FROM u", "INSERT INTO t VALUES (1)"),
    "not-readable": ("DO $$ BEGIN PERFORM 1; END $$", "SELECT 1"),
}


def rules(sql: str, name: str = "0042_x.sql", pg: int = 18) -> set[str]:
    return {one.rule for one in lint(sql, name, pg=pg)}


def test_every_rule_has_its_cases() -> None:
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("rule", sorted(CASES))
def test_a_rule_is_met_and_what_is_harmless_is_not(rule: str) -> None:
    met, harmless = CASES[rule]
    assert rule in rules(met, pg=14)
    assert rule not in rules(harmless)


def test_what_the_migration_makes_itself_keeps_nobody_waiting() -> None:
    made = (
        "CREATE TABLE t (c int); CREATE INDEX ON t (c); ALTER TABLE t ADD CHECK (c > 0); UPDATE t SET c = 1;"
    )
    assert rules(made) == set()
    assert "create-index" in rules("CREATE INDEX i ON t (c); CREATE TABLE t (c int);")


def test_a_contract_may_take_away_and_still_keeps_nobody_waiting() -> None:
    text = "SET lock_timeout = '2s'; ALTER TABLE t DROP COLUMN c; ALTER TABLE t ADD CHECK (d > 0);"
    assert rules(text, "0042_x.contract.sql") == {"data-loss", "add-check"}


def test_a_rule_is_allowed_beside_its_statement_and_only_with_a_reason() -> None:
    text = "-- crossfade: allow create-index {}\nCREATE INDEX i ON t (c);\nCREATE INDEX j ON u (c);"
    assert [one.line for one in lint(text.format("forty rows"), "m.sql")] == [3]
    assert {(one.rule, one.line) for one in lint(text.format(""), "m.sql")} == {
        ("not-readable", 1),
        ("create-index", 2),
        ("create-index", 3),
    }


def test_a_finding_has_its_place_and_the_sql_to_write_instead() -> None:
    (one,) = lint('SET lock_timeout = 0;\n\n  CREATE INDEX "I" ON s.t (lower(c));', "m.sql")
    assert (one.line, one.column, one.level) == (3, 3, "error")
    assert one.instead == 'CREATE INDEX CONCURRENTLY "I" ON s.t (lower(c));'
    checks = lint("SET lock_timeout = 9; ALTER TABLE ONLY s.t ADD CONSTRAINT r CHECK (a  > 0)", "m.sql")
    assert checks[0].instead.splitlines() == [
        "BEGIN;",
        "ALTER TABLE s.t ADD CONSTRAINT r CHECK (a  > 0) NOT VALID;",
        "COMMIT;",
        "ALTER TABLE s.t VALIDATE CONSTRAINT r;",
    ]


@pytest.mark.parametrize("text", ["SELECT 'never closed", "\\copy t from x", "BEGIN; SELECT $a$", "/* never"])
def test_what_cannot_be_read_is_said_and_never_passed_over(text: str) -> None:
    assert {one.level for one in lint(text, "m.sql")} == {"unknown"}


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    lint(text, "m.sql")
    lint(f"ALTER TABLE {text}", "m.sql")


Case = dict[str, Any]


def _catalogue() -> list[tuple[str, Case]]:
    """Every case that was proved by running, with the name of its file and the schema it is about."""
    found: list[tuple[str, Case]] = []
    files = {one.name: tomllib.loads(one.read_text()) for one in CATALOGUES}
    sets = {name: usual for file in files.values() for name, usual in file["sets"].items()}
    for name, file in files.items():
        for case in file["case"]:
            text = case["migration"].strip()
            timed = f"SET lock_timeout = '2s';{text[2:]}" if text.startswith("T;") else text
            schema = case.get("schema") or sets[case.get("set", "shop")]["schema"]
            found.append((name, {**case, "migration": timed, "schema": schema}))
    assert len(found) > 300
    return found


def blocks(case: Case) -> bool:
    return bool(case.get("reads") or case.get("writes"))


def _figures(*, with_schema: bool) -> tuple[int, int, int]:
    """Right on whether anybody must be stopped; blocking cases that are found; those of the blind file."""
    right = found = blind = 0
    for name, case in _catalogue():
        schema = schema_of(case["schema"], "schema.sql") if with_schema else None
        stops = any(one.level != "warning" for one in lint(case["migration"], "m.sql", schema=schema))
        right += stops == (not case["safe"] or blocks(case))
        found += stops and blocks(case)
        blind += stops and blocks(case) and "blind" in name
    return right, found, blind


def test_the_page_says_how_good_it_is() -> None:
    """The proof is right where they differ; whoever changes a rule writes down what that does."""
    cases = _catalogue()
    every, waits = len(cases), sum(blocks(case) for _, case in cases)
    unseen = sum(blocks(case) for name, case in cases if "blind" in name)
    page = DOCS.read_text()
    for head, with_schema in (("alone", False), ("with `--schema`", True)):
        right, found, blind = _figures(with_schema=with_schema)
        row = f"| {head} | {right} of {every} | {found} of {waits} | {blind} of {unseen} |"
        assert row in page, row
    assert found > 0.9 * waits


def test_it_cries_at_little_that_keeps_nobody_waiting() -> None:
    locks = {name for name, rule in RULES.items() if rule.level == "error" and not rule.breaks}
    harmless = [
        case for _, case in _catalogue() if not blocks(case) and "migration_fails" not in case["needs"]
    ]
    cried = [one for one in harmless if locks & {found.rule for found in lint(one["migration"], "m.sql")}]
    assert len(cried) < 0.1 * len(harmless)


def test_a_long_file_takes_no_longer_than_many_short_ones() -> None:
    """Ten times as much takes some ten times as long: nothing here is quadratic."""

    def seconds(times: int) -> float:
        began = time.process_time()
        lint(one * times, "m.sql")
        return time.process_time() - began

    texts = [case["migration"].rstrip().rstrip(";") for _, case in _catalogue()[:20]]
    one = "".join(f"{text};\n" for text in texts)
    lint(one, "m.sql")
    assert seconds(60) < 30 * min(seconds(6) for _ in range(3))


def test_the_page_has_every_rule() -> None:
    text = DOCS.read_text()
    for rule in RULES.values():
        assert f"| `{rule.name}` | {rule.level} | {rule.why} |" in text
