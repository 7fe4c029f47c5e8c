"""`migrate record` with a real PostgreSQL that hears a real client, and a proof with what it heard."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crossfade.cli.migrate import migrate
from crossfade.migrations.shape import Shape, read_shape

APP = str(Path(__file__).parent / "migrations" / "heard_app.py")
SCHEMA = """
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
  email text UNIQUE, age int, joined timestamptz DEFAULT now());
CREATE TABLE orders (id serial PRIMARY KEY, customer bigint REFERENCES customers, cents int NOT NULL,
  state varchar(10) DEFAULT 'new');
"""


def run(arguments: Sequence[str]) -> Result:
    return CliRunner().invoke(migrate, list(arguments), standalone_mode=False)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "schema.sql").write_text(SCHEMA)
    done = run(["record", "--schema", str(folder / "schema.sql"), "--revision", "v1",
                "--out", str(folder / "shape.json"),
                "--", "env", "U=postgresql://me:s3cret@nowhere/db", sys.executable, APP])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "statements" in done.output
    return folder


@pytest.fixture(scope="module")
def shape(recorded: Path) -> Shape:
    return read_shape((recorded / "shape.json").read_text(), "shape.json")


class TestTheShape:
    def test_a_thousand_sendings_are_a_few_statements_with_values(self, shape: Shape) -> None:
        told = {one.text: one for one in shape.statements}
        insert = told["INSERT INTO customers (name, email) VALUES ($1, $2)"]
        assert insert.seen == 30
        assert insert.samples[0] == ("n0", "e0@x")
        orders = "INSERT INTO orders (customer, cents, state) VALUES ($1::integer, $2::integer, $3)"
        assert told[orders].samples[:2] == (("1", "0", "new"), ("1", "1", "new"))
        lists = [(text.count("$"), one.samples, one.seen) for text, one in told.items() if " IN (" in text]
        assert lists == [(1, (("0",),), 2), (5, (("0", "1", "2", "3", "4"),), 1)]
        assert told["SELECT name FROM customers WHERE age > $1"].samples == (("3",),)

    def test_an_expression_that_is_repeated_keeps_its_meaning(self, shape: Shape) -> None:
        (grouped,) = (one for one in shape.statements if "GROUP BY" in one.text)
        assert grouped.text.count("$1") == 2
        assert grouped.samples == (("month",),)

    def test_what_names_nothing_of_the_schema_is_left_out_by_name(self, shape: Shape) -> None:
        left = [one.text for one in shape.not_taken]
        assert left == ["SELECT version()", "CREATE ROLE heard PASSWORD '***'"]

    def test_no_password_is_kept(self, recorded: Path, shape: Shape) -> None:
        assert "s3cret" not in (recorded / "shape.json").read_text()
        assert "U=postgresql://me:***@nowhere/db" in shape.source

    def test_it_knows_schema_server_and_transactions(self, shape: Shape) -> None:
        assert "CREATE TABLE public.orders" in shape.schema
        assert shape.server.startswith("PostgreSQL 18")
        assert shape.revision == "v1"
        ids = {one.id for one in shape.statements}
        assert shape.transactions
        assert all(set(one) <= ids for one in shape.transactions)


class TestTheRecordedSchema:
    """What stood when the tests began decides, not what they left."""

    def recorded(self, tmp_path: Path, sql: str, *schema: str) -> Shape:
        psql = (
            "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL'], autocommit=True).execute({!r})"
        )
        out = tmp_path / "shape.json"
        done = run(["record", *schema, "--out", str(out), "--", sys.executable, "-c", psql.format(sql)])
        assert done.exit_code == 0, done.output
        return read_shape(out.read_text(), "shape.json")

    def made(self, tmp_path: Path) -> tuple[str, str]:
        (tmp_path / "schema.sql").write_text(SCHEMA)
        return "--schema", str(tmp_path / "schema.sql")

    def test_tests_that_drop_every_table_at_their_end_are_heard(self, tmp_path: Path) -> None:
        told = "SELECT name FROM customers; DROP TABLE orders, customers"

        shape = self.recorded(tmp_path, told, *self.made(tmp_path))

        assert [one.text for one in shape.statements] == ["SELECT name FROM customers"]
        assert "CREATE TABLE public.customers" in shape.schema

    def test_tests_that_drop_the_database_are_heard(self, tmp_path: Path) -> None:
        told = (
            "import os, psycopg\n"
            "with psycopg.connect(os.environ['DATABASE_URL']) as one:\n"
            "    one.execute('SELECT name FROM customers')\n"
            "psycopg.connect(dbname='postgres', autocommit=True).execute('DROP DATABASE recorded')"
        )
        out = tmp_path / "shape.json"

        done = run(["record", *self.made(tmp_path), "--out", str(out), "--", sys.executable, "-c", told])

        assert done.exit_code == 0, done.exception
        assert len(read_shape(out.read_text(), "shape.json").statements) == 1

    def test_tables_and_constraints_that_tests_make_for_themselves_are_none_of_it(
        self, tmp_path: Path
    ) -> None:
        told = (
            "CREATE TABLE mine (id int CONSTRAINT of_mine REFERENCES orders DEFERRABLE); "
            "SELECT id FROM mine; SET CONSTRAINTS of_mine IMMEDIATE; "
            "SET CONSTRAINTS orders_customer_fkey IMMEDIATE; SELECT name FROM customers"
        )
        (tmp_path / "more.sql").write_text(
            SCHEMA.replace("REFERENCES customers", "REFERENCES customers DEFERRABLE")
        )

        shape = self.recorded(tmp_path, told, "--schema", str(tmp_path / "more.sql"))

        kept = ["SET CONSTRAINTS orders_customer_fkey IMMEDIATE", "SELECT name FROM customers"]
        assert [one.text for one in shape.statements] == kept
        left = {one.text: one.why for one in shape.not_taken}
        assert 'constraint "of_mine" does not exist' in left["SET CONSTRAINTS of_mine IMMEDIATE"]
        assert "SELECT id FROM mine" in left

    def test_where_no_schema_is_given_it_is_what_the_tests_made(self, tmp_path: Path) -> None:
        shape = self.recorded(tmp_path, f"{SCHEMA} SELECT name FROM customers")

        assert [one.text for one in shape.statements] == ["SELECT name FROM customers"]
        assert "CREATE TABLE public.customers" in shape.schema


class TestTheProof:
    def prove(self, folder: Path, migration: str) -> dict[str, object]:
        (folder / "m.sql").write_text(migration)
        shape = str(folder / "shape.json")
        done = run(["prove", "--schema", str(folder / "schema.sql"), "--old", shape, "--new", shape,
                    "--migration", str(folder / "m.sql"), "--json"])  # fmt: skip
        told = json.loads(done.output)
        assert isinstance(told, dict)
        return told

    def test_a_shape_is_proved_like_statements_by_hand(self, recorded: Path) -> None:
        told = self.prove(recorded, "SET lock_timeout = '1s'; ALTER TABLE orders ADD COLUMN note text;")
        assert told["rollback_safe"] is True
        assert told["not_proved"] == []

    @pytest.mark.parametrize(
        ("statement", "migration"),
        [
            ("SELECT nextval('orders_id_seq')", "DROP SEQUENCE orders_id_seq CASCADE;"),
            ("SELECT currval('orders_id_seq')", "DROP SEQUENCE orders_id_seq CASCADE;"),
            ("COPY customers (name) FROM STDIN", "ALTER TABLE customers RENAME name TO called;"),
        ],
    )
    def test_sequences_and_copies_are_missed(self, recorded: Path, statement: str, migration: str) -> None:
        told = self.prove(recorded, migration)
        examples = told["counterexamples"]
        assert isinstance(examples, list)
        assert statement in [one["statement"] for one in examples]

    def test_what_fails_with_values_that_were_really_sent_is_observed(self, recorded: Path) -> None:
        told = self.prove(recorded, "ALTER TABLE orders ADD CHECK (cents > 100) NOT VALID;")
        assert told["rollback_safe"] is False
        examples = told["counterexamples"]
        assert isinstance(examples, list)
        (example,) = (one for one in examples if one["statement"].startswith("INSERT INTO orders"))
        assert example["kind"] == "observed"
        assert example["values"] == ["1", "0", "new"]


class TestWhatGoesWrong:
    def failing(self, tmp_path: Path, *arguments: str) -> str:
        (tmp_path / "schema.sql").write_text(SCHEMA)
        out = tmp_path / "shape.json"
        done = run(["record", "--out", str(out), *arguments])
        assert not out.exists()
        assert done.exception is not None
        return str(getattr(done.exception, "id", done.exception))

    def test_tests_that_fail_leave_no_shape(self, tmp_path: Path) -> None:
        schema = ("--schema", str(tmp_path / "schema.sql"))
        assert self.failing(tmp_path, *schema, "--", sys.executable, APP, "--fail") == "CF9231"

    def test_a_command_that_is_not_there(self, tmp_path: Path) -> None:
        assert self.failing(tmp_path, "--", "no-such-command") == "CF9224"

    @pytest.mark.parametrize("signal", ["SIGKILL", "SIGQUIT"])
    def test_a_server_that_dies_in_the_middle(self, tmp_path: Path, signal: str) -> None:
        kill = (
            "import os, signal; place = os.environ['PGHOST'] + '/data/postmaster.pid'; "
            f"os.kill(int(open(place).readline()), signal.{signal})"
        )
        schema = ("--schema", str(tmp_path / "schema.sql"))
        assert self.failing(tmp_path, *schema, "--", sys.executable, "-c", kill) == "CF9228"

    def test_a_database_that_is_dropped_with_the_only_schema_in_it(self, tmp_path: Path) -> None:
        drop = (
            "import psycopg; "
            "psycopg.connect(dbname='postgres', autocommit=True).execute('DROP DATABASE recorded')"
        )
        assert self.failing(tmp_path, "--", sys.executable, "-c", drop) == "CF9232"

    def test_a_schema_command_whose_connection_outlives_it(self, tmp_path: Path) -> None:
        stays = tmp_path / "stays.py"
        stays.write_text(
            "import os, psycopg, sys\n"
            "server = psycopg.connect(autocommit=True)\n"
            "server.execute('CREATE TABLE t (id int)')\n"
            "if os.fork():\n    os._exit(0)\n"
            "for number in (0, 1, 2):\n    os.close(number)\n"
            "server.pgconn.get_result()\n"
            "import select\nselect.select([server.pgconn.socket], [], [])\n"
        )
        made = ("--schema-from", f"{sys.executable} {stays}")
        assert self.failing(tmp_path, *made, "--", "true") == "CF9225"

    @pytest.mark.parametrize("command", ["", "alembic 'upgrade"])
    def test_a_schema_command_that_no_shell_would_read(self, tmp_path: Path, command: str) -> None:
        assert self.failing(tmp_path, "--schema-from", command, "--", "true") == "CF9230"

    def test_a_place_that_cannot_be_written_is_told_before_the_tests_run(self, tmp_path: Path) -> None:
        ran = tmp_path / "ran"
        out = ("--out", str(tmp_path / "nowhere" / "shape.json"))

        assert self.failing(tmp_path, *out, "--", "touch", str(ran)) == "CF9230"
        assert not ran.exists()

    def test_a_schema_that_fails(self, tmp_path: Path) -> None:
        assert self.failing(tmp_path, "--schema-from", "false", "--", "true") == "CF9225"

    def test_nothing_heard(self, tmp_path: Path) -> None:
        assert self.failing(tmp_path, "--schema", str(tmp_path / "schema.sql"), "--", "true") == "CF9232"

    def test_the_variable_of_the_service_file_holds_the_address_too(self, tmp_path: Path) -> None:
        spec = tmp_path / "crossfade.yaml"
        spec.write_text(
            "apiVersion: crossfade/v1\nservice: shop\nstrategy: canary\n"
            'platform: {local: {command: "./serve {port}", port: 8000}}\ndatabase: {url: {env: SHOP_URL}}\n'
        )
        told = 'case "$SHOP_URL" in postgresql:*) ;; *) exit 1 ;; esac'
        assert self.failing(tmp_path, "-f", str(spec), "--", "sh", "-c", told) == "CF9232"

    def test_nothing_asked_and_two_schemas(self, tmp_path: Path) -> None:
        assert self.failing(tmp_path) == "CF9230"
        both = ("--schema", str(tmp_path / "schema.sql"), "--schema-from", "true")
        assert self.failing(tmp_path, *both, "--", "true") == "CF9230"
