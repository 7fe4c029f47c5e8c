"""The verbs that change a real database: what runs, once; what is refused; what is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from migrating_world import World

from crossfade.cli.root import cli
from crossfade.migrations.sandbox import Sandbox

pytestmark = pytest.mark.real
ADD = "ALTER TABLE customers ADD COLUMN full_name text;"
PARTITIONED = "CREATE TABLE m (k int) PARTITION BY LIST (k); CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1)"
FAILS_ON_THE_REAL_ONE = "SELECT 1 / (count(*) - 200) FROM customers;"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(18) as running:
        yield running


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(sandbox=sandbox, folder=tmp_path, monkeypatch=monkeypatch)


class TestExpand:
    def test_a_change_runs_once_and_says_so(self, world: World) -> None:
        world.write(a__sql=ADD)

        assert world.done("expand", "a") == "a: expanded\n"
        assert world.done("expand", "a") == "a: nothing to do: it is expanded\n"
        assert [(one.number, one.state, one.tries, one.locks) for one in world.ledger()] == [
            (0, "done", 1, ""),
            (1, "done", 1, "customers: AccessExclusiveLock"),
        ]

    def test_without_a_name_all_run_in_their_order(self, world: World) -> None:
        world.write(a10__sql="ALTER TABLE t ADD COLUMN n int", a9__sql="CREATE TABLE t ()")
        early = world.refused("expand", "a10")

        assert (early.id, early.exit_code) == ("CF9276", 11)
        assert world.done("expand") == "a9: expanded\na10: expanded\n"

    def test_a_transaction_of_the_file_is_all_or_nothing(self, world: World) -> None:
        world.write(a__sql=f"CREATE TABLE made (); {FAILS_ON_THE_REAL_ONE}")
        error = world.refused("expand", "a")

        assert (error.id, error.exit_code) == ("CF9273", 11)
        assert "22012" in error.why
        assert world.ask("SELECT to_regclass('made')") == [(None,)]
        assert [(one.number, one.state) for one in world.ledger()] == [(0, "started")]

    def test_what_fails_on_a_copy_is_not_tried_on_the_real_one(self, world: World) -> None:
        world.write(a__sql="CREATE TABLE made (); ALTER TABLE custmers ADD COLUMN n int")
        error = world.refused("expand", "a")

        assert (error.id, error.exit_code) == ("CF9273", 11)
        assert "on a copy" in error.what
        assert world.name in error.what
        assert world.ledger() == []

    def test_R37_a_file_that_is_not_what_ran_is_refused(self, world: World) -> None:
        world.write(a__sql=ADD)
        world.done("expand", "a")
        world.write(a__sql=ADD.replace("full_name", "whole_name"))
        error = world.refused("expand", "a")

        assert (error.id, error.exit_code) == ("CF9269", 11)
        assert "full_name" in error.why
        assert "whole_name" in error.why
        assert "changed since it ran" in world.done("status")

    def test_what_comes_after_the_statements_that_ran_may_be_mended(self, world: World) -> None:
        world.write(a__sql=f"-- crossfade: no-transaction\nCREATE TABLE made (); {FAILS_ON_THE_REAL_ONE}")
        world.refused("expand", "a")
        world.write(a__sql="-- crossfade: no-transaction\nCREATE TABLE made (); SELECT 2;")

        assert world.done("expand", "a") == "a: expanded\n"
        assert {one.number: one.state for one in world.ledger()} == dict.fromkeys(range(3), "done")

    def test_but_not_those_that_ran(self, world: World) -> None:
        world.write(a__sql=f"-- crossfade: no-transaction\nCREATE TABLE made (); {FAILS_ON_THE_REAL_ONE}")
        world.refused("expand", "a")
        world.write(a__sql="-- crossfade: no-transaction\nCREATE TABLE other (); SELECT 2;")

        assert world.refused("expand", "a").id == "CF9269"

    def test_settings_of_a_session_are_there_after_a_break_too(self, world: World) -> None:
        world.write(
            a__sql="-- crossfade: no-transaction\nCREATE SCHEMA side; SET search_path = side; "
            "SET lock_timeout = 0; SELECT 1 / (count(*) - 200) FROM public.customers; CREATE TABLE made ();"
        )
        world.refused("expand", "a")
        world.ask("DELETE FROM customers WHERE id = 1")
        world.done("expand", "a")

        assert world.ask("SELECT to_regclass('side.made') IS NOT NULL") == [("t",)]

    def test_a_script_that_becomes_somebody_else_is_kept_account_of(self, world: World) -> None:
        world.ask("CREATE ROLE clerk; GRANT CREATE ON SCHEMA public TO clerk")
        world.write(a__sql="SET ROLE clerk; CREATE TABLE made (); RESET ROLE; CREATE TABLE mine ();")
        world.done("expand", "a")
        owners = world.ask(
            "SELECT relname, relowner::regrole FROM pg_class WHERE relname IN ('made', 'mine') ORDER BY 1"
        )

        assert owners == [("made", "clerk"), ("mine", "postgres")]

    def test_texts_are_kept_without_their_literals(self, world: World) -> None:
        world.write(a__sql=f"CREATE ROLE r_{world.name} PASSWORD 'hunter2';")
        world.done("expand", "a")

        assert "hunter2" not in str(world.ledger())
        assert "PASSWORD …" in world.ledger()[-1].text

    def test_a_copy_that_cannot_be_had_is_said_and_words_must_do(self, world: World) -> None:
        world.write(a__sql=ADD, b__sql="CREATE INDEX i ON customers (name)")
        world.sandbox_dsn = "host=/nowhere dbname=postgres"
        result = world.run("expand", "a")

        assert result.return_value == 0
        assert "judged by its words, not watched" in result.stderr
        assert world.refused("expand", "b").id == "CF9270"


class TestManners:
    def test_what_keeps_others_waiting_is_refused_unless_taken_on(self, world: World) -> None:
        world.write(a__sql="CREATE INDEX i ON customers (name);")
        error = world.refused("expand", "a")
        world.done("expand", "a", "--accept-blocking", "200 rows")

        assert (error.id, error.exit_code) == ("CF9270", 11)
        assert "writers of customers wait" in error.why
        assert "blocking accepted: 200 rows" in [one.note for one in world.ledger()]

    def test_rows_in_one_go_belong_into_a_backfill(self, world: World) -> None:
        world.write(a__sql=f"{ADD} UPDATE customers SET full_name = name;")
        error = world.refused("expand", "a")

        assert (error.id, error.exit_code) == ("CF9271", 11)
        assert "backfill" in error.fix

    def test_a_brief_statement_that_is_not_brief_is_stopped(self, world: World) -> None:
        world.write(
            a__sql=f"{ADD} SELECT pg_sleep(CASE WHEN count(*) = 200 THEN 5 ELSE 0 END) FROM customers;"
        )
        error = world.refused("expand", "a")

        assert (error.id, error.exit_code) == ("CF9273", 1)
        assert "57014" in error.why
        assert world.ask("SELECT count(*) FROM pg_attribute WHERE attname = 'full_name'") == [("0",)]

    def test_validating_alone_is_online(self, world: World) -> None:
        world.write(
            a__sql="ALTER TABLE customers ADD CONSTRAINT c CHECK (name <> '') NOT VALID;",
            b__sql="ALTER TABLE customers VALIDATE CONSTRAINT c;",
        )
        world.done("expand")

        assert [one.note for one in world.ledger() if one.number == 1] == ["brief", "online"]


class TestOutside:
    def test_an_index_is_built_outside_and_the_rest_inside(self, world: World) -> None:
        world.write(a__sql=f"{ADD} CREATE INDEX CONCURRENTLY i ON customers (full_name); ANALYZE customers;")
        world.done("expand", "a")

        assert world.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass") == [("t",)]
        assert {one.number: one.state for one in world.ledger()} == dict.fromkeys(range(4), "done")

    def test_an_invalid_one_of_before_is_built_anew(self, world: World) -> None:
        world.ask("INSERT INTO customers (name) VALUES ('twice'), ('twice')")
        with world.connect() as session:
            session.attempt("CREATE UNIQUE INDEX CONCURRENTLY i ON customers (name)")
        before = world.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass")
        world.ask("DELETE FROM customers WHERE name = 'twice'")
        world.write(a__sql="CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON customers (name)")
        world.done("expand", "a")

        assert before == [("f",)]
        assert world.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass") == [("t",)]

    def test_one_that_data_forbid_leaves_nothing_behind(self, world: World) -> None:
        world.ask("INSERT INTO customers (name) VALUES ('twice'), ('twice')")
        world.write(a__sql="CREATE UNIQUE INDEX CONCURRENTLY i ON customers (name)")
        error = world.refused("expand", "a")

        assert (error.id, error.exit_code) == ("CF9273", 11)
        assert "23505" in error.why
        assert "(twice)" not in "".join(error.lines())
        assert world.ask("SELECT to_regclass('i')") == [(None,)]

    def test_one_that_was_there_before_is_no_success(self, world: World) -> None:
        world.ask("CREATE INDEX i ON customers (email)")
        world.write(a__sql="CREATE INDEX CONCURRENTLY i ON customers (name)")

        assert world.refused("expand", "a", watched=False).id == "CF9273"
        assert str(world.ask("SELECT indexdef FROM pg_indexes WHERE indexname = 'i'")).endswith("(email)',)]")

    def test_an_index_without_a_name_is_refused_before_anything_runs(self, world: World) -> None:
        world.write(a__sql=f"{ADD} CREATE INDEX CONCURRENTLY ON customers (full_name)")
        error = world.refused("expand", "a")

        assert (error.id, error.exit_code) == ("CF9278", 11)
        assert world.ledger() == []

    @pytest.mark.parametrize(
        ("before", "sql"),
        [
            ("CREATE INDEX i ON customers (name)", "DROP INDEX CONCURRENTLY i"),
            ("CREATE INDEX i ON customers (name)", "REINDEX INDEX CONCURRENTLY i"),
            ("SELECT 1", "REINDEX TABLE CONCURRENTLY customers"),
            ("SELECT 1", "VACUUM customers"),
            (
                PARTITIONED,
                "ALTER TABLE m DETACH PARTITION m1 CONCURRENTLY",
            ),
        ],
    )
    def test_the_others_run_too(self, world: World, before: str, sql: str) -> None:
        world.ask(before)
        world.write(a__sql=sql)

        assert world.done("expand", "a") == "a: expanded\n"
        assert [one.state for one in world.ledger()] == ["done", "done"]


class TestContract:
    FULL = """
dual_write: {table: customers, pairs: [{old: name, new: full_name}]}
backfill: {table: customers, set: {full_name: name}, where: "full_name IS NULL"}
invariant: "full_name IS NOT DISTINCT FROM name"
"""

    def test_R38_it_is_refused_while_nobody_can_tell_who_may_come_back(self, world: World) -> None:
        world.write(a__sql=ADD, a__contract__sql="ALTER TABLE customers DROP COLUMN name;")
        world.done("expand", "a")
        error = world.refused("contract", "a")

        assert (error.id, error.exit_code) == ("CF9277", 11)
        assert world.ledger("contract") == []

    def test_each_step_comes_after_the_one_before(self, world: World) -> None:
        world.write(a__sql=ADD, a__yaml=self.FULL, a__contract__sql="ALTER TABLE customers DROP COLUMN name;")
        planned = world.refused("contract", "a", "--despite-versions", "test")
        world.done("expand", "a")
        expanded = world.refused("contract", "a", "--despite-versions", "test")

        assert [planned.id, expanded.id] == ["CF9276", "CF9276"]
        assert "backfill" in expanded.fix

    def test_both_columns_are_written_from_the_expand_to_the_contract(self, world: World) -> None:
        both = "\n".join(self.FULL.splitlines()[:2])
        world.write(a__sql=ADD, a__yaml=both, a__contract__sql="ALTER TABLE customers DROP COLUMN name;")
        assert world.done("expand", "a") == "a: expanded, both columns are written\n"
        world.ask("INSERT INTO customers (name) VALUES ('old')")
        written = world.ask("SELECT full_name FROM customers WHERE name = 'old'")

        assert world.done("contract", "a", "--despite-versions", "test") == "a: contracted\n"
        world.ask("INSERT INTO customers (full_name) VALUES ('new')")
        assert written == [("old",)]
        assert world.ask("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == [("0",)]
        assert world.done("contract", "a", "--despite-versions", "test").startswith("a: nothing to do")
        assert world.refused("expand", "a").id == "CF9276"

    def test_a_contract_that_is_refused_leaves_the_dual_write_in_place(self, world: World) -> None:
        both = "\n".join(self.FULL.splitlines()[:2])
        world.write(
            a__sql=ADD, a__yaml=both, a__contract__sql="ALTER TABLE customers ALTER COLUMN id TYPE numeric;"
        )
        world.done("expand", "a")
        error = world.refused("contract", "a", "--despite-versions", "test")

        assert error.id == "CF9270"
        assert world.ask("SELECT count(*) > 0 FROM pg_trigger WHERE NOT tgisinternal") == [("t",)]

    def test_a_copy_has_the_dual_write_of_another_change(self, world: World) -> None:
        world.write(a__sql=ADD, a__yaml="\n".join(self.FULL.splitlines()[:2]), b__sql="SELECT 1")
        world.done("expand", "a")

        assert "judged by its words" not in world.run("expand", "b").stderr


class TestAbort:
    def test_it_takes_away_what_the_expand_added_and_may_begin_anew(self, world: World) -> None:
        world.write(a__sql=ADD, a__abort__sql="ALTER TABLE customers DROP COLUMN full_name;")
        for _ in range(2):
            world.done("expand", "a")
            said = world.done("abort", "a", "--reason", "not now", "--despite-versions", "none runs")

            assert said == "a: aborted; what it had added is taken away\n"
            assert world.ask("SELECT count(*) FROM pg_attribute WHERE attname = 'full_name'") == [("0",)]
        assert "aborted" in world.done("status")
        assert [one.note for one in world.ledger("abort") if one.number == 0] == ["not now"]

    def test_it_ends_the_dual_write_and_may_begin_anew(self, world: World) -> None:
        both = "\n".join(TestContract.FULL.splitlines()[:2])
        world.write(a__sql=ADD, a__yaml=both, a__abort__sql="ALTER TABLE customers DROP COLUMN full_name;")
        triggers = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"
        world.done("expand", "a")
        made = world.ask(triggers)
        world.done("abort", "a", "--reason", "not now", "--despite-versions", "none runs")
        gone = world.ask(triggers)
        world.done("expand", "a")

        assert gone == [("0",)]
        assert world.ask(triggers) == made != gone

    def test_without_a_file_for_it_it_says_what_remains(self, world: World) -> None:
        world.write(a__sql=ADD)
        world.done("expand", "a")
        said = world.done("abort", "a", "--reason", "not now", "--despite-versions", "none runs")

        assert "no a.abort.sql" in said
        assert ADD.rstrip(";") in said

    def test_nobody_can_tell_whether_a_version_needs_it(self, world: World) -> None:
        world.write(a__sql=ADD)
        world.done("expand", "a")

        assert world.refused("abort", "a", "--reason", "not now").id == "CF9277"

    def test_what_has_not_begun_is_not_aborted(self, world: World) -> None:
        world.write(a__sql=ADD)

        assert world.refused("abort", "a", "--reason", "not now").id == "CF9276"


class TestStatus:
    def test_it_says_how_each_stands_and_what_comes_next(self, world: World) -> None:
        world.write(a__sql="SELECT 1", b__sql="SELECT 2", b__contract__sql="SELECT 3", c__sql="SELECT 4")
        world.done("expand", "a")
        world.done("expand", "b")
        told = json.loads(world.done("status", "--json"))["changes"]

        assert [(one["change"], one["state"], one["next"]) for one in told] == [
            ("a", "expanded", ""),
            ("b", "expanded", "release, then contract b"),
            ("c", "planned", "expand c"),
        ]

    def test_it_writes_nothing(self, world: World) -> None:
        world.write(a__sql=ADD)
        world.done("status")

        assert world.ask("SELECT count(*) FROM pg_namespace WHERE nspname = 'crossfade'") == [("0",)]

    def test_what_ran_and_is_gone_from_the_folder_is_told(self, world: World) -> None:
        world.write(a__sql=ADD)
        world.done("expand", "a")
        (world.folder / "a.sql").unlink()

        assert "its files are gone" in world.done("status")


class TestPlace:
    SPEC = """apiVersion: crossfade/v1
service: shop
platform: {local: {command: "./serve --port {port}", port: 8000}}
strategy: canary
"""

    def say(self, world: World, *arguments: str) -> Result:
        return CliRunner().invoke(cli, ["migrate", *arguments], standalone_mode=False)

    def test_the_service_file_says_where_the_changes_lie_and_which_database(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (world.folder / "db").mkdir()
        (world.folder / "db" / "a.sql").write_text(ADD)
        spec = world.folder / "crossfade.yaml"
        spec.write_text(
            f"{self.SPEC}database:\n  url: {{env: POOLED}}\n  direct_url: {{env: MIGRATE_URL}}\n"
            "  migrations: db\n"
        )
        result = self.say(world, "expand", "-f", str(spec), "--sandbox-dsn", world.sandbox_dsn)

        assert (result.exception, result.stdout) == (None, "a: expanded\n")

    @pytest.mark.parametrize("section", ["", "database: {url: {env: DATABASE_URL}}"])
    def test_without_one_it_says_what_to_write(self, world: World, section: str) -> None:
        spec = world.folder / "crossfade.yaml"
        spec.write_text(self.SPEC + section)
        result = self.say(world, "status", "-f", str(spec))

        assert getattr(result.exception, "id", "") == "CF9279"
        assert "migrations: db/migrations" in getattr(result.exception, "fix", "")

    def test_a_change_that_is_not_there_is_told_with_the_nearest_name(self, world: World) -> None:
        world.write(full_name__sql=ADD)

        assert "did you mean full_name?" in world.refused("expand", "fullname").what


class TestCommands:
    def test_a_command_finds_the_database_and_is_shown_without_its_password(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MIGRATE_URL", f"{world.dsn} password='s3cr3t'")
        psycopg = (
            "import os, psycopg; print(os.environ['MIGRATE_URL'], os.environ['PGOPTIONS']); "
            "psycopg.connect(os.environ['MIGRATE_URL'], autocommit=True).execute('CREATE TABLE made ()')"
        )
        world.write(a__yaml=f'expand: {{command: "python -c \\"{psycopg}\\""}}')
        result = world.run("expand", "a")

        assert result.exception is None, result.output
        assert "s3cr3t" not in result.output
        assert "lock_timeout=250" in result.stderr
        assert world.ask("SELECT to_regclass('made')") == [("made",)]

    def test_one_that_had_no_lock_is_tried_again_and_the_blocker_named(self, world: World) -> None:
        psycopg = (
            "import os, psycopg; "
            "psycopg.connect(os.environ['MIGRATE_URL']).execute('ALTER TABLE customers ADD COLUMN n int')"
        )
        world.write(a__yaml=f'expand: {{command: "python -c \\"{psycopg}\\""}}')
        with world.holding("SELECT 1 FROM customers LIMIT 1"):
            result = world.run("expand", "a", "--budget", "1s")

        assert getattr(result.exception, "id", "") == "CF9275"
        assert "nightly-report" in getattr(result.exception, "why", "")

    def test_one_that_fails_is_told(self, world: World) -> None:
        world.write(a__yaml='expand: {command: "sh -c \\"echo no such luck; exit 3\\""}')
        result = world.run("expand", "a")

        assert (getattr(result.exception, "id", ""), getattr(result.exception, "exit_code", 0)) == (
            "CF9275",
            1,
        )
        assert "| no such luck" in result.stderr

    def test_one_that_is_not_there_is_told(self, world: World) -> None:
        world.write(a__yaml="expand: {command: no-such-program}")

        assert world.refused("expand", "a").id == "CF9275"
