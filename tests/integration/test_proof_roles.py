"""What a version takes on before it asks: roles it is a member of, settings of its role, a search path."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crossfade.migrations.prove import Question, Version, prove
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.script import Asked, read_script, read_statements
from crossfade.migrations.verdict import Verdict

pytestmark = pytest.mark.real

SCHEMA = """
CREATE SCHEMA back;
CREATE TABLE back.notes (id int PRIMARY KEY, body text);
CREATE ROLE roles_app;
CREATE ROLE roles_reader;
ALTER ROLE roles_app RESET ALL;
GRANT roles_reader TO roles_app;
GRANT USAGE ON SCHEMA back TO roles_app, roles_reader;
GRANT SELECT ON back.notes TO roles_app, roles_reader;
"""
READS = "SELECT body FROM notes"
QUALIFIED = "SELECT body FROM back.notes"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def proved(
    sandbox: Sandbox,
    migration: str,
    old: str,
    more: str = "",
    *,
    role: str | None = "roles_app",
    transactions: tuple[tuple[Asked, ...], ...] = (),
) -> Verdict:
    version = Version(name="v1", statements=read_statements(old, "v1"), transactions=transactions)
    return prove(
        Question(
            schema=read_statements(f"{SCHEMA}{more}", "schema"),
            schema_name="schema",
            old=(version,),
            new=Version(name="v2", statements=()),
            migration=read_script(migration, "m"),
            app_role=role,
        ),
        sandbox.server,
    )


def failing(verdict: Verdict) -> list[str]:
    return [one.statement for one in verdict.counterexamples]


@pytest.mark.parametrize("role", ["roles_app", None])
@pytest.mark.parametrize("local", ["", "LOCAL "])
def test_R37_a_role_that_is_revoked_is_missed_by_who_takes_it_on(
    sandbox: Sandbox, local: str, role: str | None
) -> None:
    takes = f"SET {local}ROLE roles_reader"
    verdict = proved(sandbox, "REVOKE roles_reader FROM roles_app", f"{takes}; {QUALIFIED}", role=role)

    assert failing(verdict) == [takes]
    assert verdict.rollback_safe is False


def test_R37_a_role_that_is_revoked_is_missed_within_its_transaction(sandbox: Sandbox) -> None:
    steps = tuple(Asked(text=one, said=one) for one in ("SET LOCAL ROLE roles_reader", QUALIFIED, "COMMIT"))
    verdict = proved(sandbox, "REVOKE roles_reader FROM roles_app", QUALIFIED, transactions=(steps,))

    assert failing(verdict) == ["SET LOCAL ROLE roles_reader"]


def test_R37_another_members_loss_is_none_of_the_applications(sandbox: Sandbox) -> None:
    other = "CREATE ROLE roles_other; GRANT roles_reader TO roles_other;"
    verdict = proved(
        sandbox, "REVOKE roles_reader FROM roles_other", f"SET ROLE roles_reader; {QUALIFIED}", other
    )

    assert failing(verdict) == []
    assert verdict.rollback_safe is True


def test_R37_nobody_misses_a_role_that_nobody_takes_on(sandbox: Sandbox) -> None:
    verdict = proved(sandbox, "REVOKE roles_reader FROM roles_app", QUALIFIED)

    assert (failing(verdict), verdict.rollback_safe) == ([], True)


def test_R37_a_search_path_of_the_role_that_is_reset_leads_nowhere(sandbox: Sandbox) -> None:
    path = "ALTER ROLE roles_app SET search_path = back, public;"
    verdict = proved(sandbox, "ALTER ROLE roles_app RESET search_path", READS, path)

    assert failing(verdict) == [READS]


def test_R37_a_search_path_of_the_role_stays_where_something_else_changes(sandbox: Sandbox) -> None:
    path = "ALTER ROLE roles_app SET search_path = back, public;"
    verdict = proved(sandbox, "ALTER TABLE back.notes ADD COLUMN at date", READS, path)

    assert (failing(verdict), verdict.not_proved, verdict.rollback_safe) == ([], (), True)


@pytest.mark.parametrize("local", ["", "LOCAL "])
def test_R37_a_search_path_by_hand_into_a_schema_that_is_renamed(sandbox: Sandbox, local: str) -> None:
    old = f"BEGIN; SET {local}search_path = back; {READS}; COMMIT"
    verdict = proved(sandbox, "ALTER SCHEMA back RENAME TO front", old)

    assert failing(verdict) == [READS]
