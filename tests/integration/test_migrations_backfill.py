"""A backfill on a real PostgreSQL: every row once, whatever stands or falls in between."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from backfill_world import AUDITED, CHANGE, FULL_NAME, Hearing, World, first_pid, left, refused, still, told
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.errors import HeldError
from crossfade.migrations.backfill.live import RefusedStatementError
from crossfade.migrations.backfill.telling import Began, Moved
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.wire import name

pytestmark = pytest.mark.real
ON_ITS_OWN = Path(__file__).with_name("backfill_alone.py")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(18) as running:
        yield running


@pytest.fixture
def world(sandbox: Sandbox) -> World:
    return World(sandbox)


class TestDone:
    def test_every_row_is_filled_and_counted(self, world: World) -> None:
        outcome = world.backfill()

        assert (outcome.state, outcome.changed, left(world)) == ("done", 1000, "0")
        assert told(world, Began)[0].key == ("id",)

    def test_R40_a_second_run_changes_nothing(self, world: World) -> None:
        world.backfill()
        again = world.backfill()

        assert (again.state, again.changed, again.cursor.turn) == ("done", 0, 1)

    def test_rows_that_are_right_already_are_not_written_again(self, world: World) -> None:
        world.ask(f"UPDATE customers SET full_name = name WHERE id <= 300; {AUDITED}")
        outcome = world.backfill(replace(FULL_NAME, where=None))

        assert (outcome.changed, world.one("SELECT count(*) FROM audit")) == (700, "700")

    def test_null_is_a_value_that_a_row_may_have(self, world: World) -> None:
        world.ask("UPDATE customers SET name = NULL WHERE id % 10 = 0")
        outcome = world.backfill()

        assert (outcome.changed, left(world)) == (900, "0")

    def test_an_empty_table_is_done(self, sandbox: Sandbox) -> None:
        assert World(sandbox, rows=0).backfill().state == "done"

    def test_batches_are_as_large_as_they_may_be_and_no_larger(self, world: World) -> None:
        world.backfill(replace(FULL_NAME, target=timedelta(milliseconds=1)), rows=10)

        batches = [one for one in told(world, Moved) if one.turn == 1]
        assert sum(one.batch for one in batches) == 1000
        assert all(one.batch <= 50 for one in batches[:3])

    def test_rows_to_write_are_not_more_because_there_were_none_for_a_long_way(
        self, sandbox: Sandbox
    ) -> None:
        world = World(sandbox, rows=20_000)
        world.ask("UPDATE customers SET full_name = name WHERE id <= 15000")
        world.backfill(rows=50)

        moved = [one for one in told(world, Moved) if one.turn == 1]
        wrote = [now.changed - before.changed for before, now in pairwise(moved)]
        first = next(at for at, rows in enumerate(wrote) if rows)
        assert max(one.batch for one in moved[: first + 1]) > 500
        assert wrote[first] <= 50

    def test_the_ledger_has_it(self, world: World) -> None:
        world.backfill()

        assert world.ask("SELECT change, part, number, state, rows, who FROM crossfade.ledger") == (
            (CHANGE, "backfill", "0", "done", "1000", "test"),
        )

    def test_another_order_begins_at_the_first_row(self, world: World) -> None:
        world.backfill()
        outcome = world.backfill(replace(FULL_NAME, set=(("full_name", "upper(name)"),), where=None))

        assert (outcome.changed, world.one("SELECT full_name FROM customers WHERE id = 1")) == (
            1000,
            "NAME 1",
        )


OLD_VERSION = (
    "INSERT INTO customers (id, name) VALUES ({key}, 'in') ON CONFLICT DO NOTHING",
    "UPDATE customers SET name = name || '.', full_name = NULL WHERE id = {key}",
    "DELETE FROM customers WHERE id = {key}",
    "UPDATE customers SET id = -id - 1 WHERE id = {key}",
)
KEYS = {
    "bigint": "id bigint PRIMARY KEY | g",
    "text with odd ones": "id text PRIMARY KEY | chr(32 + g % 90) || '\\' || g || 'é'",
    "citext-like collation": 'id text COLLATE "C" PRIMARY KEY | md5(g::text)',
    "uuid": "id uuid PRIMARY KEY | md5(g::text)::uuid",
    "timestamptz": "id timestamptz PRIMARY KEY | '2026-01-01'::timestamptz + g * interval '1.000001 s'",
    "date and enum": "day date, kind kind, PRIMARY KEY (day, kind) | '2026-01-01'::date + g / 3, "
    "(enum_range(NULL::kind))[1 + g % 3]",
    "numeric, descending": "id numeric NOT NULL | g / 7.0",
    "char and bytea": "a char(5), b bytea, PRIMARY KEY (a, b) | (g % 7)::text, decode(md5(g::text), 'hex')",
    "float": "id float8 PRIMARY KEY | g / 3.0",
    "odd name": '"a "" b" int PRIMARY KEY | g',
}


class TestKeys:
    @pytest.mark.parametrize("called", KEYS)
    def test_every_row_is_met_by_whatever_key(self, sandbox: Sandbox, called: str) -> None:
        columns, _, values = KEYS[called].partition(" | ")
        world = World(sandbox, sql="CREATE TYPE kind AS ENUM ('z', 'a', 'm')")
        world.ask("ALTER DATABASE " + name(world.database.name) + " SET datestyle = 'SQL, DMY'")
        world.ask(f"CREATE TABLE customers ({columns}, name text DEFAULT 'x', full_name text)")
        if "descending" in called:
            world.ask("CREATE UNIQUE INDEX ON customers (id DESC)")
        world.ask(
            f"INSERT INTO customers SELECT {values} FROM generate_series(1, 500) g; {audited_by_ctid()}"
        )
        world.backfill(rows=37)

        assert left(world) == "0"
        assert world.one("SELECT count(*) FROM audit") == "500"

    def test_partitions_are_walked_as_one(self, sandbox: Sandbox) -> None:
        world = World(
            sandbox,
            sql="CREATE TABLE customers (id int, at date, name text DEFAULT 'x', full_name text, "
            "PRIMARY KEY (at, id)) PARTITION BY RANGE (at);"
            "CREATE TABLE c1 PARTITION OF customers FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');"
            "CREATE TABLE c2 PARTITION OF customers DEFAULT;"
            "INSERT INTO customers SELECT g, '2026-01-01'::date + g % 60 FROM generate_series(1, 500) g",
        )
        outcome = world.backfill(rows=37)

        assert (outcome.changed, left(world)) == (500, "0")

    @pytest.mark.parametrize(
        ("table", "key"),
        [
            ("id int", ()),
            ("id int UNIQUE", ()),
            ("id int PRIMARY KEY", ("name",)),
            ("id int NOT NULL, EXCLUDE USING btree (id WITH =)", ()),
        ],
    )
    def test_what_is_no_way_through_all_rows_is_refused(
        self, sandbox: Sandbox, table: str, key: tuple[str, ...]
    ) -> None:
        world = World(sandbox, sql=f"CREATE TABLE customers ({table}, name text, full_name text)")

        assert refused(world, order=replace(FULL_NAME, key=key)).id == "CF9284"

    @pytest.mark.parametrize(
        "index",
        [
            "(id) WHERE id > 0",
            "((id + 1))",
            "(id DESC, other)",
            "(words text_pattern_ops)",
            '(words COLLATE "C")',
        ],
    )
    def test_an_index_that_would_lose_rows_or_sort_them_all_is_no_key(
        self, sandbox: Sandbox, index: str
    ) -> None:
        world = World(
            sandbox,
            sql="CREATE TABLE customers (id int NOT NULL, other int NOT NULL, words text NOT NULL, "
            f"name text, full_name text); CREATE UNIQUE INDEX ON customers {index}",
        )

        assert refused(world).id == "CF9284"

    def test_not_null_that_was_never_validated_is_no_promise(self, sandbox: Sandbox) -> None:
        world = World(sandbox, sql="CREATE TABLE customers (id int UNIQUE, name text, full_name text)")
        world.ask("ALTER TABLE customers ADD NOT NULL id NOT VALID")

        assert refused(world).id == "CF9284"

    def test_a_key_that_is_set_is_none(self, world: World) -> None:
        assert refused(world, order=replace(FULL_NAME, set=(("id", "id + 1"),))).id == "CF9284"


def audited_by_ctid() -> str:
    return AUDITED.replace("NEW.id", "1")


class TestRefused:
    def test_what_would_never_end_is_rolled_back_and_said(self, world: World) -> None:
        error = refused(
            world, order=replace(FULL_NAME, set=(("touched", "touched + 1"),), where="touched < 99")
        )

        assert (error.id, error.exit_code) == ("CF9288", 11)
        assert world.one("SELECT sum(touched) FROM customers") == "0"

    def test_an_expression_that_a_row_cannot_take_stops_there_and_keeps_what_is_done(
        self, world: World
    ) -> None:
        world.ask("UPDATE customers SET touched = 1 WHERE id = 555")
        order = replace(FULL_NAME, set=(("full_name", "(1 / (1 - touched))::text"),))
        error = refused(world, order=order, rows=10)

        assert isinstance(error, RefusedStatementError)
        assert (error.id, "division by zero" in error.what) == ("CF9286", True)
        assert "rows behind (id) = (" in error.why
        assert 0 < int(world.one("SELECT count(*) FROM customers WHERE full_name = '1'") or 0) < 555

    def test_values_of_rows_are_in_no_message(self, world: World) -> None:
        world.ask("UPDATE customers SET name = 'hush'")
        cast = refused(world, order=replace(FULL_NAME, set=(("touched", "name::int"),)))
        world.ask(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'not %', NEW.name; END $$; "
            "CREATE TRIGGER no BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION no()"
        )
        raised = refused(world)

        assert cast.what == 'the database refused: invalid input syntax for type integer: "…"'
        assert "hush" not in "".join([*cast.lines(), *raised.lines()])

    @pytest.mark.parametrize("called", ["nobody", "seen", "public.nobody"])
    def test_what_is_no_table_is_refused(self, world: World, called: str) -> None:
        world.ask("CREATE VIEW seen AS SELECT * FROM customers")

        assert refused(world, order=replace(FULL_NAME, table=called)).id == "CF9282"

    def test_rows_hidden_from_this_role_are_not_passed_over_in_silence(self, world: World) -> None:
        app = world.role("app", "ALL ON customers", f"CREATE ON DATABASE {name(world.database.name)}")
        world.ask(
            "ALTER TABLE customers ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON customers USING (id < 9)"
        )
        world.dsn += f" user={app}"

        assert refused(world).id == "CF9282"

    def test_without_a_right_it_says_which(self, world: World) -> None:
        world.dsn += f" user={world.role('poor', 'SELECT ON customers')}"
        error = refused(world)

        assert (error.id, error.exit_code, "GRANT" in error.fix) == ("CF9280", 3, True)

    def test_a_second_runner_is_told_who_the_first_is(self, world: World) -> None:
        with world.live() as first:
            first.hold(CHANGE, still())
            error = refused(world)

        assert isinstance(error, HeldError)
        assert f"pid {first_pid(error.why)}, crossfade test" in error.why


writes = st.lists(st.tuples(st.sampled_from(OLD_VERSION), st.integers(0, 45)), max_size=25)


class TestAnyOrder:
    @given(writes, st.integers(10, 20), st.integers(0, 4))
    @settings(max_examples=25, deadline=None)
    def test_R40_whatever_the_old_version_wrote_between_batches_the_next_run_leaves_nothing(
        self, sandbox: Sandbox, steps: list[tuple[str, int]], rows: int, pace: int
    ) -> None:
        world = shared(sandbox)
        world.ask(
            "TRUNCATE customers; INSERT INTO customers SELECT g, 'n' || g FROM generate_series(1, 40) g"
        )
        left_to_write = list(steps)

        def old_version(said: Any) -> None:
            if isinstance(said, Moved):
                for _ in range(pace):
                    if left_to_write:
                        sql, key = left_to_write.pop()
                        world.session.attempt(sql.format(key=key))

        world.said = Hearing(old_version)
        order = replace(FULL_NAME, target=timedelta(milliseconds=1))
        first = world.backfill(order, rows=rows)
        behind = int(left(world) or 0)
        world.said = []
        second = world.backfill(order, rows=rows, written_by_trigger=True)

        assert (first.state, second.state, left(world)) == ("done", "done", "0")
        assert second.changed == behind <= len(steps)


@cache
def shared(sandbox: Sandbox) -> World:
    """One database for all examples of a property."""
    return World(sandbox, rows=0)


class TestStopped:
    def test_R40_stopped_after_a_batch_it_goes_on_where_it_was(self, world: World) -> None:
        world.ask(AUDITED)
        pulse = still()
        world.said = Hearing(
            lambda said: pulse.stop.set() if isinstance(said, Moved) and said.seen > 300 else None
        )
        first = world.backfill(pulse=pulse)
        world.said = []
        second = world.backfill()

        assert (first.state, second.state) == ("stopped", "done")
        assert (told(world, Began)[0].again, told(world, Began)[0].seen) == (True, first.cursor.seen)
        assert first.changed + second.changed == 1000
        assert world.one("SELECT count(*) FROM audit") == "1000"

    def test_R40_a_column_made_again_in_between_is_filled_from_the_first_row(self, world: World) -> None:
        pulse = still()
        world.said = Hearing(lambda said: pulse.stop.set() if isinstance(said, Moved) else None)
        world.backfill(pulse=pulse)
        world.ask(
            "ALTER TABLE customers DROP COLUMN full_name; ALTER TABLE customers ADD COLUMN full_name text"
        )
        world.backfill(written_by_trigger=True)

        assert left(world) == "0"

    def test_R40_killed_at_any_moment_every_row_is_written_exactly_once(self, sandbox: Sandbox) -> None:
        world = World(sandbox, rows=6000)
        world.ask(AUDITED)
        said = subprocess.run(
            [sys.executable, str(ON_ITS_OWN), world.dsn, "20", "9", "0.12", "1"],
            stdout=subprocess.PIPE, check=True, timeout=60,
        )  # fmt: skip

        assert left(world) == "0"
        assert world.ask("SELECT count(*), count(DISTINCT id) FROM audit") == (("6000", "6000"),)
        assert int(said.stdout) >= 10


@pytest.mark.parametrize(("rows", "said"), [(500, None), (0, 0)])
def test_rows_of_a_table_that_was_never_analysed_are_not_said_to_be_none(
    sandbox: Sandbox, rows: int, said: int | None
) -> None:
    sql = """
    CREATE TABLE customers (id int PRIMARY KEY, name text, full_name text);
    ALTER TABLE customers SET (autovacuum_enabled = off);
    INSERT INTO customers (id, name) SELECT g, 'name' FROM generate_series(1, {rows}) g
    """
    world = World(sandbox, rows=rows, sql=sql)
    assert world.backfill().state == "done"
    began = next(one for one in world.said if isinstance(one, Began))
    moved = [one for one in world.said if isinstance(one, Moved)]
    assert began.rows == said
    assert all(one.rows == said and one.share is None for one in moved)
