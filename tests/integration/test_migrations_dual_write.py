"""Old and new columns in step by a trigger, whoever writes, in whatever order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from backfill_world import CHANGE, World, dual
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossfade.errors import AccessError, RefusedError
from crossfade.migrations.answers import Failure
from crossfade.migrations.backfill import in_place, install, remove
from crossfade.migrations.sandbox import Sandbox
from crossfade.migrations.wire import Session, literal, name
from crossfade.spec.change_models import DualWrite

pytestmark = pytest.mark.real

FULL_NAME = dual(("name", "full_name", "NEW.name", "left(NEW.full_name, 3)"))
SPLIT = dual(
    ("name", "first", "split_part(NEW.name, ' ', 1)", "NEW.first || ' ' || NEW.last"),
    ("name", "last", "split_part(NEW.name, ' ', 2)", "NEW.first || ' ' || NEW.last"),
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(18) as running:
        yield running


def put_in_place(session: Session, wanted: DualWrite) -> None:
    session.ask("; ".join(["BEGIN", *install(session, CHANGE, wanted), "COMMIT"]))


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> World:
    made = World(sandbox, rows=3)
    put_in_place(made.session, FULL_NAME)
    return made


@dataclass
class Row:
    name: str | None = None
    full: str | None = None

    def old_wrote(self, value: str | None) -> None:
        if value != self.name:
            self.name = self.full = value

    def new_wrote(self, value: str | None) -> None:
        if value != self.full:
            self.full, self.name = value, down(value)

    def both_wrote(self, value: str | None) -> None:
        """Only one of them is another value now: nobody can tell that from one written alone."""
        if value == self.full:
            self.old_wrote(down(value))
        else:
            self.full, self.name = value, down(value)


def down(value: str | None) -> str | None:
    return value[:3] if value is not None else None


values = st.one_of(st.none(), st.text("ab'é\\$ ", max_size=5), st.sampled_from(["abcd", "abc"]))
writers = st.sampled_from(["old", "new", "both"])
kinds = st.sampled_from(["insert", "update", "upsert"])
writes = st.tuples(writers, kinds, st.integers(1, 3), values)


class TestAgainstAModel:
    @given(st.lists(writes, max_size=14))
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_order_of_old_and_new_writers_leaves_both_in_step(
        self, world: World, steps: Sequence[tuple[str, str, int, str | None]]
    ) -> None:
        world.ask("BEGIN; TRUNCATE customers")
        rows: dict[int, Row] = {}
        try:
            for who, kind, key, value in steps:
                if kind == "update" and key not in rows:
                    continue
                there = kind == "insert" and key in rows
                world.ask(statement(who, "update" if there else kind, key, value))
                row = rows.setdefault(key, Row())
                if who == "both":
                    row.both_wrote(value)
                elif who == "old":
                    row.old_wrote(value)
                else:
                    row.new_wrote(value)
            found = world.ask("SELECT id, name, full_name FROM customers ORDER BY id")
            offending = world.one(
                "SELECT count(*) FROM customers WHERE name IS DISTINCT FROM left(full_name, 3)"
                " AND name IS DISTINCT FROM full_name"
            )
        finally:
            world.ask("ROLLBACK")

        assert found == tuple((str(key), row.name, row.full) for key, row in sorted(rows.items()))
        assert offending == "0"


def statement(who: str, kind: str, key: int, value: str | None) -> str:
    short = literal(down(value))
    given = {
        "old": {"name": literal(value)},
        "new": {"full_name": literal(value)},
        "both": {"name": short, "full_name": literal(value)},
    }[who]
    sets = ", ".join(f"{column} = {sql}" for column, sql in given.items())
    if kind == "update":
        return f"UPDATE customers SET {sets} WHERE id = {key}"
    insert = f"INSERT INTO customers (id, {', '.join(given)}) VALUES ({key}, {', '.join(given.values())})"
    if kind == "insert":
        return insert
    taken = ", ".join(f"{column} = EXCLUDED.{column}" for column in given)
    return f"{insert} ON CONFLICT (id) DO UPDATE SET {taken}"


class TestWriters:
    def test_copy_is_a_writer_too(self, sandbox: Sandbox) -> None:
        world = World(sandbox, rows=0)
        put_in_place(world.session, FULL_NAME)
        world.ask("COPY customers (id, name) FROM PROGRAM 'echo 1,ann' (FORMAT csv)")

        assert world.ask("SELECT name, full_name FROM customers") == (("ann", "ann"),)

    def test_merge_is_a_writer_too(self, sandbox: Sandbox) -> None:
        world = World(sandbox, rows=1)
        put_in_place(world.session, FULL_NAME)
        world.ask(
            "MERGE INTO customers c USING (VALUES (1, 'x'), (2, 'yy')) v (id, n) ON c.id = v.id "
            "WHEN MATCHED THEN UPDATE SET full_name = v.n "
            "WHEN NOT MATCHED THEN INSERT (id, name) VALUES (id, n)"
        )

        assert world.ask("SELECT name, full_name FROM customers ORDER BY id") == (("x", "x"), ("yy", "yy"))

    def test_a_name_split_in_two_is_one_thing_written(self, sandbox: Sandbox) -> None:
        world = World(
            sandbox, sql="CREATE TABLE customers (id int PRIMARY KEY, name text, first text, last text)"
        )
        put_in_place(world.session, SPLIT)
        world.ask("INSERT INTO customers (id, name) VALUES (1, 'Ann Lee')")
        world.ask("INSERT INTO customers (id, first, last) VALUES (2, 'Bob', '')")
        world.ask("UPDATE customers SET last = 'Ray' WHERE id = 1")
        world.ask("UPDATE customers SET name = 'Cy Orr' WHERE id = 2")

        assert world.ask("SELECT name, first, last FROM customers ORDER BY id") == (
            ("Ann Ray", "Ann", "Ray"),
            ("Cy Orr", "Cy", "Orr"),
        )

    def test_what_equality_hides_follows_too(self, sandbox: Sandbox) -> None:
        world = World(sandbox, sql="CREATE TABLE customers (id int PRIMARY KEY, a numeric, b numeric)")
        put_in_place(world.session, dual(("a", "b", "NEW.a", "NEW.b")))
        world.ask("INSERT INTO customers VALUES (1, 1.0, 1.0); UPDATE customers SET a = 1.00")

        assert world.ask("SELECT a, b FROM customers") == (("1.00", "1.00"),)

    def test_types_without_equality_are_compared_as_well(self, sandbox: Sandbox) -> None:
        world = World(sandbox, sql="CREATE TABLE customers (id int PRIMARY KEY, a json, b json DEFAULT '{}')")
        put_in_place(world.session, dual(("a", "b", "NEW.a", "NEW.b")))
        world.ask("INSERT INTO customers (id, a) VALUES (1, '[1]'); UPDATE customers SET b = '[2]'")

        assert world.ask("SELECT a, b FROM customers") == (("[2]", "[2]"),)

    def test_a_default_is_no_value_that_was_given(self, sandbox: Sandbox) -> None:
        world = World(
            sandbox,
            sql="CREATE TABLE customers (id int PRIMARY KEY, state text DEFAULT 'new', code int DEFAULT 7)",
        )
        up, down = (
            "CASE NEW.state WHEN 'new' THEN 1 ELSE 2 END",
            "CASE NEW.code WHEN 1 THEN 'new' ELSE 'old' END",
        )
        put_in_place(world.session, dual(("state", "code", up, down)))
        world.ask("INSERT INTO customers (id) VALUES (1); INSERT INTO customers (id, code) VALUES (2, 2)")
        world.ask("INSERT INTO customers (id, state) VALUES (3, 'old')")

        assert world.ask("SELECT state, code FROM customers ORDER BY id") == (
            ("new", "1"),
            ("old", "2"),
            ("old", "2"),
        )

    def test_an_old_serial_gives_way_to_a_new_key(self, sandbox: Sandbox) -> None:
        world = World(sandbox, sql="CREATE TABLE customers (id serial PRIMARY KEY, big bigint)")
        put_in_place(world.session, dual(("id", "big", "NEW.id", "NEW.big")))
        world.ask("INSERT INTO customers DEFAULT VALUES; INSERT INTO customers (big) VALUES (900)")

        assert world.ask("SELECT id, big FROM customers ORDER BY 1") == (("1", "1"), ("900", "900"))

    def test_it_comes_after_a_trigger_that_mends_what_was_written(self, sandbox: Sandbox) -> None:
        world = World(sandbox, rows=1)
        world.ask(
            "CREATE FUNCTION trimmed() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN NEW.name := trim(NEW.name); RETURN NEW; END $$; "
            "CREATE TRIGGER z_trim BEFORE INSERT OR UPDATE ON customers "
            "FOR EACH ROW EXECUTE FUNCTION trimmed()"
        )
        put_in_place(world.session, FULL_NAME)
        world.ask("UPDATE customers SET name = '  ann  '")

        assert world.ask("SELECT name, full_name FROM customers") == (("ann", "ann"),)

    def test_partitions_have_it(self, sandbox: Sandbox) -> None:
        world = World(
            sandbox,
            sql="CREATE TABLE customers (id int PRIMARY KEY, name text, full_name text) "
            "PARTITION BY HASH (id);"
            "CREATE TABLE c0 PARTITION OF customers FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
            "CREATE TABLE c1 PARTITION OF customers FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        )
        put_in_place(world.session, FULL_NAME)
        world.ask("INSERT INTO customers (id, name) SELECT g, 'x' FROM generate_series(1, 9) g")

        assert world.one("SELECT count(*) FROM customers WHERE full_name = 'x'") == "9"


class TestSurvives:
    def test_odd_names(self, sandbox: Sandbox) -> None:
        odd = ['o"dd Tab;le', "ol'd", 'Ne"w $$ {x}']
        table, old, new = map(name, odd)
        world = World(sandbox, sql="")
        world.ask(f"CREATE SCHEMA {name('My App')}")
        world.ask(f"CREATE TABLE {name('My App', odd[0])} (id int PRIMARY KEY, {old} text, {new} text)")
        wanted = dual((odd[1], odd[2], f"NEW.{old}", f"NEW.{new}"), table=f"{name('My App')}.{table}")
        put_in_place(world.session, wanted)
        world.ask(f"INSERT INTO {name('My App', odd[0])} (id, {old}) VALUES (1, 'x')")

        assert world.one(f"SELECT {new} FROM {name('My App', odd[0])}") == "x"
        assert in_place(world.session, CHANGE, wanted)

    def test_a_hostile_search_path_of_a_writer_who_has_next_to_no_rights(self, sandbox: Sandbox) -> None:
        world = World(sandbox, rows=1)
        put_in_place(world.session, FULL_NAME)
        app = world.role("app", "SELECT, UPDATE ON customers")
        world.ask(
            f"CREATE SCHEMA evil AUTHORIZATION {name(app)};"
            "CREATE FUNCTION evil.\"left\"(text, int) RETURNS text LANGUAGE sql AS $$ SELECT 'stolen' $$;"
            f"GRANT USAGE ON SCHEMA evil TO {name(app)};"
            "CREATE FUNCTION public.\"left\"(text, int) RETURNS text LANGUAGE sql AS $$ SELECT 'stolen' $$"
        )
        with Session(f"{world.dsn} user={app}") as session:
            session.ask("SET search_path = evil, pg_catalog, public")
            session.ask("UPDATE public.customers SET full_name = 'Annabel'")

        assert world.one("SELECT name FROM customers") == "Ann"

    def test_functions_of_the_application_are_found_from_wherever_it_is_called(
        self, sandbox: Sandbox
    ) -> None:
        world = World(sandbox, rows=1)
        world.ask("CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql AS $$ SELECT upper($1) $$")
        put_in_place(world.session, dual(("name", "full_name", "shout(NEW.name)", "lower(NEW.full_name)")))
        world.ask("SET search_path = pg_catalog; UPDATE public.customers SET name = 'ann'; RESET search_path")

        assert world.one("SELECT full_name FROM customers") == "ANN"

    def test_a_runner_that_is_a_member_of_the_owner(self, sandbox: Sandbox) -> None:
        world = World(sandbox, rows=1)
        owner = world.role("owner", "CREATE ON SCHEMA public")
        world.ask(f"ALTER TABLE customers OWNER TO {name(owner)}")
        runner = world.role("runner", f"CREATE ON DATABASE {name(world.database.name)}")
        with Session(f"{world.dsn} user={runner}") as session:
            with pytest.raises(AccessError) as caught:
                install(session, CHANGE, FULL_NAME)
            world.ask(f"GRANT {name(owner)} TO {name(runner)}")
            put_in_place(session, FULL_NAME)
            world.ask("UPDATE customers SET name = 'ann'")
            session.ask("; ".join(["BEGIN", *remove(session, CHANGE, FULL_NAME), "COMMIT"]))

        assert (caught.value.id, caught.value.exit_code) == ("CF9280", 3)
        assert world.one("SELECT full_name FROM customers") == "ann"
        assert world.one("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == "0"


class TestInPlace:
    def test_it_is_there_when_it_does_what_is_asked_for_now(self, sandbox: Sandbox) -> None:
        world = World(sandbox, rows=1)
        before = in_place(world.session, CHANGE, FULL_NAME)
        put_in_place(world.session, FULL_NAME)
        there = in_place(world.session, CHANGE, FULL_NAME)
        other = in_place(
            world.session, CHANGE, dual(("name", "full_name", "upper(NEW.name)", "NEW.full_name"))
        )
        world.ask("ALTER TABLE customers DISABLE TRIGGER USER")

        assert (before, there, other, in_place(world.session, CHANGE, FULL_NAME)) == (
            False,
            True,
            False,
            False,
        )

    def test_it_can_be_put_in_place_again(self, sandbox: Sandbox) -> None:
        world = World(sandbox, rows=1)
        put_in_place(world.session, FULL_NAME)
        put_in_place(world.session, FULL_NAME)

        assert world.one("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == "2"

    def test_R37_a_column_that_it_needs_cannot_be_dropped_under_it(self, sandbox: Sandbox) -> None:
        world = World(sandbox, rows=1)
        put_in_place(world.session, FULL_NAME)

        said = world.session.attempt("ALTER TABLE customers DROP COLUMN name")

        assert isinstance(said, Failure)
        assert said.sqlstate == "2BP01"

    def test_a_table_that_is_not_there_is_refused(self, sandbox: Sandbox) -> None:
        world = World(sandbox, rows=1)

        with pytest.raises(RefusedError) as caught:
            install(world.session, CHANGE, dual(("a", "b", "NEW.a", "NEW.b"), table="nobody"))

        assert caught.value.id == "CF9282"
