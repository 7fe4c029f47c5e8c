"""The pure parts of a backfill: its pace, its statements, its progress, the trigger's groups."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crossfade.cli.migrate_backfill import standbys_of
from crossfade.cli.migrating import Where
from crossfade.errors import RefusedError, UsageError
from crossfade.migrations.backfill.meaning import digest_of, triggers_fired
from crossfade.migrations.backfill.pace import FEWEST, MOST, Pace
from crossfade.migrations.backfill.pauses import Trail
from crossfade.migrations.backfill.sql import Values, Way, bounds
from crossfade.migrations.backfill.standbys import Seen
from crossfade.migrations.backfill.table import Column, Table, Trigger
from crossfade.migrations.backfill.telling import Moved
from crossfade.migrations.backfill.trigger import _short, body_of, groups
from crossfade.spec.change_models import Backfill, Pair


def column(name: str, kind: str = "integer", category: str = "N", **more: object) -> Column:
    return Column(name=name, type=kind, kind=category, not_null=True, **more)  # type: ignore[arg-type]


def table(*columns: Column, keys: tuple[tuple[str, ...], ...] = (("id",),), **more: object) -> Table:
    told: dict[str, object] = {
        "oid": 1, "schema": "public", "name": "customers", "columns": {one.name: one for one in columns},
        "keys": keys, "unique": frozenset(part for key in keys for part in key), "triggers": (), "rows": 0,
        "parts": (1,),
    } | more  # fmt: skip
    return Table(**told)  # type: ignore[arg-type]


CUSTOMERS = table(
    column("id"), column("shop", "uuid", "U"), column("at", "timestamp with time zone", "D"),
    column("name", "text", "S"), column("full_name", "character varying(60)", "S"),
    keys=(("id",), ("shop", "at")),
)  # fmt: skip
ORDER = Backfill(table="customers", set=(("full_name", "name"),), key=(), where="full_name IS NULL")

seconds = st.floats(min_value=0, max_value=100, allow_nan=False)
sizes = st.integers(min_value=-10, max_value=200_000)


class TestPace:
    @given(sizes, st.floats(0.01, 5), st.lists(st.tuples(seconds, st.integers(0, 50)), max_size=30))
    def test_it_never_leaves_its_bounds(
        self, rows: int, target: float, batches: list[tuple[float, int]]
    ) -> None:
        pace = Pace.of(rows, target)
        for took, waiting in batches:
            pace = pace.after(took, waiting)
            assert FEWEST <= pace.rows <= MOST
            assert 0 <= pace.rest_s <= target

    @given(sizes, st.floats(0.01, 5), st.floats(1.001, 100))
    def test_what_took_too_long_is_smaller_the_next_time(
        self, rows: int, target: float, times: float
    ) -> None:
        pace = Pace.of(rows, target)

        after = pace.after(target * times)

        assert after.rows < pace.rows or pace.rows == FEWEST
        assert after.rows <= max(pace.rows / times, FEWEST)

    @example(rows=12, target=2.8169411857537687, share=1.0)
    @example(rows=10, target=1.0, share=2.2250738585e-313)
    @given(sizes, st.floats(0.01, 5), st.floats(0, 1))
    def test_what_was_quick_grows_by_half_at_most_and_never_shrinks(
        self, rows: int, target: float, share: float
    ) -> None:
        pace = Pace.of(rows, target)

        after = pace.after(target * share)

        assert pace.rows <= after.rows <= pace.rows * 1.5 + 1

    @given(st.floats(0.00001, 0.01), st.floats(0.0, 0.01), sizes)
    def test_with_a_steady_price_a_row_it_comes_to_its_target_and_stays(
        self, price: float, fixed: float, rows: int
    ) -> None:
        pace = Pace.of(rows, 0.2)
        for _ in range(40):
            pace = pace.after(fixed + pace.rows * price)

        for _ in range(20):
            took = fixed + pace.rows * price
            assert took <= 0.2 * 1.05 or pace.rows == FEWEST
            assert took >= 0.2 * 0.8 or pace.rows == MOST
            pace = pace.after(took)

    def test_a_crowd_that_waits_halves_it_and_gives_them_room(self) -> None:
        pace = Pace.of(1000, 0.2).after(0.1, waiting=4)

        assert (pace.rows, pace.rest_s) == (500, 0.1)

    @given(st.integers(1, 1000), st.floats(0, 1))
    def test_a_batch_that_was_rolled_back_is_halved_and_waits_a_bounded_while(
        self, tries: int, jitter: float
    ) -> None:
        pace = Pace.of(1000, 0.2).refused(tries, jitter)

        assert pace.rows == 500
        assert 0.05 < pace.rest_s <= 10


class TestStatements:
    def test_a_composite_key_is_compared_as_a_row_with_its_own_types(self) -> None:
        way = Way(table=CUSTOMERS, key=CUSTOMERS.way(["shop", "at"]))

        sql = way.slice(("a", "b"), 7, "true")

        assert (
            'WHERE ("customers"."shop", "customers"."at") > ($1::uuid, $2::timestamp with time zone)\n'
            'ORDER BY "customers"."shop", "customers"."at" LIMIT 7'
        ) in sql
        assert "crossfade_key_0::text, pg_catalog.to_jsonb(crossfade_key_1) #>> '{}'" in sql

    def test_a_range_has_the_parameters_of_both_ends(self) -> None:
        way = Way(table=CUSTOMERS, key=CUSTOMERS.way(["shop", "at"]))

        sql = way.change(("a", "b"), ("c", "d"), Values.of(CUSTOMERS, ORDER))

        assert '"customers"."at") <= ($3::uuid, $4::timestamp with time zone)' in sql
        assert bounds(("a", "b"), ("c", "d")) == ["a", "b", "c", "d"]
        assert bounds(None, ("c", "d")) == ["c", "d"]

    def test_what_both_ends_have_in_common_is_compared_by_itself(self) -> None:
        way = Way(table=CUSTOMERS, key=CUSTOMERS.way(["shop", "at"]))

        sql = way.change(("a", "b"), ("a", "d"), Values.of(CUSTOMERS, ORDER))

        assert (
            'WHERE "customers"."shop" = $1::uuid AND ("customers"."at") > ($2::timestamp with time zone)'
            ' AND "customers"."shop" = $3::uuid AND ("customers"."at") <= ($4::timestamp with time zone)'
        ) in sql

    def test_it_never_waits_for_a_row(self) -> None:
        way = Way(table=CUSTOMERS, key=CUSTOMERS.way([]))

        assert 'FOR NO KEY UPDATE OF "customers" SKIP LOCKED' in way.change(
            None, ("1",), Values.of(CUSTOMERS, ORDER)
        )

    def test_a_value_that_a_foreign_key_may_point_to_is_locked_as_one(self) -> None:
        way = Way(table=CUSTOMERS, key=CUSTOMERS.way([]))
        order = Backfill(table="customers", set=(("shop", "gen_random_uuid()"),), key=())

        assert 'FOR UPDATE OF "customers" SKIP LOCKED' in way.change(
            None, ("1",), Values.of(CUSTOMERS, order)
        )

    def test_a_comment_at_the_end_of_an_expression_swallows_nothing(self) -> None:
        order = Backfill(
            table="customers", set=(("full_name", "name -- as it is"),), key=(), where="true -- all"
        )

        values = Values.of(CUSTOMERS, order)

        assert values.assignments == '"full_name" = (\nname -- as it is\n)'
        assert values.due.startswith("(\ntrue -- all\n) IS TRUE AND ROW(")

    def test_a_column_that_is_not_there_is_named_with_those_that_are(self) -> None:
        with pytest.raises(RefusedError) as caught:
            Values.of(CUSTOMERS, Backfill(table="customers", set=(("fullname", "name"),), key=()))

        assert (caught.value.id, "full_name" in caught.value.why) == ("CF9283", True)

    def test_a_key_that_is_none_is_refused_with_those_that_are(self) -> None:
        with pytest.raises(RefusedError) as caught:
            CUSTOMERS.way(["name"])

        assert (caught.value.id, "(shop, at)" in caught.value.why) == ("CF9284", True)

    def test_a_table_without_a_key_is_refused_with_the_way_to_one(self) -> None:
        with pytest.raises(RefusedError) as caught:
            table(column("id"), keys=()).way([])

        assert (caught.value.id, "UNIQUE INDEX CONCURRENTLY" in caught.value.fix) == ("CF9284", True)


class TestMeaning:
    def test_another_expression_is_another_backfill(self) -> None:
        other = Backfill(
            table="customers", set=(("full_name", "upper(name)"),), key=(), where="full_name IS NULL"
        )

        assert digest_of(ORDER, CUSTOMERS) != digest_of(other, CUSTOMERS)

    def test_another_pace_is_the_same_backfill(self) -> None:
        slower = Backfill(
            table="customers", set=ORDER.set, key=(), where=ORDER.where, rows=10, target=timedelta(seconds=1)
        )

        assert digest_of(slower, CUSTOMERS) == digest_of(ORDER, CUSTOMERS)

    def test_triggers_of_other_columns_do_not_fire(self) -> None:
        found = table(
            column("id"),
            triggers=(
                Trigger(name="audit"),
                Trigger(name="of_name", columns=frozenset({"name"})),
                Trigger(name="of_full", columns=frozenset({"full_name", "x"})),
            ),
        )

        assert triggers_fired(found, frozenset({"full_name"})) == ("audit", "of_full")


class TestProgress:
    def test_what_nobody_knows_is_none(self) -> None:
        moved = Moved(seen=5, rows=0, changed=5, skipped=0, batch=5, took_s=1, rate=0)

        assert (moved.share, moved.left_s) == (None, None)

    @given(st.integers(0, 10**9), st.integers(1, 10**9), st.floats(0.1, 10**6))
    def test_the_rest_is_never_negative_and_the_share_never_above_one(
        self, seen: int, rows: int, rate: float
    ) -> None:
        moved = Moved(seen=seen, rows=rows, changed=0, skipped=0, batch=1, took_s=1, rate=rate)

        assert moved.share is not None
        assert moved.left_s is not None
        assert 0 <= moved.share <= 1
        assert moved.left_s >= 0


class TestTrail:
    def test_a_replica_that_applies_nothing_grows_old(self) -> None:
        trail = Trail()
        for second in range(10):
            trail.note(float(second), 100.0 + second)

        assert trail.age(9.0, 102.0) == 6.0

    def test_a_replica_that_has_all_is_not_old_however_long_nothing_was_written(self) -> None:
        trail = Trail()
        trail.note(0.0, 100.0)
        trail.note(500.0, 100.0)

        assert trail.age(500.0, 100.0) == 0.0

    @given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(0, 100))
    def test_it_is_never_older_than_it_is(self, growth: list[int], applied: int) -> None:
        trail, position, crossed = Trail(), 0, None
        for second, more in enumerate(growth):
            position += more
            trail.note(float(second), float(position))
            if crossed is None and position > applied:
                crossed = second

        now = float(len(growth))
        assert trail.age(now, float(applied)) == (0.0 if crossed is None else now - crossed)


def pair(old: str, new: str, up: str = "", down: str = "") -> Pair:
    return Pair(old=old, new=new, up=up or f"NEW.{old}", down=down or f"NEW.{new}")


class TestGroups:
    def test_columns_of_their_own_are_judged_by_themselves(self) -> None:
        assert len(groups((pair("a", "x"), pair("b", "y")))) == 2

    def test_pairs_that_meet_later_are_one(self) -> None:
        assert groups((pair("a", "x"), pair("b", "y"), pair("a", "y"))) == (
            (pair("a", "x"), pair("b", "y"), pair("a", "y")),
        )

    @given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")), max_size=8, unique=True))
    def test_no_column_is_in_two_groups_and_no_pair_is_lost(self, edges: list[tuple[str, str]]) -> None:
        found = groups(tuple(pair(old, new) for old, new in edges))

        assert sorted((one.old, one.new) for group in found for one in group) == sorted(edges)
        for side in ("old", "new"):
            columns = [{getattr(one, side) for one in group} for group in found]
            assert sum(map(len, columns)) == len(set().union(*columns))


class TestTriggerText:
    @pytest.mark.parametrize("bad", ["", " ", "NEW.a; DROP TABLE x", "NEW.a) || (NEW.b", "f(NEW.a", "'open"])
    def test_what_is_no_single_expression_is_refused(self, bad: str) -> None:
        with pytest.raises(RefusedError) as caught:
            body_of(CUSTOMERS, (pair("name", "full_name", up=bad or " "),))

        assert caught.value.id == "CF9291"

    def test_a_semicolon_in_a_string_is_a_string(self) -> None:
        assert "NEW.name || ';'" in body_of(CUSTOMERS, (pair("name", "full_name", up="NEW.name || ';'"),))

    def test_a_new_column_whose_default_varies_is_refused_with_the_way_out(self) -> None:
        varying = table(
            column("id"), column("a"), column("b", default="nextval('s'::regclass)", default_varies=True)
        )

        with pytest.raises(RefusedError) as caught:
            body_of(varying, (pair("a", "b"),))

        assert (caught.value.id, "DROP DEFAULT" in caught.value.fix) == ("CF9291", True)

    def test_two_ways_down_to_one_column_are_refused(self) -> None:
        with pytest.raises(RefusedError) as caught:
            body_of(CUSTOMERS, (pair("name", "full_name", down="'a'"), pair("name", "shop", down="'b'")))

        assert caught.value.id == "CF9291"

    @given(st.text("abcü0_", min_size=1, max_size=100))
    def test_long_names_stay_two(self, change: str) -> None:
        one, other = _short(f"dual_write_{change}1"), _short(f"dual_write_{change}2")

        assert one != other
        assert max(len(one.encode()), len(other.encode())) <= 63


def test_R40_a_standby_whose_address_is_nowhere_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    where = Where(
        folder=Path(), variable="A", variables=("A",), dsn="", home=Path(), standbys=("EAST_URL", "WEST_URL")
    )
    monkeypatch.setenv("EAST_URL", "postgresql://u:s3cr3t@east/shop")
    monkeypatch.delenv("WEST_URL", raising=False)
    with pytest.raises(UsageError) as caught:
        standbys_of(where)
    assert (caught.value.id, "WEST_URL" in caught.value.what) == ("CF9315", True)
    monkeypatch.setenv("WEST_URL", "postgresql://west/shop")
    found = standbys_of(where)
    assert [one.variable for one in found] == ["EAST_URL", "WEST_URL"]
    assert "s3cr3t" not in repr(found)


class TestSeen:
    def test_R40_who_has_all_is_not_behind_however_old_its_last_transaction_is(self) -> None:
        assert Seen(applied=100.0, age_s=86_400.0).behind_s(100.0) == 0.0
        assert Seen(applied=99.0, age_s=7.0).behind_s(100.0) == 7.0
