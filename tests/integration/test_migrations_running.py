"""The verbs that change a real database: what runs, once; what is refused; what is said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from migrating_world import World

from crossfade.migrations.running import manner
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.wire import Session

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


@pytest.fixture
def by_words(world: World) -> None:
    world.watched = False


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
        assert world.done("expand") == "nothing to do: every schema change is expanded\n"

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

    def test_names_are_looked_up_on_the_copy_as_on_the_real_one(self, world: World) -> None:
        world.ask(
            "CREATE SCHEMA side; CREATE TABLE side.orders (id int); "
            f"ALTER DATABASE {world.name} SET search_path = side"
        )
        world.write(a__sql="ALTER TABLE orders ADD COLUMN n int;")

        assert world.done("expand", "a") == "a: expanded\n"

    def test_texts_are_kept_without_their_literals(self, world: World) -> None:
        world.write(a__sql=f"CREATE ROLE r_{world.name} PASSWORD 'hunter2';")
        world.done("expand", "a")

        assert "hunter2" not in str(world.ledger())
        assert "PASSWORD …" in world.ledger()[-1].text

    def test_a_copy_that_cannot_be_had_is_said_and_words_must_do(self, world: World) -> None:
        world.write(a__sql=ADD, b__sql="CREATE INDEX i ON customers (name)")
        world.watched = False
        result = world.run("expand", "a")

        assert result.return_value == 0
        assert "judged by its words, not watched" in result.stderr
        assert world.refused("expand", "b").id == "CF9270"


class TestManners:
    def test_what_reaches_beyond_its_database_is_not_watched_on_a_server_of_the_users(
        self, world: World
    ) -> None:
        world.write(a__sql="ALTER SYSTEM SET log_rotation_size = 4321;")
        result = world.run("expand", "a")
        with Session(world.sandbox_dsn) as other:
            kept = other.ask("SELECT count(*) FROM pg_file_settings WHERE setting = '4321'")
            other.ask("ALTER SYSTEM RESET log_rotation_size")

        assert result.return_value == 0, result.exception
        assert "reaches beyond its database" in result.stderr
        assert kept == (("1",),)

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

    def test_a_brief_statement_that_is_not_brief_is_stopped(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(manner, "Limits", partial(manner.Limits, brief=timedelta(milliseconds=300)))
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


@pytest.mark.usefixtures("by_words")
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

        assert world.refused("expand", "a").id == "CF9273"
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
