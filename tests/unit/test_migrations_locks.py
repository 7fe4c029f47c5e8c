"""What locks mean for others, and whether a plan grows with its table."""

from __future__ import annotations

from typing import ClassVar

import pytest
from migrations_shapes import index, relation

from crossfade.migrations.locks import Step, Work, blocked, without_timeout
from crossfade.migrations.plans import unbounded

ORDERS = relation(1, "orders", "id", "note", indexes=(index(10, 1, "orders_pkey", 1),))
TABLES = {1: ORDERS, 2: relation(2, "totals", "id", kind="m"), 3: relation(3, "orders_id_seq", kind="S")}
INDEXES = {10: 1}
REWRITE = Work(table="orders", kind="rewrite")


def step(
    held: dict[int, set[str]],
    *work: Work,
    lock_timeout: bool = False,
    taken: dict[int, set[str]] | None = None,
) -> Step:
    def frozen(modes: dict[int, set[str]]) -> dict[int, frozenset[str]]:
        return {oid: frozenset(some) for oid, some in modes.items()}

    return Step(
        line=1,
        statement="",
        held=frozen(held),
        taken=frozen(held if taken is None else taken),
        work=work,
        lock_timeout=lock_timeout,
        transaction=True,
    )


class TestBlocking:
    @pytest.mark.parametrize(
        ("held", "expected"),
        [
            ({1: {"AccessExclusiveLock"}}, (True, True)),
            ({1: {"ShareLock"}}, (False, True)),
            ({1: {"ShareRowExclusiveLock"}}, (False, True)),
            ({1: {"ShareUpdateExclusiveLock"}}, (False, False)),
            ({1: {"RowExclusiveLock"}}, (False, False)),
            ({10: {"AccessExclusiveLock"}}, (True, True)),
            ({10: {"ShareUpdateExclusiveLock"}}, (False, False)),
            ({2: {"AccessExclusiveLock"}}, (True, False)),
            ({2: {"ExclusiveLock"}}, (False, False)),
            ({3: {"ShareRowExclusiveLock"}}, (False, True)),
            ({99: {"AccessExclusiveLock"}}, (False, False)),
        ],
    )
    def test_a_lock_blocks_while_work_is_done(
        self, held: dict[int, set[str]], expected: tuple[bool, bool]
    ) -> None:
        seen = blocked(step(held, REWRITE), TABLES, INDEXES)

        assert expected == (seen.reads, seen.writes)

    def test_a_lock_without_work_blocks_nobody_for_long(self) -> None:
        seen = blocked(step({1: {"AccessExclusiveLock"}}), TABLES, INDEXES)

        assert (seen.reads, seen.writes) == (False, False)

    def test_row_locks_of_a_whole_table_block_its_writers(self) -> None:
        seen = blocked(step({}, Work(table="orders", kind="update", rows_locked=True)), TABLES, INDEXES)

        assert (seen.reads, seen.writes, seen.tables) == (False, True, ("orders",))


class TestTimeout:
    def test_a_strong_lock_wants_one(self) -> None:
        assert without_timeout(step({1: {"AccessExclusiveLock"}}), TABLES, INDEXES)

    def test_one_that_is_set_is_enough(self) -> None:
        assert not without_timeout(step({1: {"AccessExclusiveLock"}}, lock_timeout=True), TABLES, INDEXES)

    def test_a_lock_that_was_held_already_is_not_waited_for(self) -> None:
        assert not without_timeout(step({1: {"AccessExclusiveLock"}}, taken={}), TABLES, INDEXES)


def scan(kind: str, condition: str = "", *, name: str = "orders_pkey") -> dict[str, object]:
    node: dict[str, object] = {"Node Type": kind, "Relation Name": "orders"}
    if kind != "Seq Scan":
        node |= {"Index Name": name, "Index Cond": condition}
    return node


class TestPlans:
    KNOWN: ClassVar = {
        "orders_pkey": index(10, 1, "orders_pkey", 1),
        "pair": index(11, 1, "pair", 1, 2),
        "loose": index(12, 1, "loose", 2, unique=False),
    }

    def whole(self, plan: dict[str, object]) -> bool:
        names = dict.fromkeys(self.KNOWN, "orders")
        return bool(unbounded(plan, {"orders"}, self.KNOWN, names))

    @pytest.mark.parametrize(
        "condition",
        [
            "(id = 5)",
            "(id = '5'::bigint)",
            "(id = ANY ('{1,2,3}'::bigint[]))",
            "((id >= 1) AND (id <= 1000))",
            "((id > 1) AND (id < 1000))",
        ],
    )
    def test_keys_and_ranges_are_bounded(self, condition: str) -> None:
        assert not self.whole(scan("Index Scan", condition))

    @pytest.mark.parametrize("condition", ["", "(id > 5)", "(id IS NULL)"])
    def test_half_a_range_and_a_whole_index_are_not(self, condition: str) -> None:
        assert self.whole(scan("Index Scan", condition))

    def test_half_a_unique_key_is_not(self) -> None:
        assert self.whole(scan("Index Scan", "(id = 5)", name="pair"))
        assert not self.whole(scan("Index Scan", "((id = 5) AND (note = 'x'::text))", name="pair"))

    def test_an_index_that_repeats_is_not(self) -> None:
        assert self.whole(scan("Index Scan", "(note = 'x'::text)", name="loose"))

    def test_a_sequential_scan_is_not_but_below_a_limit(self) -> None:
        assert self.whole(scan("Seq Scan"))
        assert not self.whole({"Node Type": "Limit", "Plans": [scan("Seq Scan")]})

    def test_a_bitmap_knows_its_table_by_its_index(self) -> None:
        bitmap = {"Node Type": "Bitmap Index Scan", "Index Name": "loose", "Index Cond": "(note = 'x'::text)"}

        assert self.whole({"Node Type": "Bitmap Heap Scan", "Relation Name": "orders", "Plans": [bitmap]})
