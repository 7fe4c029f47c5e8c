"""`migrate prove` as it is typed: one object, its exit codes, and an answer to every bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crossfade.cli.root import cli
from crossfade.errors import CrossfadeError
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.verdict import NEEDS

pytestmark = pytest.mark.real

SCHEMA = "CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL UNIQUE, city text);"
OLD = "SELECT id, city FROM users WHERE email = $1; INSERT INTO users (email, city) VALUES ($1, $2);"
NEW = "SELECT id FROM users WHERE email = $1; INSERT INTO users (email) VALUES ($1);"


@pytest.fixture(scope="module")
def dsn() -> Any:
    with Sandbox(18) as running:
        yield f"host={running.folder} port=5432 user=postgres dbname=postgres"


def run(folder: Path, *extra: str, **files: str) -> Result:
    told = {"schema": SCHEMA, "old": OLD, "new": NEW, "migration": "SELECT 1"} | files
    arguments = ["migrate", "prove"]
    for name, text in told.items():
        path = folder / f"{name}.sql"
        path.write_text(text)
        arguments += [f"--{name}", str(path)]
    return CliRunner().invoke(cli, [*arguments, *extra], standalone_mode=False)


def answer(result: Result) -> dict[str, Any]:
    assert result.exception is None, result.exception
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def refused(result: Result) -> tuple[str, int]:
    assert isinstance(result.exception, CrossfadeError), (result.exception, result.output)
    return result.exception.id, result.exception.exit_code


class TestUndecided:
    def test_R37_what_cannot_be_run_before_is_not_proved_though_both_versions_are_one_file(
        self, tmp_path: Path
    ) -> None:
        both = tmp_path / "both.sql"
        both.write_text("CALL settle($1);")
        schema = f"{SCHEMA} CREATE PROCEDURE settle(n int) LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;"
        result = run(
            tmp_path,
            *("--json", "--old", str(both), "--new", str(both)),
            schema=schema,
            migration="CREATE OR REPLACE PROCEDURE settle(n int) LANGUAGE plpgsql AS $$ BEGIN END $$;",
        )
        told = answer(result)

        assert (result.return_value, told["rollback_safe"], told["phase"]) == (11, None, None)
        assert {one["source"] for one in told["not_proved"]} == {str(both)}

    def test_R37_what_is_not_over_in_time_is_neither_proved_nor_a_counterexample(
        self, tmp_path: Path
    ) -> None:
        quick = "CREATE FUNCTION worth(n bigint) RETURNS bigint LANGUAGE sql AS 'SELECT n'"
        slow = quick.replace("CREATE", "CREATE OR REPLACE").replace("SELECT n", "SELECT n FROM pg_sleep(2)")
        sent = "SET statement_timeout = '300ms'; SELECT worth(id) FROM users WHERE id = $1;"
        result = run(
            tmp_path, "--json", schema=f"{SCHEMA} {quick};", old=sent, new=sent, migration=f"{slow};"
        )
        told = answer(result)

        assert (result.return_value, told["rollback_safe"], told["counterexamples"]) == (11, None, [])
        assert "not over in time" in told["not_proved"][0]["why"]


class TestAnswers:
    def test_a_safe_one_is_one_object_and_exit_0(self, tmp_path: Path) -> None:
        result = run(
            tmp_path, "--json", migration="SET lock_timeout = '1s'; ALTER TABLE users ADD COLUMN n int"
        )
        told = answer(result)

        assert result.return_value == 0
        assert (told["rollback_safe"], told["phase"], told["needs"]) == (True, "expand", [])
        assert (told["blocks_reads"], told["blocks_writes"], told["counterexamples"]) == (False, False, [])
        assert told["seconds"] > 0

    def test_what_the_new_version_cannot_do_yet_is_told_as_before_the_migration(
        self, tmp_path: Path, dsn: str
    ) -> None:
        files = {
            "old": "SELECT city FROM users WHERE id = $1",
            "new": "SELECT town FROM users WHERE id = $1",
            "migration": "ALTER TABLE users RENAME COLUMN city TO town",
        }
        (told,) = answer(run(tmp_path, "--json", "--sandbox-dsn", dsn, **files))["new_version"]
        text = run(tmp_path, "--sandbox-dsn", dsn, **files).stdout

        assert "42703" in told["before"]
        assert told["after"].startswith("1 row")
        assert "The new version fails before the migration" in text

    def test_a_blocked_one_is_exit_4_and_says_which_statement_with_which_values(
        self, tmp_path: Path, dsn: str
    ) -> None:
        result = run(tmp_path, "--json", "--sandbox-dsn", dsn, migration="ALTER TABLE users DROP COLUMN city")
        told = answer(result)
        first = told["counterexamples"][0]

        assert result.return_value == 4
        assert (told["rollback_safe"], told["phase"]) == (False, "contract")
        assert set(told["needs"]) <= set(NEEDS)
        assert {"statement", "values", "before", "after", "kind"} <= first.keys()
        assert (first["statement"], first["kind"]) == (
            "SELECT id, city FROM users WHERE email = $1",
            "observed",
        )

    def test_several_versions_may_come_back(self, tmp_path: Path, dsn: str) -> None:
        older = tmp_path / "older.sql"
        older.write_text("SELECT lower(city) FROM users WHERE id = $1")
        result = run(
            tmp_path,
            *("--json", "--sandbox-dsn", dsn, "--old", str(older)),
            old=NEW,
            migration="ALTER TABLE users DROP COLUMN city",
        )

        assert [one["source"] for one in answer(result)["counterexamples"]] == [str(older)]

    def test_a_statement_that_cannot_be_executed_is_never_proved(self, tmp_path: Path, dsn: str) -> None:
        result = run(
            tmp_path,
            *("--json", "--sandbox-dsn", dsn),
            old=f"{OLD} SELECT nothing FROM users;",
            migration="ALTER TABLE users ADD COLUMN n int",
        )
        told = answer(result)

        assert (result.return_value, told["rollback_safe"], told["phase"]) == (11, None, None)
        assert [one["statement"] for one in told["not_proved"]] == ["SELECT nothing FROM users"]

    def test_but_one_that_the_migration_cannot_touch_need_not_be(self, tmp_path: Path, dsn: str) -> None:
        result = run(
            tmp_path,
            *("--json", "--sandbox-dsn", dsn),
            schema=f"{SCHEMA} CREATE TABLE other (x int CHECK (x > 5 AND x < 5))",
            old=f"{OLD} INSERT INTO other (x) VALUES ($1);",
            migration="ALTER TABLE users ADD COLUMN n int",
        )

        assert (result.return_value, answer(result)["not_proved"]) == (0, [])

    def test_a_person_gets_words(self, tmp_path: Path, dsn: str) -> None:
        result = run(tmp_path, "--sandbox-dsn", dsn, migration="ALTER TABLE users DROP COLUMN city")

        assert result.stdout.startswith("BLOCKED  contract: the old version fails after it")


class TestBadInput:
    @pytest.mark.parametrize(
        ("files", "expected"),
        [
            ({"schema": "CREATE TABLE t ("}, ("CF9210", 11)),
            ({"schema": "CREATE EXTENSION postgis"}, ("CF9210", 11)),
            ({"migration": "CREATE EXTENSION postgis"}, ("CF9210", 11)),
            ({"migration": "SELECT 'x"}, ("CF9201", 11)),
            ({"migration": "\\i other.sql"}, ("CF9202", 11)),
            ({"old": "-- nothing"}, ("CF9211", 11)),
        ],
    )
    def test_what_cannot_be_read_is_not_decided(
        self, tmp_path: Path, dsn: str, files: dict[str, str], expected: tuple[str, int]
    ) -> None:
        assert expected == refused(run(tmp_path, "--json", "--sandbox-dsn", dsn, **files))

    def test_a_file_that_is_no_text_is_not_decided(self, tmp_path: Path, dsn: str) -> None:
        run(tmp_path, "--sandbox-dsn", dsn)
        (tmp_path / "latin.sql").write_bytes(b"SELECT '\xe9'")
        arguments = [f"--{one}={tmp_path / one}.sql" for one in ("schema", "old", "new")]
        result = CliRunner().invoke(
            cli,
            ["migrate", "prove", *arguments, f"--migration={tmp_path / 'latin.sql'}"],
            standalone_mode=False,
        )

        assert refused(result) == ("CF9201", 11)

    def test_a_dsn_that_leads_nowhere_is_not_decided(self, tmp_path: Path) -> None:
        assert refused(run(tmp_path, "--sandbox-dsn", "host=127.0.0.1 port=1 user=x")) == ("CF9204", 11)

    def test_a_version_that_the_wheel_lacks_is_a_mistake_of_usage(self, tmp_path: Path) -> None:
        assert refused(run(tmp_path, "--pg", "12")) == ("CF9206", 2)

    def test_a_version_and_a_server_exclude_each_other(self, tmp_path: Path, dsn: str) -> None:
        assert refused(run(tmp_path, "--pg", "16", "--sandbox-dsn", dsn)) == ("CF9212", 2)

    def test_a_syntax_error_in_the_migration_is_decided(self, tmp_path: Path, dsn: str) -> None:
        result = run(tmp_path, "--json", "--sandbox-dsn", dsn, migration="ALTER TABEL users ADD n int")

        assert (result.return_value, answer(result)["needs"]) == (4, ["migration_fails"])
