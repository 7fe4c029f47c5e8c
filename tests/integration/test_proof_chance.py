"""What is never the same twice: by chance is only what the shape before gives now and then as well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crossfade.migrations.prove import Question, Version, prove
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.script import read_script, read_statements
from crossfade.migrations.verdict import Verdict

pytestmark = pytest.mark.real

LOG = "CREATE TABLE log (id bigserial, what text, tag text DEFAULT 'a');"
WRITES = "INSERT INTO log (what) VALUES ($1)"
COLUMN = "ALTER TABLE log ADD COLUMN at timestamptz"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def proved(sandbox: Sandbox, migration: str, old: str, schema: str = LOG) -> Verdict:
    return prove(
        Question(
            schema=read_statements(schema, "schema"),
            schema_name="schema",
            old=(Version(name="v1", statements=read_statements(old, "v1")),),
            new=Version(name="v2", statements=()),
            migration=read_script(migration, "m"),
        ),
        sandbox.server,
    )


@pytest.mark.parametrize(
    "moves",
    [
        "SELECT setval('log_id_seq', (SELECT max(id) - 2 FROM log WHERE id < 1000))",
        "ALTER SEQUENCE log_id_seq RESTART",
        "ALTER SEQUENCE log_id_seq INCREMENT BY -1",
        "ALTER SEQUENCE log_id_seq MAXVALUE 40000 CYCLE; SELECT setval('log_id_seq', 40000)",
    ],
)
@pytest.mark.parametrize("writes", [WRITES, f"{WRITES} RETURNING id"])
def test_R37_numbers_that_stood_there_already_are_no_chance(
    sandbox: Sandbox, moves: str, writes: str
) -> None:
    verdict = proved(sandbox, f"{moves}; {COLUMN}", writes)

    assert [one.statement for one in verdict.counterexamples] == [writes]


@pytest.mark.parametrize(
    "moves",
    [
        "ALTER SEQUENCE log_id_seq INCREMENT BY 10",
        "SELECT setval('log_id_seq', (SELECT max(id) + 7 FROM log WHERE id < 1000))",
        "ALTER SEQUENCE log_id_seq CACHE 5",
    ],
)
def test_R37_numbers_that_nobody_had_are_no_difference(sandbox: Sandbox, moves: str) -> None:
    verdict = proved(sandbox, f"{moves}; {COLUMN}", f"{WRITES} RETURNING id")

    assert [(one.statement, one.before, one.after) for one in verdict.counterexamples] == []
    assert verdict.rollback_safe is True


DICE = """
CREATE FUNCTION throw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.tag := {0}; RETURN NEW; END $$;
"""
THROWN = f"{LOG} {DICE} CREATE TRIGGER thrown BEFORE INSERT ON log FOR EACH ROW EXECUTE FUNCTION throw();"
AGAIN = DICE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
NEW_ONE = "gen_random_uuid()::text"
OFTEN = "CASE WHEN random() < 0.8 THEN (SELECT min(tag) FROM log) ELSE gen_random_uuid()::text END"


def test_R37_a_value_that_now_repeats_mostly_is_no_chance(sandbox: Sandbox) -> None:
    verdict = proved(sandbox, AGAIN.format(OFTEN), WRITES, THROWN.format(NEW_ONE))

    assert [one.statement for one in verdict.counterexamples] == [WRITES]


VOLATILE = """
INSERT INTO log (what, tag) VALUES ($1, floor(random() * 30)::text);
INSERT INTO log (what, tag) VALUES (CASE WHEN random() < 0.5 THEN $1 END, gen_random_uuid()::text);
UPDATE log SET what = now()::text, tag = txid_current()::text WHERE tag = $1;
SELECT random() AS r, now() AS t, gen_random_uuid() AS u, txid_current() AS x, clock_timestamp() AS c;
SELECT what FROM log ORDER BY random() LIMIT 1;
INSERT INTO log (what) SELECT what FROM log WHERE random() < 0.5;
"""


def test_R37_what_is_random_on_both_sides_is_hardly_ever_a_difference(sandbox: Sandbox) -> None:
    moved = f"{AGAIN.format(OFTEN)}; {COLUMN}; ALTER SEQUENCE log_id_seq INCREMENT BY 10"

    verdicts = [proved(sandbox, moved, VOLATILE, THROWN.format(OFTEN)) for _ in range(4)]

    assert sum(bool(one.counterexamples) for one in verdicts) <= 1
