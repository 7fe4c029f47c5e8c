"""A column gets another type: legal values at the edges of the one it had, pair by pair."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crossfade.migrations.prove import Question, Version, prove
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.script import read_script, read_statements
from crossfade.migrations.verdict import Verdict

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


TYPES = """
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE DOMAIN large AS integer CHECK (VALUE > 5);
CREATE DOMAIN share AS numeric CHECK (VALUE BETWEEN 0 AND 1);
"""


def retyped(sandbox: Sandbox, was: str, now: str, using: str = "") -> Verdict:
    schema = f"{TYPES} CREATE TABLE t (id serial PRIMARY KEY, x {was})"
    how = "" if now.startswith("varchar") else f" USING {using or f'x::{now}'}"
    drops = "DROP CONSTRAINT IF EXISTS legal"
    return prove(
        Question(
            schema=read_statements(schema, "schema"),
            schema_name="schema",
            old=(Version(name="v1", statements=read_statements("SELECT count(*) FROM t", "v1")),),
            new=Version(name="v2", statements=()),
            migration=read_script(f"ALTER TABLE t {drops}, ALTER COLUMN x TYPE {now}{how}", "m"),
        ),
        sandbox.server,
    )


CHECKED = "text CONSTRAINT legal CHECK (x ~ '{0}')"


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("json", "jsonb"),
        ("text CONSTRAINT legal CHECK (x IS JSON)", "jsonb"),
        (CHECKED.format("^[0-9a-f-]{{36}}$"), "uuid"),
        (CHECKED.format("^\\d+$"), "integer"),
        (CHECKED.format("^[0-9]{{1,12}}$"), "integer"),
        (CHECKED.format("^[0-9]+$"), "smallint"),
        (CHECKED.format("^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}$"), "date"),
        (CHECKED.format("^[0-9.]+$"), "inet"),
        (CHECKED.format("^<"), "xml"),
        ("text CONSTRAINT legal CHECK (lower(x) IN ('glad', 'sad'))", "mood"),
        ("text CONSTRAINT legal CHECK (octet_length(x) < 40)", "varchar(20)"),
        ("double precision", "numeric(40, 2)"),
        ("numeric", "double precision"),
        ("integer", "smallint"),
        ("bigint", "integer"),
        ("integer", "large"),
        ("numeric", "share"),
    ],
)
def test_R37_legal_rows_that_the_new_type_refuses_are_said(sandbox: Sandbox, was: str, now: str) -> None:
    verdict = retyped(sandbox, was.replace("{{", "{").replace("}}", "}"), now)

    assert "data_check" in verdict.needs


@pytest.mark.parametrize(
    ("was", "now", "using"),
    [
        ("timestamp", "bigint", "extract(epoch FROM x)::bigint"),
        ("bytea", "text", "convert_from(x, 'UTF8')"),
        ("text CONSTRAINT legal CHECK (x !~ '[[:upper:]]')", "bytea", "x::bytea"),
    ],
)
def test_R37_an_expression_that_legal_rows_break_is_said(
    sandbox: Sandbox, was: str, now: str, using: str
) -> None:
    assert "data_check" in retyped(sandbox, was, now, using).needs


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("json", "jsonb"),
        ("inet", "cidr"),
        ("timestamp", "date"),
        ("numeric(10, 4)", "numeric(10, 2)"),
        ("varchar(40) CONSTRAINT legal CHECK (x = '' OR length(rtrim(x)) BETWEEN 1 AND 3)", "varchar(20)"),
    ],
)
def test_R37_what_does_not_come_back_is_lost(sandbox: Sandbox, was: str, now: str) -> None:
    assert "data_loss" in retyped(sandbox, was, now).needs


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("varchar(20)", "text"),
        ("varchar(20)", "varchar(40)"),
        ("integer", "bigint"),
        ("numeric(10, 2)", "numeric(14, 4)"),
        ("date", "timestamp"),
        ("timestamp", "timestamptz"),
        ("real", "double precision"),
        ("jsonb", "json"),
        ("json", "text"),
        ("inet", "text"),
        ("cidr", "inet"),
        ("mood", "text"),
        ("uuid", "text"),
    ],
)
def test_R37_a_type_that_holds_as_much_is_no_danger_to_rows(sandbox: Sandbox, was: str, now: str) -> None:
    assert not {"data_check", "data_loss"} & set(retyped(sandbox, was, now).needs)
