"""The invariant, counted on a real PostgreSQL without holding anything back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from backfill_world import FULL_NAME, World, change, silent, still

from crossfade.errors import CrossfadeError
from crossfade.migrations.backfill import Verified, verify
from crossfade.migrations.backfill.telling import Moved, Told, TriedAgain
from crossfade.migrations.sandbox import Sandbox

pytestmark = pytest.mark.real
SAME = "full_name IS NOT DISTINCT FROM name"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(18) as running:
        yield running


@pytest.fixture
def world(sandbox: Sandbox) -> World:
    made = World(sandbox)
    made.ask("UPDATE customers SET full_name = name")
    return made


def verified(world: World, invariant: str | None = SAME, **more: Any) -> Verified:
    with world.live() as session:
        wanted = change(invariant, **({"backfill": FULL_NAME} | more))
        return verify(session, wanted, who="test", tell=world.said.append, pulse=still())


def ledger(world: World) -> Any:
    return world.ask("SELECT part, state, rows FROM crossfade.ledger")


class TestCounted:
    def test_nothing_offends(self, world: World) -> None:
        found = verified(world)

        assert (found.holds, found.offending, found.seen) == (True, 0, 1000)
        assert ledger(world) == (("verify", "done", "0"),)

    def test_R37_rows_that_offend_are_counted_and_kept(self, world: World) -> None:
        world.ask("UPDATE customers SET full_name = 'x' WHERE id % 100 = 7")
        found = verified(world)

        assert (found.holds, found.offending, found.keys) == (False, 10, ("id",))
        assert found.sample == (("7",), ("107",), ("207",), ("307",), ("407",))
        assert ledger(world) == (("verify", "failed", "10"),)

    def test_what_is_neither_true_nor_false_does_not_hold(self, world: World) -> None:
        world.ask("UPDATE customers SET full_name = NULL WHERE id = 3")

        assert verified(world, "full_name = name").sample == (("3",),)

    def test_the_query_that_is_shown_finds_the_same_rows(self, world: World) -> None:
        world.ask("UPDATE customers SET full_name = 'x' WHERE id < 4")
        found = verified(world)

        assert len(world.ask(found.find)) == found.offending

    def test_keys_that_may_name_a_person_are_not_shown(self, sandbox: Sandbox) -> None:
        world = World(
            sandbox,
            sql="CREATE TABLE customers (mail text PRIMARY KEY, name text, full_name text);"
            "INSERT INTO customers VALUES ('ann@example.org', 'a', 'b')",
        )
        found = verified(world)

        assert (found.offending, found.sample) == (1, ())

    def test_a_query_of_its_own_counts_what_it_finds(self, world: World) -> None:
        world.ask("UPDATE customers SET full_name = 'x' WHERE id < 4")
        found = verified(world, "SELECT id FROM customers WHERE full_name <> name;")

        assert (found.offending, found.seen) == (3, None)

    def test_no_snapshot_outlives_a_batch(self, world: World) -> None:
        """What a vacuum may take away moves on while the count runs."""
        horizons = []

        class Watching(list[Any]):
            def append(self, said: Any) -> None:
                assert isinstance(said, Moved)
                world.ask("UPDATE customers SET touched = touched + 1 WHERE id = 1")
                horizons.append(
                    world.one(
                        "SELECT count(*) FROM pg_stat_activity "
                        "WHERE application_name = 'crossfade test' AND backend_xmin IS NOT NULL"
                    )
                )

        world.said = Watching()
        verified(world, backfill=replace(FULL_NAME, rows=10))

        assert len(horizons) > 5
        assert set(horizons) == {"0"}

    def test_a_table_that_is_locked_is_asked_again(self, world: World) -> None:
        with world.database.connect() as other:
            other.ask("BEGIN; LOCK TABLE customers")

            def let_go(said: Told) -> None:
                if isinstance(said, TriedAgain):
                    other.attempt("COMMIT")

            with world.live() as session:
                wanted = change(SAME, backfill=FULL_NAME)
                found = verify(session, wanted, who="test", tell=let_go, pulse=still())

        assert (found.seen, found.offending) == (1000, 0)

    def test_stopped_it_says_so(self, world: World) -> None:
        pulse = still()
        pulse.stop.set()
        with world.live() as session:
            found = verify(session, change(SAME, backfill=FULL_NAME), who="t", tell=silent, pulse=pulse)

        assert (found.stopped, found.holds) == (True, False)
        assert ledger(world) == (("verify", "started", None),)


class TestRefused:
    def test_without_an_invariant_there_is_nothing_to_verify(self, world: World) -> None:
        with pytest.raises(CrossfadeError) as caught:
            verified(world, None)

        assert (caught.value.id, caught.value.exit_code) == ("CF9292", 11)

    def test_a_condition_that_cannot_be_read_is_said(self, world: World) -> None:
        with pytest.raises(CrossfadeError) as caught:
            verified(world, "fullname = name")

        assert (caught.value.id, "fullname" in caught.value.what) == ("CF9286", True)

    def test_a_query_that_writes_is_not_let(self, world: World) -> None:
        with pytest.raises(CrossfadeError) as caught:
            verified(world, "WITH x AS (DELETE FROM customers RETURNING 1) SELECT * FROM x")

        assert caught.value.id == "CF9286"
        assert world.one("SELECT count(*) FROM customers") == "1000"
