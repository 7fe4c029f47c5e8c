"""Contract, abort, status, where a database is named, and programs that run a part: as they are typed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from migrating_world import World

from crossfade.cli.root import cli
from crossfade.migrations.backfill import Pulse, live
from crossfade.migrations.running.doors import open_door
from crossfade.migrations.sandbox import Sandbox

pytestmark = pytest.mark.real
ADD = "ALTER TABLE customers ADD COLUMN full_name text;"


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

    def test_the_whole_way_keeps_every_row_in_step_and_says_how_it_stands(self, world: World) -> None:
        world.write(a__sql=ADD, a__yaml=self.FULL, a__contract__sql="ALTER TABLE customers DROP COLUMN name;")
        stood = []
        for verb in ("expand", "backfill", "verify"):
            world.done(verb, "a")
            stood.append(json.loads(world.done("status", "--json"))["changes"][0]["state"])
        world.done("contract", "a", "--despite-versions", "test")
        over = json.loads(world.done("status", "--json"))["changes"][0]

        assert stood == ["expanded", "backfilled", "verified"]
        assert (over["state"], over["next"]) == ("contracted", "")
        assert over["way_back"].startswith("none")
        assert world.ask("SELECT count(*) FROM customers WHERE full_name LIKE 'n%'") == [("200",)]

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


@pytest.mark.usefixtures("by_words")
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

    def test_one_that_was_broken_off_may_be_taken_back_by_an_expand(self, world: World) -> None:
        both = "\n".join(TestContract.FULL.splitlines()[:2])
        world.write(a__sql=ADD, a__yaml=both, a__abort__sql="SELECT 1 / (count(*) - 200) FROM customers;")
        triggers = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"
        world.done("expand", "a")
        made = world.ask(triggers)
        world.refused("abort", "a", "--reason", "not now", "--despite-versions", "none runs")
        gone = world.ask(triggers)
        world.done("expand", "a")

        assert gone == [("0",)]
        assert world.ask(triggers) == made

    def test_none_while_its_rows_are_being_filled(self, world: World) -> None:
        world.write(a__sql=ADD, a__abort__sql="ALTER TABLE customers DROP COLUMN full_name;")
        world.done("expand", "a")
        with live(open_door(world.dsn, "MIGRATE_URL"), "a backfill") as at_work:
            at_work.hold("a", Pulse())
            error = world.refused("abort", "a", "--reason", "not now", "--despite-versions", "none runs")

        assert (error.id, error.exit_code) == ("CF9285", 8)

    def test_rows_that_were_filled_before_it_are_filled_anew(self, world: World) -> None:
        world.write(
            a__sql=ADD,
            a__abort__sql="ALTER TABLE customers DROP COLUMN full_name;",
            a__yaml="backfill: {table: customers, set: {full_name: name}, where: full_name IS NULL}",
        )
        world.done("expand", "a")
        world.done("backfill", "a")
        world.ask("UPDATE crossfade.backfill SET state = 'running', after_key = '[\"150\"]'")
        world.done("abort", "a", "--reason", "not now", "--despite-versions", "none runs")
        world.done("expand", "a")
        world.done("backfill", "a")

        assert world.ask("SELECT count(*) FROM customers WHERE full_name IS NULL") == [("0",)]

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


@pytest.mark.usefixtures("by_words")
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

    def test_a_role_that_may_not_read_the_ledger_is_told_what_to_grant(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.write(a__sql=ADD)
        world.done("expand", "a")
        world.ask(f"CREATE ROLE u_{world.name} LOGIN")
        monkeypatch.setenv("MIGRATE_URL", f"{world.dsn} user=u_{world.name}")
        error = world.refused("status")

        assert (error.id, error.exit_code) == ("CF9273", 3)
        assert "GRANT USAGE ON SCHEMA crossfade" in error.fix

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
            f"{self.SPEC}database: {{url: {{env: P}}, direct_url: {{env: MIGRATE_URL}}, migrations: db}}\n"
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
