"""`migrate record --sandbox-dsn`: heard through the log of a server that is not ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crossfade.cli.migrate import migrate
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.shape import read_shape
from crossfade.migrations.wire import Session

APP = str(Path(__file__).parent / "migrations" / "heard_app.py")
SCHEMA = """
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
  email text UNIQUE, age int, joined timestamptz DEFAULT now());
CREATE TABLE orders (id serial PRIMARY KEY, customer bigint REFERENCES customers, cents int NOT NULL,
  state varchar(10) DEFAULT 'new');
"""
INSERT = "INSERT INTO customers (name, email) VALUES ($1, $2)"


@dataclass(frozen=True)
class Yours:
    """A server of somebody's: how it is reached, and a table that was there before."""

    folder: Path

    def dsn(self, user: str = "postgres") -> str:
        return f"host={self.folder} port=5432 user={user} dbname=postgres"

    def ask(self, sql: str) -> tuple[tuple[str | None, ...], ...]:
        with Session(self.dsn()) as session:
            return session.ask(sql)


def server(destination: str, major: int, **more: str) -> Iterator[Yours]:
    settings = {"logging_collector": "on", "log_destination": destination, **more}
    with Sandbox(major, settings=settings) as sandbox:
        yours = Yours(sandbox.folder)
        yours.ask("CREATE TABLE mine (id int)")
        yours.ask("CREATE ROLE poor LOGIN CREATEDB")
        yield yours


@pytest.fixture(scope="module")
def json_log() -> Iterator[Yours]:
    yield from server("stderr,jsonlog", 18)


@pytest.fixture(scope="module")
def csv_log() -> Iterator[Yours]:
    yield from server("csvlog", 16)


def record(folder: Path, dsn: str, *command: str) -> Result:
    (folder / "schema.sql").write_text(SCHEMA)
    return CliRunner().invoke(
        migrate,
        ["record", "--schema", str(folder / "schema.sql"), "--out", str(folder / "shape.json"),
         "--sandbox-dsn", dsn, "--", *(command or (sys.executable, APP))],
        standalone_mode=False,
    )  # fmt: skip


def refused(result: Result) -> str:
    assert result.exception is not None, result.output
    return str(getattr(result.exception, "id", result.exception))


class TestHeard:
    @pytest.mark.parametrize("log", ["json_log", "csv_log"])
    def test_values_and_transactions_come_from_either_kind_of_log(
        self, log: str, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        yours: Yours = request.getfixturevalue(log)
        with Session(yours.dsn()) as neighbour:
            neighbour.ask("SET log_statement = 'all'")
            neighbour.ask("INSERT INTO mine VALUES (1)")

            done = record(tmp_path, yours.dsn())

        assert done.exit_code == 0, done.output
        shape = read_shape((tmp_path / "shape.json").read_text(), "shape.json")
        told = {one.text: one for one in shape.statements}
        assert told[INSERT].seen == 30
        assert told[INSERT].samples[0] == ("n0", "e0@x")
        assert shape.transactions
        assert "INSERT INTO mine" not in (tmp_path / "shape.json").read_text()

    def test_a_database_that_the_tests_make_for_themselves_is_heard_too(
        self, json_log: Yours, tmp_path: Path
    ) -> None:
        app = (
            "import os, psycopg\n"
            "with psycopg.connect(os.environ['DATABASE_URL'], autocommit=True) as one:\n"
            "    one.execute('CREATE DATABASE test_made')\n"
            "with psycopg.connect(dbname='test_made', autocommit=True) as two:\n"
            "    two.execute('CREATE TABLE customers (id int)')\n"
            "    two.execute('SELECT count(*) FROM customers')\n"
            "with psycopg.connect(os.environ['DATABASE_URL'], autocommit=True) as one:\n"
            "    one.execute('DROP DATABASE test_made')\n"
        )

        done = record(tmp_path, json_log.dsn(), sys.executable, "-c", app)

        assert done.exit_code == 0, done.output
        shape = read_shape((tmp_path / "shape.json").read_text(), "shape.json")
        assert [one.text for one in shape.statements] == ["SELECT count(*) FROM customers"]

    def test_the_log_may_turn_to_another_file(self, json_log: Yours, tmp_path: Path) -> None:
        app = (
            "import os, time, psycopg\n"
            "with psycopg.connect(os.environ['DATABASE_URL'], autocommit=True) as one:\n"
            "    one.execute('SELECT id FROM customers')\n"
            "    before = one.execute('SELECT pg_current_logfile($$jsonlog$$)').fetchone()\n"
            "    one.execute('ALTER SYSTEM SET log_filename = $$turned.log$$')\n"
            "    one.execute('SELECT pg_reload_conf()')\n"
            "    while one.execute('SELECT pg_current_logfile($$jsonlog$$)').fetchone() == before: pass\n"
            "    one.execute('SELECT name FROM customers')\n"
        )

        done = record(tmp_path, json_log.dsn(), sys.executable, "-c", app)

        assert done.exit_code == 0, done.output
        shape = read_shape((tmp_path / "shape.json").read_text(), "shape.json")
        assert [one.text for one in shape.statements] == [
            "SELECT id FROM customers",
            "SELECT name FROM customers",
        ]

    def test_r37_nothing_of_ours_stays(self, json_log: Yours, tmp_path: Path) -> None:
        before = json_log.ask("SELECT datname FROM pg_database ORDER BY 1")

        record(tmp_path, json_log.dsn(), "false")

        assert json_log.ask("SELECT datname FROM pg_database ORDER BY 1") == before
        assert json_log.ask("SELECT count(*) FROM pg_db_role_setting") == (("0",),)

    def test_no_password_of_the_address_is_kept_or_said(self, json_log: Yours, tmp_path: Path) -> None:
        done = record(tmp_path, f"{json_log.dsn()} password=s3cret")

        assert done.exit_code == 0
        assert "s3cret" not in done.output + (tmp_path / "shape.json").read_text()


class TestRefused:
    def test_a_role_that_may_not_is_told_what_to_grant(self, json_log: Yours, tmp_path: Path) -> None:
        done = record(tmp_path, json_log.dsn("poor"))

        assert refused(done) == "CF9227"
        assert "GRANT SET ON PARAMETER log_statement" in getattr(done.exception, "fix", "")
        assert not (tmp_path / "shape.json").exists()

    def test_with_what_is_to_be_granted_a_plain_role_hears(self, json_log: Yours, tmp_path: Path) -> None:
        refusal = record(tmp_path, json_log.dsn("poor")).exception
        grants = [one for one in getattr(refusal, "fix", "").split("; ") if one.startswith("GRANT")]
        assert grants
        for one in grants:
            json_log.ask(one)

        app = "import psycopg; psycopg.connect().execute('SELECT id FROM customers').close()"
        done = record(tmp_path, json_log.dsn("poor"), sys.executable, "-c", app)

        assert done.exit_code == 0, done.exception

    def test_a_server_that_keeps_no_log_we_can_read(self, tmp_path: Path) -> None:
        with Sandbox(18) as sandbox:
            done = record(tmp_path, Yours(sandbox.folder).dsn())

        assert refused(done) == "CF9227"
        assert "--from" in str(getattr(done.exception, "fix", ""))

    def test_a_version_of_ours_and_a_server_of_yours_exclude_each_other(self, tmp_path: Path) -> None:
        done = CliRunner().invoke(
            migrate, ["record", "--pg", "18", "--sandbox-dsn", "host=x", "--", "true"], standalone_mode=False
        )

        assert refused(done) == "CF9212"

    def test_a_schema_that_reaches_beyond_its_database(self, json_log: Yours, tmp_path: Path) -> None:
        (tmp_path / "beyond.sql").write_text("ALTER SYSTEM SET work_mem = '1MB';")

        done = CliRunner().invoke(
            migrate,
            ["record", "--schema", str(tmp_path / "beyond.sql"), "--sandbox-dsn", json_log.dsn(),
             "--", "true"],
            standalone_mode=False,
        )  # fmt: skip

        assert refused(done) == "CF9216"
