"""Whether a version runs on a schema as it is: its statements by themselves, and in their transactions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crossfade.migrations.fits import Fit, fit
from crossfade.migrations.question import Version
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.script import Asked, read_statements

pytestmark = pytest.mark.real

NOTES = """
CREATE TABLE notes (id serial PRIMARY KEY, tenant text NOT NULL, body text NOT NULL);
CREATE ROLE fits_app;
CREATE ROLE fits_tenant;
GRANT fits_tenant TO fits_app;
GRANT SELECT, INSERT ON notes TO fits_app;
GRANT SELECT ON notes TO fits_tenant;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (tenant = current_setting('app.tenant'));
"""
READS = "SELECT body FROM notes"
ARRIVES = "INSERT INTO notes (tenant, body) SELECT tenant, body FROM arriving"
SETTING = Asked(text="SELECT set_config('app.tenant', $1, true)", values=("acme",))
TEMP = Asked(text="CREATE TEMP TABLE arriving (tenant text, body text) ON COMMIT DROP")
COMMIT = Asked(text="COMMIT")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def step(text: str, *values: str | None) -> Asked:
    return Asked(text=text, values=values, said=text)


def fits(sandbox: Sandbox, more: str, *transactions: tuple[Asked, ...], statements: str = READS) -> Fit:
    version = Version(name="v1", statements=read_statements(statements, "v1"), transactions=transactions)
    return fit(sandbox.server, read_statements(NOTES + more, "schema"), version, "fits_app")


def test_R45_what_row_security_hides_without_its_setting_ran_in_its_transaction(sandbox: Sandbox) -> None:
    found = fits(sandbox, "", (SETTING, step(READS), COMMIT))

    assert (found.failing, found.ran, found.not_run) == ((), 1, ())


def test_R45_a_temp_table_that_its_transaction_makes_is_no_missing_table(sandbox: Sandbox) -> None:
    grants = "GRANT USAGE ON SEQUENCE notes_id_seq TO fits_app; ALTER TABLE notes DISABLE ROW LEVEL SECURITY;"

    found = fits(sandbox, grants, (TEMP, step(ARRIVES), COMMIT), statements=ARRIVES)

    assert (found.failing, found.ran, found.not_run) == ((), 1, ())


def test_R45_without_its_transaction_the_same_statement_cannot_run(sandbox: Sandbox) -> None:
    assert [one.statement for one in fits(sandbox, "", statements=ARRIVES).failing] == [ARRIVES]


def test_R45_a_column_that_is_gone_fails_in_the_transaction_too(sandbox: Sandbox) -> None:
    gone = "ALTER TABLE notes RENAME body TO words;"

    found = fits(sandbox, gone, (TEMP, step(ARRIVES), COMMIT), statements=ARRIVES)

    (one,) = found.failing
    assert one.statement == ARRIVES
    assert "body" in one.after


def test_R45_a_role_that_may_no_longer_be_taken_on_fails_its_transaction(sandbox: Sandbox) -> None:
    role = Asked(text="SET LOCAL ROLE fits_tenant", said="SET LOCAL ROLE fits_tenant")
    steps = (role, SETTING, step(READS), COMMIT)
    assert fits(sandbox, "", steps).failing == ()

    (one,) = fits(sandbox, "REVOKE fits_tenant FROM fits_app;", steps).failing

    assert (one.statement, "permission denied" in one.after) == (role.text, True)


def test_R45_what_ran_neither_way_is_named_with_its_reason(sandbox: Sandbox) -> None:
    found = fits(sandbox, "")

    (one,) = found.not_run
    assert (found.failing, found.ran, one.statement) == ((), 0, READS)
    assert "app.tenant" in one.why


def test_R45_savepoints_of_a_transaction_are_kept(sandbox: Sandbox) -> None:
    back = (Asked(text="SAVEPOINT a"), step(READS), Asked(text="ROLLBACK TO SAVEPOINT a"))

    found = fits(sandbox, "", (SETTING, *back, step(READS), COMMIT))

    assert (found.failing, found.ran) == ((), 1)
