"""Statements that only work behind others: recorded as transactions, and proved as such."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from crossfade.cli.migrate import migrate
from crossfade.migrations.shape import Shape, read_shape

TENANTS = """
CREATE TABLE notes (id serial PRIMARY KEY, tenant text NOT NULL, body text NOT NULL);
CREATE ROLE app_{0};
GRANT SELECT, INSERT, UPDATE ON notes TO app_{0};
GRANT USAGE ON SEQUENCE notes_id_seq TO app_{0};
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (tenant = current_setting('app.tenant'));
"""
TENANTS_APP = """
import psycopg
with psycopg.connect() as server:
    for tenant in ("acme", "umbrella"):
        with server.transaction():
            server.execute("SELECT set_config('app.tenant', %s, true)", (tenant,))
            server.execute("INSERT INTO notes (tenant, body) VALUES (%s, %s)", (tenant, "hello"))
        with server.transaction():
            server.execute("SELECT set_config('app.tenant', %s, true)", (tenant,))
            server.execute("SELECT body FROM notes").fetchall()
"""
POLICY = "SET lock_timeout = '1s'; ALTER POLICY own ON notes USING (tenant = current_setting('{0}', true));"
SELECT = "SELECT body FROM notes"

ORDERS = "CREATE TABLE orders (id serial PRIMARY KEY, sku text NOT NULL, amount int NOT NULL);"
TEMP_APP = """
import psycopg
with psycopg.connect() as server:
    server.execute("CREATE TEMP TABLE arriving (sku text, amount int) ON COMMIT DROP")
    for sku in ("a", "b"):
        server.execute("INSERT INTO arriving (sku, amount) VALUES (%s, %s)", (sku, 3))
    server.execute("INSERT INTO orders (sku, amount) SELECT sku, amount FROM arriving")
    server.execute("SELECT count(*) FROM orders")
"""
MOVES = "INSERT INTO orders (sku, amount) SELECT sku, amount FROM arriving"


def recorded(folder: Path, schema: str, app: str) -> Shape:
    (folder / "schema.sql").write_text(schema)
    done = CliRunner().invoke(
        migrate,
        ["record", "--schema", str(folder / "schema.sql"), "--out", str(folder / "shape.json"),
         "--", sys.executable, "-c", app],
        standalone_mode=False,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return read_shape((folder / "shape.json").read_text(), "shape.json")


def proved(folder: Path, migration: str) -> dict[str, object]:
    (folder / "m.sql").write_text(migration)
    shape = str(folder / "shape.json")
    done = CliRunner().invoke(
        migrate,
        ["prove", "--schema", str(folder / "schema.sql"), "--old", shape, "--new", shape,
         "--migration", str(folder / "m.sql"), "--json"],
        standalone_mode=False,
    )  # fmt: skip
    told = json.loads(done.output)
    assert isinstance(told, dict)
    return told


def examples(told: dict[str, object]) -> dict[str, str]:
    listed = told["counterexamples"]
    assert isinstance(listed, list)
    return {one["statement"]: one["kind"] for one in listed}


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tenants")
    recorded(folder, TENANTS.format("r"), TENANTS_APP)
    return folder


class TestRowSecurity:
    def test_each_transaction_is_kept_with_the_values_it_had(self, tenants: Path) -> None:
        shape = read_shape((tenants / "shape.json").read_text(), "shape.json")
        told = [[(one.text, one.values) for one in steps[:-1]] for steps in shape.replays]
        setting = ("SELECT set_config('app.tenant', $1, true)", ("acme",))
        assert told == [
            [setting, ("INSERT INTO notes (tenant, body) VALUES ($1, $2)", ("acme", "hello"))],
            [setting, (SELECT, ())],
        ]

    def test_r37_what_needs_its_setting_is_proved_with_it(self, tenants: Path) -> None:
        told = proved(tenants, "SET lock_timeout = '1s'; ALTER TABLE notes ADD COLUMN pinned boolean;")

        assert told["not_proved"] == []
        assert told["rollback_safe"] is True
        assert told["needs"] == []

    def test_r37_a_policy_that_reads_another_setting_hides_every_row(self, tenants: Path) -> None:
        told = proved(tenants, POLICY.format("app.customer"))

        assert told["rollback_safe"] is False
        assert examples(told)[SELECT] == "observed"

    def test_the_same_policy_again_is_no_difference(self, tenants: Path) -> None:
        assert proved(tenants, POLICY.format("app.tenant"))["rollback_safe"] is True


READERS = """
CREATE TABLE notes (id serial PRIMARY KEY, tenant text NOT NULL, body text NOT NULL);
{0}
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes FOR SELECT USING (tenant = current_setting('app.tenant', true));
CREATE POLICY adds ON notes FOR INSERT WITH CHECK (true);
"""
READERS_GRANT = """CREATE ROLE app_reads;
GRANT SELECT, INSERT ON notes TO app_reads;
GRANT USAGE ON SEQUENCE notes_id_seq TO app_reads;"""
READERS_APP = """
import psycopg
with psycopg.connect(autocommit=True) as server:
    for text in {0}:
        server.execute(text)
    with server.transaction():
        server.execute("INSERT INTO notes (tenant, body) VALUES ('acme', 'hello')")
        server.execute("SET LOCAL ROLE {1}")
        server.execute("SELECT set_config('app.tenant', %s, true)", ("acme",))
        server.execute("SELECT body FROM notes").fetchall()
"""


class TestRowSecurityThatForgives:
    """`current_setting(…, true)`: a statement by itself finds no row, and is content before and after."""

    def test_r37_a_reader_is_proved_behind_its_setting_all_the_same(self, tmp_path: Path) -> None:
        recorded(tmp_path, READERS.format(READERS_GRANT), READERS_APP.format((), "app_reads"))

        told = proved(tmp_path, POLICY.format("app.customer"))

        assert told["rollback_safe"] is False
        assert examples(told) == {SELECT: "observed"}

    def test_r37_a_role_that_only_the_tests_made_leaves_it_undecided(self, tmp_path: Path) -> None:
        grants = ("CREATE ROLE app_tests", "GRANT SELECT ON notes TO app_tests")
        recorded(tmp_path, READERS.format(""), READERS_APP.format(grants, "app_tests"))

        told = proved(tmp_path, POLICY.format("app.customer"))

        assert told["rollback_safe"] is None
        listed = told["not_proved"]
        assert isinstance(listed, list)
        (lost,) = listed
        assert lost["statement"] == "SET LOCAL ROLE app_tests"
        assert 'role "app_tests" does not exist' in lost["why"]

    def test_a_migration_of_something_else_is_decided_all_the_same(self, tmp_path: Path) -> None:
        grants = ("CREATE ROLE app_others", "GRANT SELECT ON notes TO app_others")
        recorded(tmp_path, READERS.format(""), READERS_APP.format(grants, "app_others"))

        told = proved(tmp_path, "CREATE TABLE more (id int);")

        assert (told["rollback_safe"], told["not_proved"]) == (True, [])


@pytest.fixture(scope="module")
def temp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("temp")
    recorded(folder, ORDERS, TEMP_APP)
    return folder


class TestTempTables:
    def test_r37_what_moves_rows_out_of_a_temp_table_is_missed(self, temp: Path) -> None:
        told = proved(temp, "SET lock_timeout = '1s'; ALTER TABLE orders RENAME amount TO pieces;")

        assert told["rollback_safe"] is False
        assert examples(told)[MOVES] == "observed"

    def test_a_column_more_is_no_matter(self, temp: Path) -> None:
        told = proved(temp, "SET lock_timeout = '1s'; ALTER TABLE orders ADD COLUMN note text;")

        assert (told["rollback_safe"], told["not_proved"]) == (True, [])


def test_r37_a_new_version_that_only_works_in_its_transactions_fails_by_nothing(temp: Path) -> None:
    told = proved(temp, "SET lock_timeout = '1s'; ALTER TABLE orders ADD COLUMN note text;")

    assert (told["new_version"], told["needs"]) == ([], [])


def test_r37_a_new_version_whose_transaction_is_refused_fails(temp: Path) -> None:
    told = proved(temp, "SET lock_timeout = '1s'; ALTER TABLE orders RENAME amount TO pieces;")

    listed = told["new_version"]
    assert isinstance(listed, list)
    assert MOVES in {one["statement"] for one in listed}
