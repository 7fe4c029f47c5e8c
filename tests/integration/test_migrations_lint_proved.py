"""What `migrate lint` says of a wider type is what PostgreSQL does: the proof runs each (R37)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crossfade.migrations.lint.check import lint, schema_of
from crossfade.migrations.prove import Question, Version, prove
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.script import read_script, read_statements

pytestmark = pytest.mark.real

TABLE = "CREATE TABLE t (id int PRIMARY KEY, name varchar(50), other varchar(50)"
WIDER = "SET lock_timeout = '2s'; ALTER TABLE t ALTER name TYPE varchar(60)"
ANOTHER = "CREATE INDEX CONCURRENTLY i ON p (at)"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.mark.parametrize(
    ("schema", "sql"),
    [
        (f"{TABLE})", WIDER),
        (f"{TABLE}); CREATE INDEX i ON t (name)", WIDER),
        (f"{TABLE}, CHECK (name <> ''))", WIDER),
        (f"{TABLE}, CHECK (other <> ''))", WIDER),
        (f"{TABLE}); CREATE INDEX i ON t (lower(name))", WIDER),
        (f"{TABLE}); CREATE INDEX i ON t (lower(other), name)", WIDER),
        (f"{TABLE}); CREATE INDEX i ON t (lower(other))", WIDER),
        (f"{TABLE}); CREATE INDEX i ON t (name) WHERE other <> ''", WIDER),
        (f"{TABLE}); CREATE INDEX i ON t (id) WHERE name <> ''", WIDER),
        (f"{TABLE}, l int GENERATED ALWAYS AS (length(name)) STORED)", WIDER),
        (f"{TABLE}); CREATE VIEW v AS SELECT name FROM t", WIDER),
        (f"{TABLE}); CREATE VIEW v AS SELECT other FROM t", WIDER),
        (f"{TABLE}); CREATE TABLE p (at date) PARTITION BY RANGE (at)", ANOTHER),
        (f"{TABLE}); CREATE TABLE p (at date)", ANOTHER),
        (f"{TABLE})", "ALTER TABLE t ADD n bigint DEFAULT (SELECT 1)"),
    ],
)
def test_R37_whoever_waits_or_fails_is_said(sandbox: Sandbox, schema: str, sql: str) -> None:
    sends = Version(name="v1", statements=read_statements("SELECT id FROM t WHERE id = $1", "v1.sql"))
    ran = prove(
        Question(
            schema=read_statements(schema, "schema.sql"),
            schema_name="schema.sql",
            old=(sends,),
            new=sends,
            migration=read_script(sql, "m.sql"),
        ),
        sandbox.server,
    )
    said = {
        one.rule for one in lint(sql, "m.sql", schema=schema_of(schema, "schema.sql")) if one.level == "error"
    }

    fails = "migration_fails" in ran.needs
    assert ("refused" in said, "change-type" in said) == (fails, ran.blocks_writes and not fails)
