"""
What goes well at first and fails a moment later, whatever the migration: a clean-up by age is the usual one.

The clock of these tests counts transactions, and the migration itself uses up what makes rows old.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crossfade.migrations.prove import Question, Version, prove
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.script import read_script, read_statements
from crossfade.migrations.verdict import Verdict

pytestmark = pytest.mark.real

NOW = "txid_snapshot_xmax(txid_current_snapshot())"
SCHEMA = f"""
CREATE TABLE jobs (id serial PRIMARY KEY, kind text);
CREATE TABLE logs (job int NOT NULL REFERENCES jobs);
CREATE SEQUENCE began;
SELECT setval('began', {NOW});
"""
LATER = f"{NOW} - (SELECT last_value FROM began) > 6000"
CLEANS_UP = f"DELETE FROM jobs WHERE {LATER} AND id IN (SELECT job FROM logs)"
DOES_NOT_COUNT = f"SELECT id FROM jobs WHERE NOT {LATER}"
READS = "SELECT kind FROM jobs WHERE id = $1"
WAITS = """
DO $$ BEGIN FOR one IN 1..4000 LOOP
  BEGIN PERFORM pg_logical_emit_message(true, '', ''); EXCEPTION WHEN division_by_zero THEN NULL; END;
END LOOP; END $$
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def proved(sandbox: Sandbox, migration: str, *old: str) -> Verdict:
    return prove(
        Question(
            schema=read_statements(SCHEMA, "schema"),
            schema_name="schema",
            old=(Version(name="v1", statements=read_statements("; ".join(old), "v1")),),
            new=Version(name="v2", statements=()),
            migration=read_script(f"{migration}; {WAITS}", "m"),
        ),
        sandbox.server,
    )


@pytest.mark.parametrize("old", [CLEANS_UP, DOES_NOT_COUNT])
def test_R37_what_the_old_shape_gives_a_moment_later_is_no_difference(sandbox: Sandbox, old: str) -> None:
    verdict = proved(sandbox, "ALTER TABLE jobs ADD COLUMN note text", old)

    assert (verdict.counterexamples, verdict.not_proved, verdict.rollback_safe) == ((), (), True)


def test_R37_a_real_failure_beside_it_is_told_alone(sandbox: Sandbox) -> None:
    verdict = proved(sandbox, "ALTER TABLE jobs DROP COLUMN kind", CLEANS_UP, READS)

    assert [one.statement for one in verdict.counterexamples] == [READS]


def test_R37_a_clean_up_that_fails_for_another_reason_is_told(sandbox: Sandbox) -> None:
    refuses = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'kept'; END $$;
    CREATE TRIGGER kept BEFORE DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION refuse()
    """
    verdict = proved(sandbox, refuses, CLEANS_UP)

    assert [one.statement for one in verdict.counterexamples] == [CLEANS_UP]
